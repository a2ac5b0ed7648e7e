/* Profiles: what a region of a program did, as figures, text and files. */
#include "require.h"

static void a_region_is_profiled(void) {
  const int shape[] = {64, 64};
  olivine_array x = {NULL}, y = {NULL};
  OK(olivine_ones(&x, shape, 2, OLIVINE_FLOAT32, s));
  OK(olivine_exp(&x, x, s));
  OK(olivine_array_eval(x));

  olivine_profile p = {NULL};
  FAILS(olivine_profile_stop(&p), "[profiler] expected a profile to end");
  OK(olivine_profile_start(0));
  FAILS(olivine_profile_start(0), "[profiler] expected one profile at a time");
  OK(olivine_matmul(&y, x, x, s));
  OK(olivine_array_eval(y));
  OK(olivine_profile_stop(&p));

  olivine_profile_totals totals;
  OK(olivine_profile_get_totals(&totals, p));
  CHECK(totals.flops == 2.0 * 64 * 64 * 64);
  CHECK(totals.bytes == 3.0 * 4 * 64 * 64);
  CHECK(totals.wall > 0 && totals.attributed > 0 && totals.attributed <= 1);
  CHECK(totals.peak_memory > 0 && totals.dropped == 0);

  olivine_string text = olivine_string_new();
  OK(olivine_profile_table(&text, p, NULL, 15));
  CHECK(strstr(olivine_string_data(text), "matmul") != NULL);
  OK(olivine_profile_table(&text, p, "shape", 15));
  CHECK(strstr(olivine_string_data(text), "matmul 64x64, 64x64") != NULL);
  FAILS(olivine_profile_table(&text, p, "colour", 15), "expected by to be one of");
  OK(olivine_profile_json(&text, p));
  CHECK(strncmp(olivine_string_data(text), "{\"title\"", 8) == 0);

  const char* path = "profiles_trace.json";
  OK(olivine_profile_save_trace(p, path));
  FILE* file = fopen(path, "rb");
  char head[32] = {0};
  CHECK(file && fread(head, 1, 18, file) == 18);
  CHECK(strcmp(head, "{\"displayTimeUnit\"") == 0);
  fclose(file);
  remove(path);
  FAILS(olivine_profile_save_trace(p, "/no/such/folder/trace.json"), "[profiler] expected a file");
  FAILS(olivine_profile_save_trace(p, NULL), "[profiler] expected a text; got null");

  olivine_string_free(text);
  olivine_profile_free(p);
  olivine_array_free(x);
  olivine_array_free(y);
}

int main(void) {
  a_region_is_profiled();
  return 0;
}
