// Elements of complex arrays: std::complex that also converts to its real part, as MLX's do.
#pragma once

#include <complex>
#include <concepts>
#include <type_traits>

namespace olivine {

template <std::floating_point T>
struct ComplexElement;
using complex64_t = ComplexElement<float>;
using complex128_t = ComplexElement<double>;

namespace detail {
template <class T, class C>
concept MixesWith = std::is_arithmetic_v<T> || std::same_as<T, C> ||
    std::same_as<T, std::complex<typename C::value_type>>;
}  // namespace detail

template <std::floating_point T>
struct ComplexElement : std::complex<T> {
  constexpr ComplexElement() = default;
  constexpr ComplexElement(T real, T imag) : std::complex<T>(real, imag) {}
  constexpr ComplexElement(std::complex<T> v) : std::complex<T>(v) {}
  template <class N>
  requires(std::convertible_to<N, T> &&
           !std::same_as<N, ComplexElement>) constexpr ComplexElement(N real)
      : std::complex<T>(static_cast<T>(real)) {}
  // The real part: what is left where a real number is expected.
  constexpr operator T() const { return this->real(); }
  constexpr explicit operator bool() const { return this->real() != 0 || this->imag() != 0; }
};

// With numbers of any type, which would otherwise meet the real part alone.
#define OLIVINE_COMPLEX_OP(OP)                                                           \
  template <class T, detail::MixesWith<ComplexElement<T>> N>                             \
  constexpr ComplexElement<T> operator OP(const ComplexElement<T>& a, const N& b) {      \
    return std::complex<T>(a) OP std::complex<T>(ComplexElement<T>(b));                  \
  }                                                                                      \
  template <class T, detail::MixesWith<ComplexElement<T>> N>                             \
  requires(!std::same_as<N, ComplexElement<T>>) constexpr ComplexElement<T> operator OP( \
      const N& a, const ComplexElement<T>& b) {                                          \
    return std::complex<T>(ComplexElement<T>(a)) OP std::complex<T>(b);                  \
  }
OLIVINE_COMPLEX_OP(+)
OLIVINE_COMPLEX_OP(-)
OLIVINE_COMPLEX_OP(*)
OLIVINE_COMPLEX_OP(/)
#undef OLIVINE_COMPLEX_OP
template <class T>
constexpr ComplexElement<T> operator-(const ComplexElement<T>& v) {
  return {-v.real(), -v.imag()};
}
template <class T, detail::MixesWith<ComplexElement<T>> N>
constexpr bool operator==(const ComplexElement<T>& a, const N& b) {
  return std::complex<T>(a) == std::complex<T>(ComplexElement<T>(b));
}

}  // namespace olivine
