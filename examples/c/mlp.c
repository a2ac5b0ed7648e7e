/* Trains an MLP on digits for 100 steps; Python, C++ and Swift print the same losses.
 *
 *     python examples/mlp_init.py mlp.safetensors
 *     ./mlp mlp.safetensors
 *
 * Handles are freed by whoever made them. A call that fails returns something other than 0 and says
 * why through olivine_last_error(); the functions here pass that on. */
#include <olivine/c/olivine.h>
#include <stdio.h>

enum { W1, B1, W2, B2, W3, B3, PARAMETERS, X = PARAMETERS, Y, INPUTS };
static const char* const names[INPUTS] = {"w1", "b1", "w2", "b2", "w3", "b3", "x", "y"};
enum { STEPS = 100, BATCH = 50, ROWS = 1500 };

static const olivine_stream s = {NULL}; /* the default one */

/* out = x @ w.T + b */
static int affine(olivine_array* out, olivine_array x, olivine_array w, olivine_array b) {
  olivine_array wt = olivine_array_new();
  int failed = olivine_transpose(&wt, w, s) || olivine_addmm(out, b, x, wt, 1, 1, s);
  olivine_array_free(wt);
  return failed;
}

static int relu(olivine_array* x) {
  olivine_array zero = olivine_array_new_float(0);
  int failed = olivine_maximum(x, *x, zero, s);
  olivine_array_free(zero);
  return failed;
}

/* Mean cross entropy of logits z, for labels y. */
static int cross_entropy(olivine_array* loss, olivine_array z, olivine_array y) {
  olivine_array score = olivine_array_new(), total = olivine_array_new();
  int failed = olivine_expand_dims(&score, y, -1, s) ||
               olivine_take_along_axis(&score, z, score, -1, s) ||
               olivine_squeeze_axis(&score, score, -1, s) ||
               olivine_logsumexp_axis(&total, z, -1, false, s) ||
               olivine_subtract(loss, total, score, s) || olivine_mean(loss, *loss, false, s);
  olivine_array_free(score);
  olivine_array_free(total);
  return failed;
}

/* The loss as a function of the parameters, digits and labels: what is differentiated. */
static int loss_of(olivine_vector_array* res, const olivine_vector_array inputs) {
  olivine_array v[INPUTS] = {{NULL}}, h = olivine_array_new(), loss = olivine_array_new();
  int failed = 0;
  for (int i = 0; i < INPUTS; ++i) failed |= olivine_vector_array_get(&v[i], inputs, i);
  failed = failed || affine(&h, v[X], v[W1], v[B1]) || relu(&h) || affine(&h, h, v[W2], v[B2]) ||
           relu(&h) || affine(&h, h, v[W3], v[B3]) || cross_entropy(&loss, h, v[Y]) ||
           olivine_vector_array_set_value(res, loss);
  for (int i = 0; i < INPUTS; ++i) olivine_array_free(v[i]);
  olivine_array_free(h);
  olivine_array_free(loss);
  return failed;
}

/* p -= rate * gradient */
static int descend(olivine_array* p, olivine_vector_array gradients, size_t index) {
  olivine_array g = olivine_array_new(), rate = olivine_array_new_float(0.1f);
  int failed = olivine_vector_array_get(&g, gradients, index) || olivine_multiply(&g, rate, g, s) ||
               olivine_subtract(p, *p, g, s);
  olivine_array_free(g);
  olivine_array_free(rate);
  return failed;
}

/* The digits and labels of a step, behind the parameters. */
static int take_batch(olivine_vector_array inputs, olivine_array x, olivine_array y, int step) {
  int start[] = {step * BATCH % ROWS, 0}, stop[] = {start[0] + BATCH, 64}, strides[] = {1, 1};
  olivine_array part = olivine_array_new();
  int failed = olivine_slice(&part, x, start, 2, stop, 2, strides, 2, s) ||
               olivine_vector_array_append_value(inputs, part) ||
               olivine_slice(&part, y, start, 1, stop, 1, strides, 1, s) ||
               olivine_vector_array_append_value(inputs, part);
  olivine_array_free(part);
  return failed;
}

static int train_step(olivine_array* v, olivine_closure_value_and_grad gradient_of, int step) {
  olivine_vector_array inputs = olivine_vector_array_new_data(v, PARAMETERS);
  olivine_vector_array losses = olivine_vector_array_new(), gradients = olivine_vector_array_new();
  olivine_array loss = olivine_array_new();
  float value = 0;
  int failed = take_batch(inputs, v[X], v[Y], step) ||
               olivine_closure_value_and_grad_apply(&losses, &gradients, gradient_of, inputs) ||
               olivine_vector_array_get(&loss, losses, 0);
  for (int i = 0; i < PARAMETERS && !failed; ++i) failed = descend(&v[i], gradients, i);
  failed = failed || olivine_vector_array_append_data(losses, v, PARAMETERS) ||
           olivine_eval(losses) || olivine_array_item_float32(&value, loss);
  if (!failed) printf("step %d loss %.9g\n", step + 1, value);
  olivine_vector_array_free(inputs);
  olivine_vector_array_free(losses);
  olivine_vector_array_free(gradients);
  olivine_array_free(loss);
  return failed;
}

static int load(olivine_array* v, const char* file) {
  olivine_map_string_to_array tensors = olivine_map_string_to_array_new();
  olivine_map_string_to_string metadata = olivine_map_string_to_string_new();
  int failed = olivine_load_safetensors(&tensors, &metadata, file, s);
  for (int i = 0; i < INPUTS && !failed; ++i) {
    failed = olivine_map_string_to_array_get(&v[i], tensors, names[i]);
  }
  olivine_map_string_to_array_free(tensors);
  olivine_map_string_to_string_free(metadata);
  return failed;
}

int main(int argc, char** argv) {
  if (argc != 2) return fprintf(stderr, "usage: %s mlp.safetensors\n", argv[0]), 2;
  olivine_array v[INPUTS] = {{NULL}};
  const int argnums[PARAMETERS] = {W1, B1, W2, B2, W3, B3};
  olivine_closure loss = olivine_closure_new_func(loss_of);
  olivine_closure_value_and_grad gradient_of = olivine_closure_value_and_grad_new();
  int failed = load(v, argv[1]) || olivine_value_and_grad(&gradient_of, loss, argnums, PARAMETERS);
  for (int step = 0; step < STEPS && !failed; ++step) failed = train_step(v, gradient_of, step);
  if (failed) fprintf(stderr, "%s\n", olivine_last_error());
  for (int i = 0; i < INPUTS; ++i) olivine_array_free(v[i]);
  olivine_closure_free(loss);
  olivine_closure_value_and_grad_free(gradient_of);
  return failed;
}
