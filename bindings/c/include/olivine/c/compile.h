/* Compiling closures: traced once per shapes and dtypes, then run from a plan. */
#ifndef OLIVINE_C_COMPILE_H
#define OLIVINE_C_COMPILE_H

#include "olivine/c/closure.h"

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
