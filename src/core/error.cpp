// How shapes and dtypes print in messages.
#include "core/error.h"

#include <algorithm>
#include <ostream>

namespace olivine {

std::ostream& operator<<(std::ostream& os, const Shape& shape) {
  constexpr size_t kShown = 16;  // a caller's list of any length may be taken for a shape
  os << '(';
  for (size_t i = 0; i < std::min(shape.size(), kShown); ++i) os << (i ? ", " : "") << shape[i];
  if (shape.size() > kShown) return os << ", … " << shape.size() - kShown << " more)";
  return os << (shape.size() == 1 ? ",)" : ")");
}

std::ostream& operator<<(std::ostream& os, Dtype t) { return os << name(t); }

}  // namespace olivine
