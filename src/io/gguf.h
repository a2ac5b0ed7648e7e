// GGUF's tensor types: how blocks of them are stored and decoded.
#pragma once

#include <cstdint>
#include <string_view>

#include "io/extent.h"
#include "ops/quantized_params.h"

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
  decoded,    // float16, or float32 if nothing may be lost
  packed,     // weight, scales and biases as `packing` says, groups of 32
  packable,   // decoded, or packed if that is asked for
  unreadable  // known by name only
};

// Packed blocks: their format, and the packer. Floating scales and biases are float16.
struct Packing {
  QuantFormat format{};
  Codec codec{};
};

struct Type {
  uint32_t id;
  std::string_view name;
  uint32_t values, bytes;  // per block
  Form form;
  Dtype dtype;      // of plain and decoded elements
  Codec codec;      // decodes blocks
  Codec exact;      // to float32
  Packing packing;  // of Form::packed as quantize() packs, else without loss
  Packing kept;     // without loss
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

// Packers of blocks [first, first + count), as in Codec; `out` has words, scales and biases.
void pack_q4_0(const unsigned char* in, int64_t first, int64_t count, void* const* out);
void pack_q4_1(const unsigned char* in, int64_t first, int64_t count, void* const* out);
void pack_q5_0(const unsigned char* in, int64_t first, int64_t count, void* const* out);
void pack_q5_1(const unsigned char* in, int64_t first, int64_t count, void* const* out);
void pack_q8_0(const unsigned char* in, int64_t first, int64_t count, void* const* out);
void keep_q4_0(const unsigned char* in, int64_t first, int64_t count, void* const* out);
void keep_q8_0(const unsigned char* in, int64_t first, int64_t count, void* const* out);
void pack_q2_k(const unsigned char* in, int64_t first, int64_t count, void* const* out);
void pack_q3_k(const unsigned char* in, int64_t first, int64_t count, void* const* out);
void pack_q6_k(const unsigned char* in, int64_t first, int64_t count, void* const* out);
void pack_q4_k(const unsigned char* in, int64_t first, int64_t count, void* const* out);
void pack_q5_k(const unsigned char* in, int64_t first, int64_t count, void* const* out);

// Little-endian numbers at any address.
inline uint32_t u16_at(const unsigned char* p) { return uint32_t(p[0] | p[1] << 8); }
inline uint32_t u32_at(const unsigned char* p) { return u16_at(p) | u16_at(p + 2) << 16; }
inline float f16_at(const unsigned char* p) {
  return to_float(float16_t::from_bits(uint16_t(u16_at(p))));
}

// The signed scale of group j, out of the 12 bytes of Q3_K.
inline int q3_k_scale(const unsigned char* s, int j) {
  const int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
  return (low | (s[8 + j % 4] >> (j / 4 * 2) & 3) << 4) - 32;
}

// The 6-bit scale and minimum of group j, out of the 12 bytes of Q4_K and Q5_K.
struct ScaleMin {
  float scale, min;
};
inline ScaleMin scale_min(const unsigned char* s, int j) {
  if (j < 4) return {float(s[j] & 63), float(s[j + 4] & 63)};
  return {float((s[j + 4] & 15) | s[j - 4] >> 6 << 4), float(s[j + 4] >> 4 | s[j] >> 6 << 4)};
}

}  // namespace olivine::gguf
