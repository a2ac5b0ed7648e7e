// Buffers: where their memory comes from, what they count, and what happens when none is left.
#include "runtime/allocator.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "core/error.h"
#include "runtime/cgroup.h"
#include "runtime/mapped_blocks.h"
#include "runtime/profile.h"
#include "runtime/small_blocks.h"

// Under AddressSanitizer each buffer is its own malloc, so that stray accesses are found.
#if defined(__SANITIZE_ADDRESS__)
#define OLIVINE_PLAIN_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define OLIVINE_PLAIN_MALLOC 1
#endif
#endif
#ifndef OLIVINE_PLAIN_MALLOC
#define OLIVINE_PLAIN_MALLOC 0
#endif

namespace olivine {
namespace memory {

constinit Account account;

size_t memory_limit() {
  size_t limit = account.limit.load(std::memory_order_relaxed);
  if (limit != kUnset) return limit;
  // A twentieth stays free for the rest of the process and the page tables.
  size_t computed = usable_memory() / 20 * 19;
  account.limit.compare_exchange_strong(limit, computed);
  return account.limit.load();
}

// Half of the limit: a steady training step finds its buffers again, other processes have a share.
size_t cache_limit() {
  size_t limit = account.cache_limit.load(std::memory_order_relaxed);
  return limit != kUnset ? limit : memory_limit() / 2;
}

bool reserve(size_t bytes) {
  size_t limit = memory_limit();
  size_t held = account.held.load(std::memory_order_relaxed);
  do {
    if (bytes > limit || held > limit - bytes) return false;
  } while (!account.held.compare_exchange_weak(held, held + bytes, std::memory_order_relaxed));
  return true;
}

namespace {

constexpr bool kPlainMalloc = OLIVINE_PLAIN_MALLOC;
constexpr uint32_t kPlainKind = 101;
constexpr uint32_t kExternalKind = 102;

std::atomic<int64_t> countdown_to_failure{0};

std::string human(size_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 6; ++unit) value /= 1024;
  char text[32];
  snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.2f %s", value, kUnits[unit]);
  return text;
}

[[noreturn]] void refuse(size_t bytes, Refusal why) {
  std::string in_use = human(account.active.load());
  std::string limit = human(memory_limit());
  if (why == Refusal::system) {
    fail<OutOfMemory>("[allocate] expected the system to provide ", human(bytes),
                      "; got a refusal, with ", in_use, " in use and a memory limit of ", limit);
  }
  fail<OutOfMemory>("[allocate] expected a size that fits in the memory limit of ", limit, "; got ",
                    human(bytes), " with ", in_use, " in use");
}

bool failure_is_due() {
  int64_t n = countdown_to_failure.load();
  while (n > 0) {
    if (countdown_to_failure.compare_exchange_weak(n, n - 1)) return n == 1;
  }
  return false;
}

Buffer* take_plain(size_t bytes, Refusal& refusal) {
  if (bytes > kLargestMapped || !reserve(bytes)) {
    refusal = Refusal::limit;
    return nullptr;
  }
  void* data = nullptr;
  auto* b = new (std::nothrow) Buffer;
  if (!b || posix_memalign(&data, 64, std::max<size_t>(bytes, 1)) != 0) {
    delete b;
    unreserve(bytes);
    refusal = Refusal::system;
    return nullptr;
  }
  b->kind = kPlainKind;
  b->data = data;
  b->capacity = bytes;
  return b;
}

Buffer* take(size_t bytes, Lifetime lifetime, Refusal& refusal) {
  if (kPlainMalloc) return take_plain(bytes, refusal);
  if (bytes <= kLargestSmall) return take_small(size_class(bytes), refusal);
  if (bytes <= kLargestMapped) return take_mapped(bytes, lifetime, refusal);
  refusal = Refusal::limit;
  return nullptr;
}

size_t drop(size_t bytes) {
  size_t freed = drop_empty_slabs(bytes);
  return freed < bytes ? freed + drop_mapped(bytes - freed) : freed;
}

// Tries again after giving back what the request needs, then after giving back all.
[[gnu::noinline]] Buffer* take_after_drop(size_t bytes, Lifetime lifetime, Refusal refusal) {
  if (bytes > memory_limit() || bytes > kLargestMapped) refuse(bytes, Refusal::limit);
  drop(bytes + bytes / 4);
  if (Buffer* b = take(bytes, lifetime, refusal)) return b;
  clear_cache();
  if (Buffer* b = take(bytes, lifetime, refusal)) return b;
  refuse(bytes, refusal);
}

void count_active(size_t capacity) {
  size_t active = account.active.fetch_add(capacity, std::memory_order_relaxed) + capacity;
  size_t peak = account.peak.load(std::memory_order_relaxed);
  while (active > peak &&
         !account.peak.compare_exchange_weak(peak, active, std::memory_order_relaxed)) {
  }
}

void release_unusual(Buffer* b) {
  if (b->kind == kMappedKind) {
    account.active.fetch_sub(mapped_size(b->bytes), std::memory_order_relaxed);
    profile::memory_changed(b->data, -static_cast<int64_t>(mapped_size(b->bytes)));
    put_mapped(b);
  } else if (b->kind == kPlainKind) {
    account.active.fetch_sub(b->capacity, std::memory_order_relaxed);
    unreserve(b->capacity);
    free(b->data);
    delete b;
  } else {
    if (b->release_external) b->release_external(b->owner);
    delete b;
  }
}

inline BufferRef allocate_for(size_t bytes, Lifetime lifetime) {
  if (countdown_to_failure.load(std::memory_order_relaxed) > 0 && failure_is_due()) {
    refuse(bytes, Refusal::system);
  }
  Refusal refusal = Refusal::none;
  Buffer* b = take(bytes, lifetime, refusal);
  if (!b) [[unlikely]]
    b = take_after_drop(bytes, lifetime, refusal);
  b->refs.store(1, std::memory_order_relaxed);
  b->bytes = bytes;
  // Not the capacity of a mapped block: an arena may lie in a much larger one.
  size_t counted = b->kind == kMappedKind ? mapped_size(bytes) : b->capacity;
  count_active(counted);
  if (b->kind == kMappedKind) profile::memory_changed(b->data, static_cast<int64_t>(counted));
  return BufferRef::adopt(b);
}

}  // namespace
}  // namespace memory

using namespace memory;

BufferRef allocate(size_t bytes) { return allocate_for(bytes, Lifetime::value); }
BufferRef allocate_arena(size_t bytes) { return allocate_for(bytes, Lifetime::arena); }

BufferRef wrap_external(void* data, size_t bytes, void (*release)(void*), void* owner) {
  auto* b = new (std::nothrow) Buffer;
  if (!b) refuse(sizeof(Buffer), Refusal::system);
  b->kind = kExternalKind;
  b->data = data;
  b->bytes = bytes;
  b->release_external = release;
  b->owner = owner;
  return BufferRef::adopt(b);
}

void Buffer::release() {
  // The only holder need not subtract.
  if (refs.load(std::memory_order_acquire) != 1 &&
      refs.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  if (kind >= kClasses) [[unlikely]]
    return release_unusual(this);
  account.active.fetch_sub(capacity, std::memory_order_relaxed);
  put_small(this);
}

size_t get_active_memory() { return account.active.load(); }
size_t get_peak_memory() { return account.peak.load(); }
void reset_peak_memory() { account.peak.store(0); }
size_t get_cache_memory() { return account.cached.load(); }
size_t get_memory_limit() { return memory_limit(); }

size_t set_memory_limit(size_t bytes) {
  size_t before = memory_limit();
  account.limit.store(std::min(bytes, kUnset - 1));
  size_t held = account.held.load();
  if (held > bytes) drop(held - bytes);
  return before;
}

size_t set_cache_limit(size_t bytes) {
  size_t before = cache_limit();
  account.cache_limit.store(std::min(bytes, kUnset - 1));
  size_t cached = account.cached.load();
  if (cached > bytes) drop(cached - bytes);
  return before;
}

void clear_cache() {
  flush_magazine();
  drop_mapped(kUnset);
  flush_magazine();  // of the headers of mapped blocks
  drop_empty_slabs(kUnset);
}

void fail_allocation(int64_t nth) { countdown_to_failure.store(std::max<int64_t>(nth, 0)); }

}  // namespace olivine
