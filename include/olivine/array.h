// The array: a handle to a lazy node. Copying it copies a pointer; nothing is computed until eval.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "olivine/dtype.h"
#include "olivine/export.h"
#include "olivine/shape.h"

namespace olivine {

struct Node;

class OLIVINE_API array {
 public:
  // From a scalar: bool -> bool_, int -> int32, int64_t -> int64, float/double -> float32…
  array(bool v, Dtype t = bool_);
  array(int v, Dtype t = int32);
  array(int64_t v, Dtype t = int64);
  array(uint32_t v, Dtype t = uint32);
  array(uint64_t v, Dtype t = uint64);
  array(float v, Dtype t = float32);
  array(double v, Dtype t = float32);
  array(complex64_t v, Dtype t = complex64);
  array(complex128_t v, Dtype t = complex128);
  array(std::initializer_list<float> v, Dtype t = float32);
  array(std::initializer_list<int> v, Dtype t = int32);
  // From row-major data of dtype `t`, copied.
  array(const void* data, Shape shape, Dtype t);
  template <class T>
  array(const std::vector<T>& v, Shape shape) : array(v.data(), std::move(shape), dtype_of<T>) {}

  array(const array& o) noexcept;
  array(array&& o) noexcept : node_(o.node_) { o.node_ = nullptr; }
  array& operator=(const array& o) noexcept;
  array& operator=(array&& o) noexcept;
  ~array();

  const Shape& shape() const;
  // Size of one axis; negative counts from the end.
  int64_t shape(int axis) const;
  int ndim() const { return static_cast<int>(shape().size()); }
  int64_t size() const;
  size_t nbytes() const { return static_cast<size_t>(size()) * itemsize(); }
  size_t itemsize() const { return dtype().size(); }
  Dtype dtype() const;

  // Computes this array now; returns at once if it is computed.
  void eval() const;
  bool is_available() const;

  // After evaluating: strides in elements and the first element's address.
  const Strides& strides() const;
  const void* data() const;
  void* mutable_data();
  template <class T>
  const T* data() const {
    return static_cast<const T*>(data());
  }
  bool is_row_contiguous() const;

  // The value of an array of one element, converted to T.
  template <class T>
  T item() const;

  // Replaces what this handle means (in-place update of a user's array object).
  void overwrite_descriptor(const array& o) { *this = o; }
  // Identity of the node.
  uintptr_t id() const { return reinterpret_cast<uintptr_t>(node_); }

  // Internal: takes over one reference to `node`.
  struct Adopt {};
  array(Adopt, Node* node) : node_(node) {}
  Node* node() const { return node_; }

 private:
  Node* node_;
};

// Computes all of them in one evaluation.
OLIVINE_API void eval(std::span<const array> arrays);
inline void eval(std::initializer_list<array> arrays) {
  eval(std::span<const array>(arrays.begin(), arrays.size()));
}
// Starts computing and returns; reading a value waits for it.
OLIVINE_API void async_eval(std::span<const array> arrays);

// A short text such as "array([1, 2, 3], dtype=int32)".
OLIVINE_API std::string to_string(const array& a);

}  // namespace olivine
