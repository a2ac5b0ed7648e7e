// Decoders of GGUF's block types without code books: K-quants, 4- and 5-bit blocks, ternary, MXFP4.
//
// A block has 32 or 256 elements as integers of a few bits, with float16 scales and, in K-quants,
// a scale per group of 16 or 32. Layouts: ggml's block_* structures.
#include <bit>
#include <cmath>

#include "io/gguf.h"

namespace olivine::gguf {
namespace {

// What four bits mean in IQ4, and in MXFP4 (E2M1, where ggml has no negative zero).
constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};
constexpr float kE2m1[16] = {0.f, 0.5f,  1.f,  1.5f,  2.f,  3.f,  4.f,  6.f,
                             0.f, -0.5f, -1.f, -1.5f, -2.f, -3.f, -4.f, -6.f};

int i8(unsigned char c) { return static_cast<int8_t>(c); }

// The fifth bits of a 32-element block.
int fifth(uint32_t high, int j) { return int(high >> j & 1) << 4; }

}  // namespace

void decode_q5_0(const unsigned char* b, float* y) {
  float d = f16_at(b);
  uint32_t high = u32_at(b + 2);
  for (int j = 0; j < 16; ++j) {
    int q = b[6 + j];
    y[j] = float(((q & 15) | fifth(high, j)) - 16) * d;
    y[j + 16] = float((q >> 4 | fifth(high, j + 16)) - 16) * d;
  }
}

void decode_q5_1(const unsigned char* b, float* y) {
  float d = f16_at(b), min = f16_at(b + 2);
  uint32_t high = u32_at(b + 4);
  for (int j = 0; j < 16; ++j) {
    int q = b[8 + j];
    y[j] = float((q & 15) | fifth(high, j)) * d + min;
    y[j + 16] = float(q >> 4 | fifth(high, j + 16)) * d + min;
  }
}

void decode_q2_k(const unsigned char* b, float* y) {
  float d = f16_at(b + 80), dmin = f16_at(b + 82);
  for (int group = 0; group < 16; ++group) {
    float scale = d * float(b[group] & 15), min = dmin * float(b[group] >> 4);
    const unsigned char* q = b + 16 + group / 8 * 32 + group % 2 * 16;
    int shift = group / 2 % 4 * 2;
    for (int l = 0; l < 16; ++l) *y++ = scale * float(q[l] >> shift & 3) - min;
  }
}

void decode_q3_k(const unsigned char* b, float* y) {
  const unsigned char *high = b, *s = b + 96;
  float d = f16_at(b + 108);
  for (int group = 0; group < 16; ++group) {
    float scale = d * float(q3_k_scale(s, group));
    const unsigned char* q = b + 32 + group / 8 * 32 + group % 2 * 16;
    const unsigned char* h = high + group % 2 * 16;
    int shift = group / 2 % 4 * 2;
    for (int l = 0; l < 16; ++l) {
      int third = h[l] >> (group / 2) & 1;
      *y++ = scale * float((q[l] >> shift & 3) - (third ? 0 : 4));
    }
  }
}

void decode_q4_k(const unsigned char* b, float* y) {
  float d = f16_at(b), dmin = f16_at(b + 2);
  for (int group = 0; group < 8; ++group) {
    ScaleMin s = scale_min(b + 4, group);
    float scale = d * s.scale, min = dmin * s.min;
    const unsigned char* q = b + 16 + group / 2 * 32;
    int shift = group % 2 * 4;
    for (int l = 0; l < 32; ++l) *y++ = scale * float(q[l] >> shift & 15) - min;
  }
}

void decode_q5_k(const unsigned char* b, float* y) {
  float d = f16_at(b), dmin = f16_at(b + 2);
  for (int group = 0; group < 8; ++group) {
    ScaleMin s = scale_min(b + 4, group);
    float scale = d * s.scale, min = dmin * s.min;
    const unsigned char *high = b + 16, *q = b + 48 + group / 2 * 32;
    int shift = group % 2 * 4;
    for (int l = 0; l < 32; ++l) {
      *y++ = scale * float((q[l] >> shift & 15) | (high[l] >> group & 1) << 4) - min;
    }
  }
}

void decode_q6_k(const unsigned char* b, float* y) {
  float d = f16_at(b + 208);
  for (int group = 0; group < 16; ++group) {
    int half = group / 8, part = group % 8 / 2, from = group % 2 * 16;  // part: 32 of 128 elements
    const unsigned char* low = b + half * 64 + part % 2 * 32 + from;
    const unsigned char* high = b + 128 + half * 32 + from;
    float scale = d * float(i8(b[192 + group]));
    for (int l = 0; l < 16; ++l) {
      int q = (low[l] >> (part / 2 * 4) & 15) | (high[l] >> (part * 2) & 3) << 4;
      *y++ = scale * float(q - 32);
    }
  }
}

void decode_q8_k(const unsigned char* b, float* y) {
  float d = std::bit_cast<float>(u32_at(b));
  for (int l = 0; l < 256; ++l) y[l] = d * float(i8(b[4 + l]));
}

void decode_iq4_nl(const unsigned char* b, float* y) {
  float d = f16_at(b);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * float(kIq4Values[b[2 + j] & 15]);
    y[j + 16] = d * float(kIq4Values[b[2 + j] >> 4]);
  }
}

void decode_iq4_xs(const unsigned char* b, float* y) {
  float d = f16_at(b);
  uint32_t high = u16_at(b + 2);
  for (int group = 0; group < 8; ++group, y += 32) {
    int six = (b[4 + group / 2] >> (group % 2 * 4) & 15) | int(high >> (2 * group) & 3) << 4;
    float scale = d * float(six - 32);
    const unsigned char* q = b + 8 + 16 * group;
    for (int j = 0; j < 16; ++j) {
      y[j] = scale * float(kIq4Values[q[j] & 15]);
      y[j + 16] = scale * float(kIq4Values[q[j] >> 4]);
    }
  }
}

// Five digits of base 3 in a byte, as a fraction of 256: a multiplication by 3 shifts them up.
void decode_tq1_0(const unsigned char* b, float* y) {
  constexpr uint8_t kPowers[5] = {1, 3, 9, 27, 81};
  float d = f16_at(b + 52);
  auto put = [&](const unsigned char* q, int bytes, int digits) {
    for (int n = 0; n < digits; ++n) {
      for (int m = 0; m < bytes; ++m) {
        auto shifted = static_cast<uint8_t>(q[m] * kPowers[n]);
        *y++ = float((shifted * 3 >> 8) - 1) * d;
      }
    }
  };
  put(b, 32, 5);
  put(b + 32, 16, 5);
  put(b + 48, 4, 4);
}

void decode_tq2_0(const unsigned char* b, float* y) {
  float d = f16_at(b + 64);
  for (int half = 0; half < 64; half += 32) {
    for (int shift = 0; shift < 8; shift += 2) {
      for (int m = 0; m < 32; ++m) *y++ = float((b[half + m] >> shift & 3) - 1) * d;
    }
  }
}

void decode_mxfp4(const unsigned char* b, float* y) {
  float scale = std::ldexp(1.f, int(b[0]) - 127);
  for (int j = 0; j < 16; ++j) {
    y[j] = scale * kE2m1[b[1 + j] & 15];
    y[j + 16] = scale * kE2m1[b[1 + j] >> 4];
  }
}

}  // namespace olivine::gguf
