// The element types of arrays, their sizes, categories and promotion.
#pragma once

#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "olivine/complex.h"
#include "olivine/export.h"

namespace olivine {

class Dtype {
 public:
  enum class Val : uint8_t {
    bool_,
    uint8,
    uint16,
    uint32,
    uint64,
    int8,
    int16,
    int32,
    int64,
    float16,
    bfloat16,
    float32,
    float64,
    complex64,
    complex128,
  };
  static constexpr int kCount = 15;
  // What numbers a dtype holds, by NumPy's letters.
  enum class Kind : uint8_t { b, u, i, f, c, V };

  // Categories form a tree; issubdtype(a, b) asks whether a lies under b.
  enum class Category : uint8_t {
    complexfloating,
    floating,
    inexact,
    signedinteger,
    unsignedinteger,
    integer,
    number,
    generic,
  };

  constexpr Dtype(Val val) : val_(val) {}
  constexpr explicit Dtype(Val val, uint8_t /* its size, which follows */) : val_(val) {}
  constexpr operator Val() const { return val_; }
  constexpr Val val() const { return val_; }
  constexpr int index() const { return static_cast<int>(val_); }
  constexpr size_t size() const { return kSizes[index()]; }
  constexpr bool operator==(const Dtype&) const = default;
  constexpr bool operator==(Val val) const { return val_ == val; }

 private:
  static constexpr uint8_t kSizes[kCount] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  Val val_;
};

inline constexpr Dtype bool_{Dtype::Val::bool_};
inline constexpr Dtype uint8{Dtype::Val::uint8};
inline constexpr Dtype uint16{Dtype::Val::uint16};
inline constexpr Dtype uint32{Dtype::Val::uint32};
inline constexpr Dtype uint64{Dtype::Val::uint64};
inline constexpr Dtype int8{Dtype::Val::int8};
inline constexpr Dtype int16{Dtype::Val::int16};
inline constexpr Dtype int32{Dtype::Val::int32};
inline constexpr Dtype int64{Dtype::Val::int64};
inline constexpr Dtype float16{Dtype::Val::float16};
inline constexpr Dtype bfloat16{Dtype::Val::bfloat16};
inline constexpr Dtype float32{Dtype::Val::float32};
inline constexpr Dtype float64{Dtype::Val::float64};
inline constexpr Dtype complex64{Dtype::Val::complex64};
inline constexpr Dtype complex128{Dtype::Val::complex128};

constexpr bool is_complexfloating(Dtype t) { return t.val() >= Dtype::Val::complex64; }
constexpr bool is_floating(Dtype t) {
  return t.val() >= Dtype::Val::float16 && t.val() <= Dtype::Val::float64;
}
constexpr bool is_inexact(Dtype t) { return t.val() >= Dtype::Val::float16; }
constexpr bool is_unsigned(Dtype t) {
  return t.val() >= Dtype::Val::uint8 && t.val() <= Dtype::Val::uint64;
}
constexpr bool is_signed_integer(Dtype t) {
  return t.val() >= Dtype::Val::int8 && t.val() <= Dtype::Val::int64;
}
constexpr bool is_integer(Dtype t) { return is_unsigned(t) || is_signed_integer(t); }

// The dtype that holds both operands of a mixed expression, as MLX promotes.
OLIVINE_API Dtype promote_types(Dtype a, Dtype b);
// The floating dtype an op such as exp computes in: itself if inexact, else float32.
constexpr Dtype at_least_float(Dtype t) { return is_inexact(t) ? t : float32; }
// float32 for complex64, float64 for complex128, else itself.
constexpr Dtype real_type(Dtype t) {
  return t == complex64 ? float32 : t == complex128 ? float64 : t;
}

OLIVINE_API Dtype::Category category(Dtype t);
OLIVINE_API bool issubdtype(Dtype a, Dtype b);
OLIVINE_API bool issubdtype(Dtype a, Dtype::Category b);
OLIVINE_API bool issubdtype(Dtype::Category a, Dtype::Category b);
// A category lies under no dtype.
inline bool issubdtype(Dtype::Category, Dtype) { return false; }
OLIVINE_API Dtype::Kind kindof(Dtype t);
OLIVINE_API std::string_view name(Dtype t);

// Storage types of the two 16-bit floats; arithmetic happens in float.
template <class T>
concept HalfSource = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, int> ||
    std::same_as<T, int64_t> || std::same_as<T, bool>;

// An element of a std::vector<bool>.
template <class T>
concept VectorBit = std::same_as<T, std::vector<bool>::reference>;

#define OLIVINE_INLINE __attribute__((always_inline)) inline
#define OLIVINE_HALF(T)                                       \
  struct T {                                                  \
    union {                                                   \
      uint16_t bits;                                          \
      uint16_t bits_; /* MLX's name */                        \
    };                                                        \
    T() = default;                                            \
    template <HalfSource F>                                   \
    OLIVINE_INLINE T(F x);                                    \
    OLIVINE_INLINE static constexpr T from_bits(uint16_t b) { \
      T x{};                                                  \
      x.bits = b;                                             \
      return x;                                               \
    }                                                         \
    OLIVINE_INLINE operator float() const;                    \
    template <VectorBit B>                                    \
    T& operator=(B x) {                                       \
      return *this = static_cast<bool>(x);                    \
    }                                                         \
    OLIVINE_INLINE T& operator+=(float x);                    \
    OLIVINE_INLINE T& operator-=(float x);                    \
    OLIVINE_INLINE T& operator*=(float x);                    \
    OLIVINE_INLINE T& operator/=(float x);                    \
  };
OLIVINE_HALF(float16_t)
OLIVINE_HALF(bfloat16_t)
#undef OLIVINE_HALF

OLIVINE_API float to_float(float16_t x);
OLIVINE_API float to_float(bfloat16_t x);
OLIVINE_API float16_t to_float16(float x);
OLIVINE_API bfloat16_t to_bfloat16(float x);

#define OLIVINE_HALF(T, ROUND)                                                  \
  template <HalfSource F>                                                       \
  OLIVINE_INLINE T::T(F x) : T(ROUND(static_cast<float>(x))) {}                 \
  OLIVINE_INLINE T::operator float() const { return to_float(*this); }          \
  OLIVINE_INLINE T& T::operator+=(float x) { return *this = float(*this) + x; } \
  OLIVINE_INLINE T& T::operator-=(float x) { return *this = float(*this) - x; } \
  OLIVINE_INLINE T& T::operator*=(float x) { return *this = float(*this) * x; } \
  OLIVINE_INLINE T& T::operator/=(float x) { return *this = float(*this) / x; }
OLIVINE_HALF(float16_t, to_float16)
OLIVINE_HALF(bfloat16_t, to_bfloat16)
#undef OLIVINE_HALF
#undef OLIVINE_INLINE

// dtype_of<T>: the dtype whose elements are stored as T.
template <class T>
inline constexpr Dtype dtype_of = [] {
  static_assert(sizeof(T) == 0, "not an element type");
  return bool_;
}();
#define OLIVINE_DTYPE_OF(T, D) \
  template <>                  \
  inline constexpr Dtype dtype_of<T> = D;
OLIVINE_DTYPE_OF(bool, bool_)
OLIVINE_DTYPE_OF(uint8_t, uint8)
OLIVINE_DTYPE_OF(uint16_t, uint16)
OLIVINE_DTYPE_OF(uint32_t, uint32)
OLIVINE_DTYPE_OF(uint64_t, uint64)
OLIVINE_DTYPE_OF(int8_t, int8)
OLIVINE_DTYPE_OF(int16_t, int16)
OLIVINE_DTYPE_OF(int32_t, int32)
OLIVINE_DTYPE_OF(int64_t, int64)
OLIVINE_DTYPE_OF(float16_t, float16)
OLIVINE_DTYPE_OF(bfloat16_t, bfloat16)
OLIVINE_DTYPE_OF(float, float32)
OLIVINE_DTYPE_OF(double, float64)
OLIVINE_DTYPE_OF(complex64_t, complex64)
OLIVINE_DTYPE_OF(complex128_t, complex128)
OLIVINE_DTYPE_OF(std::complex<float>, complex64)
OLIVINE_DTYPE_OF(std::complex<double>, complex128)
#undef OLIVINE_DTYPE_OF
// Whether elements are stored as T.
template <class T>
concept ElementType =
    []<class... E>(std::type_identity<std::tuple<E...>>) {
      return (std::same_as<T, E> || ...);
    }(std::type_identity<
        std::tuple<bool, uint8_t, uint16_t, uint32_t, uint64_t, int8_t, int16_t, int32_t, int64_t,
                   float16_t, bfloat16_t, float, double, complex64_t, complex128_t,
                   std::complex<float>, std::complex<double>>>{});

}  // namespace olivine
