// Element-wise functions of two arrays: records and public functions.
#include "ops/elementwise_common.h"

namespace olivine {
namespace {

// Each rule returns d(out)/d(in[arg]) * v for the inputs a and b.
#define OLIVINE_RULE(first, second)                                                        \
  [](int arg, const array& v, std::span<const array> in, const array& out) -> MaybeArray { \
    [[maybe_unused]] const array &a = in[0], &b = in[1];                                   \
    (void)out;                                                                             \
    if (arg == 0) return first;                                                            \
    return second;                                                                         \
  }

array zero_like(const array& a) { return constant_like(0, a); }

// Both weights are 1/2 where the operands are equal, infinite ones too.
array softmax_weight(const array& a, const array& b) {
  if (is_complexfloating(a.dtype())) return reciprocal(constant_like(1, a) + exp(b - a));
  return where(a == b, constant_like(0.5, a), sigmoid(a - b));
}
// 0 where the exponent is 0, for base 0 too.
array power_by_base(const array& v, const array& a, const array& b) {
  return v * where(b == zero_like(b), zero_like(b), b * power(a, b - constant_like(1, b)));
}
// 0 at base 0: out is 0 there, or the derivative does not exist.
array power_by_exponent(const array& v, const array& a, const array& out) {
  const array zero = a == zero_like(a);
  return v * where(zero, zero_like(a), out * log(where(zero, constant_like(1, a), a)));
}

const Op add_op = elementwise("add", OLIVINE_RULE(v, v));
const Op subtract_op = elementwise("subtract", OLIVINE_RULE(v, -v));
const Op multiply_op = elementwise("multiply", OLIVINE_RULE(v* b, v* a));
const Op divide_op = elementwise("divide", OLIVINE_RULE(v / b, -(v* out) / b));
const Op floor_divide_op = elementwise("floor_divide", nullptr);
const Op remainder_op = elementwise("remainder", OLIVINE_RULE(v, -(v* floor_divide(a, b))));
const Op power_op =
    elementwise("power", OLIVINE_RULE(power_by_base(v, a, b), power_by_exponent(v, a, out)));
// Where both are equal the second one counts, as MLX has it.
const Op maximum_op = elementwise(
    "maximum", OLIVINE_RULE(where(a > b, v, zero_like(v)), where(a <= b, v, zero_like(v))));
const Op minimum_op = elementwise(
    "minimum", OLIVINE_RULE(where(a < b, v, zero_like(v)), where(a >= b, v, zero_like(v))));
const Op logaddexp_op =
    elementwise("logaddexp", OLIVINE_RULE(v* softmax_weight(a, b), v* softmax_weight(b, a)));
const Op arctan2_op = elementwise(
    "arctan2", OLIVINE_RULE(v*(b / (square(a) + square(b))), v*(-a / (square(a) + square(b)))));
#undef OLIVINE_RULE

const Op equal_op = elementwise("equal", nullptr, infer_elementwise_bool);
const Op not_equal_op = elementwise("not_equal", nullptr, infer_elementwise_bool);
const Op less_op = elementwise("less", nullptr, infer_elementwise_bool);
const Op less_equal_op = elementwise("less_equal", nullptr, infer_elementwise_bool);
const Op logical_and_op = elementwise("logical_and", nullptr, infer_elementwise_bool);
const Op logical_or_op = elementwise("logical_or", nullptr, infer_elementwise_bool);
const Op logical_xor_op = elementwise("logical_xor", nullptr, infer_elementwise_bool);
const Op bitwise_and_op = elementwise("bitwise_and", nullptr);
const Op bitwise_or_op = elementwise("bitwise_or", nullptr);
const Op bitwise_xor_op = elementwise("bitwise_xor", nullptr);
const Op left_shift_op = elementwise("left_shift", nullptr);
const Op right_shift_op = elementwise("right_shift", nullptr);

// Operands converted to `t`, their result of dtype `out`.
array binary(const Op& op, const array& a, const array& b, Dtype t, Dtype out, StreamOrDevice s) {
  return make_elementwise(op, {cast(a, t, s), cast(b, t, s)}, out, s);
}
array arithmetic(const Op& op, const array& a, const array& b, StreamOrDevice s) {
  const Dtype t = promote_types(a.dtype(), b.dtype());
  return binary(op, a, b, t, t, s);
}
array real_arithmetic(const Op& op, const array& a, const array& b, StreamOrDevice s) {
  const Dtype t = promote_types(a.dtype(), b.dtype());
  expect_real(op.name, t);
  return binary(op, a, b, t, t, s);
}
array real_function(const Op& op, const array& a, const array& b, StreamOrDevice s) {
  const Dtype t = at_least_float(promote_types(a.dtype(), b.dtype()));
  return binary(op, a, b, t, t, s);
}
array compare(const Op& op, const array& a, const array& b, StreamOrDevice s) {
  return binary(op, a, b, promote_types(a.dtype(), b.dtype()), bool_, s);
}
array logical(const Op& op, const array& a, const array& b, StreamOrDevice s) {
  return binary(op, a, b, bool_, bool_, s);
}
array bitwise(const Op& op, const array& a, const array& b, bool shift, StreamOrDevice s) {
  Dtype t = promote_types(a.dtype(), b.dtype());
  if (is_inexact(t)) {
    fail("[", op.name, "] expected integer or bool dtypes; got ", a.dtype(), " and ", b.dtype());
  }
  if (shift && t == bool_) t = uint8;
  return binary(op, a, b, t, t, s);
}

}  // namespace

#define OLIVINE_BINARY(name, kind) \
  array name(const array& a, const array& b, StreamOrDevice s) { return kind(name##_op, a, b, s); }
OLIVINE_BINARY(add, arithmetic)
OLIVINE_BINARY(subtract, arithmetic)
OLIVINE_BINARY(multiply, arithmetic)
OLIVINE_BINARY(divide, real_function)
OLIVINE_BINARY(floor_divide, real_arithmetic)
OLIVINE_BINARY(remainder, real_arithmetic)
OLIVINE_BINARY(power, arithmetic)
OLIVINE_BINARY(maximum, arithmetic)
OLIVINE_BINARY(minimum, arithmetic)
OLIVINE_BINARY(logaddexp, real_function)
OLIVINE_BINARY(equal, compare)
OLIVINE_BINARY(not_equal, compare)
OLIVINE_BINARY(less, compare)
OLIVINE_BINARY(less_equal, compare)
OLIVINE_BINARY(logical_and, logical)
OLIVINE_BINARY(logical_or, logical)
OLIVINE_BINARY(logical_xor, logical)
#undef OLIVINE_BINARY

array arctan2(const array& a, const array& b, StreamOrDevice s) {
  const Dtype t = at_least_float(promote_types(a.dtype(), b.dtype()));
  expect_real("arctan2", t);
  return binary(arctan2_op, a, b, t, t, s);
}
array greater(const array& a, const array& b, StreamOrDevice s) {
  broadcast_shapes(a.shape(), b.shape(), "greater");  // the error names this function
  return less(b, a, s);
}
array greater_equal(const array& a, const array& b, StreamOrDevice s) {
  broadcast_shapes(a.shape(), b.shape(), "greater_equal");
  return less_equal(b, a, s);
}
std::vector<array> divmod(const array& a, const array& b, StreamOrDevice s) {
  return {floor_divide(a, b, s), remainder(a, b, s)};
}

array bitwise_and(const array& a, const array& b, StreamOrDevice s) {
  return bitwise(bitwise_and_op, a, b, false, s);
}
array bitwise_or(const array& a, const array& b, StreamOrDevice s) {
  return bitwise(bitwise_or_op, a, b, false, s);
}
array bitwise_xor(const array& a, const array& b, StreamOrDevice s) {
  return bitwise(bitwise_xor_op, a, b, false, s);
}
array left_shift(const array& a, const array& b, StreamOrDevice s) {
  return bitwise(left_shift_op, a, b, true, s);
}
array right_shift(const array& a, const array& b, StreamOrDevice s) {
  return bitwise(right_shift_op, a, b, true, s);
}

}  // namespace olivine
