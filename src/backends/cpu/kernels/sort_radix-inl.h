// Rows along an axis, and the radix sort of their records, by one thread or by all.
#pragma once

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/kernels/sort_keys-inl.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/scratch_meter.h"
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
  const int64_t grain = larger(1, kPart / (x.n * width));
  ScratchMeter::parallel(x.outer * groups, grain, [&](int64_t b, int64_t e) {
    ScratchBytes scratch(x.n, size_t(scratch_size));
    if (ScratchMeter::is_on()) return;
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
  if (ScratchMeter::is_on()) return a;
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

// ---- A long row of 16-bit elements: as many of each value as there were, which nobody can tell
// from the ones that were.

constexpr int64_t kValues = 1 << 16;
constexpr int64_t kCounted = 1 << 18;  // elements of a task, which clears its counts first
constexpr int64_t kMaxCounts = 16;

template <class T>
void count_sort(const T* in, int64_t step, int64_t n, T* out) {
  static_assert(sizeof(T) == 2);
  const int64_t chunk = larger(kCounted, (n + kMaxCounts - 1) / kMaxCounts);
  const int64_t chunks = (n + chunk - 1) / chunk;
  ScratchBytes scratch((chunks + 1) * kValues, sizeof(uint32_t));
  if (ScratchMeter::is_on()) return;
  uint32_t* end = static_cast<uint32_t*>(scratch.data());  // of each value's run in `out`
  uint32_t* counts = end + kValues;
  parallel_for(chunks, 1, [&](int64_t c, int64_t last) {
    for (; c < last; ++c) {
      uint32_t* mine = counts + c * kValues;
      fill(mine, kValues, uint32_t{0});
      for (int64_t i = c * chunk; i < smaller(n, (c + 1) * chunk); ++i) {
        ++mine[sort_key(in[i * step])];
      }
    }
  });
  uint32_t at = 0;
  for (int64_t v = 0; v < kValues; ++v) {
    for (int64_t c = 0; c < chunks; ++c) at += counts[c * kValues + v];
    end[v] = at;
  }
  parallel_for(n, kCounted, [&](int64_t begin, int64_t last) {
    int64_t v = 0;
    for (int64_t half = kValues / 2; half > 0; half /= 2) {
      if (end[v + half - 1] <= begin) v += half;
    }
    for (int64_t i = begin; i < last; ++v) {
      const T x = element_of_key<T>(static_cast<KeyOf<T>>(v));
      for (const int64_t stop = smaller(int64_t(end[v]), last); i < stop; ++i) out[i * step] = x;
    }
  });
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
