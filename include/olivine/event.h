// Events and fences between streams. Arrays need none, as whoever reads one waits for it; a program
// may attach its own (array::attach_event).
#pragma once

#include <cstdint>
#include <memory>

#include "olivine/array.h"
#include "olivine/device.h"
#include "olivine/error.h"

namespace olivine {

// A counter that streams raise and wait for; a copy is the same event.
class OLIVINE_API Event {
 public:
  // Of no stream: not valid.
  Event() = default;
  explicit Event(Stream stream);

  // Returns once the event has reached its value; or has the stream do so before it goes on.
  void wait();
  void wait(Stream stream);
  // Raises the event to its value once the stream has done what it was asked before.
  void signal(Stream stream);
  bool is_signaled() const;

  // An error that check_error throws, here or on another thread.
  void set_error(Error& error);
  Error* load_error() const;
  void check_error();

  bool valid() const { return state_ != nullptr; }
  // What `wait` and `signal` mean from now on.
  uint64_t value() const { return value_; }
  void set_value(uint64_t v) { value_ = v; }
  const Stream& stream() const { return stream_; }

 private:
  struct State;
  State& state() const;

  Stream stream_;
  uint64_t value_ = 1;
  std::shared_ptr<State> state_;
};

// Tells one stream when another has computed an array.
class OLIVINE_API Fence {
 public:
  Fence() = default;
  explicit Fence(Stream stream) : event_(stream) {}

  // Has the stream compute `x`, and gives the value that stands for that.
  uint32_t update(Stream stream, const array& x, bool cross_device);
  // Has the stream wait for that value before it goes on.
  void wait(Stream stream, const array& x, uint32_t value);

 private:
  Event event_;
  uint32_t count_ = 0;
};

}  // namespace olivine
