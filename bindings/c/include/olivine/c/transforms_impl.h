/* The two halves of olivine_vmap, for bindings that trace a function in their own way. */
#ifndef OLIVINE_C_TRANSFORMS_IMPL_H
#define OLIVINE_C_TRANSFORMS_IMPL_H

#include "olivine/c/closure.h"

/* One placeholder per input mapped by in_axes (-1: not mapped), without its mapped axis, and the
 * other inputs as they are; and what `fun` gives for them. */
OLIVINE_C_API int olivine_detail_vmap_trace(olivine_vector_array* res_0,
                                            olivine_vector_array* res_1, const olivine_closure fun,
                                            const olivine_vector_array inputs, const int* in_axes,
                                            size_t in_axes_num);
/* The traced outputs for whole batches, `inputs`, in the places of the placeholders. */
OLIVINE_C_API int olivine_detail_vmap_replace(olivine_vector_array* res,
                                              const olivine_vector_array inputs,
                                              const olivine_vector_array s_inputs,
                                              const olivine_vector_array s_outputs,
                                              const int* in_axes, size_t in_axes_num,
                                              const int* out_axes, size_t out_axes_num);

#endif
