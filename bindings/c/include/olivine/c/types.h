/* Handles, dtypes and errors of the C API: what holds for all of it.
 *
 * Results and errors. A function that returns int returns 0 on success. Anything else is a failure:
 * olivine_last_error() tells why, and the results are as before. A function that returns a handle
 * returns an empty one ({NULL}) on failure. Nothing aborts or throws; null pointers, empty handles
 * and wrong values are failures like others. Where 2 is returned (the end of an iterator, a key
 * that a map does not have) that is an answer, not an error.
 *
 * Ownership. A handle owns what it points to, and is freed once, with the _free function of its
 * type; freeing an empty handle does nothing. Results come back through the pointers that come
 * first: each must point to an empty handle or to one that holds a value, which is replaced. Values
 * are shared inside: an array in a vector, a map or a closure lives on when its handle is freed.
 * Handles that are given as arguments stay the caller's. Text and data that a function returns
 * belong to the handle they come from: they last until it is freed or set.
 *
 * Threads. Different handles may be used from different threads at once, and one handle may be read
 * by several; setting or freeing it needs it alone. The last error is kept for each thread. */
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
/* Of an enum: C passes any int, which C++ may only read if it knows. */
#ifdef __cplusplus
#define OLIVINE_C_INT : int
#else
#define OLIVINE_C_INT
#endif

typedef struct olivine_array_ {
  void* ctx;
} olivine_array;
typedef struct olivine_string_ {
  void* ctx;
} olivine_string;
/* An empty device means the default one. */
typedef struct olivine_device_ {
  void* ctx;
} olivine_device;
/* An empty stream means the default one. */
typedef struct olivine_stream_ {
  void* ctx;
} olivine_stream;

typedef enum olivine_dtype_ OLIVINE_C_INT {
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
typedef struct olivine_optional_bool_ {
  bool value;
  bool has_value;
} olivine_optional_bool;
typedef struct olivine_optional_dtype_ {
  olivine_dtype value;
  bool has_value;
} olivine_optional_dtype;

/* Where 1 / n goes in Fourier transforms: to the inverse, as 1 / sqrt(n) to both, to the forward.
 */
typedef enum olivine_fft_norm_ OLIVINE_C_INT {
  OLIVINE_FFT_NORM_BACKWARD,
  OLIVINE_FFT_NORM_ORTHO,
  OLIVINE_FFT_NORM_FORWARD
} olivine_fft_norm;

/* The message of the last failed call on this thread; valid until the next one fails. */
OLIVINE_C_API const char* olivine_last_error(void);
/* Called with each message as well, on the thread that failed; null for none. `dtor`, if not null,
 * is called with `data` when another handler takes its place. */
typedef void (*olivine_error_handler_func)(const char* msg, void* data);
OLIVINE_C_API void olivine_set_error_handler(olivine_error_handler_func handler, void* data,
                                             void (*dtor)(void*));
/* Reports an error of the caller's own, in printf's format, as a closure does before it returns
 * anything but 0. */
OLIVINE_C_API void _olivine_error(const char* file, const int line, const char* fmt, ...);
#define olivine_error(...) _olivine_error(__FILE__, __LINE__, __VA_ARGS__)

#endif
