// Shapes and strides: small vectors of 64-bit sizes that need no heap for usual ranks.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>  // std::allocator, without all of <memory>

namespace olivine {

// A vector of trivially copyable T with room for N elements inside the object.
template <class T, uint32_t N = 10>
class SmallVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  using value_type = T;
  using reference = T&;
  using const_reference = const T&;
  using iterator = T*;
  using const_iterator = const T*;
  using difference_type = std::ptrdiff_t;
  using size_type = std::size_t;

  SmallVector() = default;
  explicit SmallVector(size_t n, T value = T{}) { resize(n, value); }
  SmallVector(std::initializer_list<T> list) { assign(list.begin(), list.end()); }
  SmallVector(std::span<const T> s) { assign(s.begin(), s.end()); }
  template <class It>
  requires(!std::is_integral_v<It>) SmallVector(It first, It last) { assign(first, last); }
  SmallVector(const SmallVector& o) { assign(o.begin(), o.end()); }
  SmallVector(SmallVector&& o) noexcept { steal(o); }
  // The same with an allocator, as std::vector's: memory comes from operator new, as the one given
  // would take it.
  using Allocator = std::allocator<T>;
  template <std::same_as<std::allocator<T>> A>
  explicit SmallVector(const A&) {}
  template <std::same_as<std::allocator<T>> A>
  explicit SmallVector(size_t n, const A&) : SmallVector(n) {}
  template <std::same_as<std::allocator<T>> A>
  SmallVector(size_t n, T value, const A&) : SmallVector(n, value) {}
  template <std::same_as<std::allocator<T>> A>
  SmallVector(std::initializer_list<T> list, const A&) : SmallVector(list) {}
  template <class It, std::same_as<std::allocator<T>> A>
  requires(!std::is_integral_v<It>) SmallVector(It first, It last, const A&)
      : SmallVector(first, last) {}
  template <std::same_as<std::allocator<T>> A>
  SmallVector(const SmallVector& o, const A&) : SmallVector(o) {}
  template <std::same_as<std::allocator<T>> A>
  SmallVector(SmallVector&& o, const A&) noexcept : SmallVector(std::move(o)) {}
  SmallVector& operator=(const SmallVector& o) {
    if (this != &o) assign(o.begin(), o.end());
    return *this;
  }
  SmallVector& operator=(SmallVector&& o) noexcept {
    if (this != &o) {
      free_heap();
      steal(o);
    }
    return *this;
  }
  ~SmallVector() { free_heap(); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return cap_ > N ? heap_ : inline_; }
  const T* data() const { return cap_ > N ? heap_ : inline_; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  const T* cbegin() const { return begin(); }
  const T* cend() const { return end(); }
  auto rbegin() { return std::reverse_iterator(end()); }
  auto rend() { return std::reverse_iterator(begin()); }
  auto rbegin() const { return std::reverse_iterator(end()); }
  auto rend() const { return std::reverse_iterator(begin()); }
  size_t capacity() const { return cap_; }
  T& at(size_t i) { return data()[checked(i)]; }
  const T& at(size_t i) const { return data()[checked(i)]; }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  T& front() { return data()[0]; }
  T& back() { return data()[size_ - 1]; }
  const T& front() const { return data()[0]; }
  const T& back() const { return data()[size_ - 1]; }

  void clear() { size_ = 0; }
  void reserve(size_t n) {
    if (n > cap_) grow(n);
  }
  void push_back(T v) {
    if (size_ == cap_) grow(size_ + 1);
    data()[size_++] = v;
  }
  template <class... Args>
  void emplace_back(Args&&... args) {
    push_back(T(std::forward<Args>(args)...));
  }
  void pop_back(size_t count = 1) {
    size_ -= static_cast<uint32_t>(std::min<size_t>(count, size_));
  }
  void resize(size_t n, T value = T{}) {
    reserve(n);
    for (size_t i = size_; i < n; ++i) data()[i] = value;
    size_ = static_cast<uint32_t>(n);
  }
  template <class It>
  void assign(It first, It last) {
    size_ = 0;
    reserve(static_cast<size_t>(last - first));
    for (T* p = data(); first != last; ++first) p[size_++] = static_cast<T>(*first);
  }
  iterator insert(const_iterator pos, T v) {
    size_t at = static_cast<size_t>(pos - begin());
    push_back(v);
    std::rotate(begin() + at, end() - 1, end());
    return begin() + at;
  }
  iterator insert(const_iterator pos, size_t count, T v) {
    size_t at = static_cast<size_t>(pos - begin());
    resize(size_ + count, v);
    std::rotate(begin() + at, end() - count, end());
    return begin() + at;
  }
  template <class It>
  requires(!std::is_integral_v<It>) iterator insert(const_iterator pos, It first, It last) {
    size_t at = static_cast<size_t>(pos - begin()), before = size_;
    for (; first != last; ++first) push_back(static_cast<T>(*first));
    std::rotate(begin() + at, begin() + before, end());
    return begin() + at;
  }
  iterator insert(const_iterator pos, std::initializer_list<T> values) {
    return insert(pos, values.begin(), values.end());
  }
  // A list of constants, which no braced one is.
  template <std::same_as<std::initializer_list<const T>> L>
  iterator insert(const_iterator pos, L values) {
    return insert(pos, values.begin(), values.end());
  }
  iterator erase(const_iterator pos) { return erase(pos, pos + 1); }
  iterator erase(const_iterator first, const_iterator last) {
    T* p = begin() + (first - begin());
    std::copy(last, cend(), p);
    size_ -= static_cast<uint32_t>(last - first);
    return p;
  }
  bool operator==(const SmallVector& o) const {
    return size_ == o.size_ && std::equal(begin(), end(), o.begin());
  }
  operator std::span<const T>() const { return {data(), size_}; }

 private:
  size_t checked(size_t i) const {
    if (i >= size_) throw std::out_of_range("[SmallVector] expected an index below the size");
    return i;
  }
  void grow(size_t n) {
    size_t cap = std::max<size_t>(n, size_t{2} * cap_);
    T* p = static_cast<T*>(::operator new(cap * sizeof(T)));
    std::memcpy(static_cast<void*>(p), data(), size_ * sizeof(T));
    free_heap();
    heap_ = p;
    cap_ = static_cast<uint32_t>(cap);
  }
  void free_heap() {
    if (cap_ > N) ::operator delete(heap_);
  }
  void steal(SmallVector& o) {
    size_ = o.size_;
    cap_ = o.cap_;
    if (cap_ > N) {
      heap_ = o.heap_;
    } else {
      std::memcpy(static_cast<void*>(inline_), o.inline_, size_ * sizeof(T));
    }
    o.size_ = 0;
    o.cap_ = N;
  }

  uint32_t size_ = 0;
  uint32_t cap_ = N;
  union {
    T inline_[N];
    T* heap_;
  };
};

using ShapeElem = int64_t;
using Shape = SmallVector<ShapeElem, 4>;
using Strides = SmallVector<int64_t, 4>;

}  // namespace olivine
