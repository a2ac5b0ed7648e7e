// What several families of layers share: initial weights.
#pragma once

#include <cmath>
#include <string>

#include "core/error.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/random.h"

namespace olivine::nn {

// Uniform within sqrt(1 / fan_in).
inline array uniform_weight(const char* op, int64_t fan_in, const Shape& shape) {
  if (fan_in < 1) fail("[", op, "] expected at least one input; got ", fan_in);
  for (ShapeElem n : shape) {
    if (n < 0) fail("[", op, "] expected sizes of at least 0; got shape ", shape);
  }
  double bound = std::sqrt(1.0 / static_cast<double>(fan_in));
  return random::uniform(array(-bound), array(bound), shape);
}

// A number as Python writes it.
std::string number(double v);

inline const char* truth(bool v) { return v ? "True" : "False"; }

}  // namespace olivine::nn
