// pybind11 functions that take and return olivine::array: include this where they are bound.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>

#include "olivine/python.h"

namespace pybind11::detail {

template <>
struct type_caster<olivine::array> {
  static constexpr auto name = const_name("olivine.core.array");
  template <typename T>
  using cast_op_type = movable_cast_op_type<T>;

  // Other things than arrays only where pybind11 allows conversions.
  bool load(handle src, bool convert) {
    try {
      const olivine::PythonInterface& p = olivine::python_interface();
      if (p.is_array(src.ptr())) {
        value_.emplace(p.unwrap(src.ptr()));
        return true;
      }
      if (!convert) return false;
      value_.emplace(0.0f);
      if (p.convert(src.ptr(), *value_)) return true;
    } catch (const olivine::PythonError&) {
    }
    PyErr_Clear();
    return false;
  }
  static handle cast(const olivine::array& a, return_value_policy, handle) {
    try {
      return olivine::to_python(a);
    } catch (const olivine::PythonError&) {
      throw error_already_set();
    }
  }

  operator olivine::array*() { return &*value_; }
  operator olivine::array&() { return *value_; }
  operator olivine::array&&() && { return std::move(*value_); }

 private:
  std::optional<olivine::array> value_;
};

}  // namespace pybind11::detail
