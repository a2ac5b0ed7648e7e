// A pool of threads for tasks of the user's own. Ops have theirs (parallel.h).
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <queue>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace olivine {

class ThreadPool {
 public:
  explicit ThreadPool(size_t threads) { start(threads); }
  // Returns once all tasks are done.
  ~ThreadPool() { stop(); }
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // The result of f(args...), or what it throws, as a future.
  template <class F, class... Args>
  auto enqueue(F&& f, Args&&... args) -> std::future<typename std::invoke_result_t<F, Args...>> {
    using Result = std::invoke_result_t<F, Args...>;
    auto task = std::make_shared<std::packaged_task<Result()>>(
        std::bind(std::forward<F>(f), std::forward<Args>(args)...));
    std::future<Result> result = task->get_future();
    {
      std::lock_guard lock(mutex_);
      if (stopping_)
        throw std::runtime_error("[ThreadPool] expected a running pool; got one that ends");
      tasks_.push([task] { (*task)(); });
    }
    changed_.notify_one();
    return result;
  }
  // Returns once all tasks are done; later ones run on so many threads.
  void resize(size_t threads) {
    if (threads == threads_.size()) return;
    stop();
    start(threads);
  }

 private:
  void start(size_t threads) {
    stopping_ = false;
    for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& t : threads_) t.join();
    threads_.clear();
  }
  void work() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop();
      }
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::queue<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace olivine
