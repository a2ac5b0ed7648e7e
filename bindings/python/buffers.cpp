// Memory shared with others: the buffer protocol in and out, NumPy's bfloat16, DLPack in and out.
#include <algorithm>
#include <cstring>

#include "convert.h"
#include "core/error.h"
#include "core/node.h"
#include "dlpack.h"
#include "olivine/ops/shape.h"
#include "recording.h"

namespace olivine::python {
namespace {

// ---- In: one description of foreign memory for both protocols.
struct Foreign {
  char* data;
  Dtype dtype;
  Shape shape;
  SmallVector<int64_t, 4> strides;  // in bytes
  bool read_only;
};

bool can_share(const Foreign& f) {
  auto size = static_cast<int64_t>(f.dtype.size());
  if (reinterpret_cast<uintptr_t>(f.data) % static_cast<uintptr_t>(size) != 0) return false;
  for (int64_t s : f.strides) {
    if (s % size != 0) return false;
  }
  return true;
}

// The bytes from the lowest to the end of the highest element, relative to the first.
std::pair<int64_t, int64_t> extent(const Foreign& f) {
  int64_t low = 0, high = static_cast<int64_t>(f.dtype.size());
  for (size_t i = 0; i < f.shape.size(); ++i) {
    if (f.shape[i] == 0) return {0, 0};
    int64_t reach = (f.shape[i] - 1) * f.strides[i];
    (reach < 0 ? low : high) += reach;
  }
  return {low, high};
}

array share_memory(const Foreign& f, void (*release)(void*), void* owner) {
  auto size = static_cast<int64_t>(f.dtype.size());
  auto [low, high] = extent(f);
  Strides strides(f.shape.size());
  for (size_t i = 0; i < strides.size(); ++i) strides[i] = f.strides[i] / size;
  BufferRef buffer = wrap_external(f.data + low, static_cast<size_t>(high - low), release, owner);
  return make_done(std::move(buffer), f.shape, std::move(strides), -low / size, f.dtype);
}

void copy_rows(char*& out, const char* in, const Foreign& f, size_t axis) {
  size_t size = f.dtype.size();
  if (axis == f.shape.size()) {
    std::memcpy(out, in, size);
    out += size;
    return;
  }
  bool dense = axis + 1 == f.shape.size() && f.strides[axis] == static_cast<int64_t>(size);
  if (dense) {
    size_t bytes = static_cast<size_t>(f.shape[axis]) * size;
    std::memcpy(out, in, bytes);
    out += bytes;
    return;
  }
  for (int64_t i = 0; i < f.shape[axis]; ++i) copy_rows(out, in + i * f.strides[axis], f, axis + 1);
}

array copy_memory(const Foreign& f) {
  auto bytes = static_cast<size_t>(element_count(f.shape)) * f.dtype.size();
  BufferRef buffer = allocate(bytes);
  if (bytes > 0) {
    char* out = static_cast<char*>(buffer->data);
    std::optional<nb::gil_scoped_release> unlocked;
    if (bytes > (1 << 20)) unlocked.emplace();
    copy_rows(out, f.data, f, 0);
  }
  return make_done(std::move(buffer), f.shape, f.dtype);
}

Dtype sized(char kind, Py_ssize_t size, const char* format) {
  using enum Dtype::Val;
  static constexpr Dtype::Val kUnsigned[] = {uint8, uint16, uint32, uint64};
  static constexpr Dtype::Val kSigned[] = {int8, int16, int32, int64};
  int log = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : -1;
  if (kind == 'u' && log >= 0) return Dtype(kUnsigned[log]);
  if (kind == 'i' && log >= 0) return Dtype(kSigned[log]);
  if (kind == 'f' && log >= 1) return log == 1 ? float16 : log == 2 ? float32 : float64;
  if (kind == 'c' && (size == 8 || size == 16)) return size == 8 ? complex64 : complex128;
  fail<TypeError>("[array] expected elements of a numeric dtype; got buffer format ", format);
}

Dtype format_dtype(const Py_buffer& view) {
  const char* format = view.format ? view.format : "B";
  std::string_view f = format;
  if (!f.empty() && std::string_view("@=<|").find(f[0]) != f.npos) f.remove_prefix(1);
  if (f == "?") return bool_;
  if (f == "Zf" || f == "Zd") return sized('c', view.itemsize, format);
  if (f.size() == 1) {
    if (std::string_view("BHILQN").find(f[0]) != f.npos) return sized('u', view.itemsize, format);
    if (std::string_view("bhilqn").find(f[0]) != f.npos) return sized('i', view.itemsize, format);
    if (std::string_view("efd").find(f[0]) != f.npos) return sized('f', view.itemsize, format);
  }
  return sized('?', view.itemsize, format);
}

struct HeldView {
  Py_buffer view{};
  ~HeldView() { PyBuffer_Release(&view); }
};

array from_view(std::unique_ptr<HeldView> held, std::optional<Dtype> dtype, bool copy) {
  const Py_buffer& view = held->view;
  Foreign f{static_cast<char*>(view.buf),
            dtype ? *dtype : format_dtype(view),
            {},
            {},
            view.readonly != 0};
  for (int i = 0; i < view.ndim; ++i) f.shape.push_back(view.shape[i]);
  // Some exporters (ctypes, NumPy's scalars) leave the strides out where they tell nothing.
  int64_t dense = view.itemsize;
  f.strides.resize(f.shape.size());
  for (int i = view.ndim; i-- > 0; dense *= view.shape[i]) {
    f.strides[i] = view.strides ? view.strides[i] : dense;
  }
  if (copy || !can_share(f)) return copy_memory(f);
  auto release = [](void* owner) {
    with_gil([](void* o) { delete static_cast<HeldView*>(o); }, owner);
  };
  array a = share_memory(f, release, held.get());
  held.release();
  return a;
}

// NumPy cannot export ml_dtypes.bfloat16, so that its bits are read as uint16.
nb::object bfloat16_bits(PyObject* o) {
  nb::object dtype = nb::steal(PyObject_GetAttrString(o, "dtype"));
  if (!dtype.is_valid()) return {};
  nb::object name = nb::steal(PyObject_GetAttrString(dtype.ptr(), "name"));
  if (!name.is_valid() || !PyUnicode_Check(name.ptr())) return {};
  if (PyUnicode_CompareWithASCIIString(name.ptr(), "bfloat16") != 0) return {};
  return nb::steal(PyObject_CallMethod(o, "view", "s", "uint16"));
}

}  // namespace

std::optional<array> from_buffer(PyObject* o, bool copy) {
  if (!PyObject_CheckBuffer(o)) return std::nullopt;
  Building noted;
  auto held = std::make_unique<HeldView>();
  std::optional<Dtype> dtype;
  if (PyObject_GetBuffer(o, &held->view, PyBUF_RECORDS_RO) != 0) {
    PyErr_Clear();
    nb::object bits = bfloat16_bits(o);
    if (!bits.is_valid()) {
      PyErr_Clear();
      nb::object text = nb::steal(PyObject_GetAttrString(o, "dtype"));
      if (!text.is_valid()) throw nb::python_error();
      fail<TypeError>("[array] expected elements of a numeric dtype; got ", nb::str(text).c_str());
    }
    dtype = bfloat16;
    if (PyObject_GetBuffer(bits.ptr(), &held->view, PyBUF_RECORDS_RO) != 0) {
      throw nb::python_error();
    }
  }
  return from_view(std::move(held), dtype, copy);
}

// ---- DLPack in.
namespace {

Dtype dlpack_dtype(dlpack::DataType t) {
  if (t.lanes == 1) {
    if (t.code == dlpack::kBool && t.bits == 8) return bool_;
    if (t.code == dlpack::kBfloat && t.bits == 16) return bfloat16;
    const char* kinds = "iuf??c";
    if (t.code <= 5) return sized(kinds[t.code], t.bits / 8, "of DLPack");
  }
  return sized('?', 0, "of DLPack");
}

Foreign describe(const dlpack::Tensor& t, bool read_only) {
  if (t.device.type != dlpack::kCpu) {
    fail<TypeError>("[from_dlpack] expected memory of the CPU (device type 1); got device type ",
                    t.device.type);
  }
  Foreign f{static_cast<char*>(t.data) + t.byte_offset, dlpack_dtype(t.dtype), {}, {}, read_only};
  auto size = static_cast<int64_t>(f.dtype.size());
  f.shape.assign(t.shape, t.shape + t.ndim);
  Strides elements = t.strides ? Strides(t.strides, t.strides + t.ndim) : row_major(f.shape);
  for (int64_t s : elements) f.strides.push_back(s * size);
  return f;
}

template <class Managed>
array take_capsule(PyObject* capsule, std::optional<bool> copy) {
  auto* managed =
      static_cast<Managed*>(PyCapsule_GetPointer(capsule, dlpack::capsule_name<Managed>));
  if (!managed) {
    PyErr_Clear();
    fail("[from_dlpack] expected a capsule named '", dlpack::capsule_name<Managed>,
         "' from __dlpack__, of which nobody has taken the array; got another ",
         Py_TYPE(capsule)->tp_name);
  }
  bool read_only = false;
  if constexpr (std::is_same_v<Managed, dlpack::ManagedVersioned>) {
    if (managed->version.major != 1) fail("[from_dlpack] expected DLPack 1; got another version");
    read_only = managed->flags & dlpack::kReadOnly;
  }
  Foreign f = describe(managed->tensor, read_only);
  if (copy.value_or(false) || !can_share(f)) {
    if (copy && !*copy) fail("[from_dlpack] expected aligned memory with copy=False; got other");
    return copy_memory(f);  // the capsule still owns the tensor and frees it
  }
  auto release = [](void* owner) {
    with_gil(
        [](void* o) {
          auto* m = static_cast<Managed*>(o);
          if (m->deleter) m->deleter(m);
        },
        owner);
  };
  array a = share_memory(f, release, managed);
  PyCapsule_SetName(capsule, dlpack::used_name<Managed>);
  return a;
}

}  // namespace

std::optional<array> from_dlpack(PyObject* o, std::optional<bool> copy) {
  nb::object method = nb::steal(PyObject_GetAttrString(o, "__dlpack__"));
  if (!method.is_valid()) {
    PyErr_Clear();
    return std::nullopt;
  }
  nb::object none = nb::steal(PyTuple_New(0));
  nb::object named = nb::steal(Py_BuildValue("{s:(ii)}", "max_version", 1, 0));
  nb::object capsule = nb::steal(PyObject_Call(method.ptr(), none.ptr(), named.ptr()));
  if (!capsule.is_valid() && PyErr_ExceptionMatches(PyExc_TypeError)) {
    PyErr_Clear();
    capsule = nb::steal(PyObject_CallNoArgs(method.ptr()));
  }
  if (!capsule.is_valid()) throw nb::python_error();
  if (PyCapsule_IsValid(capsule.ptr(), dlpack::capsule_name<dlpack::ManagedVersioned>)) {
    return take_capsule<dlpack::ManagedVersioned>(capsule.ptr(), copy);
  }
  return take_capsule<dlpack::Managed>(capsule.ptr(), copy);
}

// ---- Out.
namespace {

const char* buffer_format(Dtype t) {
  static constexpr const char* kFormats[] = {"?", "B", "H", "I", "Q", "b",  "h", "i",
                                             "q", "e", "",  "f", "d", "Zf", "Zd"};
  return kFormats[t.index()];
}

// Memory that came from elsewhere may be mapped read-only.
bool writable(const array& a) { return a.node()->buffer->release_external == nullptr; }

// What an exported view needs while it lives. Holding the buffer also keeps the core from writing
// other results over it.
struct Exported {
  array value;
  SmallVector<Py_ssize_t, 8> shape, strides;
};

bool accepts(const array& a, int flags) {
  bool strided = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
  bool row_order = (flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS;
  return (strided && !row_order) || a.is_row_contiguous();
}

void fill_view(Py_buffer* view, PyObject* self, int flags) {
  array a = value_of(self);
  if (a.dtype() == bfloat16) {
    PyErr_SetString(PyExc_BufferError, "[array] the buffer protocol has no bfloat16");
    throw nb::python_error();
  }
  if (a.ndim() > PyBUF_MAX_NDIM) {
    std::string text = message("[array] expected at most ", PyBUF_MAX_NDIM,
                               " axes for the buffer protocol; got ", a.ndim());
    PyErr_SetString(PyExc_BufferError, text.c_str());
    throw nb::python_error();
  }
  evaluate(a);
  if (!accepts(a, flags)) {
    a = contiguous(a);
    evaluate(a);
  }
  if ((flags & PyBUF_WRITABLE) && !writable(a)) {
    PyErr_SetString(PyExc_BufferError, "[array] this memory is read-only");
    throw nb::python_error();
  }
  auto size = static_cast<Py_ssize_t>(a.itemsize());
  auto exported = std::make_unique<Exported>(Exported{a, {}, {}});
  for (int i = 0; i < a.ndim(); ++i) {
    exported->shape.push_back(a.shape()[i]);
    exported->strides.push_back(a.strides()[i] * size);
  }
  *view = Py_buffer{};
  view->obj = Py_NewRef(self);
  view->buf = a.size() ? a.mutable_data() : exported.get();
  view->len = static_cast<Py_ssize_t>(a.nbytes());
  view->itemsize = size;
  view->readonly = !writable(a);
  view->ndim = a.ndim();
  bool formatted = flags & PyBUF_FORMAT;
  view->format = formatted ? const_cast<char*>(buffer_format(a.dtype())) : nullptr;
  view->shape = (flags & PyBUF_ND) ? exported->shape.data() : nullptr;
  bool strided = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
  view->strides = strided ? exported->strides.data() : nullptr;
  view->internal = exported.release();
}

}  // namespace

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  return guarded([&] {
    note_read(value_of(self), "the values of an array");
    fill_view(view, self, flags);
    return 0;
  });
}
void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<Exported*>(view->internal); }

namespace {

dlpack::DataType dlpack_type(Dtype t) {
  auto bits = static_cast<uint8_t>(8 * t.size());
  if (t == bool_) return {dlpack::kBool, 8, 1};
  if (t == bfloat16) return {dlpack::kBfloat, 16, 1};
  if (is_complexfloating(t)) return {5, bits, 1};
  return {static_cast<uint8_t>(is_floating(t) ? 2 : is_unsigned(t) ? 1 : 0), bits, 1};
}

template <class Managed>
struct Outgoing {
  Managed managed;
  array value;
  Shape shape;
  Strides strides;
};

template <class Managed>
PyObject* make_capsule(const array& a, bool copied) {
  auto out = std::make_unique<Outgoing<Managed>>(Outgoing<Managed>{{}, a, a.shape(), a.strides()});
  Managed& m = out->managed;
  m.tensor = {a.size() ? const_cast<void*>(a.data()) : nullptr,
              {dlpack::kCpu, 0},
              a.ndim(),
              dlpack_type(a.dtype()),
              out->shape.data(),
              out->strides.data(),
              0};
  m.context = out.get();
  m.deleter = [](Managed* self) { delete static_cast<Outgoing<Managed>*>(self->context); };
  if constexpr (std::is_same_v<Managed, dlpack::ManagedVersioned>) {
    m.version = {1, 0};
    m.flags = (writable(a) ? 0 : dlpack::kReadOnly) | (copied ? dlpack::kIsCopied : 0);
  }
  PyObject* capsule = PyCapsule_New(&m, dlpack::capsule_name<Managed>, [](PyObject* c) {
    if (!PyCapsule_IsValid(c, dlpack::capsule_name<Managed>)) return;  // somebody took it
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(c, dlpack::capsule_name<Managed>));
    managed->deleter(managed);
  });
  if (!capsule) throw nb::python_error();
  out.release();
  return capsule;
}

}  // namespace

PyObject* to_dlpack(array a, bool versioned, std::optional<bool> wanted) {
  evaluate(a);
  // The format allows negative strides, but most readers do not.
  bool reversed =
      std::any_of(a.strides().begin(), a.strides().end(), [](int64_t s) { return s < 0; });
  if (reversed && wanted == false) {
    PyErr_SetString(PyExc_BufferError,
                    "[__dlpack__] expected an array without reversed axes for copy=False");
    throw nb::python_error();
  }
  bool copy = wanted.value_or(reversed);
  if (copy) a = array(contiguous(a).data(), a.shape(), a.dtype());
  return versioned ? make_capsule<dlpack::ManagedVersioned>(a, copy)
                   : make_capsule<dlpack::Managed>(a, copy);
}

}  // namespace olivine::python
