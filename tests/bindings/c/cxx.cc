// The C headers in a C++ program, with every warning as an error.
#include "check.h"

int main() {
  olivine_array a = olivine_array_new_complex(3, 4), r = olivine_array_empty;
  float value = 0;
  OK(olivine_abs(&r, a, s));
  OK(olivine_array_item_float32(&value, r));
  CHECK(value == 5);
  olivine_array_free(a);
  olivine_array_free(r);
  return summary();
}
