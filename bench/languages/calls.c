/* The same through C. */
#define _POSIX_C_SOURCE 200809L
#include <olivine/c/olivine.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CALLS = 100000, ROUNDS = 7 };

static olivine_array a, b;
static olivine_stream s;

static void build(void) {
  olivine_array c = olivine_array_new();
  olivine_add(&c, a, b, s);
  olivine_array_free(c);
}
static void compute(void) {
  olivine_array c = olivine_array_new();
  olivine_add(&c, a, b, s);
  olivine_array_eval(c);
  olivine_array_free(c);
}

static int by_value(const void* x, const void* y) {
  double d = *(const double*)x - *(const double*)y;
  return (d > 0) - (d < 0);
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}
static void row(const char* name, void (*call)(void)) {
  double times[ROUNDS];
  for (int round = 0; round < ROUNDS; ++round) {
    double start = now();
    for (int i = 0; i < CALLS; ++i) call();
    times[round] = (now() - start) / CALLS;
  }
  qsort(times, ROUNDS, sizeof *times, by_value);
  printf("%s %.1f\n", name, times[ROUNDS / 2]);
}

int main(void) {
  const float x[] = {1, 2, 3, 4}, y[] = {5, 6, 7, 8};
  const int shape[] = {4};
  a = olivine_array_new_data(x, shape, 1, OLIVINE_FLOAT32);
  b = olivine_array_new_data(y, shape, 1, OLIVINE_FLOAT32);
  s = olivine_default_cpu_stream_new();
  row("build", build);
  row("compute", compute);
  olivine_stream_free(s);
  olivine_array_free(b);
  olivine_array_free(a);
  return 0;
}
