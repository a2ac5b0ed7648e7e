// Functions that make random draws equal MLX's, bit for bit: log and log1p as the C library rounds
// them, and approximations of erf and its inverse in single precision.
//
// They are less accurate than those of scalar_math.h, and only distributions use them.
#pragma once

#include "backends/scalar_ops.h"

namespace olivine::scalar {
namespace {

struct LibraryLog {
  OLIVINE_OP float operator()(float x) const { return __builtin_logf(x); }
  OLIVINE_OP double operator()(double x) const { return __builtin_log(x); }
};
struct LibraryLog1p {
  OLIVINE_OP float operator()(float x) const { return __builtin_log1pf(x); }
  OLIVINE_OP double operator()(double x) const { return __builtin_log1p(x); }
};

// Correctly rounded where the machine has no such instruction, too: the product is exact in double,
// and rounding the sum to odd before it becomes a float avoids rounding twice.
OLIVINE_OP float exact_fma(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  const double product = static_cast<double>(a) * b, addend = c;
  const double sum = product + addend;
  // The error of the sum, exactly (Knuth).
  const double part = sum - product;
  const double error = (product - (sum - part)) + (addend - part);
  const auto raw = bits<uint64_t>(sum);
  const bool away = (error > 0) == (sum > 0);
  const uint64_t odd = error == 0 || (raw & 1) ? raw : away ? raw | 1 : raw - 1;
  return static_cast<float>(bits<double>(odd));
#endif
}

// Horner's scheme, the highest coefficient first.
template <class... C>
OLIVINE_OP float falling(float x, C... coefficients) {
  float p = 0;
  bool first = true;
  ((p = first ? coefficients : exact_fma(p, x, coefficients), first = false), ...);
  return p;
}

// 2^(x log2 e), the fraction by the polynomial of Moshier's exp2f (Cephes).
OLIVINE_OP float single_exp(float x) {
  x = x * 1.442695f;
  const float whole = __builtin_floorf(x + 0.5f);
  const float p =
      falling(x - whole, 1.535336188319500e-4f, 1.339887440266574e-3f, 9.618437357674640e-3f,
              5.550332471162809e-2f, 2.402264791363012e-1f, 6.931472028550421e-1f, 1.f);
  return p * bits<float>(static_cast<uint32_t>(static_cast<int32_t>(whole) + 127) << 23);
}

// Abramowitz and Stegun, 7.1.26; beyond 5 it is 1.
struct SingleErf {
  OLIVINE_OP float operator()(float x) const {
    const float a = x < 0 ? -x : x;
    const float b = a > 9.f ? 9.f : a;  // keeps the exponential normal
    const float t = 1.f / exact_fma(0.3275911f, b, 1.f);
    const float p =
        falling(t, 1.061405429f, -1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f);
    const float r = exact_fma(-(t * single_exp(-(b * b))), p, 1.f);
    return x < 0 ? -r : x > 0 ? r : x;
  }
  OLIVINE_OP double operator()(double x) const {
    return static_cast<double>((*this)(static_cast<float>(x)));
  }
};

// x P(log(1 - x^2)) with polynomials for the center and the tails, by N. Juffa (2016); Giles (2012)
// describes the idea. Runs block by block, since the library's logarithm takes one at a time.
struct SingleErfinv {
  template <class T>
  static void block(const T* x, T* out, int n) {
    float logs[kBlock];
    for (int i = 0; i < n; ++i) {
      const auto v = static_cast<float>(x[i]);
      logs[i] = exact_fma(v, -v, 1.f);
    }
    for (int i = 0; i < n; ++i) logs[i] = __builtin_logf(logs[i]);
    float ratios[kBlock];
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    for (int i = 0; i < n; ++i) ratios[i] = ratio(logs[i]);
#else
    if (!center(logs, n, ratios)) {
      for (int i = 0; i < n; ++i) ratios[i] = ratio(logs[i]);
    }
#endif
    for (int i = 0; i < n; ++i) out[i] = static_cast<T>(static_cast<float>(x[i]) * ratios[i]);
  }
  static constexpr int kBlock = 128;

 private:
  // The center's polynomial for a block, and the tail's where it is wanted. A product is exact in
  // double, and so a sum of it rounded twice is right unless it seems to be half way between two
  // floats: then false. None of these sums is subnormal.
  static bool center(const float* t, int n, float* p) {
    constexpr float c[] = {1.43285448e-7f,  1.22774793e-6f,  1.12963626e-7f,
                           -5.61530760e-5f, -1.47697632e-4f, 2.31468678e-3f,
                           1.15392581e-2f,  -2.32015476e-1f, 8.86226892e-1f};
    uint32_t halfway = 0;
    for (int i = 0; i < n; ++i) p[i] = 5.43877832e-9f;
    for (const double addend : c) {
      for (int i = 0; i < n; ++i) {
        const double sum = static_cast<double>(p[i]) * static_cast<double>(t[i]) + addend;
        const uint32_t low = static_cast<uint32_t>(bits<uint64_t>(sum)) << 3;
        halfway |= low == 0x80000000 ? 1u : 0u;
        p[i] = static_cast<float>(sum);
      }
    }
    for (int i = 0; i < n; ++i) {
      if (t[i] < -6.125f) p[i] = ratio(t[i]);
    }
    return !halfway;
  }
  OLIVINE_OP static float ratio(float t) {
    const float tail =
        falling(t, 3.03697567e-10f, 2.93243101e-8f, 1.22150334e-6f, 2.84108955e-5f, 3.93552968e-4f,
                3.02698812e-3f, 4.83185798e-3f, -2.64646143e-1f, 8.40016484e-1f);
    const float center =
        falling(t, 5.43877832e-9f, 1.43285448e-7f, 1.22774793e-6f, 1.12963626e-7f, -5.61530760e-5f,
                -1.47697632e-4f, 2.31468678e-3f, 1.15392581e-2f, -2.32015476e-1f, 8.86226892e-1f);
    return t < -6.125f ? tail : center;  // t is never positive
  }
};

}  // namespace
}  // namespace olivine::scalar
