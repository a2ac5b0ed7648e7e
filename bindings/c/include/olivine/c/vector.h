/* Vectors of arrays, of ints and of texts, and of vectors of arrays and of ints. They copy what
 * they are given; an empty handle reads as a vector without elements. `append` functions need one
 * made by `new`. */
#ifndef OLIVINE_C_VECTOR_H
#define OLIVINE_C_VECTOR_H

#include "olivine/c/types.h"

typedef struct olivine_vector_array_ {
  void* ctx;
} olivine_vector_array;
OLIVINE_C_API olivine_vector_array olivine_vector_array_new(void);
OLIVINE_C_API int olivine_vector_array_set(olivine_vector_array* vec,
                                           const olivine_vector_array src);
OLIVINE_C_API int olivine_vector_array_free(olivine_vector_array vec);
OLIVINE_C_API olivine_vector_array olivine_vector_array_new_data(const olivine_array* data,
                                                                 size_t size);
OLIVINE_C_API olivine_vector_array olivine_vector_array_new_value(const olivine_array val);
OLIVINE_C_API int olivine_vector_array_set_data(olivine_vector_array* vec,
                                                const olivine_array* data, size_t size);
OLIVINE_C_API int olivine_vector_array_set_value(olivine_vector_array* vec,
                                                 const olivine_array val);
OLIVINE_C_API int olivine_vector_array_append_data(olivine_vector_array vec,
                                                   const olivine_array* data, size_t size);
OLIVINE_C_API int olivine_vector_array_append_value(olivine_vector_array vec,
                                                    const olivine_array val);
OLIVINE_C_API size_t olivine_vector_array_size(olivine_vector_array vec);
OLIVINE_C_API int olivine_vector_array_get(olivine_array* res, const olivine_vector_array vec,
                                           size_t idx);

typedef struct olivine_vector_vector_array_ {
  void* ctx;
} olivine_vector_vector_array;
OLIVINE_C_API olivine_vector_vector_array olivine_vector_vector_array_new(void);
OLIVINE_C_API int olivine_vector_vector_array_set(olivine_vector_vector_array* vec,
                                                  const olivine_vector_vector_array src);
OLIVINE_C_API int olivine_vector_vector_array_free(olivine_vector_vector_array vec);
OLIVINE_C_API olivine_vector_vector_array
olivine_vector_vector_array_new_data(const olivine_vector_array* data, size_t size);
OLIVINE_C_API olivine_vector_vector_array
olivine_vector_vector_array_new_value(const olivine_vector_array val);
OLIVINE_C_API int olivine_vector_vector_array_set_data(olivine_vector_vector_array* vec,
                                                       const olivine_vector_array* data,
                                                       size_t size);
OLIVINE_C_API int olivine_vector_vector_array_set_value(olivine_vector_vector_array* vec,
                                                        const olivine_vector_array val);
OLIVINE_C_API int olivine_vector_vector_array_append_data(olivine_vector_vector_array vec,
                                                          const olivine_vector_array* data,
                                                          size_t size);
OLIVINE_C_API int olivine_vector_vector_array_append_value(olivine_vector_vector_array vec,
                                                           const olivine_vector_array val);
OLIVINE_C_API size_t olivine_vector_vector_array_size(olivine_vector_vector_array vec);
OLIVINE_C_API int olivine_vector_vector_array_get(olivine_vector_array* res,
                                                  const olivine_vector_vector_array vec,
                                                  size_t idx);

typedef struct olivine_vector_int_ {
  void* ctx;
} olivine_vector_int;
OLIVINE_C_API olivine_vector_int olivine_vector_int_new(void);
OLIVINE_C_API int olivine_vector_int_set(olivine_vector_int* vec, const olivine_vector_int src);
OLIVINE_C_API int olivine_vector_int_free(olivine_vector_int vec);
OLIVINE_C_API olivine_vector_int olivine_vector_int_new_data(int* data, size_t size);
OLIVINE_C_API olivine_vector_int olivine_vector_int_new_value(int val);
OLIVINE_C_API int olivine_vector_int_set_data(olivine_vector_int* vec, int* data, size_t size);
OLIVINE_C_API int olivine_vector_int_set_value(olivine_vector_int* vec, int val);
OLIVINE_C_API int olivine_vector_int_append_data(olivine_vector_int vec, int* data, size_t size);
OLIVINE_C_API int olivine_vector_int_append_value(olivine_vector_int vec, int val);
OLIVINE_C_API size_t olivine_vector_int_size(olivine_vector_int vec);
OLIVINE_C_API int olivine_vector_int_get(int* res, const olivine_vector_int vec, size_t idx);

typedef struct olivine_vector_vector_int_ {
  void* ctx;
} olivine_vector_vector_int;
OLIVINE_C_API olivine_vector_vector_int olivine_vector_vector_int_new(void);
OLIVINE_C_API int olivine_vector_vector_int_set(olivine_vector_vector_int* vec,
                                                const olivine_vector_vector_int src);
OLIVINE_C_API int olivine_vector_vector_int_free(olivine_vector_vector_int vec);
OLIVINE_C_API olivine_vector_vector_int
olivine_vector_vector_int_new_data(const olivine_vector_int* data, size_t size);
OLIVINE_C_API olivine_vector_vector_int
olivine_vector_vector_int_new_value(const olivine_vector_int val);
OLIVINE_C_API int olivine_vector_vector_int_set_data(olivine_vector_vector_int* vec,
                                                     const olivine_vector_int* data, size_t size);
OLIVINE_C_API int olivine_vector_vector_int_set_value(olivine_vector_vector_int* vec,
                                                      const olivine_vector_int val);
OLIVINE_C_API int olivine_vector_vector_int_append_data(olivine_vector_vector_int vec,
                                                        const olivine_vector_int* data,
                                                        size_t size);
OLIVINE_C_API int olivine_vector_vector_int_append_value(olivine_vector_vector_int vec,
                                                         const olivine_vector_int val);
OLIVINE_C_API size_t olivine_vector_vector_int_size(olivine_vector_vector_int vec);
OLIVINE_C_API int olivine_vector_vector_int_get(olivine_vector_int* res,
                                                const olivine_vector_vector_int vec, size_t idx);

typedef struct olivine_vector_string_ {
  void* ctx;
} olivine_vector_string;
OLIVINE_C_API olivine_vector_string olivine_vector_string_new(void);
OLIVINE_C_API int olivine_vector_string_set(olivine_vector_string* vec,
                                            const olivine_vector_string src);
OLIVINE_C_API int olivine_vector_string_free(olivine_vector_string vec);
OLIVINE_C_API olivine_vector_string olivine_vector_string_new_data(const char** data, size_t size);
OLIVINE_C_API olivine_vector_string olivine_vector_string_new_value(const char* val);
OLIVINE_C_API int olivine_vector_string_set_data(olivine_vector_string* vec, const char** data,
                                                 size_t size);
OLIVINE_C_API int olivine_vector_string_set_value(olivine_vector_string* vec, const char* val);
OLIVINE_C_API int olivine_vector_string_append_data(olivine_vector_string vec, const char** data,
                                                    size_t size);
OLIVINE_C_API int olivine_vector_string_append_value(olivine_vector_string vec, const char* val);
OLIVINE_C_API size_t olivine_vector_string_size(olivine_vector_string vec);
/* The text stays the vector's. */
OLIVINE_C_API int olivine_vector_string_get(char** res, const olivine_vector_string vec,
                                            size_t idx);

#endif
