// What buffers count as in get_active_memory, for who adds them up without allocating.
#pragma once

#include "runtime/mapped_blocks.h"
#include "runtime/small_blocks.h"

namespace olivine {

inline size_t counted_bytes(size_t bytes) {
  using namespace memory;
  return bytes <= kLargestSmall ? class_bytes(size_class(bytes)) : mapped_size(bytes);
}

}  // namespace olivine
