// <mlx/types/limits.h> by Olivine.
#pragma once

#include <limits>

#include "mlx/namespace.h"
#include "olivine/dtype.h"

namespace olivine {

template <class T>
struct numeric_limits;
template <>
struct numeric_limits<float> : std::numeric_limits<float> {};
template <>
struct numeric_limits<double> : std::numeric_limits<double> {};
template <>
struct numeric_limits<float16_t> {
  static constexpr float16_t lowest() { return float16_t::from_bits(0xfbff); }
  static constexpr float16_t min() { return float16_t::from_bits(0x0400); }
  static constexpr float16_t max() { return float16_t::from_bits(0x7bff); }
  static constexpr float16_t epsilon() { return float16_t::from_bits(0x1400); }
  static constexpr float16_t infinity() { return float16_t::from_bits(0x7c00); }
};
template <>
struct numeric_limits<bfloat16_t> {
  static constexpr bfloat16_t lowest() { return bfloat16_t::from_bits(0xff7f); }
  static constexpr bfloat16_t min() { return bfloat16_t::from_bits(0x0080); }
  static constexpr bfloat16_t max() { return bfloat16_t::from_bits(0x7f7f); }
  static constexpr bfloat16_t epsilon() { return bfloat16_t::from_bits(0x3c00); }
  static constexpr bfloat16_t infinity() { return bfloat16_t::from_bits(0x7f80); }
};

}  // namespace olivine
