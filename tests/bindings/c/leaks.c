/* Calls every kind of function many times over: resident memory must not grow.
 *
 *     leaks [CALLS]     of each family; 100000 unless given. Few calls suffice under a leak
 * checker.
 *
 * Nothing else is checked here: the other tests do. */
#include "require.h"

static int square_of(olivine_array* res, const olivine_array x) {
  return olivine_square(res, x, s);
}
static int first_of(olivine_vector_array* res, const olivine_vector_array in, void* payload) {
  (void)payload;
  return olivine_vector_array_set(res, in);
}
static int keep_cotangents(olivine_vector_array* res, const olivine_vector_array primals,
                           const olivine_vector_array ct, const olivine_vector_array outputs) {
  (void)primals, (void)outputs;
  return olivine_vector_array_set(res, ct);
}
static int fails(olivine_vector_array* res, const olivine_vector_array in) {
  olivine_vector_array_set(res, in); /* is dropped */
  return olivine_error("as it should"), 1;
}
static void release(void* payload) { free(payload); }

static olivine_array x;
static olivine_vector_array in;
static olivine_closure square;

/* ---- Families: each function is one call of what its name says. */
static void arrays(void) {
  const float data[] = {1, 2, 3};
  const int shape[] = {3};
  olivine_array a = olivine_array_new_data(data, shape, 1, OLIVINE_FLOAT32), b = {NULL};
  OK(olivine_array_set(&b, a));
  OK(olivine_array_set_data(&b, data, shape, 1, OLIVINE_FLOAT32));
  CHECK(olivine_array_data_float32(b)[2] == 3 && olivine_array_shape(b)[0] == 3);
  olivine_array_free(a);
  olivine_array_free(b);
}
static void managed_arrays(void) {
  const int shape[] = {3};
  float* data = calloc(3, sizeof *data);
  olivine_array a = olivine_array_new_data_managed(data, shape, 1, OLIVINE_FLOAT32, release);
  CHECK(olivine_array_size(a) == 3);
  olivine_array_free(a);
}
static void operations(void) {
  olivine_array y = {NULL};
  float value;
  OK(olivine_exp(&y, x, s));
  OK(olivine_multiply(&y, y, x, s));
  OK(olivine_sum(&y, y, false, s));
  OK(olivine_array_item_float32(&value, y));
  olivine_array_free(y);
}
static void failures(void) {
  olivine_array y = {NULL};
  FAILS(olivine_reshape(&y, x, (const int[]){5}, 1, s), "[reshape]");
  CHECK(y.ctx == NULL);
}
static void vectors(void) {
  olivine_vector_array v = olivine_vector_array_new_value(x), w = {NULL};
  OK(olivine_vector_array_append_value(v, x));
  OK(olivine_vector_array_set(&w, v));
  OK(olivine_vector_array_set_value(&w, x));
  olivine_vector_string names = olivine_vector_string_new_value("a name that is not a short one");
  olivine_vector_array_free(v);
  olivine_vector_array_free(w);
  olivine_vector_string_free(names);
}
static void maps(void) {
  olivine_map_string_to_array m = olivine_map_string_to_array_new(), copy = {NULL};
  OK(olivine_map_string_to_array_insert(m, "x", x));
  OK(olivine_map_string_to_array_set(&copy, m));
  olivine_map_string_to_array_iterator it = olivine_map_string_to_array_iterator_new(m);
  const char* key;
  olivine_array value = {NULL};
  OK(olivine_map_string_to_array_iterator_next(&key, &value, it));
  olivine_map_string_to_array_iterator_free(it);
  olivine_map_string_to_array_free(m);
  olivine_map_string_to_array_free(copy);
  olivine_array_free(value);
}
static void strings(void) {
  olivine_string text = {NULL};
  OK(olivine_array_tostring(&text, x));
  OK(olivine_version(&text));
  olivine_string_free(text);
}
static void closures(void) {
  olivine_closure f = olivine_closure_new_func_payload(first_of, malloc(100), release), g = {NULL};
  olivine_vector_array out = {NULL};
  OK(olivine_closure_set(&g, f));
  OK(olivine_closure_apply(&out, g, in));
  olivine_closure_free(f);
  olivine_closure_free(g);
  olivine_vector_array_free(out);
}
static void failing_closures(void) {
  olivine_closure f = olivine_closure_new_func(fails);
  olivine_vector_array out = {NULL};
  FAILS(olivine_closure_apply(&out, f, in), "as it should");
  olivine_closure_free(f);
}
static void gradients(void) {
  const int argnums[] = {0};
  olivine_closure_value_and_grad f = {NULL};
  olivine_vector_array values = {NULL}, out = {NULL};
  OK(olivine_value_and_grad(&f, square, argnums, 1));
  OK(olivine_closure_value_and_grad_apply(&values, &out, f, in));
  OK(olivine_eval(out));
  OK(olivine_jvp(&values, &out, square, in, in));
  olivine_closure_value_and_grad_free(f);
  olivine_vector_array_free(values);
  olivine_vector_array_free(out);
}
static void custom_rules(void) {
  olivine_closure f = {NULL};
  olivine_closure_custom rule = olivine_closure_custom_new_func(keep_cotangents);
  olivine_vector_array values = {NULL}, out = {NULL};
  OK(olivine_custom_vjp(&f, square, rule));
  OK(olivine_vjp(&values, &out, f, in, in));
  olivine_closure_free(f);
  olivine_closure_custom_free(rule);
  olivine_vector_array_free(values);
  olivine_vector_array_free(out);
}
static void batches(void) {
  olivine_closure f = {NULL};
  olivine_vector_array out = {NULL}, one_ = {NULL};
  const float data[] = {1, 2};
  olivine_array rows = vector_of(2, data);
  OK(olivine_vector_array_set_value(&one_, rows));
  OK(olivine_vmap(&f, square, NULL, 0, NULL, 0));
  OK(olivine_closure_apply(&out, f, one_));
  olivine_closure_free(f);
  olivine_array_free(rows);
  olivine_vector_array_free(out);
  olivine_vector_array_free(one_);
}
static void compiled(void) {
  olivine_closure f = {NULL};
  olivine_vector_array out = {NULL};
  OK(olivine_compile(&f, square, false));
  OK(olivine_closure_apply(&out, f, in));
  OK(olivine_closure_apply(&out, f, in));
  OK(olivine_eval(out));
  OK(olivine_detail_compile(&f, square, 5, false, NULL, 0));
  OK(olivine_closure_apply(&out, f, in));
  OK(olivine_detail_compile_erase(5));
  olivine_closure_free(f);
  olivine_vector_array_free(out);
}
static void random_numbers(void) {
  olivine_array a = {NULL}, key = {NULL};
  const int shape[] = {4};
  OK(olivine_random_key(&key, 1));
  OK(olivine_random_normal(&a, shape, 1, OLIVINE_FLOAT32, 0, 1, key, s));
  OK(olivine_array_eval(a));
  olivine_array_free(a);
  olivine_array_free(key);
}
static void devices(void) {
  olivine_device d = {NULL};
  olivine_stream t = olivine_default_cpu_stream_new();
  OK(olivine_stream_get_device(&d, t));
  olivine_device_free(d);
  olivine_stream_free(t);
}
/* These read the system's files. */
static void device_facts(void) {
  olivine_device d = olivine_device_new_type(OLIVINE_CPU, 0);
  olivine_device_info info = olivine_device_info_new();
  OK(olivine_device_info_get(&info, d));
  olivine_device_info_free(info);
  olivine_device_free(d);
}
static void graphs(void) {
  olivine_node_namer namer = olivine_node_namer_new();
  const char* name;
  OK(olivine_node_namer_get_name(&name, namer, x));
  olivine_node_namer_free(namer);
}
static void kernels(void) {
  olivine_fast_metal_kernel_config c = olivine_fast_metal_kernel_config_new();
  olivine_vector_string names = olivine_vector_string_new_value("x");
  olivine_fast_metal_kernel k =
      olivine_fast_metal_kernel_new("k", names, names, "source", "", true, false);
  OK(olivine_fast_metal_kernel_config_add_template_arg_int(c, "n", 1));
  olivine_fast_metal_kernel_free(k);
  olivine_fast_metal_kernel_config_free(c);
  olivine_vector_string_free(names);
}

/* ---- Streams in memory, and files. */
typedef struct {
  char data[512];
  size_t at, size;
} Memory;
static bool yes(void* m) { return m != NULL; }
static size_t tell(void* m) { return ((Memory*)m)->at; }
static void seek(void* m, int64_t off, int whence) {
  ((Memory*)m)->at = (size_t)off + (whence == SEEK_END ? ((Memory*)m)->size : 0);
}
static void take(void* p, char* data, size_t n) {
  Memory* m = p;
  memcpy(data, m->data + m->at, n);
  m->at += n;
}
static void put(void* p, const char* data, size_t n) {
  Memory* m = p;
  CHECK(m->at + n <= sizeof m->data);
  memcpy(m->data + m->at, data, n);
  m->at += n;
  m->size = m->at;
}
static void streams(void) {
  const olivine_io_vtable functions = {yes, yes, tell, seek, take, NULL, put, NULL, release};
  Memory* m = calloc(1, sizeof *m);
  olivine_io_vtable keep = functions;
  keep.free = NULL;
  olivine_io_writer w = olivine_io_writer_new(m, keep);
  olivine_array a = {NULL};
  OK(olivine_save_writer(w, x));
  m->at = 0;
  olivine_io_reader r = olivine_io_reader_new(m, functions);
  OK(olivine_load_reader(&a, r, s));
  olivine_array_free(a);
  olivine_io_writer_free(w);
  olivine_io_reader_free(r);
}
static void imported(void) {
  olivine_imported_function f = olivine_imported_function_new("c_leaks.fn");
  olivine_vector_array out = {NULL};
  OK(olivine_imported_function_apply(&out, f, in));
  olivine_vector_array_free(out);
  olivine_imported_function_free(f);
}
static void loaded(void) {
  olivine_map_string_to_array tensors = {NULL};
  olivine_map_string_to_string metadata = {NULL};
  OK(olivine_load_safetensors(&tensors, &metadata, "c_leaks.safetensors", s));
  olivine_map_string_to_array_free(tensors);
  olivine_map_string_to_string_free(metadata);
}
/* Files are synced to the disk when they are written: few calls. */
static void saved(void) {
  olivine_map_string_to_array tensors = olivine_map_string_to_array_new();
  olivine_io_gguf g = olivine_io_gguf_new(), h = {NULL};
  OK(olivine_map_string_to_array_insert(tensors, "x", x));
  OK(olivine_io_gguf_set_array(g, "x", x));
  OK(olivine_save_safetensors("c_leaks.safetensors", tensors,
                              (olivine_map_string_to_string){NULL}));
  OK(olivine_save_gguf("c_leaks.gguf", g));
  OK(olivine_load_gguf(&h, "c_leaks.gguf", s));
  OK(olivine_export_function("c_leaks.fn", square, in, false));
  olivine_io_gguf_free(g);
  olivine_io_gguf_free(h);
  olivine_map_string_to_array_free(tensors);
}

static const struct {
  const char* name;
  void (*call)(void);
  int share; /* of the calls: one in so many */
} families[] = {{"saved", saved, 500},
                {"arrays", arrays, 1},
                {"managed arrays", managed_arrays, 1},
                {"operations", operations, 1},
                {"failures", failures, 1},
                {"vectors", vectors, 1},
                {"maps", maps, 1},
                {"strings", strings, 1},
                {"closures", closures, 1},
                {"failing closures", failing_closures, 1},
                {"gradients", gradients, 1},
                {"custom rules", custom_rules, 1},
                {"batches", batches, 1},
                {"compiled", compiled, 1},
                {"random numbers", random_numbers, 1},
                {"devices", devices, 1},
                {"device facts", device_facts, 50},
                {"graphs", graphs, 1},
                {"kernels", kernels, 1},
                {"streams", streams, 1},
                {"imported functions", imported, 1},
                {"loaded files", loaded, 1}};

static long resident_kib(void) {
  long pages = 0, skipped;
  FILE* f = fopen("/proc/self/statm", "r");
  if (!f) return 0; /* no such system: the leak checker has to do */
  if (fscanf(f, "%ld %ld", &skipped, &pages) != 2) pages = 0;
  fclose(f);
  return pages * 4;
}

int main(int argc, char** argv) {
#ifdef __SANITIZE_ADDRESS__ /* which keeps freed memory for a while, and finds leaks itself */
  const long usual = 1000;
#else
  const long usual = 100000;
#endif
  long calls = argc > 1 ? atol(argv[1]) : usual;
  x = olivine_array_new_float(1.5f);
  in = one(x);
  square = olivine_closure_new_unary(square_of);
  int failed = 0;
  for (size_t i = 0; i < sizeof families / sizeof *families; ++i) {
    long n = calls / families[i].share + 1;
    for (long k = 0; k < n / 10 + 1; ++k) families[i].call(); /* caches fill */
    long before = resident_kib();
    for (long k = 0; k < n; ++k) families[i].call();
    long grown = resident_kib() - before;
    printf("%-20s %7ld calls, %5ld KiB more\n", families[i].name, n, grown);
    /* A leak of one byte per call would not show; one of an allocation, 24 bytes at least, does. */
    failed |= calls >= 10000 && grown > 1024;
  }
  const char* made[] = {"c_leaks.safetensors", "c_leaks.gguf", "c_leaks.fn"};
  for (int i = 0; i < 3; ++i) remove(made[i]);
  olivine_closure_free(square);
  olivine_vector_array_free(in);
  olivine_array_free(x);
  return failed;
}
