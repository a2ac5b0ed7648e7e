// Eight tile registers of 16 rows of 64 bytes: the processor's, or arrays where a test emulates
// them (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, AMX).
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace olivine::cpu::OLIVINE_ISA {
namespace {

#if OLIVINE_EMULATE_TILES

alignas(64) thread_local uint8_t registers[8][16][64];

struct TileState {};

template <int t>
void tile_zero() {
  std::memset(registers[t], 0, sizeof(registers[t]));
}
template <int t>
void tile_load(const void* from, int64_t row_bytes) {
  for (int i = 0; i < 16; ++i) {
    std::memcpy(registers[t][i], static_cast<const char*>(from) + i * row_bytes, 64);
  }
}
template <int t>
void tile_store(void* to, int64_t row_bytes) {
  for (int i = 0; i < 16; ++i) {
    std::memcpy(static_cast<char*>(to) + i * row_bytes, registers[t][i], 64);
  }
}
// Subnormal numbers, which the processor takes as zero, are kept here.
template <int c, int a, int b>
void tile_multiply() {
  const auto value = [](const uint8_t* at) {
    uint16_t bits;
    std::memcpy(&bits, at, 2);
    const uint32_t wide = uint32_t{bits} << 16;
    float f;
    std::memcpy(&f, &wide, 4);
    return f;
  };
  for (int row = 0; row < 16; ++row) {
    for (int pair = 0; pair < 16; ++pair) {
      for (int col = 0; col < 16; ++col) {
        float sum;
        std::memcpy(&sum, &registers[c][row][4 * col], 4);
        for (int half = 0; half < 4; half += 2) {
          sum += value(&registers[a][row][4 * pair + half]) *
                 value(&registers[b][pair][4 * col + half]);
        }
        std::memcpy(&registers[c][row][4 * col], &sum, 4);
      }
    }
  }
}

#else

// All registers at their full size while an object of it lives.
class TileState {
 public:
  TileState() {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } config;
    _tile_loadconfig(&config);
  }
  ~TileState() { _tile_release(); }
};

// Not the intrinsics, which in g++ 12 take no number that a template gives.
template <int t>
inline void tile_zero() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(t));
}
template <int t>
inline void tile_load(const void* from, int64_t row_bytes) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2"
                   :
                   : "r"(from), "r"(row_bytes), "i"(t)
                   : "memory");
}
template <int t>
inline void tile_store(void* to, int64_t row_bytes) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(row_bytes), "i"(t) : "memory");
}
template <int c, int a, int b>
inline void tile_multiply() {
  __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
}

#endif

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
