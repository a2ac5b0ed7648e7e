// The C API of norms and of the singular value decomposition.
#include "olivine/c/linalg.h"

#include "handles.h"
#include "olivine/ops/linalg.h"

namespace c = olivine::c;

namespace {

std::optional<std::vector<int>> axes(const int* axis, size_t n) {
  return axis ? std::optional<std::vector<int>>(std::in_place, axis, axis + n) : std::nullopt;
}

}  // namespace

int olivine_linalg_norm(olivine_array* res, const olivine_array a, double ord, const int* axis,
                        size_t axis_num, bool keepdims, const olivine_stream s) {
  return c::guarded([&] {
    c::set(res, olivine::linalg::norm(c::get(a), ord, axes(axis, axis_num), keepdims, c::get(s)));
  });
}
int olivine_linalg_norm_matrix(olivine_array* res, const olivine_array a, const char* ord,
                               const int* axis, size_t axis_num, bool keepdims,
                               const olivine_stream s) {
  return c::guarded([&] {
    c::set(res, olivine::linalg::norm(c::get(a), c::text(ord), axes(axis, axis_num), keepdims,
                                      c::get(s)));
  });
}
int olivine_linalg_norm_l2(olivine_array* res, const olivine_array a, const int* axis,
                           size_t axis_num, bool keepdims, const olivine_stream s) {
  return c::guarded([&] {
    c::set(res, olivine::linalg::norm(c::get(a), axes(axis, axis_num), keepdims, c::get(s)));
  });
}
int olivine_linalg_svd(olivine_vector_array* res, const olivine_array a, bool compute_uv,
                       const olivine_stream s) {
  return c::guarded([&] { c::set(res, olivine::linalg::svd(c::get(a), compute_uv, c::get(s))); });
}
