// Kernels that read blocks (gather, gather_axis) or replace them (slice_update).
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/index_set-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// ---- gather

template <class T>
void gather_elements(const IndexSet& set, int64_t n, const T* src, T* out) {
  parallel_for(n, kChunk / 2, [&](int64_t begin, int64_t end) {
    int64_t at[IndexSet::kBatch];
    while (begin < end) {
      int64_t m = end - begin < IndexSet::kBatch ? end - begin : IndexSet::kBatch;
      set.offsets(begin, m, at);
      for (int64_t i = 0; i < m; ++i) out[begin + i] = src[at[i]];
      begin += m;
    }
  });
}

// Blocks as runs along their innermost axis; long runs are cut into pieces for the threads.
template <class T>
void gather_blocks(const IndexSet& set, int64_t n, const Dims<1>& block, const T* src, T* out) {
  int64_t size = block.count(), inner = block.inner(), step = block.inner_stride(0);
  int64_t piece = inner < kChunk ? inner : kChunk;
  int64_t pieces = (inner + piece - 1) / piece;
  int64_t units = size / inner * pieces;  // per block
  parallel_for(n * units, (kChunk + piece - 1) / piece, [&](int64_t begin, int64_t end) {
    int64_t at[IndexSet::kBatch];
    while (begin < end) {
      int64_t first = begin / units, last = (end - 1) / units + 1;
      int64_t m = last - first < IndexSet::kBatch ? last - first : IndexSet::kBatch;
      set.offsets(first, m, at);
      for (; begin < end && begin / units < first + m; ++begin) {
        int64_t i = begin / units, unit = begin % units;
        int64_t row = unit / pieces, col = unit % pieces * piece;
        int64_t width = inner - col < piece ? inner - col : piece;
        Odometer<1> from(block, row);
        copy_run(src + at[i - first] + from.offset[0] + col * step, step,
                 out + i * size + row * inner + col, 1, width);
      }
    }
  });
}

void gather(const KernelCall& c) {
  const auto& p = c.as<GatherParams>();
  const View& a = c.in[0];
  IndexSet set(c.in.subspan(1), p.axes, a, a.strides.data(), p.sizes.data(), p.caller);
  int64_t n = 1, size = 1;
  if (c.in.size() > 1) n = c.in[1].size();
  Dims<1> block;
  for (size_t i = 0; i < p.sizes.size(); ++i) {
    block.add(p.sizes[i], {a.strides[i]});
    size *= p.sizes[i];
  }
  if (n == 0 || size == 0) return;
  by_itemsize(a.dtype.size(), [&](auto zero) {
    using T = decltype(zero);
    if (size == 1) {
      gather_elements(set, n, a.as<const T>(), c.out[0].as<T>());
    } else {
      gather_blocks(set, n, block, a.as<const T>(), c.out[0].as<T>());
    }
  });
}

// ---- gather_axis

template <class T>
void gather_run(const IndexReader& reader, int64_t at, int64_t step, int64_t axis_stride,
                const T* src, int64_t src_step, T* out, int64_t n) {
  int64_t index[IndexSet::kBatch];
  if (step == 0) {  // one index for the whole run
    reader.read(at, 0, 1, index);
    return copy_run(src + index[0] * axis_stride, src_step, out, 1, n);
  }
  while (n > 0) {
    int64_t m = n < IndexSet::kBatch ? n : IndexSet::kBatch;
    reader.read(at, step, m, index);
    for (int64_t i = 0; i < m; ++i) out[i] = src[i * src_step + index[i] * axis_stride];
    n -= m;
    at += m * step;
    src += m * src_step;
    out += m;
  }
}

void gather_axis(const KernelCall& c) {
  const auto& p = c.as<AxisIndexParams>();
  const View& a = c.in[0];
  const View& idx = c.in[1];
  Dims<2> d;
  for (size_t i = 0; i < idx.shape.size(); ++i) {
    if (idx.shape[i] == 0) return;
    bool along = static_cast<int>(i) == p.axis;
    d.add(idx.shape[i], {along ? 0 : a.strides[i], idx.strides[i]});
  }
  IndexReader reader(idx, p.axis, a.shape[p.axis], 1, p.caller);
  int64_t axis_stride = a.strides[p.axis];
  by_itemsize(a.dtype.size(), [&](auto zero) {
    using T = decltype(zero);
    parallel_for(d.count(), kChunk / 2, [&](int64_t begin, int64_t end) {
      T* out = c.out[0].as<T>() + begin;
      for_runs(d, begin, end, [&](const int64_t(&at)[2], int64_t n) {
        gather_run(reader, at[1], d.inner_stride(1), axis_stride, a.as<const T>() + at[0],
                   d.inner_stride(0), out, n);
        out += n;
      });
    });
  });
}

// ---- slice_update

template <class T>
void fill(T* out, int64_t n, T value) {
  for (int64_t i = 0; i < n; ++i) out[i] = value;
}

// A constant around a block of unit strides: each row is written once.
template <class T>
void surround(const View& out, const View& update, const SliceParams& p, T value) {
  int last = static_cast<int>(out.shape.size()) - 1;
  int64_t width = out.shape[last], rows = out.size() / width;
  int64_t left = p.start[last], inner = p.shape[last];
  parallel_for(rows, kChunk / width + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      T* to = out.as<T>() + row * width;
      const T* from = update.as<const T>();
      bool inside = true;
      int64_t rest = row;
      for (int i = last - 1; i >= 0; --i) {
        int64_t at = rest % out.shape[i] - p.start[i];
        rest /= out.shape[i];
        inside &= at >= 0 && at < p.shape[i];
        from += at * update.strides[i];
      }
      if (!inside) {
        fill(to, width, value);
        continue;
      }
      fill(to, left, value);
      copy_run(from, update.strides[last], to + left, 1, inner);
      fill(to + left + inner, width - left - inner, value);
    }
  });
}

void slice_update(const KernelCall& c) {
  const auto& p = c.as<SliceParams>();
  const View& src = c.in[0];
  const View& update = c.in[1];
  const View& out = c.out[0];
  size_t ndim = out.shape.size(), itemsize = out.dtype.size();
  bool uniform = ndim > 0, unit = true;
  int64_t at = 0, strides[kMaxRank];
  if (ndim > kMaxRank) too_many_axes(static_cast<int64_t>(ndim), kMaxRank);
  for (size_t i = 0; i < ndim; ++i) {
    uniform &= src.shape[i] == 1 || src.strides[i] == 0;
    unit &= p.strides[i] == 1;
    at += p.start[i] * out.strides[i];
    strides[i] = p.strides[i] * out.strides[i];
  }
  if (out.data != src.data && uniform && unit && out.shape[ndim - 1] > 16) {
    return by_itemsize(itemsize, [&](auto zero) {
      using T = decltype(zero);
      surround<T>(out, update, p, *src.as<const T>());
    });
  }
  if (out.data != src.data) cpu_backend().copy(src, out);
  copy_strided(itemsize, p.shape, update.data, update.strides,
               out.as<char>() + at * static_cast<int64_t>(itemsize), {strides, ndim});
}

}  // namespace

void register_indexing(KernelTable& t) {
  for (int i = 0; i < Dtype::kCount; ++i) {
    Dtype dtype(static_cast<Dtype::Val>(i));
    t.add("gather", dtype, {.run = gather});
    t.add("gather_axis", dtype, {.run = gather_axis});
    t.add("slice_update", dtype, {.run = slice_update, .donates = 1});
  }
}

}  // namespace olivine::cpu::OLIVINE_ISA
