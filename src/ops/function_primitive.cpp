// Primitives made of other ops: their rules are the transformations of their function.
#include "olivine/function_primitive.h"

#include <algorithm>
#include <typeinfo>

#include "core/error.h"
#include "olivine/transforms.h"
#include "ops/primitive_params.h"

namespace olivine {
namespace {

ArraySpecs specs_of(std::span<const array> arrays) {
  ArraySpecs specs;
  for (const array& a : arrays) specs.emplace_back(a.shape(), a.dtype());
  return specs;
}

// The function of the primals `argnums` alone, the others as they are.
ArrayFn of_arguments(const PrimitiveFunction& f, const Arrays& primals,
                     const std::vector<int>& argnums, ArraySpecs asked) {
  return [f, primals, argnums, asked = std::move(asked)](const Arrays& arguments) {
    Arrays in = primals;
    for (size_t i = 0; i < argnums.size(); ++i) in[argnums[i]] = arguments[i];
    return f(in, asked);
  };
}

Arrays chosen(const PrimitiveFunction& f, const Arrays& primals, const std::vector<int>& argnums) {
  Arrays out;
  for (int i : argnums) {
    if (i < 0 || static_cast<size_t>(i) >= primals.size()) {
      fail("[", f.name, "] expected argnums from 0 to ", static_cast<int>(primals.size()) - 1,
           "; got ", i);
    }
    out.push_back(primals[i]);
  }
  return out;
}

void give(const PrimitiveFunction& f, const Arrays& computed, std::span<array> outputs) {
  if (computed.size() != outputs.size()) {
    fail("[", f.name, "] expected ", computed.size(), " outputs to be asked for; got ",
         outputs.size());
  }
  expect_asked(f.name, computed, specs_of(outputs));
  eval(computed);
  for (size_t i = 0; i < outputs.size(); ++i) outputs[i].copy_shared_buffer(computed[i]);
}

}  // namespace

Arrays PrimitiveFunction::operator()(const Arrays& inputs, const ArraySpecs& asked) const {
  auto count = static_cast<int>(std::min<size_t>(inputs.size(), any));
  if (count < arity.least || count > arity.most) {
    if (arity.most == any) {
      fail("[", name, "] expected at least ", arity.least, " inputs; got ", count);
    }
    if (arity.least == arity.most) {
      fail("[", name, "] expected ", arity.least, " inputs; got ", count);
    }
    fail("[", name, "] expected ", arity.least, " to ", arity.most, " inputs; got ", count);
  }
  if (!call) fail<std::runtime_error>("[", name, "] expected a function to compute it; got none");
  return call(inputs, asked);
}

template <class Base>
FunctionRules<Base>::FunctionRules(Stream stream, PrimitiveFunction function)
    : Base(stream), function_(std::move(function)) {}
template <class Base>
FunctionRules<Base>::~FunctionRules() = default;

template <class Base>
const PrimitiveFunction& FunctionRules<Base>::function() const {
  return function_;
}
template <class Base>
const char* FunctionRules<Base>::name() const {
  return function_.name.c_str();
}
template <class Base>
std::optional<Arrays> FunctionRules<Base>::composite(const Arrays& inputs,
                                                     const ArraySpecs& asked) {
  if (!function_.call) return Base::composite(inputs, asked);
  return function_(inputs, asked);
}

template <class Base>
Arrays FunctionRules<Base>::jvp(const Arrays& primals, const Arrays& tangents,
                                const std::vector<int>& argnums) {
  if (!function_.call) return Base::jvp(primals, tangents, argnums);
  return olivine::jvp(of_arguments(function_, primals, argnums, {}),
                      chosen(function_, primals, argnums), tangents)
      .second;
}

template <class Base>
Arrays FunctionRules<Base>::vjp(const Arrays& primals, const Arrays& cotangents,
                                const std::vector<int>& argnums, const Arrays& outputs) {
  if (!function_.call) return Base::vjp(primals, cotangents, argnums, outputs);
  return olivine::vjp(of_arguments(function_, primals, argnums, specs_of(outputs)),
                      chosen(function_, primals, argnums), cotangents)
      .second;
}

template <class Base>
std::pair<Arrays, std::vector<int>> FunctionRules<Base>::vmap(const Arrays& inputs,
                                                              const std::vector<int>& axes) {
  if (!function_.call) return Base::vmap(inputs, axes);
  bool mapped = std::any_of(axes.begin(), axes.end(), [](int axis) { return axis >= 0; });
  ArrayFn fn = [f = function_](const Arrays& in) { return f(in); };
  Arrays out = mapped ? olivine::vmap(fn, axes)(inputs) : fn(inputs);
  std::vector<int> out_axes(out.size(), mapped ? 0 : -1);
  return {std::move(out), std::move(out_axes)};
}

template <class Base>
bool FunctionRules<Base>::is_equivalent(const Primitive& other) const {
  const Primitive& self = *this;
  return this == &other || (!function_.has_parameters && typeid(self) == typeid(other));
}

template <class Base>
std::vector<Shape> FunctionRules<Base>::output_shapes(const Arrays& inputs) {
  if (!function_.call) return Base::output_shapes(inputs);
  std::vector<Shape> shapes;
  for (const array& a : function_(inputs)) shapes.push_back(a.shape());
  return shapes;
}

template class FunctionRules<Primitive>;
template class FunctionRules<UnaryPrimitive>;

void FunctionPrimitive::eval_cpu(const Arrays& inputs, Arrays& outputs) {
  give(function(), function()(inputs, specs_of(outputs)), outputs);
}
void UnaryFunctionPrimitive::eval_cpu(const Arrays& inputs, array& output) {
  give(function(), function()(inputs, specs_of({&output, 1})), {&output, 1});
}

}  // namespace olivine
