/* Finds the weights behind noisy data by gradient descent.
 *
 *     ./linear_regression
 *
 * Prints the loss on the way and at the end. */
#include <olivine/c/olivine.h>
#include <stdio.h>

enum { EXAMPLES = 1000, FEATURES = 10, STEPS = 200 };
static const olivine_stream s = {NULL}; /* the default one */

/* Data that a closure needs beside its inputs travels as its payload. */
typedef struct {
  olivine_array x, y;
} Data;

/* (mean((x @ w - y)^2),) of (w,) */
static int loss_of(olivine_vector_array* res, const olivine_vector_array inputs, void* payload) {
  const Data* data = payload;
  olivine_array w = olivine_array_new();
  int failed = olivine_vector_array_get(&w, inputs, 0) || olivine_matmul(&w, data->x, w, s) ||
               olivine_subtract(&w, w, data->y, s) || olivine_square(&w, w, s) ||
               olivine_mean(&w, w, false, s) || olivine_vector_array_set_value(res, w);
  olivine_array_free(w);
  return failed;
}

static int normal(olivine_array* res, int rows, int columns, float scale) {
  const int shape[] = {rows, columns};
  const olivine_array key = {NULL}; /* the process's own sequence of random numbers */
  return olivine_random_normal(res, shape, columns ? 2 : 1, OLIVINE_FLOAT32, 0, scale, key, s);
}

/* x random, y = x @ truth + noise */
static int make_data(Data* data, olivine_array* truth) {
  olivine_array noise = olivine_array_new();
  int failed = olivine_random_seed(0) || normal(truth, FEATURES, 0, 1) ||
               normal(&data->x, EXAMPLES, FEATURES, 1) || normal(&noise, EXAMPLES, 0, 0.01f) ||
               olivine_matmul(&data->y, data->x, *truth, s) ||
               olivine_add(&data->y, data->y, noise, s);
  olivine_array_free(noise);
  return failed;
}

static int train(olivine_array* w, olivine_closure_value_and_grad gradient_of) {
  olivine_vector_array inputs = olivine_vector_array_new();
  olivine_vector_array losses = olivine_vector_array_new(), gradients = olivine_vector_array_new();
  olivine_array loss = olivine_array_new(), g = olivine_array_new();
  olivine_array rate = olivine_array_new_float(0.1f);
  int failed = 0;
  for (int step = 0; step <= STEPS && !failed; ++step) {
    float value = 0;
    failed = olivine_vector_array_set_value(&inputs, *w) ||
             olivine_closure_value_and_grad_apply(&losses, &gradients, gradient_of, inputs) ||
             olivine_vector_array_get(&loss, losses, 0) ||
             olivine_vector_array_get(&g, gradients, 0) || olivine_multiply(&g, rate, g, s) ||
             olivine_subtract(w, *w, g, s) || olivine_array_eval(*w) ||
             olivine_array_item_float32(&value, loss);
    if (!failed && step % 50 == 0) printf("step %d loss %.9g\n", step, value);
  }
  olivine_vector_array_free(inputs);
  olivine_vector_array_free(losses);
  olivine_vector_array_free(gradients);
  olivine_array_free(loss);
  olivine_array_free(g);
  olivine_array_free(rate);
  return failed;
}

static int print_error(olivine_array w, olivine_array truth) {
  olivine_array error = olivine_array_new();
  float value = 0;
  int failed = olivine_subtract(&error, w, truth, s) || olivine_abs(&error, error, s) ||
               olivine_max(&error, error, false, s) || olivine_array_item_float32(&value, error);
  if (!failed) printf("largest error of a weight %.3g\n", value);
  olivine_array_free(error);
  return failed;
}

int main(void) {
  Data data = {{NULL}, {NULL}};
  olivine_array truth = olivine_array_new(), w = olivine_array_new();
  const int features[] = {FEATURES}, argnums[] = {0};
  olivine_closure loss = olivine_closure_new_func_payload(loss_of, &data, NULL);
  olivine_closure_value_and_grad gradient_of = olivine_closure_value_and_grad_new();
  int failed = make_data(&data, &truth) || olivine_zeros(&w, features, 1, OLIVINE_FLOAT32, s) ||
               olivine_value_and_grad(&gradient_of, loss, argnums, 1) || train(&w, gradient_of) ||
               print_error(w, truth);
  if (failed) fprintf(stderr, "%s\n", olivine_last_error());
  olivine_closure_value_and_grad_free(gradient_of);
  olivine_closure_free(loss);
  olivine_array_free(data.x);
  olivine_array_free(data.y);
  olivine_array_free(truth);
  olivine_array_free(w);
  return failed;
}
