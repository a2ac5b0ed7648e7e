/* Linear algebra whose forms depend on an argument. */
#ifndef OLIVINE_C_LINALG_H
#define OLIVINE_C_LINALG_H

#include "olivine/c/array.h"

/* Norms of an order over one axis or two (all of them if `axis` is null). */
OLIVINE_C_API int olivine_linalg_norm(olivine_array* res, const olivine_array a, double ord,
                                      const int* axis /* may be null */, size_t axis_num,
                                      bool keepdims, const olivine_stream s);
/* ord: "fro", "f" or "nuc". */
OLIVINE_C_API int olivine_linalg_norm_matrix(olivine_array* res, const olivine_array a,
                                             const char* ord, const int* axis /* may be null */,
                                             size_t axis_num, bool keepdims,
                                             const olivine_stream s);
OLIVINE_C_API int olivine_linalg_norm_l2(olivine_array* res, const olivine_array a,
                                         const int* axis /* may be null */, size_t axis_num,
                                         bool keepdims, const olivine_stream s);
/* U, S and V^H; without `compute_uv`, S alone. */
OLIVINE_C_API int olivine_linalg_svd(olivine_vector_array* res, const olivine_array a,
                                     bool compute_uv, const olivine_stream s);

#endif
