// The C API of arrays, vectors, strings and errors.
#include <cstring>
#include <memory>

#include "core/node.h"
#include "core/size.h"
#include "handles.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/shape.h"
#include "olivine/version.h"

namespace olivine::c {
namespace {

thread_local std::string last_error;

struct ErrorHandler {
  olivine_error_handler_func call = nullptr;
  void* data = nullptr;
  void (*dtor)(void*) = nullptr;
};
ErrorHandler error_handler;

// In the order of olivine_dtype.
constexpr Dtype kDtypes[] = {bool_,   uint8,   uint16,   uint32,    uint64,
                             int8,    int16,   int32,    int64,     float16,
                             float32, float64, bfloat16, complex64, complex128};

Shape shape_of(const int* shape, int dim) {
  if (dim < 0) fail("[array] expected dim >= 0; got ", dim);
  return Shape(shape, shape + dim);
}

// The data in row-major order; the handle then means the contiguous array.
template <class T>
const T* data_of(olivine_array h) {
  const T* out = nullptr;
  guarded([&] {
    const array& a = get(h);
    if (a.dtype() != dtype_of<T>) {
      fail<TypeError>("[array_data] expected dtype ", dtype_of<T>, "; got ", a.dtype());
    }
    a.eval();
    if (!a.is_row_contiguous()) {
      array c = contiguous(a);
      c.eval();
      *static_cast<array*>(h.ctx) = c;
    }
    out = get(h).size() ? get(h).template data<T>() : nullptr;
  });
  return out;
}

template <class T>
int item_of(T* res, olivine_array h) {
  return guarded([&] {
    if (get(h).size() != 1) fail("[item] expected one element; got shape ", get(h).shape());
    array a = astype(get(h), dtype_of<T>);
    a.eval();
    *res = *a.template data<T>();
  });
}

}  // namespace

int report_error() {
  try {
    throw;
  } catch (const std::exception& e) {
    last_error = e.what();
  } catch (...) {
    last_error = "unknown error";
  }
  if (error_handler.call) error_handler.call(last_error.c_str(), error_handler.data);
  return 1;
}

Dtype get(olivine_dtype t) {
  auto i = static_cast<size_t>(t);
  if (i >= std::size(kDtypes)) fail("[dtype] expected a dtype; got ", i);
  return kDtypes[i];
}
olivine_dtype to_c(Dtype t) {
  for (size_t i = 0; i < std::size(kDtypes); ++i) {
    if (kDtypes[i] == t) return static_cast<olivine_dtype>(i);
  }
  return OLIVINE_BOOL;
}

void set(olivine_array* res, array a) {
  if (res->ctx) {
    *static_cast<array*>(res->ctx) = std::move(a);
  } else {
    res->ctx = new array(std::move(a));
  }
}
void set(olivine_vector_array* res, std::vector<array> v) {
  if (res->ctx) {
    *static_cast<std::vector<array>*>(res->ctx) = std::move(v);
  } else {
    res->ctx = new std::vector<array>(std::move(v));
  }
}
static void set(olivine_string* res, std::string s) {
  if (res->ctx) {
    *static_cast<std::string*>(res->ctx) = std::move(s);
  } else {
    res->ctx = new std::string(std::move(s));
  }
}

}  // namespace olivine::c

using namespace olivine;
using c::get;
using c::guarded;
using c::made;

const char* olivine_last_error(void) { return c::last_error.c_str(); }
void olivine_set_error_handler(olivine_error_handler_func handler, void* data,
                               void (*dtor)(void*)) {
  auto old = std::exchange(c::error_handler, {handler, data, dtor});
  if (old.dtor) old.dtor(old.data);
}

olivine_string olivine_string_new(void) {
  return made<olivine_string>([] { return new std::string(); });
}
olivine_string olivine_string_new_data(const char* str) {
  return made<olivine_string>([&] { return new std::string(c::text(str)); });
}
const char* olivine_string_data(olivine_string str) {
  return str.ctx ? static_cast<std::string*>(str.ctx)->c_str() : "";
}
int olivine_string_free(olivine_string str) {
  delete static_cast<std::string*>(str.ctx);
  return 0;
}
int olivine_version(olivine_string* str) {
  return guarded([&] { c::set(str, OLIVINE_VERSION); });
}

size_t olivine_dtype_size(olivine_dtype dtype) {
  size_t size = 0;
  guarded([&] { size = get(dtype).size(); });
  return size;
}

olivine_array olivine_array_new(void) { return {nullptr}; }
int olivine_array_free(olivine_array arr) {
  delete static_cast<array*>(arr.ctx);
  return 0;
}
olivine_array olivine_array_new_bool(bool val) {
  return made<olivine_array>([&] { return new array(val); });
}
olivine_array olivine_array_new_int(int val) {
  return made<olivine_array>([&] { return new array(val); });
}
olivine_array olivine_array_new_float32(float val) {
  return made<olivine_array>([&] { return new array(val); });
}
olivine_array olivine_array_new_float(float val) { return olivine_array_new_float32(val); }
olivine_array olivine_array_new_float64(double val) {
  return made<olivine_array>([&] { return new array(val, float64); });
}
olivine_array olivine_array_new_double(double val) { return olivine_array_new_float64(val); }
olivine_array olivine_array_new_complex(float real_val, float imag_val) {
  return made<olivine_array>([&] { return new array(complex64_t(real_val, imag_val)); });
}
olivine_array olivine_array_new_data(const void* data, const int* shape, int dim,
                                     olivine_dtype dtype) {
  return made<olivine_array>([&] { return new array(data, c::shape_of(shape, dim), get(dtype)); });
}
olivine_array olivine_array_new_data_managed_payload(void* data, const int* shape, int dim,
                                                     olivine_dtype dtype, void* payload,
                                                     void (*dtor)(void*)) {
  return made<olivine_array>([&] {
    Shape s = c::shape_of(shape, dim);
    Dtype t = get(dtype);
    int64_t bytes = checked_mul(element_count(s), static_cast<int64_t>(t.size()));
    auto release = dtor ? dtor : [](void*) {};
    BufferRef buffer = wrap_external(data, static_cast<size_t>(bytes), release, payload);
    return new array(make_done(std::move(buffer), std::move(s), t));
  });
}
int olivine_array_set(olivine_array* arr, const olivine_array src) {
  return guarded([&] { c::set(arr, get(src)); });
}
int olivine_array_tostring(olivine_string* str, const olivine_array arr) {
  return guarded([&] { c::set(str, to_string(get(arr))); });
}

size_t olivine_array_itemsize(const olivine_array arr) { return arr.ctx ? get(arr).itemsize() : 0; }
size_t olivine_array_size(const olivine_array arr) {
  return arr.ctx ? static_cast<size_t>(get(arr).size()) : 0;
}
size_t olivine_array_nbytes(const olivine_array arr) { return arr.ctx ? get(arr).nbytes() : 0; }
size_t olivine_array_ndim(const olivine_array arr) { return arr.ctx ? get(arr).shape().size() : 0; }
int olivine_array_dim(const olivine_array arr, int dim) {
  int n = 0;
  guarded([&] { n = c::Int{get(arr).shape(dim), "array_dim"}; });
  return n;
}
olivine_dtype olivine_array_dtype(const olivine_array arr) {
  return arr.ctx ? c::to_c(get(arr).dtype()) : OLIVINE_BOOL;
}
int olivine_array_eval(olivine_array arr) {
  return guarded([&] { get(arr).eval(); });
}

#define OLIVINE_C_ELEMENTS(NAME, T)                                \
  int olivine_array_item_##NAME(T* res, const olivine_array arr) { \
    return c::item_of<T>(res, arr);                                \
  }                                                                \
  const T* olivine_array_data_##NAME(const olivine_array arr) { return c::data_of<T>(arr); }
OLIVINE_C_ELEMENTS(bool, bool)
OLIVINE_C_ELEMENTS(uint8, uint8_t)
OLIVINE_C_ELEMENTS(uint16, uint16_t)
OLIVINE_C_ELEMENTS(uint32, uint32_t)
OLIVINE_C_ELEMENTS(uint64, uint64_t)
OLIVINE_C_ELEMENTS(int8, int8_t)
OLIVINE_C_ELEMENTS(int16, int16_t)
OLIVINE_C_ELEMENTS(int32, int32_t)
OLIVINE_C_ELEMENTS(int64, int64_t)
OLIVINE_C_ELEMENTS(float32, float)
OLIVINE_C_ELEMENTS(float64, double)
#undef OLIVINE_C_ELEMENTS

olivine_vector_array olivine_vector_array_new(void) {
  return made<olivine_vector_array>([] { return new std::vector<array>(); });
}
olivine_vector_array olivine_vector_array_new_data(const olivine_array* data, size_t size) {
  return made<olivine_vector_array>([&] {
    auto v = std::make_unique<std::vector<array>>();
    for (size_t i = 0; i < size; ++i) v->push_back(get(data[i]));
    return v.release();
  });
}
olivine_vector_array olivine_vector_array_new_value(const olivine_array val) {
  return olivine_vector_array_new_data(&val, 1);
}
int olivine_vector_array_free(olivine_vector_array vec) {
  delete static_cast<std::vector<array>*>(vec.ctx);
  return 0;
}
int olivine_vector_array_set(olivine_vector_array* vec, const olivine_vector_array src) {
  return guarded([&] { c::set(vec, get(src)); });
}
int olivine_vector_array_append_value(olivine_vector_array vec, const olivine_array val) {
  return guarded([&] {
    if (!vec.ctx) fail("[vector_array] expected a vector; got an empty handle");
    static_cast<std::vector<array>*>(vec.ctx)->push_back(get(val));
  });
}
size_t olivine_vector_array_size(olivine_vector_array vec) { return get(vec).size(); }
int olivine_vector_array_get(olivine_array* res, const olivine_vector_array vec, size_t idx) {
  return guarded([&] {
    if (idx >= get(vec).size()) {
      fail<std::out_of_range>("[vector_array] expected an index below ", get(vec).size(), "; got ",
                              idx);
    }
    c::set(res, get(vec)[idx]);
  });
}
