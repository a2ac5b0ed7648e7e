// Arrays as text.
#pragma once

#include <iosfwd>
#include <string>

#include "olivine/array.h"

namespace olivine {

OLIVINE_API std::ostream& operator<<(std::ostream& os, const array& a);
// Digits after the point of printed floats; -1 for the shortest usual form.
OLIVINE_API void set_print_precision(int digits);
OLIVINE_API int get_print_precision();

}  // namespace olivine
