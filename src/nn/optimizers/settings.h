// Checks of the settings of optimizers.
#pragma once

#include "core/error.h"

namespace olivine::optimizers {

inline void check_at_least(const char* op, const char* name, double value, double least) {
  if (!(value >= least)) fail("[", op, "] expected ", name, " >= ", least, "; got ", value);
}
inline void check_positive(const char* op, const char* name, double value) {
  if (!(value > 0)) fail("[", op, "] expected ", name, " > 0; got ", value);
}

}  // namespace olivine::optimizers
