/* Loops and branches: values, gradients, and errors of their functions. */
#include "require.h"

/* (c * x, c) of (c, x) */
static int product_step(olivine_vector_array* res, const olivine_vector_array in) {
  olivine_array c = {NULL}, x = {NULL};
  int failed = olivine_vector_array_get(&c, in, 0) || olivine_vector_array_get(&x, in, 1) ||
               olivine_multiply(&x, c, x, s) || olivine_vector_array_set_value(res, x) ||
               olivine_vector_array_append_value(*res, c);
  olivine_array_free(c);
  olivine_array_free(x);
  return failed;
}
/* (c + c,) of (c,) or (i, c): the last input doubled */
static int doubled(olivine_vector_array* res, const olivine_vector_array in) {
  olivine_array c = {NULL};
  int failed = olivine_vector_array_get(&c, in, olivine_vector_array_size(in) - 1) ||
               olivine_add(&c, c, c, s) || olivine_vector_array_set_value(res, c);
  olivine_array_free(c);
  return failed;
}
static int small(olivine_vector_array* res, const olivine_vector_array in) {
  olivine_array c = {NULL}, limit = olivine_array_new_float(100);
  int failed = olivine_vector_array_get(&c, in, 0) || olivine_less(&c, c, limit, s) ||
               olivine_vector_array_set_value(res, c);
  olivine_array_free(c);
  olivine_array_free(limit);
  return failed;
}
static int as_it_is(olivine_vector_array* res, const olivine_vector_array in) {
  return olivine_vector_array_set(res, in);
}
static int nothing(olivine_vector_array* res, const olivine_vector_array in) {
  (void)in;
  *res = olivine_vector_array_new();
  return 0;
}

static const float factors[] = {2, 3, 5};

/* (the product of 1 and the factors,) of (the factors,) */
static int product(olivine_vector_array* res, const olivine_vector_array in) {
  olivine_closure f = olivine_closure_new_func(product_step);
  olivine_vector_array init = scalar(1), ys = {NULL};
  int failed = olivine_scan(res, &ys, f, init, in, 0, false, 2);
  olivine_closure_free(f);
  olivine_vector_array_free(init);
  olivine_vector_array_free(ys);
  return failed;
}

static void loops_are_right(void) {
  olivine_closure step = olivine_closure_new_func(product_step);
  olivine_closure twice = olivine_closure_new_func(doubled);
  olivine_closure below = olivine_closure_new_func(small);
  olivine_closure none = olivine_closure_new_func(nothing);
  olivine_closure whole = olivine_closure_new_func(product), g = {NULL};
  olivine_array x = vector_of(3, factors);
  olivine_vector_array xs = one(x), init = scalar(3), out = {NULL}, ys = {NULL};
  OK(olivine_scan(&out, &ys, step, init, xs, 0, true, 0));
  CLOSE(element(out, 0, 0), 90);
  CLOSE(element(ys, 0, 0), 45);
  FAILS(olivine_scan(&out, &ys, none, init, xs, 0, false, 0), "[scan] expected the body to return");
  FAILS(olivine_scan(&out, &ys, step, init, xs, 7, false, 0), "[scan] expected a length of 3");
  OK(olivine_fori_loop(&out, 0, 4, twice, init, 0));
  CLOSE(element(out, 0, 0), 48);
  OK(olivine_while_loop(&out, below, twice, init, 0));
  CLOSE(element(out, 0, 0), 192);
  OK(olivine_while_loop(&out, below, twice, init, 2));
  CLOSE(element(out, 0, 0), 12);
  FAILS(olivine_while_loop(&out, none, twice, init, 0), "[while_loop] expected a condition");
  OK(olivine_map(&out, twice, xs, 0));
  CLOSE(element(out, 0, 2), 10);
  const int first[] = {0};
  OK(olivine_grad(&g, whole, first, 1));
  OK(olivine_closure_apply(&out, g, xs));
  for (int i = 0; i < 3; ++i) CLOSE(element(out, 0, i), 30 / factors[i]);
  olivine_closure_free(step);
  olivine_closure_free(twice);
  olivine_closure_free(below);
  olivine_closure_free(none);
  olivine_closure_free(whole);
  olivine_closure_free(g);
  olivine_array_free(x);
  olivine_vector_array_free(xs);
  olivine_vector_array_free(init);
  olivine_vector_array_free(out);
  olivine_vector_array_free(ys);
}

static void branches_are_right(void) {
  olivine_closure twice = olivine_closure_new_func(doubled);
  olivine_closure same = olivine_closure_new_func(as_it_is);
  olivine_closure both[] = {same, twice};
  olivine_array yes = olivine_array_new_bool(true), index = olivine_array_new_int(1);
  olivine_vector_array in = scalar(3), out = {NULL};
  OK(olivine_cond(&out, yes, twice, same, in));
  CLOSE(element(out, 0, 0), 6);
  OK(olivine_cond(&out, yes, same, twice, in));
  CLOSE(element(out, 0, 0), 3);
  OK(olivine_switch(&out, index, both, 2, in));
  CLOSE(element(out, 0, 0), 6);
  FAILS(olivine_switch(&out, index, NULL, 2, in), "null");
  FAILS(olivine_switch(&out, index, both, 0, in), "[switch] expected at least one branch");
  olivine_closure_free(twice);
  olivine_closure_free(same);
  olivine_array_free(yes);
  olivine_array_free(index);
  olivine_vector_array_free(in);
  olivine_vector_array_free(out);
}

int main(void) {
  loops_are_right();
  branches_are_right();
  return 0;
}
