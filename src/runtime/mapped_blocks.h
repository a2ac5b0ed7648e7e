// Blocks above 64 KiB: one mapping each, kept after use and reused best-fit.
#pragma once

#include "runtime/allocator.h"
#include "runtime/memory_account.h"

namespace olivine::memory {

// Value of Buffer::kind; below are the classes of small blocks.
inline constexpr uint32_t kMappedKind = 100;
inline constexpr size_t kLargestMapped = size_t{1} << 46;

// Of a value, as long as the program wants, or of the temporaries of one run.
enum class Lifetime : uint8_t { value, arena };

// What a block for so many bytes counts as while it is active.
size_t mapped_size(size_t bytes);

// A block of at least `bytes` (64 KiB < bytes <= kLargestMapped) and at most a quarter more, or for
// an arena three times more; not yet counted as active. A new arena takes the place of smaller
// cached ones. Null, with the reason, when memory is refused.
Buffer* take_mapped(size_t bytes, Lifetime lifetime, Refusal& refusal);
void put_mapped(Buffer* block);

// Unmaps cached blocks, longest unused first, until `bytes` are freed or none is left; returns the
// freed.
size_t drop_mapped(size_t bytes);

}  // namespace olivine::memory
