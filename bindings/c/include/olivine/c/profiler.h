/* Where a program's time and memory go: ops, fused regions, kernels, lines, threads, streams. */
#ifndef OLIVINE_C_PROFILER_H
#define OLIVINE_C_PROFILER_H

#include "olivine/c/string.h"

/* Begins to record what all threads of the process do; fails if that is so already. What comes
 * after `max_events` events, of 48 bytes each, is counted alone (0: ten million). */
OLIVINE_C_API int olivine_profile_start(size_t max_events);
/* What was recorded; fails if nothing was. */
typedef struct olivine_profile_ {
  void* ctx;
} olivine_profile;
OLIVINE_C_API int olivine_profile_stop(olivine_profile* res);
OLIVINE_C_API int olivine_profile_free(olivine_profile profile);

/* `wall`: seconds. `attributed`: the share of them whose cause is known. Floating-point operations
 * and bytes read and written, of all steps. The most bytes of live arrays. Events beyond the limit.
 */
typedef struct olivine_profile_totals_ {
  double wall;
  double attributed;
  double flops;
  double bytes;
  size_t peak_memory;
  size_t dropped;
} olivine_profile_totals;
OLIVINE_C_API int olivine_profile_get_totals(olivine_profile_totals* res,
                                             const olivine_profile profile);
/* Text for a terminal, with the `rows` longest of what `by` adds up: "op" (also for null),
 * "kernel", "shape", "line", "layer" or "stream". Measures the machine's limits once. */
OLIVINE_C_API int olivine_profile_table(olivine_string* res, const olivine_profile profile,
                                        const char* by, size_t rows);
/* All figures and all rows. */
OLIVINE_C_API int olivine_profile_json(olivine_string* res, const olivine_profile profile);
/* A trace for https://ui.perfetto.dev and chrome://tracing. */
OLIVINE_C_API int olivine_profile_save_trace(const olivine_profile profile, const char* path);

#endif
