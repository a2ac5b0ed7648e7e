// argmax and argmin along one axis: the first extreme wins, and the first NaN before all.
//
// Along memory: the extreme of a run is found in registers, and only a run that improves on the
// earlier ones is searched for its place. Across memory: extremes and places of a tile of columns
// are kept side by side, row by row.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/reduce-inl.h"
#include "backends/cpu/scratch.h"
#include "runtime/interrupt.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kTile = 512;      // columns in a tile
constexpr int64_t kPart = 1 << 16;  // elements of a task

// Whether v replaces an earlier b; works on vectors too.
template <bool kMax, class X>
OLIVINE_INLINE auto better(X v, X b) {
  if constexpr (kMax) {
    return (v > b) | ((v != v) & (b == b));
  } else {
    return (v < b) | ((v != v) & (b == b));
  }
}

template <class A>
struct Found {
  A value;
  int64_t index;
};

// Whether an element equals `value`, or both are NaN. 16-bit floats are told by their bits, many of
// which fit into a vector.
template <class In, class A>
struct Same {
  explicit Same(A v) : value(v), nan(v != v) {}
  OLIVINE_INLINE bool operator()(In x) const { return (x == value) | (nan & (x != x)); }
  A value;
  bool nan;
};
template <class In>
requires is_half<In>
struct Same<In, float> {
  static constexpr uint16_t kMagnitude = 0x7fff;
  static constexpr uint16_t kInfinity = std::is_same_v<In, bfloat16_t> ? 0x7f80 : 0x7c00;
  explicit Same(float v)
      : bits(narrow<In>(v).bits),
        ignored(v == 0 ? 0x8000 : 0),
        above(v != v ? kInfinity : 0xffff) {}
  OLIVINE_INLINE bool operator()(In x) const {
    return ((x.bits | ignored) == (bits | ignored)) | ((x.bits & kMagnitude) > above);
  }
  uint16_t bits, ignored, above;
};

// Where `value` (or NaN, if it is NaN) comes first; it does occur.
template <class In, class A>
int64_t find_first(const In* p, int64_t n, A value) {
  constexpr int64_t kBlock = 64;
  const Same<In, A> same(value);
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    uint16_t hits = 0;
    for (int64_t j = 0; j < kBlock; ++j) hits |= same(p[i + j]);
    if (hits) break;
  }
  while (i < n - 1 && !same(p[i])) ++i;
  return i;
}

// Elements [begin, end) of a row with the given step.
template <class In, bool kMax>
auto search_row(const In* row, int64_t step, int64_t begin, int64_t end) {
  using Op = Extreme<In, kMax>;
  using A = typename Op::A;
  Found<A> best{A{}, -1};
  In packed[kReduceRun];
  for (; begin < end; begin += kReduceRun) {
    int64_t n = smaller(kReduceRun, end - begin);
    const In* p = row + begin * step;
    if (step != 1) {
      for (int64_t i = 0; i < n; ++i) packed[i] = p[i * step];
      p = packed;
    }
    A value = Reducing<Op>::run(p, n);
    if (best.index < 0 || better<kMax>(value, best.value)) {
      best = {value, begin + find_first(p, n, value)};
    }
  }
  return best;
}

template <class In, bool kMax>
void arg_rows(const In* in, uint32_t* out, const ReducePlan& plan) {
  using A = typename Extreme<In, kMax>::A;
  const LoopDim along = plan.reduce[0];
  const int64_t parts = along.size < 2 * kPart ? 1 : (along.size + kPart - 1) / kPart;
  if (parts == 1) {
    parallel_for(plan.outputs, larger(1, kPart / along.size), [&](int64_t b, int64_t e) {
      LoopCursor at(plan.keep, plan.kept, b);
      for (; b < e; ++b, at.next()) {
        out[at.out] = uint32_t(search_row<In, kMax>(in + at.in, along.in, 0, along.size).index);
      }
    });
    return;
  }
  ScratchBytes scratch(plan.outputs * parts, sizeof(Found<A>));
  auto* found = static_cast<Found<A>*>(scratch.data());
  parallel_for(plan.outputs * parts, 1, [&](int64_t b, int64_t e) {
    for (; b < e; ++b) {
      LoopCursor at(plan.keep, plan.kept, b / parts);
      int64_t begin = b % parts * kPart;
      found[b] =
          search_row<In, kMax>(in + at.in, along.in, begin, smaller(begin + kPart, along.size));
    }
  });
  LoopCursor at(plan.keep, plan.kept, 0);
  for (int64_t o = 0; o < plan.outputs; ++o, at.next()) {
    Found<A> best = found[o * parts];
    for (int64_t i = 1; i < parts; ++i) {
      const Found<A>& f = found[o * parts + i];
      if (better<kMax>(f.value, best.value)) best = f;
    }
    out[at.out] = uint32_t(best.index);
  }
}

// Lanes of columns: narrow integers are widened so that places fit beside them.
template <class In>
using Lane = std::conditional_t<
    is_half<In>, float,
    std::conditional_t<(sizeof(In) >= 4), In,
                       std::conditional_t<std::is_signed_v<In>, int32_t, uint32_t>>>;

// 16-bit floats: values as integers that order alike, NaNs beyond all, and rows as 16-bit numbers,
// which takes half as many vectors as floats. At most 2^16 rows and kTile columns.
template <class In, bool kMax>
void search_half_columns(const In* p, int64_t step, int64_t begin, int64_t end, int64_t n,
                         float* best, uint32_t* place) {
  using Rows = uint16_t __attribute__((vector_size(kVectorBytes)));
  constexpr int64_t lanes = kVectorBytes / 2;
  constexpr int16_t kInfinity = std::is_same_v<In, bfloat16_t> ? 0x7f80 : 0x7c00;
  constexpr int16_t kNan = kMax ? INT16_MAX : INT16_MIN;
  alignas(64) int16_t values[kTile];
  alignas(64) uint16_t rows[kTile];
  const auto vector_at = [&](const In* q) __attribute__((always_inline)) {
    ShortLanes h;
    std::memcpy(&h, q, sizeof h);
    const ShortLanes sign = h >> 15, magnitude = h & 0x7fff;
    return magnitude > kInfinity ? kNan - ShortLanes{} : (magnitude ^ sign) - sign;
  };
  const auto value_at = [&](const In* q) {
    const int h = static_cast<int16_t>(q->bits), magnitude = h & 0x7fff;
    return static_cast<int16_t>(magnitude > kInfinity ? kNan : h < 0 ? -magnitude : magnitude);
  };
  const int64_t wide_end = n - n % lanes;
  for (int64_t r = begin; r < end; ++r) {
    const In* row = p + r * step;
    const auto number = static_cast<uint16_t>(r - begin);
    for (int64_t j = 0; j < wide_end; j += lanes) {
      const ShortLanes v = vector_at(row + j);
      ShortLanes b = v;
      Rows at{};
      if (r > begin) {
        std::memcpy(&b, values + j, sizeof b);
        std::memcpy(&at, rows + j, sizeof at);
        at = (kMax ? v > b : v < b) ? number - Rows{} : at;
        b = extreme_lanes<kMax>(v, b);
      }
      std::memcpy(values + j, &b, sizeof b);
      std::memcpy(rows + j, &at, sizeof at);
    }
    for (int64_t j = wide_end; j < n; ++j) {
      const int16_t v = value_at(row + j);
      if (r > begin && !(kMax ? v > values[j] : v < values[j])) continue;
      values[j] = v;
      rows[j] = number;
    }
  }
  for (int64_t j = 0; j < n; ++j) {
    place[j] = static_cast<uint32_t>(begin + rows[j]);
    best[j] = widen<float>(p[(begin + rows[j]) * step + j]);
  }
}

// Extremes and places of `n` neighbouring columns over rows [begin, end).
template <class In, bool kMax, class A, class U>
void search_columns(const In* p, int64_t step, int64_t begin, int64_t end, int64_t n, A* best,
                    U* place) {
  if constexpr (is_half<In>) {
    if (end - begin <= 65536) {
      return search_half_columns<In, kMax>(p, step, begin, end, n, best, place);
    }
  }
  for (int64_t j = 0; j < n; ++j) {
    best[j] = widen<A>(p[begin * step + j]);
    place[j] = U(begin);
  }
  constexpr int L = Wide<A>::lanes;
  const int64_t wide_end = n - n % L;
  for (int64_t r = begin + 1; r < end; ++r) {
    const In* row = p + r * step;
    for (int64_t j = 0; j < wide_end; j += L) {
      Wide<A> v = load<A>(row + j), b = load<A>(best + j);
      Wide<U> at = load<U>(place + j);
#pragma GCC unroll 4
      for (int i = 0; i < kParts; ++i) {
        auto take = better<kMax>(v.v[i], b.v[i]);
        b.v[i] = take ? v.v[i] : b.v[i];
        at.v[i] = take ? U(r) - Native<U>{} : at.v[i];
      }
      store(best + j, b);
      store(place + j, at);
    }
    for (int64_t j = wide_end; j < n; ++j) {
      A v = widen<A>(row[j]);
      if (better<kMax>(v, best[j])) {
        best[j] = v;
        place[j] = U(r);
      }
    }
  }
}

template <class In, bool kMax>
void arg_columns(const In* in, uint32_t* out, const ReducePlan& plan) {
  using A = Lane<In>;
  using U = std::conditional_t<sizeof(A) == 4, uint32_t, uint64_t>;
  const LoopDim across = plan.keep[plan.kept - 1], down = plan.reduce[0];
  const int64_t tiles = (across.size + kTile - 1) / kTile;
  const int64_t units = plan.outputs / across.size * tiles;
  int64_t rows = down.size, parts = 1;
  if (units < 16 && rows >= 1024) {
    rows = 512;
    parts = (down.size + rows - 1) / rows;
  }
  ScratchBytes scratch(units * parts * kTile, sizeof(A) + sizeof(U));
  A* best = static_cast<A*>(scratch.data());
  U* place = reinterpret_cast<U*>(best + units * parts * kTile);
  auto width = [&](int64_t unit) { return smaller(kTile, across.size - unit % tiles * kTile); };
  parallel_for(units * parts, larger(1, kPart / (rows * smaller(kTile, across.size))),
               [&](int64_t b, int64_t e) {
                 for (; b < e; ++b) {
                   int64_t unit = b / parts, begin = b % parts * rows;
                   LoopCursor at(plan.keep, plan.kept - 1, unit / tiles);
                   const In* p = in + at.in + unit % tiles * kTile;
                   search_columns<In, kMax>(p, down.in, begin, smaller(begin + rows, down.size),
                                            width(unit), best + b * kTile, place + b * kTile);
                 }
               });
  for (int64_t unit = 0; unit < units; ++unit) {
    LoopCursor at(plan.keep, plan.kept - 1, unit / tiles);
    uint32_t* o = out + at.out + unit % tiles * kTile * across.out;
    A* b = best + unit * parts * kTile;
    U* w = place + unit * parts * kTile;
    for (int64_t j = 0; j < width(unit); ++j) {
      for (int64_t i = 1; i < parts; ++i) {
        if (better<kMax>(b[i * kTile + j], b[j])) {
          b[j] = b[i * kTile + j];
          w[j] = w[i * kTile + j];
        }
      }
      o[j * across.out] = uint32_t(w[j]);
    }
  }
}

template <class In, bool kMax>
void arg_kernel(const KernelCall& call) {
  ReducePlan plan;
  plan_along_axis(call, plan);
  if (plan.outputs == 0) return;
  const In* in = static_cast<const In*>(call.in[0].data) + plan.in_offset;
  uint32_t* out = static_cast<uint32_t*>(call.out[0].data) + plan.out_offset;
  const int64_t step = plan.reduce[0].in < 0 ? -plan.reduce[0].in : plan.reduce[0].in;
  const LoopDim* across = plan.kept > 0 ? &plan.keep[plan.kept - 1] : nullptr;
  if (across && across->in == 1 && across->size >= 16 && step != 1) {
    arg_columns<In, kMax>(in, out, plan);
  } else {
    arg_rows<In, kMax>(in, out, plan);
  }
}

// Complex numbers compare by real part, then by imaginary part.
template <class F, bool kMax>
void arg_complex(const KernelCall& call) {
  ReducePlan plan;
  plan_along_axis(call, plan);
  if (plan.outputs == 0) return;
  const F* in = static_cast<const F*>(call.in[0].data) + 2 * plan.in_offset;
  uint32_t* out = static_cast<uint32_t*>(call.out[0].data) + plan.out_offset;
  const LoopDim along = plan.reduce[0];
  parallel_for(plan.outputs, larger(1, kPart / along.size), [&](int64_t b, int64_t e) {
    LoopCursor at(plan.keep, plan.kept, b);
    for (; b < e; ++b, at.next()) {
      const F* p = in + 2 * at.in;
      int64_t best = 0;
      for (int64_t i = 0; i < along.size; ++i) {
        if (i % kPart == 0) poll_interrupt();
        const F* x = p + 2 * i * along.in;
        const F* y = p + 2 * best * along.in;
        if (y[0] != y[0] || y[1] != y[1]) break;
        bool nan = x[0] != x[0] || x[1] != x[1];
        bool less = x[0] < y[0] || (x[0] == y[0] && x[1] < y[1]);
        bool more = x[0] > y[0] || (x[0] == y[0] && x[1] > y[1]);
        if (nan || (kMax ? more : less)) best = i;
      }
      out[at.out] = uint32_t(best);
    }
  });
}

template <bool kMax>
void add_arg(KernelTable& table, const char* name) {
  auto add = [&](Dtype t, KernelFn run) { table.add(name, t, {.run = run}); };
  add(bool_, arg_kernel<uint8_t, kMax>);
  add(uint8, arg_kernel<uint8_t, kMax>);
  add(uint16, arg_kernel<uint16_t, kMax>);
  add(uint32, arg_kernel<uint32_t, kMax>);
  add(uint64, arg_kernel<uint64_t, kMax>);
  add(int8, arg_kernel<int8_t, kMax>);
  add(int16, arg_kernel<int16_t, kMax>);
  add(int32, arg_kernel<int32_t, kMax>);
  add(int64, arg_kernel<int64_t, kMax>);
  add(float16, arg_kernel<float16_t, kMax>);
  add(bfloat16, arg_kernel<bfloat16_t, kMax>);
  add(float32, arg_kernel<float, kMax>);
  add(float64, arg_kernel<double, kMax>);
  add(complex64, arg_complex<float, kMax>);
  add(complex128, arg_complex<double, kMax>);
}

}  // namespace

void register_arg_reduction(KernelTable& table) {
  add_arg<true>(table, "argmax");
  add_arg<false>(table, "argmin");
}

}  // namespace olivine::cpu::OLIVINE_ISA
