/* Evaluation, and transformations of functions given as closures. They compose to any depth. */
#ifndef OLIVINE_C_TRANSFORMS_H
#define OLIVINE_C_TRANSFORMS_H

#include "olivine/c/closure.h"

OLIVINE_C_API int olivine_eval(const olivine_vector_array outputs);
OLIVINE_C_API int olivine_async_eval(const olivine_vector_array outputs);

/* Outputs of `fun` at `primals`, and the cotangents of the primals for those of the outputs. */
OLIVINE_C_API int olivine_vjp(olivine_vector_array* res_0, olivine_vector_array* res_1,
                              const olivine_closure fun, const olivine_vector_array primals,
                              const olivine_vector_array cotangents);
/* Outputs of `fun` at `primals`, and their tangents for those of the primals. */
OLIVINE_C_API int olivine_jvp(olivine_vector_array* res_0, olivine_vector_array* res_1,
                              const olivine_closure fun, const olivine_vector_array primals,
                              const olivine_vector_array tangents);
/* All outputs, and the gradients of the first (a scalar) with respect to the inputs `argnums`. */
OLIVINE_C_API int olivine_value_and_grad(olivine_closure_value_and_grad* res,
                                         const olivine_closure fun, const int* argnums,
                                         size_t argnums_num);
/* The gradients alone. */
OLIVINE_C_API int olivine_grad(olivine_closure* res, const olivine_closure fun, const int* argnums,
                               size_t argnums_num);
/* The outputs of `fun` at `inputs`, and the derivative of each output by each of the inputs
 * argnums, an array of the output's shape followed by the input's. */
OLIVINE_C_API int olivine_jacobian(olivine_vector_array* res_0, olivine_vector_vector_array* res_1,
                                   const olivine_closure fun, const olivine_vector_array inputs,
                                   const int* argnums, size_t argnums_num);
/* The second derivatives of `fun`, which returns a scalar, by each pair of the inputs argnums. */
OLIVINE_C_API int olivine_hessian(olivine_vector_vector_array* res, const olivine_closure fun,
                                  const olivine_vector_array inputs, const int* argnums,
                                  size_t argnums_num);
/* `fun` mapped over an axis of each input (-1: not mapped; none given: the first of each); its
 * outputs get theirs at out_axes (none given: first). */
OLIVINE_C_API int olivine_vmap(olivine_closure* res, const olivine_closure fun, const int* in_axes,
                               size_t in_axes_num, const int* out_axes, size_t out_axes_num);
/* `fun` whose intermediate results are not kept for its gradient but computed again. */
OLIVINE_C_API int olivine_checkpoint(olivine_closure* res, const olivine_closure fun);

/* `fun` with rules of the program's own. */
OLIVINE_C_API int olivine_custom_function(
    olivine_closure* res, const olivine_closure fun,
    const olivine_closure_custom fun_vjp /* may be null */,
    const olivine_closure_custom_jvp fun_jvp /* may be null */,
    const olivine_closure_custom_vmap fun_vmap /* may be null */);
OLIVINE_C_API int olivine_custom_vjp(olivine_closure* res, const olivine_closure fun,
                                     const olivine_closure_custom fun_vjp);

#endif
