// Packing GGUF's blocks into the affine layout of quantize(): groups of 32 codes, the first lowest.
//
// A group's values are code * scale + bias. Q4_K and Q5_K keep a scale as the product of a float16
// and six bits, which float32 holds exactly and float16 does not.
#include "io/gguf.h"

namespace olivine::gguf {
namespace {

constexpr int kGroup = 32;
using Codes = unsigned char[kGroup];

void put_half(void* out, int64_t i, float16_t v) { static_cast<float16_t*>(out)[i] = v; }
void put_float(void* out, int64_t i, float v) { static_cast<float*>(out)[i] = v; }
float16_t half_at(const unsigned char* p) { return {uint16_t(u16_at(p))}; }

// Codes of less than 8 bits, one after another.
template <int bits>
void put_codes(const Codes& codes, void* words, int64_t group) {
  auto* out = static_cast<unsigned char*>(words) + group * kGroup / 8 * bits;
  for (int at = 0; at < kGroup; at += 8, out += bits) {
    uint64_t eight = 0;
    for (int j = 0; j < 8; ++j) eight |= uint64_t{codes[at + j]} << (bits * j);
    for (int j = 0; j < bits; ++j) out[j] = static_cast<unsigned char>(eight >> (8 * j));
  }
}

// Blocks of 32 hold element j and j + 16 in one byte.
void nibbles(const unsigned char* q, Codes& codes) {
  for (int j = 0; j < kGroup / 2; ++j) {
    codes[j] = q[j] & 15;
    codes[j + 16] = q[j] >> 4;
  }
}
void nibbles_and_fifth(const unsigned char* q, uint32_t high, Codes& codes) {
  nibbles(q, codes);
  for (int j = 0; j < kGroup; ++j) {
    codes[j] = static_cast<unsigned char>(codes[j] | (high >> j & 1) << 4);
  }
}

// Signed codes are stored with an offset, which the bias takes back.
void put_symmetric(void* const* out, int64_t group, float16_t scale, float offset) {
  put_half(out[1], group, scale);
  put_half(out[2], group, to_float16(-offset * to_float(scale)));
}

// Scales of 6 bits and the float16 factors of a block.
void put_group_scales(const unsigned char* block, int group, int64_t at, void* const* out) {
  ScaleMin s = scale_min(block + 4, group);
  put_float(out[1], at, f16_at(block) * s.scale);
  put_float(out[2], at, -(f16_at(block + 2) * s.min));
}

}  // namespace

void pack_q4_0(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = first; i < first + count; ++i, in += 18) {
    nibbles(in + 2, codes);
    put_codes<4>(codes, out[0], i);
    put_symmetric(out, i, half_at(in), 8);
  }
}

void pack_q4_1(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = first; i < first + count; ++i, in += 20) {
    nibbles(in + 4, codes);
    put_codes<4>(codes, out[0], i);
    put_half(out[1], i, half_at(in));
    put_half(out[2], i, half_at(in + 2));
  }
}

void pack_q5_0(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = first; i < first + count; ++i, in += 22) {
    nibbles_and_fifth(in + 6, u32_at(in + 2), codes);
    put_codes<5>(codes, out[0], i);
    put_symmetric(out, i, half_at(in), 16);
  }
}

void pack_q5_1(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = first; i < first + count; ++i, in += 24) {
    nibbles_and_fifth(in + 8, u32_at(in + 4), codes);
    put_codes<5>(codes, out[0], i);
    put_half(out[1], i, half_at(in));
    put_half(out[2], i, half_at(in + 2));
  }
}

void pack_q8_0(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  for (int64_t i = first; i < first + count; ++i, in += 34) {
    auto* to = static_cast<unsigned char*>(out[0]) + kGroup * i;
    for (int j = 0; j < kGroup; ++j) to[j] = in[2 + j] ^ 0x80;
    put_symmetric(out, i, half_at(in), 128);
  }
}

void pack_q4_k(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = 8 * first; i < 8 * (first + count); i += 8, in += 144) {
    for (int group = 0; group < 8; ++group) {
      const unsigned char* q = in + 16 + group / 2 * 32;
      for (int j = 0; j < kGroup; ++j) codes[j] = q[j] >> (group % 2 * 4) & 15;
      put_codes<4>(codes, out[0], i + group);
      put_group_scales(in, group, i + group, out);
    }
  }
}

void pack_q5_k(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = 8 * first; i < 8 * (first + count); i += 8, in += 176) {
    for (int group = 0; group < 8; ++group) {
      const unsigned char *high = in + 16, *q = in + 48 + group / 2 * 32;
      for (int j = 0; j < kGroup; ++j) {
        int code = (q[j] >> (group % 2 * 4) & 15) | (high[j] >> group & 1) << 4;
        codes[j] = static_cast<unsigned char>(code);
      }
      put_codes<5>(codes, out[0], i + group);
      put_group_scales(in, group, i + group, out);
    }
  }
}

}  // namespace olivine::gguf
