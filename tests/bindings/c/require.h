/* What the C tests share: checks that end the program with the place and the last error. */
#ifndef OLIVINE_TESTS_REQUIRE_H
#define OLIVINE_TESTS_REQUIRE_H

#include <math.h>
#include <olivine/c/olivine.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                       \
  do {                                                                                         \
    if (!(condition)) {                                                                        \
      fprintf(stderr, "%s:%d: not so: %s\n  last error: %s\n", __FILE__, __LINE__, #condition, \
              olivine_last_error());                                                           \
      exit(1);                                                                                 \
    }                                                                                          \
  } while (0)
/* A call that is to succeed, and one that is to fail with an error that contains a text. */
#define OK(call) CHECK((call) == 0)
#define FAILS(call, text) CHECK((call) != 0 && strstr(olivine_last_error(), text) != NULL)
/* A new handle that is to be there, and one that is to be empty with an error. */
#define MADE(handle) CHECK((handle).ctx != NULL)
#define NOT_MADE(handle, text) \
  CHECK((handle).ctx == NULL && strstr(olivine_last_error(), text) != NULL)

static const olivine_stream s = {NULL};

static inline olivine_array vector_of(int n, const float* values) {
  olivine_array a = olivine_array_new_data(values, &n, 1, OLIVINE_FLOAT32);
  MADE(a);
  return a;
}
static inline olivine_vector_array one(olivine_array a) {
  olivine_vector_array v = olivine_vector_array_new_value(a);
  MADE(v);
  return v;
}
/* one() of a number; frees what it makes on the way. */
static inline olivine_vector_array scalar(float value) {
  olivine_array a = olivine_array_new_float(value);
  olivine_vector_array v = one(a);
  olivine_array_free(a);
  return v;
}
/* Element `at`, in row-major order, of array `index`. */
static inline float element(olivine_vector_array v, size_t index, int at) {
  olivine_array a = olivine_array_new();
  OK(olivine_vector_array_get(&a, v, index));
  CHECK((size_t)at < olivine_array_size(a));
  const float* data = olivine_array_data_float32(a);
  CHECK(data != NULL);
  float value = data[at];
  olivine_array_free(a);
  return value;
}
#define CLOSE(x, y) CHECK(fabs((double)(x) - (double)(y)) <= 1e-5 * (1 + fabs((double)(y))))

#endif
