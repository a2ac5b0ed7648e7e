// A Python index, read against the shape of the array that it is applied to.
#pragma once

#include <optional>
#include <vector>

#include "object.h"

namespace olivine::python {

// Element positions start, start + step, … (count of them) of one axis.
struct Range {
  int64_t start = 0, step = 1, count = 0;
};

struct IndexItem {
  enum class Kind : uint8_t { integer, range, new_axis, indices, flag };
  Kind kind = Kind::range;
  int axis = -1;  // of the array; -1 for new_axis and flag
  Range range{};  // integer: count is 1
  std::optional<array> indices = std::nullopt;
  bool flag = false;            // True or False as an index
  bool after_ellipsis = false;  // which parts index arrays, even where it stands for no axis

  bool advanced() const { return kind == Kind::indices || kind == Kind::flag; }
};

struct Index {
  std::vector<IndexItem> items;  // the Ellipsis and missing axes are whole ranges
  bool advanced = false;         // some index is an array or a bool
  bool whole = true;             // every axis is taken whole
  std::optional<array> mask;     // the whole index, if it is one boolean mask and that is allowed
};

// `op` is named in errors. Boolean masks become the positions where they are true, which computes
// them; one that is the whole index stays as it is if `keeps_mask`.
Index read_index(const array& a, PyObject* index, const char* op, bool keeps_mask = false);

// The one boolean mask that is the whole index, over the leading axes of `a`; else nullopt.
std::optional<array> lone_mask(const array& a, PyObject* index);

}  // namespace olivine::python
