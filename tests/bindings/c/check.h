/* What the programs in this folder share: checks that print what is wrong, and arrays from values.
 */
#ifndef OLIVINE_TESTS_CHECK_H
#define OLIVINE_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "olivine/c/olivine.h"

static int failures = 0;
static olivine_stream s; /* the default one */

static inline void expect(int line, int true_, const char* what) {
  if (true_) return;
  printf("line %d: %s; last error: %s\n", line, what, olivine_last_error());
  ++failures;
}
static inline void expect_failure(int line, int code, const char* text) {
  if (code && strstr(olivine_last_error(), text)) return;
  printf("line %d: returned %d with the error \"%s\", not 1 with \"%s\"\n", line, code,
         olivine_last_error(), text);
  ++failures;
}
#define CHECK(condition) expect(__LINE__, !!(condition), #condition)
#define OK(call) expect(__LINE__, (call) == 0, #call " returned an error")
#define FAILS(call, text) expect_failure(__LINE__, (call), text)
#define COUNT(values) (sizeof(values) / sizeof((values)[0]))

/* Frees what it held. */
static inline void drop(olivine_array a) { olivine_array_free(a); }
static inline olivine_array array_of(const float* values, const int* shape, int ndim) {
  return olivine_array_new_data(values, shape, ndim, OLIVINE_FLOAT32);
}
static inline olivine_array ints_of(const int* values, int n) {
  return olivine_array_new_data(values, &n, 1, OLIVINE_INT32);
}

static inline void expect_values(int line, olivine_array a, const float* values, size_t n) {
  olivine_array f = olivine_array_new();
  const float* got = NULL;
  size_t i;
  if (olivine_astype(&f, a, OLIVINE_FLOAT32, s) == 0) got = olivine_array_data_float32(f);
  expect(line, olivine_array_size(a) == n && (got || !n), "another number of values");
  for (i = 0; got && i < n && i < olivine_array_size(a); ++i) {
    if (got[i] == values[i] || fabsf(got[i] - values[i]) <= 2e-5f * (1 + fabsf(values[i])))
      continue;
    printf("line %d: value %d is %.9g, not %.9g\n", line, (int)i, (double)got[i],
           (double)values[i]);
    ++failures;
  }
  drop(f);
}
static inline void expect_shape(int line, olivine_array a, const int* shape, size_t n) {
  const int* got = olivine_array_shape(a);
  size_t i;
  expect(line, got && olivine_array_ndim(a) == n, "another number of axes");
  for (i = 0; got && i < n && i < olivine_array_ndim(a); ++i) {
    expect(line, got[i] == shape[i], "another shape");
  }
}
#define VALUES(a, ...) \
  expect_values(__LINE__, a, (const float[]){__VA_ARGS__}, COUNT(((const float[]){__VA_ARGS__})))
#define SHAPE(a, ...) \
  expect_shape(__LINE__, a, (const int[]){__VA_ARGS__}, COUNT(((const int[]){__VA_ARGS__})))
/* Runs a call that stores into r and compares the values. */
#define GIVES(call, ...)    \
  do {                      \
    OK(call);               \
    VALUES(r, __VA_ARGS__); \
  } while (0)
/* A list of ints and their number, as two arguments. */
#define INTS(...) (const int[]){__VA_ARGS__}, COUNT(((const int[]){__VA_ARGS__}))

static inline int summary(void) {
  if (failures) printf("%d failed\n", failures);
  return failures ? 1 : 0;
}

#endif
