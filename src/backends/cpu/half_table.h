// Functions of one 16-bit float as tables of all their results.
//
// There are 65,536 arguments. Looking a result up takes about a quarter of a nanosecond, less than
// the shortest polynomial with its conversions, and gives the bits of the loop that filled the
// table.
#pragma once

#include <cstdint>

#include "backends/cpu/kernel_table.h"

namespace olivine::cpu {

// o[i] = table[a[i]]
void look_up(const uint16_t* table, const void* a, void* o, int64_t n);

class HalfTable {
 public:
  constexpr HalfTable() = default;
  // o[i] = f(a[i]), by `loop` until it has computed more elements than a table has.
  void operator()(Loops::Unary loop, const void* a, void* o, int64_t n);

 private:
  enum State : int { counting, being_filled, ready, unavailable };
  void fill(Loops::Unary loop);

  int state_ = counting;
  int64_t seen_ = 0;
  uint16_t* results_ = nullptr;
};

}  // namespace olivine::cpu
