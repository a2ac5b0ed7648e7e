// <mlx/backend/cpu/encoder.h> by Olivine, for primitives written for MLX: what eval_cpu dispatches
// runs at once, on the thread that evaluates.
#pragma once

#include <utility>

#include "mlx/namespace.h"
#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine::cpu {

class CommandEncoder {
 public:
  void set_input_array(const array&) {}
  void set_output_array(array&) {}
  // Arrays that must live until what is dispatched has run, which it has when dispatch returns.
  void add_temporary(array) {}
  template <class F, class... Args>
  void dispatch(F&& f, Args&&... args) {
    std::forward<F>(f)(std::forward<Args>(args)...);
  }
};
inline CommandEncoder& get_command_encoder(Stream) {
  static CommandEncoder encoder;
  return encoder;
}

}  // namespace olivine::cpu
