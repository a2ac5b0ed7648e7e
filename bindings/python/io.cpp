// load and save: the formats' functions on paths and Python file objects.
#include <nanobind/stl/string.h>

#include "convert.h"
#include "files.h"
#include "npz.h"

namespace olivine::python::hand {
namespace {

nb::dict to_dict(const NamedArrays& arrays) {
  nb::dict d;
  for (auto& [name, a] : arrays) d[nb::str(name.data(), name.size())] = nb::steal(to_python(a));
  return d;
}

// Calls `load` with a path, without the GIL, or with a source over a file object.
template <class Load>
auto load_from(PyObject* file, Load load) {
  if (is_path(file)) {
    std::string path = path_of(file);
    return without_gil([&] { return load(path); });
  }
  return load(FileObject(file).source());
}

PyObject* with_metadata(nb::dict arrays, nb::dict metadata, bool wanted) {
  if (!wanted) return arrays.release().ptr();
  return nb::make_tuple(arrays, metadata).release().ptr();
}

PyObject* load_safetensors_from(PyObject* file, bool return_metadata) {
  auto loaded = load_from(file, [](const auto& from) { return load_safetensors(from); });
  nb::dict metadata;
  for (auto& [key, value] : loaded.second) {
    metadata[nb::str(key.data(), key.size())] = nb::str(value.data(), value.size());
  }
  return with_metadata(to_dict(loaded.first), metadata, return_metadata);
}

// GGUF's text is UTF-8, but files of odd vocabularies exist; their bytes survive a round trip.
nb::object text(const std::string& s) {
  return nb::steal(
      PyUnicode_DecodeUTF8(s.data(), static_cast<Py_ssize_t>(s.size()), "surrogateescape"));
}
std::string bytes_of_text(PyObject* s) {
  nb::object bytes = nb::steal(PyUnicode_AsEncodedString(s, "utf-8", "surrogateescape"));
  if (!bytes.is_valid()) throw nb::python_error();
  return {PyBytes_AS_STRING(bytes.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(bytes.ptr()))};
}

nb::object to_object(const GGUFMetaData& v) {
  if (auto* s = std::get_if<std::string>(&v)) return text(*s);
  if (auto* a = std::get_if<array>(&v)) return nb::steal(to_python(*a));
  nb::list strings;
  for (const std::string& s : std::get<std::vector<std::string>>(v)) strings.append(text(s));
  return strings;
}

PyObject* load_gguf_from(PyObject* file, bool return_metadata, bool keep_packed) {
  GGUFPacking packing = keep_packed ? GGUFPacking::lossless : GGUFPacking::mlx;
  GGUFLoad loaded = load_from(file, [&](const auto& from) { return load_gguf(from, packing); });
  nb::dict metadata;
  if (return_metadata) {
    for (auto& [key, value] : loaded.second) {
      metadata[nb::str(key.data(), key.size())] = to_object(value);
    }
  }
  return with_metadata(to_dict(loaded.first), metadata, return_metadata);
}

PyObject* load_npy_from(PyObject* file) {
  if (is_path(file)) {
    std::string path = path_of(file);
    return to_python(without_gil([&] { return olivine::load(path); }));
  }
  FileObject object(file);  // more arrays may follow in it
  uint64_t end = 0;
  array a = load_npy(object.source(), &end);
  object.leave_at(end);
  return to_python(a);
}

// The format that is asked for, or the extension of the name.
std::string format_of(Arguments& in) {
  if (!in.none(1)) return in.string(1);
  PyObject* file = in.raw(0);
  std::string name;
  if (is_path(file)) {
    name = path_of(file);
  } else if (PyObject_HasAttrString(file, "name")) {
    name = text_of(nb::str(nb::object(nb::handle(file).attr("name"))));
  }
  name = name.substr(name.rfind('/') + 1);
  size_t dot = name.rfind('.');
  return dot == std::string::npos ? "" : name.substr(dot + 1);
}

NamedArrays named_arrays(Arguments& in, int i) {
  if (!PyDict_Check(in.raw(i))) in.mismatch(i, "a dict of arrays");
  NamedArrays arrays;
  for (auto [key, value] : nb::borrow<nb::dict>(in.raw(i))) {
    if (!PyUnicode_Check(key.ptr()) || !is_array(value.ptr())) {
      in.mismatch(i, "a dict from str to array");
    }
    arrays.emplace(text_of(key), value_of(value.ptr()));
  }
  std::vector<array> all;
  for (auto& [name, a] : arrays) all.push_back(a);
  evaluate(all);
  return arrays;
}

bool is_text_list(PyObject* o) {
  if (!PyList_Check(o) && !PyTuple_Check(o)) return false;
  for (nb::handle item : nb::handle(o)) {
    if (!PyUnicode_Check(item.ptr())) return false;
  }
  return true;
}

// Numbers and lists of numbers become what array() makes of them.
GGUFMetaData to_metadata(const std::string& key, PyObject* o) {
  if (PyUnicode_Check(o)) return bytes_of_text(o);
  if (is_array(o)) return value_of(o);
  if (is_text_list(o)) {
    std::vector<std::string> strings;
    for (nb::handle item : nb::handle(o)) strings.push_back(bytes_of_text(item.ptr()));
    return strings;
  }
  if (!PyBool_Check(o) && !PyLong_Check(o) && !PyFloat_Check(o) && !PyList_Check(o) &&
      !PyTuple_Check(o)) {
    fail<TypeError>("[save_gguf] metadata '", key,
                    "': expected an array, str, number or list; got ", Py_TYPE(o)->tp_name);
  }
  return from_object(o, std::nullopt);
}

}  // namespace

PyObject* load(Arguments& in) {
  Building noted;
  PyObject* file = in.raw(0);
  if (!is_path(file) && !PyObject_HasAttrString(file, "read")) {
    in.mismatch(0, "a path or a file object");
  }
  std::string format = format_of(in);
  bool metadata = in.boolean(2), keep_packed = in.boolean(3);
  if (metadata && (format == "npy" || format == "npz")) {
    fail("[load] expected a safetensors or GGUF file for its metadata; got format '", format, "'");
  }
  if (format == "safetensors") return load_safetensors_from(file, metadata);
  if (format == "gguf") return load_gguf_from(file, metadata, keep_packed);
  if (format == "npy") return load_npy_from(file);
  if (format == "npz") return load_npz(file);
  fail("[load] expected format 'gguf', 'npy', 'npz' or 'safetensors'; got '", format, "'");
}

PyObject* save(Arguments& in) {
  Building noted;
  array a = in.ref(1);
  evaluate(a);
  write_to(in.raw(0), ".npy", "save", [&](const ByteSink& sink) { write_npy(sink, a); });
  Py_RETURN_NONE;
}

PyObject* savez(Arguments& in) {
  Building noted;
  return save_npz(in, 0);
}
PyObject* savez_compressed(Arguments& in) {
  Building noted;
  return save_npz(in, 8);
}

PyObject* save_safetensors(Arguments& in) {
  Building noted;
  NamedArrays arrays = named_arrays(in, 1);
  Metadata metadata;
  if (!in.none(2)) {
    if (!PyDict_Check(in.raw(2))) in.mismatch(2, "a dict from str to str");
    for (auto [key, value] : nb::borrow<nb::dict>(in.raw(2))) {
      if (!PyUnicode_Check(key.ptr()) || !PyUnicode_Check(value.ptr())) {
        in.mismatch(2, "a dict from str to str");
      }
      metadata[text_of(key)] = text_of(value);
    }
  }
  write_to(in.raw(0), ".safetensors", "save_safetensors",
           [&](const ByteSink& sink) { write_safetensors(sink, arrays, metadata); });
  Py_RETURN_NONE;
}

PyObject* save_gguf(Arguments& in) {
  Building noted;
  NamedArrays arrays = named_arrays(in, 1);
  GGUFMetadataMap metadata;
  if (!in.none(2)) {
    if (!PyDict_Check(in.raw(2))) in.mismatch(2, "a dict with str keys");
    for (auto [key, value] : nb::borrow<nb::dict>(in.raw(2))) {
      if (!PyUnicode_Check(key.ptr())) in.mismatch(2, "a dict with str keys");
      std::string name = text_of(key);
      metadata.emplace(name, to_metadata(name, value.ptr()));
    }
  }
  write_to(in.raw(0), ".gguf", "save_gguf",
           [&](const ByteSink& sink) { write_gguf(sink, arrays, metadata); });
  Py_RETURN_NONE;
}

}  // namespace olivine::python::hand
