// Checks and batched matrix algebra of the linear-algebra ops.
#include "ops/linalg_common.h"
#include "core/node.h"

#include <limits>

#include "olivine/ops/indexing.h"

namespace olivine::linalg {

void expect_lapack_dtype(Dtype t, const char* op) {
  if (t != float32 && t != float64 && !is_complexfloating(t)) {
    fail("[", op, "] expected float32, float64, complex64 or complex128; got ", t);
  }
}

void expect_matrix(const array& a, const char* op) {
  if (a.ndim() < 2) {
    fail("[", op, "] expected an array of at least two axes; got shape ", a.shape());
  }
  // LAPACK counts in 32 bits.
  for (int axis : {-2, -1}) {
    if (a.shape(axis) > std::numeric_limits<int32_t>::max()) {
      fail("[", op, "] expected matrices of less than 2^31 rows and columns; got shape ",
           a.shape());
    }
  }
}

void expect_square(const array& a, const char* op) {
  expect_matrix(a, op);
  if (a.shape(-1) != a.shape(-2)) {
    fail("[", op, "] expected square matrices; got shape ", a.shape());
  }
}

Shape batch_shape(const array& a) { return Shape(a.shape().begin(), a.shape().end() - 2); }

Shape with_axes(Shape batch, std::initializer_list<int64_t> axes) {
  for (int64_t d : axes) batch.push_back(d);
  return batch;
}

array adjoint(const array& a) { return conjugate(swapaxes(a, -1, -2)); }

array identity_like(const array& a) { return eye(static_cast<int>(a.shape(-1)), a.dtype()); }

array identities_like(const array& a) { return broadcast_to(identity_like(a), a.shape()); }

array diagonal_of(const array& a) { return diagonal(a, 0, -2, -1); }

array diagonal_matrix(const array& v) {
  return where(eye(static_cast<int>(v.shape(-1)), bool_), expand_dims(v, -1), array(0, v.dtype()));
}

array hermitian_part(const array& a) { return multiply(add(a, adjoint(a)), array(0.5, a.dtype())); }

array lower_half(const array& a) {
  return multiply(add(tril(a), tril(a, -1)), array(0.5, a.dtype()));
}

array first_columns(const array& a, int64_t n) {
  return slice(a, Shape(size_t(a.ndim()), 0), with_axes(batch_shape(a), {a.shape(-2), n}));
}

array further_columns(const array& a, int64_t from) {
  Shape start(size_t(a.ndim()), 0);
  start.back() = from;
  return slice(a, start, a.shape());
}

array broadcast_batch(const array& a, const Shape& batch, int own) {
  Shape shape = batch;
  for (auto d = a.shape().end() - own; d != a.shape().end(); ++d) shape.push_back(*d);
  return a.shape() == shape ? a : broadcast_to(a, shape);
}

double epsilon(Dtype t) {
  return real_type(t) == float64 ? std::numeric_limits<double>::epsilon()
                                 : std::numeric_limits<float>::epsilon();
}

array rounding_level(const array& w) {
  note_size_read(w, "the rounding error of a matrix' size");
  const double unit = epsilon(w.dtype()) * static_cast<double>(w.shape(-1));
  return multiply(max(abs(w), -1, true), array(unit, real_type(w.dtype())));
}

array guarded_reciprocal(const array& x, const array& level) {
  const array zero(0, x.dtype()), one(1, x.dtype());
  array tiny = less_equal(abs(x), level);
  return where(tiny, zero, divide(one, where(tiny, one, x)));
}

void check_matrix(const CheckCall& c) {
  olivine::expect_inputs(c, 1);
  expect_lapack_dtype(c.in[0].dtype(), c.op.name);
  expect_matrix(c.in[0], c.op.name);
}
void check_square(const CheckCall& c) {
  check_matrix(c);
  expect_square(c.in[0], c.op.name);
}
void check_factors(const CheckCall& c, size_t more) {
  expect_inputs(c, 3 + more);
  expect_lapack_dtype(c.in[0].dtype(), c.op.name);
  expect_square(c.in[0], c.op.name);
  expect_one_dtype(c, 0, 2);
  expect_shape(c, 1, c.in[0].shape());
  expect_dtype(c, 2, uint32);
  Shape pivots = c.in[0].shape();
  pivots.pop_back();
  expect_shape(c, 2, pivots);
}

VmapResult vmap_matrices(const VmapCall& c) {
  Arrays in;
  for (size_t i = 0; i < c.in.size(); ++i) in.push_back(batch_first(c, i));
  Arrays out = emit(c.op, c.params, in);
  return {out, std::vector<int>(out.size(), 0)};
}

MaybeArrays zero_cotangents(const VjpCall& c) {
  MaybeArrays out;
  for (const array& a : c.in) out.emplace_back(zeros_like(a));
  return out;
}

MaybeArrays zero_tangents(const JvpCall& c) {
  MaybeArrays out;
  for (const array& a : c.out) out.emplace_back(zeros_like(a));
  return out;
}

}  // namespace olivine::linalg
