/* Compiling closures: traced once per shapes and dtypes, then run from a plan. */
#ifndef OLIVINE_C_COMPILE_H
#define OLIVINE_C_COMPILE_H

#include "olivine/c/closure.h"
#include "olivine/c/string.h"

/* The two in the middle mean OLIVINE_COMPILE_MODE_ENABLED: plans give the same results simplified
 * and fused. */
typedef enum olivine_compile_mode_ OLIVINE_C_INT {
  OLIVINE_COMPILE_MODE_DISABLED,
  OLIVINE_COMPILE_MODE_NO_SIMPLIFY,
  OLIVINE_COMPILE_MODE_NO_FUSE,
  OLIVINE_COMPILE_MODE_ENABLED
} olivine_compile_mode;

/* `shapeless`: inputs of other sizes need no new trace where the trace has no sizes in it. */
OLIVINE_C_API int olivine_compile(olivine_closure* res, const olivine_closure fun, bool shapeless);
/* The same within a memory limit, in bytes as olivine_memory_plan's `peak` counts them (0: none):
 * values are computed again where keeping them would take more, with the same results. `donated`:
 * positions of inputs that the caller keeps no reference to. A limit that no plan keeps is an error
 * of the first call. */
OLIVINE_C_API int olivine_compile_within(olivine_closure* res, const olivine_closure fun,
                                         bool shapeless, size_t memory_limit, const int* donated,
                                         size_t donated_num);

/* What a call takes of memory, in bytes: `peak` is the most that is active at once, of all inputs
 * (`donated`: of which so many are given up), captured constants, results beyond the memory of
 * inputs that they take over, temporaries, and workspace of kernels. `recomputed`: steps that
 * compute a value again. */
typedef struct olivine_memory_totals_ {
  size_t peak;
  size_t arguments;
  size_t donated;
  size_t constants;
  size_t results;
  size_t temporaries;
  size_t workspace;
  size_t recomputed;
} olivine_memory_totals;
/* Of a closure that olivine_compile made, or of another one as if it had. Traces it if that is new;
 * computes and allocates nothing of the call. */
OLIVINE_C_API int olivine_memory_plan(olivine_memory_totals* res, const olivine_closure fun,
                                      const olivine_vector_array inputs);
/* A table of it with the largest values at the peak and where they were made; a picture as SVG. */
OLIVINE_C_API int olivine_memory_plan_text(olivine_string* res, const olivine_closure fun,
                                           const olivine_vector_array inputs);
OLIVINE_C_API int olivine_memory_plan_svg(olivine_string* res, const olivine_closure fun,
                                          const olivine_vector_array inputs);
/* Closures of one id share their traces, unless `constants` differ. */
OLIVINE_C_API int olivine_detail_compile(olivine_closure* res, const olivine_closure fun,
                                         uintptr_t fun_id, bool shapeless,
                                         const uint64_t* constants, size_t constants_num);
/* Drops the traces of all ids, or of one; later calls trace again. */
OLIVINE_C_API int olivine_detail_compile_clear_cache(void);
OLIVINE_C_API int olivine_detail_compile_erase(uintptr_t fun_id);
/* While disabled, compiled closures run as they are. */
OLIVINE_C_API int olivine_disable_compile(void);
OLIVINE_C_API int olivine_enable_compile(void);
OLIVINE_C_API int olivine_set_compile_mode(olivine_compile_mode mode);

#endif
