// Copies of any layout to a row-contiguous output, in parallel.
#include <algorithm>
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
  parallel_for(n, kChunkBytes / size, [&](int64_t begin, int64_t end) {
    pack(src, walk.shape, walk.of(0), itemsize, begin, end - begin, dst + begin * size);
  });
}

}  // namespace olivine::cpu
