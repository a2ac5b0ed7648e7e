// Decoders of GGUF's IQ types with code books: vectors of a book, with signs and scales per group.
//
// Every type has blocks of 256 elements in 8 groups of 32; a group is 4 (IQ3: 8) entries of the
// book. Layouts: ggml's block_iq* structures.
#include <bit>

#include "io/gguf.h"
#include "io/gguf_grids.h"

namespace olivine::gguf {
namespace {

constexpr float kIq2Values[4] = {8, 25, 43, 0};
constexpr float kIq3XxsValues[8] = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr float kIq3SValues[8] = {1, 3, 5, 7, 9, 11, 13, 15};

// 7 stored signs; the eighth makes their number even.
uint32_t signs_of(uint32_t seven) { return seven | uint32_t(std::popcount(seven) & 1) << 7; }

void put_iq2(uint16_t code, uint32_t signs, float scale, float* y) {
  for (int j = 0; j < 8; ++j) {
    float v = scale * kIq2Values[code >> (2 * j) & 3];
    y[j] = signs >> j & 1 ? -v : v;
  }
}

void put_iq3(uint16_t code, const float* values, uint32_t signs, float scale, float* y) {
  for (int j = 0; j < 4; ++j) {
    float v = scale * values[code >> (3 * j) & 7];
    y[j] = signs >> j & 1 ? -v : v;
  }
}

void put_iq1(uint32_t index, float scale, float delta, float* y) {
  uint16_t code = kIq1Grid[index];
  for (int j = 0; j < 8; ++j) y[j] = scale * (float(code >> (2 * j) & 3) - 1 + delta);
}

float iq2_scale(float d, uint32_t nibble) { return d * (0.5f + float(nibble)) * 0.25f; }

}  // namespace

void decode_iq2_xxs(const unsigned char* b, float* y) {
  float d = f16_at(b);
  for (int group = 0; group < 8; ++group) {
    const unsigned char* q = b + 2 + 8 * group;
    uint32_t rest = u32_at(q + 4);  // 4 x 7 signs and a scale
    float scale = iq2_scale(d, rest >> 28);
    for (int l = 0; l < 4; ++l, y += 8) {
      put_iq2(kIq2XxsGrid[q[l]], signs_of(rest >> (7 * l) & 127), scale, y);
    }
  }
}

void decode_iq2_xs(const unsigned char* b, float* y) {
  float d = f16_at(b);
  for (int group = 0; group < 8; ++group) {
    uint32_t scales = b[66 + group];
    for (int l = 0; l < 4; ++l, y += 8) {
      uint32_t q = u16_at(b + 2 + 8 * group + 2 * l);
      put_iq2(kIq2XsGrid[q & 511], signs_of(q >> 9), iq2_scale(d, scales >> (l / 2 * 4) & 15), y);
    }
  }
}

void decode_iq2_s(const unsigned char* b, float* y) {
  float d = f16_at(b);
  const unsigned char *low = b + 2, *signs = b + 34, *high = b + 66, *scales = b + 74;
  for (int group = 0; group < 8; ++group) {
    for (int l = 0; l < 4; ++l, y += 8) {
      uint32_t index = low[4 * group + l] | (uint32_t(high[group]) >> (2 * l) & 3) << 8;
      float scale = iq2_scale(d, uint32_t(scales[group]) >> (l / 2 * 4) & 15);
      put_iq2(kIq2SGrid[index], signs[4 * group + l], scale, y);
    }
  }
}

void decode_iq3_xxs(const unsigned char* b, float* y) {
  float d = f16_at(b);
  for (int group = 0; group < 8; ++group) {
    const unsigned char* q = b + 2 + 8 * group;
    uint32_t rest = u32_at(b + 66 + 4 * group);
    float scale = d * (0.5f + float(rest >> 28)) * 0.5f;
    for (int l = 0; l < 4; ++l, y += 8) {
      uint32_t signs = signs_of(rest >> (7 * l) & 127);
      put_iq3(kIq3XxsGrid[q[2 * l]], kIq3XxsValues, signs, scale, y);
      put_iq3(kIq3XxsGrid[q[2 * l + 1]], kIq3XxsValues, signs >> 4, scale, y + 4);
    }
  }
}

void decode_iq3_s(const unsigned char* b, float* y) {
  float d = f16_at(b);
  const unsigned char *low = b + 2, *high = b + 66, *signs = b + 74, *scales = b + 106;
  for (int group = 0; group < 8; ++group) {
    uint32_t nibble = uint32_t(scales[group / 2]) >> (group % 2 * 4) & 15;
    float scale = d * float(1 + 2 * nibble);
    for (int l = 0; l < 8; ++l, y += 4) {
      uint32_t index = low[8 * group + l] | (uint32_t(high[group]) >> l & 1) << 8;
      put_iq3(kIq3SGrid[index], kIq3SValues, uint32_t(signs[4 * group + l / 2]) >> (l % 2 * 4),
              scale, y);
    }
  }
}

void decode_iq1_s(const unsigned char* b, float* y) {
  float d = f16_at(b);
  for (int group = 0; group < 8; ++group) {
    uint32_t high = u16_at(b + 34 + 2 * group);
    float scale = d * float(2 * (high >> 12 & 7) + 1);
    float delta = high & 0x8000 ? -0.125f : 0.125f;
    for (int l = 0; l < 4; ++l, y += 8) {
      put_iq1(b[2 + 4 * group + l] | (high >> (3 * l) & 7) << 8, scale, delta, y);
    }
  }
}

void decode_iq1_m(const unsigned char* b, float* y) {
  const unsigned char *low = b, *high = b + 32, *scales = b + 48;
  uint16_t d_bits = 0;  // spread over the top nibbles of the four scale words
  for (int i = 0; i < 4; ++i) d_bits |= uint16_t((u16_at(scales + 2 * i) >> 12) << (4 * i));
  float d = to_float(float16_t::from_bits(d_bits));
  for (int group = 0; group < 8; ++group) {
    uint32_t word = u16_at(scales + group / 2 * 2) >> (group % 2 * 6);
    for (int l = 0; l < 4; ++l, y += 8) {
      uint32_t nibble = uint32_t(high[2 * group + l / 2]) >> (l % 2 * 4);
      float scale = d * float(2 * (word >> (l / 2 * 3) & 7) + 1);
      put_iq1(low[4 * group + l] | (nibble & 7) << 8, scale, nibble & 8 ? -0.125f : 0.125f, y);
    }
  }
}

}  // namespace olivine::gguf
