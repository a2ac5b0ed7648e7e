/* CUDA, which builds for CPUs do not have. */
#ifndef OLIVINE_C_CUDA_H
#define OLIVINE_C_CUDA_H

#include "olivine/c/types.h"

OLIVINE_C_API int olivine_cuda_is_available(bool* res);

#endif
