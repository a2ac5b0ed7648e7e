// Scans along one axis of row-contiguous data.
//
// Along memory, lanes of a vector are combined in log2(lanes) shifts and a carry passes from vector
// to vector. Long rows are cut into chunks: their totals are found first (in parallel, a stretch of
// chunks that stays in cache at a time), then every chunk is scanned from the total before it.
// Across memory, a row of running values moves down the columns.
#include <limits>
#include <utility>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/reduce-inl.h"
#include "backends/scalar_math.h"
#include "ops/scan_params.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kPart = 1 << 16;   // elements of a task
constexpr int64_t kChunk = 1 << 15;  // elements of a long row scanned by one task
constexpr int64_t kStretch = 64;     // chunks whose totals are found before they are scanned
constexpr int64_t kTile = 1024;      // elements that pass through a buffer
constexpr int64_t kColumns = 256;    // columns of a task

struct Extents {
  int64_t outer = 1, n = 1, inner = 1;
  explicit Extents(const KernelCall& call) {
    const int axis = call.as<ScanParams>().axis;
    const int ndim = static_cast<int>(call.in[0].shape.size());
    const int64_t* shape = call.in[0].shape.data();
    for (int i = 0; i < ndim; ++i) (i < axis ? outer : i == axis ? n : inner) *= shape[i];
  }
  int64_t size() const { return outer * n * inner; }
};

// ---- Operations, as in reduce-inl.h

// Integers wrap in their own width; 16-bit floats run in float32.
template <class T>
struct Running {
  using In = T;
  using A = std::conditional_t<is_half<T>, float, T>;
  using Out = T;
  static constexpr bool vector = true;
  static constexpr bool rounds = true;
  static constexpr int components = 1;
  template <class X>
  static OLIVINE_INLINE X map(X x) {
    return x;
  }
  static Out finish(A a) { return narrow<T>(a); }
};
template <class T>
struct RunningSum : Running<T> {
  using A = typename Running<T>::A;
  static constexpr A identity() { return 0; }
  template <class X>
  static OLIVINE_INLINE X apply(X a, X b) {
    return a + b;
  }
};
template <class T>
struct RunningProduct : Running<T> {
  using A = typename Running<T>::A;
  static constexpr A identity() { return 1; }
  template <class X>
  static OLIVINE_INLINE X apply(X a, X b) {
    return a * b;
  }
};
// A maximum or minimum of 16-bit floats: the instruction gives the second operand of equal ones and
// where one is NaN, which is right but for NaNs in b.
template <class T, bool kMax>
struct RunningExtreme : Extreme<T, kMax> {
  static constexpr bool highest = kMax;
  using Extreme<T, kMax>::apply;
#if defined(__SSE2__)
  static OLIVINE_INLINE Native<float> apply(Native<float> a, Native<float> b) {
    return b != b ? b : extreme_lanes<kMax>(b, a);
  }
#endif
};
// bool: the highest value is true.
struct RunningAnd : Extreme<uint8_t, false> {
  static constexpr uint8_t identity() { return 1; }
};

template <class F>
struct Complex {
  F re, im;
};
template <class F>
struct ComplexProduct {
  using In = Complex<F>;
  using A = Complex<F>;
  static constexpr bool vector = false;
  static A identity() { return {1, 0}; }
  static A apply(A a, A b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
};
template <class F, bool kMax>
struct ComplexExtreme {
  using In = Complex<F>;
  using A = Complex<F>;
  static constexpr bool vector = false;
  static A identity() {
    F worst = kMax ? -std::numeric_limits<F>::infinity() : std::numeric_limits<F>::infinity();
    return {worst, worst};
  }
  static A apply(A a, A b) {
    if (a.re != a.re || a.im != a.im) return a;
    if (b.re != b.re || b.im != b.im) return b;
    bool less = a.re < b.re || (a.re == b.re && a.im < b.im);
    return less == kMax ? b : a;
  }
};

// ---- Along memory

// v moved up by k lanes, identities below.
template <int k, class A, int... i>
OLIVINE_INLINE Native<A> shift_lanes(Native<A> v, Native<A> identity,
                                     std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(identity, v, (i < k ? i : int(sizeof...(i)) + i - k)...);
}
template <class A, int... i>
OLIVINE_INLINE Native<A> last_lane(Native<A> v, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(v, v, (i < 0 ? i : int(sizeof...(i)) - 1)...);
}

template <class Op, int k = 1>
OLIVINE_INLINE Native<typename Op::A> scan_lanes(Native<typename Op::A> v,
                                                 Native<typename Op::A> identity) {
  using A = typename Op::A;
  constexpr int L = kVectorBytes / int(sizeof(A));
  if constexpr (k >= L) {
    return v;
  } else {
    auto shifted = shift_lanes<k, A>(v, identity, std::make_integer_sequence<int, L>());
    return scan_lanes<Op, 2 * k>(Op::apply(shifted, v), identity);
  }
}

// Results of an op that does not round need no rounding.
template <class Op, class T>
OLIVINE_INLINE void store_scanned(T* p, Native<typename Op::A> v, Native<typename Op::A> w) {
  if constexpr (std::is_same_v<T, bfloat16_t> && !Op::rounds) {
    store_upper_halves(p, (WordLanes)v, (WordLanes)w);
  } else if constexpr (std::is_same_v<T, ScaledFloat16>) {
#if defined(__SSE2__) && !defined(__AVX2__)
    store_scaled(p, v, w);
#endif
  } else if constexpr (is_half<T>) {
    store_halves(p, v, w);
  } else {
    store_native(p, v);
    store_native(p + sizeof v / sizeof(T), w);
  }
}

// Two vectors that lie side by side.
template <class A, class T>
OLIVINE_INLINE void load_both(const T* p, Native<A>& v, Native<A>& w) {
#if defined(__SSE2__) && !defined(__AVX2__)
  if constexpr (std::is_same_v<T, ScaledFloat16>) return load_scaled(p, v, w);
  if constexpr (std::is_same_v<T, FiniteFloat16>) return load_pair(p, v, w);
#endif
  v = load_native<A>(p);
  w = load_native<A>(p + kVectorBytes / int(sizeof(A)));
}

#if defined(__AVX2__) && !defined(__AVX512BW__)
// The same on neighbours: they are combined first, so that one vector's shifts serve two vectors of
// elements. Returns how many elements were done.
template <class Op>
OLIVINE_INLINE int64_t scan_neighbours(const bfloat16_t* in, int64_t n, FloatLanes& carry,
                                       bfloat16_t* out) {
  constexpr int L = kVectorBytes / 4;
  const FloatLanes identity = broadcast<float>(Op::identity()).v[0];
  const auto lanes = std::make_integer_sequence<int, L>();
  FloatLanes c = carry;
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    FloatLanes even, odd;
    load_even_odd(in + i, even, odd);
    const FloatLanes s = scan_lanes<Op>(Op::apply(even, odd), identity);
    const FloatLanes through = Op::apply(c, s);
    const FloatLanes before = shift_lanes<1, float>(through, c, lanes);
    c = Op::apply(c, last_lane<float>(s, lanes));
    store_even_odd(out + i, Op::apply(before, even), through);
  }
  carry = c;
  return i;
}
template <class Op, class From, class T>
inline constexpr bool by_neighbours =
    Op::rounds&& std::is_same_v<From, bfloat16_t>&& std::is_same_v<T, bfloat16_t>;
#else
template <class Op, class From, class T>
inline constexpr bool by_neighbours = false;
#endif

// out[i] = carry op in[0] op … op in[i]; returns the last. From, T: what is read and stored, maybe
// narrower.
template <class Op, class From, class T>
typename Op::A scan_run(const From* in, int64_t n, typename Op::A carry, T* out) {
  using A = typename Op::A;
  int64_t i = 0;
  if constexpr (Op::vector && sizeof(A) >= 4) {
    constexpr int L = kVectorBytes / int(sizeof(A));
    const Native<A> identity = broadcast<A>(Op::identity()).v[0];
    const auto last = std::make_integer_sequence<int, L>();
    Native<A> c = broadcast<A>(carry).v[0];
    if constexpr (by_neighbours<Op, From, T>) i = scan_neighbours<Op>(in, n, c, out);
    // From vector to vector only the carry is waited for.
    for (; i + 2 * L <= n; i += 2 * L) {
      Native<A> v, w;
      load_both<A>(in + i, v, w);
      v = scan_lanes<Op>(v, identity);
      w = scan_lanes<Op>(w, identity);
      const Native<A> first = Op::apply(c, v);
      c = Op::apply(c, last_lane<A>(v, last));
      const Native<A> second = Op::apply(c, w);
      c = Op::apply(c, last_lane<A>(w, last));
      store_scanned<Op>(out + i, first, second);
    }
    carry = c[0];
  }
  for (; i < n; ++i) {
    carry = Op::apply(carry, widen<A>(in[i]));
    out[i] = narrow<T>(carry);
  }
  return carry;
}

// ---- Running extremes of 16-bit floats, as integers that order alike

// v moved up by k lanes, identities below.
template <int k>
OLIVINE_INLINE ShortLanes shift_shorts(ShortLanes v, ShortLanes identity) {
#if defined(__AVX512BW__)
  const __m512i x = (__m512i)v, y = (__m512i)identity;
  if constexpr (k == 16) return (ShortLanes)_mm512_maskz_alignr_epi64(0xff, x, y, 4);
  const __m512i below = _mm512_maskz_alignr_epi64(0xff, x, y, 6);
  if constexpr (k >= 8) return (ShortLanes)below;
  return (ShortLanes)_mm512_maskz_alignr_epi8(~0ull, x, below, k < 8 ? 16 - 2 * k : 0);
#elif defined(__AVX2__)
  const __m256i below = _mm256_permute2x128_si256((__m256i)identity, (__m256i)v, 0x20);
  if constexpr (k >= 8) return (ShortLanes)below;
  return (ShortLanes)_mm256_alignr_epi8((__m256i)v, below, k < 8 ? 16 - 2 * k : 0);
#else
#if defined(__SSE2__)
  const __m128i below = _mm_srli_si128((__m128i)identity, 16 - 2 * k);
  return (ShortLanes)_mm_or_si128(_mm_slli_si128((__m128i)v, 2 * k), below);
#else
  ShortLanes r;
  constexpr int lanes = kVectorBytes / 2;
  for (int i = 0; i < lanes; ++i) r[i] = i < k ? identity[i] : v[(i - k) & (lanes - 1)];
  return r;
#endif
#endif
}
OLIVINE_INLINE ShortLanes last_short(ShortLanes v) {
#if defined(__AVX512BW__)
  return (ShortLanes)_mm512_maskz_permutexvar_epi16(~0u, _mm512_set1_epi16(31), (__m512i)v);
#elif defined(__AVX2__)
  const __m256i high = _mm256_permute4x64_epi64((__m256i)v, 0xff);
  return (ShortLanes)_mm256_shuffle_epi8(high, _mm256_set1_epi16(0x0706));
#elif defined(__SSE2__)
  return (ShortLanes)_mm_shuffle_epi32(_mm_shufflehi_epi16((__m128i)v, 0xff), 0xff);
#else
  return v[kVectorBytes / 2 - 1] - ShortLanes{};
#endif
}
template <bool kMax, int k = 1>
OLIVINE_INLINE ShortLanes scan_shorts(ShortLanes v, ShortLanes identity) {
  if constexpr (k >= kVectorBytes / 2) {
    return v;
  } else {
    return scan_shorts<kMax, 2 * k>(extreme_lanes<kMax>(v, shift_shorts<k>(v, identity)), identity);
  }
}

template <class Op>
inline constexpr bool has_highest = requires {
  Op::highest;
};

// False, with nothing done, where there is a NaN.
template <class T, bool kMax>
bool scan_halves(const T* in, int64_t n, float before, T* out) {
  constexpr int lanes = kVectorBytes / 2;
  constexpr int16_t kInfinity = std::is_same_v<T, bfloat16_t> ? 0x7f80 : 0x7c00;
  const auto order = [](auto h) { return h ^ ((h >> 15) & 0x7fff); };
  if (before != before || !Extreme<T, kMax>::has_no_nan(in, n)) return false;
  const ShortLanes identity = int16_t(kMax ? ~kInfinity : kInfinity) - ShortLanes{};
  auto carry = static_cast<int16_t>(order(int(static_cast<int16_t>(narrow<T>(before).bits))));
  ShortLanes c = carry - ShortLanes{};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    ShortLanes v;
    std::memcpy(&v, in + i, sizeof v);
    v = scan_shorts<kMax>(order(v), identity);
    const ShortLanes r = order(extreme_lanes<kMax>(c, v));
    c = extreme_lanes<kMax>(c, last_short(v));
    std::memcpy(out + i, &r, sizeof r);
  }
  carry = c[0];
  for (; i < n; ++i) {
    const auto h = static_cast<int16_t>(order(int(static_cast<int16_t>(in[i].bits))));
    carry = (h > carry) == kMax ? h : carry;
    out[i].bits = static_cast<uint16_t>(order(int(carry)));
  }
  return true;
}

// m elements of a row in the direction of the scan, and back. Not inlined: the scans of a dtype
// share them.
template <class A, class T>
[[gnu::noinline]] void read_tile(const T* from, int64_t m, bool reverse, A* __restrict to) {
  for (int64_t i = 0; i < m; ++i) to[i] = widen<A>(from[reverse ? m - 1 - i : i]);
}
template <class A, class T>
[[gnu::noinline]] void write_tile(const A* __restrict from, int64_t m, bool reverse, T* to) {
  for (int64_t i = 0; i < m; ++i) to[reverse ? m - 1 - i : i] = narrow<T>(from[i]);
}

// A row, or a chunk of one, in the direction of the scan.
template <class Op>
void scan_row(const typename Op::In* in, int64_t n, typename Op::A carry, const ScanParams& p,
              typename Op::In* out) {
  using T = typename Op::In;
  using A = typename Op::A;
  if constexpr (std::is_same_v<T, A> || is_half<T>) {
    if (!p.reverse && p.inclusive) {
      if constexpr (is_half<T> && has_highest<Op>) {
        if (scan_halves<T, Op::highest>(in, n, carry, out)) return;
      }
      if constexpr (kFiniteFirst && std::is_same_v<T, float16_t>) {
        if (all_finite(in, n)) {
          if constexpr (std::is_same_v<Op, RunningSum<float16_t>>) {  // as exact when scaled
            scan_run<Op>(reinterpret_cast<const ScaledFloat16*>(in), n, carry * 0x1p-112f,
                         reinterpret_cast<ScaledFloat16*>(out));
          } else {
            scan_run<Op>(reinterpret_cast<const FiniteFloat16*>(in), n, carry, out);
          }
          return;
        }
      }
      scan_run<Op>(in, n, carry, out);
      return;
    }
  }
  A buffer[kTile + 1];
  for (int64_t done = 0; done < n; done += kTile) {
    const int64_t m = smaller(kTile, n - done);
    const int64_t first = p.reverse ? n - done - m : done;
    buffer[0] = carry;
    read_tile(in + first, m, p.reverse, buffer + 1);
    carry = scan_run<Op>(buffer + 1, m, carry, buffer + 1);
    write_tile(p.inclusive ? buffer + 1 : buffer, m, p.reverse, out + first);
  }
}

template <class Op>
typename Op::A total(const typename Op::In* in, int64_t n) {
  using A = typename Op::A;
  A sum = Op::identity();
  for (int64_t i = 0; i < n; i += kReduceRun) {
    const int64_t m = smaller(kReduceRun, n - i);
    if constexpr (Op::vector) {
      sum = Op::apply(sum, Reducing<Op>::run(in + i, m));
    } else {
      for (int64_t j = i; j < i + m; ++j) sum = Op::apply(sum, in[j]);
    }
  }
  return sum;
}

// One long row: totals of a stretch of chunks, then the chunks.
template <class Op>
void scan_long_row(const typename Op::In* in, int64_t n, const ScanParams& p,
                   typename Op::In* out) {
  using A = typename Op::A;
  const int64_t chunks = (n + kChunk - 1) / kChunk;
  A carry = Op::identity();
  A totals[kStretch], before[kStretch];
  for (int64_t first = 0; first < chunks; first += kStretch) {
    const int64_t count = smaller(kStretch, chunks - first);
    // Chunk c in the direction of the scan: where it begins, and its length.
    auto chunk = [&](int64_t c, int64_t& begin, int64_t& m) {
      int64_t done = (first + c) * kChunk;
      m = smaller(kChunk, n - done);
      begin = p.reverse ? n - done - m : done;
    };
    parallel_for(count, 1, [&](int64_t b, int64_t e) {
      for (int64_t begin, m; b < e; ++b) {
        chunk(b, begin, m);
        totals[b] = total<Op>(in + begin, m);
      }
    });
    for (int64_t c = 0; c < count; ++c) {
      before[c] = carry;
      carry = Op::apply(carry, totals[c]);
    }
    parallel_for(count, 1, [&](int64_t b, int64_t e) {
      for (int64_t begin, m; b < e; ++b) {
        chunk(b, begin, m);
        scan_row<Op>(in + begin, m, before[b], p, out + begin);
      }
    });
  }
}

// ---- Across memory

template <class Op>
void scan_columns(const typename Op::In* in, int64_t n, int64_t step, int64_t cols,
                  const ScanParams& p, typename Op::In* out) {
  using T = typename Op::In;
  using A = typename Op::A;
  A acc[kColumns];
  fill(acc, cols, Op::identity());
  int64_t wide_end = 0;
  for (int64_t r = 0; r < n; ++r) {
    const int64_t at = (p.reverse ? n - 1 - r : r) * step;
    if constexpr (Op::vector) {
      constexpr int64_t L = Wide<A>::lanes;
      wide_end = smaller(cols, kColumns) / L * L;  // never more, which g++ 12 cannot see
      const auto add_row = [&](const auto* row) {
        for (int64_t j = 0; j < wide_end; j += L) {
          Wide<A> old = load<A>(acc + j);
          Wide<A> now = map(old, load<A>(row + j), [](auto a, auto b) { return Op::apply(a, b); });
          store(out + at + j, p.inclusive ? now : old);
          store(acc + j, now);
        }
      };
      bool finite = false;
      if constexpr (kFiniteFirst && std::is_same_v<T, float16_t>) {
        finite = all_finite(in + at, wide_end);
        if (finite) add_row(reinterpret_cast<const FiniteFloat16*>(in + at));
      }
      if (!finite) add_row(in + at);
    }
    for (int64_t j = wide_end; j < cols; ++j) {
      A old = acc[j];
      acc[j] = Op::apply(old, widen<A>(in[at + j]));
      out[at + j] = narrow<T>(p.inclusive ? acc[j] : old);
    }
  }
}

template <class F>
void for_column_tiles(const Extents& x, F&& body) {
  const int64_t tiles = (x.inner + kColumns - 1) / kColumns;
  const int64_t work = x.n * smaller(x.inner, kColumns);
  parallel_for(x.outer * tiles, larger(1, kPart / work), [&](int64_t b, int64_t e) {
    for (; b < e; ++b) {
      int64_t first = b % tiles * kColumns;
      body(b / tiles * x.n * x.inner + first, smaller(kColumns, x.inner - first));
    }
  });
}

template <class Op>
void scan_elements(const KernelCall& call, const Extents& x) {
  using T = typename Op::In;
  const auto& p = call.as<ScanParams>();
  const T* in = static_cast<const T*>(call.in[0].data);
  T* out = static_cast<T*>(call.out[0].data);
  if (x.size() == 0) return;
  if (x.inner > 1) {
    for_column_tiles(x, [&](int64_t at, int64_t cols) {
      scan_columns<Op>(in + at, x.n, x.inner, cols, p, out + at);
    });
  } else if (x.n >= 4 * kChunk && x.outer < 16) {
    for (int64_t r = 0; r < x.outer; ++r) {
      scan_long_row<Op>(in + r * x.n, x.n, p, out + r * x.n);
    }
  } else {
    parallel_for(x.outer, larger(1, kPart / x.n), [&](int64_t b, int64_t e) {
      for (; b < e; ++b) {
        scan_row<Op>(in + b * x.n, x.n, Op::identity(), p, out + b * x.n);
      }
    });
  }
}

template <class Op>
void scan_kernel(const KernelCall& call) {
  scan_elements<Op>(call, Extents(call));
}
// Complex sums are sums of two neighbouring columns.
template <class Op>
void scan_pairs(const KernelCall& call) {
  Extents x(call);
  x.inner *= 2;
  scan_elements<Op>(call, x);
}

// ---- linear_recurrence: y = a y + b

template <class T>
void recurrence_columns(const T* a, const T* b, int64_t n, int64_t step, int64_t cols, bool reverse,
                        T* out) {
  using A = std::conditional_t<is_half<T>, float, T>;
  A y[kColumns];
  fill(y, cols, A(0));
  for (int64_t r = 0; r < n; ++r) {
    const int64_t at = (reverse ? n - 1 - r : r) * step;
    for (int64_t j = 0; j < cols; ++j) {
      y[j] = widen<A>(a[at + j]) * y[j] + widen<A>(b[at + j]);
      out[at + j] = narrow<T>(y[j]);
    }
  }
}

template <class F>
void complex_recurrence_columns(const Complex<F>* a, const Complex<F>* b, int64_t n, int64_t step,
                                int64_t cols, bool reverse, Complex<F>* out) {
  for (int64_t j = 0; j < cols; ++j) {
    Complex<F> y{0, 0};
    for (int64_t r = 0; r < n; ++r) {
      const int64_t at = (reverse ? n - 1 - r : r) * step + j;
      y = ComplexProduct<F>::apply(a[at], y);
      y = {y.re + b[at].re, y.im + b[at].im};
      out[at] = y;
    }
  }
}

template <class T, auto columns>
void recurrence_kernel(const KernelCall& call) {
  const Extents x(call);
  if (x.size() == 0) return;
  const bool reverse = call.as<ScanParams>().reverse;
  const T* a = static_cast<const T*>(call.in[0].data);
  const T* b = static_cast<const T*>(call.in[1].data);
  T* out = static_cast<T*>(call.out[0].data);
  for_column_tiles(x, [&](int64_t at, int64_t cols) {
    columns(a + at, b + at, x.n, x.inner, cols, reverse, out + at);
  });
}

// ---- logcumsumexp: the running maximum m, and s = sum of exp(x - m), rescaled when m rises

template <class A>
A finite_or_zero(A m) {
  return m - m == 0 ? m : A(0);
}

template <class T>
void log_scan_columns(const T* in, int64_t n, int64_t step, int64_t cols, const ScanParams& p,
                      T* out) {
  using A = std::conditional_t<is_half<T>, float, T>;
  constexpr A nothing = -std::numeric_limits<A>::infinity();
  A m[kColumns], s[kColumns], y[kColumns];
  fill(m, cols, nothing);
  fill(s, cols, A(0));
  fill(y, cols, nothing);
  for (int64_t r = 0; r < n; ++r) {
    const int64_t at = (p.reverse ? n - 1 - r : r) * step;
    if (!p.inclusive) {
      // Read before the write: out may lie over in.
      for (int64_t j = 0; j < cols; ++j) {
        A x = widen<A>(in[at + j]);
        out[at + j] = narrow<T>(y[j]);
        y[j] = x;
      }
    } else {
      for (int64_t j = 0; j < cols; ++j) y[j] = widen<A>(in[at + j]);
    }
    for (int64_t j = 0; j < cols; ++j) {
      const A x = y[j], top = Extreme<A, true>::apply(m[j], x), base = finite_or_zero(top);
      s[j] = s[j] * scalar::Exp{}(m[j] - base) + scalar::Exp{}(x - base);
      m[j] = top;
    }
    for (int64_t j = 0; j < cols; ++j) {
      const A log = m[j] + scalar::Log{}(s[j]);
      y[j] = m[j] - m[j] == 0 ? log : m[j];
    }
    if (p.inclusive) {
      for (int64_t j = 0; j < cols; ++j) out[at + j] = narrow<T>(y[j]);
    }
  }
}

template <class T>
void log_scan_row(const T* in, int64_t n, const ScanParams& p, T* out) {
  using A = std::conditional_t<is_half<T>, float, T>;
  A x[kTile], top[kTile + 1], rescale[kTile], y[kTile + 1];
  A m = -std::numeric_limits<A>::infinity(), s = 0;
  y[0] = m;
  for (int64_t done = 0; done < n; done += kTile) {
    const int64_t count = smaller(kTile, n - done);
    const int64_t first = p.reverse ? n - done - count : done;
    read_tile(in + first, count, p.reverse, x);
    top[0] = m;
    m = scan_run<Extreme<A, true>>(x, count, m, top + 1);
    for (int64_t i = 0; i < count; ++i) {
      const A base = finite_or_zero(top[1 + i]);
      rescale[i] = scalar::Exp{}(top[i] - base);
      x[i] = scalar::Exp{}(x[i] - base);
    }
    for (int64_t i = 0; i < count; ++i) x[i] = s = s * rescale[i] + x[i];
    for (int64_t i = 0; i < count; ++i) {
      const A log = top[1 + i] + scalar::Log{}(x[i]);
      y[1 + i] = top[1 + i] - top[1 + i] == 0 ? log : top[1 + i];
    }
    write_tile(p.inclusive ? y + 1 : y, count, p.reverse, out + first);
    y[0] = y[count];
  }
}

template <class T>
void log_scan_kernel(const KernelCall& call) {
  const Extents x(call);
  if (x.size() == 0) return;
  const auto& p = call.as<ScanParams>();
  const T* in = static_cast<const T*>(call.in[0].data);
  T* out = static_cast<T*>(call.out[0].data);
  if (x.inner > 1) {
    return for_column_tiles(x, [&](int64_t at, int64_t cols) {
      log_scan_columns(in + at, x.n, x.inner, cols, p, out + at);
    });
  }
  parallel_for(x.outer, larger(1, kPart / x.n), [&](int64_t b, int64_t e) {
    for (; b < e; ++b) log_scan_row(in + b * x.n, x.n, p, out + b * x.n);
  });
}

// ---- The table

void add(KernelTable& table, const char* name, Dtype dtype, KernelFn run) {
  table.add(name, dtype, {.run = run, .contiguous = 1, .donates = 1});
}

template <template <class> class Op>
void add_wrapping(KernelTable& table, const char* name) {
  for (Dtype t : {bool_, uint8, int8}) add(table, name, t, scan_kernel<Op<uint8_t>>);
  for (Dtype t : {uint16, int16}) add(table, name, t, scan_kernel<Op<uint16_t>>);
  for (Dtype t : {uint32, int32}) add(table, name, t, scan_kernel<Op<uint32_t>>);
  for (Dtype t : {uint64, int64}) add(table, name, t, scan_kernel<Op<uint64_t>>);
  add(table, name, float16, scan_kernel<Op<float16_t>>);
  add(table, name, bfloat16, scan_kernel<Op<bfloat16_t>>);
  add(table, name, float32, scan_kernel<Op<float>>);
  add(table, name, float64, scan_kernel<Op<double>>);
}

template <bool kMax>
void add_extreme(KernelTable& table, const char* name) {
  add(table, name, uint8, scan_kernel<Extreme<uint8_t, kMax>>);
  add(table, name, uint16, scan_kernel<Extreme<uint16_t, kMax>>);
  add(table, name, uint32, scan_kernel<Extreme<uint32_t, kMax>>);
  add(table, name, uint64, scan_kernel<Extreme<uint64_t, kMax>>);
  add(table, name, int8, scan_kernel<Extreme<int8_t, kMax>>);
  add(table, name, int16, scan_kernel<Extreme<int16_t, kMax>>);
  add(table, name, int32, scan_kernel<Extreme<int32_t, kMax>>);
  add(table, name, int64, scan_kernel<Extreme<int64_t, kMax>>);
  add(table, name, float16, scan_kernel<RunningExtreme<float16_t, kMax>>);
  add(table, name, bfloat16, scan_kernel<RunningExtreme<bfloat16_t, kMax>>);
  add(table, name, float32, scan_kernel<Extreme<float, kMax>>);
  add(table, name, float64, scan_kernel<Extreme<double, kMax>>);
  add(table, name, complex64, scan_kernel<ComplexExtreme<float, kMax>>);
  add(table, name, complex128, scan_kernel<ComplexExtreme<double, kMax>>);
}

template <class T>
void add_recurrence(KernelTable& table, Dtype dtype) {
  table.add("linear_recurrence", dtype,
            {.run = recurrence_kernel<T, recurrence_columns<T>>, .contiguous = 3, .donates = 3});
}
template <class F>
void add_complex(KernelTable& table, Dtype dtype) {
  add(table, "cumsum", dtype, scan_pairs<RunningSum<F>>);
  add(table, "cumprod", dtype, scan_kernel<ComplexProduct<F>>);
  table.add("linear_recurrence", dtype,
            {.run = recurrence_kernel<Complex<F>, complex_recurrence_columns<F>>,
             .contiguous = 3,
             .donates = 3});
}
template <class T>
void add_float(KernelTable& table, Dtype dtype) {
  add_recurrence<T>(table, dtype);
  add(table, "logcumsumexp", dtype, log_scan_kernel<T>);
}

}  // namespace

void register_scan(KernelTable& table) {
  add_wrapping<RunningSum>(table, "cumsum");
  add_wrapping<RunningProduct>(table, "cumprod");
  add_extreme<true>(table, "cummax");
  add_extreme<false>(table, "cummin");
  add(table, "cummax", bool_, scan_kernel<Extreme<uint8_t, true>>);
  add(table, "cummin", bool_, scan_kernel<RunningAnd>);
  add_float<float16_t>(table, float16);
  add_float<bfloat16_t>(table, bfloat16);
  add_float<float>(table, float32);
  add_float<double>(table, float64);
  add_complex<float>(table, complex64);
  add_complex<double>(table, complex128);
}

}  // namespace olivine::cpu::OLIVINE_ISA
