// Scratch memory of kernels.
#include "backends/cpu/scratch.h"

#include <algorithm>

#include "core/size.h"
#include "runtime/allocator.h"

namespace olivine::cpu {

ScratchBytes::ScratchBytes(int64_t count, size_t size) {
  int64_t bytes = checked_mul(count, static_cast<int64_t>(size), "scratch");
  BufferRef buffer = allocate(static_cast<size_t>(std::max<int64_t>(bytes, 64)));
  data_ = buffer->data;
  buffer_ = buffer.detach();
}

ScratchBytes::~ScratchBytes() { buffer_->release(); }

}  // namespace olivine::cpu
