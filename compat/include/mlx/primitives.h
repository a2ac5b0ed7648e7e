// <mlx/primitives.h> by Olivine: what subclasses of Primitive need. MLX's own primitives are
// records here, not classes.
#pragma once

#include "mlx/namespace.h"
#include "olivine/primitive.h"

// Members of a class under its declaration: overrides that the class then defines, and short ones.
#define DEFINE_VMAP()                                                    \
  virtual std::pair<std::vector<olivine::array>, std::vector<int>> vmap( \
      const std::vector<olivine::array>& inputs, const std::vector<int>& axes) override;
#define DEFINE_GRADS()                                                                           \
  std::vector<olivine::array> jvp(const std::vector<olivine::array>& primals,                    \
                                  const std::vector<olivine::array>& tangents,                   \
                                  const std::vector<int>& argnums) override;                     \
  std::vector<olivine::array> vjp(                                                               \
      const std::vector<olivine::array>& primals, const std::vector<olivine::array>& cotangents, \
      const std::vector<int>& argnums, const std::vector<olivine::array>& outputs) override;
#define DEFINE_NAME(PRIMITIVE) \
  const char* name() const override { return #PRIMITIVE; }
#define DEFINE_DEFAULT_IS_EQUIVALENT() \
  bool is_equivalent(const olivine::Primitive&) const override { return true; }
#define DEFINE_INPUT_OUTPUT_SHAPE()                                                               \
  std::vector<olivine::Shape> output_shapes(const std::vector<olivine::array>& inputs) override { \
    return {inputs[0].shape()};                                                                   \
  }
