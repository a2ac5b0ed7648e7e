// Element-wise comparisons, logic, classification of floats, and select.
#include "backends/cpu/kernels/half_bits-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

struct Item16 {
  uint64_t low, high;
};

template <class T>
void loop_select(const void* pc, const void* pa, const void* pb, void* po, int64_t n) {
  const uint8_t* c = static_cast<const uint8_t*>(pc);
  const T* a = static_cast<const T*>(pa);
  const T* b = static_cast<const T*>(pb);
  T* o = static_cast<T*>(po);
  OLIVINE_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) o[i] = Select{}(c[i], a[i], b[i]);
}

template <class F>
void add_all_types(KernelTable& t, const char* op) {
  add_binary_unsigned<F>(t, op);
  add_binary_signed<F>(t, op);
  add_binary_floats<F>(t, op);
  add_binary_complex<F>(t, op);
}
template <class F>
void add_signless(KernelTable& t, const char* op) {
  add_binary_wrapping<F>(t, op);
  add_binary_floats<F>(t, op);
  add_binary_complex<F>(t, op);
}
template <class F>
void add_classify(KernelTable& t, const char* op) {
  add_unary_floats<F>(t, op);
  add_unary_complex<F>(t, op);
}

}  // namespace

void register_elementwise_compare(KernelTable& t) {
  add_binary<BoolNotXor, uint8_t>(t, "equal", bool_);
  add_signless<Equal>(t, "equal");
  add_binary<BitXor, uint8_t>(t, "not_equal", bool_);
  add_signless<NotEqual>(t, "not_equal");
  add_binary<BoolNotAnd, uint8_t>(t, "less", bool_);
  add_all_types<Less>(t, "less");
  add_binary<BoolNotOr, uint8_t>(t, "less_equal", bool_);
  add_all_types<LessEqual>(t, "less_equal");

  OLIVINE_ADD_HALF_BITS(t, "equal", HalfEqual);
  OLIVINE_ADD_HALF_BITS(t, "not_equal", HalfNotEqual);
  OLIVINE_ADD_HALF_BITS(t, "less", HalfLess);
  OLIVINE_ADD_HALF_BITS(t, "less_equal", HalfLessEqual);

  add_binary<BitAnd, uint8_t>(t, "logical_and", bool_);
  add_binary<BitOr, uint8_t>(t, "logical_or", bool_);
  add_binary<BitXor, uint8_t>(t, "logical_xor", bool_);
  add_unary<BoolNot, uint8_t>(t, "logical_not", bool_);

  add_classify<IsNan>(t, "isnan");
  add_classify<IsInf>(t, "isinf");
  add_classify<IsFinite>(t, "isfinite");

  for (Dtype d : {bool_, int8, uint8}) t.add_loops("select", d, {.vvv = loop_select<uint8_t>});
  for (Dtype d : {int16, uint16, float16, bfloat16}) {
    t.add_loops("select", d, {.vvv = loop_select<uint16_t>, .halves = Halves::from_bits});
  }
  for (Dtype d : {int32, uint32, float32}) {
    t.add_loops("select", d, {.vvv = loop_select<uint32_t>});
  }
  for (Dtype d : {int64, uint64, float64, complex64}) {
    t.add_loops("select", d, {.vvv = loop_select<uint64_t>});
  }
  t.add_loops("select", complex128, {.vvv = loop_select<Item16>});
}

}  // namespace olivine::cpu::OLIVINE_ISA
