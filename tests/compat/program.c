/* A program as users of MLX-C write them: arrays, closures, gradients, batches, files. */
#include <math.h>
#include <mlx/c/mlx.h>
#include <mlx/c/transforms_impl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mlx_stream stream;

static void expect(int ok, const char* what) {
  if (ok) return;
  fprintf(stderr, "not as expected: %s\n", what);
  exit(1);
}
static void print_array(const char* msg, mlx_array arr) {
  mlx_string str = mlx_string_new();
  mlx_array_tostring(&str, arr);
  printf("%s\n%s\n", msg, mlx_string_data(str));
  mlx_string_free(str);
}
static float number(mlx_array arr) {
  float value = NAN;
  expect(mlx_array_item_float32(&value, arr) == 0, "item");
  return value;
}
static void on_error(const char* msg, void* data) { strncpy(data, msg, 255); }

/* ---- Arrays. */
static void arrays(void) {
  float data[] = {1, 2, 3, 4, 5, 6};
  int shape[] = {2, 3};
  mlx_array arr = mlx_array_new_data(data, shape, 2, MLX_FLOAT32);
  mlx_array two = mlx_array_new_int(2), sum = mlx_array_new();
  print_array("hello, array", arr);
  expect(mlx_array_ndim(arr) == 2 && mlx_array_shape(arr)[1] == 3, "shape");
  expect(mlx_array_dtype(arr) == MLX_FLOAT32 && mlx_dtype_size(MLX_FLOAT32) == 4, "dtype");
  mlx_divide(&arr, arr, two, stream);
  mlx_sum_axis(&sum, arr, 0, false, stream);
  mlx_array_eval(sum);
  expect(mlx_array_data_float32(sum)[2] == 4.5f, "sum");
  mlx_array_free(arr);
  mlx_array_free(two);
  mlx_array_free(sum);
}

/* ---- Closures. */
static int cube(mlx_array* res, const mlx_array x) {
  mlx_array y = mlx_array_new();
  int status = mlx_square(&y, x, stream) || mlx_multiply(res, y, x, stream);
  mlx_array_free(y);
  return status;
}
static int add_bias(mlx_vector_array* res, const mlx_vector_array in, void* payload) {
  mlx_array x = mlx_array_new();
  int status = mlx_vector_array_get(&x, in, 0) || mlx_add(&x, x, *(mlx_array*)payload, stream) ||
               mlx_vector_array_set_value(res, x);
  mlx_array_free(x);
  return status;
}
static void free_bias(void* payload) {
  mlx_array_free(*(mlx_array*)payload);
  free(payload);
}

static void gradients(void) {
  mlx_closure cls = mlx_closure_new_unary(cube);
  mlx_array x = mlx_array_new_float(2), out = mlx_array_new();
  mlx_vector_array params = mlx_vector_array_new_value(x);
  mlx_vector_array values = mlx_vector_array_new(), grads = mlx_vector_array_new();
  mlx_closure_value_and_grad vag = mlx_closure_value_and_grad_new();
  expect(mlx_value_and_grad(&vag, cls, (const int[]){0}, 1) == 0, "value_and_grad");
  expect(mlx_closure_value_and_grad_apply(&values, &grads, vag, params) == 0, "its call");
  mlx_vector_array_get(&out, values, 0);
  expect(number(out) == 8, "x^3");
  mlx_vector_array_get(&out, grads, 0);
  expect(number(out) == 12, "3 x^2");

  mlx_array* bias = malloc(sizeof *bias);
  *bias = mlx_array_new_float(0.5f);
  mlx_closure biased = mlx_closure_new_func_payload(add_bias, bias, free_bias);
  mlx_closure compiled = mlx_closure_new();
  mlx_compile(&compiled, biased, false);
  mlx_closure_apply(&values, compiled, params);
  mlx_vector_array_get(&out, values, 0);
  expect(number(out) == 2.5f, "x + bias");
  mlx_closure_free(cls);
  mlx_closure_free(biased);
  mlx_closure_free(compiled);
  mlx_closure_value_and_grad_free(vag);
  mlx_vector_array_free(params);
  mlx_vector_array_free(values);
  mlx_vector_array_free(grads);
  mlx_array_free(x);
  mlx_array_free(out);
}

static void batches(void) {
  float data[] = {1, 2, 3};
  int axes[] = {0};
  mlx_array x = mlx_array_new_data(data, (const int[]){3}, 1, MLX_FLOAT32);
  mlx_vector_array in = mlx_vector_array_new_value(x), out = mlx_vector_array_new();
  mlx_vector_array s_in = mlx_vector_array_new(), s_out = mlx_vector_array_new();
  mlx_closure cls = mlx_closure_new_unary(cube);
  expect(mlx_detail_vmap_trace(&s_in, &s_out, cls, in, axes, 1) == 0, "vmap_trace");
  expect(mlx_detail_vmap_replace(&out, in, s_in, s_out, axes, 1, axes, 1) == 0, "vmap_replace");
  mlx_vector_array_get(&x, out, 0);
  expect(mlx_array_data_float32(x)[2] == 27, "27");
  mlx_closure_free(cls);
  mlx_array_free(x);
  mlx_vector_array_free(in);
  mlx_vector_array_free(out);
  mlx_vector_array_free(s_in);
  mlx_vector_array_free(s_out);
}

/* ---- Files. */
static void files(void) {
  const char* file = "mlx_c_program.safetensors";
  mlx_map_string_to_array weights = mlx_map_string_to_array_new(), loaded = {0};
  mlx_map_string_to_string metadata = mlx_map_string_to_string_new(), told = {0};
  mlx_array one = mlx_array_new_float(1), value = mlx_array_new();
  mlx_map_string_to_array_insert(weights, "one", one);
  mlx_map_string_to_string_insert(metadata, "made by", "a test");
  expect(mlx_save_safetensors(file, weights, metadata) == 0, "save");
  expect(mlx_load_safetensors(&loaded, &told, file, stream) == 0, "load");
  mlx_map_string_to_array_iterator it = mlx_map_string_to_array_iterator_new(loaded);
  const char* key = NULL;
  expect(mlx_map_string_to_array_iterator_next(&key, &value, it) == 0, "an array");
  expect(strcmp(key, "one") == 0 && number(value) == 1, "one");
  expect(mlx_map_string_to_array_iterator_next(&key, &value, it) != 0, "no more arrays");
  mlx_map_string_to_string_get(&key, told, "made by");
  expect(strcmp(key, "a test") == 0, "metadata");
  remove(file);
  mlx_map_string_to_array_iterator_free(it);
  mlx_map_string_to_array_free(weights);
  mlx_map_string_to_array_free(loaded);
  mlx_map_string_to_string_free(metadata);
  mlx_map_string_to_string_free(told);
  mlx_array_free(one);
  mlx_array_free(value);
}

static void errors(void) {
  char message[256] = "";
  mlx_array bad = mlx_array_new(), five = mlx_array_new_int(5);
  mlx_set_error_handler(on_error, message, NULL);
  expect(mlx_reshape(&bad, five, (const int[]){3}, 1, stream) != 0, "a failure");
  expect(strstr(message, "reshape") != NULL, "a message");
  mlx_set_error_handler(NULL, NULL, NULL);
  mlx_array_free(bad);
  mlx_array_free(five);
}

int main(void) {
  bool metal = true;
  stream = mlx_default_cpu_stream_new();
  expect(mlx_metal_is_available(&metal) == 0 && !metal, "no Metal");
  arrays();
  gradients();
  batches();
  files();
  errors();
  mlx_stream_free(stream);
  printf("as expected\n");
  return 0;
}
