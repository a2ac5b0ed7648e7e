// <mlx/types/complex.h> by Olivine.
#pragma once

#include <cmath>
#include <complex>
#include <concepts>
#include <type_traits>
#include <utility>

#include "mlx/namespace.h"
#include "olivine/dtype.h"

namespace olivine {

template <class T>
inline constexpr bool can_convert_to_complex64 =
    !std::same_as<T, complex64_t> && std::convertible_to<T, float>;
template <class T>
inline constexpr bool can_convert_to_complex128 =
    !std::same_as<T, complex128_t> && std::convertible_to<T, double>;

// Whether values of a type have parts.
template <class T, class = void>
inline constexpr bool is_complex = false;
template <class T>
inline constexpr bool is_complex<T, std::void_t<decltype(std::declval<T>().real())>> = true;

// By the real part first, as arrays are sorted.
inline bool operator<(const complex64_t& a, const complex64_t& b) {
  return a.real() != b.real() ? a.real() < b.real() : a.imag() < b.imag();
}
inline bool operator>(const complex64_t& a, const complex64_t& b) { return b < a; }
inline bool operator>=(const complex64_t& a, const complex64_t& b) { return !(a < b); }
inline bool operator<=(const complex64_t& a, const complex64_t& b) { return !(b < a); }
// What is left of each part.
inline complex64_t operator%(complex64_t a, complex64_t b) {
  auto rest = [](float x, float y) {
    float r = std::fmod(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
  };
  return {rest(a.real(), b.real()), rest(a.imag(), b.imag())};
}
template <class T>
bool isnan(T v) {
  if constexpr (requires { v.imag(); }) {
    return std::isnan(v.real()) || std::isnan(v.imag());
  } else {
    return std::isnan(static_cast<float>(v));
  }
}

}  // namespace olivine
