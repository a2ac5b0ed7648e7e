// Tiles of attention, and the floats that a task of them takes: for the kernels, and for those who
// tell memory before they run.
#pragma once

#include <algorithm>
#include <cstdint>

namespace olivine::cpu::attention_tiles {

constexpr int64_t kRows = 64, kKeys = 64;  // of a tile
constexpr int64_t kMostKeys = 96;          // of a tile that is the only one
constexpr int64_t kStride = kRows + 16;    // of transposed rows: a power of two is kept in few sets
// Tiles of queries that share packed keys: at most kShare, of kShared floats together, and few
// enough that kTasks tasks are left.
constexpr int64_t kShare = 8, kShared = 1 << 16, kTasks = 64;

// Depths of keys and of values in whole vectors.
struct Depths {
  int64_t key, value;

  constexpr int64_t shared(int64_t tiles) const {
    const int64_t fit = kShared / (kRows * (key + value));
    return std::max<int64_t>(1, std::min({kShare, fit, tiles / kTasks}));
  }
  constexpr int64_t forward_floats(int64_t shared) const {
    return (kStride * shared + kRows + kMostKeys) * key + (kRows * shared + kMostKeys) * value +
           kRows * kMostKeys;
  }
  constexpr int64_t backward_floats(int64_t keys) const {
    return (2 * kRows + kStride + kKeys + keys) * key + (kRows + kStride + kKeys + keys) * value +
           2 * kRows * kKeys;
  }
};

}  // namespace olivine::cpu::attention_tiles
