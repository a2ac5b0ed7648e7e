// NumPy's npz archives, through Python's zipfile: npy files in a zip, stored or deflated.
//
// zipfile knows zip64, checks sums and is safe on malformed input; arrays stream through it, so
// that no second copy of them is made.
#include "npz.h"

#include <nanobind/stl/string.h>

#include <memory>

#include "files.h"
#include "io/utf8.h"

namespace olivine::python {
namespace {

constexpr size_t kPiece = 1 << 20;  // bytes handed to zipfile at a time

// A member of an archive as a source that is read from start to end.
ByteSource member_source(nb::handle zip, nb::handle info, const std::string& name) {
  nb::object stream = zip.attr("open")(info);
  uint64_t size = nb::cast<uint64_t>(info.attr("file_size"));
  return {
      size, name, [stream, name, at = uint64_t{0}](uint64_t offset, void* out, size_t n) mutable {
        if (offset != at) stream.attr("seek")(offset);
        char* p = static_cast<char*>(out);
        at = offset + n;
        for (size_t done = 0; done < n;) {
          nb::object view = nb::steal(
              PyMemoryView_FromMemory(p + done, static_cast<Py_ssize_t>(n - done), PyBUF_WRITE));
          size_t got = nb::cast<size_t>(stream.attr("readinto")(view));
          if (got == 0) fail_in_file("[load] ", name, ": the data ends early");
          done += got;
        }
      }};
}

nb::dict read_archive(nb::handle file, const std::string& path) {
  nb::object zip = nb::module_::import_("zipfile").attr("ZipFile")(file);
  nb::dict arrays;
  for (nb::handle info : nb::object(zip.attr("infolist")())) {
    std::string name = nb::cast<std::string>(info.attr("filename"));
    ByteSource source = member_source(zip, info, path + ": '" + name + "'");
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    nb::str key(name.data(), name.size());
    if (arrays.contains(key)) {
      fail_in_file("[load] ", path, ": expected distinct names; got '", name, "' twice");
    }
    arrays[key] = nb::steal(to_python(load_npy(source)));
  }
  zip.attr("close")();
  return arrays;
}

// Whether the exception says that the archive is malformed, rather than that the caller erred or
// the system failed: what zipfile and the decompressors raise, bz2 an OSError without a number.
bool is_malformed(nb::python_error& e) {
  if (e.matches(PyExc_OSError)) return nb::object(e.value().attr("errno")).is_none();
  for (PyObject* kind : {PyExc_EOFError, PyExc_NotImplementedError, PyExc_RuntimeError,
                         PyExc_ValueError, PyExc_OverflowError, PyExc_LookupError}) {
    if (e.matches(kind)) return true;
  }
  std::string name = nb::cast<std::string>(nb::str(nb::object(e.type().attr("__name__"))));
  return name == "BadZipFile" || name == "LZMAError" || name == "error";  // zlib's and struct's
}

// An object with write() and flush() over a sink, for zipfile. An archive that fails half way is
// closed when it is collected, after the sink; what it writes then goes nowhere.
class Stream {
 public:
  explicit Stream(const ByteSink& sink) : sink_(std::make_shared<const ByteSink*>(&sink)) {
    nb::dict members;
    members["write"] = nb::cpp_function([sink = sink_](nb::handle data) {
      Py_buffer view;
      if (PyObject_GetBuffer(data.ptr(), &view, PyBUF_SIMPLE) != 0) throw nb::python_error();
      std::unique_ptr<Py_buffer, void (*)(Py_buffer*)> release(&view, PyBuffer_Release);
      if (*sink) without_gil([&] { (**sink)(view.buf, static_cast<size_t>(view.len)); });
      return static_cast<int64_t>(view.len);
    });
    members["flush"] = nb::cpp_function([] {});
    object_ = nb::module_::import_("types").attr("SimpleNamespace")(**members);
  }
  Stream(const Stream&) = delete;
  ~Stream() { *sink_ = nullptr; }
  nb::handle object() const { return object_; }

 private:
  std::shared_ptr<const ByteSink*> sink_;
  nb::object object_;
};

using Members = std::vector<std::pair<std::string, array>>;

Members members_of(Arguments& in) {
  Members members;
  auto add = [&](const std::string& name, nb::handle value) {
    if (!is_array(value.ptr())) {
      fail<TypeError>("[savez] expected arrays; got ", Py_TYPE(value.ptr())->tp_name, " for ",
                      name);
    }
    members.emplace_back(name, value_of(value.ptr()));
  };
  nb::dict named = in.keywords() ? nb::borrow<nb::dict>(in.keywords()) : nb::dict();
  size_t i = 0;
  for (nb::handle value : nb::handle(in.raw(1))) {
    std::string name = "arr_" + std::to_string(i++);
    if (named.contains(name.c_str())) fail("[savez] expected distinct names; got ", name, " twice");
    add(name, value);
  }
  for (auto item : named) add(text_of(item.first), item.second);
  return members;
}

void write_archive(const ByteSink& sink, const Members& members, int compression) {
  nb::gil_scoped_acquire gil;
  Stream stream(sink);
  nb::object zip =
      nb::module_::import_("zipfile").attr("ZipFile")(stream.object(), "w", compression);
  for (auto& [name, a] : members) {
    nb::object out = zip.attr("open")(name + ".npy", "w", nb::arg("force_zip64") = true);
    write_npy(
        [&](const void* data, size_t size) {
          auto* p = static_cast<char*>(const_cast<void*>(data));
          for (size_t at = 0; at < size; at += kPiece) {
            size_t n = std::min(kPiece, size - at);
            out.attr("write")(
                nb::steal(PyMemoryView_FromMemory(p + at, static_cast<Py_ssize_t>(n), PyBUF_READ)));
          }
        },
        a);
    out.attr("close")();
  }
  zip.attr("close")();
}

}  // namespace

PyObject* load_npz(PyObject* file) {
  std::string name = is_path(file) ? path_of(file) : "file object";
  try {
    nb::object opened = nb::borrow(file);
    if (is_path(file)) {
      opened = nb::steal(PyUnicode_DecodeFSDefaultAndSize(name.data(), Py_ssize_t(name.size())));
    } else if (!PyObject_HasAttrString(file, "seek")) {
      opened = nb::module_::import_("io").attr("BytesIO")(opened.attr("read")());
    }
    return read_archive(opened, name).release().ptr();
  } catch (nb::python_error& e) {
    if (!is_malformed(e)) throw;
    std::string why = text_of(nb::str(e.value()));
    if (why.empty()) why = "expected a whole archive; got one that ends early";  // EOFError's
    fail_in_file("[load] ", name, ": ", why);
  }
}

PyObject* save_npz(Arguments& in, int compression) {
  Members members = members_of(in);
  std::vector<array> all;
  for (auto& [name, a] : members) all.push_back(a);
  evaluate(all);
  write_to(in.raw(0), ".npz", "savez",
           [&](const ByteSink& sink) { write_archive(sink, members, compression); });
  Py_RETURN_NONE;
}

}  // namespace olivine::python
