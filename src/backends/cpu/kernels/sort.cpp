// sort, argsort, partition, argpartition and searchsorted along one axis of row-contiguous data.
//
// Elements become unsigned keys of the same order (NaN last), which are sorted by radix, least
// significant byte first: stable, no comparisons, and bytes that all keys share are skipped.
// argsort carries an index beside each key. Long rows are cut into chunks whose histograms say
// where each chunk's keys go, so the result does not depend on the number of threads. partition
// finds the kth key by radix from the most significant byte, then splits around it in order.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/sort_keys-inl.h"
#include "backends/cpu/scratch.h"
#include "ops/sort_params.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kPart = 1 << 15;     // elements of a task
constexpr int64_t kLongRow = 1 << 17;  // a row from here on is sorted by all threads
constexpr int64_t kMaxChunks = 64;     // chunks of a long row
constexpr int64_t kColumnGroup = 16;   // columns of a task, which share cache lines

struct Extents {
  int64_t outer = 1, n = 1, inner = 1;
  explicit Extents(const KernelCall& call) {
    const int axis = call.as<SortParams>().axis;
    const int ndim = static_cast<int>(call.in[0].shape.size());
    const int64_t* shape = call.in[0].shape.data();
    for (int i = 0; i < ndim; ++i) (i < axis ? outer : i == axis ? n : inner) *= shape[i];
  }
};

// body(first element, step) for every row; rows side by side in memory go to one task.
template <class F>
void for_rows(const Extents& x, int64_t scratch_size, F&& body) {
  const int64_t groups = (x.inner + kColumnGroup - 1) / kColumnGroup;
  const int64_t width = smaller(x.inner, kColumnGroup);
  parallel_for(x.outer * groups, larger(1, kPart / (x.n * width)), [&](int64_t b, int64_t e) {
    ScratchBytes scratch(x.n, size_t(scratch_size));
    for (; b < e; ++b) {
      int64_t first = b % groups * kColumnGroup, last = smaller(first + kColumnGroup, x.inner);
      for (int64_t j = first; j < last; ++j) {
        body(b / groups * x.n * x.inner + j, x.inner, scratch.data());
      }
    }
  });
}

// ---- Radix sort of records E: digit(pass) is the byte to sort by, kPasses of them.

template <class E>
void insertion_sort(E* a, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    E x = a[i];
    int64_t j = i;
    for (; j > 0 && x.before(a[j - 1]); --j) a[j] = a[j - 1];
    a[j] = x;
  }
}

// Turns counts into positions; false if one digit has them all.
inline bool positions(uint32_t* count, int64_t n) {
  uint32_t at = 0;
  for (int d = 0; d < 256; ++d) {
    if (count[d] == n) return false;
    uint32_t c = count[d];
    count[d] = at;
    at += c;
  }
  return true;
}

// Sorts a; b is as large. Returns which of them holds the result.
template <class E>
E* radix_sort(E* a, E* b, int64_t n) {
  if (n <= E::kSmall) {
    insertion_sort(a, n);
    return a;
  }
  uint32_t count[E::kPasses][256] = {};
  for (int64_t i = 0; i < n; ++i) {
    for (int p = 0; p < E::kPasses; ++p) ++count[p][a[i].digit(p)];
  }
  for (int p = 0; p < E::kPasses; ++p) {
    if (!positions(count[p], n)) continue;
    for (int64_t i = 0; i < n; ++i) b[count[p][a[i].digit(p)]++] = a[i];
    E* t = a;
    a = b;
    b = t;
  }
  return a;
}

// The same by all threads: chunk c's records of digit d follow those of the chunks before it.
template <class E>
E* radix_sort_long(E* a, E* b, int64_t n) {
  const int64_t chunk = larger(kPart, (n + kMaxChunks - 1) / kMaxChunks);
  const int64_t chunks = (n + chunk - 1) / chunk;
  ScratchBytes scratch(chunks * 256, sizeof(uint32_t));
  uint32_t* count = static_cast<uint32_t*>(scratch.data());
  for (int p = 0; p < E::kPasses; ++p) {
    parallel_for(chunks, 1, [&](int64_t first, int64_t last) {
      for (int64_t c = first; c < last; ++c) {
        uint32_t* mine = count + c * 256;
        fill(mine, 256, uint32_t{0});
        for (int64_t i = c * chunk; i < smaller(n, (c + 1) * chunk); ++i) ++mine[a[i].digit(p)];
      }
    });
    uint32_t at = 0;
    bool trivial = false;
    for (int d = 0; d < 256; ++d) {
      const uint32_t begin = at;
      for (int64_t c = 0; c < chunks; ++c) {
        uint32_t k = count[c * 256 + d];
        count[c * 256 + d] = at;
        at += k;
      }
      trivial |= at - begin == n;
    }
    if (trivial) continue;
    parallel_for(chunks, 1, [&](int64_t first, int64_t last) {
      for (int64_t c = first; c < last; ++c) {
        uint32_t* mine = count + c * 256;
        for (int64_t i = c * chunk; i < smaller(n, (c + 1) * chunk); ++i) {
          b[mine[a[i].digit(p)]++] = a[i];
        }
      }
    });
    E* t = a;
    a = b;
    b = t;
  }
  return a;
}

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
  ScratchBytes scratch(x.n, 2 * sizeof(E));
  E* records = static_cast<E*>(scratch.data());
  for (int64_t r = 0; r < x.outer * x.inner; ++r) {
    const int64_t at = r / x.inner * x.n * x.inner + r % x.inner;
    parallel_for(x.n, kPart, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) records[i] = E::read(in[at + i * x.inner], i);
    });
    E* a = radix_sort_long(records, records + x.n, x.n);
    parallel_for(x.n, kPart, [&](int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i) out[at + i * x.inner] = a[i].write();
    });
  }
}

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

// ---- partition

template <class U>
struct Selected {
  U key;
  int64_t less, equal;  // how many keys are smaller, and the same
};

// The key that sorting would put at `kth`; `candidates` is overwritten.
template <class U>
Selected<U> select_key(U* candidates, int64_t n, int64_t kth) {
  int64_t less = 0;
  for (int shift = 8 * int(sizeof(U)) - 8; shift >= 0; shift -= 8) {
    uint32_t count[256] = {};
    for (int64_t i = 0; i < n; ++i) ++count[(candidates[i] >> shift) & 255];
    int digit = 0;
    for (; less + count[digit] <= kth; ++digit) less += count[digit];
    int64_t m = 0;
    for (int64_t i = 0; i < n; ++i) {
      U key = candidates[i];
      candidates[m] = key;
      m += int((key >> shift) & 255) == digit;
    }
    n = m;
  }
  return {candidates[0], less, n};
}

template <class T, bool kIndices>
void partition_kernel(const KernelCall& call) {
  using U = KeyOf<T>;
  const Extents x(call);
  const int64_t kth = call.as<SortParams>().kth;
  const T* in = static_cast<const T*>(call.in[0].data);
  if (x.outer * x.n * x.inner == 0) return;
  for_rows(x, 2 * sizeof(U), [&](int64_t at, int64_t step, void* scratch) {
    U* keys = static_cast<U*>(scratch);
    U* candidates = keys + x.n;
    for (int64_t i = 0; i < x.n; ++i) candidates[i] = keys[i] = tied_key(in[at + i * step]);
    const Selected<U> s = select_key(candidates, x.n, kth);
    int64_t to[3] = {0, s.less, s.less + s.equal};
    for (int64_t i = 0; i < x.n; ++i) {
      const int part = int(keys[i] >= s.key) + int(keys[i] > s.key);
      const int64_t o = at + to[part]++ * step;
      if constexpr (kIndices) {
        static_cast<uint32_t*>(call.out[0].data)[o] = uint32_t(i);
      } else {
        static_cast<T*>(call.out[0].data)[o] = in[at + i * step];
      }
    }
  });
}

// ---- searchsorted

template <class T, class Before>
void search(const KernelCall& call, Before before) {
  const T* sequence = static_cast<const T*>(call.in[0].data);
  const T* values = static_cast<const T*>(call.in[1].data);
  uint32_t* out = static_cast<uint32_t*>(call.out[0].data);
  const int64_t n = call.in[0].shape.data()[0];
  int64_t count = 1;
  for (size_t i = 0; i < call.in[1].shape.size(); ++i) count *= call.in[1].shape.data()[i];
  const bool right = call.as<SearchParams>().right;
  parallel_for(count, 4096, [&](int64_t b, int64_t e) {
    for (; b < e; ++b) {
      const T v = values[b];
      int64_t lo = 0;
      for (int64_t rest = n; rest > 0;) {
        int64_t half = rest / 2;
        const T& x = sequence[lo + half];
        bool go_right = right ? !before(v, x) : before(x, v);
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
  put("sort", sort_kernel<SortedValue<T>>);
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
