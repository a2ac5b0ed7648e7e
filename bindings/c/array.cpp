// The C API of arrays: made from data, asked for shapes, values and memory.
#include "olivine/c/array.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/node.h"
#include "core/size.h"
#include "handles.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/shape.h"

namespace olivine::c {
namespace {

// In the order of olivine_dtype.
constexpr Dtype kDtypes[] = {bool_,   uint8,   uint16,   uint32,    uint64,
                             int8,    int16,   int32,    int64,     float16,
                             float32, float64, bfloat16, complex64, complex128};

// What new_data functions are told about their data, checked.
struct Described {
  Shape shape;
  Dtype dtype;
  size_t bytes;

  Described(const void* data, const int* dims, int dim, olivine_dtype t) : dtype(get(t)) {
    if (dim < 0) fail("[array] expected dim >= 0; got ", dim);
    expect_values(dims, static_cast<size_t>(dim), "array");
    shape = Shape(dims, dims + dim);
    bytes = static_cast<size_t>(
        checked_mul(element_count(shape, "array"), static_cast<int64_t>(dtype.size()), "array"));
    if (!data && bytes) fail("[array] expected data of ", bytes, " bytes; got null");
  }
};

array copied(const void* data, const int* shape, int dim, olivine_dtype dtype) {
  Described d(data, shape, dim, dtype);
  return array(data, d.shape, d.dtype);
}

// Keeps the first of several threads' values.
template <class T, class Discard>
const T* keep_first(std::atomic<const T*>& place, const T* made, Discard discard) {
  const T* expected = nullptr;
  if (place.compare_exchange_strong(expected, made, std::memory_order_acq_rel)) return made;
  discard(made);
  return expected;
}

const void* data_of(olivine_array h, const Dtype* expected) {
  return value_of<const void*>([&]() -> const void* {
    const array& a = get(h);
    if (expected && a.dtype() != *expected) {
      fail<TypeError>("[array_data] expected dtype ", *expected, "; got ", a.dtype());
    }
    const array& rows = pointer(h)->rows();
    return rows.size() ? rows.data() : nullptr;
  });
}

// C and T: what C and C++ call one type.
template <class C, class T>
int item_of(C* res, olivine_array h) {
  static_assert(sizeof(C) == sizeof(T));
  return guarded([&] {
    if (!res) fail("[item] expected a pointer; got null");
    if (get(h).size() != 1) fail("[item] expected one element; got shape ", get(h).shape());
    array a = astype(get(h), dtype_of<T>);
    a.eval();
    std::memcpy(res, a.data(), sizeof(T));
  });
}

// Whether elements that go through these axes from the last to the first lie one after another.
template <class Order>
bool dense(const array& a, const Order& axes) {
  int64_t step = 1;
  for (size_t i = axes.size(); i-- > 0;) {
    size_t axis = static_cast<size_t>(axes[i]);
    if (a.shape()[axis] == 1) continue;
    if (a.strides()[axis] != step) return false;
    step *= a.shape()[axis];
  }
  return true;
}
enum class Layout { any, rows, columns };
int lies(bool* res, olivine_array h, Layout layout) {
  return guarded([&] {
    const array& a = get(h);
    a.eval();
    std::vector<int> axes(a.shape().size());
    for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int>(i);
    if (layout == Layout::columns) std::reverse(axes.begin(), axes.end());
    if (layout == Layout::any) {
      std::stable_sort(axes.begin(), axes.end(),
                       [&](int x, int y) { return a.strides(x) > a.strides(y); });
    }
    store(res, a.size() == 0 || dense(a, axes));
  });
}

}  // namespace

const int* ArrayBox::shape() const {
  if (const int* known = shape_.load(std::memory_order_acquire)) return known;
  const Shape& s = value.shape();
  auto made = std::make_unique<int[]>(s.size() + 1);
  for (size_t i = 0; i < s.size(); ++i) made[i] = Int{s[i], "array_shape"};
  return keep_first(shape_, static_cast<const int*>(made.release()),
                    [](const int* p) { delete[] p; });
}
const array& ArrayBox::rows() const {
  if (const array* known = rows_.load(std::memory_order_acquire)) return *known;
  value.eval();
  if (value.is_row_contiguous()) return value;
  auto made = std::make_unique<array>(contiguous(value));
  made->eval();
  return *keep_first(rows_, static_cast<const array*>(made.release()),
                     [](const array* p) { delete p; });
}
void ArrayBox::forget() {
  delete[] shape_.exchange(nullptr);
  delete rows_.exchange(nullptr);
}

Dtype get(olivine_dtype t) {
  auto i = static_cast<size_t>(t);
  if (i >= std::size(kDtypes)) fail("[dtype] expected a dtype; got ", i);
  return kDtypes[i];
}
olivine_dtype to_c(Dtype t) {
  return static_cast<olivine_dtype>(std::find(kDtypes, std::end(kDtypes), t) - kDtypes);
}
const char* get(olivine_fft_norm norm) {
  constexpr const char* names[] = {"backward", "ortho", "forward"};
  auto i = static_cast<size_t>(norm);
  if (i >= std::size(names)) fail("[fft] expected an olivine_fft_norm; got ", i);
  return names[i];
}

}  // namespace olivine::c

using namespace olivine;
using c::get;
using c::guarded;
using c::made;

size_t olivine_dtype_size(olivine_dtype dtype) {
  return c::value_of<size_t>([&] { return get(dtype).size(); });
}

// From a value: a new array, and one in a handle that is there.
#define OLIVINE_C_SCALAR(NAME, PARAMETERS, VALUE)                             \
  olivine_array olivine_array_new_##NAME PARAMETERS {                         \
    return made<olivine_array>([&] { return new c::ArrayBox(array VALUE); }); \
  }
#define OLIVINE_C_SET_SCALAR(NAME, PARAMETERS, VALUE)  \
  int olivine_array_set_##NAME PARAMETERS {            \
    return guarded([&] { c::set(arr, array VALUE); }); \
  }
OLIVINE_C_SCALAR(bool, (bool val), (val))
OLIVINE_C_SCALAR(int, (int val), (val))
OLIVINE_C_SCALAR(float32, (float val), (val))
OLIVINE_C_SCALAR(float, (float val), (val))
OLIVINE_C_SCALAR(float64, (double val), (val, float64))
OLIVINE_C_SCALAR(double, (double val), (val, float64))
OLIVINE_C_SCALAR(complex, (float real_val, float imag_val), (complex64_t(real_val, imag_val)))
OLIVINE_C_SET_SCALAR(bool, (olivine_array * arr, bool val), (val))
OLIVINE_C_SET_SCALAR(int, (olivine_array * arr, int val), (val))
OLIVINE_C_SET_SCALAR(float32, (olivine_array * arr, float val), (val))
OLIVINE_C_SET_SCALAR(float, (olivine_array * arr, float val), (val))
OLIVINE_C_SET_SCALAR(float64, (olivine_array * arr, double val), (val, float64))
OLIVINE_C_SET_SCALAR(double, (olivine_array * arr, double val), (val, float64))
OLIVINE_C_SET_SCALAR(complex, (olivine_array * arr, float real_val, float imag_val),
                     (complex64_t(real_val, imag_val)))
#undef OLIVINE_C_SCALAR
#undef OLIVINE_C_SET_SCALAR

olivine_array olivine_array_new(void) { return {nullptr}; }
int olivine_array_free(olivine_array arr) { return c::release(arr); }
olivine_array olivine_array_new_data(const void* data, const int* shape, int dim,
                                     olivine_dtype dtype) {
  return made<olivine_array>([&] { return new c::ArrayBox(c::copied(data, shape, dim, dtype)); });
}
olivine_array olivine_array_new_data_managed(void* data, const int* shape, int dim,
                                             olivine_dtype dtype, void (*dtor)(void*)) {
  return olivine_array_new_data_managed_payload(data, shape, dim, dtype, data, dtor);
}
olivine_array olivine_array_new_data_managed_payload(void* data, const int* shape, int dim,
                                                     olivine_dtype dtype, void* payload,
                                                     void (*dtor)(void*)) {
  return made<olivine_array>([&] {
    c::Described d(data, shape, dim, dtype);
    auto release = dtor ? dtor : [](void*) {};
    BufferRef buffer = wrap_external(data, d.bytes, release, payload);
    return new c::ArrayBox(make_done(std::move(buffer), std::move(d.shape), d.dtype));
  });
}
int olivine_array_set(olivine_array* arr, const olivine_array src) {
  return guarded([&] { c::set(arr, get(src)); });
}
int olivine_array_set_data(olivine_array* arr, const void* data, const int* shape, int dim,
                           olivine_dtype dtype) {
  return guarded([&] { c::set(arr, c::copied(data, shape, dim, dtype)); });
}
int olivine_array_tostring(olivine_string* str, const olivine_array arr) {
  return guarded([&] { c::set(str, to_string(get(arr))); });
}

size_t olivine_array_itemsize(const olivine_array arr) {
  return c::value_of<size_t>([&] { return get(arr).itemsize(); });
}
size_t olivine_array_size(const olivine_array arr) {
  return c::value_of<size_t>([&] { return static_cast<size_t>(get(arr).size()); });
}
size_t olivine_array_nbytes(const olivine_array arr) {
  return c::value_of<size_t>([&] { return get(arr).nbytes(); });
}
size_t olivine_array_ndim(const olivine_array arr) {
  return c::value_of<size_t>([&] { return get(arr).shape().size(); });
}
const int* olivine_array_shape(const olivine_array arr) {
  return c::value_of<const int*>([&] { return c::filled(arr).shape(); });
}
const size_t* olivine_array_strides(const olivine_array arr) {
  static_assert(sizeof(size_t) == sizeof(int64_t));
  return c::value_of<const size_t*>([&] {
    const Strides& strides = c::filled(arr).rows().strides();
    return reinterpret_cast<const size_t*>(strides.data());
  });
}
int olivine_array_dim(const olivine_array arr, int dim) {
  return c::value_of<int>([&] { return int(c::Int{get(arr).shape(dim), "array_dim"}); });
}
olivine_dtype olivine_array_dtype(const olivine_array arr) {
  return c::value_of<olivine_dtype>([&] { return c::to_c(get(arr).dtype()); });
}
int olivine_array_eval(olivine_array arr) {
  return guarded([&] { get(arr).eval(); });
}

// NAME: of the functions; C and T: what C and C++ call the type.
#define OLIVINE_C_ELEMENTS(NAME, C, T)                             \
  int olivine_array_item_##NAME(C* res, const olivine_array arr) { \
    return c::item_of<C, T>(res, arr);                             \
  }                                                                \
  const C* olivine_array_data_##NAME(const olivine_array arr) {    \
    constexpr Dtype expected = dtype_of<T>;                        \
    return static_cast<const C*>(c::data_of(arr, &expected));      \
  }
OLIVINE_C_ELEMENTS(bool, bool, bool)
OLIVINE_C_ELEMENTS(uint8, uint8_t, uint8_t)
OLIVINE_C_ELEMENTS(uint16, uint16_t, uint16_t)
OLIVINE_C_ELEMENTS(uint32, uint32_t, uint32_t)
OLIVINE_C_ELEMENTS(uint64, uint64_t, uint64_t)
OLIVINE_C_ELEMENTS(int8, int8_t, int8_t)
OLIVINE_C_ELEMENTS(int16, int16_t, int16_t)
OLIVINE_C_ELEMENTS(int32, int32_t, int32_t)
OLIVINE_C_ELEMENTS(int64, int64_t, int64_t)
OLIVINE_C_ELEMENTS(float32, float, float)
OLIVINE_C_ELEMENTS(float64, double, double)
OLIVINE_C_ELEMENTS(complex64, olivine_complex64_t, complex64_t)
OLIVINE_C_ELEMENTS(complex128, olivine_complex128_t, complex128_t)
OLIVINE_C_ELEMENTS(float16, ::float16_t, olivine::float16_t)
OLIVINE_C_ELEMENTS(bfloat16, ::bfloat16_t, olivine::bfloat16_t)
#undef OLIVINE_C_ELEMENTS
const void* olivine_array_data(const olivine_array arr) { return c::data_of(arr, nullptr); }

int _olivine_array_is_available(bool* res, const olivine_array arr) {
  return guarded([&] { c::store(res, get(arr).is_available()); });
}
int _olivine_array_wait(const olivine_array arr) { return olivine_array_eval(arr); }
int _olivine_array_is_contiguous(bool* res, const olivine_array arr) {
  return c::lies(res, arr, c::Layout::any);
}
int _olivine_array_is_row_contiguous(bool* res, const olivine_array arr) {
  return c::lies(res, arr, c::Layout::rows);
}
int _olivine_array_is_col_contiguous(bool* res, const olivine_array arr) {
  return c::lies(res, arr, c::Layout::columns);
}
