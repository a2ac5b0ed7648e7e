// nanobind functions that take and return olivine::array: include this where they are bound.
//
//   NB_MODULE(my_ops, m) { m.def("cube", [](const olivine::array& x) { return cube(x); }); }
#pragma once

#include <nanobind/nanobind.h>

#include <optional>

#include "olivine/python.h"

NAMESPACE_BEGIN(NB_NAMESPACE)
NAMESPACE_BEGIN(detail)

template <>
struct type_caster<olivine::array> {
  static constexpr auto Name = const_name("olivine.core.array");
  template <typename T>
  using Cast = movable_cast_t<T>;
  template <typename T>
  static constexpr bool can_cast() {
    return true;
  }

  // Other things than arrays only where nanobind allows conversions.
  bool from_python(handle src, uint8_t flags, cleanup_list*) noexcept {
    try {
      const olivine::PythonInterface& p = olivine::python_interface();
      if (p.is_array(src.ptr())) {
        value_.emplace(p.unwrap(src.ptr()));
        return true;
      }
      if (!(flags & static_cast<uint8_t>(cast_flags::convert))) return false;
      value_.emplace(0.0f);
      if (p.convert(src.ptr(), *value_)) return true;
    } catch (const olivine::PythonError&) {
    }
    PyErr_Clear();
    return false;
  }
  static handle from_cpp(const olivine::array& a, rv_policy, cleanup_list*) noexcept {
    try {
      return olivine::to_python(a);
    } catch (const olivine::PythonError&) {
      return {};
    }
  }
  template <typename T>
  static handle from_cpp(T* a, rv_policy policy, cleanup_list* cleanup) noexcept {
    if (!a) return none().release();
    return from_cpp(*a, policy, cleanup);
  }

  explicit operator olivine::array*() { return &*value_; }
  explicit operator olivine::array&() { return *value_; }
  explicit operator olivine::array&&() { return std::move(*value_); }

 private:
  std::optional<olivine::array> value_;
};

NAMESPACE_END(detail)
NAMESPACE_END(NB_NAMESPACE)
