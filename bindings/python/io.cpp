// load and save: paths and Python file objects as the core's byte sources and sinks.
#include <nanobind/stl/string.h>

#include "arguments.h"
#include "olivine/io.h"
#include "paths.h"

namespace olivine::python::hand {
namespace {

// Lets other Python threads run while files are read and written.
template <class F>
decltype(auto) without_gil(F&& f) {
  nb::gil_scoped_release release;
  return f();
}

bool ends_with(const std::string& s, std::string_view end) {
  return s.size() >= end.size() && s.compare(s.size() - end.size(), end.size(), end) == 0;
}

std::string with_extension(std::string path, const char* extension) {
  return ends_with(path, extension) ? path : path + extension;
}

// All that a file object still has, as a source over its bytes.
ByteSource source_of(const nb::bytes& data) {
  const char* p = data.c_str();
  return {data.size(), "file object",
          [p](uint64_t offset, void* out, size_t size) { std::memcpy(out, p + offset, size); }};
}

nb::bytes read_all(nb::handle file) {
  nb::object data = file.attr("read")();
  if (!PyBytes_Check(data.ptr())) fail<TypeError>("[load] expected a file open for bytes");
  return nb::borrow<nb::bytes>(data);
}

ByteSink sink_of(nb::handle file) {
  return [file](const void* data, size_t size) {
    nb::object view =
        nb::steal(PyMemoryView_FromMemory(const_cast<char*>(static_cast<const char*>(data)),
                                          static_cast<Py_ssize_t>(size), PyBUF_READ));
    file.attr("write")(view);
  };
}

// Writes to a path in one step, or to a file object.
void write_to(PyObject* file, const char* extension, const char* op,
              const std::function<void(const ByteSink&)>& write) {
  if (is_path(file)) {
    std::string path = with_extension(path_of(file), extension);
    without_gil([&] { save_atomically(path, write); });
  } else if (PyObject_HasAttrString(file, "write")) {
    write(sink_of(file));
  } else {
    fail<TypeError>("[", op, "] expected a path or a file object; got ", Py_TYPE(file)->tp_name);
  }
}

nb::dict to_dict(const NamedArrays& arrays) {
  nb::dict d;
  for (auto& [name, a] : arrays) d[name.c_str()] = nb::steal(to_python(a));
  return d;
}

PyObject* load_safetensors_from(PyObject* file, bool return_metadata) {
  std::pair<NamedArrays, Metadata> loaded;
  if (is_path(file)) {
    std::string path = path_of(file);
    loaded = without_gil([&] { return load_safetensors(path); });
  } else {
    nb::bytes data = read_all(file);
    loaded = load_safetensors(source_of(data));
  }
  nb::dict arrays = to_dict(loaded.first);
  if (!return_metadata) return arrays.release().ptr();
  nb::dict metadata;
  for (auto& [key, value] : loaded.second) metadata[key.c_str()] = value;
  return nb::make_tuple(arrays, metadata).release().ptr();
}

PyObject* load_npy_from(PyObject* file) {
  if (is_path(file)) {
    std::string path = path_of(file);
    return to_python(without_gil([&] { return olivine::load(path); }));
  }
  nb::bytes data = read_all(file);
  return to_python(load_npy(source_of(data)));
}

PyObject* read_archive(PyObject* file) {
  nb::object zip = nb::module_::import_("zipfile").attr("ZipFile")(nb::handle(file));
  nb::dict arrays;
  for (nb::handle member : zip.attr("namelist")()) {
    std::string name = nb::cast<std::string>(member);
    nb::bytes data = nb::borrow<nb::bytes>(zip.attr("read")(member));
    if (ends_with(name, ".npy")) name.resize(name.size() - 4);
    arrays[name.c_str()] = nb::steal(to_python(load_npy(source_of(data))));
  }
  zip.attr("close")();
  return arrays.release().ptr();
}

// What zipfile finds wrong is one RuntimeError, like other malformed files.
PyObject* load_npz_from(PyObject* file) {
  try {
    return read_archive(file);
  } catch (nb::python_error& e) {
    if (!e.matches(nb::module_::import_("zipfile").attr("BadZipFile")) &&
        !e.matches(PyExc_EOFError) && !e.matches(PyExc_NotImplementedError) &&
        !e.matches(nb::module_::import_("zlib").attr("error"))) {
      throw;
    }
    std::string what = nb::cast<std::string>(nb::str(e.value()));
    fail<std::runtime_error>("[load] ", nb::cast<std::string>(nb::str(nb::handle(file))), ": ",
                             what);
  }
}

std::string format_of(Arguments& in) {
  if (!in.none(1)) return in.string(1);
  PyObject* file = in.raw(0);
  std::string name;
  if (is_path(file)) {
    name = path_of(file);
  } else if (PyObject_HasAttrString(file, "name")) {
    name = nb::cast<std::string>(nb::str(nb::handle(file).attr("name")));
  }
  size_t dot = name.rfind('.');
  return dot == std::string::npos ? name : name.substr(dot + 1);
}

// The arrays of savez as an npz archive.
nb::bytes archive(Arguments& in, int compression) {
  nb::object io = nb::module_::import_("io"), zipfile = nb::module_::import_("zipfile");
  nb::object out = io.attr("BytesIO")();
  nb::object zip = zipfile.attr("ZipFile")(out, "w", compression);
  auto add = [&](const std::string& name, nb::handle value) {
    if (!is_array(value.ptr()))
      fail<TypeError>("[savez] expected arrays; got another type for ", name);
    std::string bytes;
    write_npy([&](const void* p, size_t n) { bytes.append(static_cast<const char*>(p), n); },
              value_of(value.ptr()));
    zip.attr("writestr")(name + ".npy", nb::bytes(bytes.data(), bytes.size()));
  };
  size_t i = 0;
  nb::dict named = in.keywords() ? nb::borrow<nb::dict>(in.keywords()) : nb::dict();
  for (nb::handle value : nb::handle(in.raw(1))) {
    std::string name = "arr_" + std::to_string(i++);
    if (named.contains(name.c_str())) fail("[savez] expected distinct names; got ", name, " twice");
    add(name, value);
  }
  for (auto item : named) add(nb::cast<std::string>(item.first), item.second);
  zip.attr("close")();
  return nb::borrow<nb::bytes>(out.attr("getvalue")());
}

PyObject* save_archive(Arguments& in, int compression) {
  nb::bytes data = archive(in, compression);
  const char* p = data.c_str();
  size_t n = data.size();
  write_to(in.raw(0), ".npz", "savez", [&](const ByteSink& sink) { sink(p, n); });
  Py_RETURN_NONE;
}

}  // namespace

PyObject* load(Arguments& in) {
  PyObject* file = in.raw(0);
  if (!is_path(file) && !PyObject_HasAttrString(file, "read")) {
    in.mismatch(0, "a path or a file object");
  }
  std::string format = format_of(in);
  bool metadata = in.boolean(2);
  if (metadata && format != "safetensors") {
    fail("[load] expected a safetensors file for its metadata; got format '", format, "'");
  }
  if (format == "safetensors") return load_safetensors_from(file, metadata);
  if (format == "npy") return load_npy_from(file);
  if (format == "npz") return load_npz_from(file);
  fail("[load] expected format 'npy', 'npz' or 'safetensors'; got '", format, "'");
}

PyObject* save(Arguments& in) {
  array a = in.ref(1);
  evaluate(a);
  write_to(in.raw(0), ".npy", "save", [&](const ByteSink& sink) { write_npy(sink, a); });
  Py_RETURN_NONE;
}

PyObject* savez(Arguments& in) { return save_archive(in, 0); }
PyObject* savez_compressed(Arguments& in) { return save_archive(in, 8); }

PyObject* save_safetensors(Arguments& in) {
  if (!PyDict_Check(in.raw(1))) in.mismatch(1, "a dict of arrays");
  NamedArrays arrays;
  for (auto [key, value] : nb::borrow<nb::dict>(in.raw(1))) {
    if (!PyUnicode_Check(key.ptr()) || !is_array(value.ptr())) {
      in.mismatch(1, "a dict from str to array");
    }
    arrays.emplace(nb::cast<std::string>(key), value_of(value.ptr()));
  }
  Metadata metadata;
  if (!in.none(2)) {
    if (!PyDict_Check(in.raw(2))) in.mismatch(2, "a dict from str to str");
    for (auto [key, value] : nb::borrow<nb::dict>(in.raw(2))) {
      if (!PyUnicode_Check(key.ptr()) || !PyUnicode_Check(value.ptr())) {
        in.mismatch(2, "a dict from str to str");
      }
      metadata[nb::cast<std::string>(key)] = nb::cast<std::string>(value);
    }
  }
  std::vector<array> all;
  for (auto& [name, a] : arrays) all.push_back(a);
  evaluate(all);
  write_to(in.raw(0), ".safetensors", "save_safetensors",
           [&](const ByteSink& sink) { write_safetensors(sink, arrays, metadata); });
  Py_RETURN_NONE;
}

}  // namespace olivine::python::hand
