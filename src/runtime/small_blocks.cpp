// Slabs, and the exchange of blocks between them and the threads' magazines.
#include "runtime/small_blocks.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace olivine::memory {
namespace {

constexpr size_t kSlab = 1 << 20;
constexpr size_t kMagazineBytes = 32 << 10;  // per class
constexpr size_t kMagazineBlocks = 128;
constexpr int kBatch = 64;

constexpr size_t block_bytes(int c) { return c == 0 ? kHeader : kHeader + class_bytes(c); }
constexpr uint32_t magazine_limit(int c) {
  return static_cast<uint32_t>(
      std::clamp<size_t>(kMagazineBytes / block_bytes(c), 1, kMagazineBlocks));
}

// Stands at the start of its 1 MiB, which is aligned to 1 MiB.
struct alignas(128) Slab {
  Slab* prev = nullptr;
  Slab* next = nullptr;
  Buffer* free = nullptr;  // returned blocks
  size_t cut = 0;          // blocks lie in [sizeof(Slab), cut)
  size_t touched = 0;      // largest `cut` ever: what counts as held
  int32_t used = 0;        // blocks with magazines or users
  int32_t cls = 0;
  bool listed = false;  // in partial[cls]
};

// All below: under pool_mutex.
Slab* partial[kClasses];  // slabs of a class that have a block to give
Slab* empty = nullptr;    // slabs of no class, singly linked by `next`

Slab* slab_of(Buffer* block) {
  return reinterpret_cast<Slab*>(reinterpret_cast<uintptr_t>(block) & ~(kSlab - 1));
}

void list(Slab* s) {
  s->prev = nullptr;
  s->next = partial[s->cls];
  if (s->next) s->next->prev = s;
  partial[s->cls] = s;
  s->listed = true;
}
void unlist(Slab* s) {
  (s->prev ? s->prev->next : partial[s->cls]) = s->next;
  if (s->next) s->next->prev = s->prev;
  s->listed = false;
}

Slab* map_slab() {
  void* p = mmap(nullptr, 2 * kSlab, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  uintptr_t start = reinterpret_cast<uintptr_t>(p);
  uintptr_t at = (start + kSlab - 1) & ~(kSlab - 1);
  if (at > start) munmap(p, at - start);
  if (size_t tail = start + kSlab - at) munmap(reinterpret_cast<void*>(at + kSlab), tail);
  return new (reinterpret_cast<void*>(at)) Slab;
}

// A slab that has a block of class c to give; null when the system refuses.
Slab* slab_for(int c) {
  if (partial[c]) return partial[c];
  Slab* s = empty;
  if (s) {
    empty = s->next;
    account.cached.fetch_sub(s->touched, std::memory_order_relaxed);
  } else if (!(s = map_slab())) {
    return nullptr;
  }
  s->cls = c;
  s->cut = sizeof(Slab);
  list(s);
  return s;
}

Buffer* cut_block(Slab* s, Refusal& refusal) {
  size_t end = s->cut + block_bytes(s->cls);
  if (end > s->touched) {
    if (!reserve(end - s->touched)) {
      refusal = Refusal::limit;
      return nullptr;
    }
    s->touched = end;
  }
  char* at = reinterpret_cast<char*>(s) + s->cut;
  s->cut = end;
  Buffer* b = new (at) Buffer;
  b->kind = static_cast<uint32_t>(s->cls);
  b->data = at + (s->cls == 0 ? sizeof(Buffer) : kHeader);
  b->capacity = class_bytes(s->cls);
  return b;
}

// Puts a slab that nobody uses on the list of empty ones.
void retire(Slab* s) {
  if (s->listed) unlist(s);
  s->free = nullptr;
  s->next = empty;
  empty = s;
  account.cached.fetch_add(s->touched, std::memory_order_relaxed);
}

// Links up to `wanted` blocks of class c through `owner`; fewer, with the reason, if refused.
Buffer* take_batch(int c, int wanted, int& got, Refusal& refusal) {
  std::lock_guard lock(pool_mutex());
  Buffer* head = nullptr;
  for (got = 0; got < wanted; ++got) {
    Slab* s = slab_for(c);
    if (!s) {
      refusal = Refusal::system;
      break;
    }
    Buffer* b = s->free;
    if (b) {
      s->free = static_cast<Buffer*>(b->owner);
    } else if (!(b = cut_block(s, refusal))) {
      if (s->used == 0) retire(s);
      break;
    }
    ++s->used;
    if (!s->free && s->cut + block_bytes(c) > kSlab) unlist(s);
    b->owner = head;
    head = b;
  }
  return head;
}

void put_batch(Buffer* head) {
  {
    std::lock_guard lock(pool_mutex());
    while (head) {
      Buffer* b = head;
      head = static_cast<Buffer*>(b->owner);
      Slab* s = slab_of(b);
      b->owner = s->free;
      s->free = b;
      if (--s->used == 0) {
        retire(s);
      } else if (!s->listed) {
        list(s);
      }
    }
  }
  size_t cached = account.cached.load(std::memory_order_relaxed), limit = cache_limit();
  if (cached > limit) drop_empty_slabs(cached - limit);
}

constinit Magazine no_magazine;
thread_local bool thread_ended = false;

// Gives a thread its magazine, and takes it back when the thread ends.
struct MagazineOwner {
  MagazineOwner() {
    auto* m = new (std::nothrow) Magazine;
    if (!m) return;
    for (int c = 0; c < kClasses; ++c) m->bins[c].limit = magazine_limit(c);
    magazine = m;
  }
  ~MagazineOwner() {
    thread_ended = true;
    if (magazine == &no_magazine) return;
    flush_magazine();
    delete magazine;
    magazine = &no_magazine;
  }
};

void ensure_magazine() {
  if (magazine != &no_magazine || thread_ended) return;
  thread_local MagazineOwner owner;
}

}  // namespace

__thread Magazine* magazine = &no_magazine;

Buffer* take_small_slow(int c, Refusal& refusal) {
  ensure_magazine();
  Magazine::Bin& bin = magazine->bins[c];
  int wanted = std::clamp<int>(static_cast<int>(bin.limit) / 2, 1, kBatch), got = 0;
  Refusal why = Refusal::none;
  Buffer* block = take_batch(c, wanted, got, why);
  if (!block) {
    refusal = why;
    return nullptr;
  }
  bin.head = static_cast<Buffer*>(block->owner);
  bin.count = static_cast<uint32_t>(got - 1);
  block->owner = nullptr;
  return block;
}

void put_small_slow(Buffer* block) {
  ensure_magazine();
  Magazine::Bin& bin = magazine->bins[block->kind];
  block->owner = nullptr;
  if (bin.count < bin.limit) {
    block->owner = bin.head;
    bin.head = block;
    ++bin.count;
    return;
  }
  // The older half goes back: what was freed last is what caches still hold.
  uint32_t keep = bin.limit / 2;
  if (keep > 0) {
    Buffer* last = bin.head;
    for (uint32_t i = 1; i < keep; ++i) last = static_cast<Buffer*>(last->owner);
    block->owner = last->owner;
    last->owner = nullptr;
    bin.count = keep;
  } else {
    block->owner = bin.head;
    bin.head = nullptr;
    bin.count = 0;
  }
  put_batch(block);
}

void flush_magazine() {
  for (Magazine::Bin& bin : magazine->bins) {
    if (!bin.head) continue;
    Buffer* head = bin.head;
    bin.head = nullptr;
    bin.count = 0;
    put_batch(head);
  }
}

size_t drop_empty_slabs(size_t bytes) {
  size_t freed = 0;
  while (freed < bytes) {
    Slab* s;
    size_t touched;
    {
      std::lock_guard lock(pool_mutex());
      s = empty;
      if (!s) break;
      touched = s->touched;
      empty = s->next;
      account.cached.fetch_sub(touched, std::memory_order_relaxed);
    }
    munmap(s, kSlab);
    unreserve(touched);
    freed += touched;
  }
  return freed;
}

}  // namespace olivine::memory
