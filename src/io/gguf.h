// GGUF's tensor types: how blocks of them are stored and decoded.
#pragma once

#include <cstdint>
#include <string_view>

#include "io/extent.h"

namespace olivine::gguf {

// Types of metadata values, as numbered in files.
enum class Value : uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  list,
  u64,
  i64,
  f64,
};

// What arrays a tensor of a type becomes.
enum class Form {
  plain,      // elements as stored, of `dtype`
  decoded,    // float16
  packed,     // weight, scales and biases, in the affine layout of quantize()
  unreadable  // known by name only
};

struct Type {
  uint32_t id;
  std::string_view name;
  uint32_t values, bytes;  // per block
  Form form;
  Dtype dtype;  // of plain elements
  int bits;     // of packed elements
  Codec codec;
};

// Null: no type has this number.
const Type* find_type(uint32_t id);

// Decoders of one block to `values` floats. Names and layouts are those of ggml's block types.
using BlockDecoder = void (*)(const unsigned char* block, float* out);
void decode_iq1_s(const unsigned char* b, float* y);
void decode_iq1_m(const unsigned char* b, float* y);
void decode_iq2_xxs(const unsigned char* b, float* y);
void decode_iq2_xs(const unsigned char* b, float* y);
void decode_iq2_s(const unsigned char* b, float* y);
void decode_iq3_xxs(const unsigned char* b, float* y);
void decode_iq3_s(const unsigned char* b, float* y);
void decode_q2_k(const unsigned char* b, float* y);
void decode_q3_k(const unsigned char* b, float* y);
void decode_q4_k(const unsigned char* b, float* y);
void decode_q5_k(const unsigned char* b, float* y);
void decode_q6_k(const unsigned char* b, float* y);
void decode_q8_k(const unsigned char* b, float* y);
void decode_q5_0(const unsigned char* b, float* y);
void decode_q5_1(const unsigned char* b, float* y);
void decode_iq4_nl(const unsigned char* b, float* y);
void decode_iq4_xs(const unsigned char* b, float* y);
void decode_tq1_0(const unsigned char* b, float* y);
void decode_tq2_0(const unsigned char* b, float* y);
void decode_mxfp4(const unsigned char* b, float* y);

// Little-endian numbers at any address.
inline uint32_t u16_at(const unsigned char* p) { return uint32_t(p[0] | p[1] << 8); }
inline uint32_t u32_at(const unsigned char* p) { return u16_at(p) | u16_at(p + 2) << 16; }
inline float f16_at(const unsigned char* p) { return to_float(float16_t{uint16_t(u16_at(p))}); }

}  // namespace olivine::gguf
