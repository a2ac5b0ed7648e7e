// The array: a handle to a lazy node. Copying it copies a pointer; nothing is computed until eval.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "olivine/dtype.h"
#include "olivine/export.h"
#include "olivine/shape.h"

namespace olivine {

struct Node;
class Event;
class Primitive;
namespace allocator {
class Buffer;
class Data;
}  // namespace allocator

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
  // A template, so that array({value}) is a list of one, as it is of other types.
  template <ElementType T>
  requires(dtype_of<T> == complex64 || dtype_of<T> == complex128) array(T v, Dtype t = dtype_of<T>);
  template <ElementType T>
  array(std::initializer_list<T> v, Dtype t = dtype_of<T>)
      : array(v.begin(), v.size(), {static_cast<ShapeElem>(v.size())}, dtype_of<T>, t) {}
  // From row-major data of dtype `t`, copied.
  array(const void* data, Shape shape, Dtype t);
  // From row-major values at an iterator, converted to `t`.
  template <std::input_iterator It>
  requires ElementType<std::iter_value_t<It>> array(It first, Shape shape,
                                                    Dtype t = dtype_of<std::iter_value_t<It>>)
      : array(values_from(first, shape), shape, dtype_of<std::iter_value_t<It>>, t) {}
  template <ElementType T>
  array(std::initializer_list<T> v, Shape shape, Dtype t = dtype_of<T>)
      : array(v.begin(), v.size(), shape, dtype_of<T>, t) {}
  // Takes over memory of row-major data; `deleter` is called with it once nothing needs it.
  array(void* data, Shape shape, Dtype t, const std::function<void(void*)>& deleter);
  template <class T>
  array(const std::vector<T>& v, Shape shape) : array(v.data(), std::move(shape), dtype_of<T>) {}

  // Over memory of row-major data, which it owns from now on (olivine/allocator.h).
  explicit array(allocator::Data data, Shape shape, Dtype t);
  // What an op of the user's computes from `inputs` (olivine/primitive.h). Without a primitive the
  // array has no value until set_data.
  array(Shape shape, Dtype t, std::shared_ptr<Primitive> primitive, std::vector<array> inputs);
  // The outputs of an op of several.
  static std::vector<array> make_arrays(std::vector<Shape> shapes, const std::vector<Dtype>& dtypes,
                                        const std::shared_ptr<Primitive>& primitive,
                                        const std::vector<array>& inputs);

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
  int64_t strides(int axis) const;
  const void* data() const;
  void* mutable_data();
  template <class T>
  const T* data() const {
    return static_cast<const T*>(data());
  }
  template <class T>
  T* data() {
    return static_cast<T*>(mutable_data());
  }
  bool is_row_contiguous() const;

  // The value of an array of one element, converted to T.
  template <class T>
  T item() const;

  // The slices across the first axis, as in `for (array row : a)`.
  struct ArrayIterator;
  ArrayIterator begin() const;
  ArrayIterator end() const;

  // ---- The op that this array is pending on; nothing of it is left once the array is computed.
  bool has_primitive() const;
  // One of the user's, or for an op of Olivine's own a stand-in that tells its name.
  Primitive& primitive() const;
  std::uintptr_t primitive_id() const;
  std::vector<array> inputs() const;
  // Of an op of several outputs: all of them, those but this one, and which one this is.
  std::vector<array> outputs() const;
  std::vector<array> siblings() const;
  int sibling_position() const;
  // References to write through, as MLX's programs edit graphs that they own. What was written
  // counts from the next evaluation, transformation or look at the graph on; it must be an op of
  // the same shape and dtype, and no cycle. They live until the array is gone.
  std::shared_ptr<Primitive>& primitive_ptr() const;
  std::vector<array>& inputs();
  std::vector<array>& siblings();
  // Makes this and `siblings`, arrays of one primitive, the outputs of one op, this at `position`.
  void set_siblings(std::vector<array> siblings, uint16_t position);
  // Computes it and forgets how: no transformation looks through it any more.
  void detach();
  // Whether a running transformation differentiates, maps or traces it.
  bool is_tracer() const;
  void set_tracer(bool is_tracer);
  enum Status { unscheduled, evaluated, available };
  Status status() const;
  // What a scheduler of the program's own says of an array that has its memory: `evaluated` until
  // its values are there, then `available`.
  void set_status(Status s) const;
  // Returns once it is computed, and the event that is attached to it, if one is, has come.
  void wait() const;
  // One event per array, for programs that compute arrays by streams of their own; whoever reads an
  // array of Olivine's waits for it without one. `event` gives an invalid one where none is
  // attached.
  Event& event() const;
  void attach_event(Event e) const;
  void detach_event() const;

  // ---- Memory, for primitives. All but set_data and copy_shared_buffer evaluate.
  using Data = allocator::Data;
  struct Flags {
    bool contiguous : 1;  // without gaps, in any order of axes
    bool row_contiguous : 1;
    bool col_contiguous : 1;
  };
  Flags flags() const;
  // Elements between the lowest and the highest address, both included.
  size_t data_size() const;
  // Of the first element, from where its memory begins.
  int64_t offset() const;
  allocator::Buffer buffer() const;
  size_t buffer_size() const;
  std::shared_ptr<Data> data_shared_ptr() const;
  // Whether nobody else can see the memory, so that a primitive may give it to an output.
  bool is_donatable() const;
  // Gives the array its value, row-major or of these strides; `offset` is in elements.
  void set_data(allocator::Data data);
  void set_data(allocator::Data data, size_t data_size, Strides strides, Flags flags,
                int64_t offset = 0);
  // The same with memory of `other`, `offset` elements after its first.
  void copy_shared_buffer(const array& other);
  void copy_shared_buffer(const array& other, const Strides& strides, Flags flags, size_t data_size,
                          int64_t offset = 0);

  // Replaces what this handle means (in-place update of a user's array object).
  void overwrite_descriptor(const array& o) { *this = o; }
  // Another handle. Nodes have no cycles, so that it may count its reference like every other.
  static array unsafe_weak_copy(const array& other) { return other; }
  // Identity of the node.
  uintptr_t id() const { return reinterpret_cast<uintptr_t>(node_); }

  // Internal: takes over one reference to `node`.
  struct Adopt {};
  array(Adopt, Node* node) : node_(node) {}
  Node* node() const { return node_; }

 private:
  // Of values of dtype `from`, `count` of them, which must be what the shape holds.
  array(const void* data, size_t count, const Shape& shape, Dtype from, Dtype t);
  template <class T>
  array(const std::vector<T>& values, const Shape& shape, Dtype from, Dtype t)
      : array(values.data(), values.size(), shape, from, t) {}
  static size_t count_of(const Shape& shape);  // checked
  template <class It>
  static auto values_from(It first, const Shape& shape) {
    // bool would be packed.
    using T = std::iter_value_t<It>;
    using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;
    std::vector<Stored> values(count_of(shape));
    for (Stored& v : values) v = static_cast<Stored>(*first++);
    return values;
  }

  Node* node_;
};

struct array::ArrayIterator {
  using iterator_category = std::random_access_iterator_tag;
  using difference_type = std::ptrdiff_t;
  using value_type = const array;
  using reference = value_type;
  using pointer = void;

  explicit ArrayIterator(const array& a, int64_t index = 0) : array_(a), index_(index) {}
  OLIVINE_API reference operator*() const;
  ArrayIterator& operator+(difference_type by) {
    index_ += by;
    return *this;
  }
  ArrayIterator& operator++() {
    ++index_;
    return *this;
  }
  bool operator==(const ArrayIterator& o) const {
    return array_.id() == o.array_.id() && index_ == o.index_;
  }

 private:
  array array_;
  int64_t index_;
};
inline array::ArrayIterator array::begin() const { return ArrayIterator(*this); }
inline array::ArrayIterator array::end() const {
  return ArrayIterator(*this, ndim() == 0 ? 0 : shape(0));
}

// Computes all of them in one evaluation.
OLIVINE_API void eval(std::span<const array> arrays);
inline void eval(std::initializer_list<array> arrays) {
  eval(std::span<const array>(arrays.begin(), arrays.size()));
}
// Starts computing and returns; reading a value waits for it.
OLIVINE_API void async_eval(std::span<const array> arrays);

template <class T>
inline constexpr bool is_array_v = std::is_same_v<std::remove_cvref_t<T>, array>;
template <class... T>
inline constexpr bool is_arrays_v = (is_array_v<T> && ...);
template <class... T>
using enable_for_arrays_t = std::enable_if_t<is_arrays_v<T...>>;
template <class... Arrays, class = enable_for_arrays_t<Arrays...>>
void eval(Arrays&&... arrays) {
  eval({arrays...});
}
template <class... Arrays, class = enable_for_arrays_t<Arrays...>>
void async_eval(Arrays&&... arrays) {
  const array list[] = {arrays...};
  async_eval(std::span<const array>(list));
}

// A short text such as "array([1, 2, 3], dtype=int32)".
OLIVINE_API std::string to_string(const array& a);

}  // namespace olivine
