/* Graphs as text, groups of processes, and devices that this build does not have. */
#include "require.h"

static void text_of(FILE* file, char* text, size_t size) {
  rewind(file);
  text[fread(text, 1, size - 1, file)] = '\0';
  rewind(file);
}

static void graphs_are_printed(void) {
  olivine_array x = olivine_array_new_float(2), y = {NULL};
  OK(olivine_exp(&y, x, s));
  OK(olivine_add(&y, y, x, s));
  olivine_vector_array outputs = one(y);
  olivine_node_namer namer = olivine_node_namer_new();
  const char* name = NULL;
  OK(olivine_node_namer_set_name(namer, x, "ears"));
  OK(olivine_node_namer_get_name(&name, namer, x));
  CHECK(strcmp(name, "ears") == 0);
  OK(olivine_node_namer_get_name(&name, namer, y));
  CHECK(strcmp(name, "A") == 0);

  char text[4096];
  FILE* file = tmpfile();
  CHECK(file != NULL);
  OK(olivine_print_graph(file, namer, outputs));
  text_of(file, text, sizeof text);
  CHECK(strstr(text, "ears") && strstr(text, "exp") && strstr(text, "add"));
  OK(olivine_export_to_dot(file, namer, outputs));
  text_of(file, text, sizeof text);
  CHECK(strstr(text, "digraph") && strstr(text, "ears"));
  OK(olivine_print_graph(file, (olivine_node_namer){NULL}, outputs));
  fclose(file);

  FAILS(olivine_print_graph(NULL, namer, outputs), "null");
  FAILS(olivine_node_namer_set_name(namer, x, NULL), "null");
  FAILS(olivine_node_namer_get_name(&name, (olivine_node_namer){NULL}, x), "empty handle");
  file = fopen("/dev/full", "w");
  if (file) {
    setvbuf(file, NULL, _IONBF, 0);
    FAILS(olivine_print_graph(file, namer, outputs), "write");
    fclose(file);
  }
  olivine_node_namer_free(namer);
  olivine_vector_array_free(outputs);
  olivine_array_free(x);
  olivine_array_free(y);
}

static void a_group_is_one_process(void) {
  olivine_distributed_group world = {NULL}, part = olivine_distributed_group_new();
  CHECK(!olivine_distributed_is_available(NULL) && !olivine_distributed_is_available("mpi"));
  OK(olivine_distributed_init(&world, false, NULL));
  CHECK(olivine_distributed_group_rank(world) == 0 && olivine_distributed_group_size(world) == 1);
  CHECK(olivine_distributed_group_size(part) == 1); /* an empty handle: all processes */
  FAILS(olivine_distributed_init(&part, true, NULL), "[init]");
  FAILS(olivine_distributed_init(&part, false, "pigeons"), "pigeons");
  FAILS(olivine_distributed_group_split(&part, world, 0, 0), "[split]");

  const float values[] = {1, 2, 3};
  const int shape[] = {3};
  olivine_array x = vector_of(3, values), y = {NULL};
  int (*collectives[])(olivine_array*, const olivine_array, const olivine_distributed_group,
                       const olivine_stream) = {
      olivine_distributed_all_gather, olivine_distributed_all_max, olivine_distributed_all_min,
      olivine_distributed_all_sum, olivine_distributed_sum_scatter};
  for (int i = 0; i < 5; ++i) {
    OK(collectives[i](&y, x, i % 2 ? world : part, s));
    CHECK(olivine_array_size(y) == 3);
    CLOSE(olivine_array_data_float32(y)[2], 3);
  }
  FAILS(olivine_distributed_send(&y, x, 0, world, s), "[send]");
  FAILS(olivine_distributed_recv(&y, shape, 1, OLIVINE_FLOAT32, 0, world, s), "[recv]");
  FAILS(olivine_distributed_recv_like(&y, x, 0, world, s), "[recv");
  olivine_array_free(x);
  olivine_array_free(y);
  olivine_distributed_group_free(world);
  olivine_distributed_group_free(part);
}

static void other_devices_are_absent(void) {
  bool available = true;
  OK(olivine_metal_is_available(&available));
  CHECK(!available);
  available = true;
  OK(olivine_cuda_is_available(&available));
  CHECK(!available);
  FAILS(olivine_metal_is_available(NULL), "null");
  FAILS(olivine_metal_start_capture("trace"), "Metal");
  FAILS(olivine_metal_stop_capture(), "Metal");
}

/* What both kinds of kernel have in common. LAST is the last argument of the kernel's _new. */
#define KERNEL_IS_CHECKED(KERNEL, DEVICE, LAST)                                          \
  do {                                                                                   \
    const int shape[] = {2, 2}, wrong[] = {2, -1};                                       \
    olivine_vector_string names = olivine_vector_string_new_value("x"), none = {NULL};   \
    olivine_vector_array in = scalar(1), out = {NULL};                                   \
    KERNEL##_config config = KERNEL##_config_new();                                      \
    OK(KERNEL##_config_add_output_arg(config, shape, 2, OLIVINE_FLOAT32));               \
    FAILS(KERNEL##_config_add_output_arg(config, wrong, 2, OLIVINE_FLOAT32), "-1");      \
    FAILS(KERNEL##_config_add_output_arg(config, NULL, 2, OLIVINE_FLOAT32), "null");     \
    FAILS(KERNEL##_config_add_output_arg(config, shape, 2, (olivine_dtype)99), "dtype"); \
    OK(KERNEL##_config_set_grid(config, 4, 1, 1));                                       \
    FAILS(KERNEL##_config_set_grid(config, 4, 0, 1), "grid");                            \
    OK(KERNEL##_config_set_thread_group(config, 2, 1, 1));                               \
    FAILS(KERNEL##_config_set_thread_group(config, 2, 1, -1), "thread group");           \
    OK(KERNEL##_config_set_init_value(config, 0.5f));                                    \
    OK(KERNEL##_config_set_verbose(config, true));                                       \
    OK(KERNEL##_config_add_template_arg_dtype(config, "T", OLIVINE_FLOAT32));            \
    OK(KERNEL##_config_add_template_arg_int(config, "n", 3));                            \
    OK(KERNEL##_config_add_template_arg_bool(config, "fast", false));                    \
    FAILS(KERNEL##_config_add_template_arg_int(config, "T", 3), "'T'");                  \
    FAILS(KERNEL##_config_add_template_arg_int(config, NULL, 3), "null");                \
    KERNEL kernel = KERNEL##_new("twice", names, names, "source", "", true, LAST);       \
    MADE(kernel);                                                                        \
    FAILS(KERNEL##_apply(&out, kernel, in, config, s), DEVICE);                          \
    FAILS(KERNEL##_apply(&out, kernel, in, config, s), "'twice'");                       \
    FAILS(KERNEL##_apply(&out, (KERNEL){NULL}, in, config, s), "empty handle");          \
    FAILS(KERNEL##_apply(&out, kernel, in, (KERNEL##_config){NULL}, s), "empty handle"); \
    FAILS(KERNEL##_config_set_verbose((KERNEL##_config){NULL}, true), "empty handle");   \
    NOT_MADE(KERNEL##_new(NULL, names, names, "source", "", true, LAST), "null");        \
    NOT_MADE(KERNEL##_new("twice", names, names, NULL, "", true, LAST), "null");         \
    KERNEL##_free(kernel);                                                               \
    KERNEL##_config_free(config);                                                        \
    olivine_vector_string_free(names);                                                   \
    olivine_vector_string_free(none);                                                    \
    olivine_vector_array_free(in);                                                       \
    olivine_vector_array_free(out);                                                      \
  } while (0)

static void metal_wants_what_it_was_made_for(void) {
  olivine_vector_string names = olivine_vector_string_new_value("x"), none = {NULL};
  NOT_MADE(olivine_fast_metal_kernel_new("k", names, none, "source", "", true, false), "output");
  olivine_fast_metal_kernel kernel =
      olivine_fast_metal_kernel_new("k", names, names, "source", NULL, true, false);
  olivine_fast_metal_kernel_config config = olivine_fast_metal_kernel_config_new();
  olivine_vector_array in = scalar(1), out = {NULL};
  FAILS(olivine_fast_metal_kernel_apply(&out, kernel, in, config, s), "1 outputs");
  FAILS(olivine_fast_metal_kernel_apply(&out, kernel, out, config, s), "1 inputs");
  olivine_fast_metal_kernel_free(kernel);
  olivine_fast_metal_kernel_config_free(config);
  olivine_vector_string_free(names);
  olivine_vector_array_free(in);
}

int main(void) {
  graphs_are_printed();
  a_group_is_one_process();
  other_devices_are_absent();
  KERNEL_IS_CHECKED(olivine_fast_metal_kernel, "Metal", false);
  KERNEL_IS_CHECKED(olivine_fast_cuda_kernel, "CUDA", 0);
  metal_wants_what_it_was_made_for();
  return 0;
}
