// Errors: one type per kind of fault, one helper that builds the message.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "olivine/dtype.h"
#include "olivine/export.h"
#include "olivine/shape.h"

namespace olivine {

// Python sees: invalid_argument -> ValueError, out_of_range -> IndexError, TypeError, MemoryError,
// KeyboardInterrupt, everything else -> RuntimeError.
struct OLIVINE_API TypeError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};
struct OLIVINE_API OutOfMemory : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// A pending signal stopped an evaluation; what was finished is kept, the rest is still lazy.
struct OLIVINE_API Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

OLIVINE_API std::ostream& operator<<(std::ostream& os, const Shape& shape);
OLIVINE_API std::ostream& operator<<(std::ostream& os, Dtype t);

// message("[op] expected ", x, "; got ", y)
template <class... Args>
std::string message(const Args&... args) {
  std::ostringstream os;
  (os << ... << args);
  return os.str();
}
template <class Error = std::invalid_argument, class... Args>
[[noreturn]] void fail(const Args&... args) {
  throw Error(message(args...));
}

}  // namespace olivine
