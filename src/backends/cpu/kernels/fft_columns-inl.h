// Fourier transforms of columns side by side, one per vector lane: butterflies and passes.
//
// A block holds n elements of [re, im] vectors. A pass of radix r reads element (i, j, k) of shape
// (ido, r, l1) and writes (i, k, j) of shape (ido, l1, r), first axis fastest, so that the result
// of all passes is in order (Stockham's arrangement). Only forward transforms exist: an inverse one
// swaps re and im when it loads and stores.
#pragma once

#include "backends/cpu/fft_plan.h"
#include "backends/cpu/vec-math-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class T>
constexpr int kFftLanes = kVectorBytes / int(sizeof(T));

template <class T>
struct Pair {
  Native<T> re, im;
};

template <class T>
OLIVINE_INLINE Pair<T> operator+(Pair<T> a, Pair<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
OLIVINE_INLINE Pair<T> operator-(Pair<T> a, Pair<T> b) {
  return {a.re - b.re, a.im - b.im};
}
// -i a.
template <class T>
OLIVINE_INLINE Pair<T> turned(Pair<T> a) {
  return {a.im, -a.re};
}

OLIVINE_INLINE Native<float> mul_sub(Native<float> a, Native<float> b, Native<float> c) {
#if defined(__AVX512BW__)
  return (Native<float>)_mm512_fmsub_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Native<float>)_mm256_fmsub_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b - c;
#endif
}
OLIVINE_INLINE Native<double> mul_sub(Native<double> a, Native<double> b, Native<double> c) {
#if defined(__AVX512BW__)
  return (Native<double>)_mm512_fmsub_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__)
  return (Native<double>)_mm256_fmsub_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
  return a * b - c;
#endif
}

template <class T>
OLIVINE_INLINE Pair<T> product(Pair<T> a, Pair<T> w) {
  return {mul_sub(a.re, w.re, a.im * w.im), mul_add(a.re, w.im, a.im * w.re)};
}
template <class T>
OLIVINE_INLINE Pair<T> product(Pair<T> a, const T* root) {
  return product<T>(a, Pair<T>{all_lanes<T>(root[0]), all_lanes<T>(root[1])});
}

template <class T>
OLIVINE_INLINE Pair<T> load_pair(const T* p) {
  return {load_native<T>(p), load_native<T>(p + kFftLanes<T>)};
}
template <class T>
OLIVINE_INLINE void store_pair(T* p, Pair<T> a) {
  store_native(p, a.re);
  store_native(p + kFftLanes<T>, a.im);
}

// ---- Butterflies: x becomes its transform of that many values.

template <class T>
OLIVINE_INLINE void butterfly4(Pair<T>& x0, Pair<T>& x1, Pair<T>& x2, Pair<T>& x3) {
  const Pair<T> a = x0 + x2, b = x0 - x2, c = x1 + x3, d = turned(x1 - x3);
  x0 = a + c;
  x1 = b + d;
  x2 = a - c;
  x3 = b - d;
}

template <int radix>
struct Butterfly;

template <>
struct Butterfly<2> {
  template <class T>
  OLIVINE_INLINE static void run(Pair<T> (&x)[2], const T*) {
    const Pair<T> d = x[0] - x[1];
    x[0] = x[0] + x[1];
    x[1] = d;
  }
};
template <>
struct Butterfly<4> {
  template <class T>
  OLIVINE_INLINE static void run(Pair<T> (&x)[4], const T*) {
    butterfly4(x[0], x[1], x[2], x[3]);
  }
};
template <>
struct Butterfly<8> {
  template <class T>
  OLIVINE_INLINE static void run(Pair<T> (&x)[8], const T*) {
    const Native<T> h = all_lanes<T>(T(0.70710678118654752440L));
    butterfly4(x[0], x[2], x[4], x[6]);
    butterfly4(x[1], x[3], x[5], x[7]);
    const Pair<T> b1{(x[3].re + x[3].im) * h, (x[3].im - x[3].re) * h};
    const Pair<T> b2 = turned(x[5]);
    const Pair<T> b3{(x[7].im - x[7].re) * h, (x[7].re + x[7].im) * -h};
    const Pair<T> a0 = x[0], a1 = x[2], a2 = x[4], a3 = x[6], b0 = x[1];
    x[0] = a0 + b0;
    x[1] = a1 + b1;
    x[2] = a2 + b2;
    x[3] = a3 + b3;
    x[4] = a0 - b0;
    x[5] = a1 - b1;
    x[6] = a2 - b2;
    x[7] = a3 - b3;
  }
};
// Four times four.
template <>
struct Butterfly<16> {
  template <class T>
  OLIVINE_INLINE static void run(Pair<T> (&x)[16], const T*) {
    const Native<T> c = all_lanes<T>(T(0.92387953251128675613L));  // cos and sin of pi / 8
    const Native<T> s = all_lanes<T>(T(0.38268343236508977173L));
    const Native<T> h = all_lanes<T>(T(0.70710678118654752440L));
    const Pair<T> w1{c, -s}, w3{s, -c};
    const auto eighth = [&](Pair<T> a) { return Pair<T>{(a.re + a.im) * h, (a.im - a.re) * h}; };
#pragma GCC unroll 4
    for (int b = 0; b < 4; ++b) butterfly4(x[b], x[b + 4], x[b + 8], x[b + 12]);
    x[5] = product(x[5], w1);
    x[9] = eighth(x[9]);
    x[13] = product(x[13], w3);
    x[6] = eighth(x[6]);
    x[10] = turned(x[10]);
    x[14] = turned(eighth(x[14]));
    x[7] = product(x[7], w3);
    x[11] = turned(eighth(x[11]));
    x[15] = product(x[15], Pair<T>{-c, s});
    Pair<T> y[16];
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      butterfly4(x[4 * q], x[4 * q + 1], x[4 * q + 2], x[4 * q + 3]);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) y[q + 4 * r] = x[4 * q + r];
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) x[i] = y[i];
  }
};
// Odd p: y[k], y[p - k] = x0 + sum of a_j cos -+ i sum of b_j sin, with a, b = x_j +- x_(p - j).
template <int p>
struct Butterfly {
  template <class T>
  OLIVINE_INLINE static void run(Pair<T> (&x)[p], const T* roots) {
    constexpr int half = (p - 1) / 2;
    Pair<T> a[half], b[half];
    const Pair<T> x0 = x[0];
#pragma GCC unroll 4
    for (int j = 0; j < half; ++j) {
      a[j] = x[j + 1] + x[p - 1 - j];
      b[j] = x[j + 1] - x[p - 1 - j];
      x[0] = x[0] + a[j];
    }
#pragma GCC unroll 4
    for (int k = 1; k <= half; ++k) {
      Pair<T> even = x0, odd{};
#pragma GCC unroll 4
      for (int j = 0; j < half; ++j) {
        const T* root = roots + 2 * (k * (j + 1) % p);
        const Native<T> c = all_lanes<T>(root[0]), s = all_lanes<T>(root[1]);
        even.re = mul_add(a[j].re, c, even.re);
        even.im = mul_add(a[j].im, c, even.im);
        odd.re = mul_add(b[j].re, s, odd.re);
        odd.im = mul_add(b[j].im, s, odd.im);
      }
      x[k] = even + turned(odd);
      x[p - k] = even - turned(odd);
    }
  }
};

// ---- Passes: the first of them may read, and the last write, another place than a block.

template <class T>
struct BlockSource {
  const T* data;
  OLIVINE_INLINE Pair<T> load(int64_t i) const { return load_pair(data + i * 2 * kFftLanes<T>); }
};
template <class T>
struct BlockSink {
  T* data;
  OLIVINE_INLINE void store(int64_t i, Pair<T> x) const {
    store_pair(data + i * 2 * kFftLanes<T>, x);
  }
};

template <int radix, class T, class Source, class Sink>
void run_pass(const FftStage<T>& s, const Source& in, const Sink& out) {
  for (int64_t k = 0; k < s.l1; ++k) {
    for (int64_t i = 0; i < s.ido; ++i) {
      const int64_t from = i + s.ido * radix * k, to = i + s.ido * k;
      const T* w = s.twiddle + 2 * (radix - 1) * i;
      Pair<T> x[radix];
#pragma GCC unroll 16
      for (int j = 0; j < radix; ++j) x[j] = in.load(from + s.ido * j);
      Butterfly<radix>::run(x, s.roots);
      out.store(to, x[0]);
      if (i == 0) {
#pragma GCC unroll 16
        for (int j = 1; j < radix; ++j) out.store(to + s.ido * s.l1 * j, x[j]);
      } else {
#pragma GCC unroll 16
        for (int j = 1; j < radix; ++j) {
          out.store(to + s.ido * s.l1 * j, product(x[j], w + 2 * (j - 1)));
        }
      }
    }
  }
}

// Any odd radix up to kLargestRadix.
template <class T>
void run_odd_pass(const FftStage<T>& s, const T* in, T* out) {
  constexpr int64_t element = 2 * kFftLanes<T>;
  constexpr int most = (kLargestRadix - 1) / 2;
  const int p = s.radix, half = (p - 1) / 2;
  const int64_t in_step = s.ido * element, out_step = s.ido * s.l1 * element;
  Pair<T> a[most], b[most];
  for (int64_t at = 0; at < s.l1 * s.ido; ++at) {
    const int64_t k = at / s.ido, i = at % s.ido;
    const T* from = in + (i + s.ido * p * k) * element;
    T* to = out + (i + s.ido * k) * element;
    const T* w = s.twiddle + 2 * (p - 1) * i;
    const Pair<T> x0 = load_pair(from);
    Pair<T> sum = x0;
    for (int j = 0; j < half; ++j) {
      const Pair<T> low = load_pair(from + in_step * (j + 1));
      const Pair<T> high = load_pair(from + in_step * (p - 1 - j));
      a[j] = low + high;
      b[j] = low - high;
      sum = sum + a[j];
    }
    store_pair(to, sum);
    for (int q = 1; q <= half; ++q) {
      Pair<T> even = x0, odd{};
      int angle = 0;
      for (int j = 0; j < half; ++j) {
        angle += q;
        if (angle >= p) angle -= p;
        const Native<T> c = all_lanes<T>(s.roots[2 * angle]);
        const Native<T> sine = all_lanes<T>(s.roots[2 * angle + 1]);
        even.re = mul_add(a[j].re, c, even.re);
        even.im = mul_add(a[j].im, c, even.im);
        odd.re = mul_add(b[j].re, sine, odd.re);
        odd.im = mul_add(b[j].im, sine, odd.im);
      }
      store_pair(to + out_step * q, product(even + turned(odd), w + 2 * (q - 1)));
      store_pair(to + out_step * (p - q), product(even - turned(odd), w + 2 * (p - q - 1)));
    }
  }
}

inline bool has_pass(int radix) { return radix <= 5 || radix == 7 || radix == 8; }

template <class T, class Source, class Sink>
void run_any_pass(const FftStage<T>& s, const Source& in, const Sink& out) {
  switch (s.radix) {
    case 2:
      return run_pass<2>(s, in, out);
    case 3:
      return run_pass<3>(s, in, out);
    case 4:
      return run_pass<4>(s, in, out);
    case 5:
      return run_pass<5>(s, in, out);
    case 7:
      return run_pass<7>(s, in, out);
    case 8:
      return run_pass<8>(s, in, out);
    default:
      if constexpr (std::is_same_v<Source, BlockSource<T>> && std::is_same_v<Sink, BlockSink<T>>) {
        run_odd_pass(s, in.data, out.data);
      }
  }
}

// Transforms the block at `a`, using `b` of the same size; returns where the result is.
template <class T>
T* transform_columns(const FftColumns<T>& c, T* a, T* b, int first = 0) {
  for (int i = first; i < c.stages; ++i) {
    run_any_pass(c.stage[i], BlockSource<T>{a}, BlockSink<T>{b});
    T* t = a;
    a = b;
    b = t;
  }
  return a;
}

// The first pass alone, if it can read `in`; returns how many passes were made, to the block.
template <class T, class Source>
int begin_columns(const FftColumns<T>& c, const Source& in, T* block) {
  if (c.stages > 0 && has_pass(c.stage[0].radix)) {
    run_any_pass(c.stage[0], in, BlockSink<T>{block});
    return 1;
  }
  for (int64_t e = 0; e < c.n; ++e) store_pair(block + e * 2 * kFftLanes<T>, in.load(e));
  return 0;
}

// The same, of what `in` gives.
template <class T, class Source>
T* transform_columns(const FftColumns<T>& c, const Source& in, T* a, T* b) {
  return transform_columns(c, a, b, begin_columns(c, in, a));
}

// Transforms what `in` gives to `out`, by way of two blocks. `in` may be the second of them.
template <class T, class Source, class Sink>
void transform_columns(const FftColumns<T>& c, const Source& in, T* a, T* b, const Sink& out) {
  const int last = c.stages - 1;
  int i = 0;
  if (last > 0) {
    i = begin_columns(c, in, a);
  } else {
    for (int64_t e = 0; e < c.n; ++e) store_pair(a + e * 2 * kFftLanes<T>, in.load(e));
  }
  const bool fused = last >= 0 && has_pass(c.stage[last].radix);
  for (; i < (fused ? last : c.stages); ++i) {
    run_any_pass(c.stage[i], BlockSource<T>{a}, BlockSink<T>{b});
    T* t = a;
    a = b;
    b = t;
  }
  if (fused) return run_any_pass(c.stage[last], BlockSource<T>{a}, out);
  for (int64_t e = 0; e < c.n; ++e) out.store(e, load_pair(a + e * 2 * kFftLanes<T>));
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
