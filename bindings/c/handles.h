// What stands behind the handles of the C API, and how errors leave C++.
#pragma once

#include <atomic>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "../call.h"
#include "core/error.h"
#include "olivine/array.h"
#include "olivine/c/array.h"
#include "olivine/c/device.h"
#include "olivine/c/map.h"
#include "olivine/c/types.h"
#include "olivine/c/vector.h"
#include "olivine/device.h"
#include "olivine/io.h"

namespace olivine::c {

using bindings::call;
using bindings::Int;
using bindings::IntOrInts;
using bindings::Ints;
using bindings::Maybe;
using bindings::MaybeInt;
using bindings::MaybeInts;
using olivine::array;
using olivine::Dtype;

// ---- Errors.
// An error that this thread has reported already, on its way through C++ to a caller in C.
struct ReportedError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// Keeps the message of the exception in flight; for catch (...) blocks. Returns 1.
int report_error() noexcept;
// Keeps a message and passes it to the program's handler.
void report_error(std::string_view message) noexcept;
// How many errors this thread has reported.
uint64_t errors_reported();

// f() as a function of the C API.
template <class F>
int guarded(F&& f) noexcept {
  try {
    f();
    return 0;
  } catch (...) {
    return report_error();
  }
}
// A new handle, empty if f() throws.
template <class Handle, class F>
Handle made(F&& f) noexcept {
  Handle h{nullptr};
  guarded([&] { h.ctx = f(); });
  return h;
}
// What f() returns, or nothing of its kind if it throws.
template <class T, class F>
T value_of(F&& f) noexcept {
  T value{};
  guarded([&] { value = f(); });
  return value;
}

// ---- Values behind handles.
// An array, with what C asks for as pointers: its shape as ints, and its elements in rows where it
// lies otherwise. They are made when first asked for, by any thread.
class ArrayBox {
 public:
  ArrayBox(array a) : value(std::move(a)) {}
  ArrayBox(ArrayBox&& o) noexcept : value(std::move(o.value)) {}
  ArrayBox& operator=(ArrayBox&& o) noexcept {
    value = std::move(o.value);
    forget();
    return *this;
  }
  ~ArrayBox() { forget(); }
  const int* shape() const;
  const array& rows() const;  // computed

  array value;

 private:
  void forget();
  mutable std::atomic<const int*> shape_{nullptr};
  mutable std::atomic<const array*> rows_{nullptr};
};

// What a handle's ctx points to.
template <class Handle>
struct Held;
#define OLIVINE_C_HELD(HANDLE, TYPE) \
  template <>                        \
  struct Held<HANDLE> {              \
    using type = TYPE;               \
  }
OLIVINE_C_HELD(olivine_array, ArrayBox);
OLIVINE_C_HELD(olivine_string, std::string);
OLIVINE_C_HELD(olivine_device, Device);
OLIVINE_C_HELD(olivine_stream, Stream);
OLIVINE_C_HELD(olivine_device_info, DeviceInfo);
OLIVINE_C_HELD(olivine_vector_array, std::vector<array>);
OLIVINE_C_HELD(olivine_vector_vector_array, std::vector<std::vector<array>>);
OLIVINE_C_HELD(olivine_vector_int, std::vector<int>);
OLIVINE_C_HELD(olivine_vector_vector_int, std::vector<std::vector<int>>);
OLIVINE_C_HELD(olivine_vector_string, std::vector<std::string>);
OLIVINE_C_HELD(olivine_map_string_to_array, NamedArrays);
OLIVINE_C_HELD(olivine_map_string_to_string, Metadata);

template <class Handle>
using held_t = typename Held<Handle>::type;

template <class Handle>
held_t<Handle>* pointer(Handle h) {
  return static_cast<held_t<Handle>*>(h.ctx);
}
// The value of a handle that must have one.
template <class Handle>
held_t<Handle>& filled(Handle h) {
  if (!h.ctx) fail("[handle] expected a value; got an empty handle");
  return *pointer(h);
}
// Puts a result into a handle, replacing what it held.
template <class Handle>
void set(Handle* res, held_t<Handle> value) {
  if (!res) fail("[result] expected a pointer to a handle; got null");
  if (res->ctx) {
    *pointer(*res) = std::move(value);
  } else {
    res->ctx = new held_t<Handle>(std::move(value));
  }
}
template <class Handle>
int release(Handle h) {
  delete pointer(h);
  return 0;
}
// The same for results that are no handles.
template <class T>
void store(T* res, T value) {
  if (!res) fail("[result] expected a pointer; got null");
  *res = value;
}

// ---- Arguments.
inline const array& get(olivine_array a) {
  if (!a.ctx) fail("[array] expected an array; got an empty handle");
  return pointer(a)->value;
}
// Texts, vectors and maps: an empty handle is one without elements.
template <class Handle>
requires requires(held_t<Handle> v) { v.size(); }
const held_t<Handle>& get(Handle h) {
  static const held_t<Handle> none;
  return h.ctx ? *pointer(h) : none;
}
inline StreamOrDevice get(olivine_stream s) {
  return s.ctx ? StreamOrDevice(*pointer(s)) : StreamOrDevice();
}
inline Maybe<array> maybe(olivine_array a) { return a.ctx ? Maybe<array>{get(a)} : Maybe<array>{}; }
Dtype get(olivine_dtype t);
olivine_dtype to_c(Dtype t);
const char* get(olivine_fft_norm norm);  // the name that C++ takes
inline Maybe<Dtype> maybe(olivine_optional_dtype t) {
  return t.has_value ? Maybe<Dtype>{get(t.value)} : Maybe<Dtype>{};
}
inline MaybeInt maybe(olivine_optional_int v, const char* op) {
  return v.has_value ? MaybeInt{Int{v.value, op}} : MaybeInt{};
}
inline Maybe<double> maybe(olivine_optional_float v) {
  return v.has_value ? Maybe<double>{v.value} : Maybe<double>{};
}
inline Maybe<bool> maybe(olivine_optional_bool v) {
  return v.has_value ? Maybe<bool>{v.value} : Maybe<bool>{};
}
// Whether there are as many values behind a pointer as a count says.
inline void expect_values(const void* values, size_t n, const char* op) {
  if (!values && n) fail("[", op, "] expected a pointer to ", n, " values; got null");
  if (n > INT32_MAX) fail("[", op, "] expected a count below 2^31; got ", n);
}
template <class T>
Ints ints(const T* values, size_t n, const char* op) {
  expect_values(values, n, op);
  Ints out{{}, op};
  for (size_t i = 0; i < n; ++i) out.values.push_back(values[i]);
  return out;
}
// A null pointer stands for none.
template <class T>
MaybeInts maybe_ints(const T* values, size_t n, const char* op) {
  if (!values && !n) return {};
  return {IntOrInts{ints(values, n, op), false}};
}
inline Int one(size_t value, const char* op) {
  if (value > INT64_MAX) fail("[", op, "] expected a number below 2^63; got ", value);
  return {static_cast<int64_t>(value), op};
}
inline std::string text(const char* s) { return s ? s : ""; }
inline Maybe<std::string> maybe(const char* s) {
  return s ? Maybe<std::string>{s} : Maybe<std::string>{};
}
// A key or a name, which there must be.
inline std::string name(const char* s, const char* what) {
  if (!s) fail("[", what, "] expected a text; got null");
  return s;
}

// ---- Results of other kinds.
inline void set(olivine_vector_int* res, const Shape& sizes) {
  std::vector<int> ints;
  for (int64_t d : sizes) {
    if (d > INT32_MAX) fail("[shape] expected sizes below 2^31; got ", d);
    ints.push_back(static_cast<int>(d));
  }
  set(res, std::move(ints));
}
template <class A, class B, class First, class Second>
void set_both(A* first, B* second, std::pair<First, Second> p) {
  if (!first || !second) fail("[result] expected pointers to handles; got null");
  set(first, std::move(p.first));
  set(second, std::move(p.second));
}

// ---- Several results: as a vector, or one by one.
template <class Tuple>
requires requires { std::tuple_size<Tuple>::value; }
void set(olivine_vector_array* res, const Tuple& t) {
  set(res, std::apply([](const auto&... x) { return std::vector<array>{x...}; }, t));
}
template <class... Res>
void set_all(std::vector<array> values, Res*... res) {
  if (!(res && ...)) fail("[result] expected pointers to handles; got null");
  size_t i = 0;
  (set(res, values.at(i++)), ...);
}
template <class Tuple, class... Res>
requires requires { std::tuple_size<Tuple>::value; }
void set_all(const Tuple& t, Res*... res) {
  set_all(std::apply([](const auto&... x) { return std::vector<array>{x...}; }, t), res...);
}

}  // namespace olivine::c
