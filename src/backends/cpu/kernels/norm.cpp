// layer_norm, rms_norm and their gradients.
//
// A row is read a few times while it stays in cache. The gradients of the weight and the bias are
// summed over fixed blocks of rows, and the blocks in order, so they depend on the shape alone.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/half-inl.h"
#include "backends/cpu/reduce.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/scratch_meter.h"
#include "backends/cpu/vec-math-inl.h"
#include "ops/fast_params.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kTask = 1 << 14;     // elements of a task
constexpr int64_t kBlockRows = 64;     // rows summed before their sum is added to others
constexpr int64_t kColumnTask = 1024;  // columns of a task that adds the blocks
// Where widening takes long.
template <class T>
constexpr bool kRowsAsFloats = kFiniteFirst&& std::is_same_v<T, float16_t>;

// f(w0.v[r], w1.v[r], ...) for each native vector.
template <class A, class F, class... W>
OLIVINE_INLINE Wide<A> lanewise(F f, W... w) {
  Wide<A> out;
#pragma GCC unroll 4
  for (int r = 0; r < kParts; ++r) out.v[r] = f(w.v[r]...);
  return out;
}

// body(i, count) for vectors of lanes from i on; the last may be shorter.
template <class A, class F>
OLIVINE_INLINE void for_vectors(int64_t begin, int64_t end, F body) {
  constexpr int64_t L = Wide<A>::lanes;
  int64_t i = begin;
  for (; i + L <= end; i += L) body(i, L);
  if (i < end) body(i, end - i);
}
template <class A, class T>
OLIVINE_INLINE Wide<A> at(const T* p, int64_t count, A padding = A(0)) {
  return count == Wide<A>::lanes ? load<A>(p) : load_first<A>(p, count, padding);
}
template <class A, class T>
OLIVINE_INLINE void put(T* p, int64_t count, Wide<A> v) {
  count == Wide<A>::lanes ? store(p, v) : store_first(p, count, v);
}

// The same of split vectors.
template <class A, class T>
OLIVINE_INLINE Wide<A> split_at(const T* p, int64_t count, A padding = A(0)) {
  return count == Wide<A>::lanes ? load_split<A>(p) : load_first_split<A>(p, count, padding);
}
template <class A, class T>
OLIVINE_INLINE void put_split(T* p, int64_t count, Wide<A> v) {
  count == Wide<A>::lanes ? store_split(p, v) : store_first_split(p, count, v);
}

template <class A, int count>
struct Sums {
  double s[count] = {};
};
// Sums over a row, `count` at once: body(i, lanes, sums) adds a vector to each of the sums, split
// as T's are.
template <class A, int count, class T = A, class F>
OLIVINE_INLINE Sums<A, count> sum_over(int64_t n, F body) {
  Sums<A, count> total;
  for (int64_t i = 0; i < n; i += kReduceRun) {
    Wide<A> sums[count];
    for (auto& s : sums) s = broadcast<A>(0);
    for_vectors<A>(
        i,
        smaller(n, i + kReduceRun), [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
          body(j, lanes, sums);
        });
    for (int c = 0; c < count; ++c) {
      total.s[c] += fold_lanes(in_order<T>(sums[c]), [](auto a, auto b) { return a + b; });
    }
  }
  return total;
}

template <class T, bool kCentred>
struct Norm {
  using A = std::conditional_t<is_half<T>, float, T>;
  using V = Native<A>;

  // A normalised element is (x - mean) * factor.
  struct Row {
    A mean = 0, factor;
  };

  template <class X>
  static Row statistics(const X* x, int64_t n, double eps) {
    Row row;
    if constexpr (kCentred) {
      auto sum = sum_over<A, 1, X>(n, [&](int64_t i, int64_t count, Wide<A>* s) {
        s[0] = lanewise<A>([](V a, V b) { return a + b; }, s[0], split_at<A>(x + i, count));
      });
      row.mean = A(sum.s[0] / double(n));
    }
    const A mean = row.mean;
    auto squares = sum_over<A, 1, X>(n, [&](int64_t i, int64_t count, Wide<A>* s) {
      s[0] = lanewise<A>([&](V a, V b) { return mul_add(b - mean, b - mean, a); }, s[0],
                         split_at<A>(x + i, count, mean));
    });
    row.factor = A(1 / __builtin_sqrt(squares.s[0] / double(n) + eps));
    return row;
  }

  // X: T, or float.
  template <class X>
  static void forward_row(const X* x, const X* weight, const X* bias, int64_t n, double eps,
                          T* out) {
    const Row row = statistics(x, n, eps);
    const A mean = row.mean, factor = row.factor;
    auto write = [=](auto scale) {
      for_vectors<A>(
          0, n, [=](int64_t i, int64_t count) __attribute__((always_inline)) {
            Wide<A> y = map(
                split_at<A>(x + i, count), [=](V v) __attribute__((always_inline)) {
                  if constexpr (kCentred) v = v - mean;
                  return v * factor;
                });
            if constexpr (is_split<X>) {
              put_split(out + i, count, scale(i, count, y));
            } else {
              put(out + i, count, scale(i, count, y));
            }
          });
    };
    auto times = [](V a, V b) { return a * b; };
    auto plus = [](V a, V b) { return a + b; };
    if (weight && bias) {
      write([=](int64_t i, int64_t count, Wide<A> y) {
        return lanewise<A>([](V a, V w, V b) { return mul_add(a, w, b); }, y,
                           split_at<A>(weight + i, count), split_at<A>(bias + i, count));
      });
    } else if (weight) {
      write([=](int64_t i, int64_t c, Wide<A> y) {
        return map(y, split_at<A>(weight + i, c), times);
      });
    } else if (bias) {
      write(
          [=](int64_t i, int64_t c, Wide<A> y) { return map(y, split_at<A>(bias + i, c), plus); });
    } else {
      write([](int64_t, int64_t, Wide<A> y) { return y; });
    }
  }

  // Rows begin to end, each widened once: it is read two or three times.
  static void forward_floats(const KernelCall& call, int64_t begin, int64_t end) {
    const auto& p = call.as<NormParams>();
    const int64_t n = call.in[0].shape.back();
    ScratchBytes scratch(n * (1 + p.has_weight + p.has_bias), sizeof(float));
    float* row = static_cast<float*>(scratch.data());
    float* weight = p.has_weight ? row + n : nullptr;
    float* bias = p.has_bias ? row + n * (1 + p.has_weight) : nullptr;
    if constexpr (kRowsAsFloats<T>) {
      if (weight) widen(call.in[1].as<T>(), weight, n);
      if (bias) widen(call.in[p.has_weight ? 2 : 1].as<T>(), bias, n);
      for (int64_t b = begin; b < end; ++b) {
        widen(call.in[0].as<T>() + b * n, row, n);
        forward_row(row, weight, bias, n, p.eps, call.out[0].as<T>() + b * n);
      }
    }
  }

  static void forward(const KernelCall& call) {
    const auto& p = call.as<NormParams>();
    const View& x = call.in[0];
    const int64_t n = x.shape.back();
    if (x.size() == 0) return;
    const T* weight = p.has_weight ? call.in[1].as<T>() : nullptr;
    const T* bias = p.has_bias ? call.in[p.has_weight ? 2 : 1].as<T>() : nullptr;
    parallel_for(x.size() / n, larger(1, kTask / n), [&](int64_t b, int64_t e) {
      if constexpr (kRowsAsFloats<T>) return forward_floats(call, b, e);
      for (; b < e; ++b) {
        const int64_t i = b * n;
        forward_row(x.as<T>() + i, weight, bias, n, p.eps, call.out[0].as<T>() + i);
      }
    });
  }

  // With y the normalised row and g the cotangent times the weight, the cotangent of x is
  // factor * (g - y * mean(g * y)), less factor * mean(g) if centred. dw and db are added to.
  static void backward_row(const T* x, const T* weight, const T* ct, int64_t n, double eps, T* dx,
                           A* dw, A* db) {
    const Row row = statistics(x, n, eps);
    auto normalised = [&](int64_t i, int64_t count) __attribute__((always_inline)) {
      return map(at<A>(x + i, count), [&](V v) { return (v - row.mean) * row.factor; });
    };
    auto weighted = [&](int64_t i, int64_t count) __attribute__((always_inline)) {
      Wide<A> g = at<A>(ct + i, count);
      if (!weight) return g;
      return map(g, at<A>(weight + i, count), [](V a, V b) { return a * b; });
    };
    auto sums = sum_over<A, 2>(n, [&](int64_t i, int64_t count, Wide<A>* s) {
      Wide<A> g = weighted(i, count);
      s[0] = lanewise<A>([](V a, V b, V c) { return mul_add(a, b, c); }, g, normalised(i, count),
                         s[0]);
      if (kCentred) s[1] = map(s[1], g, [](V a, V b) { return a + b; });
    });
    const A along = A(sums.s[0] / double(n)), shift = A(sums.s[1] / double(n));
    for_vectors<A>(
        0, n, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
          Wide<A> y = normalised(i, count), c = at<A>(ct + i, count);
          auto slope = [&](V g, V v) { return (g - shift - v * along) * row.factor; };
          put(dx + i, count, lanewise<A>(slope, weighted(i, count), y));
          if (dw) {
            auto add = [](V a, V b, V d) { return mul_add(a, b, d); };
            put(dw + i, count, lanewise<A>(add, c, y, at<A>(dw + i, count)));
          }
          if (db) put(db + i, count, map(c, at<A>(db + i, count), [](V a, V d) { return a + d; }));
        });
  }

  // to[i] = the sum over blocks of from[block * step + i].
  static void add_blocks(const A* from, int64_t blocks, int64_t step, int64_t n, T* to) {
    parallel_for(n, kColumnTask, [&](int64_t b, int64_t e) {
      double sums[kColumnTask] = {};
      for (int64_t k = 0; k < blocks; ++k) {
        for (int64_t i = b; i < e; ++i) sums[i - b] += double(from[k * step + i]);
      }
      for (int64_t i = b; i < e; ++i) to[i] = cpu::OLIVINE_ISA::narrow<T>(A(sums[i - b]));
    });
  }

  static void backward(const KernelCall& call) {
    const auto& p = call.as<NormParams>();
    const View& x = call.in[0];
    const int64_t n = x.shape.back();
    if (n == 0) return;
    const int64_t rows = x.size() / n, blocks = (rows + kBlockRows - 1) / kBlockRows;
    const T* weight = p.has_weight ? call.in[1].as<T>() : nullptr;
    const T* ct = call.in.back().as<T>();
    const int64_t step = n * (p.has_weight + p.has_bias);
    ScratchBytes scratch(blocks * step, sizeof(A));
    if (ScratchMeter::is_on()) return;
    A* partial = static_cast<A*>(scratch.data());
    const int64_t grain = larger(1, kTask / (n * kBlockRows));
    parallel_for(blocks, grain, [&](int64_t first, int64_t last) {
      for (int64_t k = first; k < last; ++k) {
        A* sums = partial + k * step;
        fill(sums, step, A(0));
        A* dw = p.has_weight ? sums : nullptr;
        A* db = p.has_bias ? sums + step - n : nullptr;
        for (int64_t r = k * kBlockRows; r < smaller(rows, (k + 1) * kBlockRows); ++r) {
          const int64_t i = r * n;
          backward_row(x.as<T>() + i, weight, ct + i, n, p.eps, call.out[0].as<T>() + i, dw, db);
        }
      }
    });
    if (p.has_weight) add_blocks(partial, blocks, step, n, call.out[1].as<T>());
    if (p.has_bias) add_blocks(partial + step - n, blocks, step, n, call.out.back().as<T>());
  }
};

template <class T>
void add(KernelTable& table, Dtype dtype) {
  table.add("layer_norm", dtype, {.run = Norm<T, true>::forward, .contiguous = ~0u});
  table.add("rms_norm", dtype, {.run = Norm<T, false>::forward, .contiguous = ~0u});
  table.add("layer_norm_vjp", dtype, {.run = Norm<T, true>::backward, .contiguous = ~0u});
  table.add("rms_norm_vjp", dtype, {.run = Norm<T, false>::backward, .contiguous = ~0u});
}

}  // namespace

void register_norm(KernelTable& table) {
  add<float16_t>(table, float16);
  add<bfloat16_t>(table, bfloat16);
  add<float>(table, float32);
  add<double>(table, float64);
}

}  // namespace olivine::cpu::OLIVINE_ISA
