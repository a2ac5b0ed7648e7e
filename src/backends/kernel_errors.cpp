// The errors that kernels raise.
#include "backends/kernel_errors.h"

#include "core/error.h"

namespace olivine {

void index_error(const char* caller, int64_t index, int axis, int64_t size, int64_t block) {
  if (block == 1) {
    fail<std::out_of_range>("[", caller, "] index ", index, " is out of bounds for axis ", axis,
                            " with size ", size);
  }
  fail<std::out_of_range>("[", caller, "] a block of ", block, " at index ", index,
                          " is out of bounds for axis ", axis, " with size ", size);
}

void too_many_axes(int64_t rank, int64_t most) {
  fail("[array] expected at most ", most, " axes here; got ", rank);
}

}  // namespace olivine
