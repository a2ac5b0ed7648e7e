// The structures of the DLPack exchange format, versions 0 and 1 (dmlc.github.io/dlpack).
#pragma once

#include <cstdint>

namespace olivine::python::dlpack {

inline constexpr int32_t kCpu = 1;
inline constexpr uint8_t kBfloat = 4;
inline constexpr uint8_t kBool = 6;
inline constexpr uint64_t kReadOnly = 1;
inline constexpr uint64_t kIsCopied = 2;

struct Device {
  int32_t type;
  int32_t id;
};
struct DataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct Tensor {
  void* data;
  Device device;
  int32_t ndim;
  DataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null means row-major
  uint64_t byte_offset;
};
struct Managed {
  Tensor tensor;
  void* context;
  void (*deleter)(Managed*);
};
struct Version {
  uint32_t major;
  uint32_t minor;
};
struct ManagedVersioned {
  Version version;
  void* context;
  void (*deleter)(ManagedVersioned*);
  uint64_t flags;
  Tensor tensor;
};

template <class M>
inline constexpr const char* capsule_name = "dltensor";
template <>
inline constexpr const char* capsule_name<ManagedVersioned> = "dltensor_versioned";
template <class M>
inline constexpr const char* used_name = "used_dltensor";
template <>
inline constexpr const char* used_name<ManagedVersioned> = "used_dltensor_versioned";

}  // namespace olivine::python::dlpack
