// Matrix products: one bilinear op, `matmul`, and its fusion with an addend, `addmm`.
#include "olivine/ops/matmul.h"

#include "core/checks.h"
#include "core/error.h"
#include "core/node.h"
#include "core/op.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "ops/broadcasting.h"
#include "ops/matmul_params.h"

namespace olivine {
namespace {

// Shape of a @ b for operands of at least two axes.
Shape product_shape(const array& a, const array& b, const char* op) {
  const Shape &x = a.shape(), &y = b.shape();
  if (x.back() != y[y.size() - 2]) {
    fail("[", op, "] expected the last axis of a to equal the second last of b; got shapes ", x,
         " and ", y);
  }
  Shape out = broadcast_shapes({x.data(), x.size() - 2}, {y.data(), y.size() - 2}, op);
  out.push_back(x[x.size() - 2]);
  out.push_back(y.back());
  return out;
}

// The adjoint: transposed, and conjugated if complex.
array adjoint(const array& a) {
  array t = swapaxes(a, -1, -2);
  return is_complexfloating(a.dtype()) ? conjugate(t) : t;
}

// A batched operand with its batch axis first and as many further leading axes as the others have.
array align_batch(const VmapCall& c, size_t i, int rank) {
  if (c.axes[i] < 0) return c.in[i];
  array a = moveaxis(c.in[i], c.axes[i], 0);
  if (a.ndim() > rank) return a;
  Shape shape = a.shape();
  while (static_cast<int>(shape.size()) <= rank) shape.insert(shape.begin() + 1, 1);
  return reshape(a, shape);
}

int unbatched_rank(const VmapCall& c) {
  int rank = 0;
  for (size_t i = 0; i < c.in.size(); ++i) {
    rank = std::max(rank, c.in[i].ndim() - (c.axes[i] >= 0 ? 1 : 0));
  }
  return rank;
}

MaybeArrays vjp_matmul(const VjpCall& c) {
  MaybeArrays g(2);
  const array &a = c.in[0], &b = c.in[1], &ct = c.ct[0];
  if (c.wanted[0]) g[0] = sum_to(matmul(ct, adjoint(b)), a.shape());
  if (c.wanted[1]) g[1] = sum_to(matmul(adjoint(a), ct), b.shape());
  return g;
}

MaybeArrays jvp_matmul(const JvpCall& c) {
  MaybeArray t;
  if (c.tangent[0]) t = matmul(*c.tangent[0], c.in[1]);
  if (c.tangent[1]) {
    array other = matmul(c.in[0], *c.tangent[1]);
    t = t ? add(*t, other) : other;
  }
  return {t};
}

VmapResult vmap_matmul(const VmapCall& c) {
  int rank = unbatched_rank(c);
  return {{matmul(align_batch(c, 0, rank), align_batch(c, 1, rank))}, {0}};
}

// Inputs `first` and the next can be multiplied.
void check_factors(const CheckCall& c, size_t first) {
  expect_one_dtype(c, 0, c.in.size());
  expect_ndim(c, first, 2);
  expect_ndim(c, first + 1, 2);
  product_shape(c.in[first], c.in[first + 1], c.op.name);
}

const Op matmul_op{
    .name = "matmul",
    .infer =
        [](const ParamsRef&, std::span<const array> in) {
          return std::vector<OutSpec>{{product_shape(in[0], in[1], "matmul"), in[0].dtype()}};
        },
    .vjp = vjp_matmul,
    .jvp = jvp_matmul,
    .vmap = vmap_matmul,
    .check =
        [](const CheckCall& c) {
          expect_inputs(c, 2);
          check_factors(c, 0);
        },
    .any_size = true};

array scaled(const array& a, double by) { return by == 1 ? a : multiply(a, array(by, a.dtype())); }

MaybeArrays vjp_addmm(const VjpCall& c) {
  const auto& p = c.params.as<AddmmParams>();
  MaybeArrays g(3);
  const array &a = c.in[1], &b = c.in[2], &ct = c.ct[0];
  if (c.wanted[0]) g[0] = sum_to(scaled(ct, p.beta), c.in[0].shape());
  if (c.wanted[1]) {
    g[1] = sum_to(scaled(matmul(ct, adjoint(b)), p.alpha), a.shape());
  }
  if (c.wanted[2]) {
    g[2] = sum_to(scaled(matmul(adjoint(a), ct), p.alpha), b.shape());
  }
  return g;
}

MaybeArrays jvp_addmm(const JvpCall& c) {
  const auto& p = c.params.as<AddmmParams>();
  MaybeArray t;
  auto accumulate = [&](array x) { t = t ? add(*t, x) : broadcast_to(x, c.out[0].shape()); };
  if (c.tangent[0]) accumulate(scaled(*c.tangent[0], p.beta));
  if (c.tangent[1]) accumulate(scaled(matmul(*c.tangent[1], c.in[2]), p.alpha));
  if (c.tangent[2]) accumulate(scaled(matmul(c.in[1], *c.tangent[2]), p.alpha));
  return {t};
}

VmapResult vmap_addmm(const VmapCall& c) {
  const auto& p = c.params.as<AddmmParams>();
  int rank = unbatched_rank(c);
  if (c.axes[1] < 0 && c.axes[2] < 0) {  // one product for all the addends
    array product = scaled(matmul(c.in[1], c.in[2]), p.alpha);
    return {{add(product, scaled(align_batch(c, 0, rank), p.beta))}, {0}};
  }
  return {{addmm(align_batch(c, 0, rank), align_batch(c, 1, rank), align_batch(c, 2, rank), p.alpha,
                 p.beta)},
          {0}};
}

const Op addmm_op{
    .name = "addmm",
    .infer =
        [](const ParamsRef&, std::span<const array> in) {
          return std::vector<OutSpec>{{product_shape(in[1], in[2], "addmm"), in[0].dtype()}};
        },
    .vjp = vjp_addmm,
    .jvp = jvp_addmm,
    .vmap = vmap_addmm,
    .params = &params_type<AddmmParams>,
    .check =
        [](const CheckCall& c) {
          expect_inputs(c, 3);
          check_factors(c, 1);
          expect_broadcasts(c, 0, product_shape(c.in[1], c.in[2], "addmm"));
        },
    .any_size = true};

void check_operands(const array& a, const array& b, const char* op) {
  if (a.ndim() == 0 || b.ndim() == 0) {
    fail("[", op, "] expected operands of at least one axis; got shapes ", a.shape(), " and ",
         b.shape());
  }
}

Dtype product_dtype(Dtype t, const char* op) {
  if (!is_inexact(t)) fail("[", op, "] expected floating point or complex operands; got ", t);
  return t;
}

// A batch of matrices times one matrix is one taller product.
bool flattens(const array& a, const array& b) {
  return a.ndim() > 2 && b.ndim() == 2 && !ShapelessTrace::running();
}

array flatten_rows(const array& a, StreamOrDevice s) { return flatten(a, 0, -2, s); }

}  // namespace

array matmul(const array& x, const array& y, StreamOrDevice s) {
  check_operands(x, y, "matmul");
  Dtype dtype = product_dtype(promote_types(x.dtype(), y.dtype()), "matmul");
  array a = astype(x, dtype, s), b = astype(y, dtype, s);
  if (a.ndim() == 1) a = expand_dims(a, 0, s);
  if (b.ndim() == 1) b = expand_dims(b, 1, s);
  Shape shape = product_shape(a, b, "matmul");
  array out = flattens(a, b) ? reshape(matmul(flatten_rows(a, s), b, s), shape, s)
                             : make_node(matmul_op, {}, {a, b}, shape, dtype, s);
  if (x.ndim() == 1 && y.ndim() == 1) return squeeze(out, {-2, -1}, s);
  if (x.ndim() == 1) return squeeze(out, -2, s);
  if (y.ndim() == 1) return squeeze(out, -1, s);
  return out;
}

array addmm(const array& z, const array& x, const array& y, double alpha, double beta,
            StreamOrDevice s) {
  check_operands(x, y, "addmm");
  Dtype dtype =
      product_dtype(promote_types(z.dtype(), promote_types(x.dtype(), y.dtype())), "addmm");
  if (x.ndim() == 1 || y.ndim() == 1) {
    array product = astype(matmul(x, y, s), dtype, s);
    if (broadcast_shapes(z.shape(), product.shape(), "addmm") != product.shape()) {
      fail("[addmm] expected c to broadcast to ", product.shape(), "; got shape ", z.shape());
    }
    return add(scaled(astype(z, dtype, s), beta), scaled(product, alpha), s);
  }
  array a = astype(x, dtype, s), b = astype(y, dtype, s), c = astype(z, dtype, s);
  Shape shape = product_shape(a, b, "addmm");
  if (broadcast_shapes(c.shape(), shape, "addmm") != shape) {
    fail("[addmm] expected c to broadcast to ", shape, "; got shape ", c.shape());
  }
  if (flattens(a, b) && c.ndim() <= 1) {
    return reshape(addmm(c, flatten_rows(a, s), b, alpha, beta, s), shape, s);
  }
  return make_node(addmm_op, make_params(AddmmParams{alpha, beta}), {c, a, b}, shape, dtype, s);
}

array inner(const array& a, const array& b, StreamOrDevice s) {
  if (a.ndim() == 0 || b.ndim() == 0) return multiply(a, b, s);
  if (a.shape(-1) != b.shape(-1)) {
    fail("[inner] expected last axes of one size; got shapes ", a.shape(), " and ", b.shape());
  }
  return tensordot(a, b, {-1}, {-1}, s);
}

array vecdot(const array& a, const array& b, int axis, StreamOrDevice s) {
  if (a.ndim() == 0 || b.ndim() == 0) {
    fail("[vecdot] expected operands of at least one axis; got shapes ", a.shape(), " and ",
         b.shape());
  }
  int at_a = normalize_axis(axis, a.ndim(), "vecdot");
  int at_b = normalize_axis(axis, b.ndim(), "vecdot");
  if (a.shape()[at_a] != b.shape()[at_b]) {
    fail("[vecdot] expected one size along axis ", axis, "; got shapes ", a.shape(), " and ",
         b.shape());
  }
  array x = is_complexfloating(a.dtype()) ? conjugate(a, s) : a;
  return sum(multiply(moveaxis(x, at_a, -1, s), moveaxis(b, at_b, -1, s), s), -1, false, s);
}

array outer(const array& a, const array& b, StreamOrDevice s) {
  return multiply(reshape(a, {a.size(), 1}, s), flatten(b, s), s);
}

array kron(const array& a, const array& b, StreamOrDevice s) {
  int rank = std::max(a.ndim(), b.ndim());
  auto size = [&](const array& x, int axis) {
    int own = axis - (rank - x.ndim());
    return own < 0 ? int64_t{1} : x.shape()[own];
  };
  Shape outer, inner, merged;  // axes of a and of b take turns, then each pair becomes one
  for (int i = 0; i < rank; ++i) {
    for (int64_t d : {size(a, i), int64_t{1}}) outer.push_back(d);
    for (int64_t d : {int64_t{1}, size(b, i)}) inner.push_back(d);
    merged.push_back(checked_mul(size(a, i), size(b, i), "kron"));
  }
  return reshape(multiply(reshape(a, outer, s), reshape(b, inner, s), s), merged, s);
}

array tensordot(const array& a, const array& b, int axis, StreamOrDevice s) {
  if (axis < 0 || axis > std::min(a.ndim(), b.ndim())) {
    fail("[tensordot] expected axes in [0, ", std::min(a.ndim(), b.ndim()), "]; got ", axis);
  }
  std::vector<int> axes_a, axes_b;
  for (int i = 0; i < axis; ++i) {
    axes_a.push_back(a.ndim() - axis + i);
    axes_b.push_back(i);
  }
  return tensordot(a, b, axes_a, axes_b, s);
}

array tensordot(const array& x, const array& y, const std::vector<int>& axes_a,
                const std::vector<int>& axes_b, StreamOrDevice s) {
  if (axes_a.size() != axes_b.size()) {
    fail("[tensordot] expected as many axes of a as of b; got ", axes_a.size(), " and ",
         axes_b.size());
  }
  // Summed axes go last in a and first in b; then it is one matrix product.
  auto arrange = [&](const array& a, const std::vector<int>& axes, bool last, Shape& kept) {
    normalize_axes(axes, a.ndim(), "tensordot");
    std::vector<int> summed, free;
    for (int axis : axes) summed.push_back(normalize_axis(axis, a.ndim(), "tensordot"));
    for (int i = 0; i < a.ndim(); ++i) {
      if (std::find(summed.begin(), summed.end(), i) != summed.end()) continue;
      free.push_back(i);
      kept.push_back(a.shape()[i]);
    }
    std::vector<int> order = last ? free : summed;
    const auto& rest = last ? summed : free;
    order.insert(order.end(), rest.begin(), rest.end());
    return transpose(a, order, s);
  };
  for (size_t i = 0; i < axes_a.size(); ++i) {
    if (x.shape(axes_a[i]) != y.shape(axes_b[i])) {
      fail("[tensordot] expected paired axes of one size; got shapes ", x.shape(), " and ",
           y.shape());
    }
  }
  Shape kept_a, kept_b;
  array a = arrange(x, axes_a, true, kept_a), b = arrange(y, axes_b, false, kept_b);
  int64_t m = element_count(kept_a), n = element_count(kept_b);
  int64_t k = 1;
  for (int axis : axes_a) k *= x.shape(axis);
  Shape shape = kept_a;
  for (int64_t d : kept_b) shape.push_back(d);
  return reshape(matmul(reshape(a, {m, k}, s), reshape(b, {k, n}, s), s), shape, s);
}

}  // namespace olivine
