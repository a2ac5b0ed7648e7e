// The public face of the allocator: memory that user code asks for and gives to arrays.
#include "olivine/allocator.h"

#include <unordered_map>

#include "core/error.h"
#include "runtime/allocator.h"
#include "runtime/process_locks.h"

namespace olivine::allocator {
namespace {

// Keeps the runtime's buffer behind each address that it gave, under the lock of memory.
class SharedAllocator final : public Allocator {
 public:
  Buffer malloc(size_t size) override {
    BufferRef held = allocate(size);
    std::lock_guard lock(process_lock(Lock::memory));
    void* address = held->data;
    given_.emplace(address, std::move(held));
    return Buffer(address);
  }
  void free(Buffer buffer) override {
    BufferRef dying;  // after the lock
    std::lock_guard lock(process_lock(Lock::memory));
    auto it = given_.find(buffer.raw_ptr());
    if (it == given_.end()) return;
    dying = std::move(it->second);
    given_.erase(it);
  }
  size_t size(Buffer buffer) const override {
    std::lock_guard lock(process_lock(Lock::memory));
    auto it = given_.find(buffer.raw_ptr());
    if (it == given_.end()) {
      fail("[allocator] expected memory that malloc of this allocator gave; got other");
    }
    return it->second->bytes;
  }

 private:
  std::unordered_multimap<void*, BufferRef> given_;
};

}  // namespace

Buffer Allocator::make_buffer(void* ptr, size_t) { return Buffer(ptr); }
void Allocator::release(Buffer) {}

Allocator& allocator() {
  static auto* shared = new SharedAllocator;  // outlives every static destructor
  return *shared;
}

Data malloc(size_t size) { return Data(Data::Held{allocate(size).detach()}); }

Data::Data(Held held) : buffer_(held.buffer->data), held_(held.buffer) {}
Data::Data(Data&& other) noexcept
    : buffer_(other.buffer_), deleter_(std::move(other.deleter_)), held_(other.take_held()) {
  other.deleter_ = nullptr;
}
Data::~Data() {
  if (held_) held_->release();
  if (deleter_) deleter_(buffer_);
}

}  // namespace olivine::allocator
