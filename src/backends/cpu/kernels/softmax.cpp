// softmax and logsumexp.
//
// logsumexp is a reduction whose accumulator is a pair: the maximum m so far and the sum s of
// exp(x - m). softmax makes three passes over a row that stays in cache: maximum, exponentials and
// their sum, scaling. Long rows are cut into parts whose pairs are merged in order.
#include <limits>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/reduce-inl.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/vec-math-inl.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kPart = 1 << 16;    // elements of a task
constexpr int64_t kHalfRow = 4096;    // 16-bit rows up to this length are computed in a buffer
constexpr int64_t kColumnTile = 128;  // columns that are treated side by side

template <class F>
constexpr F kInfinity = std::numeric_limits<F>::infinity();
inline float exp_one(float x) { return __builtin_expf(x); }
inline double exp_one(double x) { return __builtin_exp(x); }
inline float log_one(float x) { return __builtin_logf(x); }
inline double log_one(double x) { return __builtin_log(x); }

// Equal infinities must not meet in a difference.
template <class F>
F finite_or_zero(F m) {
  return m == kInfinity<F> || m == -kInfinity<F> ? F(0) : m;
}

// The logarithm of a sum of exponentials, unfinished.
template <class F>
struct LogSum {
  F m, s;
};

template <class F>
LogSum<F> merged(LogSum<F> a, LogSum<F> b) {
  F m = Extreme<F, true>::apply(a.m, b.m);
  F base = finite_or_zero(m);
  return {m, a.s * exp_one(a.m - base) + b.s * exp_one(b.m - base)};
}

template <class A, class T>
A max_of(const T* p, int64_t n) {
  using Op = Extreme<T, true>;
  A m = Op::identity();
  for (int64_t i = 0; i < n; i += kReduceRun) {
    m = Op::apply(m, Reducing<Op>::run(p + i, smaller(kReduceRun, n - i)));
  }
  return m;
}

// The sum of exp(p[i] - base), n <= kReduceRun; the terms are also stored if `out` is not null (of
// 16-bit floats they never are). kShort: of elements that were 16-bit floats.
template <class A, bool kShort, class T>
A sum_of_exp(const T* p, int64_t n, A base, T* out) {
  if constexpr (kFiniteFirst && std::is_same_v<T, float16_t>) {
    if (!out && all_finite(p, n)) {
      auto* q = reinterpret_cast<const FiniteFloat16*>(p);
      return sum_of_exp<A, kShort, FiniteFloat16>(q, n, base, nullptr);
    }
  }
  constexpr int64_t L = Wide<A>::lanes;
  auto term = [&](auto v) { return exp_lanes<A, kShort>(v - base); };
  auto add = [](auto a, auto b) { return a + b; };
  Wide<A> s = broadcast<A>(0);
  int64_t i = 0;
  for (; i + L <= n; i += L) {
    Wide<A> e = map(load_split<A>(p + i), term);
    if constexpr (!is_half<T>) {
      if (out) store(out + i, e);
    }
    s = map(s, e, add);
  }
  if (i < n) {
    // Lanes beyond the end are -inf and add nothing.
    Wide<A> e = map(load_first_split<A>(p + i, n - i, -kInfinity<A>), term);
    if constexpr (!is_half<T>) {
      if (out) store_first(out + i, n - i, e);
    }
    s = map(s, e, add);
  }
  return fold_lanes(in_order<T>(s), add);
}

// out[i] = f(in[i]), lane by lane.
template <class A, class T, class F>
void transform(const T* in, int64_t n, T* out, F f) {
  constexpr int64_t L = Wide<A>::lanes;
  int64_t i = 0;
  for (; i + L <= n; i += L) store(out + i, map(load<A>(in + i), f));
  if (i < n) store_first(out + i, n - i, map(load_first<A>(in + i, n - i, A(0)), f));
}

// ---- logsumexp

template <class T>
struct LogSumExp {
  using A = std::conditional_t<is_half<T>, float, T>;
  using Pair = LogSum<A>;

  static Pair of(const T* p, int64_t n) {
    A m = max_of<A>(p, n);
    A s = 0;
    for (int64_t i = 0; i < n; i += kReduceRun) {
      s += sum_of_exp<A, is_half<T>, T>(p + i, smaller(kReduceRun, n - i), finite_or_zero(m),
                                        nullptr);
    }
    return {m, s};
  }
  static void runs(const void* p, int64_t step, int64_t rows, int64_t n, void* acc) {
    for (int64_t i = 0; i < rows; ++i) {
      static_cast<Pair*>(acc)[i] = of(static_cast<const T*>(p) + i * step, n);
    }
  }
  static void columns(const void* from, int64_t step, int64_t rows, int64_t cols, void* to) {
    constexpr int64_t L = Wide<A>::lanes;
    constexpr int64_t kBlock = 32;  // rows whose maximum is found before their exponentials
    const T* p = static_cast<const T*>(from);
    Pair* acc = static_cast<Pair*>(to);
    const int64_t wide_end = cols - cols % L;
    for (int64_t r = 0; r < rows; r += kBlock) {
      const int64_t n = smaller(kBlock, rows - r);
      for (int64_t j = 0; j < wide_end; j += L) {
        const T* q = p + r * step + j;
        Wide<A> m = load<A>(q), s = broadcast<A>(0);
        for (int64_t i = 1; i < n; ++i) {
          m = map(m, load<A>(q + i * step),
                  [](auto a, auto b) { return Extreme<A, true>::apply(a, b); });
        }
        Wide<A> base = map(m, [](auto v) {
          return ((v == kInfinity<A>) | (v == -kInfinity<A>)) ? Native<A>{} : v;
        });
        for (int64_t i = 0; i < n; ++i) {
          auto e = map(load<A>(q + i * step), base,
                       [](auto x, auto b) { return exp_lanes<A, is_half<T>>(x - b); });
          s = map(s, e, [](auto a, auto b) { return a + b; });
        }
        A ms[L], ss[L];
        store(ms, m);
        store(ss, s);
        for (int64_t k = 0; k < L; ++k) acc[j + k] = merged(acc[j + k], Pair{ms[k], ss[k]});
      }
      for (int64_t i = 0; i < n; ++i) {
        strided(p + (r + i) * step + wide_end, 1, cols - wide_end, acc + wide_end);
      }
    }
  }
  static void strided(const void* from, int64_t step, int64_t n, void* to) {
    const T* p = static_cast<const T*>(from);
    Pair* acc = static_cast<Pair*>(to);
    for (int64_t j = 0; j < n; ++j) acc[j] = merged(acc[j], Pair{widen<A>(p[j * step]), 1});
  }
  static void merge(void* to, const void* from, int64_t n) {
    Pair* acc = static_cast<Pair*>(to);
    const Pair* other = static_cast<const Pair*>(from);
    for (int64_t j = 0; j < n; ++j) acc[j] = merged(acc[j], other[j]);
  }
  static void clear(void* acc, int64_t n) {
    fill(static_cast<Pair*>(acc), n, Pair{-kInfinity<A>, 0});
  }
  static void finish(const void* acc, int64_t n, void* to, int64_t step) {
    const Pair* a = static_cast<const Pair*>(acc);
    T* out = static_cast<T*>(to);
    for (int64_t j = 0; j < n; ++j) {
      bool finite = a[j].m - a[j].m == 0;
      out[j * step] = narrow<T>(finite ? a[j].m + log_one(a[j].s) : a[j].m);
    }
  }
  static constexpr ReduceLoops loops{sizeof(T), sizeof(Pair), sizeof(T), true,  1,     runs,
                                     columns,   strided,      merge,     clear, finish};
  static void kernel(const KernelCall& call) { reduce(call, loops); }
};

// ---- softmax

template <class T, bool kShort = is_half<T>>
struct Softmax {
  using A = std::conditional_t<is_half<T>, float, T>;
  static constexpr int64_t L = Wide<A>::lanes;

  static void scale(const T* in, int64_t n, A base, A factor, T* out) {
    transform<A>(in, n, out, [&](auto v) { return exp_lanes<A, kShort>(v - base) * factor; });
  }

  template <class From, class To>
  [[gnu::noinline]] static void convert(const From* in, int64_t n, To* out) {
    if constexpr (kFiniteFirst && std::is_same_v<From, float16_t>) {
      if (all_finite(in, n)) return convert(reinterpret_cast<const FiniteFloat16*>(in), n, out);
    }
    int64_t i = 0;
    for (; i + L <= n; i += L) store(out + i, load<A>(in + i));
    for (; i < n; ++i) out[i] = narrow<To>(widen<A>(in[i]));
  }

  static void row(const T* in, int64_t n, T* out) {
    if constexpr (is_half<T>) {
      if (n <= kHalfRow) {
        A buffer[kHalfRow];
        convert(in, n, buffer);
        Softmax<A, true>::row(buffer, n, buffer);
        convert(buffer, n, out);
        return;
      }
    }
    const A m = max_of<A>(in, n);
    double s = 0;
    for (int64_t i = 0; i < n; i += kReduceRun) {
      T* terms = is_half<T> ? nullptr : out + i;
      s += sum_of_exp<A, kShort, T>(in + i, smaller(kReduceRun, n - i), m, terms);
    }
    const A factor = A(1 / s);
    if constexpr (is_half<T>) {
      scale(in, n, m, factor, out);
    } else {
      transform<A>(out, n, out, [&](auto v) { return v * factor; });
    }
  }

  // A row cut into parts, each its own task.
  static void long_rows(const T* in, int64_t rows, int64_t n, T* out) {
    using Pair = LogSum<A>;
    const int64_t parts = (n + kPart - 1) / kPart;
    ScratchBytes scratch(rows * parts, sizeof(Pair));
    Pair* pairs = static_cast<Pair*>(scratch.data());
    auto each = [&](auto body) {
      parallel_for(rows * parts, 1, [&](int64_t b, int64_t e) {
        for (; b < e; ++b) {
          int64_t first = b % parts * kPart;
          body(b, b / parts * n + first, smaller(kPart, n - first));
        }
      });
    };
    each([&](int64_t b, int64_t at, int64_t m) { pairs[b] = LogSumExp<T>::of(in + at, m); });
    for (int64_t r = 0; r < rows; ++r) {
      Pair& total = pairs[r * parts];
      for (int64_t i = 1; i < parts; ++i) total = merged(total, pairs[r * parts + i]);
    }
    each([&](int64_t b, int64_t at, int64_t m) {
      const Pair& total = pairs[b / parts * parts];
      scale(in + at, m, total.m, 1 / total.s, out + at);
    });
  }

  // n rows, `step` apart, of up to kColumnTile columns.
  static void columns(const T* in, int64_t n, int64_t step, int64_t cols, T* out) {
    for (int64_t j = 0; j < cols; j += L)
      column_lanes(in + j, n, step, smaller(L, cols - j), out + j);
  }
  static void column_lanes(const T* in, int64_t n, int64_t step, int64_t cols, T* out) {
    auto at = [&](const T* p) { return cols == L ? load<A>(p) : load_first<A>(p, cols, A(0)); };
    auto put = [&](T* p, Wide<A> v) { cols == L ? store(p, v) : store_first(p, cols, v); };
    auto add = [](auto a, auto b) { return a + b; };
    auto times = [](auto a, auto b) { return a * b; };
    auto term = [](auto x, auto m) { return exp_lanes<A, kShort>(x - m); };
    Wide<A> m = at(in), total = broadcast<A>(0);
    for (int64_t i = 1; i < n; ++i) {
      m = map(m, at(in + i * step), [](auto a, auto b) { return Extreme<A, true>::apply(a, b); });
    }
    for (int64_t r = 0; r < n; r += 256) {
      Wide<A> s = broadcast<A>(0);
      for (int64_t i = r; i < smaller(n, r + 256); ++i) {
        Wide<A> e = map(at(in + i * step), m, term);
        if constexpr (!is_half<T>) put(out + i * step, e);
        s = map(s, e, add);
      }
      total = map(total, s, add);
    }
    Wide<A> factor = map(total, [](auto s) { return A(1) / s; });
    for (int64_t i = 0; i < n; ++i) {
      Wide<A> e = is_half<T> ? map(at(in + i * step), m, term) : at(out + i * step);
      put(out + i * step, map(e, factor, times));
    }
  }

  static void kernel(const KernelCall& call) {
    int64_t outer, n, inner;
    axis_extents(call, outer, n, inner);
    const T* in = static_cast<const T*>(call.in[0].data);
    T* out = static_cast<T*>(call.out[0].data);
    if (outer * n * inner == 0) return;
    if (inner == 1 && n >= 2 * kPart) return long_rows(in, outer, n, out);
    if (inner == 1) {
      return parallel_for(outer, larger(1, kPart / n), [&](int64_t b, int64_t e) {
        for (; b < e; ++b) row(in + b * n, n, out + b * n);
      });
    }
    const int64_t tiles = (inner + kColumnTile - 1) / kColumnTile;
    const int64_t work = n * smaller(inner, kColumnTile);
    parallel_for(outer * tiles, larger(1, kPart / work), [&](int64_t b, int64_t e) {
      for (; b < e; ++b) {
        int64_t first = b % tiles * kColumnTile, at = b / tiles * n * inner + first;
        columns(in + at, n, inner, smaller(kColumnTile, inner - first), out + at);
      }
    });
  }
};

template <class T>
void add(KernelTable& table, Dtype dtype) {
  table.add("logsumexp", dtype, {.run = LogSumExp<T>::kernel});
  table.add("softmax", dtype, {.run = Softmax<T>::kernel, .contiguous = 1, .donates = 1});
}

}  // namespace

void register_softmax(KernelTable& table) {
  add<float16_t>(table, float16);
  add<bfloat16_t>(table, bfloat16);
  add<float>(table, float32);
  add<double>(table, float64);
}

}  // namespace olivine::cpu::OLIVINE_ISA
