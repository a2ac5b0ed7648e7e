/* Files: npy, safetensors, GGUF, streams in memory, exported functions. In the current folder. */
#include "require.h"

static const float values[] = {1.5f, -2, 3, 4, 5, 6};

static olivine_array matrix(void) {
  const int shape[] = {2, 3};
  olivine_array a = olivine_array_new_data(values, shape, 2, OLIVINE_FLOAT32);
  MADE(a);
  return a;
}
static bool same(olivine_array a, olivine_array b) {
  olivine_array equal = {NULL};
  bool answer = false;
  OK(olivine_array_equal(&equal, a, b, false, s));
  OK(olivine_array_item_bool(&answer, equal));
  olivine_array_free(equal);
  return answer;
}

/* ---- A stream in memory, which can be made to fail. */
typedef struct {
  char* data;
  size_t size, at, limit; /* limit: bytes it takes or gives before it fails */
  bool failed, closed;
  int freed;
} Memory;
static bool memory_is_open(void* m) { return !((Memory*)m)->closed; }
static bool memory_good(void* m) { return !((Memory*)m)->failed; }
static size_t memory_tell(void* m) { return ((Memory*)m)->at; }
static void memory_seek(void* p, int64_t off, int whence) {
  Memory* m = p;
  size_t base = whence == SEEK_END ? m->size : whence == SEEK_CUR ? m->at : 0;
  m->at = base + (size_t)off;
}
static void memory_read(void* p, char* data, size_t n) {
  Memory* m = p;
  if (m->at > m->size || n > m->size - m->at || n > m->limit) {
    m->failed = true;
    return;
  }
  memcpy(data, m->data + m->at, n);
  m->at += n;
  m->limit -= n;
}
static void memory_read_at(void* p, char* data, size_t n, size_t off) {
  ((Memory*)p)->at = off;
  memory_read(p, data, n);
}
static void memory_write(void* p, const char* data, size_t n) {
  Memory* m = p;
  if (n > m->limit) {
    m->failed = true;
    return;
  }
  m->data = realloc(m->data, m->at + n);
  memcpy(m->data + m->at, data, n);
  m->at += n;
  m->size = m->at;
  m->limit -= n;
}
static const char* memory_label(void* m) { return (void)m, "some memory"; }
static void memory_free(void* p) { ++((Memory*)p)->freed; }
static const olivine_io_vtable functions = {memory_is_open, memory_good,  memory_tell,
                                            memory_seek,    memory_read,  memory_read_at,
                                            memory_write,   memory_label, memory_free};

static void arrays_are_saved(void) {
  olivine_array a = matrix(), b = {NULL};
  OK(olivine_save("c_files.npy", a));
  OK(olivine_load(&b, "c_files.npy", s));
  CHECK(same(a, b));
  FAILS(olivine_load(&b, "not there.npy", s), "not there.npy");
  FAILS(olivine_load(&b, NULL, s), "null");
  FAILS(olivine_save("no folder/a.npy", a), "no folder");
  FAILS(olivine_save("c_files.npy", olivine_array_new()), "empty handle");
  CHECK(same(a, b));
  olivine_array_free(a);
  olivine_array_free(b);
}

static void named_arrays_keep_their_metadata(void) {
  olivine_map_string_to_array arrays = olivine_map_string_to_array_new(), loaded = {NULL};
  olivine_map_string_to_string metadata = olivine_map_string_to_string_new(), told = {NULL};
  olivine_array a = matrix(), b = {NULL};
  const char* text = NULL;
  OK(olivine_map_string_to_array_insert(arrays, "first", a));
  OK(olivine_map_string_to_array_insert(arrays, "second", a));
  OK(olivine_map_string_to_string_insert(metadata, "format", "test"));
  OK(olivine_save_safetensors("c_files.safetensors", arrays, metadata));
  OK(olivine_load_safetensors(&loaded, &told, "c_files.safetensors", s));
  OK(olivine_map_string_to_array_get(&b, loaded, "second"));
  CHECK(same(a, b));
  OK(olivine_map_string_to_string_get(&text, told, "format"));
  CHECK(strcmp(text, "test") == 0);
  FAILS(olivine_load_safetensors(&loaded, &told, "c_files.npy", s), "[load_safetensors]");
  FAILS(olivine_load_safetensors(&loaded, NULL, "c_files.safetensors", s), "null");

  Memory m = {NULL, 0, 0, 1 << 20, false, false, 0};
  olivine_io_writer w = olivine_io_writer_new(&m, functions);
  MADE(w);
  OK(olivine_save_safetensors_writer(w, arrays, metadata));
  OK(olivine_io_writer_free(w));
  m.at = 0;
  olivine_io_reader r = olivine_io_reader_new(&m, functions);
  OK(olivine_load_safetensors_reader(&loaded, &told, r, s));
  OK(olivine_io_reader_free(r));
  OK(olivine_map_string_to_array_get(&b, loaded, "first"));
  CHECK(same(a, b));
  CHECK(m.freed == 2);
  free(m.data);
  olivine_map_string_to_array_free(arrays);
  olivine_map_string_to_array_free(loaded);
  olivine_map_string_to_string_free(metadata);
  olivine_map_string_to_string_free(told);
  olivine_array_free(a);
  olivine_array_free(b);
}

static void streams_are_read_and_written(void) {
  olivine_array a = matrix(), b = {NULL};
  Memory m = {NULL, 0, 0, 1 << 20, false, false, 0};
  olivine_io_writer w = olivine_io_writer_new(&m, functions);
  void* descriptor = NULL;
  olivine_string label = olivine_string_new();
  OK(olivine_io_writer_descriptor(&descriptor, w));
  OK(olivine_io_writer_tostring(&label, w));
  CHECK(descriptor == &m && strcmp(olivine_string_data(label), "some memory") == 0);
  OK(olivine_save_writer(w, a));
  size_t written = m.size;
  m.at = 0;
  olivine_io_reader r = olivine_io_reader_new(&m, functions);
  OK(olivine_io_reader_descriptor(&descriptor, r));
  OK(olivine_io_reader_tostring(&label, r));
  OK(olivine_load_reader(&b, r, s));
  CHECK(same(a, b));

  /* With the fewest functions there may be. */
  olivine_io_vtable few = functions;
  few.read_at_offset = NULL, few.label = NULL, few.free = NULL, few.write = NULL;
  olivine_io_reader plain = olivine_io_reader_new(&m, few);
  m.at = 0;
  OK(olivine_load_reader(&b, plain, s));
  few.read_at_offset = memory_read_at, few.read = NULL;
  OK(olivine_io_reader_free(plain));
  plain = olivine_io_reader_new(&m, few);
  m.at = 0;
  OK(olivine_load_reader(&b, plain, s));
  CHECK(same(a, b));

  /* Failures. */
  m.at = 0, m.limit = 20;
  FAILS(olivine_load_reader(&b, r, s), "some memory");
  FAILS(olivine_load_reader(&b, r, s), "open stream"); /* it stays failed */
  m.failed = false, m.limit = 1 << 20, m.at = 0, m.size = written - 1;
  FAILS(olivine_load_reader(&b, r, s), "");
  m.failed = false, m.at = 0, m.limit = 5;
  FAILS(olivine_save_writer(w, a), "some memory");
  m.failed = false, m.closed = true;
  FAILS(olivine_save_writer(w, a), "open stream");
  few.tell = NULL;
  NOT_MADE(olivine_io_reader_new(&m, few), "tell");
  NOT_MADE(olivine_io_writer_new(&m, few), "write");
  FAILS(olivine_load_reader(&b, olivine_io_reader_new(NULL, few), s), "empty handle");
  CHECK(same(a, b) && m.freed == 0);
  OK(olivine_io_reader_free(r));
  OK(olivine_io_reader_free(plain));
  OK(olivine_io_writer_free(w));
  CHECK(m.freed == 2);
  free(m.data);
  olivine_string_free(label);
  olivine_array_free(a);
  olivine_array_free(b);
}

static void gguf_has_arrays_and_metadata(void) {
  olivine_io_gguf g = olivine_io_gguf_new(), h = {NULL};
  olivine_array a = matrix(), seven = olivine_array_new_int(7), b = {NULL};
  const char* words[] = {"one", "two"};
  olivine_vector_string list = olivine_vector_string_new_data(words, 2), keys = {NULL};
  olivine_string text = {NULL};
  bool has = true;
  OK(olivine_io_gguf_set_array(g, "weight", a));
  OK(olivine_io_gguf_set_array(g, "bias", a));
  OK(olivine_io_gguf_set_metadata_array(g, "layers", seven));
  OK(olivine_io_gguf_set_metadata_string(g, "name", "tiny"));
  OK(olivine_io_gguf_set_metadata_vector_string(g, "words", list));
  OK(olivine_save_gguf("c_files.gguf", g));
  OK(olivine_load_gguf(&h, "c_files.gguf", s));
  OK(olivine_io_gguf_get_array(&b, h, "weight"));
  CHECK(same(a, b));
  OK(olivine_io_gguf_get_keys(&keys, h));
  CHECK(olivine_vector_string_size(keys) == 2);
  char* key = NULL;
  OK(olivine_vector_string_get(&key, keys, 0));
  CHECK(strcmp(key, "bias") == 0);
  OK(olivine_io_gguf_get_metadata_keys(&keys, h));
  CHECK(olivine_vector_string_size(keys) >= 3);
  int number = 0;
  OK(olivine_io_gguf_get_metadata_array(&b, h, "layers"));
  OK(olivine_array_item_int32(&number, b));
  CHECK(number == 7);
  OK(olivine_io_gguf_get_metadata_string(&text, h, "name"));
  CHECK(strcmp(olivine_string_data(text), "tiny") == 0);
  OK(olivine_io_gguf_get_metadata_vector_string(&keys, h, "words"));
  OK(olivine_vector_string_get(&key, keys, 1));
  CHECK(olivine_vector_string_size(keys) == 2 && strcmp(key, "two") == 0);
  OK(olivine_io_gguf_has_metadata_array(&has, h, "name"));
  CHECK(!has);
  OK(olivine_io_gguf_has_metadata_string(&has, h, "name"));
  CHECK(has);
  OK(olivine_io_gguf_has_metadata_vector_string(&has, h, "nothing"));
  CHECK(!has);
  FAILS(olivine_io_gguf_get_array(&b, h, "nothing"), "'nothing'");
  FAILS(olivine_io_gguf_get_metadata_array(&b, h, "name"), "another kind");
  FAILS(olivine_io_gguf_get_metadata_string(&text, h, NULL), "null");
  FAILS(olivine_io_gguf_set_metadata_string(g, "name", NULL), "null");
  FAILS(olivine_io_gguf_get_keys(&keys, (olivine_io_gguf){NULL}), "empty handle");
  FAILS(olivine_load_gguf(&h, "c_files.npy", s), "[load_gguf]");
  OK(olivine_io_gguf_get_array(&b, h, "weight")); /* as before */
  olivine_io_gguf_free(g);
  olivine_io_gguf_free(h);
  olivine_array_free(a);
  olivine_array_free(b);
  olivine_array_free(seven);
  olivine_vector_string_free(list);
  olivine_vector_string_free(keys);
  olivine_string_free(text);
}

/* ---- Exported functions. */
static int doubled(olivine_array* res, const olivine_array x) { return olivine_add(res, x, x, s); }
/* x + shift, or x without one */
static int shifted(olivine_vector_array* res, const olivine_vector_array in,
                   const olivine_map_string_to_array kwargs) {
  olivine_array x = {NULL}, shift = {NULL};
  int failed = olivine_vector_array_get(&x, in, 0) ||
               olivine_map_string_to_array_get(&shift, kwargs, "shift") ||
               olivine_add(&x, x, shift, s) || olivine_vector_array_set_value(res, x);
  olivine_array_free(x);
  olivine_array_free(shift);
  return failed;
}

static void functions_are_exported(void) {
  olivine_closure f = olivine_closure_new_unary(doubled);
  olivine_closure_kwargs g = olivine_closure_kwargs_new_func(shifted);
  olivine_array a = matrix(), two = olivine_array_new_float(2);
  olivine_vector_array in = one(a), number = one(two), out = {NULL};
  olivine_map_string_to_array kwargs = olivine_map_string_to_array_new();
  OK(olivine_map_string_to_array_insert(kwargs, "shift", two));

  OK(olivine_export_function("c_files.fn", f, in, false));
  olivine_imported_function i = olivine_imported_function_new("c_files.fn");
  MADE(i);
  OK(olivine_imported_function_apply(&out, i, in));
  for (int k = 0; k < 6; ++k) CLOSE(element(out, 0, k), 2 * values[k]);
  FAILS(olivine_imported_function_apply(&out, i, number), "");
  FAILS(olivine_imported_function_apply_kwargs(&out, i, in, kwargs), "");
  OK(olivine_imported_function_free(i));

  OK(olivine_export_function("c_files.fn", f, in, true)); /* for any size */
  i = olivine_imported_function_new("c_files.fn");
  const int flat[] = {3, 2};
  olivine_array b = {NULL};
  OK(olivine_reshape(&b, a, flat, 2, s));
  olivine_vector_array other = one(b);
  OK(olivine_imported_function_apply(&out, i, other));
  CLOSE(element(out, 0, 5), 12);
  OK(olivine_imported_function_free(i));

  OK(olivine_export_function_kwargs("c_files.fn", g, in, kwargs, false));
  i = olivine_imported_function_new("c_files.fn");
  OK(olivine_imported_function_apply_kwargs(&out, i, in, kwargs));
  CLOSE(element(out, 0, 0), 3.5);
  OK(olivine_imported_function_free(i));

  olivine_function_exporter e = olivine_function_exporter_new("c_files.fn", f, false);
  MADE(e);
  OK(olivine_function_exporter_apply(e, in));
  OK(olivine_function_exporter_apply(e, number));
  FAILS(olivine_function_exporter_apply(e, in), "signature");
  FAILS(olivine_function_exporter_apply_kwargs(e, in, kwargs), "named");
  OK(olivine_function_exporter_free(e)); /* writes */
  i = olivine_imported_function_new("c_files.fn");
  OK(olivine_imported_function_apply(&out, i, number));
  CLOSE(element(out, 0, 0), 4);
  OK(olivine_imported_function_free(i));

  e = olivine_function_exporter_new_kwargs("c_files.fn", g, false);
  OK(olivine_function_exporter_apply_kwargs(e, number, kwargs));
  OK(olivine_function_exporter_free(e));
  i = olivine_imported_function_new("c_files.fn");
  OK(olivine_imported_function_apply_kwargs(&out, i, number, kwargs));
  CLOSE(element(out, 0, 0), 4);
  OK(olivine_imported_function_free(i));

  e = olivine_function_exporter_new("no folder/c.fn", f, false);
  OK(olivine_function_exporter_apply(e, in));
  FAILS(olivine_function_exporter_free(e), "no folder");
  NOT_MADE(olivine_imported_function_new("c_files.npy"), "[import_function]");
  NOT_MADE(olivine_imported_function_new(NULL), "null");
  FAILS(olivine_export_function(NULL, f, in, false), "null");
  FAILS(olivine_imported_function_apply(&out, (olivine_imported_function){NULL}, in), "empty");
  olivine_closure_free(f);
  olivine_closure_kwargs_free(g);
  olivine_array arrays[] = {a, b, two};
  for (int k = 0; k < 3; ++k) olivine_array_free(arrays[k]);
  olivine_vector_array vectors[] = {in, number, out, other};
  for (int k = 0; k < 4; ++k) olivine_vector_array_free(vectors[k]);
  olivine_map_string_to_array_free(kwargs);
}

int main(void) {
  arrays_are_saved();
  named_arrays_keep_their_metadata();
  streams_are_read_and_written();
  gguf_has_arrays_and_metadata();
  functions_are_exported();
  const char* made[] = {"c_files.npy", "c_files.safetensors", "c_files.gguf", "c_files.fn"};
  for (int i = 0; i < 4; ++i) remove(made[i]);
  return 0;
}
