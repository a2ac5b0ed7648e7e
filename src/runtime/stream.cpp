// Devices, streams, the thread's defaults, and the queue behind each stream.
#include "runtime/stream.h"

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "runtime/background_thread.h"
#include "runtime/interrupt.h"
#include "runtime/process_locks.h"
#include "runtime/profile.h"

namespace olivine {
namespace {

using namespace std::chrono_literals;

// One stream's tasks and the thread that runs them. Never destroyed: the thread outlives main.
class Queue {
 public:
  void push(std::function<void()> task);
  // Returns when what was pushed before is done, or false after `limit` if there is one.
  bool drain(std::optional<std::chrono::milliseconds> limit = std::nullopt);
  void drop();

  Queue* forgotten_before = nullptr;

 private:
  static void work(void* self) { static_cast<Queue*>(self)->work(); }
  void work();

  std::mutex mutex_;
  std::condition_variable pushed_, finished_;
  std::deque<std::function<void()>> tasks_, dropped_;
  bool started_ = false;
  uint64_t pushes_ = 0, done_ = 0;
};

// The queue whose thread this is.
thread_local Queue* own_queue = nullptr;

void Queue::push(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  if (!started_ && !(started_ = start_background_thread("olivine-stream", work, this))) {
    lock.unlock();
    task();  // without a thread the caller is the stream
    return;
  }
  tasks_.push_back(std::move(task));
  ++pushes_;
  pushed_.notify_one();
}

void Queue::work() {
  own_queue = this;
  std::unique_lock lock(mutex_);
  for (;;) {
    pushed_.wait(lock, [&] { return !tasks_.empty(); });
    {
      std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      BackgroundTask interruptible;
      task();
    }  // what the task holds is released before it counts as done
    lock.lock();
    ++done_;
    finished_.notify_all();
  }
}

bool Queue::drain(std::optional<std::chrono::milliseconds> limit) {
  if (own_queue == this) return true;  // a task: everything before it is done
  auto deadline = std::chrono::steady_clock::now() + limit.value_or(0ms);
  profile::Scope waiting(profile::Phase::waiting);
  std::unique_lock lock(mutex_);
  uint64_t target = pushes_;
  while (!finished_.wait_for(lock, 20ms, [&] { return done_ >= target; })) {
    if (limit && std::chrono::steady_clock::now() >= deadline) return false;
    lock.unlock();
    poll_interrupt();
    lock.lock();
  }
  return true;
}

void Queue::drop() {
  std::lock_guard lock(mutex_);
  pushes_ -= tasks_.size();
  dropped_.swap(tasks_);  // not destroyed: what tasks hold may need things that are gone at exit
}

// Under its lock.
struct StreamTable {
  std::vector<Stream> streams{Stream{0, Device{}}};
  std::vector<Queue*> queues{nullptr};  // made when first needed
};
constinit StreamTable* made_table = nullptr;
std::mutex& table_lock() { return process_lock(Lock::streams); }
StreamTable& table() {
  if (!made_table) made_table = new StreamTable;
  return *made_table;
}

// A child of fork() has none of the threads: it forgets the queues, whatever state they were in
// (but keeps them reachable, for leak checkers).
Queue* forgotten = nullptr;
[[maybe_unused]] const int fork_handlers = pthread_atfork(nullptr, nullptr, [] {
  own_queue = nullptr;
  if (!made_table) return;
  for (Queue*& q : made_table->queues) {
    if (q) q->forgotten_before = std::exchange(forgotten, q);
    q = nullptr;
  }
});

std::vector<Queue*> all_queues() {
  std::lock_guard lock(table_lock());
  return table().queues;
}

// Tasks still running at exit are interrupted and get two seconds to end: static objects that they
// use die next.
void finish_at_exit() {
  for (Queue* q : all_queues()) {
    if (q) q->drop();
  }
  interrupt_background_tasks();
  Uninterruptible quiet;
  for (Queue* q : all_queues()) {
    if (q) q->drain(2000ms);
  }
}

Queue& queue_of(int index) {
  std::lock_guard lock(table_lock());
  Queue*& q = table().queues[static_cast<size_t>(index)];
  if (!q) {
    static constinit bool registered = false;
    if (!std::exchange(registered, true)) atexit(finish_at_exit);
    q = new Queue;
  }
  return *q;
}

std::string describe(Device d) {
  const char* type = d.type == Device::cpu ? "cpu" : "gpu";
  return d.index == 0 ? type : message("Device(", type, ", ", d.index, ")");
}

void check_device(Device d) {
  if (!is_available(d)) fail("[device] expected an available device; got ", describe(d));
}

// The stream of this index, checked.
Stream stream_at(int index) {
  std::lock_guard lock(table_lock());
  size_t count = table().streams.size();
  if (index < 0 || static_cast<size_t>(index) >= count) {
    fail("[stream] expected the index of a stream, 0 to ", count - 1, "; got ", index);
  }
  return table().streams[static_cast<size_t>(index)];
}

void check_stream(Stream s) {
  check_device(s.device);
  if (stream_at(s.index) != s) {
    fail("[stream] expected stream ", s.index, " on its own device; got ", describe(s.device));
  }
}

// Index of this thread's default stream. The CPU is the only device, so one number says all.
thread_local int default_index = 0;

}  // namespace

StreamOrDevice::StreamOrDevice(Device d) : index_(default_stream(d).index) {}
StreamOrDevice::StreamOrDevice(Device::Type t) : StreamOrDevice(Device{t}) {}

bool is_available(Device d) { return d.index >= 0 && d.index < device_count(d.type); }
int device_count(Device::Type t) { return t == Device::cpu ? 1 : 0; }

int default_stream_index() { return default_index; }

Device default_device() { return Device{}; }
void set_default_device(Device d) { check_device(d); }

Stream default_stream(Device d) {
  check_device(d);
  return stream_at(default_index);
}
void set_default_stream(Stream s) {
  check_stream(s);
  default_index = s.index;
}

Stream new_stream(Device d) {
  check_device(d);
  std::lock_guard lock(table_lock());
  Stream s{static_cast<int>(table().streams.size()), d};
  table().queues.push_back(nullptr);
  table().streams.push_back(s);
  return s;
}

Stream to_stream(StreamOrDevice s) { return stream_at(s.index() < 0 ? default_index : s.index()); }

std::vector<Stream> streams() {
  std::lock_guard lock(table_lock());
  return table().streams;
}

void enqueue(int stream_index, std::function<void()> task) {
  stream_at(stream_index);
  queue_of(stream_index).push(std::move(task));
}

void synchronize() {
  for (Queue* q : all_queues()) {
    if (q) q->drain();
  }
}
void synchronize(Stream s) {
  check_stream(s);
  Queue* q = all_queues()[static_cast<size_t>(s.index)];
  if (q) q->drain();
}

}  // namespace olivine
