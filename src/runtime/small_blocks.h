// Blocks up to 64 KiB: header and payload in one piece, cut from 1 MiB slabs, kept per thread.
//
// Each thread has a magazine: a short free list per size class, used without locks or atomics. Full
// and empty magazines exchange blocks with the slabs, under pool_mutex, a batch at a time. A slab
// serves one class; one without used blocks goes to a list of empty slabs that any class may take
// (the cache) and that can be given back to the system.
#pragma once

#include <bit>
#include <cstdint>

#include "runtime/allocator.h"
#include "runtime/memory_account.h"

namespace olivine::memory {

inline constexpr size_t kHeader = 64;
inline constexpr size_t kTinyBytes = kHeader - sizeof(Buffer);  // payload in the header's line
inline constexpr size_t kLargestSmall = 64 << 10;
inline constexpr int kClasses = 37;
static_assert(sizeof(Buffer) == 48);

// Payloads: 16, then 64 … 256 in steps of 64, then four sizes per doubling.
constexpr int size_class(size_t bytes) {
  if (bytes <= kTinyBytes) return 0;
  if (bytes <= 256) return static_cast<int>((bytes + 63) / 64);
  int log = std::bit_width(bytes - 1) - 1;
  return 5 + (log - 8) * 4 + static_cast<int>((bytes - 1) >> (log - 2)) - 4;
}
constexpr size_t class_bytes(int c) {
  if (c == 0) return kTinyBytes;
  if (c <= 4) return size_t{64} * c;
  int log = 8 + (c - 5) / 4;
  return (size_t{1} << (log - 2)) * static_cast<size_t>((c - 5) % 4 + 5);
}
static_assert(size_class(kLargestSmall) == kClasses - 1 &&
              class_bytes(kClasses - 1) == kLargestSmall);

// A free block is linked through `owner`; `data`, `capacity` and `kind` (its class) never change.
struct Magazine {
  struct Bin {
    Buffer* head = nullptr;
    uint32_t count = 0;
    uint32_t limit = 0;
  };
  Bin bins[kClasses];
};
// Points to a magazine with limits of zero while the thread has none.
extern __thread Magazine* magazine;

Buffer* take_small_slow(int c, Refusal& refusal);
void put_small_slow(Buffer* block);

// A block of class c, not yet counted as active; null, with the reason, when memory is refused.
inline Buffer* take_small(int c, Refusal& refusal) {
  Magazine::Bin& bin = magazine->bins[c];
  Buffer* block = bin.head;
  if (!block) [[unlikely]]
    return take_small_slow(c, refusal);
  bin.head = static_cast<Buffer*>(block->owner);
  --bin.count;
  block->owner = nullptr;
  return block;
}
inline void put_small(Buffer* block) {
  Magazine::Bin& bin = magazine->bins[block->kind];
  if (bin.count >= bin.limit) [[unlikely]]
    return put_small_slow(block);
  block->owner = bin.head;
  bin.head = block;
  ++bin.count;
}

// Returns the blocks of the calling thread's magazine to their slabs.
void flush_magazine();
// Gives empty slabs back to the system until `bytes` are freed or none is left; returns the freed.
size_t drop_empty_slabs(size_t bytes);

}  // namespace olivine::memory
