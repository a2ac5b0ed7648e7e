// Rotary position embedding (Su et al., "RoFormer", 2021).
//
// Sines and cosines depend on the position alone: a task computes those of a few positions and
// turns the rows of all heads by them. 16-bit floats are turned as floats and rounded once.
#include "backends/cpu/kernels/elementwise-inl.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/vec-inl.h"
#include "backends/scalar_math.h"
#include "ops/fast_params.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kTask = 1 << 14;  // elements of a task

template <class T>
struct Rope {
  using A = std::conditional_t<is_half<T>, float, T>;

  const RopeParams& p;
  const View& x;
  const View& out;
  const View& offset;
  int64_t positions, size, half;
  int64_t tables, rows;  // groups of rows with angles of their own; rows of a position in each

  explicit Rope(const KernelCall& call)
      : p(call.as<RopeParams>()), x(call.in[0]), out(call.out[0]), offset(call.in[1]) {
    const int64_t* shape = x.shape.data();
    const size_t ndim = x.shape.size();
    positions = shape[ndim - 2];
    size = shape[ndim - 1];
    half = p.dims / 2;
    rows = 1;
    for (size_t i = 0; i + 2 < ndim; ++i) rows *= shape[i];
    tables = offset.shape.size() == 1 ? shape[0] : 1;
    rows /= tables;
  }

  // Where row `row` of a table's group begins; its positions are x.strides[ndim - 2] apart.
  const T* begin(int64_t row) const {
    const T* at = static_cast<const T*>(x.data);
    for (size_t i = x.shape.size() - 2; i-- > 0;) {
      at += row % x.shape.data()[i] * x.strides.data()[i];
      row /= x.shape.data()[i];
    }
    return at;
  }

  // inverse[i]: radians per position.
  void frequencies(const KernelCall& call, A* inverse) const {
    if (p.has_freqs) {
      const float* freqs = static_cast<const float*>(call.in[2].data);
      for (int64_t i = 0; i < half; ++i) inverse[i] = A(1) / A(freqs[i]);
      return;
    }
    const A step = A(-__builtin_log(p.base) / double(half));
    for (int64_t i = 0; i < half; ++i) inverse[i] = A(i) * step;
    loop_v<Exp, A>(inverse, inverse, half);
  }

  void angles(const A* inverse, int64_t table, int64_t first, int64_t count, A* c, A* s) const {
    const A shift = A(static_cast<const int32_t*>(offset.data)[table]);
    for (int64_t t = 0; t < count; ++t) {
      const A position = (A(first + t) + shift) * A(p.scale);
      for (int64_t i = 0; i < half; ++i) c[t * half + i] = position * inverse[i];
    }
    loop_v<Sin, A>(c, s, count * half);
    loop_v<Cos, A>(c, c, count * half);
    if (p.inverse) {
      for (int64_t i = 0; i < count * half; ++i) s[i] = -s[i];
    }
  }

  // Brings whole vectors of frequencies, and so of sines and cosines, into the order of split rows.
  void split(A* inverse) const {
    if constexpr (is_split<T>) {
      constexpr int lanes = Wide<A>::lanes;
      for (int64_t i = 0; i + lanes <= half; i += lanes) {
        A ordered[lanes];
        copy(inverse + i, lanes, ordered);
        for (int k = 0; k < lanes; ++k) inverse[i + lane_of<T>(k)] = ordered[k];
      }
    }
  }

  // Both halves of a row, side by side.
  void turn_halves(const T* from, const A* c, const A* s, T* to) const {
    if constexpr (kFiniteFirst && std::is_same_v<T, float16_t>) {
      if (all_finite(from, 2 * half)) {
        using X = FiniteFloat16;
        return turn_halves_of(reinterpret_cast<const X*>(from), c, s, reinterpret_cast<X*>(to));
      }
    }
    turn_halves_of(from, c, s, to);
  }
  template <class X>
  void turn_halves_of(const X* from, const A* c, const A* s, X* to) const {
    constexpr int64_t lanes = Wide<A>::lanes;
    int64_t i = 0;
    for (; i + lanes <= half; i += lanes) {
      const Wide<A> a = load_split<A>(from + i), b = load_split<A>(from + half + i);
      Wide<A> u, v;
#pragma GCC unroll 4
      for (int r = 0; r < kParts; ++r) {
        constexpr int width = int(lanes) / kParts;
        const auto cosine = load_native<A>(c + i + r * width);
        const auto sine = load_native<A>(s + i + r * width);
        u.v[r] = a.v[r] * cosine - b.v[r] * sine;
        v.v[r] = a.v[r] * sine + b.v[r] * cosine;
      }
      store_split(to + i, u);
      store_split(to + half + i, v);
    }
    for (; i < half; ++i) {
      const A a = cpu::OLIVINE_ISA::widen<A>(from[i]);
      const A b = cpu::OLIVINE_ISA::widen<A>(from[half + i]);
      to[i] = cpu::OLIVINE_ISA::narrow<X>(a * c[i] - b * s[i]);
      to[half + i] = cpu::OLIVINE_ISA::narrow<X>(a * s[i] + b * c[i]);
    }
  }
  // Neighbours; `wide` holds the row's `dims` values.
  void turn_pairs(const T* from, const A* c, const A* s, A* wide, T* to) const {
    const A* in = wide;
    if constexpr (is_half<T>) {
      widen(from, wide, 2 * half);
    } else {
      in = from;
    }
    A* o = wide;
    if constexpr (!is_half<T>) o = to;
    for (int64_t i = 0; i < half; ++i) {
      const A a = in[2 * i], b = in[2 * i + 1];
      o[2 * i] = a * c[i] - b * s[i];
      o[2 * i + 1] = a * s[i] + b * c[i];
    }
    if constexpr (is_half<T>) narrow(wide, to, 2 * half);
  }

  void run(const KernelCall& call) const {
    const size_t ndim = x.shape.size();
    const int64_t stride = x.strides.data()[ndim - 1], apart = x.strides.data()[ndim - 2];
    const int64_t block = larger(1, smaller(positions, kTask / larger(1, rows * size)));
    const int64_t blocks = (positions + block - 1) / block;
    ScratchBytes inverse(half, sizeof(A));
    frequencies(call, static_cast<A*>(inverse.data()));
    if (!p.traditional) split(static_cast<A*>(inverse.data()));
    parallel_for(tables * blocks, 1, [&](int64_t task, int64_t last) {
      ScratchBytes scratch(2 * block * half + p.dims + size, sizeof(A));
      A* c = static_cast<A*>(scratch.data());
      A *s = c + block * half, *wide = s + block * half;
      T* gathered = reinterpret_cast<T*>(wide + p.dims);
      for (; task < last; ++task) {
        const int64_t table = task / blocks, first = task % blocks * block;
        const int64_t count = smaller(block, positions - first);
        angles(static_cast<A*>(inverse.data()), table, first, count, c, s);
        for (int64_t r = table * rows; r < (table + 1) * rows; ++r) {
          const T* from = begin(r) + first * apart;
          T* to = static_cast<T*>(out.data) + (r * positions + first) * size;
          for (int64_t t = 0; t < count; ++t, from += apart, to += size) {
            const T* row = from;
            if (stride != 1) {
              for (int64_t i = 0; i < size; ++i) gathered[i] = from[i * stride];
              row = gathered;
            }
            if (p.traditional) {
              turn_pairs(row, c + t * half, s + t * half, wide, to);
            } else {
              turn_halves(row, c + t * half, s + t * half, to);
            }
            copy(row + 2 * half, size - 2 * half, to + 2 * half);
          }
        }
      }
    });
  }
};

template <class T>
void rope(const KernelCall& call) {
  if (call.out[0].size() > 0) Rope<T>(call).run(call);
}

}  // namespace

void register_rope(KernelTable& t) {
  constexpr uint32_t contiguous = 0b110;  // offset and freqs
  t.add("rope", float16, {.run = rope<float16_t>, .contiguous = contiguous});
  t.add("rope", bfloat16, {.run = rope<bfloat16_t>, .contiguous = contiguous});
  t.add("rope", float32, {.run = rope<float>, .contiguous = contiguous});
  t.add("rope", float64, {.run = rope<double>, .contiguous = contiguous});
}

}  // namespace olivine::cpu::OLIVINE_ISA
