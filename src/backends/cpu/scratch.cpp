// Scratch memory of kernels.
#include "backends/cpu/scratch.h"

#include <algorithm>

#include "backends/cpu/workspace.h"
#include "core/size.h"
#include "runtime/allocator.h"
#include "runtime/counted_bytes.h"

namespace olivine::cpu {

ScratchBytes::ScratchBytes(int64_t count, size_t size) {
  int64_t bytes = checked_mul(count, static_cast<int64_t>(size), "scratch");
  BufferRef buffer = allocate(static_cast<size_t>(std::max<int64_t>(bytes, 64)));
  data_ = buffer->data;
  buffer_ = buffer.detach();
}

ScratchBytes::~ScratchBytes() { buffer_->release(); }

int64_t counted_scratch(int64_t count, size_t size) {
  const int64_t bytes = checked_mul(count, static_cast<int64_t>(size), "scratch");
  return static_cast<int64_t>(counted_bytes(static_cast<size_t>(std::max<int64_t>(bytes, 64))));
}

}  // namespace olivine::cpu
