/* Closures of every kind: what they are given, what they give, and how they fail. */
#include "require.h"

/* ---- Functions. */
static int square(olivine_array* res, const olivine_array x) { return olivine_square(res, x, s); }

/* (a * b, a + b), by assigning a handle. */
static int product_and_sum(olivine_vector_array* res, const olivine_vector_array in) {
  olivine_array a = {NULL}, b = {NULL}, outputs[2] = {{NULL}, {NULL}};
  int failed = olivine_vector_array_get(&a, in, 0) || olivine_vector_array_get(&b, in, 1) ||
               olivine_multiply(&outputs[0], a, b, s) || olivine_add(&outputs[1], a, b, s);
  if (!failed) *res = olivine_vector_array_new_data(outputs, 2);
  olivine_array_free(a);
  olivine_array_free(b);
  olivine_array_free(outputs[0]);
  olivine_array_free(outputs[1]);
  return failed;
}
/* x * payload */
static int scaled(olivine_vector_array* res, const olivine_vector_array in, void* payload) {
  olivine_array x = {NULL}, factor = olivine_array_new_float(*(float*)payload);
  int failed = olivine_vector_array_get(&x, in, 0) || olivine_multiply(&x, x, factor, s) ||
               olivine_vector_array_set_value(res, x);
  olivine_array_free(x);
  olivine_array_free(factor);
  return failed;
}
static int silent(olivine_vector_array* res, const olivine_vector_array in) {
  (void)res, (void)in;
  return 7;
}
static int told(olivine_vector_array* res, const olivine_vector_array in) {
  (void)res, (void)in;
  olivine_error("no luck with %d inputs", (int)olivine_vector_array_size(in));
  return 1;
}
static int stumbles(olivine_vector_array* res, const olivine_vector_array in) {
  olivine_array a = {NULL};
  int failed = olivine_vector_array_get(&a, in, 5);
  (void)res;
  olivine_array_free(a);
  return failed;
}
static int gives_nothing(olivine_vector_array* res, const olivine_vector_array in) {
  (void)res, (void)in;
  return 0;
}
static int gives_no_array(olivine_array* res, const olivine_array in) {
  (void)res, (void)in;
  return 0;
}

static int destroyed;
static void count_destruction(void* payload) {
  (void)payload;
  ++destroyed;
}

static void functions_are_called(void) {
  olivine_closure f = olivine_closure_new_unary(square);
  olivine_vector_array in = scalar(3), out = {NULL};
  OK(olivine_closure_apply(&out, f, in));
  CLOSE(element(out, 0, 0), 9);
  OK(olivine_closure_apply(&out, f, out));
  CLOSE(element(out, 0, 0), 81);

  olivine_closure g = olivine_closure_new_func(product_and_sum);
  FAILS(olivine_closure_apply(&out, g, in), "index");
  CLOSE(element(out, 0, 0), 81); /* results are as before */
  olivine_array seven = olivine_array_new_float(7);
  OK(olivine_vector_array_append_value(in, seven));
  OK(olivine_closure_apply(&out, g, in));
  CHECK(olivine_vector_array_size(out) == 2);
  CLOSE(element(out, 0, 0), 21);
  CLOSE(element(out, 1, 0), 10);
  FAILS(olivine_closure_apply(&out, f, in), "one input");

  OK(olivine_closure_set(&f, g)); /* f is a copy of g now, which lives on without it */
  OK(olivine_closure_free(g));
  OK(olivine_closure_apply(&out, f, in));
  CLOSE(element(out, 1, 0), 10);
  olivine_array_free(seven);
  olivine_vector_array_free(in);
  olivine_vector_array_free(out);
  OK(olivine_closure_free(f));
}

static void payloads_are_destroyed_once(void) {
  float factor = 4;
  olivine_closure f = olivine_closure_new_func_payload(scaled, &factor, count_destruction);
  olivine_closure copy = olivine_closure_new(), compiled = olivine_closure_new();
  OK(olivine_closure_set(&copy, f));
  OK(olivine_compile(&compiled, f, false));
  olivine_vector_array in = scalar(3), out = {NULL};
  OK(olivine_closure_apply(&out, compiled, in));
  CLOSE(element(out, 0, 0), 12);
  factor = 5;
  OK(olivine_closure_apply(&out, copy, in));
  CLOSE(element(out, 0, 0), 15);
  olivine_closure_free(f);
  olivine_closure_free(copy);
  CHECK(destroyed == 0);
  olivine_closure_free(compiled);
  CHECK(destroyed == 1);

  NOT_MADE(olivine_closure_new_func_payload(NULL, &factor, count_destruction), "function");
  CHECK(destroyed == 2);
  f = olivine_closure_new_func_payload(scaled, &factor, NULL); /* nothing to call */
  OK(olivine_closure_apply(&out, f, in));
  olivine_closure_free(f);
  CHECK(destroyed == 2);
  olivine_vector_array_free(in);
  olivine_vector_array_free(out);
}

static void failures_are_errors_of_the_call(void) {
  olivine_vector_array in = scalar(1), out = {NULL};
  olivine_closure f = olivine_closure_new_func(silent), g = {NULL};
  FAILS(olivine_closure_apply(&out, f, in), "got 7");
  CHECK(out.ctx == NULL);
  olivine_closure h = olivine_closure_new_func(told);
  FAILS(olivine_closure_apply(&out, h, in), "no luck with 1 inputs");
  OK(olivine_compile(&g, h, false));
  FAILS(olivine_closure_apply(&out, g, in), "no luck with 1 inputs");
  FAILS(olivine_vjp(&out, &out, h, in, in), "no luck with 1 inputs");
  FAILS(olivine_closure_apply(&out, f, in), "got 7"); /* not the message of an earlier call */
  olivine_closure k = olivine_closure_new_func(stumbles);
  FAILS(olivine_closure_apply(&out, k, in), "got 5");

  FAILS(olivine_closure_apply(&out, olivine_closure_new(), in), "empty handle");
  FAILS(olivine_closure_set(&g, olivine_closure_new()), "empty handle");
  FAILS(olivine_closure_apply(NULL, f, in), "");
  NOT_MADE(olivine_closure_new_func(NULL), "function");
  NOT_MADE(olivine_closure_new_unary(NULL), "function");
  olivine_closure n = olivine_closure_new_func(gives_nothing);
  OK(olivine_closure_apply(&out, n, in));
  CHECK(olivine_vector_array_size(out) == 0);
  olivine_closure u = olivine_closure_new_unary(gives_no_array);
  FAILS(olivine_closure_apply(&out, u, in), "result");
  olivine_closure all[] = {f, g, h, k, n, u};
  for (int i = 0; i < 6; ++i) OK(olivine_closure_free(all[i]));
  OK(olivine_closure_free(olivine_closure_new()));
  olivine_vector_array_free(in);
  olivine_vector_array_free(out);
}

static int handled;
static void count_errors(const char* message, void* data) {
  (void)message, (void)data;
  ++handled;
}
static olivine_closure inner;
static int calls_another(olivine_vector_array* res, const olivine_vector_array in) {
  return olivine_closure_apply(res, inner, in);
}

static void handlers_hear_of_a_failure_once(void) {
  int (*const failing[])(olivine_vector_array*, const olivine_vector_array) = {
      silent, told, stumbles, calls_another};
  const char* messages[] = {"got 7", "no luck", "got 5", "no luck"};
  olivine_vector_array in = scalar(1), out = {NULL};
  inner = olivine_closure_new_func(told);
  olivine_set_error_handler(count_errors, NULL, NULL);
  for (int i = 0; i < 4; ++i) {
    olivine_closure f = olivine_closure_new_func(failing[i]), g = {NULL};
    handled = 0;
    FAILS(olivine_closure_apply(&out, f, in), messages[i]);
    CHECK(handled == 1);
    OK(olivine_compile(&g, f, false));
    FAILS(olivine_closure_apply(&out, g, in), messages[i]);
    CHECK(handled == 2);
    FAILS(olivine_vjp(&out, &out, f, in, in), messages[i]);
    CHECK(handled == 3);
    olivine_closure_free(f);
    olivine_closure_free(g);
  }
  olivine_set_error_handler(NULL, NULL, NULL);
  olivine_closure_free(inner);
  olivine_vector_array_free(in);
  olivine_vector_array_free(out);
}

/* ---- The other kinds. */
static int named(olivine_vector_array* res, const olivine_vector_array in,
                 const olivine_map_string_to_array kwargs) {
  olivine_array x = {NULL}, shift = {NULL};
  int failed = olivine_vector_array_get(&x, in, 0) ||
               olivine_map_string_to_array_get(&shift, kwargs, "shift") ||
               olivine_add(&x, x, shift, s) || olivine_vector_array_set_value(res, x);
  olivine_array_free(x);
  olivine_array_free(shift);
  return failed;
}
static int two_results(olivine_vector_array* values, olivine_vector_array* gradients,
                       const olivine_vector_array in) {
  return olivine_vector_array_set(values, in) || olivine_vector_array_set(gradients, in);
}
/* The second of three vectors. */
static int cotangents(olivine_vector_array* res, const olivine_vector_array primals,
                      const olivine_vector_array ct, const olivine_vector_array outputs) {
  (void)primals, (void)outputs;
  return olivine_vector_array_set(res, ct);
}
static int tangents(olivine_vector_array* res, const olivine_vector_array primals,
                    const olivine_vector_array given, const int* argnums, size_t n) {
  (void)primals;
  if (n != 1 || argnums[0] != 3) return olivine_error("other argnums"), 1;
  return olivine_vector_array_set(res, given);
}
static int batched(olivine_vector_array* res, olivine_vector_int* axes,
                   const olivine_vector_array in, const int* in_axes, size_t n) {
  int first = n > 0 ? in_axes[0] : -9;
  return olivine_vector_array_set(res, in) || olivine_vector_int_set_value(axes, first);
}
static int named_payload(olivine_vector_array* res, const olivine_vector_array in,
                         const olivine_map_string_to_array kwargs, void* payload) {
  return *(int*)payload == 11 ? named(res, in, kwargs) : 1;
}
static int two_results_payload(olivine_vector_array* values, olivine_vector_array* gradients,
                               const olivine_vector_array in, void* payload) {
  return *(int*)payload == 11 ? two_results(values, gradients, in) : 1;
}
static int cotangents_payload(olivine_vector_array* res, const olivine_vector_array primals,
                              const olivine_vector_array ct, const olivine_vector_array outputs,
                              void* payload) {
  return *(int*)payload == 11 ? cotangents(res, primals, ct, outputs) : 1;
}
static int tangents_payload(olivine_vector_array* res, const olivine_vector_array primals,
                            const olivine_vector_array given, const int* argnums, size_t n,
                            void* payload) {
  return *(int*)payload == 11 ? tangents(res, primals, given, argnums, n) : 1;
}
static int batched_payload(olivine_vector_array* res, olivine_vector_int* axes,
                           const olivine_vector_array in, const int* in_axes, size_t n,
                           void* payload) {
  return *(int*)payload == 11 ? batched(res, axes, in, in_axes, n) : 1;
}

static olivine_vector_array in, out, other;
static int eleven = 11;

/* Tries a closure with a payload and one without, as a copy. APPLY is a call of `f`. */
#define BOTH(KIND, FUNCTION, APPLY)                                                           \
  do {                                                                                        \
    KIND made[2] = {KIND##_new_func(FUNCTION),                                                \
                    KIND##_new_func_payload(FUNCTION##_payload, &eleven, count_destruction)}; \
    destroyed = 0;                                                                            \
    for (int i = 0; i < 2; ++i) {                                                             \
      KIND f = KIND##_new();                                                                  \
      OK(KIND##_set(&f, made[i]));                                                            \
      OK(KIND##_free(made[i]));                                                               \
      OK(APPLY);                                                                              \
      CLOSE(element(out, 0, 0), 5);                                                           \
      OK(KIND##_free(f));                                                                     \
    }                                                                                         \
    CHECK(destroyed == 1);                                                                    \
    KIND f = KIND##_new();                                                                    \
    FAILS(APPLY, "empty handle");                                                             \
    NOT_MADE(KIND##_new_func(NULL), "function");                                              \
  } while (0)

static void other_kinds_work_alike(void) {
  olivine_array one_ = olivine_array_new_float(1), three = olivine_array_new_float(4);
  olivine_map_string_to_array map = olivine_map_string_to_array_new();
  OK(olivine_map_string_to_array_insert(map, "shift", one_));
  in = one(three);
  BOTH(olivine_closure_kwargs, named, olivine_closure_kwargs_apply(&out, f, in, map));
  olivine_vector_array_free(in);
  in = scalar(5);
  BOTH(olivine_closure_value_and_grad, two_results,
       olivine_closure_value_and_grad_apply(&other, &out, f, in));
  olivine_vector_array wrong = scalar(-1);
  BOTH(olivine_closure_custom, cotangents, olivine_closure_custom_apply(&out, f, wrong, in, wrong));
  const int numbers[] = {3};
  BOTH(olivine_closure_custom_jvp, tangents,
       olivine_closure_custom_jvp_apply(&out, f, wrong, in, numbers, 1));
  olivine_vector_int axes = {NULL};
  BOTH(olivine_closure_custom_vmap, batched,
       olivine_closure_custom_vmap_apply(&out, &axes, f, in, numbers, 1));
  int axis = 0;
  OK(olivine_vector_int_get(&axis, axes, 0));
  CHECK(axis == 3);
  olivine_closure_custom_jvp f = olivine_closure_custom_jvp_new_func(tangents);
  FAILS(olivine_closure_custom_jvp_apply(&out, f, wrong, in, NULL, 0), "other argnums");
  FAILS(olivine_closure_custom_jvp_apply(&out, f, wrong, in, NULL, 1), "null");
  olivine_closure_custom_jvp_free(f);
  olivine_vector_int_free(axes);
  olivine_vector_array_free(in);
  olivine_vector_array_free(out);
  olivine_vector_array_free(other);
  olivine_vector_array_free(wrong);
  olivine_map_string_to_array_free(map);
  olivine_array_free(one_);
  olivine_array_free(three);
}

static void memory_is_told_and_limited(void) {
  olivine_closure f = olivine_closure_new_unary(square), g = {NULL};
  olivine_vector_array in = scalar(3), out = {NULL};
  olivine_memory_totals m;
  OK(olivine_memory_plan(&m, f, in));
  CHECK(m.arguments > 0 && m.results > 0 && m.peak == m.arguments + m.results);
  CHECK(m.donated == 0 && m.constants == 0 && m.recomputed == 0);
  olivine_string text = olivine_string_new();
  OK(olivine_memory_plan_text(&text, f, in));
  CHECK(strstr(olivine_string_data(text), "peak") != NULL);
  OK(olivine_memory_plan_svg(&text, f, in));
  CHECK(strncmp(olivine_string_data(text), "<svg", 4) == 0);

  OK(olivine_compile_within(&g, f, false, m.peak, NULL, 0));
  OK(olivine_closure_apply(&out, g, in));
  CLOSE(element(out, 0, 0), 9);
  int first = 0, second = 1;
  OK(olivine_compile_within(&g, f, false, m.arguments, &first, 1)); /* in the input's memory */
  OK(olivine_closure_apply(&out, g, in));
  OK(olivine_compile_within(&g, f, false, 1, NULL, 0));
  FAILS(olivine_closure_apply(&out, g, in), "memory_limit of at least");
  OK(olivine_compile_within(&g, f, false, 0, &second, 1));
  FAILS(olivine_closure_apply(&out, g, in), "donated inputs among the 1");
  olivine_string_free(text);
  olivine_vector_array_free(in);
  olivine_vector_array_free(out);
  olivine_closure_free(f);
  olivine_closure_free(g);
}

int main(void) {
  functions_are_called();
  payloads_are_destroyed_once();
  failures_are_errors_of_the_call();
  handlers_hear_of_a_failure_once();
  other_kinds_work_alike();
  memory_is_told_and_limited();
  return 0;
}
