// <mlx/types/half_types.h> by Olivine.
#pragma once

#include <type_traits>

#include "mlx/namespace.h"
#include "mlx/types/bf16.h"
#include "mlx/types/fp16.h"

namespace olivine {
template <class T>
inline constexpr bool is_half_v = std::is_same_v<T, float16_t> || std::is_same_v<T, bfloat16_t>;
template <class T>
inline constexpr bool is_floating_point_v = std::is_floating_point_v<T> || is_half_v<T>;
template <class T>
inline constexpr bool is_signed_v = std::is_signed_v<T> || is_half_v<T>;
}  // namespace olivine
