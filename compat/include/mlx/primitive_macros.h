// How <mlx/primitives.h> writes a class in one line: a name, its inputs, and Olivine's function.
#pragma once

#include <string>
#include <vector>

#include "mlx/namespace.h"
#include "olivine/function_primitive.h"

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

// The last argument is a list of arrays made of `in`, the inputs, with `s`, the stream; `asked`
// says which outputs are asked for, where that is known. ARITY is a number or a
// PrimitiveFunction::Arity.
#define OLIVINE_CLASS_OF(NAME, BASE, ARITY, PARAMETERS, HAS_PARAMETERS, ...)                 \
  explicit NAME PARAMETERS : BASE(                                                           \
                                 s, #NAME, ARITY,                                            \
                                 [=]([[maybe_unused]] const std::vector<olivine::array>& in, \
                                     [[maybe_unused]] const olivine::ArraySpecs& asked)      \
                                     -> std::vector<olivine::array> { return __VA_ARGS__; }, \
                                 HAS_PARAMETERS) {}
#define OLIVINE_BETWEEN(LEAST, MOST) (olivine::PrimitiveFunction::Arity{LEAST, MOST})
#define OLIVINE_AT_LEAST(LEAST) OLIVINE_BETWEEN(LEAST, olivine::PrimitiveFunction::any)
#define OLIVINE_WITH_STREAM(...) (olivine::Stream s, __VA_ARGS__)

// Of one output, without parameters.
#define OLIVINE_UNARY(NAME, ARITY, ...)                                               \
  class NAME : public olivine::UnaryFunctionPrimitive {                               \
   public:                                                                            \
    OLIVINE_CLASS_OF(NAME, UnaryFunctionPrimitive, ARITY, (olivine::Stream s), false, \
                     {__VA_ARGS__})                                                   \
  };
// The constructor with parameters of a class of one output.
#define OLIVINE_UNARY_CONSTRUCTOR(NAME, ARITY, PARAMETERS, ...)                               \
  OLIVINE_CLASS_OF(NAME, UnaryFunctionPrimitive, ARITY, OLIVINE_WITH_STREAM PARAMETERS, true, \
                   {__VA_ARGS__})
#define OLIVINE_UNARY_WITH(NAME, ARITY, PARAMETERS, ...)            \
  class NAME : public olivine::UnaryFunctionPrimitive {             \
   public:                                                          \
    OLIVINE_UNARY_CONSTRUCTOR(NAME, ARITY, PARAMETERS, __VA_ARGS__) \
  };
// Of several outputs.
#define OLIVINE_SEVERAL(NAME, ARITY, ...)                                                     \
  class NAME : public olivine::FunctionPrimitive {                                            \
   public:                                                                                    \
    OLIVINE_CLASS_OF(NAME, FunctionPrimitive, ARITY, (olivine::Stream s), false, __VA_ARGS__) \
  };
#define OLIVINE_SEVERAL_WITH(NAME, ARITY, PARAMETERS, ...)                                 \
  class NAME : public olivine::FunctionPrimitive {                                         \
   public:                                                                                 \
    OLIVINE_CLASS_OF(NAME, FunctionPrimitive, ARITY, OLIVINE_WITH_STREAM PARAMETERS, true, \
                     __VA_ARGS__)                                                          \
  };
