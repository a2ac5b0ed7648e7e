// The public handle: construction from host data, reading values back, lifetime.
#include "olivine/array.h"

#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>

#include "core/error.h"
#include "core/node.h"
#include "core/size.h"

namespace olivine {
namespace {

// Calls f with a value of the C++ type that stores elements of `t`.
template <class F>
decltype(auto) visit_dtype(Dtype t, F&& f) {
  switch (t.val()) {
    case Dtype::Val::bool_:
      return f(bool{});
    case Dtype::Val::uint8:
      return f(uint8_t{});
    case Dtype::Val::uint16:
      return f(uint16_t{});
    case Dtype::Val::uint32:
      return f(uint32_t{});
    case Dtype::Val::uint64:
      return f(uint64_t{});
    case Dtype::Val::int8:
      return f(int8_t{});
    case Dtype::Val::int16:
      return f(int16_t{});
    case Dtype::Val::int32:
      return f(int32_t{});
    case Dtype::Val::int64:
      return f(int64_t{});
    case Dtype::Val::float16:
      return f(float16_t{});
    case Dtype::Val::bfloat16:
      return f(bfloat16_t{});
    case Dtype::Val::float32:
      return f(float{});
    case Dtype::Val::float64:
      return f(double{});
    case Dtype::Val::complex64:
      return f(complex64_t{});
    case Dtype::Val::complex128:
      return f(complex128_t{});
  }
  __builtin_unreachable();
}

template <class T>
inline constexpr bool is_half = std::is_same_v<T, float16_t> || std::is_same_v<T, bfloat16_t>;
template <class T>
inline constexpr bool is_complex_type = dtype_of<T> == complex64 || dtype_of<T> == complex128;

template <class To, class From>
To convert(From v) {
  if constexpr (std::is_same_v<To, From>) {
    return v;
  } else if constexpr (is_half<From>) {
    return convert<To>(to_float(v));
  } else if constexpr (is_complex_type<From>) {
    if constexpr (is_complex_type<To>) {
      return To(static_cast<typename To::value_type>(v.real()),
                static_cast<typename To::value_type>(v.imag()));
    } else {
      return convert<To>(v.real());
    }
  } else if constexpr (is_complex_type<To>) {
    return To(static_cast<typename To::value_type>(v), 0);
  } else if constexpr (std::is_same_v<To, float16_t>) {
    return to_float16(static_cast<float>(v));
  } else if constexpr (std::is_same_v<To, bfloat16_t>) {
    return to_bfloat16(static_cast<float>(v));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> &&
                       !std::is_same_v<To, bool>) {
    // Out-of-range values have no meaning in C++; saturate.
    constexpr auto lo = static_cast<double>(std::numeric_limits<To>::min());
    constexpr auto hi = static_cast<double>(std::numeric_limits<To>::max());
    double d = static_cast<double>(v);
    if (d != d) return 0;
    if (d <= lo) return std::numeric_limits<To>::min();
    if (d >= hi) return std::numeric_limits<To>::max();
    return static_cast<To>(v);
  } else {
    return static_cast<To>(v);
  }
}

// A computed node of `shape` over new memory, whose one reference the caller takes over.
Node* new_done(Shape shape, Dtype t) {
  int64_t n = element_count(shape);
  BufferRef buffer = allocate(static_cast<size_t>(checked_mul(n, int64_t(t.size()), "array")));
  Node* node = Node::create(t);
  node->strides = row_major(shape);
  node->shape = std::move(shape);
  node->buffer = std::move(buffer);
  node->state.store(NodeState::done, std::memory_order_release);
  return node;
}

template <class T>
Node* scalar_node(T v, Dtype t) {
  Node* node = new_done({}, t);
  visit_dtype(t, [&](auto zero) {
    auto x = convert<decltype(zero)>(v);
    std::memcpy(node->buffer->data, &x, sizeof(x));
  });
  return node;
}

}  // namespace

array::array(bool v, Dtype t) : node_(scalar_node(v, t)) {}
array::array(int v, Dtype t) : node_(scalar_node(v, t)) {}
array::array(int64_t v, Dtype t) : node_(scalar_node(v, t)) {}
array::array(uint32_t v, Dtype t) : node_(scalar_node(v, t)) {}
array::array(uint64_t v, Dtype t) : node_(scalar_node(v, t)) {}
array::array(float v, Dtype t) : node_(scalar_node(v, t)) {}
array::array(double v, Dtype t) : node_(scalar_node(v, t)) {}
template <ElementType T>
requires(dtype_of<T> == complex64 || dtype_of<T> == complex128) array::array(T v, Dtype t)
    : node_(scalar_node(v, t)) {}
template OLIVINE_API array::array(complex64_t v, Dtype t);
template OLIVINE_API array::array(complex128_t v, Dtype t);
template OLIVINE_API array::array(std::complex<float> v, Dtype t);
template OLIVINE_API array::array(std::complex<double> v, Dtype t);
array::array(const void* data, Shape shape, Dtype t) : node_(new_done(std::move(shape), t)) {
  if (size() != 0) std::memcpy(node_->buffer->data, data, nbytes());
}

array::array(const void* data, size_t count, const Shape& shape, Dtype from, Dtype t) {
  if (count != count_of(shape)) {
    fail("[array] expected as many values as shape ", shape, " has elements; got ", count);
  }
  Node* node = new_done(shape, t);
  visit_dtype(from, [&](auto value) {
    using From = decltype(value);
    const auto* in = static_cast<const From*>(data);
    visit_dtype(t, [&](auto zero) {
      auto* out = static_cast<decltype(zero)*>(node->buffer->data);
      for (size_t i = 0; i < count; ++i) out[i] = convert<decltype(zero)>(in[i]);
    });
  });
  node_ = node;
}

array::array(void* data, Shape shape, Dtype t, const std::function<void(void*)>& deleter) {
  struct Owner {
    void* data;
    std::function<void(void*)> deleter;
  };
  size_t bytes = static_cast<size_t>(checked_mul(element_count(shape), int64_t(t.size()), "array"));
  auto owner = std::make_unique<Owner>(Owner{data, deleter});
  auto release = [](void* p) {
    std::unique_ptr<Owner> owned(static_cast<Owner*>(p));
    if (owned->deleter) owned->deleter(owned->data);
  };
  BufferRef buffer = wrap_external(data, bytes, release, owner.get());
  owner.release();
  node_ = nullptr;
  *this = make_done(std::move(buffer), std::move(shape), t);
}

size_t array::count_of(const Shape& shape) {
  return static_cast<size_t>(element_count(shape, "array"));
}

array::array(const array& o) noexcept : node_(o.node_) { node_->retain(); }
array& array::operator=(const array& o) noexcept {
  o.node_->retain();
  if (node_) node_->release();
  node_ = o.node_;
  return *this;
}
array& array::operator=(array&& o) noexcept {
  std::swap(node_, o.node_);
  return *this;
}
array::~array() {
  if (node_) node_->release();
}

const Shape& array::shape() const { return node_->shape; }
int64_t array::shape(int axis) const { return node_->shape[normalize_axis(axis, ndim(), "shape")]; }
int64_t array::size() const { return node_->size(); }
Dtype array::dtype() const { return node_->dtype; }
bool array::is_available() const { return node_->done(); }
void array::eval() const {
  if (!node_->done()) olivine::eval(std::span<const array>(this, 1));
}
const Strides& array::strides() const {
  eval();
  return node_->strides;
}
int64_t array::strides(int axis) const {
  return strides()[normalize_axis(axis, ndim(), "strides")];
}
const void* array::data() const {
  eval();
  return node_->data();
}
void* array::mutable_data() {
  eval();
  return node_->data();
}
bool array::is_row_contiguous() const {
  eval();
  return olivine::is_row_contiguous(node_->shape, node_->strides);
}

template <class T>
T array::item() const {
  if (size() != 1) fail("[item] expected an array of one element; got shape ", shape());
  const void* p = data();
  return visit_dtype(dtype(), [&](auto zero) {
    decltype(zero) v;
    std::memcpy(&v, p, sizeof(v));
    return convert<T>(v);
  });
}
#define OLIVINE_ITEM(T) template OLIVINE_API T array::item<T>() const;
OLIVINE_ITEM(bool)
OLIVINE_ITEM(uint8_t)
OLIVINE_ITEM(uint16_t)
OLIVINE_ITEM(uint32_t)
OLIVINE_ITEM(uint64_t)
OLIVINE_ITEM(int8_t)
OLIVINE_ITEM(int16_t)
OLIVINE_ITEM(int32_t)
OLIVINE_ITEM(int64_t)
OLIVINE_ITEM(float16_t)
OLIVINE_ITEM(bfloat16_t)
OLIVINE_ITEM(float)
OLIVINE_ITEM(double)
OLIVINE_ITEM(complex64_t)
OLIVINE_ITEM(complex128_t)
OLIVINE_ITEM(std::complex<float>)
OLIVINE_ITEM(std::complex<double>)
#undef OLIVINE_ITEM

}  // namespace olivine
