// Arithmetic, comparison, logic and bits of arrays as operators.
import COlivine

infix operator ** : BitwiseShiftPrecedence
infix operator .&& : LogicalConjunctionPrecedence
infix operator .|| : LogicalDisjunctionPrecedence

extension NDArray {
  public static func + (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_add(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func += (lhs: inout NDArray, rhs: NDArray) { lhs = lhs + rhs }
  public static func + (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs + rhs.asMLXArray(dtype: lhs.dtype)
  }
  public static func += (lhs: inout NDArray, rhs: some ScalarOrArray) { lhs = lhs + rhs }
  public static func + (lhs: some ScalarOrArray, rhs: NDArray) -> NDArray {
    lhs.asMLXArray(dtype: rhs.dtype) + rhs
  }

  public static func - (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_subtract(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func -= (lhs: inout NDArray, rhs: NDArray) { lhs = lhs - rhs }
  public static func - (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs - rhs.asMLXArray(dtype: lhs.dtype)
  }
  public static func -= (lhs: inout NDArray, rhs: some ScalarOrArray) { lhs = lhs - rhs }
  public static func - (lhs: some ScalarOrArray, rhs: NDArray) -> NDArray {
    lhs.asMLXArray(dtype: rhs.dtype) - rhs
  }

  public static func * (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_multiply(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func *= (lhs: inout NDArray, rhs: NDArray) { lhs = lhs * rhs }
  public static func * (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs * rhs.asMLXArray(dtype: lhs.dtype)
  }
  public static func *= (lhs: inout NDArray, rhs: some ScalarOrArray) { lhs = lhs * rhs }
  public static func * (lhs: some ScalarOrArray, rhs: NDArray) -> NDArray {
    lhs.asMLXArray(dtype: rhs.dtype) * rhs
  }

  public static func / (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_divide(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func /= (lhs: inout NDArray, rhs: NDArray) { lhs = lhs / rhs }
  public static func / (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs / rhs.asMLXArray(dtype: lhs.dtype)
  }
  public static func /= (lhs: inout NDArray, rhs: some ScalarOrArray) { lhs = lhs / rhs }
  public static func / (lhs: some ScalarOrArray, rhs: NDArray) -> NDArray {
    lhs.asMLXArray(dtype: rhs.dtype) / rhs
  }

  public static func ** (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_power(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func ** (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs ** rhs.asMLXArray(dtype: lhs.dtype)
  }
  public static func ** (lhs: some ScalarOrArray, rhs: NDArray) -> NDArray {
    lhs.asMLXArray(dtype: rhs.dtype) ** rhs
  }

  public static func % (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_remainder(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func % (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs % rhs.asMLXArray(dtype: lhs.dtype)
  }
  public static func % (lhs: some ScalarOrArray, rhs: NDArray) -> NDArray {
    lhs.asMLXArray(dtype: rhs.dtype) % rhs
  }

  public static func .== (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_equal(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func .== (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs .== rhs.asMLXArray(dtype: lhs.dtype)
  }

  public static func .<= (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_less_equal(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func .<= (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs .<= rhs.asMLXArray(dtype: lhs.dtype)
  }

  public static func .>= (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_greater_equal(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func .>= (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs .>= rhs.asMLXArray(dtype: lhs.dtype)
  }

  public static func .!= (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_not_equal(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func .!= (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs .!= rhs.asMLXArray(dtype: lhs.dtype)
  }

  public static func .< (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_less(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func .< (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs .< rhs.asMLXArray(dtype: lhs.dtype)
  }

  public static func .> (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_greater(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func .> (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs .> rhs.asMLXArray(dtype: lhs.dtype)
  }

  public static func .&& (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_logical_and(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }

  public static func .|| (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_logical_or(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }

  public static func & (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_bitwise_and(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func & (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs & rhs.asMLXArray(dtype: lhs.dtype)
  }
  public static func & (lhs: some ScalarOrArray, rhs: NDArray) -> NDArray {
    lhs.asMLXArray(dtype: rhs.dtype) & rhs
  }

  public static func | (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_bitwise_or(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func | (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs | rhs.asMLXArray(dtype: lhs.dtype)
  }
  public static func | (lhs: some ScalarOrArray, rhs: NDArray) -> NDArray {
    lhs.asMLXArray(dtype: rhs.dtype) | rhs
  }

  public static func ^ (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_bitwise_xor(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func ^ (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs ^ rhs.asMLXArray(dtype: lhs.dtype)
  }
  public static func ^ (lhs: some ScalarOrArray, rhs: NDArray) -> NDArray {
    lhs.asMLXArray(dtype: rhs.dtype) ^ rhs
  }

  public static func << (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_left_shift(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func << (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs << rhs.asMLXArray(dtype: lhs.dtype)
  }
  public static func << (lhs: some ScalarOrArray, rhs: NDArray) -> NDArray {
    lhs.asMLXArray(dtype: rhs.dtype) << rhs
  }

  public static func >> (lhs: NDArray, rhs: NDArray) -> NDArray {
    made { r in olivine_right_shift(r, lhs.ctx, rhs.ctx, StreamOrDevice.default.ctx) }
  }
  public static func >> (lhs: NDArray, rhs: some ScalarOrArray) -> NDArray {
    lhs >> rhs.asMLXArray(dtype: lhs.dtype)
  }
  public static func >> (lhs: some ScalarOrArray, rhs: NDArray) -> NDArray {
    lhs.asMLXArray(dtype: rhs.dtype) >> rhs
  }

  public static prefix func - (lhs: NDArray) -> NDArray {
    made { r in olivine_negative(r, lhs.ctx, StreamOrDevice.default.ctx) }
  }

  public static prefix func .! (lhs: NDArray) -> NDArray {
    made { r in olivine_logical_not(r, lhs.ctx, StreamOrDevice.default.ctx) }
  }

  public static prefix func ~ (lhs: NDArray) -> NDArray {
    made { r in olivine_bitwise_invert(r, lhs.ctx, StreamOrDevice.default.ctx) }
  }
}

prefix operator .!
