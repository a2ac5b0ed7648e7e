// Conversions between all element types: op "astype_T" converts to T, keyed by the input's dtype.
//
// The 16-bit floats go through blocks of floats. Integers of equal size share loops, and so do
// targets that differ only in sign.
#include <type_traits>

#include "backends/cpu/kernels/elementwise-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

struct Bool {};  // a byte 0 or 1, in the lists of types below

template <class T>
struct StoredAs {
  using type = T;
};
template <>
struct StoredAs<Bool> {
  using type = uint8_t;
};

// The loop to run for From -> To. Truncating to an integer no wider than the source ignores signs;
// so does the sign of the target of an integer source.
template <class From, class To>
Loops::Unary cast_loop() {
  if constexpr (std::is_same_v<To, Bool>) {
    return loop_v<ToBool, typename StoredAs<From>::type>;
  } else if constexpr (std::is_integral_v<From> && std::is_integral_v<To>) {
    using Target = std::make_unsigned_t<To>;
    using Source = std::conditional_t<sizeof(To) <= sizeof(From), std::make_unsigned_t<From>, From>;
    return loop_v<Cast<Target>, Source>;
  } else if constexpr (std::is_same_v<From, Bool>) {
    using Target = typename std::conditional_t<std::is_integral_v<To>, std::make_unsigned<To>,
                                               StoredAs<To>>::type;
    return loop_v<Cast<Target>, uint8_t>;
  } else {
    return loop_v<Cast<To>, From>;
  }
}

// Double to float, rounding to odd: the second rounding, to 16 bits, is then exact.
struct RoundToOdd {
  OLIVINE_OP float operator()(double x) const {
    const float f = static_cast<float>(x);
    const double back = static_cast<double>(f);
    const uint32_t u = bits<uint32_t>(f);
    const bool away = abs(back) > abs(x);
    const bool exact = (back == x) | (x != x);
    return exact ? f : bits<float>((u - (away ? 1u : 0u)) | 1u);
  }
};

template <class From>
using ToFloat = std::conditional_t<std::is_same_v<From, double>, RoundToOdd, Cast<float>>;

// Any type to a 16-bit float.
template <class From, class H>
void loop_narrow(const void* pa, void* po, int64_t n) {
  const From* a = static_cast<const From*>(pa);
  H* o = static_cast<H*>(po);
  if constexpr (std::is_same_v<From, float>) return narrow_any(a, o, n);
  float x[kHalfBlock];
  for (int64_t i = 0; i < n; i += kHalfBlock) {
    const int64_t m = n - i < kHalfBlock ? n - i : kHalfBlock;
    loop_v<ToFloat<From>, From>(a + i, x, m);
    narrow_any(x, o + i, m);
  }
}
template <class H>
void loop_narrow_computed(const void* a, void* o, int64_t n) {
  narrow(static_cast<const float*>(a), static_cast<H*>(o), n);
}
// A 16-bit float to any type, by the loop of its target.
template <class H, class To>
void loop_widen(const void* pa, void* po, int64_t n) {
  using Stored = typename StoredAs<To>::type;
  const H* a = static_cast<const H*>(pa);
  Stored* o = static_cast<Stored*>(po);
  if constexpr (std::is_same_v<To, float>) return widen(a, o, n);
  float x[kHalfBlock];
  for (int64_t i = 0; i < n; i += kHalfBlock) {
    const int64_t m = n - i < kHalfBlock ? n - i : kHalfBlock;
    widen(a + i, x, m);
    cast_loop<float, To>()(x, o + i, m);
  }
}
template <class H, class G>
void loop_half(const void* pa, void* po, int64_t n) {
  const H* a = static_cast<const H*>(pa);
  float x[kHalfBlock];
  for (int64_t i = 0; i < n; i += kHalfBlock) {
    const int64_t m = n - i < kHalfBlock ? n - i : kHalfBlock;
    widen(a + i, x, m);
    narrow_any(x, static_cast<G*>(po) + i, m);  // a float16 NaN may have low bits
  }
}

OLIVINE_INLINE FloatLanes rounded(bfloat16_t, FloatLanes x) {
  return (FloatLanes)(any_to_upper_half(x) & 0xffff0000);
}
OLIVINE_INLINE FloatLanes rounded(float16_t h, FloatLanes x) {
#if defined(__SSE2__) && !defined(__AVX2__)
  using Signed = int32_t __attribute__((vector_size(kVectorBytes)));
  const WordLanes u = (WordLanes)x;
  const Signed m = (Signed)(u & 0x7fffffff);
  const auto others = ((m < 0x38800000) & (m != 0)) | (m > 0x477fefff);
  if (_mm_movemask_ps((__m128)others) == 0) {  // normal numbers and zeros
    return (FloatLanes)((u + 0xfff + ((u >> 13) & 1)) & 0xffffe000);
  }
#endif
  return floats_of(h, bits_of(h, x));
}

template <class H>
void loop_round(const void* pa, void* po, int64_t n) {
  constexpr int64_t lanes = kVectorBytes / 4;
  const float* a = static_cast<const float*>(pa);
  float* o = static_cast<float*>(po);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    FloatLanes x;
    __builtin_memcpy(&x, a + i, sizeof x);
    x = rounded(H{}, x);
    __builtin_memcpy(o + i, &x, sizeof x);
  }
  for (; i < n; ++i) o[i] = half_to_float(float_to_half(H{}, a[i]));
}

// Registers the conversions of every type to To.
template <class To>
void register_to(KernelTable& t, const char* op) {
  t.add_loops(op, bool_, {.v = cast_loop<Bool, To>()});
  t.add_loops(op, uint8, {.v = cast_loop<uint8_t, To>()});
  t.add_loops(op, uint16, {.v = cast_loop<uint16_t, To>()});
  t.add_loops(op, uint32, {.v = cast_loop<uint32_t, To>()});
  t.add_loops(op, uint64, {.v = cast_loop<uint64_t, To>()});
  t.add_loops(op, int8, {.v = cast_loop<int8_t, To>()});
  t.add_loops(op, int16, {.v = cast_loop<int16_t, To>()});
  t.add_loops(op, int32, {.v = cast_loop<int32_t, To>()});
  t.add_loops(op, int64, {.v = cast_loop<int64_t, To>()});
  constexpr bool widens = std::is_same_v<To, float>;
  t.add_loops(op, float16,
              {.v = loop_widen<float16_t, To>,
               .arithmetic = widens ? Arithmetic::widen_float16 : Arithmetic::none});
  t.add_loops(op, bfloat16,
              {.v = loop_widen<bfloat16_t, To>,
               .arithmetic = widens ? Arithmetic::widen_bfloat16 : Arithmetic::none});
  t.add_loops(op, float32, {.v = cast_loop<float, To>()});
  t.add_loops(op, float64, {.v = cast_loop<double, To>()});
  t.add_loops(op, complex64, {.v = cast_loop<Complex<float>, To>()});
  t.add_loops(op, complex128, {.v = cast_loop<Complex<double>, To>()});
}
template <class H, class Other>
void register_to_half(KernelTable& t, const char* op, Dtype other) {
  t.add_loops(op, bool_, {.v = loop_narrow<uint8_t, H>});
  t.add_loops(op, uint8, {.v = loop_narrow<uint8_t, H>});
  t.add_loops(op, uint16, {.v = loop_narrow<uint16_t, H>});
  t.add_loops(op, uint32, {.v = loop_narrow<uint32_t, H>});
  t.add_loops(op, uint64, {.v = loop_narrow<uint64_t, H>});
  t.add_loops(op, int8, {.v = loop_narrow<int8_t, H>});
  t.add_loops(op, int16, {.v = loop_narrow<int16_t, H>});
  t.add_loops(op, int32, {.v = loop_narrow<int32_t, H>});
  t.add_loops(op, int64, {.v = loop_narrow<int64_t, H>});
  t.add_loops(op, float32,
              {.v = loop_narrow<float, H>,
               .arithmetic = std::is_same_v<H, bfloat16_t> ? Arithmetic::narrow_bfloat16
                                                           : Arithmetic::narrow_float16});
  t.add_loops(op, float64, {.v = loop_narrow<double, H>});
  t.add_loops(op, complex64, {.v = loop_narrow<Complex<float>, H>});
  t.add_loops(op, complex128, {.v = loop_narrow<Complex<double>, H>});
  t.add_loops(op, other, {.v = loop_half<Other, H>});
}

}  // namespace

void register_elementwise_cast(KernelTable& t) {
  register_to<Bool>(t, "astype_bool");
  register_to<uint8_t>(t, "astype_uint8");
  register_to<uint16_t>(t, "astype_uint16");
  register_to<uint32_t>(t, "astype_uint32");
  register_to<uint64_t>(t, "astype_uint64");
  register_to<int8_t>(t, "astype_int8");
  register_to<int16_t>(t, "astype_int16");
  register_to<int32_t>(t, "astype_int32");
  register_to<int64_t>(t, "astype_int64");
  register_to_half<float16_t, bfloat16_t>(t, "astype_float16", bfloat16);
  register_to_half<bfloat16_t, float16_t>(t, "astype_bfloat16", float16);
  register_to<float>(t, "astype_float32");
  register_to<double>(t, "astype_float64");
  register_to<Complex<float>>(t, "astype_complex64");
  register_to<Complex<double>>(t, "astype_complex128");
  t.add_rounding(float16, loop_round<float16_t>, loop_narrow_computed<float16_t>);
  t.add_rounding(bfloat16, loop_round<bfloat16_t>, loop_narrow_computed<bfloat16_t>);
}

}  // namespace olivine::cpu::OLIVINE_ISA
