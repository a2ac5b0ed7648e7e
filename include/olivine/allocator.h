// Memory for arrays, as primitives and programs that bring memory of their own ask for it.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include "olivine/export.h"

namespace olivine {

struct Buffer;  // of the runtime

namespace allocator {

// An address. It owns nothing.
class Buffer {
 public:
  explicit Buffer(void* ptr) : ptr_(ptr) {}
  void* raw_ptr() { return ptr_; }
  void* ptr() { return ptr_; }
  const void* ptr() const { return ptr_; }

 private:
  void* ptr_;
};

using Deleter = std::function<void(Buffer)>;

// Memory and how to give it back, which happens once nothing needs it any more.
class OLIVINE_API Data {
 public:
  explicit Data(Buffer buffer, Deleter d) : buffer_(buffer), deleter_(std::move(d)) {}
  Data(const Data&) = delete;
  Data& operator=(const Data&) = delete;
  Data(Data&& other) noexcept;
  ~Data();

  Buffer buffer() const& { return buffer_; }
  Buffer buffer() const&& = delete;
  // Whether anything happens to the memory when this ends.
  bool is_owned() const { return held_ || deleter_; }

  // Internal: memory of the runtime's allocator, taking over one reference.
  struct Held {
    olivine::Buffer* buffer;
  };
  explicit Data(Held held);
  // Gives up the reference; null if the memory is somebody else's.
  olivine::Buffer* take_held() { return std::exchange(held_, nullptr); }
  Deleter take_deleter() { return std::exchange(deleter_, nullptr); }

 private:
  Buffer buffer_;
  Deleter deleter_;
  olivine::Buffer* held_ = nullptr;
};

// MLX's interface of allocators; `allocator()` is the one that all arrays share.
class OLIVINE_API Allocator {
 public:
  Allocator() = default;
  Allocator(const Allocator&) = delete;
  Allocator(Allocator&&) = delete;
  Allocator& operator=(const Allocator&) = delete;
  Allocator& operator=(Allocator&&) = delete;
  virtual ~Allocator() = default;

  // Memory to be given to `free`; throws if there is none.
  virtual Buffer malloc(size_t size) = 0;
  virtual void free(Buffer buffer) = 0;
  // Of memory that `malloc` gave.
  virtual size_t size(Buffer buffer) const = 0;
  // Memory of somebody else as a buffer, and the end of that.
  virtual Buffer make_buffer(void* ptr, size_t size);
  virtual void release(Buffer buffer);
};
OLIVINE_API Allocator& allocator();

// Uninitialised memory, 64-byte aligned; an error that names the limit if there is none.
OLIVINE_API Data malloc(size_t size);
inline Buffer make_buffer(void* ptr, size_t size) { return allocator().make_buffer(ptr, size); }
inline void release(Buffer buffer) { allocator().release(buffer); }
// Whether arrays may use memory at this address as it is: on CPUs, any.
inline bool can_reuse_alien_buffer(void*) { return true; }

}  // namespace allocator
}  // namespace olivine
