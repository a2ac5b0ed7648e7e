// The C API of errors, strings and the version.
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <mutex>

#include "handles.h"
#include "olivine/version.h"

namespace olivine::c {
namespace {

thread_local std::string last_error;
thread_local uint64_t error_count = 0;

struct ErrorHandler {
  olivine_error_handler_func call;
  void* data;
  void (*dtor)(void*);

  ~ErrorHandler() {
    if (dtor) dtor(data);
  }
};
// The program's handler, which lives on while a thread is in it. Both are never destroyed: threads
// may report errors until the process ends.
std::mutex& handler_mutex = *new std::mutex;
std::shared_ptr<ErrorHandler>& handler = *new std::shared_ptr<ErrorHandler>;

// Makes a message the last one of this thread.
void keep_error(std::string_view message) noexcept {
  ++error_count;
  try {
    last_error = message;
  } catch (...) {  // no memory left for the message: the one before stays
  }
}

}  // namespace

void report_error(std::string_view message) noexcept {
  keep_error(message);
  try {
    std::unique_lock lock(handler_mutex);
    std::shared_ptr<ErrorHandler> h = handler;
    lock.unlock();
    if (h && h->call) h->call(last_error.c_str(), h->data);
  } catch (...) {  // no lock to be had: the message is kept all the same
  }
}
int report_error() noexcept {
  try {
    throw;
  } catch (const ReportedError& e) {
    keep_error(e.what());
  } catch (const std::exception& e) {
    report_error(e.what());
  } catch (...) {
    report_error("unknown error");
  }
  return 1;
}
uint64_t errors_reported() { return error_count; }

}  // namespace olivine::c

using namespace olivine;
using c::get;
using c::guarded;
using c::made;

const char* olivine_last_error(void) { return c::last_error.c_str(); }
void olivine_set_error_handler(olivine_error_handler_func call, void* data, void (*dtor)(void*)) {
  guarded([&] {
    auto fresh = std::make_shared<c::ErrorHandler>(call, data, dtor);
    std::lock_guard lock(c::handler_mutex);
    c::handler.swap(fresh);
  });
}
void _olivine_error(const char* file, const int line, const char* fmt, ...) {
  char text[2048];
  va_list values;
  va_start(values, fmt);
  std::vsnprintf(text, sizeof text, fmt ? fmt : "", values);
  va_end(values);
  guarded([&] { c::report_error(message(text, " (", c::text(file), ":", line, ")")); });
}

olivine_string olivine_string_new(void) {
  return made<olivine_string>([] { return new std::string(); });
}
olivine_string olivine_string_new_data(const char* str) {
  return made<olivine_string>([&] { return new std::string(c::name(str, "string")); });
}
int olivine_string_set(olivine_string* str, const olivine_string src) {
  return guarded([&] { c::set(str, get(src)); });
}
const char* olivine_string_data(olivine_string str) { return get(str).c_str(); }
int olivine_string_free(olivine_string str) { return c::release(str); }
int olivine_version(olivine_string* str) {
  return guarded([&] { c::set(str, OLIVINE_VERSION); });
}
