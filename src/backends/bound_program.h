// Fused programs for who runs one many times: what does not change between runs is kept.
#pragma once

#include "backends/backend.h"

namespace olivine {

// Used by one thread at a time.
class BoundProgram {
 public:
  virtual ~BoundProgram() = default;
  // As PreparedProgram::run; from the first run on, views change in nothing but their addresses.
  virtual void run(std::span<const View> in, std::span<const View> out) = 0;
};

struct BindableProgram : PreparedProgram {
  // Refers to the program.
  virtual std::unique_ptr<BoundProgram> bind() const = 0;
};

}  // namespace olivine
