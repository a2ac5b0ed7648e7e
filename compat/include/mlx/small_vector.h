// <mlx/small_vector.h> by Olivine.
#pragma once

#include <iterator>
#include <type_traits>

#include "mlx/namespace.h"
#include "olivine/utils.h"

namespace olivine {

template <class T>
inline constexpr bool is_iterator_v = std::input_or_output_iterator<T>;
template <class T, class = void>
struct is_iterator : std::bool_constant<is_iterator_v<T>> {};
template <class T>
struct is_vector : std::bool_constant<is_vector_v<T>> {};

}  // namespace olivine
