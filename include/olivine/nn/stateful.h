// Stateful: what holds arrays that are replaced from step to step, modules and optimizers.
#pragma once

#include <string>
#include <vector>

#include "olivine/nn/tree.h"

namespace olivine::nn {

class OLIVINE_API Stateful {
 public:
  virtual ~Stateful() = default;

  // All arrays by name; and putting others in their place. A name that is missing, or that is not
  // known, raises std::invalid_argument.
  virtual Tree state() const = 0;
  virtual void set_state(const Tree& state) = 0;

  // Where the arrays are, in an order that depends on `signature` alone.
  virtual void slots(std::vector<array*>& out) = 0;
  // What a compiled function depends on besides the arrays: names, training mode, what is frozen.
  virtual void signature(std::string& out) const = 0;
};

// Computes everything that they hold, and the arrays, in one evaluation.
OLIVINE_API void eval(const std::vector<Stateful*>& holders, const std::vector<array>& arrays = {});

}  // namespace olivine::nn
