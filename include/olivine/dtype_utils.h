// Calling templates with the C++ type of a dtype's elements.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "olivine/dtype.h"

namespace olivine {

// "float32" and the like.
inline const char* dtype_to_string(Dtype t) { return name(t).data(); }

// What a dispatch passes to its function: `[](auto t) { using T = typename decltype(t)::type; … }`.
template <class T>
struct type_identity {
  using type = T;
};

namespace detail {

[[noreturn]] inline void wrong_dtype(std::string_view tag, const char* expected, Dtype t) {
  throw std::invalid_argument("[" + std::string(tag) + "] expected " + expected + "; got " +
                              std::string(name(t)));
}

// f on the first of T... that elements of `t` have; whether there is one.
template <class... T, class F>
bool dispatch_among(Dtype t, F& f) {
  return ((t == dtype_of<T> && (f(type_identity<T>{}), true)) || ...);
}

}  // namespace detail

// f on the type of the elements; the others throw std::invalid_argument for dtypes that are not
// theirs, naming `tag`.
template <class F>
void dispatch_all_types(Dtype t, F&& f) {
  detail::dispatch_among<bool, uint8_t, uint16_t, uint32_t, uint64_t, int8_t, int16_t, int32_t,
                         int64_t, float16_t, bfloat16_t, float, double, complex64_t, complex128_t>(
      t, f);
}
template <class F>
void dispatch_int_types(Dtype t, std::string_view tag, F&& f) {
  if (!detail::dispatch_among<uint8_t, uint16_t, uint32_t, uint64_t, int8_t, int16_t, int32_t,
                              int64_t>(t, f)) {
    detail::wrong_dtype(tag, "an integer dtype", t);
  }
}
template <class F>
void dispatch_float_types(Dtype t, std::string_view tag, F&& f) {
  if (!detail::dispatch_among<float16_t, bfloat16_t, float, double>(t, f)) {
    detail::wrong_dtype(tag, "a real floating dtype", t);
  }
}
template <class F>
void dispatch_inexact_types(Dtype t, std::string_view tag, F&& f) {
  if (!detail::dispatch_among<float16_t, bfloat16_t, float, double, complex64_t, complex128_t>(t,
                                                                                               f)) {
    detail::wrong_dtype(tag, "a floating or complex dtype", t);
  }
}
template <class F>
void dispatch_int_float_types(Dtype t, std::string_view tag, F&& f) {
  if (!detail::dispatch_among<uint8_t, uint16_t, uint32_t, uint64_t, int8_t, int16_t, int32_t,
                              int64_t, float16_t, bfloat16_t, float, double>(t, f)) {
    detail::wrong_dtype(tag, "an integer or real floating dtype", t);
  }
}
template <class F>
void dispatch_real_types(Dtype t, std::string_view tag, F&& f) {
  if (!detail::dispatch_among<bool, uint8_t, uint16_t, uint32_t, uint64_t, int8_t, int16_t, int32_t,
                              int64_t, float16_t, bfloat16_t, float, double>(t, f)) {
    detail::wrong_dtype(tag, "a dtype without imaginary part", t);
  }
}

}  // namespace olivine
