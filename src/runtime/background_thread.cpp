// Starts detached threads that take no signals.
#include "runtime/background_thread.h"

#include <pthread.h>
#include <signal.h>

#include <memory>
#include <new>

#include "runtime/interrupt.h"

namespace olivine {
namespace {

struct Start {
  void (*fn)(void*);
  void* arg;
  char name[16];
};

void* run(void* raw) {
  std::unique_ptr<Start> start(static_cast<Start*>(raw));
  pthread_setname_np(pthread_self(), start->name);
  Uninterruptible quiet;
  start->fn(start->arg);
  return nullptr;
}

}  // namespace

bool start_background_thread(const char* name, void (*fn)(void*), void* arg) {
  std::unique_ptr<Start> start(new (std::nothrow) Start{fn, arg, {}});
  if (!start) return false;
  for (int i = 0; i < 15 && name[i]; ++i) start->name[i] = name[i];
  // The new thread inherits the mask. Fault signals stay open, or a crash would pass handlers by.
  sigset_t blocked, before;
  sigfillset(&blocked);
  for (int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) sigdelset(&blocked, s);
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  pthread_t thread;
  int rc = pthread_create(&thread, nullptr, run, start.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (rc != 0) return false;
  start.release();
  pthread_detach(thread);
  return true;
}

}  // namespace olivine
