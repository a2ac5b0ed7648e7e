// Events, fences and the counting scheduler: small states behind the streams' queues.
#include "olivine/event.h"

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>

#include "core/error.h"
#include "olivine/scheduler.h"
#include "runtime/interrupt.h"
#include "runtime/profile.h"
#include "runtime/stream.h"

namespace olivine {
namespace {

// Waits under `lock` until `ready`, looking for interrupts meanwhile.
template <class Ready>
void wait_until(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Ready ready) {
  profile::Scope waiting(profile::Phase::waiting);
  while (!changed.wait_for(lock, std::chrono::milliseconds(20), ready)) {
    lock.unlock();
    poll_interrupt();
    lock.lock();
  }
}

}  // namespace

struct Event::State {
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t reached = 0;
  Error error;

  void raise(uint64_t to) {
    {
      std::lock_guard lock(mutex);
      reached = std::max(reached, to);
    }
    changed.notify_all();
  }
  void wait(uint64_t to) {
    std::unique_lock lock(mutex);
    wait_until(lock, changed, [&] { return reached >= to; });
  }
};

Event::Event(Stream stream) : stream_(stream), state_(std::make_shared<State>()) {}

Event::State& Event::state() const {
  if (!state_) fail<std::runtime_error>("[Event] expected an event of a stream; got an empty one");
  return *state_;
}
void Event::wait() { state().wait(value_); }
void Event::wait(Stream stream) {
  state();
  enqueue(stream.index, [state = state_, to = value_] {
    try {
      state->wait(to);
    } catch (const Interrupted&) {
      // The stream goes on, as after every interrupted task.
    }
  });
}
void Event::signal(Stream stream) {
  state();
  enqueue(stream.index, [state = state_, to = value_] { state->raise(to); });
}
bool Event::is_signaled() const {
  std::lock_guard lock(state().mutex);
  return state_->reached >= value_;
}
void Event::set_error(Error& error) { state().error.store_if_valid(&error); }
Error* Event::load_error() const { return state().error.valid() ? &state_->error : nullptr; }
void Event::check_error() { state().error.check(); }

uint32_t Fence::update(Stream stream, const array& x, bool) {
  event_.set_value(++count_);
  enqueue(stream.index, [x] {
    try {
      x.eval();
    } catch (...) {
      // Whoever reads the array evaluates it again and gets the error.
    }
  });
  event_.signal(stream);
  return count_;
}
void Fence::wait(Stream stream, const array&, uint32_t value) {
  Event then = event_;
  then.set_value(value);
  then.wait(stream);
}

namespace scheduler {

struct Scheduler::State {
  std::mutex mutex;
  std::condition_variable finished;
  int active = 0;
  std::map<int, std::shared_ptr<Error>> errors;  // by stream

  void begin() {
    std::lock_guard lock(mutex);
    ++active;
  }
  void end() {
    {
      std::lock_guard lock(mutex);
      --active;
    }
    finished.notify_all();
  }
  std::shared_ptr<Error> error(int stream) {
    std::lock_guard lock(mutex);
    std::shared_ptr<Error>& e = errors[stream];
    if (!e) e = std::make_shared<Error>();
    return e;
  }
};

Scheduler::Scheduler() : state_(std::make_shared<State>()) {}
Scheduler::~Scheduler() {
  std::unique_lock lock(state_->mutex);
  state_->finished.wait(lock, [&] { return state_->active <= 0; });
}

void Scheduler::enqueue(Stream s, std::function<void()> task) {
  state_->begin();
  olivine::enqueue(s.index, [state = state_, s, task = std::move(task)] {
    try {
      task();
    } catch (const std::exception& e) {
      state->error(s.index)->set_message(std::make_shared<std::string>(e.what()));
    } catch (...) {
      state->error(s.index)->set_message(std::make_shared<std::string>("[enqueue] unknown error"));
    }
    state->end();
  });
}
void Scheduler::wait_event(Stream s, Event event, std::function<void(Event&)> task) {
  enqueue(s, [event, task = std::move(task)]() mutable {
    event.wait();
    if (task) task(event);
  });
}
void Scheduler::signal_event(Stream s, Event event, std::function<void(Event&)> task) {
  enqueue(s, [event, task = std::move(task)]() mutable {
    if (task) task(event);
  });
  event.signal(s);
}
void Scheduler::check_error(Stream s) { state_->error(s.index)->check(); }
void Scheduler::notify_new_task(const Stream&) { state_->begin(); }
void Scheduler::notify_task_completion(const Stream&) { state_->end(); }
int Scheduler::n_active_tasks() const {
  std::lock_guard lock(state_->mutex);
  return state_->active;
}
void Scheduler::wait_for_one() {
  std::unique_lock lock(state_->mutex);
  int now = state_->active;
  wait_until(lock, state_->finished, [&] { return state_->active < now || now <= 0; });
}

Scheduler& scheduler() {
  static auto* shared = new Scheduler;  // streams outlive every static destructor
  return *shared;
}

}  // namespace scheduler
}  // namespace olivine
