// Functions of two 16-bit floats, held as floats: what 16 bits can tell apart, in float arithmetic.
//
// Their errors before rounding stay below a twentieth of the last place of float16, so a rounded
// result is one of the two neighbours of the exact one, and nearly always the nearer.
#pragma once

#include "backends/scalar_math.h"

namespace olivine::scalar {
namespace {

struct HalfPower {
  OLIVINE_OP float operator()(float x, float y) const {
    return Power::with_sign(magnitude(x, y), x, y);
  }

 private:
  // |x|^y = 2^(y log2 |x|)
  OLIVINE_OP static float magnitude(float x, float y) {
    using F = Format<float>;
    const float a = abs(x);
    const bool tiny = a < F::smallest_normal;
    const auto p = split_log(tiny ? a * 0x1p23f : a);
    float log2 = fma(log_reduced(p.m - 1.f), F::log2_e, tiny ? p.e - 23.f : p.e);
    log2 = a == 0.f ? -infinity<float> : log2;
    log2 = a < infinity<float> ? log2 : a;  // infinity and NaN
    const float w = clamp(y * log2, -200.f, 200.f);
    const float n = (w + F::magic) - F::magic;
    const float e = polynomial(w - n, 1.f, 0.693147182f, 0.240226507f, 0.0555032715f,
                               0.00961805694f, 0.0013400428f, 0.000154614449f);
    // In two steps, because 2^n alone may be no normal number.
    const float t1 = fma(n, 0.5f, F::magic);
    const float t2 = (n - (t1 - F::magic)) + F::magic;
    return e * power_of_two(t1) * power_of_two(t2);
  }
};

struct HalfLogaddexp {
  OLIVINE_OP float operator()(float a, float b) const {
    const float high = Maximum{}(a, b), low = Minimum{}(a, b);
    // The difference of equal infinities is none.
    return low == high ? high + 0.693147181f : high + log1p(Exp{}(low - high));
  }

 private:
  // log(1 + e) on [0, 1]: 2 artanh(s), s = e / (2 + e), by a minimax polynomial in s^2.
  OLIVINE_OP static float log1p(float e) {
    const float s = e / (2.f + e);
    const float z = s * s;
    const float p =
        polynomial(z, 0.666666687f, 0.399997056f, 0.28592357f, 0.217065752f, 0.232243299f);
    return e - s * fma(-z, p, e);
  }
};

}  // namespace
}  // namespace olivine::scalar
