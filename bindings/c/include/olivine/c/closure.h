/* Functions of the program's own, as values: what transformations take and give.
 *
 * A function gets its results' handles empty: it sets them (olivine_vector_array_set_value,
 * olivine_array_set, ...) or assigns handles it made, which the closure then owns. Its inputs are
 * the caller's: it neither frees nor changes them. It returns 0, or anything else for a failure;
 * the call that ran it then fails with the message of the last error that the function met on the
 * way or set by olivine_error().
 *
 * `payload` comes back as the function's last argument. `dtor` (may be null) is called with it
 * exactly once: when the last copy of the closure is gone, compiled and transformed ones included,
 * or at once if the closure cannot be made.
 *
 * _new makes an empty handle, _set copies a closure into a handle, _apply calls it. */
#ifndef OLIVINE_C_CLOSURE_H
#define OLIVINE_C_CLOSURE_H

#include "olivine/c/array.h"
#include "olivine/c/map.h"
#include "olivine/c/vector.h"

/* ---- outputs = f(inputs) */
typedef struct olivine_closure_ {
  void* ctx;
} olivine_closure;
OLIVINE_C_API olivine_closure olivine_closure_new(void);
OLIVINE_C_API int olivine_closure_free(olivine_closure cls);
OLIVINE_C_API olivine_closure olivine_closure_new_func(int (*fun)(olivine_vector_array*,
                                                                  const olivine_vector_array));
OLIVINE_C_API olivine_closure olivine_closure_new_func_payload(
    int (*fun)(olivine_vector_array*, const olivine_vector_array, void*), void* payload,
    void (*dtor)(void*));
OLIVINE_C_API int olivine_closure_set(olivine_closure* cls, const olivine_closure src);
OLIVINE_C_API int olivine_closure_apply(olivine_vector_array* res, olivine_closure cls,
                                        const olivine_vector_array input);
/* A function of one array. */
OLIVINE_C_API olivine_closure olivine_closure_new_unary(int (*fun)(olivine_array*,
                                                                   const olivine_array));

/* ---- outputs = f(inputs, named inputs) */
typedef struct olivine_closure_kwargs_ {
  void* ctx;
} olivine_closure_kwargs;
OLIVINE_C_API olivine_closure_kwargs olivine_closure_kwargs_new(void);
OLIVINE_C_API int olivine_closure_kwargs_free(olivine_closure_kwargs cls);
OLIVINE_C_API olivine_closure_kwargs olivine_closure_kwargs_new_func(int (*fun)(
    olivine_vector_array*, const olivine_vector_array, const olivine_map_string_to_array));
OLIVINE_C_API olivine_closure_kwargs olivine_closure_kwargs_new_func_payload(
    int (*fun)(olivine_vector_array*, const olivine_vector_array, const olivine_map_string_to_array,
               void*),
    void* payload, void (*dtor)(void*));
OLIVINE_C_API int olivine_closure_kwargs_set(olivine_closure_kwargs* cls,
                                             const olivine_closure_kwargs src);
OLIVINE_C_API int olivine_closure_kwargs_apply(olivine_vector_array* res,
                                               olivine_closure_kwargs cls,
                                               const olivine_vector_array input_0,
                                               const olivine_map_string_to_array input_1);

/* ---- (outputs, gradients) = f(inputs) */
typedef struct olivine_closure_value_and_grad_ {
  void* ctx;
} olivine_closure_value_and_grad;
OLIVINE_C_API olivine_closure_value_and_grad olivine_closure_value_and_grad_new(void);
OLIVINE_C_API int olivine_closure_value_and_grad_free(olivine_closure_value_and_grad cls);
OLIVINE_C_API olivine_closure_value_and_grad olivine_closure_value_and_grad_new_func(
    int (*fun)(olivine_vector_array*, olivine_vector_array*, const olivine_vector_array));
OLIVINE_C_API olivine_closure_value_and_grad olivine_closure_value_and_grad_new_func_payload(
    int (*fun)(olivine_vector_array*, olivine_vector_array*, const olivine_vector_array, void*),
    void* payload, void (*dtor)(void*));
OLIVINE_C_API int olivine_closure_value_and_grad_set(olivine_closure_value_and_grad* cls,
                                                     const olivine_closure_value_and_grad src);
OLIVINE_C_API int olivine_closure_value_and_grad_apply(olivine_vector_array* res_0,
                                                       olivine_vector_array* res_1,
                                                       olivine_closure_value_and_grad cls,
                                                       const olivine_vector_array input);

/* ---- The vjp of a custom function: cotangents of the primals = f(primals, cotangents, outputs) */
typedef struct olivine_closure_custom_ {
  void* ctx;
} olivine_closure_custom;
OLIVINE_C_API olivine_closure_custom olivine_closure_custom_new(void);
OLIVINE_C_API int olivine_closure_custom_free(olivine_closure_custom cls);
OLIVINE_C_API olivine_closure_custom
olivine_closure_custom_new_func(int (*fun)(olivine_vector_array*, const olivine_vector_array,
                                           const olivine_vector_array, const olivine_vector_array));
OLIVINE_C_API olivine_closure_custom olivine_closure_custom_new_func_payload(
    int (*fun)(olivine_vector_array*, const olivine_vector_array, const olivine_vector_array,
               const olivine_vector_array, void*),
    void* payload, void (*dtor)(void*));
OLIVINE_C_API int olivine_closure_custom_set(olivine_closure_custom* cls,
                                             const olivine_closure_custom src);
OLIVINE_C_API int olivine_closure_custom_apply(olivine_vector_array* res,
                                               olivine_closure_custom cls,
                                               const olivine_vector_array input_0,
                                               const olivine_vector_array input_1,
                                               const olivine_vector_array input_2);

/* ---- The jvp of a custom function: tangents of the outputs = f(primals, tangents, argnums), where
 * the i-th tangent is that of primal argnums[i] */
typedef struct olivine_closure_custom_jvp_ {
  void* ctx;
} olivine_closure_custom_jvp;
OLIVINE_C_API olivine_closure_custom_jvp olivine_closure_custom_jvp_new(void);
OLIVINE_C_API int olivine_closure_custom_jvp_free(olivine_closure_custom_jvp cls);
OLIVINE_C_API olivine_closure_custom_jvp olivine_closure_custom_jvp_new_func(
    int (*fun)(olivine_vector_array*, const olivine_vector_array, const olivine_vector_array,
               const int*, size_t _num));
OLIVINE_C_API olivine_closure_custom_jvp olivine_closure_custom_jvp_new_func_payload(
    int (*fun)(olivine_vector_array*, const olivine_vector_array, const olivine_vector_array,
               const int*, size_t _num, void*),
    void* payload, void (*dtor)(void*));
OLIVINE_C_API int olivine_closure_custom_jvp_set(olivine_closure_custom_jvp* cls,
                                                 const olivine_closure_custom_jvp src);
OLIVINE_C_API int olivine_closure_custom_jvp_apply(olivine_vector_array* res,
                                                   olivine_closure_custom_jvp cls,
                                                   const olivine_vector_array input_0,
                                                   const olivine_vector_array input_1,
                                                   const int* input_2, size_t input_2_num);

/* ---- The batching of a custom function: (outputs, their batch axes) = f(inputs, their batch
 * axes), where -1 stands for an array without one */
typedef struct olivine_closure_custom_vmap_ {
  void* ctx;
} olivine_closure_custom_vmap;
OLIVINE_C_API olivine_closure_custom_vmap olivine_closure_custom_vmap_new(void);
OLIVINE_C_API int olivine_closure_custom_vmap_free(olivine_closure_custom_vmap cls);
OLIVINE_C_API olivine_closure_custom_vmap olivine_closure_custom_vmap_new_func(
    int (*fun)(olivine_vector_array*, olivine_vector_int*, const olivine_vector_array, const int*,
               size_t _num));
OLIVINE_C_API olivine_closure_custom_vmap olivine_closure_custom_vmap_new_func_payload(
    int (*fun)(olivine_vector_array*, olivine_vector_int*, const olivine_vector_array, const int*,
               size_t _num, void*),
    void* payload, void (*dtor)(void*));
OLIVINE_C_API int olivine_closure_custom_vmap_set(olivine_closure_custom_vmap* cls,
                                                  const olivine_closure_custom_vmap src);
OLIVINE_C_API int olivine_closure_custom_vmap_apply(olivine_vector_array* res_0,
                                                    olivine_vector_int* res_1,
                                                    olivine_closure_custom_vmap cls,
                                                    const olivine_vector_array input_0,
                                                    const int* input_1, size_t input_1_num);

#endif
