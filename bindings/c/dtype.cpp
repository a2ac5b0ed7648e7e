// The C API of dtypes, and of how arrays are printed.
#include "olivine/c/dtype.h"

#include "handles.h"
#include "olivine/utils.h"

using namespace olivine;
using c::get;
using c::guarded;
using c::store;

namespace {

Dtype::Category get(olivine_dtype_category category) {
  auto i = static_cast<size_t>(category);
  if (i > static_cast<size_t>(Dtype::Category::generic)) {
    fail("[dtype] expected an olivine_dtype_category; got ", i);
  }
  return static_cast<Dtype::Category>(i);
}

}  // namespace

static_assert(static_cast<int>(Dtype::Category::complexfloating) == OLIVINE_COMPLEXFLOATING);
static_assert(static_cast<int>(Dtype::Category::inexact) == OLIVINE_INEXACT);
static_assert(static_cast<int>(Dtype::Category::integer) == OLIVINE_INTEGER);
static_assert(static_cast<int>(Dtype::Category::generic) == OLIVINE_GENERIC);

int olivine_result_type(olivine_dtype* res, const olivine_vector_array arrays) {
  return guarded([&] { store(res, c::to_c(result_type(get(arrays)))); });
}
int olivine_promote_types(olivine_dtype* res, olivine_dtype a, olivine_dtype b) {
  return guarded([&] { store(res, c::to_c(promote_types(get(a), get(b)))); });
}
int olivine_can_cast(bool* res, olivine_dtype from, olivine_dtype to) {
  return guarded([&] { store(res, can_cast(get(from), get(to))); });
}

int olivine_issubdtype(bool* res, olivine_dtype dtype, olivine_dtype_category category) {
  return guarded([&] { store(res, issubdtype(get(dtype), get(category))); });
}
int olivine_issubdtype_category(bool* res, olivine_dtype_category a, olivine_dtype_category b) {
  return guarded([&] { store(res, issubdtype(get(a), get(b))); });
}
int olivine_isdtype(bool* res, olivine_dtype dtype, const char* kind) {
  return guarded([&] { store(res, isdtype(get(dtype), c::name(kind, "isdtype"))); });
}

int olivine_finfo_get(olivine_finfo* res, olivine_dtype dtype) {
  return guarded([&] {
    finfo limits(get(dtype));
    store(res, {limits.bits, limits.min, limits.max, limits.eps, limits.smallest_normal});
  });
}
int olivine_iinfo_get(olivine_iinfo* res, olivine_dtype dtype) {
  return guarded([&] {
    iinfo limits(get(dtype));
    store(res, {static_cast<int>(8 * limits.dtype.size()), limits.min, limits.max});
  });
}

int olivine_get_printoptions(olivine_printoptions* res) {
  return guarded([&] { store(res, {get_printoptions().precision}); });
}
int olivine_set_printoptions(olivine_printoptions options) {
  return guarded([&] { set_printoptions({options.precision}); });
}
