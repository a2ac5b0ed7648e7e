// Packing GGUF's blocks into rows of codes, the first lowest, with their scales and biases apart.
//
// ops/quantized_params.h has the formats. What quantize() packs has biases; kept without loss,
// formats with an offset need none, and the scales of K-quants stay bytes with float16 factors:
// their products have more bits than float16.
#include <cstring>

#include "io/gguf.h"

namespace olivine::gguf {
namespace {

constexpr int kGroup = 32;
using Codes = unsigned char[kGroup];

void put_half(void* out, int64_t i, float16_t v) { static_cast<float16_t*>(out)[i] = v; }
float16_t half_at(const unsigned char* p) { return float16_t::from_bits(uint16_t(u16_at(p))); }

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

// Signed bytes as codes.
void signed_bytes(const unsigned char* q, void* words, int64_t group) {
  auto* to = static_cast<unsigned char*>(words) + kGroup * group;
  for (int j = 0; j < kGroup; ++j) to[j] = q[j] ^ 0x80;
}

// Signed codes are stored with an offset, which the bias takes back.
void put_symmetric(void* const* out, int64_t group, float16_t scale, float offset) {
  put_half(out[1], group, scale);
  put_half(out[2], group, to_float16(-offset * to_float(scale)));
}

// Where the bytes of block i of scales or biases start; its factor lies before them.
template <int groups>
unsigned char* put_factor(void* out, int64_t i, uint32_t half) {
  auto* block = static_cast<unsigned char*>(out) + i * (groups + 2);
  block[0] = static_cast<unsigned char>(half);
  block[1] = static_cast<unsigned char>(half >> 8);
  return block + 2;
}
constexpr uint32_t kSign = 0x8000;  // of a float16: minima are subtracted

// The scales and minima of Q4_K and Q5_K.
void put_group_scales(const unsigned char* block, int64_t i, void* const* out) {
  unsigned char* scales = put_factor<8>(out[1], i, u16_at(block));
  unsigned char* biases = put_factor<8>(out[2], i, u16_at(block + 2) ^ kSign);
  for (int group = 0; group < 8; ++group) {
    const ScaleMin s = scale_min(block + 4, group);
    scales[group] = static_cast<unsigned char>(s.scale);
    biases[group] = static_cast<unsigned char>(s.min);
  }
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

void keep_q4_0(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = first; i < first + count; ++i, in += 18) {
    nibbles(in + 2, codes);
    put_codes<4>(codes, out[0], i);
    put_half(out[1], i, half_at(in));
  }
}

void pack_q5_0(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = first; i < first + count; ++i, in += 22) {
    nibbles_and_fifth(in + 6, u32_at(in + 2), codes);
    put_codes<5>(codes, out[0], i);
    put_half(out[1], i, half_at(in));
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
    signed_bytes(in + 2, out[0], i);
    put_symmetric(out, i, half_at(in), 128);
  }
}

void keep_q8_0(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  for (int64_t i = first; i < first + count; ++i, in += 34) {
    signed_bytes(in + 2, out[0], i);
    put_half(out[1], i, half_at(in));
  }
}

void pack_q2_k(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = first; i < first + count; ++i, in += 84) {
    unsigned char* scales = put_factor<16>(out[1], i, u16_at(in + 80));
    unsigned char* biases = put_factor<16>(out[2], i, u16_at(in + 82) ^ kSign);
    for (int group = 0; group < 16; ++group) {
      scales[group] = in[group] & 15;
      biases[group] = in[group] >> 4;
    }
    for (int part = 0; part < 8; ++part) {
      const unsigned char* q = in + 16 + part / 4 * 32;
      for (int j = 0; j < kGroup; ++j) codes[j] = q[j] >> (part % 4 * 2) & 3;
      put_codes<2>(codes, out[0], 8 * i + part);
    }
  }
}

void pack_q3_k(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = first; i < first + count; ++i, in += 110) {
    unsigned char* scales = put_factor<16>(out[1], i, u16_at(in + 108));
    for (int group = 0; group < 16; ++group) {
      scales[group] = static_cast<unsigned char>(q3_k_scale(in + 96, group));
    }
    for (int part = 0; part < 8; ++part) {
      const unsigned char *high = in, *q = in + 32 + part / 4 * 32;
      for (int j = 0; j < kGroup; ++j) {
        const int code = (q[j] >> (part % 4 * 2) & 3) | (high[j] >> part & 1) << 2;
        codes[j] = static_cast<unsigned char>(code);
      }
      put_codes<3>(codes, out[0], 8 * i + part);
    }
  }
}

void pack_q6_k(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = first; i < first + count; ++i, in += 210) {
    std::memcpy(put_factor<16>(out[1], i, u16_at(in + 208)), in + 192, 16);
    for (int part = 0; part < 8; ++part) {
      const unsigned char *low = in + part / 4 * 64 + part % 2 * 32,
                          *high = in + 128 + part / 4 * 32;
      for (int j = 0; j < kGroup; ++j) {
        const int code = (low[j] >> (part % 4 / 2 * 4) & 15) | (high[j] >> (part % 4 * 2) & 3) << 4;
        codes[j] = static_cast<unsigned char>(code);
      }
      put_codes<6>(codes, out[0], 8 * i + part);
    }
  }
}

void pack_q4_k(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = first; i < first + count; ++i, in += 144) {
    put_group_scales(in, i, out);
    for (int group = 0; group < 8; ++group) {
      const unsigned char* q = in + 16 + group / 2 * 32;
      for (int j = 0; j < kGroup; ++j) codes[j] = q[j] >> (group % 2 * 4) & 15;
      put_codes<4>(codes, out[0], 8 * i + group);
    }
  }
}

void pack_q5_k(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  Codes codes;
  for (int64_t i = first; i < first + count; ++i, in += 176) {
    put_group_scales(in, i, out);
    for (int group = 0; group < 8; ++group) {
      const unsigned char *high = in + 16, *q = in + 48 + group / 2 * 32;
      for (int j = 0; j < kGroup; ++j) {
        int code = (q[j] >> (group % 2 * 4) & 15) | (high[j] >> group & 1) << 4;
        codes[j] = static_cast<unsigned char>(code);
      }
      put_codes<5>(codes, out[0], 8 * i + group);
    }
  }
}

}  // namespace olivine::gguf
