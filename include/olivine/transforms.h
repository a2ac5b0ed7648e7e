// Transformations of functions of arrays. They compose in any order and to any depth.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "olivine/array.h"

namespace olivine {

using ArrayFn = std::function<std::vector<array>(const std::vector<array>&)>;

// Outputs of fn at primals, and the cotangents of the primals for those of the outputs.
OLIVINE_API std::pair<std::vector<array>, std::vector<array>> vjp(
    const ArrayFn& fn, const std::vector<array>& primals, const std::vector<array>& cotangents);
// Outputs of fn at primals, and their tangents for those of the primals.
OLIVINE_API std::pair<std::vector<array>, std::vector<array>> jvp(
    const ArrayFn& fn, const std::vector<array>& primals, const std::vector<array>& tangents);
// All outputs, and the gradients of the first (a scalar) with respect to the inputs `argnums`.
OLIVINE_API std::pair<std::vector<array>, std::vector<array>> value_and_grad(
    const ArrayFn& fn, const std::vector<array>& inputs, const std::vector<int>& argnums);
OLIVINE_API
std::function<std::pair<std::vector<array>, std::vector<array>>(const std::vector<array>&)>
value_and_grad(ArrayFn fn, const std::vector<int>& argnums);
OLIVINE_API ArrayFn grad(ArrayFn fn, const std::vector<int>& argnums);

// Outputs of fn, and d(output)/d(input) of each output by each input, of the output's shape
// followed by the input's: by rows or by columns, whatever is fewer.
OLIVINE_API std::pair<std::vector<array>, std::vector<std::vector<array>>> jacobian(
    const ArrayFn& fn, const std::vector<array>& inputs);
// The same by the inputs `argnums` alone; negative ones count from the end.
OLIVINE_API std::pair<std::vector<array>, std::vector<std::vector<array>>> jacobian(
    const ArrayFn& fn, const std::vector<array>& inputs, const std::vector<int>& argnums);
// The second derivatives of a scalar function by each pair of inputs: the Jacobian of its gradient.
OLIVINE_API std::vector<std::vector<array>> hessian(const ArrayFn& fn,
                                                    const std::vector<array>& inputs);
OLIVINE_API std::vector<std::vector<array>> hessian(const ArrayFn& fn,
                                                    const std::vector<array>& inputs,
                                                    const std::vector<int>& argnums);

// fn mapped over one axis of each input (-1: not mapped); outputs get theirs where out_axes says.
// Missing out_axes means axis 0 for every output.
// Missing in_axes mean axis 0 for every input.
OLIVINE_API ArrayFn vmap(ArrayFn fn, std::vector<int> in_axes = {}, std::vector<int> out_axes = {});

// fn whose intermediate results are not kept for its gradient but computed again.
OLIVINE_API ArrayFn checkpoint(ArrayFn fn);

// fn with rules of the user's own; each may be missing.
struct CustomRules {
  // (primals, cotangents, outputs) -> cotangents of the primals
  std::function<std::vector<array>(const std::vector<array>&, const std::vector<array>&,
                                   const std::vector<array>&)>
      vjp;
  // (primals, tangents, which primals the tangents belong to) -> tangents of the outputs
  std::function<std::vector<array>(const std::vector<array>&, const std::vector<array>&,
                                   const std::vector<int>&)>
      jvp;
  // (inputs, their mapped axes or -1) -> (outputs, their axes)
  std::function<std::pair<std::vector<array>, std::vector<int>>(const std::vector<array>&,
                                                                const std::vector<int>&)>
      vmap;
};
OLIVINE_API ArrayFn custom_function(ArrayFn fn, CustomRules rules);

// ---- MLX's other forms: of one argument, of one array, and rules one by one.
using ScalarFn = std::function<array(const std::vector<array>&)>;
using UnaryFn = std::function<array(const array&)>;
using BinaryFn = std::function<array(const array&, const array&)>;
using ValueAndGradFn =
    std::function<std::pair<std::vector<array>, std::vector<array>>(const std::vector<array>&)>;
using SimpleValueAndGradFn =
    std::function<std::pair<array, std::vector<array>>(const std::vector<array>&)>;

OLIVINE_API std::pair<array, array> vjp(const UnaryFn& fn, const array& primal,
                                        const array& cotangent);
OLIVINE_API std::pair<array, array> jvp(const UnaryFn& fn, const array& primal,
                                        const array& tangent);
inline ValueAndGradFn value_and_grad(ArrayFn fn, int argnum = 0) {
  return value_and_grad(std::move(fn), std::vector<int>{argnum});
}
OLIVINE_API SimpleValueAndGradFn value_and_grad(const ScalarFn& fn,
                                                const std::vector<int>& argnums);
inline SimpleValueAndGradFn value_and_grad(const ScalarFn& fn, int argnum = 0) {
  return value_and_grad(fn, std::vector<int>{argnum});
}
OLIVINE_API std::function<std::pair<array, array>(const array&)> value_and_grad(const UnaryFn& fn);
inline ArrayFn grad(ArrayFn fn, int argnum = 0) {
  return grad(std::move(fn), std::vector<int>{argnum});
}
OLIVINE_API ArrayFn grad(const ScalarFn& fn, const std::vector<int>& argnums);
inline ArrayFn grad(const ScalarFn& fn, int argnum = 0) {
  return grad(fn, std::vector<int>{argnum});
}
OLIVINE_API UnaryFn grad(const UnaryFn& fn);
OLIVINE_API UnaryFn vmap(const UnaryFn& fn, int in_axis = 0, int out_axis = 0);
OLIVINE_API BinaryFn vmap(const BinaryFn& fn, int in_axis_a = 0, int in_axis_b = 0,
                          int out_axis = 0);
OLIVINE_API ArrayFn custom_function(ArrayFn fn,
                                    std::optional<decltype(CustomRules::vjp)> vjp = std::nullopt,
                                    std::optional<decltype(CustomRules::jvp)> jvp = std::nullopt,
                                    std::optional<decltype(CustomRules::vmap)> vmap = std::nullopt);
inline ArrayFn custom_vjp(ArrayFn fn, decltype(CustomRules::vjp) vjp) {
  return custom_function(std::move(fn), CustomRules{.vjp = std::move(vjp), .jvp = {}, .vmap = {}});
}

}  // namespace olivine
