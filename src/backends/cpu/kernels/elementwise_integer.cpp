// Element-wise division with remainder, integer powers, bit operations and shifts.
#include "backends/cpu/kernels/elementwise-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

struct IntegerPower {
  template <class T>
  OLIVINE_OP T operator()(T a, T b) const {
    return integer_power(a, b);
  }
};

}  // namespace

void register_elementwise_integer(KernelTable& t) {
  add_binary<BitAnd, uint8_t>(t, "floor_divide", bool_);
  add_binary_unsigned<FloorDivide>(t, "floor_divide");
  add_binary_signed<FloorDivide>(t, "floor_divide");
  add_binary_floats<FloorDivide>(t, "floor_divide");

  add_binary<BoolAndNot, uint8_t>(t, "remainder", bool_);
  add_binary_unsigned<Remainder>(t, "remainder");
  add_binary_signed<Remainder>(t, "remainder");
  add_binary_floats<Remainder>(t, "remainder");

  add_binary<BoolOrNot, uint8_t>(t, "power", bool_);
  add_binary_unsigned<IntegerPower>(t, "power");
  add_binary_signed<IntegerPower>(t, "power");

  add_binary<BitAnd, uint8_t>(t, "bitwise_and", bool_);
  add_binary_wrapping<BitAnd>(t, "bitwise_and");
  add_binary<BitOr, uint8_t>(t, "bitwise_or", bool_);
  add_binary_wrapping<BitOr>(t, "bitwise_or");
  add_binary<BitXor, uint8_t>(t, "bitwise_xor", bool_);
  add_binary_wrapping<BitXor>(t, "bitwise_xor");
  add_unary<BoolNot, uint8_t>(t, "bitwise_invert", bool_);
  add_unary_wrapping<BitNot>(t, "bitwise_invert");

  add_binary_wrapping<ShiftLeft>(t, "left_shift");
  add_binary_unsigned<ShiftRight>(t, "right_shift");
  add_binary_signed<ShiftRight>(t, "right_shift");
}

}  // namespace olivine::cpu::OLIVINE_ISA
