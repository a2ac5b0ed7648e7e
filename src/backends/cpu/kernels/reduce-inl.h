// The loops of a reduction (backends/cpu/reduce.h) from an operation on two values.
//
// An Op provides: In, A (accumulator), Out; constants `vector` (works on Native<A> too), `rounds`
// (so order matters), `components`; identity(), map(x) (applied to each widened element; keeps the
// identity), apply(a, b), finish(a).
#pragma once

#include <limits>

#include "backends/cpu/reduce.h"
#include "backends/cpu/vec-inl.h"

namespace olivine::cpu::OLIVINE_ISA {

template <class Op>
struct Reducing {
  using In = typename Op::In;
  using A = typename Op::A;
  using Out = typename Op::Out;
  using W = Wide<A>;
  static constexpr int64_t L = W::lanes;

  template <class T>
  static OLIVINE_INLINE W load_mapped(const T* p) {
    return map(load<A>(p), [](auto v) { return Op::map(v); });
  }
  template <class T>
  static OLIVINE_INLINE W load_mapped_split(const T* p) {
    return map(load_split<A>(p), [](auto v) { return Op::map(v); });
  }
  static OLIVINE_INLINE W combine(W a, W b) {
    return map(a, b, [](auto x, auto y) { return Op::apply(x, y); });
  }
  // Eight vectors `step` elements apart.
  template <class T>
  static OLIVINE_INLINE W combine8(const T* p, int64_t step) {
    auto at = [&](int i) { return load_mapped(p + i * step); };
    W a = combine(combine(at(0), at(1)), combine(at(2), at(3)));
    W b = combine(combine(at(4), at(5)), combine(at(6), at(7)));
    return combine(a, b);
  }

  static A run(const In* p, int64_t n) {
    if constexpr (requires(A & result) { Op::quick_run(p, n, result); }) {
      A result;
      if (Op::quick_run(p, n, result)) return result;
    }
    if constexpr (kFiniteFirst && std::is_same_v<In, float16_t>) {
      if (all_finite(p, n)) {
        if constexpr (requires { Op::linear; }) {
          return run_of(reinterpret_cast<const ScaledFloat16*>(p), n) * 0x1p112f;
        } else {
          return run_of(reinterpret_cast<const FiniteFloat16*>(p), n);
        }
      }
    }
    return run_of(p, n);
  }
  // T: In, or what it is known to be.
  template <class T>
  static A run_of(const T* p, int64_t n) {
    if constexpr (Op::vector) {
      W s = broadcast<A>(Op::identity());
      int64_t i = 0;
      auto at = [&](int64_t k) { return load_mapped_split(p + i + k * L); };
      for (; i + 8 * L <= n; i += 8 * L) {
        W a = combine(combine(at(0), at(1)), combine(at(2), at(3)));
        W b = combine(combine(at(4), at(5)), combine(at(6), at(7)));
        s = combine(s, combine(a, b));
      }
      for (; i + L <= n; i += L) s = combine(s, at(0));
      if (i < n) {
        W rest = load_first_split<A>(p + i, n - i, Op::identity());
        s = combine(s, map(rest, [](auto v) { return Op::map(v); }));
      }
      return fold_lanes(in_order<T>(s), [](auto a, auto b) { return Op::apply(a, b); });
    } else {
      A s = Op::identity();
      for (int64_t i = 0; i < n; ++i) s = Op::apply(s, Op::map(p[i]));
      return s;
    }
  }

  static void runs(const void* p, int64_t step, int64_t rows, int64_t n, void* acc) {
    for (int64_t i = 0; i < rows; ++i) {
      static_cast<A*>(acc)[i] = run(static_cast<const In*>(p) + i * step, n);
    }
  }

  static void columns(const void* from, int64_t step, int64_t rows, int64_t cols, void* to) {
    const In* p = static_cast<const In*>(from);
    A* acc = static_cast<A*>(to);
    int64_t wide_end = 0;
    if constexpr (Op::vector) {
      wide_end = cols - cols % L;
      int64_t r = 0;
      const auto add_rows = [&](const auto* q) {
        for (int64_t j = 0; j < wide_end; j += L) {
          store(acc + j, combine(load<A>(acc + j), combine8(q + j, step)));
        }
      };
      for (; r + 8 <= rows; r += 8) {
        const In* q = p + r * step;
        if constexpr (kFiniteFirst && std::is_same_v<In, float16_t>) {
          bool finite = true;
          for (int64_t k = 0; k < 8; ++k) finite = finite && all_finite(q + k * step, wide_end);
          if (finite) {
            add_rows(reinterpret_cast<const FiniteFloat16*>(q));
            continue;
          }
        }
        add_rows(q);
      }
      for (; r < rows; ++r) {
        const In* q = p + r * step;
        for (int64_t j = 0; j < wide_end; j += L) {
          store(acc + j, combine(load<A>(acc + j), load_mapped(q + j)));
        }
      }
      if (wide_end == cols) return;
    }
    for (int64_t r = 0; r < rows; ++r) {
      strided(p + r * step + wide_end, 1, cols - wide_end, acc + wide_end);
    }
  }

  [[gnu::noinline]] static void strided(const void* from, int64_t step, int64_t n, void* to) {
    const In* p = static_cast<const In*>(from);
    A* acc = static_cast<A*>(to);
    for (int64_t j = 0; j < n; ++j) acc[j] = Op::apply(acc[j], Op::map(widen<A>(p[j * step])));
  }
  static void merge(void* to, const void* from, int64_t n) {
    A* acc = static_cast<A*>(to);
    const A* other = static_cast<const A*>(from);
    for (int64_t j = 0; j < n; ++j) acc[j] = Op::apply(acc[j], other[j]);
  }
  static void clear(void* acc, int64_t n) { fill(static_cast<A*>(acc), n, Op::identity()); }
  static void finish(const void* acc, int64_t n, void* to, int64_t step) {
    const A* a = static_cast<const A*>(acc);
    Out* out = static_cast<Out*>(to);
    for (int64_t j = 0; j < n; ++j) out[j * step] = Op::finish(a[j]);
  }

  static constexpr ReduceLoops loops{sizeof(In),     sizeof(A), sizeof(Out), Op::rounds,
                                     Op::components, runs,      columns,     strided,
                                     merge,          clear,     finish};
  static void kernel(const KernelCall& call) { reduce(call, loops); }
};

// ---- Maximum or minimum; NaN wins.

// The instruction, whose second operand wins where both are equal or one is NaN.
template <bool kMax>
OLIVINE_INLINE Native<float> extreme_lanes(Native<float> a, Native<float> b) {
#if defined(__AVX512BW__)
  const __m512 x = (__m512)a, y = (__m512)b;
  return (Native<float>)(kMax ? _mm512_maskz_max_ps(0xffff, x, y)
                              : _mm512_maskz_min_ps(0xffff, x, y));
#elif defined(__AVX2__)
  const __m256 x = (__m256)a, y = (__m256)b;
  return (Native<float>)(kMax ? _mm256_max_ps(x, y) : _mm256_min_ps(x, y));
#elif defined(__SSE2__)
  const __m128 x = (__m128)a, y = (__m128)b;
  return (Native<float>)(kMax ? _mm_max_ps(x, y) : _mm_min_ps(x, y));
#else
  return kMax ? (a > b ? a : b) : (a < b ? a : b);
#endif
}
// Whether a NaN was among the vectors that were shown.
struct NanSeen {
#if defined(__AVX512BW__)
  unsigned seen = 0;
  OLIVINE_INLINE void show(Native<float> a, Native<float> b) {
    seen |= _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q);
  }
  OLIVINE_INLINE bool any() const { return seen != 0; }
#elif defined(__AVX2__)
  __m256 seen = _mm256_setzero_ps();
  OLIVINE_INLINE void show(Native<float> a, Native<float> b) {
    seen = _mm256_or_ps(seen, _mm256_cmp_ps((__m256)a, (__m256)b, _CMP_UNORD_Q));
  }
  OLIVINE_INLINE bool any() const { return _mm256_movemask_ps(seen) != 0; }
#elif defined(__SSE2__)
  __m128 seen = _mm_setzero_ps();
  OLIVINE_INLINE void show(Native<float> a, Native<float> b) {
    seen = _mm_or_ps(seen, _mm_cmpunord_ps((__m128)a, (__m128)b));
  }
  OLIVINE_INLINE bool any() const { return _mm_movemask_ps(seen) != 0; }
#else
  decltype(Native<float>{} != Native<float>{}) seen{};
  OLIVINE_INLINE void show(Native<float> a, Native<float> b) { seen |= (a != a) | (b != b); }
  OLIVINE_INLINE bool any() const {
    bool r = false;
    for (int k = 0; k < kVectorBytes / 4; ++k) r |= seen[k] != 0;
    return r;
  }
#endif
};
using ShortLanes = int16_t __attribute__((vector_size(kVectorBytes)));
template <bool kMax>
OLIVINE_INLINE ShortLanes extreme_lanes(ShortLanes a, ShortLanes b) {
#if defined(__AVX512BW__)
  const __m512i x = (__m512i)a, y = (__m512i)b;
  return (ShortLanes)(kMax ? _mm512_maskz_max_epi16(~0u, x, y) : _mm512_maskz_min_epi16(~0u, x, y));
#elif defined(__AVX2__)
  const __m256i x = (__m256i)a, y = (__m256i)b;
  return (ShortLanes)(kMax ? _mm256_max_epi16(x, y) : _mm256_min_epi16(x, y));
#elif defined(__SSE2__)
  const __m128i x = (__m128i)a, y = (__m128i)b;
  return (ShortLanes)(kMax ? _mm_max_epi16(x, y) : _mm_min_epi16(x, y));
#else
  return kMax ? (a > b ? a : b) : (a < b ? a : b);
#endif
}
// The words of v, each in the place of the one whose number differs in bit k.
template <int k, class V, int... i>
OLIVINE_INLINE V exchanged(V v, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(v, v, (i ^ k)...);
}
// The extreme of all lanes, in each of them. Halves are combined, then quarters, …: one lane after
// another would take as long as a run.
template <bool kMax, int k = kVectorBytes / 8, class V>
OLIVINE_INLINE V fold_words(V v) {
  if constexpr (k == 0) {
    return v;
  } else {
    const auto words = std::make_integer_sequence<int, kVectorBytes / 4>();
    return fold_words<kMax, k / 2>(extreme_lanes<kMax>(v, (V)exchanged<k>((WordLanes)v, words)));
  }
}
template <bool kMax>
OLIVINE_INLINE int16_t fold_shorts(ShortLanes v) {
  v = fold_words<kMax>(v);
  return extreme_lanes<kMax>(v, (ShortLanes)((WordLanes)v >> 16))[0];
}

template <class T, bool kMax>
struct Extreme {
  using In = T;
  using A = std::conditional_t<is_half<T>, float, T>;
  using Out = T;
  using Limits = std::numeric_limits<A>;
  static constexpr bool vector = true;
  static constexpr bool rounds = false;
  static constexpr int components = 1;
  static constexpr A identity() {
    if constexpr (Limits::has_infinity) return kMax ? -Limits::infinity() : Limits::infinity();
    return kMax ? Limits::lowest() : Limits::max();
  }
  template <class X>
  static OLIVINE_INLINE X map(X x) {
    return x;
  }
  template <class X>
  static OLIVINE_INLINE X apply(X a, X b) {
    if constexpr (kMax) {
      return ((a >= b) | (a != a)) ? a : b;
    } else {
      return ((a <= b) | (a != a)) ? a : b;
    }
  }
  static Out finish(A a) { return narrow<Out>(a); }

  static bool has_no_nan(const T* p, int64_t n) requires is_half<T> {
    constexpr int lanes = kVectorBytes / 2;
    constexpr int16_t kInfinity = std::is_same_v<T, bfloat16_t> ? 0x7f80 : 0x7c00;
    ShortLanes most{};
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
      ShortLanes h;
      std::memcpy(&h, p + i, sizeof h);
      most = extreme_lanes<true>(most, h & 0x7fff);
    }
    bool none = fold_shorts<true>(most) <= kInfinity;
    for (; i < n; ++i) none &= (p[i].bits & 0x7fff) <= kInfinity;
    return none;
  }
  // 16-bit floats as integers that order alike, many of which fit into a vector; of zeros the
  // positive one is the larger. NaNs lie beyond the infinities.
  static bool quick_run(const T* p, int64_t n, float& result) requires is_half<T> {
    constexpr int lanes = kVectorBytes / 2;
    constexpr int16_t kInfinity = std::is_same_v<T, bfloat16_t> ? 0x7f80 : 0x7c00;
    const auto order = [](auto h) { return h ^ ((h >> 15) & 0x7fff); };
    ShortLanes most = int16_t(~kInfinity) - ShortLanes{}, least = kInfinity - ShortLanes{};
    int64_t i = 0;
    const auto take = [&](const T* q) __attribute__((always_inline)) {
      ShortLanes h;
      std::memcpy(&h, q, sizeof h);
      h = order(h);
      most = extreme_lanes<true>(most, h);
      least = extreme_lanes<false>(least, h);
    };
    for (; i + 2 * lanes <= n; i += 2 * lanes) take(p + i), take(p + i + lanes);
    for (; i + lanes <= n; i += lanes) take(p + i);
    int16_t high = fold_shorts<true>(most), low = fold_shorts<false>(least);
    for (; i < n; ++i) {
      const auto h = static_cast<int16_t>(order(int(static_cast<int16_t>(p[i].bits))));
      high = h > high ? h : high;
      low = h < low ? h : low;
    }
    int16_t r = kMax ? high : low;
    if (high > kInfinity) r = high;
    if (low < ~kInfinity) r = low;
    result = widen<float>(T::from_bits(static_cast<uint16_t>(order(int(r)))));
    return true;
  }
  // Without NaN the instruction does, and whether there are any is asked of two vectors at once.
  static bool quick_run(const T* p, int64_t n, float& result) requires std::is_same_v<T, float> {
    using V = Native<float>;
    constexpr int lanes = kVectorBytes / 4;
    V r = identity() - V{};
    NanSeen nan;
    int64_t i = 0;
    for (; i + 8 * lanes <= n; i += 8 * lanes) {
      V v[8];
#pragma GCC unroll 8
      for (int k = 0; k < 8; ++k) v[k] = load_native<float>(p + i + k * lanes);
#pragma GCC unroll 4
      for (int k = 0; k < 8; k += 2) {
        nan.show(v[k], v[k + 1]);
        v[k] = extreme_lanes<kMax>(v[k + 1], v[k]);
      }
      v[0] = extreme_lanes<kMax>(v[2], v[0]);
      v[4] = extreme_lanes<kMax>(v[6], v[4]);
      r = extreme_lanes<kMax>(extreme_lanes<kMax>(v[4], v[0]), r);
    }
    for (; i + lanes <= n; i += lanes) {
      const V v = load_native<float>(p + i);
      nan.show(v, v);
      r = extreme_lanes<kMax>(v, r);
    }
    result = fold_words<kMax>(r)[0];
    for (; i < n; ++i) result = apply(result, p[i]);
    return !nan.any();
  }
};

}  // namespace olivine::cpu::OLIVINE_ISA
