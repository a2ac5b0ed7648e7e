// Scratch memory of a kernel: from the arrays' allocator, so it is counted, limited and reused.
#pragma once

#include <cstddef>
#include <cstdint>

namespace olivine {
struct Buffer;
}

namespace olivine::cpu {

// `count` elements of `size` bytes, 64-byte aligned, freed at the end of the scope.
class ScratchBytes {
 public:
  ScratchBytes(int64_t count, size_t size);
  ~ScratchBytes();
  ScratchBytes(const ScratchBytes&) = delete;
  ScratchBytes& operator=(const ScratchBytes&) = delete;
  void* data() const { return data_; }

 private:
  Buffer* buffer_;
  void* data_;
};

}  // namespace olivine::cpu
