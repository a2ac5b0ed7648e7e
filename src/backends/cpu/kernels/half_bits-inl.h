// Comparisons of 16-bit floats by their bits: twice the lanes of floats, and no conversion.
#pragma once

#include "backends/cpu/kernels/elementwise-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// infinity: its bits; beyond it lie the NaNs.
template <uint16_t infinity>
struct HalfBits {
  // A number that orders as the float does; zeros of either sign are equal.
  OLIVINE_OP static int16_t order(uint16_t h) {
    const auto sign = static_cast<int16_t>(static_cast<int16_t>(h) >> 15);
    return static_cast<int16_t>(((h & 0x7fff) ^ sign) - sign);
  }
  OLIVINE_OP static bool number(uint16_t h) {
    return static_cast<int16_t>(h & 0x7fff) <= static_cast<int16_t>(infinity);
  }
};

template <uint16_t infinity, bool max>
struct HalfExtreme : HalfBits<infinity> {
  using H = HalfBits<infinity>;
  OLIVINE_OP uint16_t operator()(uint16_t a, uint16_t b) const {
    const bool first = max ? H::order(b) < H::order(a) : H::order(a) < H::order(b);
    return (first & H::number(b)) | !H::number(a) ? a : b;
  }
};
template <uint16_t infinity>
struct HalfLess : HalfBits<infinity> {
  using H = HalfBits<infinity>;
  OLIVINE_OP uint8_t operator()(uint16_t a, uint16_t b) const {
    return (H::order(a) < H::order(b)) & H::number(a) & H::number(b);
  }
};
template <uint16_t infinity>
struct HalfLessEqual : HalfBits<infinity> {
  using H = HalfBits<infinity>;
  OLIVINE_OP uint8_t operator()(uint16_t a, uint16_t b) const {
    return (H::order(a) <= H::order(b)) & H::number(a) & H::number(b);
  }
};
template <uint16_t infinity>
struct HalfEqual : HalfBits<infinity> {
  using H = HalfBits<infinity>;
  OLIVINE_OP uint8_t operator()(uint16_t a, uint16_t b) const {
    return (H::order(a) == H::order(b)) & H::number(a);
  }
};
template <uint16_t infinity>
struct HalfNotEqual : HalfBits<infinity> {
  using H = HalfBits<infinity>;
  OLIVINE_OP uint8_t operator()(uint16_t a, uint16_t b) const {
    return (H::order(a) != H::order(b)) | !H::number(a);
  }
};

template <class F>
Loops half_bits_loops() {
  return {.vv = loop_vv<F, uint16_t>,
          .sv = loop_sv<F, uint16_t>,
          .vs = loop_vs<F, uint16_t>,
          .halves = Halves::from_bits};
}
// F<infinity>: an op on the bits.
#define OLIVINE_ADD_HALF_BITS(t, op, F, ...)                                         \
  t.add_loops(op, float16, half_bits_loops<F<0x7c00 __VA_OPT__(, ) __VA_ARGS__>>()); \
  t.add_loops(op, bfloat16, half_bits_loops<F<0x7f80 __VA_OPT__(, ) __VA_ARGS__>>())

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
