// Paths and Python file objects as the core's byte sources and sinks.
#include "files.h"

#include <sys/stat.h>

#include <cstring>
#include <filesystem>

namespace olivine::python {
namespace {

nb::object view_of(const void* data, size_t size, int flags) {
  return nb::steal(PyMemoryView_FromMemory(const_cast<char*>(static_cast<const char*>(data)),
                                           static_cast<Py_ssize_t>(size), flags));
}

nb::bytes bytes_of(nb::object data) {
  if (!PyBytes_Check(data.ptr())) {
    fail<TypeError>("[load] expected a file that gives bytes; got ", Py_TYPE(data.ptr())->tp_name);
  }
  return nb::borrow<nb::bytes>(data);
}

// Fills `out` from where the file is; returns how much there was.
size_t read_into(nb::handle file, char* out, size_t size) {
  bool in_place = PyObject_HasAttrString(file.ptr(), "readinto");
  size_t done = 0;
  while (done < size) {
    size_t n = 0;
    if (in_place) {
      nb::object count = file.attr("readinto")(view_of(out + done, size - done, PyBUF_WRITE));
      if (!PyLong_Check(count.ptr()))
        fail<std::runtime_error>("[load] the file object gave no data");
      n = nb::cast<size_t>(count);
    } else {
      nb::bytes data = bytes_of(file.attr("read")(size - done));
      n = std::min(data.size(), size - done);
      std::memcpy(out + done, data.c_str(), n);
    }
    if (n == 0 || n > size - done) break;
    done += n;
  }
  return done;
}

int64_t position(nb::handle file) {
  if (PyObject_HasAttrString(file.ptr(), "tell")) return nb::cast<int64_t>(file.attr("tell")());
  return nb::cast<int64_t>(file.attr("seek")(0, 1));
}

ByteSink sink_of(nb::handle file) {
  return [file](const void* data, size_t size) {
    nb::gil_scoped_acquire gil;
    const char* p = static_cast<const char*>(data);
    while (size > 0) {  // raw files may take a part only
      nb::object count = file.attr("write")(view_of(p, size, PyBUF_READ));
      size_t n = size;
      if (PyLong_Check(count.ptr())) n = nb::cast<size_t>(count);
      if (n == 0 || n > size) fail<std::runtime_error>("[save] the file object took ", n, " bytes");
      p += n;
      size -= n;
    }
  };
}

// The extension is added unless there; what exists and is no plain file (/dev/null) keeps its name.
std::string with_extension(std::string path, const char* extension) {
  struct stat st;
  if (path.ends_with(extension)) return path;
  if (::stat(path.c_str(), &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) return path;
  return path + extension;
}

}  // namespace

FileObject::FileObject(PyObject* file) : file_(nb::borrow(file)) {
  source_.name = "file object";
  seekable_ = seeks();
  if (!seekable_) {
    read_all();
    return;
  }
  file_.attr("seek")(0, 2);
  int64_t end = position(file_);
  source_.size = end > start_ ? static_cast<uint64_t>(end - start_) : 0;
  source_.read = [this](uint64_t offset, void* out, size_t size) {
    file_.attr("seek")(start_ + static_cast<int64_t>(offset));
    if (read_into(file_, static_cast<char*>(out), size) != size) {
      fail<std::runtime_error>("[load] file object: the file became shorter");
    }
  };
}

bool FileObject::seeks() {
  if (!PyObject_HasAttrString(file_.ptr(), "seek")) return false;
  try {
    if (PyObject_HasAttrString(file_.ptr(), "seekable") &&
        PyObject_IsTrue(nb::object(file_.attr("seekable")()).ptr()) != 1) {
      return false;
    }
    start_ = position(file_);
    return true;
  } catch (nb::python_error& e) {
    if (!e.matches(PyExc_OSError)) throw;  // pipes refuse with one
  } catch (nb::cast_error&) {              // seek without a result, and no tell
  }
  return false;
}

void FileObject::read_all() {
  data_ = bytes_of(file_.attr("read")());
  const char* p = data_.c_str();
  source_.size = data_.size();
  source_.read = [p](uint64_t offset, void* out, size_t size) {
    std::memcpy(out, p + offset, size);
  };
}

void FileObject::leave_at(uint64_t offset) {
  if (seekable_) file_.attr("seek")(start_ + static_cast<int64_t>(offset));
}

void write_to(PyObject* file, const char* extension, const char* op,
              const std::function<void(const ByteSink&)>& write) {
  if (is_path(file)) {
    std::string path = with_extension(path_of(file), extension);
    without_gil([&] { save_atomically(path, write); });
  } else if (PyObject_HasAttrString(file, "write")) {
    without_gil([&] { write(sink_of(file)); });
  } else {
    fail<TypeError>("[", op, "] expected a path or a file object; got ", Py_TYPE(file)->tp_name);
  }
}

}  // namespace olivine::python
