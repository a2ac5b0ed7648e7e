// Primitives that are made of other ops: a name, and a function from arrays to arrays.
//
//   struct Swish : olivine::UnaryFunctionPrimitive {
//     explicit Swish(Stream s)
//         : UnaryFunctionPrimitive(s, "Swish", 1, [](auto& in, auto&) {
//             return std::vector<array>{in[0] * sigmoid(in[0])};
//           }) {}
//   };
//
// An array of such a primitive is what the function gives: the graph has its ops, so that
// derivatives, batches, compilation and export are theirs. The rules below, for who calls them on
// the primitive itself, are the transformations of the function. A subclass with a kernel or rules
// of its own returns nothing from `composite`: then it is a primitive like others, with these rules
// where it has no better ones.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "olivine/primitive.h"

namespace olivine {

// What a primitive computes of its inputs.
struct PrimitiveFunction {
  // `asked`: shapes and dtypes of the outputs where they are known; else it is empty.
  using Call =
      std::function<std::vector<array>(const std::vector<array>& inputs, const ArraySpecs& asked)>;
  // How many inputs it takes; implicit from one number.
  struct Arity {
    Arity(int count) : least(count), most(count) {}
    Arity(int least, int most) : least(least), most(most) {}
    int least, most;
  };
  static constexpr int any = 1 << 30;

  std::string name;
  Arity arity;
  Call call;
  // If not, all of its class compute the same, so that one is as good as another.
  bool has_parameters = true;

  // The outputs, the inputs and their number checked.
  OLIVINE_API std::vector<array> operator()(const std::vector<array>& inputs,
                                            const ArraySpecs& asked = {}) const;
};

// The rules of `Base` by a function: Base is Primitive or UnaryPrimitive. Without a function they
// are those of Base, for subclasses that define their own.
template <class Base>
class OLIVINE_API FunctionRules : public Base {
 public:
  FunctionRules(Stream stream, PrimitiveFunction function);
  ~FunctionRules() override;

  std::vector<array> jvp(const std::vector<array>& primals, const std::vector<array>& tangents,
                         const std::vector<int>& argnums) override;
  std::vector<array> vjp(const std::vector<array>& primals, const std::vector<array>& cotangents,
                         const std::vector<int>& argnums,
                         const std::vector<array>& outputs) override;
  std::pair<std::vector<array>, std::vector<int>> vmap(const std::vector<array>& inputs,
                                                       const std::vector<int>& axes) override;
  const char* name() const override;
  // One with parameters is like itself only.
  bool is_equivalent(const Primitive& other) const override;
  std::vector<Shape> output_shapes(const std::vector<array>& inputs) override;
  std::optional<std::vector<array>> composite(const std::vector<array>& inputs,
                                              const ArraySpecs& asked) override;

 protected:
  const PrimitiveFunction& function() const;

 private:
  PrimitiveFunction function_;
};
// The two that there are; their code is in the library.
extern template class FunctionRules<Primitive>;
extern template class FunctionRules<UnaryPrimitive>;

// Of any number of outputs.
class OLIVINE_API FunctionPrimitive : public FunctionRules<Primitive> {
 public:
  FunctionPrimitive(Stream stream, std::string name, PrimitiveFunction::Arity arity,
                    PrimitiveFunction::Call call, bool has_parameters = true)
      : FunctionRules(stream, {std::move(name), arity, std::move(call), has_parameters}) {}
  void eval_cpu(const std::vector<array>& inputs, std::vector<array>& outputs) override;
};

// Of one output.
class OLIVINE_API UnaryFunctionPrimitive : public FunctionRules<UnaryPrimitive> {
 public:
  UnaryFunctionPrimitive(Stream stream, std::string name, PrimitiveFunction::Arity arity,
                         PrimitiveFunction::Call call, bool has_parameters = true)
      : FunctionRules(stream, {std::move(name), arity, std::move(call), has_parameters}) {}
  using UnaryPrimitive::eval_cpu;
  void eval_cpu(const std::vector<array>& inputs, array& output) override;
};

}  // namespace olivine
