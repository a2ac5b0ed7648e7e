// hadamard_transform: a fast product with a Hadamard matrix, whose adjoint is its transpose.
#include <cmath>

#include "core/checks.h"
#include "core/error.h"
#include "core/node.h"
#include "core/op.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/shape.h"
#include "ops/batching.h"
#include "ops/matmul_params.h"

namespace olivine {
namespace {

bool has_matrix(int64_t n) {
  if (n <= 0) return false;
  while (n % 2 == 0 && n != 12 && n != 20 && n != 28) n /= 2;
  return n == 1 || n == 12 || n == 20 || n == 28;
}

const Op hadamard_op{.name = "hadamard_transform",
                     .infer =
                         [](const ParamsRef&, std::span<const array> in) {
                           return std::vector<OutSpec>{{in[0].shape(), in[0].dtype()}};
                         },
                     .vjp =
                         [](const VjpCall& c) {
                           HadamardParams p = c.params.as<HadamardParams>();
                           p.transpose = !p.transpose;
                           return MaybeArrays{emit(c.op, make_params(p), c.ct)[0]};
                         },
                     .jvp = jvp_linear,
                     .vmap =
                         [](const VmapCall& c) {
                           return VmapResult{emit(c.op, c.params, Arrays{batch_first(c, 0)}), {0}};
                         },
                     .params = &params_type<HadamardParams>,
                     .check =
                         [](const CheckCall& c) {
                           expect_inputs(c, 1);
                           expect_ndim(c, 0, 1);
                           require(c, is_floating(c.in[0].dtype()) && has_matrix(c.in[0].shape(-1)),
                                   "a floating point input with a last axis of size m * 2^k");
                         },
                     .any_size = true};

}  // namespace

array hadamard_transform(const array& a, std::optional<float> scale, StreamOrDevice s) {
  if (is_complexfloating(a.dtype())) {
    fail("[hadamard_transform] expected a real input; got ", a.dtype());
  }
  if (a.ndim() == 0 || !has_matrix(a.shape(-1))) {
    fail(
        "[hadamard_transform] expected a last axis of size m * 2^k with m in 1, 12, 20, 28; got "
        "shape ",
        a.shape());
  }
  const double n = static_cast<double>(a.shape(-1));
  if (!scale) note_size_read(a, "the size of a Hadamard matrix");
  const HadamardParams params{scale ? static_cast<double>(*scale) : 1 / std::sqrt(n), false};
  array x = astype(a, is_inexact(a.dtype()) ? a.dtype() : float32, s);
  return make_node(hadamard_op, make_params(params), {x}, x.shape(), x.dtype(), s);
}

}  // namespace olivine
