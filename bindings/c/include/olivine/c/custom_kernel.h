/* Kernels given as source text. A configuration says what a call makes and how it is spread over
 * threads. Without the device that runs a kernel, applying it is an error. */
#ifndef OLIVINE_C_CUSTOM_KERNEL_H
#define OLIVINE_C_CUSTOM_KERNEL_H

#include "olivine/c/array.h"
#include "olivine/c/vector.h"

/* ---- Metal */
typedef struct olivine_fast_metal_kernel_config_ {
  void* ctx;
} olivine_fast_metal_kernel_config;
OLIVINE_C_API olivine_fast_metal_kernel_config olivine_fast_metal_kernel_config_new(void);
OLIVINE_C_API void olivine_fast_metal_kernel_config_free(olivine_fast_metal_kernel_config cls);
/* One more output, after those there are. */
OLIVINE_C_API int olivine_fast_metal_kernel_config_add_output_arg(
    olivine_fast_metal_kernel_config cls, const int* shape, size_t size, olivine_dtype dtype);
/* Threads in all, and in a group; each at least 1. */
OLIVINE_C_API int olivine_fast_metal_kernel_config_set_grid(olivine_fast_metal_kernel_config cls,
                                                            int grid1, int grid2, int grid3);
OLIVINE_C_API int olivine_fast_metal_kernel_config_set_thread_group(
    olivine_fast_metal_kernel_config cls, int thread1, int thread2, int thread3);
/* What outputs hold before the kernel runs. */
OLIVINE_C_API int olivine_fast_metal_kernel_config_set_init_value(
    olivine_fast_metal_kernel_config cls, float value);
OLIVINE_C_API int olivine_fast_metal_kernel_config_set_verbose(olivine_fast_metal_kernel_config cls,
                                                               bool verbose);
/* Arguments of the kernel's template; each name once. */
OLIVINE_C_API int olivine_fast_metal_kernel_config_add_template_arg_dtype(
    olivine_fast_metal_kernel_config cls, const char* name, olivine_dtype dtype);
OLIVINE_C_API int olivine_fast_metal_kernel_config_add_template_arg_int(
    olivine_fast_metal_kernel_config cls, const char* name, int value);
OLIVINE_C_API int olivine_fast_metal_kernel_config_add_template_arg_bool(
    olivine_fast_metal_kernel_config cls, const char* name, bool value);
typedef struct olivine_fast_metal_kernel_ {
  void* ctx;
} olivine_fast_metal_kernel;
OLIVINE_C_API olivine_fast_metal_kernel
olivine_fast_metal_kernel_new(const char* name, const olivine_vector_string input_names,
                              const olivine_vector_string output_names, const char* source,
                              const char* header, bool ensure_row_contiguous, bool atomic_outputs);
OLIVINE_C_API void olivine_fast_metal_kernel_free(olivine_fast_metal_kernel cls);
OLIVINE_C_API int olivine_fast_metal_kernel_apply(olivine_vector_array* outputs,
                                                  olivine_fast_metal_kernel cls,
                                                  const olivine_vector_array inputs,
                                                  const olivine_fast_metal_kernel_config config,
                                                  const olivine_stream stream);

/* ---- CUDA */
typedef struct olivine_fast_cuda_kernel_config_ {
  void* ctx;
} olivine_fast_cuda_kernel_config;
OLIVINE_C_API olivine_fast_cuda_kernel_config olivine_fast_cuda_kernel_config_new(void);
OLIVINE_C_API void olivine_fast_cuda_kernel_config_free(olivine_fast_cuda_kernel_config cls);
/* One more output, after those there are. */
OLIVINE_C_API int olivine_fast_cuda_kernel_config_add_output_arg(
    olivine_fast_cuda_kernel_config cls, const int* shape, size_t size, olivine_dtype dtype);
/* Threads in all, and in a group; each at least 1. */
OLIVINE_C_API int olivine_fast_cuda_kernel_config_set_grid(olivine_fast_cuda_kernel_config cls,
                                                           int grid1, int grid2, int grid3);
OLIVINE_C_API int olivine_fast_cuda_kernel_config_set_thread_group(
    olivine_fast_cuda_kernel_config cls, int thread1, int thread2, int thread3);
/* What outputs hold before the kernel runs. */
OLIVINE_C_API int olivine_fast_cuda_kernel_config_set_init_value(
    olivine_fast_cuda_kernel_config cls, float value);
OLIVINE_C_API int olivine_fast_cuda_kernel_config_set_verbose(olivine_fast_cuda_kernel_config cls,
                                                              bool verbose);
/* Arguments of the kernel's template; each name once. */
OLIVINE_C_API int olivine_fast_cuda_kernel_config_add_template_arg_dtype(
    olivine_fast_cuda_kernel_config cls, const char* name, olivine_dtype dtype);
OLIVINE_C_API int olivine_fast_cuda_kernel_config_add_template_arg_int(
    olivine_fast_cuda_kernel_config cls, const char* name, int value);
OLIVINE_C_API int olivine_fast_cuda_kernel_config_add_template_arg_bool(
    olivine_fast_cuda_kernel_config cls, const char* name, bool value);
typedef struct olivine_fast_cuda_kernel_ {
  void* ctx;
} olivine_fast_cuda_kernel;
OLIVINE_C_API olivine_fast_cuda_kernel
olivine_fast_cuda_kernel_new(const char* name, const olivine_vector_string input_names,
                             const olivine_vector_string output_names, const char* source,
                             const char* header, bool ensure_row_contiguous, int shared_memory);
OLIVINE_C_API void olivine_fast_cuda_kernel_free(olivine_fast_cuda_kernel cls);
OLIVINE_C_API int olivine_fast_cuda_kernel_apply(olivine_vector_array* outputs,
                                                 olivine_fast_cuda_kernel cls,
                                                 const olivine_vector_array inputs,
                                                 const olivine_fast_cuda_kernel_config config,
                                                 const olivine_stream stream);

#endif
