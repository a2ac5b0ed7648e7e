// Element-wise arithmetic that all number types share.
#include "backends/cpu/kernels/half_bits-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

struct FlipSign {
  OLIVINE_OP uint16_t operator()(uint16_t h) const { return h ^ 0x8000; }
};
struct ClearSign {
  OLIVINE_OP uint16_t operator()(uint16_t h) const { return h & 0x7fff; }
};

void register_binary(KernelTable& t) {
  add_binary<BitOr, uint8_t>(t, "add", bool_);
  add_binary_wrapping<Add>(t, "add");
  add_binary_floats<Add>(t, "add");
  add_binary_complex<Add>(t, "add");

  add_binary<BitXor, uint8_t>(t, "subtract", bool_);
  add_binary_wrapping<Subtract>(t, "subtract");
  add_binary_floats<Subtract>(t, "subtract");
  add_binary_complex<Subtract>(t, "subtract");

  add_binary<BitAnd, uint8_t>(t, "multiply", bool_);
  add_binary_wrapping<Multiply>(t, "multiply");
  add_binary_floats<Multiply>(t, "multiply");
  add_binary_complex<Multiply>(t, "multiply");

  add_binary_floats<Divide>(t, "divide");
  add_binary_complex<Divide>(t, "divide");
}

void register_order(KernelTable& t) {
  add_binary<BitOr, uint8_t>(t, "maximum", bool_);
  add_binary_unsigned<Maximum>(t, "maximum");
  add_binary_signed<Maximum>(t, "maximum");
  add_binary_floats<Maximum>(t, "maximum");
  add_binary_complex<Maximum>(t, "maximum");

  add_binary<BitAnd, uint8_t>(t, "minimum", bool_);
  add_binary_unsigned<Minimum>(t, "minimum");
  add_binary_signed<Minimum>(t, "minimum");
  add_binary_floats<Minimum>(t, "minimum");
  add_binary_complex<Minimum>(t, "minimum");
  OLIVINE_ADD_HALF_BITS(t, "maximum", HalfExtreme, true);
  OLIVINE_ADD_HALF_BITS(t, "minimum", HalfExtreme, false);
}

void register_unary(KernelTable& t) {
  add_unary_wrapping<Negative>(t, "negative");
  add_unary_sign<FlipSign, Negative>(t, "negative");
  add_unary_complex<Negative>(t, "negative");

  add_unary_signed<Abs>(t, "abs");
  add_unary_sign<ClearSign, Abs>(t, "abs");
  add_unary_complex<Abs>(t, "abs");

  add_unary_unsigned<Sign>(t, "sign");
  add_unary_signed<Sign>(t, "sign");
  add_unary_short<Sign>(t, "sign");
  add_unary_complex<Sign>(t, "sign");

  add_unary_wrapping<Square>(t, "square");
  add_unary_short<Square>(t, "square");
  add_unary_complex<Square>(t, "square");

  add_unary_short<Reciprocal>(t, "reciprocal");
  add_unary_complex<Reciprocal>(t, "reciprocal");
  add_unary_short<Floor>(t, "floor");
  add_unary_short<Ceil>(t, "ceil");
  add_unary_short<Trunc>(t, "trunc");
  add_unary_short<Round>(t, "round");
  add_unary_complex<Round>(t, "round");

  add_unary_complex<Conjugate>(t, "conjugate");
  add_unary_complex<Real>(t, "real");
  add_unary_complex<Imag>(t, "imag");
}

// Ops so short that a pass of rounding would take longer than they do.
void register_rounded(KernelTable& t) {
  add_binary_rounded<Add>(t, "add");
  add_binary_rounded<Subtract>(t, "subtract");
  add_binary_rounded<Multiply>(t, "multiply");
  add_binary_rounded<Divide>(t, "divide");
  add_unary_rounded<Square>(t, "square");
  add_unary_rounded<Reciprocal>(t, "reciprocal");
}

}  // namespace

void register_elementwise_arithmetic(KernelTable& t) {
  register_binary(t);
  register_order(t);
  register_unary(t);
  register_rounded(t);
}

}  // namespace olivine::cpu::OLIVINE_ISA
