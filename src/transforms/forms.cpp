// The forms of the transformations for functions of one or two arrays, in terms of the general
// ones.
#include "olivine/transforms.h"

namespace olivine {
namespace {

using Arrays = std::vector<array>;

ArrayFn general(const UnaryFn& fn) {
  return [fn](const Arrays& in) { return Arrays{fn(in[0])}; };
}
ArrayFn general(const ScalarFn& fn) {
  return [fn](const Arrays& in) { return Arrays{fn(in)}; };
}

}  // namespace

std::pair<array, array> vjp(const UnaryFn& fn, const array& primal, const array& cotangent) {
  auto [out, gradients] = vjp(general(fn), {primal}, {cotangent});
  return {out[0], gradients[0]};
}

std::pair<array, array> jvp(const UnaryFn& fn, const array& primal, const array& tangent) {
  auto [out, tangents] = jvp(general(fn), {primal}, {tangent});
  return {out[0], tangents[0]};
}

SimpleValueAndGradFn value_and_grad(const ScalarFn& fn, const std::vector<int>& argnums) {
  return [fn = general(fn), argnums](const Arrays& inputs) {
    auto [out, gradients] = value_and_grad(fn, inputs, argnums);
    return std::pair(out[0], gradients);
  };
}

std::function<std::pair<array, array>(const array&)> value_and_grad(const UnaryFn& fn) {
  return [fn = general(fn)](const array& x) {
    auto [out, gradients] = value_and_grad(fn, {x}, {0});
    return std::pair(out[0], gradients[0]);
  };
}

ArrayFn grad(const ScalarFn& fn, const std::vector<int>& argnums) {
  return grad(general(fn), argnums);
}

UnaryFn grad(const UnaryFn& fn) {
  return [fn = general(fn)](const array& x) { return value_and_grad(fn, {x}, {0}).second[0]; };
}

UnaryFn vmap(const UnaryFn& fn, int in_axis, int out_axis) {
  return [fn = vmap(general(fn), {in_axis}, {out_axis})](const array& x) { return fn({x})[0]; };
}

BinaryFn vmap(const BinaryFn& fn, int in_axis_a, int in_axis_b, int out_axis) {
  ArrayFn both = [fn](const Arrays& in) { return Arrays{fn(in[0], in[1])}; };
  return [fn = vmap(both, {in_axis_a, in_axis_b}, {out_axis})](const array& a, const array& b) {
    return fn({a, b})[0];
  };
}

ArrayFn custom_function(ArrayFn fn, std::optional<decltype(CustomRules::vjp)> vjp,
                        std::optional<decltype(CustomRules::jvp)> jvp,
                        std::optional<decltype(CustomRules::vmap)> vmap) {
  CustomRules rules;
  if (vjp) rules.vjp = std::move(*vjp);
  if (jvp) rules.jvp = std::move(*jvp);
  if (vmap) rules.vmap = std::move(*vmap);
  return custom_function(std::move(fn), std::move(rules));
}

}  // namespace olivine
