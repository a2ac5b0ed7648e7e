/* Arrays: made from values and data, asked for shapes and values. */
#ifndef OLIVINE_C_ARRAY_H
#define OLIVINE_C_ARRAY_H

#include "olivine/c/string.h"
#include "olivine/c/types.h"

/* C has no standard names for these. Where the compiler computes with 16-bit floats the two are its
 * types, and OLIVINE_HAS_FLOAT16 or OLIVINE_HAS_BFLOAT16 is defined; elsewhere they are the bits.
 */
#ifdef __FLT16_MANT_DIG__
#define OLIVINE_HAS_FLOAT16
#if defined(__ARM_FP16_FORMAT_IEEE)
typedef __fp16 float16_t;
#else
__extension__ typedef _Float16 float16_t;
#endif
#else
typedef uint16_t float16_t;
#endif
#if defined(__BFLT16_MANT_DIG__) && !defined(__swift__)
#define OLIVINE_HAS_BFLOAT16
__extension__ typedef __bf16 bfloat16_t;
#else
typedef uint16_t bfloat16_t;
#endif
#ifdef __cplusplus
__extension__ typedef float _Complex olivine_complex64_t;
__extension__ typedef double _Complex olivine_complex128_t;
#else
typedef float _Complex olivine_complex64_t;
typedef double _Complex olivine_complex128_t;
#endif

/* An array that is left out. */
static const olivine_array olivine_array_empty = {NULL};

OLIVINE_C_API size_t olivine_dtype_size(olivine_dtype dtype);

/* ---- Making arrays. */
OLIVINE_C_API olivine_array olivine_array_new(void);
OLIVINE_C_API int olivine_array_free(olivine_array arr);
OLIVINE_C_API olivine_array olivine_array_new_bool(bool val);
OLIVINE_C_API olivine_array olivine_array_new_int(int val);
OLIVINE_C_API olivine_array olivine_array_new_float32(float val);
OLIVINE_C_API olivine_array olivine_array_new_float(float val);
OLIVINE_C_API olivine_array olivine_array_new_float64(double val);
OLIVINE_C_API olivine_array olivine_array_new_double(double val);
OLIVINE_C_API olivine_array olivine_array_new_complex(float real_val, float imag_val);
/* Copies row-major data. */
OLIVINE_C_API olivine_array olivine_array_new_data(const void* data, const int* shape, int dim,
                                                   olivine_dtype dtype);
/* Use the data as it is, and call dtor with it, or with the payload, when nothing needs it any
 * more. If they fail they have not called dtor, and the data is still the caller's. */
OLIVINE_C_API olivine_array olivine_array_new_data_managed(void* data, const int* shape, int dim,
                                                           olivine_dtype dtype,
                                                           void (*dtor)(void*));
OLIVINE_C_API olivine_array olivine_array_new_data_managed_payload(void* data, const int* shape,
                                                                   int dim, olivine_dtype dtype,
                                                                   void* payload,
                                                                   void (*dtor)(void*));
OLIVINE_C_API int olivine_array_set(olivine_array* arr, const olivine_array src);
OLIVINE_C_API int olivine_array_set_bool(olivine_array* arr, bool val);
OLIVINE_C_API int olivine_array_set_int(olivine_array* arr, int val);
OLIVINE_C_API int olivine_array_set_float32(olivine_array* arr, float val);
OLIVINE_C_API int olivine_array_set_float(olivine_array* arr, float val);
OLIVINE_C_API int olivine_array_set_float64(olivine_array* arr, double val);
OLIVINE_C_API int olivine_array_set_double(olivine_array* arr, double val);
OLIVINE_C_API int olivine_array_set_complex(olivine_array* arr, float real_val, float imag_val);
OLIVINE_C_API int olivine_array_set_data(olivine_array* arr, const void* data, const int* shape,
                                         int dim, olivine_dtype dtype);

/* ---- What an array is. Of an empty handle: 0, null or OLIVINE_BOOL, and an error. */
OLIVINE_C_API int olivine_array_tostring(olivine_string* str, const olivine_array arr);
OLIVINE_C_API size_t olivine_array_itemsize(const olivine_array arr);
OLIVINE_C_API size_t olivine_array_size(const olivine_array arr);
OLIVINE_C_API size_t olivine_array_nbytes(const olivine_array arr);
OLIVINE_C_API size_t olivine_array_ndim(const olivine_array arr);
/* The sizes of the axes; null and an error if one does not fit an int. */
OLIVINE_C_API const int* olivine_array_shape(const olivine_array arr);
/* The strides, in elements, of the data that olivine_array_data_* returns: always row-major ones.
 * Computes the array. */
OLIVINE_C_API const size_t* olivine_array_strides(const olivine_array arr);
/* The size of an axis; negative axes count from the end; 0 and an error for one that is not there.
 */
OLIVINE_C_API int olivine_array_dim(const olivine_array arr, int dim);
OLIVINE_C_API olivine_dtype olivine_array_dtype(const olivine_array arr);

/* ---- Values. */
OLIVINE_C_API int olivine_array_eval(olivine_array arr);
/* The value of an array of one element, converted to the type. */
OLIVINE_C_API int olivine_array_item_bool(bool* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_uint8(uint8_t* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_uint16(uint16_t* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_uint32(uint32_t* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_uint64(uint64_t* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_int8(int8_t* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_int16(int16_t* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_int32(int32_t* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_int64(int64_t* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_float32(float* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_float64(double* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_complex64(olivine_complex64_t* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_complex128(olivine_complex128_t* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_float16(float16_t* res, const olivine_array arr);
OLIVINE_C_API int olivine_array_item_bfloat16(bfloat16_t* res, const olivine_array arr);

/* The first element, with the others behind it in row-major order (of an array that lies otherwise
 * a copy, which the handle keeps); null and an error if it cannot be computed or the dtype is
 * another one. Of no elements: null, and no error. */
OLIVINE_C_API const bool* olivine_array_data_bool(const olivine_array arr);
OLIVINE_C_API const uint8_t* olivine_array_data_uint8(const olivine_array arr);
OLIVINE_C_API const uint16_t* olivine_array_data_uint16(const olivine_array arr);
OLIVINE_C_API const uint32_t* olivine_array_data_uint32(const olivine_array arr);
OLIVINE_C_API const uint64_t* olivine_array_data_uint64(const olivine_array arr);
OLIVINE_C_API const int8_t* olivine_array_data_int8(const olivine_array arr);
OLIVINE_C_API const int16_t* olivine_array_data_int16(const olivine_array arr);
OLIVINE_C_API const int32_t* olivine_array_data_int32(const olivine_array arr);
OLIVINE_C_API const int64_t* olivine_array_data_int64(const olivine_array arr);
OLIVINE_C_API const float* olivine_array_data_float32(const olivine_array arr);
OLIVINE_C_API const double* olivine_array_data_float64(const olivine_array arr);
OLIVINE_C_API const olivine_complex64_t* olivine_array_data_complex64(const olivine_array arr);
OLIVINE_C_API const olivine_complex128_t* olivine_array_data_complex128(const olivine_array arr);
OLIVINE_C_API const float16_t* olivine_array_data_float16(const olivine_array arr);
OLIVINE_C_API const bfloat16_t* olivine_array_data_bfloat16(const olivine_array arr);
/* The same of any dtype. */
OLIVINE_C_API const void* olivine_array_data(const olivine_array arr);

/* ---- How an array lies in memory; the last three compute it. */
OLIVINE_C_API int _olivine_array_is_available(bool* res, const olivine_array arr);
/* Waits until the array is computed, and computes it if nobody has asked for it yet. */
OLIVINE_C_API int _olivine_array_wait(const olivine_array arr);
/* Whether its elements fill one block of memory, in any order of axes. */
OLIVINE_C_API int _olivine_array_is_contiguous(bool* res, const olivine_array arr);
OLIVINE_C_API int _olivine_array_is_row_contiguous(bool* res, const olivine_array arr);
OLIVINE_C_API int _olivine_array_is_col_contiguous(bool* res, const olivine_array arr);

#endif
