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

  static OLIVINE_INLINE W load_mapped(const In* p) {
    return map(load<A>(p), [](auto v) { return Op::map(v); });
  }
  static OLIVINE_INLINE W combine(W a, W b) {
    return map(a, b, [](auto x, auto y) { return Op::apply(x, y); });
  }
  // Eight vectors `step` elements apart.
  static OLIVINE_INLINE W combine8(const In* p, int64_t step) {
    auto at = [&](int i) { return load_mapped(p + i * step); };
    W a = combine(combine(at(0), at(1)), combine(at(2), at(3)));
    W b = combine(combine(at(4), at(5)), combine(at(6), at(7)));
    return combine(a, b);
  }

  static A run(const In* p, int64_t n) {
    if constexpr (Op::vector) {
      W s = broadcast<A>(Op::identity());
      int64_t i = 0;
      for (; i + 8 * L <= n; i += 8 * L) s = combine(s, combine8(p + i, L));
      for (; i + L <= n; i += L) s = combine(s, load_mapped(p + i));
      if (i < n) {
        W rest = load_first<A>(p + i, n - i, Op::identity());
        s = combine(s, map(rest, [](auto v) { return Op::map(v); }));
      }
      return fold_lanes(s, [](auto a, auto b) { return Op::apply(a, b); });
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
      for (; r + 8 <= rows; r += 8) {
        const In* q = p + r * step;
        for (int64_t j = 0; j < wide_end; j += L) {
          store(acc + j, combine(load<A>(acc + j), combine8(q + j, step)));
        }
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

// Maximum or minimum; NaN wins.
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
};

}  // namespace olivine::cpu::OLIVINE_ISA
