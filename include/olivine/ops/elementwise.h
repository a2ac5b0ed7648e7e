// Element-wise ops. Operands broadcast and promote to a common dtype; functions of real analysis
// take integers as float32.
#pragma once

#include <optional>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// Absolute value; of complex numbers, the real modulus.
OLIVINE_API array abs(const array& a, StreamOrDevice s = {});
// -a.
OLIVINE_API array negative(const array& a, StreamOrDevice s = {});
// -1, 0 or 1; of complex numbers, a / |a|.
OLIVINE_API array sign(const array& a, StreamOrDevice s = {});
// 1 / a.
OLIVINE_API array reciprocal(const array& a, StreamOrDevice s = {});
// a * a.
OLIVINE_API array square(const array& a, StreamOrDevice s = {});
// Square root.
OLIVINE_API array sqrt(const array& a, StreamOrDevice s = {});
// 1 / sqrt(a).
OLIVINE_API array rsqrt(const array& a, StreamOrDevice s = {});
// Largest integer <= a.
OLIVINE_API array floor(const array& a, StreamOrDevice s = {});
// Smallest integer >= a.
OLIVINE_API array ceil(const array& a, StreamOrDevice s = {});
// Integer part of a.
OLIVINE_API array trunc(const array& a, StreamOrDevice s = {});
// e to the power a.
OLIVINE_API array exp(const array& a, StreamOrDevice s = {});
// exp(a) - 1, exact near 0.
OLIVINE_API array expm1(const array& a, StreamOrDevice s = {});
// Natural logarithm.
OLIVINE_API array log(const array& a, StreamOrDevice s = {});
// Logarithm to base 2.
OLIVINE_API array log2(const array& a, StreamOrDevice s = {});
// Logarithm to base 10.
OLIVINE_API array log10(const array& a, StreamOrDevice s = {});
// log(1 + a), exact near 0.
OLIVINE_API array log1p(const array& a, StreamOrDevice s = {});
// Sine.
OLIVINE_API array sin(const array& a, StreamOrDevice s = {});
// Cosine.
OLIVINE_API array cos(const array& a, StreamOrDevice s = {});
// Tangent.
OLIVINE_API array tan(const array& a, StreamOrDevice s = {});
// Inverse sine.
OLIVINE_API array arcsin(const array& a, StreamOrDevice s = {});
// Inverse cosine.
OLIVINE_API array arccos(const array& a, StreamOrDevice s = {});
// Inverse tangent.
OLIVINE_API array arctan(const array& a, StreamOrDevice s = {});
// Hyperbolic sine.
OLIVINE_API array sinh(const array& a, StreamOrDevice s = {});
// Hyperbolic cosine.
OLIVINE_API array cosh(const array& a, StreamOrDevice s = {});
// Hyperbolic tangent.
OLIVINE_API array tanh(const array& a, StreamOrDevice s = {});
// Inverse hyperbolic sine.
OLIVINE_API array arcsinh(const array& a, StreamOrDevice s = {});
// Inverse hyperbolic cosine.
OLIVINE_API array arccosh(const array& a, StreamOrDevice s = {});
// Inverse hyperbolic tangent.
OLIVINE_API array arctanh(const array& a, StreamOrDevice s = {});
// Radians to degrees.
OLIVINE_API array degrees(const array& a, StreamOrDevice s = {});
// Degrees to radians.
OLIVINE_API array radians(const array& a, StreamOrDevice s = {});
// 1 / (1 + exp(-a)).
OLIVINE_API array sigmoid(const array& a, StreamOrDevice s = {});
// Error function.
OLIVINE_API array erf(const array& a, StreamOrDevice s = {});
// Inverse of erf.
OLIVINE_API array erfinv(const array& a, StreamOrDevice s = {});
// a itself.
OLIVINE_API array positive(const array& a, StreamOrDevice s = {});
// Real part.
OLIVINE_API array real(const array& a, StreamOrDevice s = {});
// Imaginary part (zeros for real arrays).
OLIVINE_API array imag(const array& a, StreamOrDevice s = {});
// Complex conjugate.
OLIVINE_API array conjugate(const array& a, StreamOrDevice s = {});
// Whether an element is zero.
OLIVINE_API array logical_not(const array& a, StreamOrDevice s = {});
// All bits flipped.
OLIVINE_API array bitwise_invert(const array& a, StreamOrDevice s = {});
// Whether an element is NaN.
OLIVINE_API array isnan(const array& a, StreamOrDevice s = {});
// Whether an element is infinite.
OLIVINE_API array isinf(const array& a, StreamOrDevice s = {});
// Whether an element is neither NaN nor infinite.
OLIVINE_API array isfinite(const array& a, StreamOrDevice s = {});
// Whether an element is +infinity.
OLIVINE_API array isposinf(const array& a, StreamOrDevice s = {});
// Whether an element is -infinity.
OLIVINE_API array isneginf(const array& a, StreamOrDevice s = {});

// a + b.
OLIVINE_API array add(const array& a, const array& b, StreamOrDevice s = {});
// a - b.
OLIVINE_API array subtract(const array& a, const array& b, StreamOrDevice s = {});
// a * b.
OLIVINE_API array multiply(const array& a, const array& b, StreamOrDevice s = {});
// a / b; integers divide to float32.
OLIVINE_API array divide(const array& a, const array& b, StreamOrDevice s = {});
// floor(a / b); integers: 0 where b is 0.
OLIVINE_API array floor_divide(const array& a, const array& b, StreamOrDevice s = {});
// a - b * floor(a / b), with the sign of b; integers: a where b is 0.
OLIVINE_API array remainder(const array& a, const array& b, StreamOrDevice s = {});
// a to the power b; integer powers wrap, and are 0 for negative exponents (bases 1, -1 aside).
OLIVINE_API array power(const array& a, const array& b, StreamOrDevice s = {});
// The larger element; NaN if one is NaN.
OLIVINE_API array maximum(const array& a, const array& b, StreamOrDevice s = {});
// The smaller element; NaN if one is NaN.
OLIVINE_API array minimum(const array& a, const array& b, StreamOrDevice s = {});
// log(exp(a) + exp(b)), without overflow.
OLIVINE_API array logaddexp(const array& a, const array& b, StreamOrDevice s = {});
// sqrt(a * a + b * b), without overflow.
OLIVINE_API array hypot(const array& a, const array& b, StreamOrDevice s = {});
// Angle of the point (b, a).
OLIVINE_API array arctan2(const array& a, const array& b, StreamOrDevice s = {});
// a == b.
OLIVINE_API array equal(const array& a, const array& b, StreamOrDevice s = {});
// a != b.
OLIVINE_API array not_equal(const array& a, const array& b, StreamOrDevice s = {});
// a < b; complex numbers in lexicographic order.
OLIVINE_API array less(const array& a, const array& b, StreamOrDevice s = {});
// a <= b.
OLIVINE_API array less_equal(const array& a, const array& b, StreamOrDevice s = {});
// a > b.
OLIVINE_API array greater(const array& a, const array& b, StreamOrDevice s = {});
// a >= b.
OLIVINE_API array greater_equal(const array& a, const array& b, StreamOrDevice s = {});
// Whether both are nonzero.
OLIVINE_API array logical_and(const array& a, const array& b, StreamOrDevice s = {});
// Whether one is nonzero.
OLIVINE_API array logical_or(const array& a, const array& b, StreamOrDevice s = {});
// Whether exactly one is nonzero.
OLIVINE_API array logical_xor(const array& a, const array& b, StreamOrDevice s = {});
// Bits set in both; booleans and integers.
OLIVINE_API array bitwise_and(const array& a, const array& b, StreamOrDevice s = {});
// Bits set in one; booleans and integers.
OLIVINE_API array bitwise_or(const array& a, const array& b, StreamOrDevice s = {});
// Bits set in exactly one; booleans and integers.
OLIVINE_API array bitwise_xor(const array& a, const array& b, StreamOrDevice s = {});
// a shifted up by b bits; shifts beyond the width give 0.
OLIVINE_API array left_shift(const array& a, const array& b, StreamOrDevice s = {});
// a shifted down by b bits; shifts beyond the width give 0, or -1 for negative a.
OLIVINE_API array right_shift(const array& a, const array& b, StreamOrDevice s = {});

// {floor_divide(a, b), remainder(a, b)}.
OLIVINE_API std::vector<array> divmod(const array& a, const array& b, StreamOrDevice s = {});
// Nearest multiple of 10^-decimals, ties to even.
OLIVINE_API array round(const array& a, int decimals, StreamOrDevice s = {});
OLIVINE_API array round(const array& a, StreamOrDevice s = {});
// Elements converted to another dtype. Real to integer truncates; complex to real drops imag.
OLIVINE_API array astype(const array& a, Dtype dtype, StreamOrDevice s = {});
// x where the condition is nonzero, else y.
OLIVINE_API array where(const array& condition, const array& x, const array& y,
                        StreamOrDevice s = {});
// Limits elements to [a_min, a_max]; at least one bound must be given.
OLIVINE_API array clip(const array& a, const std::optional<array>& a_min = std::nullopt,
                       const std::optional<array>& a_max = std::nullopt, StreamOrDevice s = {});
// Replaces NaN and infinities (those by the dtype's largest numbers unless given).
OLIVINE_API array nan_to_num(const array& a, float nan = 0.0f,
                             std::optional<float> posinf = std::nullopt,
                             std::optional<float> neginf = std::nullopt, StreamOrDevice s = {});
// |a - b| <= atol + rtol |b|, equal infinities included.
OLIVINE_API array isclose(const array& a, const array& b, double rtol = 1e-5, double atol = 1e-8,
                          bool equal_nan = false, StreamOrDevice s = {});
// Whether isclose holds everywhere.
OLIVINE_API array allclose(const array& a, const array& b, double rtol = 1e-5, double atol = 1e-8,
                           bool equal_nan = false, StreamOrDevice s = {});
// Whether shapes and all elements are equal.
OLIVINE_API array array_equal(const array& a, const array& b, bool equal_nan,
                              StreamOrDevice s = {});
OLIVINE_API array array_equal(const array& a, const array& b, StreamOrDevice s = {});

// Scalars convert to arrays: int to int32, float and double to float32.
inline array operator+(const array& a, const array& b) { return add(a, b); }
inline array operator-(const array& a, const array& b) { return subtract(a, b); }
inline array operator*(const array& a, const array& b) { return multiply(a, b); }
inline array operator/(const array& a, const array& b) { return divide(a, b); }
inline array operator%(const array& a, const array& b) { return remainder(a, b); }
inline array operator==(const array& a, const array& b) { return equal(a, b); }
inline array operator!=(const array& a, const array& b) { return not_equal(a, b); }
inline array operator<(const array& a, const array& b) { return less(a, b); }
inline array operator<=(const array& a, const array& b) { return less_equal(a, b); }
inline array operator>(const array& a, const array& b) { return greater(a, b); }
inline array operator>=(const array& a, const array& b) { return greater_equal(a, b); }
inline array operator&&(const array& a, const array& b) { return logical_and(a, b); }
inline array operator||(const array& a, const array& b) { return logical_or(a, b); }
inline array operator&(const array& a, const array& b) { return bitwise_and(a, b); }
inline array operator|(const array& a, const array& b) { return bitwise_or(a, b); }
inline array operator^(const array& a, const array& b) { return bitwise_xor(a, b); }
inline array operator<<(const array& a, const array& b) { return left_shift(a, b); }
inline array operator>>(const array& a, const array& b) { return right_shift(a, b); }
inline array operator-(const array& a) { return negative(a); }
inline array operator~(const array& a) { return bitwise_invert(a); }
inline array operator!(const array& a) { return logical_not(a); }

}  // namespace olivine
