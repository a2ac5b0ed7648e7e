/* Devices, streams and memory. */
#ifndef OLIVINE_C_DEVICE_H
#define OLIVINE_C_DEVICE_H

#include "olivine/c/string.h"
#include "olivine/c/types.h"
#include "olivine/c/vector.h"

typedef enum olivine_device_type_ OLIVINE_C_INT { OLIVINE_CPU, OLIVINE_GPU } olivine_device_type;

/* An empty handle, as which it means the default device. */
OLIVINE_C_API olivine_device olivine_device_new(void);
OLIVINE_C_API olivine_device olivine_device_new_type(olivine_device_type type, int index);
OLIVINE_C_API int olivine_device_free(olivine_device dev);
OLIVINE_C_API int olivine_device_set(olivine_device* dev, const olivine_device src);
OLIVINE_C_API int olivine_device_tostring(olivine_string* str, olivine_device dev);
OLIVINE_C_API bool olivine_device_equal(olivine_device lhs, olivine_device rhs);
OLIVINE_C_API int olivine_device_get_index(int* index, olivine_device dev);
OLIVINE_C_API int olivine_device_get_type(olivine_device_type* type, olivine_device dev);
OLIVINE_C_API int olivine_get_default_device(olivine_device* dev);
OLIVINE_C_API int olivine_set_default_device(olivine_device dev);
OLIVINE_C_API int olivine_device_is_available(bool* avail, olivine_device dev);
OLIVINE_C_API int olivine_device_count(int* count, olivine_device_type type);

/* Facts about a device by name: texts and numbers. A key that is not there is an error. */
typedef struct olivine_device_info_ {
  void* ctx;
} olivine_device_info;
OLIVINE_C_API olivine_device_info olivine_device_info_new(void);
OLIVINE_C_API int olivine_device_info_get(olivine_device_info* info, olivine_device dev);
OLIVINE_C_API int olivine_device_info_free(olivine_device_info info);
OLIVINE_C_API int olivine_device_info_has_key(bool* exists, olivine_device_info info,
                                              const char* key);
OLIVINE_C_API int olivine_device_info_is_string(bool* is_string, olivine_device_info info,
                                                const char* key);
OLIVINE_C_API int olivine_device_info_get_string(const char** value, olivine_device_info info,
                                                 const char* key);
OLIVINE_C_API int olivine_device_info_get_size(size_t* value, olivine_device_info info,
                                               const char* key);
OLIVINE_C_API int olivine_device_info_get_keys(olivine_vector_string* keys,
                                               olivine_device_info info);

/* An empty handle, as which it means the default stream. */
OLIVINE_C_API olivine_stream olivine_stream_new(void);
OLIVINE_C_API olivine_stream olivine_stream_new_device(olivine_device dev);
OLIVINE_C_API int olivine_stream_set(olivine_stream* stream, const olivine_stream src);
OLIVINE_C_API int olivine_stream_free(olivine_stream stream);
OLIVINE_C_API int olivine_stream_tostring(olivine_string* str, olivine_stream stream);
OLIVINE_C_API bool olivine_stream_equal(olivine_stream lhs, olivine_stream rhs);
OLIVINE_C_API int olivine_stream_get_device(olivine_device* dev, olivine_stream stream);
OLIVINE_C_API int olivine_stream_get_index(int* index, olivine_stream stream);
OLIVINE_C_API int olivine_synchronize(olivine_stream stream);
/* Waits for the work of all streams. */
OLIVINE_C_API int olivine_clear_streams(void);
OLIVINE_C_API int olivine_get_default_stream(olivine_stream* stream, olivine_device dev);
OLIVINE_C_API int olivine_set_default_stream(olivine_stream stream);
OLIVINE_C_API olivine_stream olivine_default_cpu_stream_new(void);
/* Empty, and an error, where there is no such device. */
OLIVINE_C_API olivine_stream olivine_default_gpu_stream_new(void);

/* Bytes. Setting a limit gives the one before. */
OLIVINE_C_API int olivine_clear_cache(void);
OLIVINE_C_API int olivine_get_active_memory(size_t* res);
OLIVINE_C_API int olivine_get_cache_memory(size_t* res);
OLIVINE_C_API int olivine_get_memory_limit(size_t* res);
OLIVINE_C_API int olivine_get_peak_memory(size_t* res);
/* Of the buffers below these arrays, which it computes, each counted once. */
OLIVINE_C_API int olivine_get_array_buffer_size(size_t* res, const olivine_vector_array arrays);
OLIVINE_C_API int olivine_reset_peak_memory(void);
OLIVINE_C_API int olivine_set_cache_limit(size_t* res, size_t limit);
OLIVINE_C_API int olivine_set_memory_limit(size_t* res, size_t limit);
OLIVINE_C_API int olivine_set_wired_limit(size_t* res, size_t limit);

#endif
