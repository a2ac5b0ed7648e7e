// Scratch memory of kernels, and adding it up.
#include "backends/cpu/scratch.h"

#include <algorithm>

#include "backends/cpu/scratch_meter.h"
#include "backends/cpu/workspace.h"
#include "core/size.h"
#include "runtime/allocator.h"
#include "runtime/counted_bytes.h"

namespace olivine::cpu {
namespace {

// Where metered memory begins; nobody reads or writes there.
alignas(64) char nowhere[64];

}  // namespace

ScratchBytes::ScratchBytes(int64_t count, size_t size) : buffer_(nullptr), data_(nowhere) {
  if (ScratchMeter::is_on()) [[unlikely]] {
    ScratchMeter::take(counted_scratch(count, size));
    return;
  }
  int64_t bytes = checked_mul(count, static_cast<int64_t>(size), "scratch");
  BufferRef buffer = allocate(static_cast<size_t>(std::max<int64_t>(bytes, 64)));
  data_ = buffer->data;
  buffer_ = buffer.detach();
}

ScratchBytes::~ScratchBytes() {
  if (buffer_) {
    buffer_->release();
  } else {
    ScratchMeter::give_back();
  }
}

int64_t counted_scratch(int64_t count, size_t size) {
  const int64_t bytes = checked_mul(count, static_cast<int64_t>(size), "scratch");
  return static_cast<int64_t>(counted_bytes(static_cast<size_t>(std::max<int64_t>(bytes, 64))));
}

// ---- Metering

thread_local constinit ScratchMeter* ScratchMeter::current_ = nullptr;

ScratchMeter::ScratchMeter() : outer_(current_) { current_ = this; }
ScratchMeter::~ScratchMeter() { current_ = outer_; }
int64_t ScratchMeter::most() const { return most_; }
int64_t ScratchMeter::threads() { return current_->inside_ ? 1 : thread_count(); }

void ScratchMeter::take(int64_t bytes) {
  ScratchMeter& m = *current_;
  m.sizes_.push_back(bytes);
  m.held_ += bytes;
  m.most_ = std::max(m.most_, m.held_);
}
void ScratchMeter::give_back() {
  current_->held_ -= current_->sizes_.back();
  current_->sizes_.pop_back();
}
void ScratchMeter::take_briefly(int64_t bytes) {
  current_->most_ = std::max(current_->most_, current_->held_ + bytes);
}

ScratchMeter::Pause::Pause() : meter_(current_) { current_ = nullptr; }
ScratchMeter::Pause::~Pause() { current_ = meter_; }

ScratchMeter::Task::Task(int64_t tasks)
    : held_(current_->held_), most_(current_->most_), inside_(current_->inside_) {
  at_once_ = std::min(threads(), tasks);
  current_->held_ = current_->most_ = 0;
  current_->inside_ = true;
}
ScratchMeter::Task::~Task() {
  current_->most_ = std::max(most_, held_ + at_once_ * current_->most_);
  current_->held_ = held_;
  current_->inside_ = inside_;
}

}  // namespace olivine::cpu
