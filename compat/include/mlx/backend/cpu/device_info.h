// <mlx/backend/cpu/device_info.h> by Olivine.
#pragma once

#include <string>
#include <unordered_map>
#include <variant>

#include "mlx/namespace.h"
#include "olivine/device.h"

namespace olivine::cpu {
inline bool is_available() { return true; }
inline int device_count() { return olivine::device_count(Device::cpu); }
inline const std::unordered_map<std::string, std::variant<std::string, size_t>>& device_info(
    int device_index = 0) {
  static const std::unordered_map<std::string, std::variant<std::string, size_t>> facts =
      olivine::device_info(Device(Device::cpu, device_index));
  return facts;
}
}  // namespace olivine::cpu
