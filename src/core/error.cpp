// How shapes and dtypes print in messages.
#include "core/error.h"

#include <ostream>

namespace olivine {

std::ostream& operator<<(std::ostream& os, const Shape& shape) {
  os << '(';
  for (size_t i = 0; i < shape.size(); ++i) os << (i ? ", " : "") << shape[i];
  return os << (shape.size() == 1 ? ",)" : ")");
}

std::ostream& operator<<(std::ostream& os, Dtype t) { return os << name(t); }

}  // namespace olivine
