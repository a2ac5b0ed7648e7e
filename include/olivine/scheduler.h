// Tasks of the user's on streams, in order with what the streams compute.
#pragma once

#include <functional>
#include <utility>

#include "olivine/event.h"

namespace olivine::scheduler {

// Counts tasks and keeps what they throw; all share the streams' queues.
class OLIVINE_API Scheduler {
 public:
  Scheduler();
  ~Scheduler();  // returns once all its tasks are done
  Scheduler(const Scheduler&) = delete;
  Scheduler(Scheduler&&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  Scheduler& operator=(Scheduler&&) = delete;

  // Runs the task after what the stream was asked before. What it throws, check_error throws.
  void enqueue(Stream s, std::function<void()> task);
  // A task that waits for the event, or that raises it once it is done.
  void wait_event(Stream s, Event event, std::function<void(Event&)> task);
  void signal_event(Stream s, Event event, std::function<void(Event&)> task);
  void check_error(Stream s);

  // Tasks that somebody runs elsewhere and wants counted.
  void notify_new_task(const Stream& stream);
  void notify_task_completion(const Stream& stream);
  int n_active_tasks() const;
  // Returns once fewer tasks are active than now; at once if there are none.
  void wait_for_one();

 private:
  struct State;
  std::shared_ptr<State> state_;
};
// The one of the process.
OLIVINE_API Scheduler& scheduler();

template <class F>
void enqueue(Stream s, F&& f) {
  scheduler().enqueue(s, std::forward<F>(f));
}
template <class F>
void wait_event(Stream s, Event event, F&& f) {
  scheduler().wait_event(s, std::move(event), std::forward<F>(f));
}
template <class F>
void signal_event(Stream s, Event event, F&& f) {
  scheduler().signal_event(s, std::move(event), std::forward<F>(f));
}
inline void check_error(Stream s) { scheduler().check_error(s); }
inline int n_active_tasks() { return scheduler().n_active_tasks(); }
inline void notify_new_task(const Stream& s) { scheduler().notify_new_task(s); }
inline void notify_task_completion(const Stream& s) { scheduler().notify_task_completion(s); }
inline void wait_for_one() { scheduler().wait_for_one(); }

}  // namespace olivine::scheduler
