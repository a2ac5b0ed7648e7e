// Transposing matrices in square blocks of one cache line per side; the last rows make lower ones.
//
// A block is cut into squares of 16 bytes per side, which are turned in registers: N rows of N
// elements, rows i and i + N / 2 interleaved, log2 N times over. They meet in a buffer, so that
// every line of the source and of the destination is touched once, whatever power of two lies
// between the rows.
#include <algorithm>
#include <cstring>
#include <utility>

#include "backends/cpu/tile.h"

namespace olivine::cpu {
namespace {

constexpr int kLine = 64;

struct Item16 {
  uint64_t a, b;
};

template <class T>
struct Square {
  static constexpr int n = 16 / sizeof(T);
  typedef T Row __attribute__((vector_size(16)));

  // The elements of a and b from `half * n / 2` on, in turns.
  template <int half, size_t... i>
  static Row interleave(Row a, Row b, std::index_sequence<i...>) {
    return __builtin_shufflevector(a, b, (int(i) % 2 * n + half * n / 2 + int(i) / 2)...);
  }
  static void turn(const T* src, int64_t src_step, T* dst, int64_t dst_step) {
    constexpr auto all = std::make_index_sequence<n>{};
    Row rows[n], next[n];
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) std::memcpy(&rows[i], src + i * src_step, 16);
#pragma GCC unroll 4
    for (int distance = n; distance > 1; distance /= 2) {
#pragma GCC unroll 8
      for (int i = 0; i < n / 2; ++i) {
        next[2 * i] = interleave<0>(rows[i], rows[i + n / 2], all);
        next[2 * i + 1] = interleave<1>(rows[i], rows[i + n / 2], all);
      }
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) rows[i] = next[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) std::memcpy(dst + i * dst_step, &rows[i], 16);
  }
};
template <>
struct Square<Item16> {
  static constexpr int n = 1;
  static void turn(const Item16* src, int64_t, Item16* dst, int64_t) { *dst = *src; }
};

template <class T>
void transpose_of(const T* src, int64_t src_step, int64_t rows, int64_t columns, T* dst,
                  int64_t dst_step) {
  constexpr int side = kLine / sizeof(T), n = Square<T>::n;
  alignas(kLine) T block[side * side];
  const int64_t whole_rows = rows / n * n, whole_columns = columns / side * side;
  for (int64_t r = 0; r < whole_rows; r += side) {
    const int64_t height = std::min<int64_t>(side, whole_rows - r);
    for (int64_t c = 0; c < whole_columns; c += side) {
      const T* from = src + c * src_step + r;
      for (int i = 0; i < side; ++i) __builtin_prefetch(from + (i + 2 * side) * src_step);
      for (int j = 0; j < side; j += n) {
        for (int64_t i = 0; i < height; i += n) {
          Square<T>::turn(from + j * src_step + i, src_step, block + i * side + j, side);
        }
      }
      T* to = dst + r * dst_step + c;
      for (int64_t i = 0; i < height; ++i) std::memcpy(to + i * dst_step, block + i * side, kLine);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = r < whole_rows ? whole_columns : 0; c < columns; ++c) {
      dst[r * dst_step + c] = src[c * src_step + r];
    }
  }
}

}  // namespace

void transpose(const void* src, int64_t src_step, size_t itemsize, int64_t rows, int64_t columns,
               void* dst, int64_t dst_step) {
  auto run = [&](auto zero) {
    using T = decltype(zero);
    transpose_of(static_cast<const T*>(src), src_step, rows, columns, static_cast<T*>(dst),
                 dst_step);
  };
  switch (itemsize) {
    case 1:
      return run(uint8_t{});
    case 2:
      return run(uint16_t{});
    case 4:
      return run(uint32_t{});
    case 8:
      return run(uint64_t{});
    default:
      return run(Item16{});
  }
}

}  // namespace olivine::cpu
