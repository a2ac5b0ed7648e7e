// What stands behind the handles of the C API, and how errors leave C++.
#pragma once

#include <string>
#include <vector>

#include "../call.h"
#include "core/error.h"
#include "olivine/array.h"
#include "olivine/c/array.h"
#include "olivine/c/device.h"
#include "olivine/c/types.h"
#include "olivine/device.h"

namespace olivine::c {

using bindings::call;
using bindings::Int;
using bindings::IntOrInts;
using bindings::Ints;
using bindings::Maybe;
using bindings::MaybeInt;
using bindings::MaybeInts;

// Keeps the message of the exception in flight; for catch (...) blocks. Returns 1.
int report_error();

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

inline const array& get(olivine_array a) {
  if (!a.ctx) fail("[array] expected an array; got an empty handle");
  return *static_cast<const array*>(a.ctx);
}
inline const std::vector<array>& get(olivine_vector_array v) {
  static const std::vector<array> none;
  return v.ctx ? *static_cast<const std::vector<array>*>(v.ctx) : none;
}
inline StreamOrDevice get(olivine_stream s) {
  return s.ctx ? StreamOrDevice(*static_cast<const Stream*>(s.ctx)) : StreamOrDevice();
}
inline Maybe<array> maybe(olivine_array a) { return a.ctx ? Maybe<array>{get(a)} : Maybe<array>{}; }
Dtype get(olivine_dtype t);
olivine_dtype to_c(Dtype t);
inline Maybe<Dtype> maybe(olivine_optional_dtype t) {
  return t.has_value ? Maybe<Dtype>{get(t.value)} : Maybe<Dtype>{};
}
inline MaybeInt maybe(olivine_optional_int v, const char* op) {
  return v.has_value ? MaybeInt{Int{v.value, op}} : MaybeInt{};
}
inline Maybe<double> maybe(olivine_optional_float v) {
  return v.has_value ? Maybe<double>{v.value} : Maybe<double>{};
}
template <class T>
Ints ints(const T* values, size_t n, const char* op) {
  Ints out{{}, op};
  for (size_t i = 0; i < n; ++i) out.values.push_back(values[i]);
  return out;
}
inline std::string text(const char* s) { return s ? s : ""; }

// Puts a result into a handle, replacing what it held.
void set(olivine_array* res, array a);
void set(olivine_vector_array* res, std::vector<array> v);
template <class Tuple>
requires requires { std::tuple_size<Tuple>::value; }
void set(olivine_vector_array* res, const Tuple& t) {
  set(res, std::apply([](const auto&... x) { return std::vector<array>{x...}; }, t));
}
// Results that C takes one by one.
template <class... Res>
void set_all(std::vector<array> values, Res*... res) {
  size_t i = 0;
  (set(res, values.at(i++)), ...);
}
template <class Tuple, class... Res>
requires requires { std::tuple_size<Tuple>::value; }
void set_all(const Tuple& t, Res*... res) {
  set_all(std::apply([](const auto&... x) { return std::vector<array>{x...}; }, t), res...);
}

}  // namespace olivine::c
