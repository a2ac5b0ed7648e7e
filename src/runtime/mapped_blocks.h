// Blocks above 64 KiB: one mapping each, kept after use and reused best-fit.
#pragma once

#include "runtime/allocator.h"
#include "runtime/memory_account.h"

namespace olivine::memory {

// Value of Buffer::kind; below are the classes of small blocks.
inline constexpr uint32_t kMappedKind = 100;
inline constexpr size_t kLargestMapped = size_t{1} << 46;

// A block of at least `bytes` (64 KiB < bytes <= kLargestMapped) and at most a quarter more; not
// yet counted as active. Null, with the reason, when memory is refused.
Buffer* take_mapped(size_t bytes, Refusal& refusal);
void put_mapped(Buffer* block);

// Unmaps cached blocks, longest unused first, until `bytes` are freed or none is left; returns the
// freed.
size_t drop_mapped(size_t bytes);

}  // namespace olivine::memory
