/* Devices, streams, memory and errors. */
#include "check.h"

static void devices(void) {
  olivine_device cpu = olivine_device_new_type(OLIVINE_CPU, 0), d = olivine_device_new();
  olivine_device gpu = olivine_device_new_type(OLIVINE_GPU, 0);
  olivine_device_type type = OLIVINE_GPU;
  olivine_string text = olivine_string_new();
  int n = -1;
  bool is = false;
  OK(olivine_device_set(&d, cpu));
  CHECK(olivine_device_equal(d, cpu) && !olivine_device_equal(d, gpu));
  OK(olivine_device_tostring(&text, cpu));
  CHECK(strcmp(olivine_string_data(text), "Device(cpu, 0)") == 0);
  OK(olivine_device_get_index(&n, cpu));
  CHECK(n == 0);
  OK(olivine_get_default_device(&d));
  OK(olivine_set_default_device(d));
  OK(olivine_device_get_type(&type, cpu));
  CHECK(type == OLIVINE_CPU);
  OK(olivine_device_count(&n, OLIVINE_CPU));
  CHECK(n == 1);
  OK(olivine_device_is_available(&is, cpu));
  CHECK(is);
  FAILS(olivine_device_count(&n, (olivine_device_type)5), "got 5");
  CHECK(!olivine_device_new_type((olivine_device_type)5, 0).ctx);
  OK(olivine_device_count(&n, OLIVINE_GPU));
  if (n == 0) {
    OK(olivine_device_is_available(&is, gpu));
    CHECK(!is);
    CHECK(!olivine_default_gpu_stream_new().ctx);
    FAILS(olivine_set_default_device(gpu), "available device");
  }
  olivine_device_free(cpu);
  olivine_device_free(gpu);
  olivine_device_free(d);
  olivine_string_free(text);
}

static void facts(void) {
  olivine_device_info info = olivine_device_info_new();
  olivine_device cpu = olivine_device_new_type(OLIVINE_CPU, 0);
  olivine_vector_string keys = olivine_vector_string_new();
  char* key = NULL;
  const char* value = NULL;
  size_t i, size = 0;
  bool is = true;
  OK(olivine_device_info_get(&info, cpu));
  OK(olivine_device_info_get_keys(&keys, info));
  CHECK(olivine_vector_string_size(keys) > 2);
  for (i = 0; i < olivine_vector_string_size(keys); ++i) {
    OK(olivine_vector_string_get(&key, keys, i));
    OK(olivine_device_info_has_key(&is, info, key));
    CHECK(is);
    OK(olivine_device_info_is_string(&is, info, key));
    if (is) {
      OK(olivine_device_info_get_string(&value, info, key));
      FAILS(olivine_device_info_get_size(&size, info, key), "other type");
    } else {
      OK(olivine_device_info_get_size(&size, info, key));
      FAILS(olivine_device_info_get_string(&value, info, key), "other type");
    }
  }
  OK(olivine_device_info_has_key(&is, info, "no such fact"));
  CHECK(!is);
  FAILS(olivine_device_info_get_size(&size, info, "no such fact"), "no such fact");
  FAILS(olivine_device_info_has_key(&is, info, NULL), "null");
  olivine_device_info_free(info);
  olivine_device_free(cpu);
  olivine_vector_string_free(keys);
}

static void streams(void) {
  olivine_device cpu = olivine_device_new_type(OLIVINE_CPU, 0), d = olivine_device_new();
  olivine_stream main_ = olivine_default_cpu_stream_new(), t = olivine_stream_new();
  olivine_stream other = olivine_stream_new_device(cpu);
  olivine_string text = olivine_string_new();
  olivine_array a = olivine_array_new_float(2), r = olivine_array_new();
  int i = -1;
  OK(olivine_stream_set(&t, other));
  CHECK(olivine_stream_equal(t, other) && !olivine_stream_equal(t, main_));
  OK(olivine_stream_tostring(&text, main_));
  CHECK(strcmp(olivine_string_data(text), "Stream(Device(cpu, 0), 0)") == 0);
  OK(olivine_stream_get_index(&i, other));
  CHECK(i > 0);
  OK(olivine_stream_get_device(&d, other));
  CHECK(olivine_device_equal(d, cpu));
  OK(olivine_set_default_stream(other));
  OK(olivine_get_default_stream(&t, cpu));
  CHECK(olivine_stream_equal(t, other));
  OK(olivine_set_default_stream(main_));
  GIVES(olivine_square(&r, a, other), 4);
  OK(olivine_synchronize(other));
  olivine_device_free(cpu);
  olivine_device_free(d);
  olivine_stream_free(main_);
  olivine_stream_free(other);
  olivine_stream_free(t);
  olivine_string_free(text);
  drop(a);
  drop(r);
}

static void memory(void) {
  size_t active = 0, peak = 0, cached = 0, limit = 0, old = 0;
  olivine_array r = olivine_array_new();
  OK(olivine_reset_peak_memory());
  OK(olivine_get_memory_limit(&limit));
  OK(olivine_ones(&r, INTS(1024, 1024), OLIVINE_FLOAT32, s));
  OK(olivine_add(&r, r, r, s));
  OK(olivine_array_eval(r));
  OK(olivine_get_active_memory(&active));
  OK(olivine_get_peak_memory(&peak));
  CHECK(active >= 4u << 20 && peak >= active);
  OK(olivine_set_memory_limit(&old, 1u << 20));
  CHECK(old == limit);
  OK(olivine_repeat_axis(&r, r, 4, 0, s));
  FAILS(olivine_array_eval(r), "memory"); /* the limit holds, and nothing dies */
  OK(olivine_set_memory_limit(&old, limit));
  CHECK(old == 1u << 20);
  OK(olivine_set_cache_limit(&old, 0));
  OK(olivine_set_cache_limit(&limit, old));
  OK(olivine_set_wired_limit(&old, 0));
  FAILS(olivine_set_cache_limit(NULL, 0), "null");
  OK(olivine_clear_cache());
  OK(olivine_get_cache_memory(&cached));
  CHECK(cached == 0);
  drop(r);
}

static int handled = 0, released = 0;
static void handle(const char* msg, void* data) {
  handled += strstr(msg, "empty handle") != NULL && data == &handled;
}
static void release(void* data) { released += data == &handled; }

static void errors(void) {
  olivine_array r = olivine_array_new();
  olivine_set_error_handler(handle, &handled, release);
  FAILS(olivine_abs(&r, olivine_array_empty, s), "empty handle");
  CHECK(handled == 1 && released == 0);
  olivine_set_error_handler(NULL, NULL, NULL);
  CHECK(released == 1);
  FAILS(olivine_abs(&r, olivine_array_empty, s), "empty handle");
  CHECK(handled == 1);
  olivine_error("a closure's own %s, %d", "error", 7);
  CHECK(strstr(olivine_last_error(), "a closure's own error, 7") &&
        strstr(olivine_last_error(), "devices.c"));
}

int main(void) {
  devices();
  facts();
  streams();
  memory();
  errors();
  return summary();
}
