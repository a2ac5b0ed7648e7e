// Parameters of random_bits and random_unit, and the generator's rounds, shared by the record and
// its kernel.
//
// Threefry-2x32 with 20 rounds: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (2011).
#pragma once

#include <cstdint>
#include <tuple>

#include "core/params.h"
#include "olivine/dtype.h"
#include "olivine/shape.h"

namespace olivine {

struct RandomBitsParams {
  Shape shape;  // per key
  int width;    // bytes per element
  auto fields() const { return std::tie(shape, width); }
};

struct RandomUnitParams {
  Shape shape;            // per key
  Dtype dtype = float32;  // or float16, bfloat16
  auto fields() const { return std::tie(shape, dtype); }
};

namespace {  // each instruction set compiles its own copy

// Encrypts the counter (x0, x1) under the key (k0, k1), in place.
[[gnu::always_inline]] inline void threefry(uint32_t k0, uint32_t k1, uint32_t& x0, uint32_t& x1) {
  constexpr int kRotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  const uint32_t keys[3] = {k0, k1, k0 ^ k1 ^ 0x1bd11bda};
  x0 += keys[0];
  x1 += keys[1];
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i) {
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      const int by = kRotations[i % 2][r];
      x0 += x1;
      x1 = ((x1 << by) | (x1 >> (32 - by))) ^ x0;
    }
    x0 += keys[(i + 1) % 3];
    x1 += keys[(i + 2) % 3] + static_cast<uint32_t>(i) + 1;
  }
}

}  // namespace
}  // namespace olivine
