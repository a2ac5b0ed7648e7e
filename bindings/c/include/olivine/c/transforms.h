/* Evaluation, and transformations of functions given as closures. */
#ifndef OLIVINE_C_TRANSFORMS_H
#define OLIVINE_C_TRANSFORMS_H

#include "olivine/c/array.h"
#include "olivine/c/vector.h"

typedef struct olivine_closure_ {
  void* ctx;
} olivine_closure;

OLIVINE_C_API int olivine_eval(const olivine_vector_array outputs);
OLIVINE_C_API int olivine_async_eval(const olivine_vector_array outputs);

/* A function of arrays. `fun` returns 0 on success. */
OLIVINE_C_API olivine_closure olivine_closure_new(void);
OLIVINE_C_API olivine_closure olivine_closure_new_func_payload(
    int (*fun)(olivine_vector_array*, const olivine_vector_array, void*), void* payload,
    void (*dtor)(void*));
OLIVINE_C_API int olivine_closure_free(olivine_closure cls);
OLIVINE_C_API int olivine_closure_apply(olivine_vector_array* res, olivine_closure cls,
                                        const olivine_vector_array input);

OLIVINE_C_API int olivine_vjp(olivine_vector_array* res_0, olivine_vector_array* res_1,
                              const olivine_closure fun, const olivine_vector_array primals,
                              const olivine_vector_array cotangents);
OLIVINE_C_API int olivine_jvp(olivine_vector_array* res_0, olivine_vector_array* res_1,
                              const olivine_closure fun, const olivine_vector_array primals,
                              const olivine_vector_array tangents);
/* All outputs at `inputs`, and the gradients of the first with respect to the inputs `argnums`. */
OLIVINE_C_API int olivine_value_and_grad_apply(olivine_vector_array* res_0,
                                               olivine_vector_array* res_1,
                                               const olivine_closure fun,
                                               const olivine_vector_array inputs,
                                               const int* argnums, size_t argnums_num);
OLIVINE_C_API int olivine_checkpoint(olivine_closure* res, const olivine_closure fun);
OLIVINE_C_API int olivine_compile(olivine_closure* res, const olivine_closure fun, bool shapeless);
OLIVINE_C_API int olivine_disable_compile(void);
OLIVINE_C_API int olivine_enable_compile(void);

#endif
