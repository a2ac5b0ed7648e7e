// to_fp8 and from_fp8: bytes that hold e4m3 floats (OCP 8-bit Floating Point 1.0), from bit
// operations. There is no infinity; 0x7f and 0xff are NaN.
#include "core/error.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/quantized.h"
#include "olivine/ops/shape.h"
#include "ops/quantized_params.h"

namespace olivine {

array to_fp8(const array& x, StreamOrDevice s) {
  if (is_complexfloating(x.dtype())) fail("[to_fp8] expected a real input; got ", x.dtype());
  auto word = [](uint32_t v) { return array(v); };
  array value = astype(x, float32, s), nan = isnan(value, s);
  array largest(kLargestE4m3);
  array size = where(nan, largest, minimum(abs(value, s), largest, s), s);
  array bits = view(size, uint32, s);
  // Round to three bits of mantissa, ties to even, and rebias the exponent from 127 to 7.
  array odd = bitwise_and(right_shift(bits, word(20), s), word(1), s);
  array normal = right_shift(add(add(bits, word(0x7ffff), s), odd, s), word(20), s);
  normal = subtract(normal, word(120 << 3), s);
  // The last bit of 2^14 + x weighs 2^-9, as does that of a subnormal.
  array small = subtract(view(add(size, array(16384.0F), s), uint32, s), word(0x46800000), s);
  array out = where(less(size, array(0.015625F), s), small, normal, s);
  array minus = logical_and(not_equal(right_shift(view(value, uint32, s), word(31), s), word(0), s),
                            logical_not(nan, s), s);
  return astype(bitwise_or(out, where(minus, word(0x80), word(0), s), s), uint8, s);
}

array from_fp8(const array& x, Dtype dtype, StreamOrDevice s) {
  if (x.dtype() != uint8) fail("[from_fp8] expected bytes (uint8); got ", x.dtype());
  if (!is_inexact(dtype) || is_complexfloating(dtype)) {
    fail("[from_fp8] expected a floating point dtype; got ", dtype);
  }
  auto word = [](uint32_t v) { return array(v, uint16); };
  // Shifted into a float16, which has the same layout with a bias of 15 instead of 7.
  array bits = astype(x, uint16, s);
  array size = bitwise_and(bits, word(0x7f), s);
  array nan = equal(size, word(0x7f), s);
  array half = bitwise_or(left_shift(size, word(7), s),
                          left_shift(bitwise_and(bits, word(0x80), s), word(8), s), s);
  half = where(nan, word(0x7e00), half, s);
  array value = multiply(astype(view(half, float16, s), float32, s), array(256.0F), s);
  return astype(value, dtype, s);
}

}  // namespace olivine
