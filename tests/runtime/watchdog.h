// Ends the test process when something hangs, and runs code in a forked child with a time limit.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace olivine::testing {

// Seconds allowed to code that may hang; sanitizers and busy machines are slow.
inline constexpr unsigned kPatience = 60;

// A child forked while other threads allocate or end can hang inside these two sanitizers.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kBusyForkHangs = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kBusyForkHangs = true;
#else
inline constexpr bool kBusyForkHangs = false;
#endif
#else
inline constexpr bool kBusyForkHangs = false;
#endif

// While one lives, SIGALRM ends the process after kPatience seconds.
struct Watchdog {
  Watchdog() { alarm(kPatience); }
  ~Watchdog() { alarm(0); }
};

// Exit status of a forked child that runs f, or -1 for a signal (a hang is one, by SIGALRM).
template <class F>
int status_in_child(F f) {
  fflush(nullptr);
  pid_t pid = fork();
  if (pid == 0) {
    signal(SIGALRM, SIG_DFL);
    alarm(kPatience);
    int code = 99;
    try {
      code = f();
    } catch (...) {
    }
    _exit(code);
  }
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid) return -2;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace olivine::testing
