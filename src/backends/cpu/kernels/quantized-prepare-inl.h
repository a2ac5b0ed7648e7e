// Rows of x as fixed point (quantized_fixed.h): what all instruction sets do alike.
#pragma once

#include <cstring>

#include "backends/cpu/kernels/quantized-inl.h"
#include "backends/cpu/quantized_fixed.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// Signed digits to base 256 reach 0x7f7f7f.
constexpr float kHeadroom = 1.004F;                             // more than 2^23 / 0x7f7f7f
constexpr uint32_t kInfinity = 0x7f800000, kSmallestUnit = 27;  // its exponent: 2^-100
// A value is lost when rounding changes it by more than this part: half the last place of its dtype
// or less with 16 bits. With 24, what is left of small values is still as good as bfloat16, and the
// error as small as that of adding floats to the largest value.
template <class T>
inline constexpr float kLost16 = std::is_same_v<T, bfloat16_t> ? 0x1p-9F : 0x1p-12F;
constexpr float kLost24 = 0x1p-9F;
constexpr int kLostParts = 4;  // one value in so many may be lost

struct Row {
  int64_t k, size, plane_bytes;
  int8_t* planes;
  float *units, *sums;
};

// By each instruction set: the bits of the largest magnitude of a group, and the planes and sums of
// a row by its units, and whether a quarter of a group at most is lost with integers of 8 * P bits.
template <class T>
uint32_t largest_bits(const T* x, int64_t size);
template <int P, Code c, class T>
bool fill_planes(const Row& row, const T* x, float lost);

// The unit of a group by its exponent, 0 if there is none.
OLIVINE_INLINE uint32_t unit_exponent(uint32_t largest) {
  const float x = __builtin_bit_cast(float, largest);
  const uint32_t raised = __builtin_bit_cast(uint32_t, x * kHeadroom);
  if (largest >= kInfinity || raised >= kInfinity) return 0;
  const uint32_t exponent = raised >> 23;
  return exponent < kSmallestUnit + 22 ? kSmallestUnit : exponent - 22;
}
OLIVINE_INLINE float power(uint32_t exponent) { return __builtin_bit_cast(float, exponent << 23); }

template <Code c, class T>
int prepare_row(const Row& row, const T* x) {
  for (int64_t g = 0; g * row.size < row.k; ++g) {
    const uint32_t exponent = unit_exponent(largest_bits(x + g * row.size, row.size));
    if (exponent == 0) return 0;
    row.units[g] = power(exponent);
  }
  if constexpr (!std::is_same_v<T, float>) {
    if (fill_planes<2, c>(row, x, kLost16<T>)) return 2;
  }
  return fill_planes<3, c>(row, x, kLost24) ? 3 : 0;
}

template <Code c, class T>
void prepare_rows(const FixedPrepareArgs& a) {
  const FixedRows& to = a.out;
  const int64_t groups = to.k / a.format.group_size;
  for (int64_t r = a.row; r < a.row + a.rows; ++r) {
    const Row row{to.k,
                  a.format.group_size,
                  to.plane_bytes,
                  to.planes + r * to.row_bytes,
                  to.units + r * to.group_stride,
                  to.sums + r * to.group_stride};
    fill(row.units + groups, to.group_stride - groups, 0.0F);
    fill(row.sums + groups, to.group_stride - groups, 0.0F);
    const int planes = prepare_row<c>(row, static_cast<const T*>(a.x) + r * to.k);
    to.plane_count[r] = uint8_t(planes);
    if (planes > 0) continue;
    std::memset(row.planes, 0, static_cast<size_t>(kPlanes * to.plane_bytes));
    fill(row.units, groups, 0.0F);
    fill(row.sums, groups, 0.0F);
  }
}

template <Code c>
void prepare_codes(const FixedPrepareArgs& a) {
  switch (a.dtype.val()) {
    case Dtype::Val::float16:
      return prepare_rows<c, float16_t>(a);
    case Dtype::Val::bfloat16:
      return prepare_rows<c, bfloat16_t>(a);
    default:
      return prepare_rows<c, float>(a);
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
