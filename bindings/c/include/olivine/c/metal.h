/* Metal, which builds for CPUs do not have. */
#ifndef OLIVINE_C_METAL_H
#define OLIVINE_C_METAL_H

#include "olivine/c/types.h"

OLIVINE_C_API int olivine_metal_is_available(bool* res);
/* Errors in a build without Metal. */
OLIVINE_C_API int olivine_metal_start_capture(const char* path);
OLIVINE_C_API int olivine_metal_stop_capture(void);

#endif
