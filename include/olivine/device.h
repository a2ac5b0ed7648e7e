// Devices and streams: where and in which order work runs. Any stream may be used from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "olivine/export.h"

namespace olivine {

struct Device {
  enum class Type : uint8_t { cpu, gpu };
  using DeviceType = Type;
  static constexpr Type cpu = Type::cpu;
  static constexpr Type gpu = Type::gpu;

  Type type = Type::cpu;
  int index = 0;

  Device() = default;
  Device(Type type, int index = 0) : type(type), index(index) {}
  bool operator==(const Device&) const = default;
  bool operator<(const Device& o) const { return type != o.type ? type < o.type : index < o.index; }
};

struct Stream {
  int index = 0;
  Device device;

  Stream() = default;
  explicit Stream(int index, Device device) : index(index), device(device) {}
  bool operator==(const Stream&) const = default;
  bool operator<(const Stream& o) const {
    return device == o.device ? index < o.index : device < o.device;
  }
};

// What ops take as their last argument: nothing (the default stream), a stream, or a device.
class StreamOrDevice {
 public:
  constexpr StreamOrDevice() = default;
  StreamOrDevice(Stream s) : index_(s.index) {}
  OLIVINE_API StreamOrDevice(Device d);
  OLIVINE_API StreamOrDevice(Device::Type t);
  // Index of the stream meant; -1 for the caller's default.
  int index() const { return index_; }

 private:
  int index_ = -1;
};

OLIVINE_API Device default_device();
OLIVINE_API void set_default_device(Device d);
OLIVINE_API Stream default_stream(Device d);
OLIVINE_API void set_default_stream(Stream s);
OLIVINE_API Stream new_stream(Device d);
OLIVINE_API Stream to_stream(StreamOrDevice s);
// The same, but for nothing the default stream of `otherwise`.
inline Stream to_stream(StreamOrDevice s, Device otherwise) {
  return s.index() < 0 ? default_stream(otherwise) : to_stream(s);
}
OLIVINE_API std::vector<Stream> streams();
// Waits for everything asked of a stream (all streams without an argument).
OLIVINE_API void synchronize();
OLIVINE_API void synchronize(Stream s);

OLIVINE_API bool is_available(Device d);
OLIVINE_API int device_count(Device::Type t);

// Facts about a device as ordered (name, value) pairs: isa, threads, memory, cache sizes…
using DeviceFact = std::pair<std::string, std::variant<std::string, int64_t>>;
struct DeviceInfo : std::vector<DeviceFact> {
  using std::vector<DeviceFact>::vector;
  // The same by name, in any order.
  OLIVINE_API operator std::unordered_map<std::string, std::variant<std::string, size_t>>() const;
};
OLIVINE_API DeviceInfo device_info(Device d = default_device());

}  // namespace olivine
