// Extents: the bytes of a tensor in a file, read and decoded when its array is evaluated.
#pragma once

#include <memory>
#include <vector>

#include "core/op.h"
#include "olivine/io.h"

namespace olivine {

// How stored blocks become elements. One stored tensor may decode to several arrays.
struct Codec {
  size_t block_bytes;
  // Decodes blocks [first, first + count), stored at `in`; out[i] is the start of the i-th array.
  void (*decode)(const unsigned char* in, int64_t first, int64_t count, void* const* out);
};

struct Extent {
  std::shared_ptr<const ByteSource> source;
  uint64_t offset = 0, bytes = 0;  // within the source's size
  const Codec* codec = nullptr;    // null: the bytes are the elements
  std::vector<OutSpec> outs;

  void read(void* const* out) const;
};

struct LoadParams {
  std::shared_ptr<const Extent> extent;
  auto fields() const { return std::tie(extent); }
};

// Lazy arrays if the source lasts, computed ones otherwise.
Arrays load_extent(Extent extent);

// Elements of `dtype` as stored: bytes in reverse order if `swapped`; bools become 0 or 1.
const Codec* storage_codec(Dtype dtype, bool swapped);

// Bytes of a row-contiguous array; false if a product of its leading sizes, or they, do not fit.
bool storage_size(const Shape& shape, size_t itemsize, uint64_t& bytes);

}  // namespace olivine
