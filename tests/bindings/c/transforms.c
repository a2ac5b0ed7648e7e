/* Transformations: derivatives, batching, rules of the program's own, compilation. */
#include "require.h"

static int traces;

/* (sum(sin(x) * w),) of (x, w) */
static int weighted(olivine_vector_array* res, const olivine_vector_array in) {
  olivine_array x = {NULL}, w = {NULL};
  ++traces;
  int failed = olivine_vector_array_get(&x, in, 0) || olivine_vector_array_get(&w, in, 1) ||
               olivine_sin(&x, x, s) || olivine_multiply(&x, x, w, s) ||
               olivine_sum(&x, x, false, s) || olivine_vector_array_set_value(res, x);
  olivine_array_free(x);
  olivine_array_free(w);
  return failed;
}
static int sine(olivine_array* res, const olivine_array x) {
  ++traces;
  return olivine_sin(res, x, s);
}

static const float at[] = {0.5f, -1, 2}, weights[] = {3, 1, -2};
static olivine_vector_array inputs(void) {
  olivine_array x = vector_of(3, at), w = vector_of(3, weights);
  olivine_vector_array v = one(x);
  OK(olivine_vector_array_append_value(v, w));
  olivine_array_free(x);
  olivine_array_free(w);
  return v;
}

static void derivatives_are_right(void) {
  olivine_closure f = olivine_closure_new_func(weighted), g = {NULL};
  olivine_vector_array in = inputs(), one_ = scalar(2), values = {NULL}, out = {NULL};
  OK(olivine_vjp(&values, &out, f, in, one_));
  CLOSE(element(values, 0, 0), 3 * sin(0.5) + sin(-1) - 2 * sin(2));
  for (int i = 0; i < 3; ++i) CLOSE(element(out, 0, i), 2 * weights[i] * cos(at[i]));
  for (int i = 0; i < 3; ++i) CLOSE(element(out, 1, i), 2 * sin(at[i]));
  OK(olivine_jvp(&values, &out, f, in, in)); /* along the inputs themselves */
  double along = 0;
  for (int i = 0; i < 3; ++i) along += weights[i] * cos(at[i]) * at[i] + sin(at[i]) * weights[i];
  CLOSE(element(out, 0, 0), along);

  const int second[] = {1}, both[] = {0, 1}, none[] = {2};
  olivine_closure_value_and_grad vg = {NULL};
  OK(olivine_value_and_grad(&vg, f, second, 1));
  OK(olivine_closure_value_and_grad_apply(&values, &out, vg, in));
  CHECK(olivine_vector_array_size(out) == 1);
  for (int i = 0; i < 3; ++i) CLOSE(element(out, 0, i), sin(at[i]));
  OK(olivine_value_and_grad(&vg, f, both, 2)); /* replaces what vg held */
  OK(olivine_closure_value_and_grad_apply(&values, &out, vg, in));
  CHECK(olivine_vector_array_size(out) == 2);
  OK(olivine_grad(&g, f, both, 1));
  OK(olivine_closure_apply(&out, g, in));
  for (int i = 0; i < 3; ++i) CLOSE(element(out, 0, i), weights[i] * cos(at[i]));
  OK(olivine_value_and_grad(&vg, f, none, 1));
  FAILS(olivine_closure_value_and_grad_apply(&values, &out, vg, in), "expected argnums");
  FAILS(olivine_value_and_grad(&vg, f, NULL, 1), "null");
  OK(olivine_checkpoint(&g, f));
  OK(olivine_vjp(&values, &out, g, in, one_));
  for (int i = 0; i < 3; ++i) CLOSE(element(out, 0, i), 2 * weights[i] * cos(at[i]));
  FAILS(olivine_vjp(&values, &out, f, in, in), "[vjp]");
  olivine_closure_free(f);
  olivine_closure_free(g);
  olivine_closure_value_and_grad_free(vg);
  olivine_vector_array_free(in);
  olivine_vector_array_free(one_);
  olivine_vector_array_free(values);
  olivine_vector_array_free(out);
}

/* (x * w,) of (x, w) */
static int products(olivine_vector_array* res, const olivine_vector_array in) {
  olivine_array x = {NULL}, w = {NULL};
  int failed = olivine_vector_array_get(&x, in, 0) || olivine_vector_array_get(&w, in, 1) ||
               olivine_multiply(&x, x, w, s) || olivine_vector_array_set_value(res, x);
  olivine_array_free(x);
  olivine_array_free(w);
  return failed;
}

static void matrices_of_derivatives_are_right(void) {
  olivine_closure f = olivine_closure_new_func(products), g = olivine_closure_new_func(weighted);
  olivine_vector_array in = inputs(), values = {NULL}, row = {NULL};
  olivine_vector_vector_array rows = {NULL};
  const int second[] = {-1}, both[] = {1, 0}, none[] = {2};
  OK(olivine_jacobian(&values, &rows, f, in, second, 1));
  CLOSE(element(values, 0, 2), at[2] * weights[2]);
  CHECK(olivine_vector_vector_array_size(rows) == 1);
  OK(olivine_vector_vector_array_get(&row, rows, 0));
  CHECK(olivine_vector_array_size(row) == 1);
  for (int i = 0; i < 9; ++i) CLOSE(element(row, 0, i), i % 4 ? 0 : at[i / 4]);
  OK(olivine_jacobian(&values, &rows, f, in, both, 2));
  OK(olivine_vector_vector_array_get(&row, rows, 0));
  for (int i = 0; i < 9; ++i) CLOSE(element(row, 1, i), i % 4 ? 0 : weights[i / 4]);

  OK(olivine_hessian(&rows, g, in, both, 2)); /* of sum(sin(x) * w), by w and x */
  CHECK(olivine_vector_vector_array_size(rows) == 2);
  OK(olivine_vector_vector_array_get(&row, rows, 0));
  for (int i = 0; i < 9; ++i) CLOSE(element(row, 0, i), 0);
  for (int i = 0; i < 9; ++i) CLOSE(element(row, 1, i), i % 4 ? 0 : cos(at[i / 4]));
  OK(olivine_vector_vector_array_get(&row, rows, 1));
  for (int i = 0; i < 9; ++i) {
    CLOSE(element(row, 1, i), i % 4 ? 0 : -sin(at[i / 4]) * weights[i / 4]);
  }
  FAILS(olivine_jacobian(&values, &rows, f, in, none, 1), "[jacobian] expected argnums");
  FAILS(olivine_jacobian(&values, &rows, f, in, NULL, 0), "[jacobian] expected at least one");
  FAILS(olivine_jacobian(NULL, &rows, f, in, both, 2), "null");
  FAILS(olivine_hessian(&rows, f, in, both, 2), "[hessian] expected a function that returns");
  olivine_closure_free(f);
  olivine_closure_free(g);
  olivine_vector_array_free(in);
  olivine_vector_array_free(values);
  olivine_vector_array_free(row);
  olivine_vector_vector_array_free(rows);
}

/* ---- Rules of the program's own, wrong on purpose so that one sees them at work. */
static int ten(olivine_vector_array* res) {
  olivine_array a = olivine_array_new_float(10);
  int failed = olivine_vector_array_set_value(res, a);
  olivine_array_free(a);
  return failed;
}
static int vjp_ten(olivine_vector_array* res, const olivine_vector_array primals,
                   const olivine_vector_array ct, const olivine_vector_array outputs) {
  CHECK(olivine_vector_array_size(primals) == 1 && olivine_vector_array_size(ct) == 1);
  CLOSE(element(outputs, 0, 0), sin(0.5));
  return ten(res);
}
static int jvp_ten(olivine_vector_array* res, const olivine_vector_array primals,
                   const olivine_vector_array tangents, const int* argnums, size_t n) {
  CHECK(n == 1 && argnums[0] == 0 && olivine_vector_array_size(primals) == 1);
  CHECK(olivine_vector_array_size(tangents) == 1);
  return ten(res);
}
static int batch_negated(olivine_vector_array* res, olivine_vector_int* axes,
                         const olivine_vector_array in, const int* in_axes, size_t n) {
  olivine_array x = {NULL};
  CHECK(n == 1 && in_axes[0] == 0);
  int failed = olivine_vector_array_get(&x, in, 0) || olivine_negative(&x, x, s) ||
               olivine_vector_array_set_value(res, x) || olivine_vector_int_set_value(axes, 0);
  olivine_array_free(x);
  return failed;
}
static int vjp_fails(olivine_vector_array* res, const olivine_vector_array primals,
                     const olivine_vector_array ct, const olivine_vector_array outputs) {
  (void)res, (void)primals, (void)ct, (void)outputs;
  return olivine_error("no rule today"), 1;
}

static void own_rules_are_used(void) {
  olivine_closure f = olivine_closure_new_unary(sine), g = {NULL}, mapped = {NULL};
  olivine_closure_custom by_vjp = olivine_closure_custom_new_func(vjp_ten);
  olivine_closure_custom failing = olivine_closure_custom_new_func(vjp_fails);
  olivine_closure_custom_jvp by_jvp = olivine_closure_custom_jvp_new_func(jvp_ten);
  olivine_closure_custom_vmap by_vmap = olivine_closure_custom_vmap_new_func(batch_negated);
  olivine_vector_array x = scalar(0.5f), one_ = scalar(1), values = {NULL}, out = {NULL};
  OK(olivine_custom_vjp(&g, f, by_vjp));
  OK(olivine_vjp(&values, &out, g, x, one_));
  CLOSE(element(values, 0, 0), sin(0.5));
  CLOSE(element(out, 0, 0), 10);
  OK(olivine_custom_function(&g, f, by_vjp, by_jvp, by_vmap));
  OK(olivine_jvp(&values, &out, g, x, one_));
  CLOSE(element(out, 0, 0), 10);
  olivine_array batch = vector_of(3, at);
  olivine_vector_array xs = one(batch);
  OK(olivine_vmap(&mapped, g, NULL, 0, NULL, 0));
  OK(olivine_closure_apply(&out, mapped, xs));
  for (int i = 0; i < 3; ++i) CLOSE(element(out, 0, i), -at[i]);
  /* Without rules everything is as it was. */
  OK(olivine_custom_function(&g, f, olivine_closure_custom_new(), olivine_closure_custom_jvp_new(),
                             olivine_closure_custom_vmap_new()));
  OK(olivine_vjp(&values, &out, g, x, one_));
  CLOSE(element(out, 0, 0), cos(0.5));
  OK(olivine_custom_vjp(&g, f, failing));
  FAILS(olivine_vjp(&values, &out, g, x, one_), "no rule today");
  FAILS(olivine_custom_vjp(&g, f, olivine_closure_custom_new()), "empty handle");
  olivine_closure all[] = {f, g, mapped};
  for (int i = 0; i < 3; ++i) olivine_closure_free(all[i]);
  olivine_closure_custom_free(by_vjp);
  olivine_closure_custom_free(failing);
  olivine_closure_custom_jvp_free(by_jvp);
  olivine_closure_custom_vmap_free(by_vmap);
  olivine_vector_array vectors[] = {x, one_, values, out, xs};
  for (int i = 0; i < 5; ++i) olivine_vector_array_free(vectors[i]);
  olivine_array_free(batch);
}

static void batches_are_mapped(void) {
  olivine_closure f = olivine_closure_new_func(weighted), g = {NULL};
  const float rows[] = {0.5f, -1, 2, 1, 1, 1};
  const int shape[] = {2, 3}, in_axes[] = {0, -1}, out_axes[] = {0}, wrong[] = {0, 1, 2};
  olivine_array x = olivine_array_new_data(rows, shape, 2, OLIVINE_FLOAT32);
  olivine_array w = vector_of(3, weights);
  olivine_vector_array in = one(x), out = {NULL}, traced = {NULL}, traced_out = {NULL};
  OK(olivine_vector_array_append_value(in, w));
  const double expected[] = {3 * sin(0.5) + sin(-1) - 2 * sin(2), 2 * sin(1)};
  OK(olivine_vmap(&g, f, in_axes, 2, out_axes, 1));
  OK(olivine_closure_apply(&out, g, in));
  for (int i = 0; i < 2; ++i) CLOSE(element(out, 0, i), expected[i]);

  OK(olivine_detail_vmap_trace(&traced, &traced_out, f, in, in_axes, 2));
  CHECK(olivine_vector_array_size(traced) == 2 && olivine_vector_array_size(traced_out) == 1);
  olivine_array placeholder = {NULL};
  OK(olivine_vector_array_get(&placeholder, traced, 0));
  CHECK(olivine_array_ndim(placeholder) == 1 && olivine_array_dim(placeholder, 0) == 3);
  OK(olivine_detail_vmap_replace(&out, in, traced, traced_out, in_axes, 2, out_axes, 1));
  for (int i = 0; i < 2; ++i) CLOSE(element(out, 0, i), expected[i]);
  FAILS(olivine_detail_vmap_replace(&out, in, traced, traced_out, in_axes, 2, NULL, 0),
        "one out_axis per output");
  FAILS(olivine_detail_vmap_replace(&out, in, in, traced_out, in_axes, 2, out_axes, 1),
        "traced input");
  FAILS(olivine_detail_vmap_replace(&out, in, traced_out, traced_out, in_axes, 2, out_axes, 1),
        "one traced input per input");
  FAILS(olivine_detail_vmap_trace(&traced, &traced_out, f, in, wrong, 3), "one in_axis per input");
  OK(olivine_vmap(&g, f, wrong, 3, NULL, 0));
  FAILS(olivine_closure_apply(&out, g, in), "[vmap]");
  olivine_closure_free(f);
  olivine_closure_free(g);
  olivine_array_free(x);
  olivine_array_free(w);
  olivine_array_free(placeholder);
  olivine_vector_array vectors[] = {in, out, traced, traced_out};
  for (int i = 0; i < 4; ++i) olivine_vector_array_free(vectors[i]);
}

static int calls(olivine_closure f, olivine_vector_array in) {
  olivine_vector_array out = {NULL};
  traces = 0;
  OK(olivine_closure_apply(&out, f, in));
  CLOSE(element(out, 0, 0), sin(0.5));
  olivine_vector_array_free(out);
  return traces;
}

static void functions_are_compiled(void) {
  olivine_closure f = olivine_closure_new_unary(sine), g = {NULL}, h = {NULL}, k = {NULL};
  olivine_array x = vector_of(3, at);
  olivine_vector_array in = one(x), number = scalar(0.5f);
  OK(olivine_compile(&g, f, false));
  CHECK(calls(g, in) == 1 && calls(g, in) == 0); /* traced once */
  CHECK(calls(g, number) == 1 && calls(g, in) == 0);

  const uint64_t constants[] = {1, 2};
  OK(olivine_detail_compile(&g, f, 77, false, constants, 2));
  OK(olivine_detail_compile(&h, f, 77, false, constants, 2));
  OK(olivine_detail_compile(&k, f, 77, false, constants, 1));
  CHECK(calls(g, in) == 1 && calls(g, in) == 0);
  CHECK(calls(h, in) == 0); /* of the same id */
  CHECK(calls(k, in) == 1); /* other constants */
  OK(olivine_detail_compile_erase(77));
  OK(olivine_detail_compile_erase(78)); /* nothing there */
  CHECK(calls(g, in) == 1 && calls(h, in) == 0);
  OK(olivine_detail_compile_clear_cache());
  CHECK(calls(h, in) == 1 && calls(h, in) == 0);

  OK(olivine_set_compile_mode(OLIVINE_COMPILE_MODE_DISABLED));
  CHECK(calls(g, in) == 1 && calls(g, in) == 1);
  OK(olivine_set_compile_mode(OLIVINE_COMPILE_MODE_NO_FUSE));
  CHECK(calls(g, in) == 0);
  OK(olivine_disable_compile());
  CHECK(calls(g, in) == 1);
  OK(olivine_enable_compile());
  CHECK(calls(g, in) == 0);
  FAILS(olivine_set_compile_mode((olivine_compile_mode)9), "got 9");
  FAILS(olivine_compile(&g, olivine_closure_new(), false), "empty handle");
  olivine_closure all[] = {f, g, h, k};
  for (int i = 0; i < 4; ++i) olivine_closure_free(all[i]);
  olivine_vector_array_free(in);
  olivine_vector_array_free(number);
  olivine_array_free(x);
}

static void results_are_evaluated(void) {
  olivine_vector_array v = scalar(3);
  OK(olivine_eval(v));
  OK(olivine_async_eval(v));
  OK(olivine_eval((olivine_vector_array){NULL})); /* nothing to do */
  olivine_vector_array_free(v);
}

int main(void) {
  derivatives_are_right();
  matrices_of_derivatives_are_right();
  own_rules_are_used();
  batches_are_mapped();
  functions_are_compiled();
  results_are_evaluated();
  return 0;
}
