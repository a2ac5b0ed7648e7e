// sort, argsort, partition, argpartition and searchsorted along one axis of row-contiguous data.
//
// Elements become unsigned keys of the same order (NaN last), which are sorted by radix, least
// significant byte first: stable, no comparisons, and bytes that all keys share are skipped.
// argsort carries an index beside each key. Long rows are cut into chunks whose histograms say
// where each chunk's keys go, so the result does not depend on the number of threads. Without an
// index no stable sort is needed: keys of four and eight bytes have a quicksort in
// sort_values-inl.h, and long rows of two bytes are counted.
// partition is in select-inl.h.
#include "backends/cpu/kernels/select-inl.h"
#include "backends/cpu/kernels/sort_values-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

// Sorts every row: E::read makes a record of an element, E::write what is stored.
template <class E>
void sort_kernel(const KernelCall& call) {
  using T = typename E::In;
  const Extents x(call);
  const T* in = static_cast<const T*>(call.in[0].data);
  auto* out = static_cast<typename E::Out*>(call.out[0].data);
  if (x.outer * x.n * x.inner == 0) return;
  if (x.n < kLongRow) {
    return for_rows(x, 2 * sizeof(E), [&](int64_t at, int64_t step, void* scratch) {
      E* a = static_cast<E*>(scratch);
      for (int64_t i = 0; i < x.n; ++i) a[i] = E::read(in[at + i * step], i);
      a = radix_sort(a, a + x.n, x.n);
      for (int64_t i = 0; i < x.n; ++i) out[at + i * step] = a[i].write();
    });
  }
  constexpr bool counts = std::is_same_v<E, SortedValue<T>> && sizeof(T) == 2;
  ScratchBytes scratch(counts ? 0 : x.n, 2 * sizeof(E));
  E* records = static_cast<E*>(scratch.data());
  if (ScratchMeter::is_on()) {
    if constexpr (counts) {
      count_sort(in, x.inner, x.n, out);
    } else {
      radix_sort_long(records, records, x.n);
    }
    return;
  }
  for (int64_t r = 0; r < x.outer * x.inner; ++r) {
    const int64_t at = r / x.inner * x.n * x.inner + r % x.inner;
    if constexpr (counts) {
      count_sort(in + at, x.inner, x.n, out + at);
      continue;
    }
    parallel_for(x.n, kPart, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) records[i] = E::read(in[at + i * x.inner], i);
    });
    E* a = radix_sort_long(records, records + x.n, x.n);
    parallel_for(x.n, kPart, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) out[at + i * x.inner] = a[i].write();
    });
  }
}

#if defined(__AVX2__)
// Rows of 16-bit floats have few digits, which radix sort likes; where vectors are short, only if
// they are counted.
#if defined(__AVX512BW__)
constexpr int64_t kMostHalves = 4096;
#else
constexpr int64_t kMostHalves = kLongRow;
#endif
template <class T>
void sort_halves(const KernelCall& call) {
  const Extents x(call);
  if (x.n > kMostHalves) return sort_kernel<SortedValue<T>>(call);
  if (x.outer * x.n * x.inner > 0) sort_short_halves<T>(call, x);
}
#endif

// ---- Complex numbers: indices sorted by merging

template <class F>
void sort_complex_indices(const Complex<F>* p, int64_t step, int64_t n, uint32_t* a, uint32_t* b) {
  for (int64_t i = 0; i < n; ++i) a[i] = uint32_t(i);
  for (int64_t run = 1; run < n; run *= 2) {
    for (int64_t lo = 0; lo < n; lo += 2 * run) {
      int64_t mid = smaller(lo + run, n), hi = smaller(lo + 2 * run, n), i = lo, j = mid;
      for (int64_t k = lo; k < hi; ++k) {
        bool right = i == mid || (j < hi && less(p[a[j] * step], p[a[i] * step]));
        b[k] = a[right ? j++ : i++];
      }
    }
    uint32_t* t = a;
    a = b;
    b = t;
  }
  // The caller looks in the first buffer.
  int passes = 0;
  for (int64_t run = 1; run < n; run *= 2) ++passes;
  if (passes % 2) copy(a, n, b);
}

template <class F, bool kIndices>
void sort_complex(const KernelCall& call) {
  const Extents x(call);
  const auto* in = static_cast<const Complex<F>*>(call.in[0].data);
  if (x.outer * x.n * x.inner == 0) return;
  for_rows(x, 2 * sizeof(uint32_t), [&](int64_t at, int64_t step, void* scratch) {
    uint32_t* order = static_cast<uint32_t*>(scratch);
    sort_complex_indices(in + at, step, x.n, order, order + x.n);
    for (int64_t i = 0; i < x.n; ++i) {
      if constexpr (kIndices) {
        static_cast<uint32_t*>(call.out[0].data)[at + i * step] = order[i];
      } else {
        static_cast<Complex<F>*>(call.out[0].data)[at + i * step] = in[at + order[i] * step];
      }
    }
  });
}

// ---- searchsorted

// Sorted values are often found within so many elements of the one before.
constexpr int64_t kNear = 256;

template <class T, class Before>
void search(const KernelCall& call, Before before) {
  const T* sequence = static_cast<const T*>(call.in[0].data);
  const T* values = static_cast<const T*>(call.in[1].data);
  uint32_t* out = static_cast<uint32_t*>(call.out[0].data);
  const int64_t n = call.in[0].shape.data()[0];
  int64_t count = 1;
  for (size_t i = 0; i < call.in[1].shape.size(); ++i) count *= call.in[1].shape.data()[i];
  const bool right = call.as<SearchParams>().right;
  parallel_for(count, 4096, [&](int64_t first, int64_t last) {
    int64_t lo = 0;
    for (int64_t b = first; b < last; ++b) {
      const T v = values[b];
      auto belongs_after = [&](const T& x) { return right ? !before(v, x) : before(x, v); };
      const bool rises = b > first && !before(v, values[b - 1]);
      const bool near = rises && n - lo > kNear && !belongs_after(sequence[lo + kNear]);
      int64_t rest = near ? kNear : n;
      lo = near ? lo : 0;
      while (rest > 0) {
        const int64_t half = rest / 2;
        const bool go_right = belongs_after(sequence[lo + half]);
        lo = go_right ? lo + half + 1 : lo;
        rest = go_right ? rest - half - 1 : half;
      }
      out[b] = uint32_t(lo);
    }
  });
}
template <class T>
void search_kernel(const KernelCall& call) {
  search<T>(call, [](T a, T b) { return tied_key(a) < tied_key(b); });
}
template <class F>
void search_complex(const KernelCall& call) {
  search<Complex<F>>(call, [](const Complex<F>& a, const Complex<F>& b) { return less(a, b); });
}

// ---- The table

template <class T>
void add(KernelTable& table, Dtype dtype) {
  auto put = [&](const char* name, KernelFn run) {
    table.add(name, dtype, {.run = run, .contiguous = 1});
  };
  KernelFn sort = sort_kernel<SortedValue<T>>;
#if defined(__AVX2__)
  if constexpr (sizeof(T) >= 4) sort = sort_values<T>;
  if constexpr (is_half<T>) sort = sort_halves<T>;
#endif
  put("sort", sort);
  put("argsort", sort_kernel<SortedIndex<T>>);
  put("partition", partition_kernel<T, false>);
  put("argpartition", partition_kernel<T, true>);
  table.add("searchsorted", dtype, {.run = search_kernel<T>, .contiguous = 3});
}
// Partitioning complex numbers means sorting them.
template <class F>
void add_complex(KernelTable& table, Dtype dtype) {
  for (const char* name : {"sort", "partition"}) {
    table.add(name, dtype, {.run = sort_complex<F, false>, .contiguous = 1});
  }
  for (const char* name : {"argsort", "argpartition"}) {
    table.add(name, dtype, {.run = sort_complex<F, true>, .contiguous = 1});
  }
  table.add("searchsorted", dtype, {.run = search_complex<F>, .contiguous = 3});
}

}  // namespace

void register_sort(KernelTable& table) {
  add<uint8_t>(table, bool_);
  add<uint8_t>(table, uint8);
  add<uint16_t>(table, uint16);
  add<uint32_t>(table, uint32);
  add<uint64_t>(table, uint64);
  add<int8_t>(table, int8);
  add<int16_t>(table, int16);
  add<int32_t>(table, int32);
  add<int64_t>(table, int64);
  add<float16_t>(table, float16);
  add<bfloat16_t>(table, bfloat16);
  add<float>(table, float32);
  add<double>(table, float64);
  add_complex<float>(table, complex64);
  add_complex<double>(table, complex128);
}

}  // namespace olivine::cpu::OLIVINE_ISA
