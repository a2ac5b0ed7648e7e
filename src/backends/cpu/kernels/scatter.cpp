// Kernels that write or combine values at indexed positions.
//
// Updates to one element apply in index order whatever the number of threads: work is cut by
// destination (columns of the blocks, or ranges of the output), never by update.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/half-inl.h"
#include "backends/cpu/kernels/index_set-inl.h"
#include "backends/scalar_ops.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// ---- combining elements

struct Set {
  template <class T>
  OLIVINE_OP T operator()(T, T b) const {
    return b;
  }
};
template <class F, class T>
OLIVINE_OP T combine(T a, T b) {
  return F{}(a, b);
}
template <class F>
OLIVINE_OP bfloat16_t combine(bfloat16_t a, bfloat16_t b) {
  return float_to_half(bfloat16_t{}, F{}(half_to_float(a), half_to_float(b)));
}
template <class F>
OLIVINE_OP float16_t combine(float16_t a, float16_t b) {
  return float_to_half(float16_t{}, F{}(half_to_float(a), half_to_float(b)));
}

template <class T>
inline constexpr bool is_half_float = std::is_same_v<T, float16_t> || std::is_same_v<T, bfloat16_t>;

// o[i] = F(o[i], u[i])
template <class F, class H>
void combine_halves(H* o, const H* u, int64_t n) {
  if constexpr (std::is_same_v<F, scalar::Add> || std::is_same_v<F, scalar::Multiply>) {
    constexpr int64_t lanes = kVectorBytes / 4;
    int64_t i = 0;
#if defined(__SSE2__) && !defined(__AVX512BW__)
    if constexpr (std::is_same_v<H, bfloat16_t>) {
      for (; i + 2 * lanes <= n; i += 2 * lanes) {
        FloatLanes a, b, c, d;
        load_even_odd(o + i, a, b);
        load_even_odd(u + i, c, d);
        store_even_odd(o + i, F{}(a, c), F{}(b, d));
      }
    }
#endif
#if defined(__SSE2__) && !defined(__AVX2__)
    if constexpr (std::is_same_v<H, float16_t>) i = finite_binary<F, false, false>(o, u, o, n);
#endif
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
      const FloatLanes x = F{}(load_halves(o + i), load_halves(u + i));
      const FloatLanes y = F{}(load_halves(o + i + lanes), load_halves(u + i + lanes));
      store_halves(o + i, x, y);
    }
    for (; i < n; ++i) o[i] = combine<F>(o[i], u[i]);
  } else {
    float x[kHalfBlock], y[kHalfBlock];
    for (int64_t i = 0; i < n; i += kHalfBlock) {
      const int64_t m = n - i < kHalfBlock ? n - i : kHalfBlock;
      widen(o + i, x, m);
      widen(u + i, y, m);
      for (int64_t j = 0; j < m; ++j) x[j] = F{}(x[j], y[j]);
      narrow(x, o + i, m);
    }
  }
}

// out[i * out_step] = F(out[…], in[i * in_step])
template <class F, class T>
void combine_run(void* out, int64_t out_step, const void* in, int64_t in_step, int64_t n) {
  T* o = static_cast<T*>(out);
  const T* u = static_cast<const T*>(in);
  if (out_step == 1 && in_step == 1) {
    if constexpr (is_half_float<T> && !std::is_same_v<F, Set>) return combine_halves<F>(o, u, n);
    for (int64_t i = 0; i < n; ++i) o[i] = combine<F>(o[i], u[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) o[i * out_step] = combine<F>(o[i * out_step], u[i * in_step]);
  }
}
// out[base[i] * scale + i * step] = F(out[…], in[i * in_step])
template <class F, class T>
void combine_at(void* out, const int64_t* base, int64_t scale, int64_t step, const void* in,
                int64_t in_step, int64_t n) {
  T* o = static_cast<T*>(out);
  const T* u = static_cast<const T*>(in);
  for (int64_t i = 0; i < n; ++i) {
    T& to = o[base[i] * scale + i * step];
    to = combine<F>(to, u[i * in_step]);
  }
}

struct Combiner {
  void (*run)(void* out, int64_t out_step, const void* in, int64_t in_step, int64_t n);
  void (*at)(void* out, const int64_t* base, int64_t scale, int64_t step, const void* in,
             int64_t in_step, int64_t n);
};
template <class F, class T>
Combiner make() {
  return {combine_run<F, T>, combine_at<F, T>};
}
template <class F>
Combiner by_dtype(Dtype t) {
  using scalar::Complex;
  switch (t.val()) {
    case Dtype::Val::uint8:
      return make<F, uint8_t>();
    case Dtype::Val::uint16:
      return make<F, uint16_t>();
    case Dtype::Val::uint32:
      return make<F, uint32_t>();
    case Dtype::Val::uint64:
      return make<F, uint64_t>();
    case Dtype::Val::int8:
      return make<F, int8_t>();
    case Dtype::Val::int16:
      return make<F, int16_t>();
    case Dtype::Val::int32:
      return make<F, int32_t>();
    case Dtype::Val::int64:
      return make<F, int64_t>();
    case Dtype::Val::float16:
      return make<F, float16_t>();
    case Dtype::Val::bfloat16:
      return make<F, bfloat16_t>();
    case Dtype::Val::float32:
      return make<F, float>();
    case Dtype::Val::float64:
      return make<F, double>();
    case Dtype::Val::complex64:
      return make<F, Complex<float>>();
    case Dtype::Val::complex128:
      return make<F, Complex<double>>();
    default:
      return {};
  }
}
// Where a sign makes no difference, both types share one loop.
Dtype unsigned_of(Dtype t) {
  if (!is_signed_integer(t)) return t;
  return Dtype(static_cast<Dtype::Val>(t.index() - int8.index() + uint8.index()));
}
Combiner combiner(ScatterMode mode, Dtype t) {
  if (mode == ScatterMode::set) {
    Combiner result;
    by_itemsize(t.size(), [&](auto zero) { result = make<Set, decltype(zero)>(); });
    return result;
  }
  if (t == bool_) {  // or, and
    bool any = mode == ScatterMode::add || mode == ScatterMode::max;
    return any ? make<scalar::Maximum, uint8_t>() : make<scalar::Minimum, uint8_t>();
  }
  switch (mode) {
    case ScatterMode::add:
      return by_dtype<scalar::Add>(unsigned_of(t));
    case ScatterMode::prod:
      return by_dtype<scalar::Multiply>(unsigned_of(t));
    case ScatterMode::max:
      return by_dtype<scalar::Maximum>(t);
    default:
      return by_dtype<scalar::Minimum>(t);
  }
}

// ---- scatter

struct Scatter {
  const IndexSet& set;
  Combiner combiner;
  Dims<1> block;  // in the output; the updates are contiguous
  int64_t count;  // of blocks
  int64_t size;   // of a block
  int64_t itemsize;
  char* out;
  const char* updates;

  void check() const {
    const int64_t batches = (count + IndexSet::kBatch - 1) / IndexSet::kBatch;
    parallel_for(batches, kChunk / IndexSet::kBatch, [&](int64_t begin, int64_t end) {
      int64_t at[IndexSet::kBatch];
      for (; begin < end; ++begin) {
        const int64_t first = begin * IndexSet::kBatch;
        set.offsets(first, batch(first), at);
      }
    });
  }
  int64_t batch(int64_t i) const {
    return count - i < IndexSet::kBatch ? count - i : IndexSet::kBatch;
  }
  // All blocks that begin in elements [low, high), columns [col, col + width) of each.
  void apply(int64_t low, int64_t high, int64_t col, int64_t width) const {
    int64_t at[IndexSet::kBatch];
    int64_t inner = block.inner(), step = block.inner_stride(0), rows = size / inner;
    for (int64_t first = 0; first < count; first += IndexSet::kBatch) {
      int64_t m = batch(first);
      set.offsets(first, m, at);
      if (size == 1) {
        combiner.at(out, at, 1, 0, updates + first * itemsize, 1, m);
        continue;
      }
      for (int64_t i = 0; i < m; ++i) {
        if (at[i] < low || at[i] >= high) continue;
        const char* from = updates + ((first + i) * size + col) * itemsize;
        Odometer<1> to(block, 0);
        for (int64_t r = 0; r < rows; ++r, from += inner * itemsize, to.next()) {
          combiner.run(out + (at[i] + to.offset[0] + col * step) * itemsize, step, from, 1, width);
        }
      }
    }
  }
  // All blocks of one element in [low, high). Those are packed first, without a branch: which
  // indices they are cannot be predicted.
  void apply_elements(int64_t low, int64_t high) const {
    int64_t at[IndexSet::kBatch], to[IndexSet::kBatch];
    alignas(16) char packed[16 * IndexSet::kBatch];
    for (int64_t first = 0; first < count; first += IndexSet::kBatch) {
      const int64_t m = batch(first);
      set.offsets(first, m, at);
      int64_t n = 0;
      by_itemsize(static_cast<size_t>(itemsize), [&](auto zero) {
        using T = decltype(zero);
        const T* from = reinterpret_cast<const T*>(updates) + first;
        T* held = reinterpret_cast<T*>(packed);
        for (int64_t i = 0; i < m; ++i) {
          to[n] = at[i];
          held[n] = from[i];
          n += (at[i] >= low) & (at[i] < high);
        }
      });
      combiner.at(out, to, 1, 0, packed, 1, n);
    }
  }
  // Blocks are equal or disjoint when `separate`: then parts of the output are independent.
  void run(bool separate, int64_t out_size) const {
    int64_t inner = block.inner();
    int threads = count * size < kChunk || !separate ? 1 : thread_count();
    if (threads > 1 && inner >= int64_t{256} * threads) {
      int64_t width = (inner + threads - 1) / threads;
      parallel_for(threads, 1, [&](int64_t begin, int64_t end) {
        for (; begin < end; ++begin) {
          int64_t col = begin * width;
          if (col < inner) {
            apply(0, out_size, col, inner - col < width ? inner - col : width);
          }
        }
      });
    } else if (threads > 1 && (size >= 16 || size == 1)) {
      int64_t part = out_size / threads + 1;
      parallel_for(threads, 1, [&](int64_t begin, int64_t end) {
        if (size == 1) return apply_elements(begin * part, end * part);
        apply(begin * part, end * part, 0, inner);
      });
    } else {
      apply(0, out_size, 0, inner);
    }
  }
};

void scatter(const KernelCall& c) {
  const auto& p = c.as<ScatterParams>();
  const View& a = c.in[0];
  const View& updates = c.in[c.in.size() - 1];
  const View& out = c.out[0];
  size_t ndim = out.shape.size(), lead = updates.shape.size() - ndim;
  IndexSet set(c.in.subspan(1, c.in.size() - 2), p.axes, a, out.strides.data(),
               updates.shape.data() + lead, p.caller);
  Scatter s{set,
            combiner(p.mode, out.dtype),
            {},
            1,
            1,
            int64_t(out.dtype.size()),
            out.as<char>(),
            updates.as<const char>()};
  bool separate = true;
  for (size_t i = 0; i < lead; ++i) s.count *= updates.shape[i];
  for (size_t i = 0; i < ndim; ++i) {
    s.size *= updates.shape[lead + i];
    s.block.add(updates.shape[lead + i], {out.strides[i]});
  }
  for (int axis : p.axes) separate &= updates.shape[lead + axis] == 1;
  bool nothing = s.count == 0 || s.size == 0;
  if (!nothing) s.check();  // before anything is overwritten
  if (out.data != a.data) cpu_backend().copy(a, out);
  if (!nothing) s.run(separate, out.size());
}

// ---- scatter_axis

// Operands: output (without the axis), indices, updates.
void scatter_rows(const Dims<3>& d, const IndexReader& reader, int64_t axis_stride,
                  const Combiner& combiner, int64_t itemsize, char* out, const char* updates,
                  int64_t begin, int64_t end) {
  int64_t step = d.inner_stride(0), index_step = d.inner_stride(1), from_step = d.inner_stride(2);
  for_runs(d, begin, end, [&](const int64_t(&at)[3], int64_t n) {
    int64_t index[IndexSet::kBatch];
    char* to = out + at[0] * itemsize;
    const char* from = updates + at[2] * itemsize;
    if (index_step == 0 && step != 0) {  // one index for the whole run
      reader.read(at[1], 0, 1, index);
      return combiner.run(to + index[0] * axis_stride * itemsize, step, from, from_step, n);
    }
    for (int64_t i = 0; i < n; i += IndexSet::kBatch) {
      int64_t m = n - i < IndexSet::kBatch ? n - i : IndexSet::kBatch;
      reader.read(at[1] + i * index_step, index_step, m, index);
      combiner.at(to + i * step * itemsize, index, axis_stride, step,
                  from + i * from_step * itemsize, from_step, m);
    }
  });
}

void check_indices(const IndexReader& reader, int64_t count) {
  parallel_for(count, kChunk, [&](int64_t begin, int64_t end) {
    int64_t index[IndexSet::kBatch];
    while (begin < end) {
      int64_t m = end - begin < IndexSet::kBatch ? end - begin : IndexSet::kBatch;
      reader.read_range(begin, m, index);
      begin += m;
    }
  });
}

void scatter_axis(const KernelCall& c) {
  const auto& p = c.as<AxisIndexParams>();
  const View& out = c.out[0];
  const View& idx = c.in[1];
  const View& updates = c.in[2];
  int64_t count = idx.size(), outer = 1, unit = 1;
  IndexReader reader(idx, p.axis, out.shape[p.axis], 1, p.caller);
  if (count > 0) check_indices(reader, count);  // before anything is overwritten
  if (out.data != c.in[0].data) cpu_backend().copy(c.in[0], out);
  if (count == 0) return;
  Dims<3> d;
  for (int i = 0; i < static_cast<int>(idx.shape.size()); ++i) {
    (i < p.axis ? outer : unit) *= idx.shape[i];
    d.add(idx.shape[i], {i == p.axis ? 0 : out.strides[i], idx.strides[i], updates.strides[i]});
  }
  Combiner combine = combiner(p.mode, out.dtype);
  int64_t itemsize = static_cast<int64_t>(out.dtype.size()), axis_stride = out.strides[p.axis];
  auto rows = [&](const Dims<3>& dims, int64_t col, int64_t begin, int64_t end) {
    IndexReader shifted = reader;
    shifted.data = static_cast<const char*>(reader.data) +
                   col * d.inner_stride(1) * static_cast<int64_t>(reader.dtype.size());
    scatter_rows(dims, shifted, axis_stride, combine, itemsize,
                 out.as<char>() + col * d.inner_stride(0) * itemsize,
                 updates.as<const char>() + col * d.inner_stride(2) * itemsize, begin, end);
  };
  int64_t inner = d.inner();
  int threads = count < kChunk ? 1 : thread_count();
  if (outer >= threads || d.inner_stride(0) == 0 || inner < int64_t{256} * threads) {
    // Positions before the axis never share a destination.
    return parallel_for(outer, kChunk / unit + 1,
                        [&](int64_t begin, int64_t end) { rows(d, 0, begin * unit, end * unit); });
  }
  // Nor do columns after it.
  int64_t width = (inner + threads - 1) / threads;
  parallel_for(threads, 1, [&](int64_t begin, int64_t end) {
    for (; begin < end && begin * width < inner; ++begin) {
      int64_t col = begin * width;
      Dims<3> part = d;
      part.size[d.rank - 1] = inner - col < width ? inner - col : width;
      rows(part, col, 0, count / inner * part.size[d.rank - 1]);
    }
  });
}

}  // namespace

void register_scatter(KernelTable& t) {
  for (int i = 0; i < Dtype::kCount; ++i) {
    Dtype dtype(static_cast<Dtype::Val>(i));
    // All inputs but the first are contiguous.
    t.add("scatter", dtype, {.run = scatter, .contiguous = ~1u, .donates = 1});
    t.add("scatter_axis", dtype, {.run = scatter_axis, .donates = 1});
  }
}

}  // namespace olivine::cpu::OLIVINE_ISA
