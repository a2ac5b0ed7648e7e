/* Arrays and vectors of arrays. */
#ifndef OLIVINE_C_ARRAY_H
#define OLIVINE_C_ARRAY_H

#include "olivine/c/types.h"

OLIVINE_C_API size_t olivine_dtype_size(olivine_dtype dtype);

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
/* Uses the data as it is, and calls dtor(payload) when it is no longer needed. */
OLIVINE_C_API olivine_array olivine_array_new_data_managed_payload(void* data, const int* shape,
                                                                   int dim, olivine_dtype dtype,
                                                                   void* payload,
                                                                   void (*dtor)(void*));
OLIVINE_C_API int olivine_array_set(olivine_array* arr, const olivine_array src);
OLIVINE_C_API int olivine_array_tostring(olivine_string* str, const olivine_array arr);

OLIVINE_C_API size_t olivine_array_itemsize(const olivine_array arr);
OLIVINE_C_API size_t olivine_array_size(const olivine_array arr);
OLIVINE_C_API size_t olivine_array_nbytes(const olivine_array arr);
OLIVINE_C_API size_t olivine_array_ndim(const olivine_array arr);
/* The size of an axis; negative axes count from the end; 0 and an error for one that is not there.
 */
OLIVINE_C_API int olivine_array_dim(const olivine_array arr, int dim);
OLIVINE_C_API olivine_dtype olivine_array_dtype(const olivine_array arr);
OLIVINE_C_API int olivine_array_eval(olivine_array arr);

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

/* The first element, in row-major order with the others behind it; null and an error if it cannot
 * be computed or the dtype is another one. */
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

/* ---- Vectors. */
OLIVINE_C_API olivine_vector_array olivine_vector_array_new(void);
OLIVINE_C_API olivine_vector_array olivine_vector_array_new_data(const olivine_array* data,
                                                                 size_t size);
OLIVINE_C_API olivine_vector_array olivine_vector_array_new_value(const olivine_array val);
OLIVINE_C_API int olivine_vector_array_free(olivine_vector_array vec);
OLIVINE_C_API int olivine_vector_array_set(olivine_vector_array* vec,
                                           const olivine_vector_array src);
OLIVINE_C_API int olivine_vector_array_append_value(olivine_vector_array vec,
                                                    const olivine_array val);
OLIVINE_C_API size_t olivine_vector_array_size(olivine_vector_array vec);
OLIVINE_C_API int olivine_vector_array_get(olivine_array* res, const olivine_vector_array vec,
                                           size_t idx);

#endif
