// Copies of any layout to a row-contiguous output, in parallel.
#include <cstring>

#include "backends/cpu/tile.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kChunkBytes = 1 << 18;

void copy_contiguous(const char* src, char* dst, int64_t bytes) {
  parallel_for(bytes, kChunkBytes, [&](int64_t begin, int64_t end) {
    std::memcpy(dst + begin, src + begin, static_cast<size_t>(end - begin));
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
  parallel_for(n, kChunkBytes / size, [&](int64_t begin, int64_t end) {
    pack(src, walk.shape, walk.of(0), itemsize, begin, end - begin, dst + begin * size);
  });
}

}  // namespace olivine::cpu
