/* Handles, dtypes and errors of the C API.
 *
 * Functions that return int return 0 on success; otherwise olivine_last_error() tells why, and
 * results are untouched. Results come back through the first pointer: its handle must be empty
 * (made by a _new function, or {0}) or hold a value, which is replaced. Handles are freed by their
 * _free function. No function aborts. */
#ifndef OLIVINE_C_TYPES_H
#define OLIVINE_C_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define OLIVINE_C_API extern "C" __attribute__((visibility("default")))
#else
#define OLIVINE_C_API __attribute__((visibility("default")))
#endif

typedef struct olivine_array_ {
  void* ctx;
} olivine_array;
typedef struct olivine_vector_array_ {
  void* ctx;
} olivine_vector_array;
typedef struct olivine_vector_int_ {
  void* ctx;
} olivine_vector_int;
typedef struct olivine_string_ {
  void* ctx;
} olivine_string;
typedef struct olivine_device_ {
  void* ctx;
} olivine_device;
/* An empty stream (ctx null) means the default one. */
typedef struct olivine_stream_ {
  void* ctx;
} olivine_stream;
typedef struct olivine_closure_ {
  void* ctx;
} olivine_closure;

typedef enum olivine_dtype_ {
  OLIVINE_BOOL,
  OLIVINE_UINT8,
  OLIVINE_UINT16,
  OLIVINE_UINT32,
  OLIVINE_UINT64,
  OLIVINE_INT8,
  OLIVINE_INT16,
  OLIVINE_INT32,
  OLIVINE_INT64,
  OLIVINE_FLOAT16,
  OLIVINE_FLOAT32,
  OLIVINE_FLOAT64,
  OLIVINE_BFLOAT16,
  OLIVINE_COMPLEX64,
  OLIVINE_COMPLEX128,
} olivine_dtype;

typedef struct olivine_optional_int_ {
  int value;
  bool has_value;
} olivine_optional_int;
typedef struct olivine_optional_float_ {
  float value;
  bool has_value;
} olivine_optional_float;
typedef struct olivine_optional_dtype_ {
  olivine_dtype value;
  bool has_value;
} olivine_optional_dtype;

/* The message of the last failed call on this thread; valid until the next one fails. */
OLIVINE_C_API const char* olivine_last_error(void);
/* Called with each message as well; null for none. */
typedef void (*olivine_error_handler_func)(const char* msg, void* data);
OLIVINE_C_API void olivine_set_error_handler(olivine_error_handler_func handler, void* data,
                                             void (*dtor)(void*));

/* ---- Strings. */
OLIVINE_C_API olivine_string olivine_string_new(void);
OLIVINE_C_API olivine_string olivine_string_new_data(const char* str);
OLIVINE_C_API const char* olivine_string_data(olivine_string str);
OLIVINE_C_API int olivine_string_free(olivine_string str);
OLIVINE_C_API int olivine_version(olivine_string* str);

#endif
