// Adding up what a kernel takes as scratch memory by running it without data.
//
// While a meter lives on a thread, ScratchBytes have no memory there and are counted, products
// count what they would take, and kernels that may run so leave out whatever touches data: sizes
// come from the lines that allocate.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/thread_pool.h"

namespace olivine::cpu {

class ScratchMeter {
 public:
  ScratchMeter();
  ~ScratchMeter();
  ScratchMeter(const ScratchMeter&) = delete;
  ScratchMeter& operator=(const ScratchMeter&) = delete;

  // Bytes that were held at once at most, as the allocator counts them.
  int64_t most() const;

  [[gnu::always_inline]] static bool is_on() { return current_ != nullptr; }
  // That would share a loop here.
  static int64_t threads();
  // Memory that is held until it is given back, the last first; or for a moment.
  static void take(int64_t bytes);
  static void give_back();
  static void take_briefly(int64_t bytes);

  // As parallel_for; metered, the first task stands for all that run at once.
  template <class F>
  [[gnu::always_inline]] static void parallel(int64_t n, int64_t grain, F&& body) {
    if (!is_on()) return parallel_for(n, grain, body);
    if (n <= 0) return;
    if (n <= grain) return body(int64_t{0}, n);
    const Task task((n - 1) / grain + 1);
    body(int64_t{0}, grain);
  }

  // What needs data while a kernel is metered, as the tables of a transform.
  class Pause {
   public:
    Pause();
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    ScratchMeter* meter_;
  };

 private:
  // One of several tasks; what it took is taken for all that run at once.
  class Task {
   public:
    explicit Task(int64_t tasks);
    ~Task();
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

   private:
    int64_t at_once_, held_, most_;
    bool inside_;
  };

  static thread_local constinit ScratchMeter* current_;
  ScratchMeter* outer_;
  bool inside_ = false;  // a task of several
  int64_t held_ = 0, most_ = 0;
  std::vector<int64_t> sizes_;  // of what is held
};

}  // namespace olivine::cpu
