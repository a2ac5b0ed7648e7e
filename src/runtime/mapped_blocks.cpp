// The cache of mapped blocks: bins of similar capacity, newest first.
#include "runtime/mapped_blocks.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>

#include "runtime/small_blocks.h"

namespace olivine::memory {
namespace {

constexpr size_t kHuge = 2 << 20;
constexpr int kLowestLog = 16, kHighestLog = 47;
constexpr int kBins = (kHighestLog - kLowestLog + 1) * 8;
constexpr int kScan = 32;          // blocks looked at per bin
constexpr size_t kArenaSlack = 4;  // how much larger a block may be that serves as an arena

// The header fills one tiny block of the small pool. While the block is cached, `bytes` holds the
// time it was put there. `owner` is the block itself if its last use was an arena.
struct MappedBlock : Buffer {
  MappedBlock* older = nullptr;
  MappedBlock* newer = nullptr;
};
static_assert(sizeof(MappedBlock) == kHeader);

struct Bin {
  MappedBlock* newest = nullptr;
  MappedBlock* oldest = nullptr;
};

// All below: under pool_mutex.
Bin bins[kBins];
size_t now = 0;

// Eight bins per doubling.
int bin_of(size_t capacity) {
  int log = std::bit_width(capacity) - 1;
  return (log - kLowestLog) * 8 + static_cast<int>((capacity >> (log - 3)) & 7);
}

// Steps of at most an eighth, of whole pages, and of whole huge pages from 16 MiB on.
size_t rounded(size_t bytes) {
  size_t step = std::min(kHuge, std::bit_floor(bytes) / 8);
  return (bytes + step - 1) / step * step;
}

void unlink(Bin& bin, MappedBlock* b) {
  (b->newer ? b->newer->older : bin.newest) = b->older;
  (b->older ? b->older->newer : bin.oldest) = b->newer;
}

MappedBlock* take_cached(size_t capacity, size_t most) {
  std::lock_guard lock(pool_mutex());
  for (int i = bin_of(capacity), end = std::min(bin_of(most), kBins - 1); i <= end; ++i) {
    MappedBlock* best = nullptr;
    int seen = 0;
    for (MappedBlock* b = bins[i].newest; b && seen < kScan; b = b->older, ++seen) {
      if (b->capacity < capacity || b->capacity > most) continue;
      if (!best || b->capacity < best->capacity) best = b;
      if (best->capacity == capacity) break;
    }
    if (!best) continue;
    unlink(bins[i], best);
    account.cached.fetch_sub(best->capacity, std::memory_order_relaxed);
    return best;
  }
  return nullptr;
}

// Huge pages need an address aligned to their size.
void* map_aligned(size_t bytes) {
  constexpr int kProtection = PROT_READ | PROT_WRITE, kFlags = MAP_PRIVATE | MAP_ANONYMOUS;
  void* p = mmap(nullptr, bytes, kProtection, kFlags, -1, 0);
  if (p == MAP_FAILED || bytes < kHuge) return p;
  uintptr_t start = reinterpret_cast<uintptr_t>(p);
  if (start % kHuge != 0) {
    munmap(p, bytes);
    p = mmap(nullptr, bytes + kHuge, kProtection, kFlags, -1, 0);
    if (p == MAP_FAILED) return p;
    start = reinterpret_cast<uintptr_t>(p);
    uintptr_t at = (start + kHuge - 1) & ~(kHuge - 1);
    if (at > start) munmap(p, at - start);
    if (size_t tail = start + kHuge - at) munmap(reinterpret_cast<void*>(at + bytes), tail);
    p = reinterpret_cast<void*>(at);
  }
  madvise(p, bytes, MADV_HUGEPAGE);
  return p;
}

// The header becomes a tiny block of the small pool again.
void put_header(MappedBlock* b) {
  Buffer* tiny = new (static_cast<void*>(b)) Buffer;
  tiny->kind = 0;
  tiny->data = reinterpret_cast<char*>(b) + sizeof(Buffer);
  tiny->capacity = kTinyBytes;
  put_small(tiny);
}

MappedBlock* find_oldest() {
  MappedBlock* oldest = nullptr;
  for (Bin& bin : bins) {
    if (bin.oldest && (!oldest || bin.oldest->bytes < oldest->bytes)) oldest = bin.oldest;
  }
  return oldest;
}

MappedBlock* mark(MappedBlock* b, bool arena) {
  b->owner = arena ? b : nullptr;
  return b;
}

// Unmaps a block that is in no bin.
void unmap(MappedBlock* b) {
  // Splitting a mapping can exceed the system's number of mappings; its pages go back anyway.
  if (munmap(b->data, b->capacity) != 0) madvise(b->data, b->capacity, MADV_DONTNEED);
  unreserve(b->capacity);
  put_header(b);
}

// Gives back the cached arenas that one of `capacity` can stand in for.
void drop_smaller_arenas(size_t capacity) {
  const int first = bin_of(std::max(capacity / kArenaSlack, size_t{1} << kLowestLog));
  for (int i = first, end = bin_of(capacity); i <= end; ++i) {
    while (true) {
      MappedBlock* b;
      {
        std::lock_guard lock(pool_mutex());
        b = bins[i].newest;
        while (b && (!b->owner || b->capacity >= capacity)) b = b->older;
        if (!b) break;
        unlink(bins[i], b);
        account.cached.fetch_sub(b->capacity, std::memory_order_relaxed);
      }
      unmap(b);
    }
  }
}

}  // namespace

size_t mapped_size(size_t bytes) { return rounded(bytes); }

Buffer* take_mapped(size_t bytes, Lifetime lifetime, Refusal& refusal) {
  const bool arena = lifetime == Lifetime::arena;
  size_t capacity = rounded(bytes);
  if (MappedBlock* b = take_cached(capacity, capacity + capacity / 4)) return mark(b, arena);
  if (arena) {
    if (MappedBlock* b = take_cached(capacity, capacity * kArenaSlack)) return mark(b, arena);
    drop_smaller_arenas(capacity);
  }
  Buffer* header = take_small(0, refusal);
  if (!header) return nullptr;
  if (!reserve(capacity)) {
    refusal = Refusal::limit;
    put_small(header);
    return nullptr;
  }
  void* data = map_aligned(capacity);
  if (data == MAP_FAILED) {
    refusal = Refusal::system;
    unreserve(capacity);
    put_small(header);
    return nullptr;
  }
  auto* b = new (static_cast<void*>(header)) MappedBlock;
  b->kind = kMappedKind;
  b->data = data;
  b->capacity = capacity;
  return mark(b, arena);
}

void put_mapped(Buffer* block) {
  auto* b = static_cast<MappedBlock*>(block);
  Bin& bin = bins[bin_of(b->capacity)];
  size_t cached;
  {
    std::lock_guard lock(pool_mutex());
    b->bytes = ++now;
    b->newer = nullptr;
    b->older = bin.newest;
    (b->older ? b->older->newer : bin.oldest) = b;
    bin.newest = b;
    cached = account.cached.fetch_add(b->capacity, std::memory_order_relaxed) + b->capacity;
  }
  size_t limit = cache_limit();
  if (cached > limit) drop_mapped(cached - limit);
}

size_t drop_mapped(size_t bytes) {
  size_t freed = 0;
  while (freed < bytes) {
    MappedBlock* b;
    {
      std::lock_guard lock(pool_mutex());
      b = find_oldest();
      if (!b) break;
      unlink(bins[bin_of(b->capacity)], b);
      account.cached.fetch_sub(b->capacity, std::memory_order_relaxed);
    }
    freed += b->capacity;
    unmap(b);
  }
  return freed;
}

}  // namespace olivine::memory
