// Random numbers from a key of one's own, as of a loop's step, in place of the process's sequence.
#pragma once

#include <optional>

#include "olivine/array.h"

namespace olivine::random {

class Draws;

// While it lives, what this thread draws without a key comes from `key`, and the process's sequence
// stays as it is.
class KeyScope {
 public:
  explicit KeyScope(const array& key);
  ~KeyScope();
  KeyScope(const KeyScope&) = delete;
  // What is left of the key; none if nothing was drawn.
  const std::optional<array>& rest() const { return rest_; }
  array next();

 private:
  array key_;
  std::optional<array> rest_;
  KeyScope* outer_;
  Draws* draws_;
};

}  // namespace olivine::random
