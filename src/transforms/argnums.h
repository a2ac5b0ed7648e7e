// Which inputs of a function are to be differentiated.
#pragma once

#include <algorithm>
#include <vector>

#include "core/error.h"

namespace olivine {

// The positions that `argnums` name among so many inputs; negative ones count from the end.
inline std::vector<int> argument_positions(const std::vector<int>& argnums, size_t inputs,
                                           const char* op) {
  if (argnums.empty()) {
    fail("[", op, "] expected at least one argument to differentiate; got none");
  }
  int count = static_cast<int>(inputs);
  std::vector<int> found;
  for (int arg : argnums) {
    int a = arg < 0 ? arg + count : arg;
    if (a < 0 || a >= count) {
      fail("[", op, "] expected argnums in [", -count, ", ", count, "); got ", arg);
    }
    if (std::find(found.begin(), found.end(), a) != found.end()) {
      fail("[", op, "] expected distinct argnums; got ", a, " twice");
    }
    found.push_back(a);
  }
  return found;
}

}  // namespace olivine
