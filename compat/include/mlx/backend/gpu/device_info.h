// <mlx/backend/gpu/device_info.h>: there is no such device in builds for CPUs.
#pragma once

#include <string>
#include <unordered_map>
#include <variant>

#include "mlx/namespace.h"

namespace olivine::gpu {
inline bool is_available() { return false; }
inline int device_count() { return 0; }
// Nothing is known of a device that is not there.
inline const std::unordered_map<std::string, std::variant<std::string, size_t>>& device_info(
    int /* device_index */ = 0) {
  static const std::unordered_map<std::string, std::variant<std::string, size_t>> none;
  return none;
}
}  // namespace olivine::gpu
