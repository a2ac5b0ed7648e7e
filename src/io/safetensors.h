// The header of a safetensors file: its JSON text as a list of tensors.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "olivine/io.h"

namespace olivine::safetensors {

struct NamedDtype {
  const char* name;
  Dtype dtype;
};
// 8-bit floats are kept as their bits. The first of a dtype is the one that is written.
inline constexpr NamedDtype kDtypes[] = {
    {"BOOL", bool_},        {"U8", uint8},          {"I8", int8},       {"U16", uint16},
    {"I16", int16},         {"U32", uint32},        {"I32", int32},     {"U64", uint64},
    {"I64", int64},         {"F16", float16},       {"BF16", bfloat16}, {"F32", float32},
    {"F64", float64},       {"C64", complex64},     {"F8_E4M3", uint8}, {"F8_E5M2", uint8},
    {"F8_E4M3FNUZ", uint8}, {"F8_E5M2FNUZ", uint8}, {"F8_E8M0", uint8},
};

struct Tensor {
  std::string name, format;
  Dtype dtype = bool_;
  Shape shape;
  uint64_t begin = 0, end = 0;
};

struct HeaderError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws HeaderError where the text is not JSON or not of the format. Tensors are in the text's
// order; their dtypes are not looked at.
void parse_header(std::string_view text, std::vector<Tensor>& tensors, Metadata& metadata);

}  // namespace olivine::safetensors
