// Quantizing: groups of floats into codes with a scale and, in affine mode, a bias.
//
// Every rounding is where MLX's CPU build has it, so that both pack the same bits: affine scales
// are found in float32 and rounded to the weights' dtype only when stored; the other modes divide
// in the weights' dtype.
#include "backends/cpu/kernels/quantized-inl.h"

#include "backends/cpu/quantized.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int kLargestGroup = 128;

// `n` codes of `bits` bits; n * bits is a multiple of 32.
void pack(const uint8_t* codes, int64_t n, int bits, uint32_t* words) {
  uint64_t pending = 0;
  int count = 0;
  for (int64_t i = 0; i < n; ++i) {
    pending |= uint64_t{codes[i]} << count;
    count += bits;
    if (count >= 32) {
      *words++ = uint32_t(pending);
      pending >>= 32;
      count -= 32;
    }
  }
}

template <class T>
OLIVINE_INLINE float in_dtype(float x) {
  return widen<float>(narrow<T>(x));
}

// Nearest integer in [0, most], halves to even; NaN gives 0.
OLIVINE_INLINE uint8_t nearest(float x, float most) {
  x = x > 0 ? x : 0;
  x = x < most ? x : most;
  return uint8_t(__builtin_bit_cast(uint32_t, x + 0x1p23F) & 0xff);
}

// Whole numbers far from 0 included.
OLIVINE_INLINE float rounded_quotient(float x) {
  const float size = __builtin_fabsf(x);
  if (!(size < 0x1p23F)) return x;
  const float whole = size + 0x1p23F - 0x1p23F;
  return x < 0 ? -whole : whole;
}

struct Affine {
  float scale, bias;
};
Affine affine_scale(const float* x, int64_t n, float steps) {
  float low = x[0], high = x[0];
  for (int64_t i = 0; i < n; ++i) {
    low = x[i] < low || low != low ? x[i] : low;
    high = x[i] > high || high != high ? x[i] : high;
  }
  constexpr float smallest = 1e-7F;
  float scale = (high - low) / steps;
  scale = scale > smallest ? scale : smallest;
  if (steps == 1) return {scale, low};
  const bool below = __builtin_fabsf(low) > __builtin_fabsf(high);
  const float edge = below ? low : high;
  scale = below ? scale : -scale;
  const float code = rounded_quotient(edge / scale);
  return code != 0 ? Affine{edge / code, edge} : Affine{scale, 0};
}

template <class T>
void quantize_affine(const QuantizeArgs& a) {
  const int64_t n = a.format.group_size, words = n / 32 * a.format.bits;
  const float most = float((1 << a.format.bits) - 1);
  float x[kLargestGroup];
  uint8_t codes[kLargestGroup];
  for (int64_t g = 0; g < a.groups; ++g) {
    const T* values = static_cast<const T*>(a.values) + g * n;
    for (int64_t i = 0; i < n; ++i) x[i] = widen<float>(values[i]);
    const Affine by = affine_scale(x, n, most);
    for (int64_t i = 0; i < n; ++i) codes[i] = nearest((x[i] - by.bias) / by.scale, most);
    pack(codes, n, a.format.bits, a.words + g * words);
    static_cast<T*>(a.scales)[g] = narrow<T>(by.scale);
    static_cast<T*>(a.biases)[g] = narrow<T>(by.bias);
  }
}

// ---- Floating point codes

uint8_t to_e4m3(float x) {
  if (x != x) return 0x7e;
  const float size = __builtin_fabsf(x) < kLargestE4m3 ? __builtin_fabsf(x) : kLargestE4m3;
  const uint32_t u = __builtin_bit_cast(uint32_t, size);
  const uint32_t normal = ((u + 0x7ffff + ((u >> 20) & 1)) >> 20) - (120u << 3);
  // The last bit of 2^14 + x weighs 2^-9, as does that of a subnormal.
  const uint32_t small = __builtin_bit_cast(uint32_t, size + 0x1p14F) - 0x46800000;
  return uint8_t((size < 0x1p-6F ? small : normal) | (__builtin_bit_cast(uint32_t, x) >> 31 << 7));
}

// The nearest value, of two equally near ones that towards zero. Far beyond the largest, float32
// does not tell the distances apart, and the first in order of codes wins.
uint8_t to_e2m1(float x) {
  const float size = __builtin_fabsf(x);
  if (!(size <= 6)) {
    uint8_t best = 0;
    float least = size;
    for (uint8_t code = 1; code < 16; ++code) {
      const float distance = __builtin_fabsf(x - e2m1_value(code));
      if (distance < least) {
        least = distance;
        best = code;
      }
    }
    return best;
  }
  const int code = (size > 0.25F) + (size > 0.75F) + (size > 1.25F) + (size > 1.75F) +
                   (size > 2.5F) + (size > 3.5F) + (size > 5);
  return uint8_t(code | (x < 0 && code > 0 ? 8 : 0));
}

// The power of two at or above x >= 0, as a biased exponent. NaN and infinity have none.
uint8_t to_e8m0(float x) {
  if (x == 0) return 127;
  if (!(x <= std::numeric_limits<float>::max())) return 128;
  const uint32_t u = __builtin_bit_cast(uint32_t, x);
  const uint32_t exponent = u >> 23;
  if (exponent == 0) return (u & 0x7fffff) > 0x400000 ? 1 : 0;
  return uint8_t(exponent + ((u & 0x7fffff) != 0 ? 1 : 0));
}

template <class T>
float largest_size(const float* x, int64_t n) {
  float most = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float size = __builtin_fabsf(x[i]);
    most = size > most || size != size ? size : most;
    if (most != most) return most;
  }
  return most;
}

template <class T>
void quantize_float(const QuantizeArgs& a) {
  const int64_t n = a.format.group_size, words = n * a.format.bits / 32;
  const bool nv = a.format.mode == QuantMode::nvfp4, wide = a.format.bits == 8;
  const float top = wide ? kLargestE4m3 : kLargestE2m1;
  float x[kLargestGroup];
  uint8_t codes[kLargestGroup];
  for (int64_t g = 0; g < a.groups; ++g) {
    const T* values = static_cast<const T*>(a.values) + g * n;
    for (int64_t i = 0; i < n; ++i) x[i] = widen<float>(values[i]);
    const float most = in_dtype<T>(largest_size<T>(x, n) / top);
    uint8_t scale;
    float by;
    if (nv) {
      scale = to_e4m3(a.has_global ? most * a.inverse_global : most);
      by = e4m3_value(scale);
    } else {
      scale = to_e8m0(most);
      by = most <= std::numeric_limits<float>::max() ? e8m0_value(scale) : __builtin_nanf("");
    }
    static_cast<uint8_t*>(a.scales)[g] = scale;
    for (int64_t i = 0; i < n; ++i) {
      float v = by == 0 ? 0 : in_dtype<T>(x[i] / by);
      if (a.has_global) v *= a.inverse_global;
      codes[i] = wide ? to_e4m3(v) : to_e2m1(v);
    }
    pack(codes, n, a.format.bits, a.words + g * words);
  }
}

template <class T>
void quantize_as(const QuantizeArgs& a) {
  a.format.mode == QuantMode::affine ? quantize_affine<T>(a) : quantize_float<T>(a);
}

void quantize(const QuantizeArgs& a) {
  switch (a.dtype.val()) {
    case Dtype::Val::float16:
      return quantize_as<float16_t>(a);
    case Dtype::Val::bfloat16:
      return quantize_as<bfloat16_t>(a);
    default:
      return quantize_as<float>(a);
  }
}

}  // namespace

extern const QuantizeFn quantize_groups;
const QuantizeFn quantize_groups = quantize;

}  // namespace olivine::cpu::OLIVINE_ISA
