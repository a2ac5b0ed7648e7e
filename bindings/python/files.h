// Paths and Python file objects as the core's byte sources and sinks.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "arguments.h"
#include "olivine/io.h"
#include "paths.h"

namespace olivine::python {

// Lets other Python threads run while files are read and written.
template <class F>
decltype(auto) without_gil(F&& f) {
  nb::gil_scoped_release release;
  return f();
}

// A Python object to read from: in place where it can seek, else all of it at once.
class FileObject {
 public:
  explicit FileObject(PyObject* file);
  const ByteSource& source() const { return source_; }
  // Leaves the file just behind byte `offset` of the source.
  void leave_at(uint64_t offset);

 private:
  bool seeks();
  void read_all();

  nb::object file_;
  nb::bytes data_;  // of a file that cannot seek
  int64_t start_ = 0;
  bool seekable_ = false;
  ByteSource source_;
};

// Writes to a path in one step, or to a file object. `write` runs without the GIL.
void write_to(PyObject* file, const char* extension, const char* op,
              const std::function<void(const ByteSink&)>& write);

}  // namespace olivine::python
