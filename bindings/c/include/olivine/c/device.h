/* Devices, streams and memory. */
#ifndef OLIVINE_C_DEVICE_H
#define OLIVINE_C_DEVICE_H

#include "olivine/c/types.h"

typedef enum olivine_device_type_ { OLIVINE_CPU, OLIVINE_GPU } olivine_device_type;

OLIVINE_C_API olivine_device olivine_device_new(void);
OLIVINE_C_API olivine_device olivine_device_new_type(olivine_device_type type, int index);
OLIVINE_C_API int olivine_device_free(olivine_device dev);
OLIVINE_C_API bool olivine_device_equal(olivine_device lhs, olivine_device rhs);
OLIVINE_C_API int olivine_device_get_index(int* index, olivine_device dev);
OLIVINE_C_API int olivine_device_get_type(olivine_device_type* type, olivine_device dev);
OLIVINE_C_API int olivine_get_default_device(olivine_device* dev);
OLIVINE_C_API int olivine_set_default_device(olivine_device dev);
OLIVINE_C_API int olivine_device_is_available(bool* avail, olivine_device dev);
OLIVINE_C_API int olivine_device_count(int* count, olivine_device_type type);

OLIVINE_C_API olivine_stream olivine_stream_new(void);
OLIVINE_C_API olivine_stream olivine_stream_new_device(olivine_device dev);
OLIVINE_C_API int olivine_stream_free(olivine_stream stream);
OLIVINE_C_API bool olivine_stream_equal(olivine_stream lhs, olivine_stream rhs);
OLIVINE_C_API int olivine_stream_get_device(olivine_device* dev, olivine_stream stream);
OLIVINE_C_API int olivine_stream_get_index(int* index, olivine_stream stream);
OLIVINE_C_API int olivine_synchronize(olivine_stream stream);
OLIVINE_C_API int olivine_get_default_stream(olivine_stream* stream, olivine_device dev);
OLIVINE_C_API int olivine_set_default_stream(olivine_stream stream);
OLIVINE_C_API olivine_stream olivine_default_cpu_stream_new(void);

OLIVINE_C_API int olivine_clear_cache(void);
OLIVINE_C_API int olivine_get_active_memory(size_t* res);
OLIVINE_C_API int olivine_get_cache_memory(size_t* res);
OLIVINE_C_API int olivine_get_memory_limit(size_t* res);
OLIVINE_C_API int olivine_get_peak_memory(size_t* res);
OLIVINE_C_API int olivine_reset_peak_memory(void);
OLIVINE_C_API int olivine_set_cache_limit(size_t* res, size_t limit);
OLIVINE_C_API int olivine_set_memory_limit(size_t* res, size_t limit);

#endif
