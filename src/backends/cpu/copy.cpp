// Copies of any layout to a row-contiguous output, in parallel.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "backends/cpu/tile.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kChunkBytes = 1 << 18;
// Transposing works on pieces of this size, and not on dimensions shorter than this.
constexpr int64_t kRows = 64, kColumns = 1024, kShortest = 8;

void copy_contiguous(const char* src, char* dst, int64_t bytes) {
  parallel_for(bytes, kChunkBytes, [&](int64_t begin, int64_t end) {
    std::memcpy(dst + begin, src + begin, static_cast<size_t>(end - begin));
  });
}

// The dimension along which the source is contiguous, if transposing it with the last one pays; or
// -1.
int transposable(const Walk& w) {
  const int last = w.ndim() - 1;
  const int64_t* strides = w.of(0);
  if (strides[last] == 0 || strides[last] == 1 || w.inner() < kShortest) return -1;
  for (int d = 0; d < last; ++d) {
    if (strides[d] == 1 && w.shape[static_cast<size_t>(d)] >= kShortest) return d;
  }
  return -1;
}

// Dimension `turned` is transposed with the last one, in pieces of a few rows; the others are
// walked.
void copy_transposed(const Walk& w, int turned, const char* src, int64_t size, char* dst) {
  const int last = w.ndim() - 1;
  const int64_t* strides = w.of(0);
  const int64_t height = w.shape[static_cast<size_t>(turned)], width = w.inner();
  const int64_t down = (height + kRows - 1) / kRows, across = (width + kColumns - 1) / kColumns;
  int64_t matrices = 1, dst_step = 1;
  for (int d = 0; d < last; ++d) matrices *= d == turned ? 1 : w.shape[static_cast<size_t>(d)];
  for (int d = turned + 1; d <= last; ++d) dst_step *= w.shape[static_cast<size_t>(d)];
  const int64_t piece = kRows * kColumns * size;
  parallel_for(matrices * down * across, std::max<int64_t>(1, kChunkBytes / piece),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t column = i % across * kColumns, row = i / across % down * kRows;
                   int64_t rest = i / across / down, from = row + column * strides[last];
                   int64_t to = row * dst_step + column, step = width;
                   for (int d = last - 1; d >= 0; --d) {
                     const int64_t extent = w.shape[static_cast<size_t>(d)];
                     if (d != turned) {
                       from += rest % extent * strides[d];
                       to += rest % extent * step;
                       rest /= extent;
                     }
                     step *= extent;
                   }
                   transpose(src + from * size, strides[last], static_cast<size_t>(size),
                             std::min(kRows, height - row), std::min(kColumns, width - column),
                             dst + to * size, dst_step);
                 }
               });
}

// ---- Runs of contiguous elements, far apart.

constexpr int64_t kRowBytes = 1 << 14;  // of runs copied before the next row of them

// The two dimensions whose runs a task copies, the inner one with the nearest runs of the source,
// so that this is read in order; the others are walked.
struct Runs {
  int outer = -1, inner = -1;
  int64_t bytes = 0;  // of a run
};

Runs choose_runs(const Walk& w, int64_t size) {
  const int last = w.ndim() - 1;
  const int64_t* strides = w.of(0);
  Runs runs;
  if (last < 2 || strides[last] != 1) return runs;
  runs.outer = runs.inner = last - 1;
  for (int d = 0; d < last; ++d) {
    if (std::abs(strides[d]) < std::abs(strides[runs.inner])) runs.inner = d;
  }
  runs.bytes = w.inner() * size;
  return runs;
}

// Where n runs lie and go to, one `from_step` and one `to_step` after another, in bytes.
struct RunCopy {
  const char* from;
  int64_t from_step;
  char* to;
  int64_t to_step, n, bytes;
};
template <int64_t known>
void copy_known_runs(const RunCopy& c) {
  for (int64_t i = 0; i < c.n; ++i) {
    std::memcpy(c.to + i * c.to_step, c.from + i * c.from_step, known);
  }
}
void copy_runs(const RunCopy& c) {
  switch (c.bytes) {
    case 4:
      return copy_known_runs<4>(c);
    case 8:
      return copy_known_runs<8>(c);
    case 16:
      return copy_known_runs<16>(c);
    case 32:
      return copy_known_runs<32>(c);
    case 64:
      return copy_known_runs<64>(c);
    case 128:
      return copy_known_runs<128>(c);
    case 256:
      return copy_known_runs<256>(c);
    default:
      for (int64_t i = 0; i < c.n; ++i) {
        std::memcpy(c.to + i * c.to_step, c.from + i * c.from_step, static_cast<size_t>(c.bytes));
      }
  }
}

void copy_by_runs(const Walk& w, const Runs& runs, const char* src, int64_t size, char* dst) {
  const int last = w.ndim() - 1;
  const int64_t* strides = w.of(0);
  const auto extent = [&](int d) { return w.shape[static_cast<size_t>(d)]; };
  int64_t planes = 1, inner_step = runs.bytes;
  for (int d = 0; d < last; ++d) planes *= d == runs.outer || d == runs.inner ? 1 : extent(d);
  for (int d = runs.inner + 1; d < last; ++d) inner_step *= extent(d);
  const int64_t rows = extent(runs.outer), count = extent(runs.inner);
  const int64_t piece = std::max<int64_t>(1, std::min(count, kRowBytes / runs.bytes));
  const int64_t pieces = (count + piece - 1) / piece;
  const int64_t grain = std::max<int64_t>(1, kChunkBytes / (piece * runs.bytes));
  parallel_for(planes * pieces * rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % rows, first = i / rows % pieces * piece;
      int64_t rest = i / rows / pieces, step = runs.bytes * rows;
      int64_t from = row * strides[runs.outer] + first * strides[runs.inner];
      int64_t to = row * runs.bytes + first * inner_step;
      for (int d = last - 2; d >= 0; --d) {
        if (d != runs.inner) {
          from += rest % extent(d) * strides[d];
          to += rest % extent(d) * step;
          rest /= extent(d);
        }
        step *= extent(d);
      }
      copy_runs({src + from * size, strides[runs.inner] * size, dst + to, inner_step,
                 std::min(piece, count - first), runs.bytes});
    }
  });
}

}  // namespace

void copy_view(const View& in, const View& out) {
  const int64_t n = out.size();
  if (n == 0) return;
  const Walk walk = collapse(out.shape, {&in, 1});
  const char* src = static_cast<const char*>(in.data);
  char* dst = static_cast<char*>(out.data);
  const size_t itemsize = in.dtype.size();
  const int64_t size = static_cast<int64_t>(itemsize);
  if (walk.ndim() == 1 && walk.strides[0] == 1) return copy_contiguous(src, dst, n * size);
  if (const int turned = transposable(walk); turned >= 0) {
    return copy_transposed(walk, turned, src, size, dst);
  }
  if (const Runs runs = choose_runs(walk, size); runs.inner != runs.outer) {
    return copy_by_runs(walk, runs, src, size, dst);
  }
  parallel_for(n, kChunkBytes / size, [&](int64_t begin, int64_t end) {
    pack(src, walk.shape, walk.of(0), itemsize, begin, end - begin, dst + begin * size);
  });
}

}  // namespace olivine::cpu
