/* Ops of every family, with the forms that C has and Python has not. Values are by hand or from the
 * formula beside them. */
#include "check.h"

static olivine_array r, m; /* a result; the matrix 1 … 6 of two rows */

static void creation(void) {
  GIVES(olivine_arange(&r, 0, 5, 2, OLIVINE_FLOAT32, s), 0, 2, 4);
  GIVES(olivine_linspace(&r, 0, 1, 3, OLIVINE_FLOAT32, s), 0, 0.5, 1);
  GIVES(olivine_eye(&r, 2, 3, 1, OLIVINE_FLOAT32, s), 0, 1, 0, 0, 0, 1);
  GIVES(olivine_tri(&r, 2, 2, 0, OLIVINE_INT32, s), 1, 0, 1, 1);
  GIVES(olivine_full(&r, INTS(2, 3), m, OLIVINE_INT32, s), 1, 2, 3, 4, 5, 6);
  FAILS(olivine_full(&r, INTS(2), m, OLIVINE_INT32, s), "broadcast");
  GIVES(olivine_zeros_like(&r, m, s), 0, 0, 0, 0, 0, 0);
  GIVES(olivine_trace(&r, m, 1, 0, 1, OLIVINE_FLOAT32, s), 8);
}

static void shapes(void) {
  olivine_array zero = olivine_array_new_float(0);
  olivine_vector_array v = olivine_vector_array_new();
  GIVES(olivine_pad(&r, m, INTS(1), INTS(1), INTS(0), zero, "constant", s), 0, 1, 2, 3, 0, 4, 5, 6);
  OK(olivine_pad_symmetric(&r, m, 2, zero, "edge", s));
  SHAPE(r, 6, 7);
  FAILS(olivine_pad(&r, m, INTS(0, 1), INTS(1), INTS(1), zero, "constant", s), "pad");
  OK(olivine_split(&v, m, 3, 1, s));
  CHECK(olivine_vector_array_size(v) == 3);
  OK(olivine_split_sections(&v, m, INTS(1), 1, s));
  OK(olivine_vector_array_get(&r, v, 1));
  VALUES(r, 2, 3, 5, 6);
  OK(olivine_depends(&v, v, v));
  CHECK(olivine_vector_array_size(v) == 2);
  OK(olivine_atleast_1d(&r, zero, s));
  SHAPE(r, 1);
  OK(olivine_atleast_2d(&r, zero, s));
  SHAPE(r, 1, 1);
  OK(olivine_atleast_3d(&r, m, s));
  SHAPE(r, 2, 3, 1);
  GIVES(olivine_copy(&r, m, s), 1, 2, 3, 4, 5, 6);
  GIVES(olivine_number_of_elements(&r, m, INTS(1), true, OLIVINE_FLOAT32, s), 1.f / 3);
  GIVES(olivine_as_strided(&r, m, INTS(2, 2), ((const int64_t[]){1, 2}), 2, 1, s), 2, 4, 3, 5);
  FAILS(olivine_as_strided(&r, m, INTS(2), ((const int64_t[]){9}), 1, (size_t)-1, s), "2^63");
  olivine_vector_array_free(v);
  drop(zero);
}

static void indexing(void) {
  olivine_array i = ints_of((const int[]){2, 0}, 2), at = ints_of((const int[]){1}, 1);
  olivine_array u = olivine_array_new(), mask = olivine_array_new();
  olivine_vector_array one = olivine_vector_array_new_value(i);
  GIVES(olivine_slice(&r, m, INTS(0, 2), INTS(2, -4), INTS(1, -1), s), 3, 2, 1, 6, 5, 4);
  GIVES(olivine_slice_dynamic(&r, m, at, INTS(1), INTS(2, 2), s), 2, 3, 5, 6);
  OK(olivine_full(&u, INTS(2, 1), at, OLIVINE_FLOAT32, s));
  OK(olivine_multiply(&u, u, u, s));
  GIVES(olivine_slice_update(&r, m, u, INTS(0, 0), INTS(2, 1), INTS(1, 1), s), 1, 2, 3, 1, 5, 6);
  GIVES(olivine_slice_update_add(&r, m, u, INTS(0, 1), INTS(2, 2), INTS(1, 1), s), 1, 3, 3, 4, 6,
        6);
  GIVES(olivine_slice_update_max(&r, m, u, INTS(0, 0), INTS(2, 3), INTS(1, 1), s), 1, 2, 3, 4, 5,
        6);
  GIVES(olivine_slice_update_min(&r, m, u, INTS(0, 0), INTS(2, 3), INTS(1, 2), s), 1, 2, 1, 1, 5,
        1);
  GIVES(olivine_slice_update_prod(&r, m, u, INTS(0, 0), INTS(2, 3), INTS(1, 1), s), 1, 2, 3, 4, 5,
        6);
  GIVES(olivine_slice_update_dynamic(&r, m, u, at, INTS(1), s), 1, 1, 3, 4, 1, 6);
  GIVES(olivine_gather(&r, m, one, INTS(1), INTS(2, 1), s), 3, 6, 1, 4);
  SHAPE(r, 2, 2, 1);
  GIVES(olivine_gather_single(&r, m, i, 1, INTS(1, 1), s), 3, 1);
  OK(olivine_full(&u, INTS(2, 2, 1), at, OLIVINE_FLOAT32, s));
  GIVES(olivine_scatter(&r, m, one, u, INTS(1), s), 1, 2, 1, 1, 5, 1);
  GIVES(olivine_scatter_single(&r, m, i, u, 1, s), 1, 2, 1, 1, 5, 1);
  GIVES(olivine_scatter_add(&r, m, one, u, INTS(1), s), 2, 2, 4, 5, 5, 7);
  GIVES(olivine_scatter_add_single(&r, m, i, u, 1, s), 2, 2, 4, 5, 5, 7);
  GIVES(olivine_scatter_max_single(&r, m, i, u, 1, s), 1, 2, 3, 4, 5, 6);
  GIVES(olivine_scatter_min_single(&r, m, i, u, 1, s), 1, 2, 1, 1, 5, 1);
  GIVES(olivine_scatter_prod_single(&r, m, i, u, 1, s), 1, 2, 3, 4, 5, 6);
  OK(olivine_reshape(&i, i, INTS(2, 1), s));
  GIVES(olivine_take_along_axis(&r, m, i, 1, s), 3, 4);
  OK(olivine_full(&u, INTS(2, 1), at, OLIVINE_FLOAT32, s));
  GIVES(olivine_put_along_axis(&r, m, i, u, 1, s), 1, 2, 1, 1, 5, 6);
  GIVES(olivine_scatter_add_axis(&r, m, i, u, 1, s), 1, 2, 4, 5, 5, 6);
  OK(olivine_greater(&mask, m, u, s));
  GIVES(olivine_masked_scatter(&r, m, mask, m, s), 1, 1, 2, 3, 4, 5);
  FAILS(olivine_gather(&r, m, one, INTS(5), INTS(2, 1), s), "gather");
  drop(i);
  drop(at);
  drop(u);
  drop(mask);
  olivine_vector_array_free(one);
}

static void selections(void) {
  const olivine_optional_int all = {0, false}, three = {3, true};
  const olivine_array none = olivine_array_new();
  olivine_array mask = olivine_array_new(), two = olivine_array_new_float(2);
  olivine_array counts = ints_of((const int[]){2, 0, 1}, 3), i = olivine_array_new();
  olivine_vector_array v = olivine_vector_array_new();
  OK(olivine_remainder(&mask, m, two, s));
  OK(olivine_nonzero(&v, mask, all, 0, s));
  CHECK(olivine_vector_array_size(v) == 2);
  OK(olivine_vector_array_get(&r, v, 1));
  VALUES(r, 0, 2, 1);
  GIVES(olivine_flatnonzero(&r, mask, all, 0, s), 0, 2, 4);
  GIVES(olivine_argwhere(&r, mask, three, -1, s), 0, 0, 0, 2, 1, 1);
  GIVES(olivine_extract(&r, mask, m, all, none, s), 1, 3, 5);
  GIVES(olivine_compress(&r, counts, m, three, two, s), 1, 3, 2);
  GIVES(olivine_compress_axis(&r, counts, m, 1, all, none, s), 1, 3, 4, 6);
  GIVES(olivine_repeat_array_axis(&r, m, counts, 1, all, s), 1, 1, 3, 4, 4, 6);
  FAILS(olivine_extract(&r, counts, m, all, none, s), "leading axes");
  GIVES(olivine_unique_values(&r, mask, all, none, s), 0, 1);
  OK(olivine_unique_counts(&i, &r, mask, all, none, s));
  VALUES(r, 3, 3);
  OK(olivine_unique_inverse(&i, &r, mask, three, none, s));
  VALUES(r, 1, 0, 1, 0, 1, 0);
  olivine_vector_array_free(v);
  drop(mask);
  drop(two);
  drop(counts);
  drop(i);
}

static void sums(void) {
  GIVES(olivine_sum(&r, m, false, s), 21);
  GIVES(olivine_sum_axis(&r, m, -1, false, s), 6, 15);
  GIVES(olivine_sum_axes(&r, m, INTS(0, 1), true, s), 21);
  SHAPE(r, 1, 1);
  GIVES(olivine_cumsum(&r, m, 1, true, false, s), 5, 3, 0, 11, 6, 0);
  GIVES(olivine_cumprod(&r, m, 0, false, true, s), 1, 2, 3, 4, 10, 18);
  GIVES(olivine_cummax(&r, m, 1, true, true, s), 3, 3, 3, 6, 6, 6);
  GIVES(olivine_median(&r, m, INTS(1), false, s), 2, 5);
  GIVES(olivine_median(&r, m, NULL, 0, false, s), 3.5);
  GIVES(olivine_var(&r, m, false, 1, s), 3.5);
  GIVES(olivine_std_axis(&r, m, 1, false, 1, s), 1, 1);
  GIVES(olivine_var_axes(&r, m, INTS(0), false, 0, s), 2.25, 2.25, 2.25);
  GIVES(olivine_argmax(&r, m, false, s), 5);
}

static void products(void) {
  olivine_array t = olivine_array_new();
  olivine_vector_array v = olivine_vector_array_new();
  GIVES(olivine_tensordot(&r, m, m, INTS(1), INTS(1), s), 14, 32, 32, 77);
  GIVES(olivine_tensordot_axis(&r, m, m, 0, s), 1, 2, 3, 4, 5, 6, 2, 4, 6, 8, 10, 12, 3, 6, 9, 12,
        15, 18, 4, 8, 12, 16, 20, 24, 5, 10, 15, 20, 25, 30, 6, 12, 18, 24, 30, 36);
  OK(olivine_transpose(&t, m, s));
  GIVES(olivine_matmul(&r, m, t, s), 14, 32, 32, 77);
  GIVES(olivine_linalg_norm_l2(&r, m, INTS(1), false, s), 3.7416574f, 8.7749644f);
  GIVES(olivine_linalg_norm(&r, m, 1, INTS(1), false, s), 6, 15);
  GIVES(olivine_linalg_norm_l2(&r, m, NULL, 0, false, s), 9.5393920f);
  GIVES(olivine_linalg_norm_matrix(&r, m, "fro", NULL, 0, false, s), 9.5393920f);
  OK(olivine_matmul(&t, m, t, s));
  OK(olivine_linalg_lu(&v, t, s)); /* the rows exchanged: 14 / 32 below the diagonal */
  CHECK(olivine_vector_array_size(v) == 3);
  OK(olivine_vector_array_get(&r, v, 1));
  VALUES(r, 1, 0, 0.4375, 1);
  OK(olivine_linalg_svd(&v, t, false, s));
  CHECK(olivine_vector_array_size(v) == 1);
  OK(olivine_vector_array_get(&r, v, 0));
  VALUES(r, 90.402672f, 0.59732747f); /* (91 ± sqrt(91^2 - 216)) / 2 */
  FAILS(olivine_linalg_norm_matrix(&r, m, "no norm", NULL, 0, false, s), "norm");
  drop(t);
  olivine_vector_array_free(v);
}

static void transforms(void) {
  olivine_array t = olivine_array_new();
  OK(olivine_fft_fft(&t, m, 2, 1, OLIVINE_FFT_NORM_ORTHO, s));
  OK(olivine_real(&r, t, s));
  VALUES(r, 2.1213203f, -0.70710678f, 6.3639610f, -0.70710678f);
  OK(olivine_fft_rfft2(&t, m, INTS(2, 2), INTS(0, 1), OLIVINE_FFT_NORM_FORWARD, s));
  OK(olivine_real(&r, t, s));
  VALUES(r, 3, -0.5, -1.5, 0);
  OK(olivine_fft_fftn(&t, m, NULL, 0, NULL, 0, OLIVINE_FFT_NORM_BACKWARD, s));
  OK(olivine_fft_ifftn(&t, t, NULL, 0, NULL, 0, OLIVINE_FFT_NORM_BACKWARD, s));
  OK(olivine_real(&r, t, s));
  VALUES(r, 1, 2, 3, 4, 5, 6);
  GIVES(olivine_fft_fftshift(&r, m, INTS(1), s), 3, 1, 2, 6, 4, 5);
  GIVES(olivine_fft_fftfreq(&r, 4, 0.5, s), 0, 0.5, -1, -0.5);
  FAILS(olivine_fft_fft(&r, m, 0, 1, OLIVINE_FFT_NORM_BACKWARD, s), "fft");
  FAILS(olivine_fft_fft(&r, m, 2, 1, (olivine_fft_norm)3, s), "olivine_fft_norm");
  drop(t);
}

static void draws(void) {
  olivine_array key = olivine_array_new(), a = olivine_array_new(), b = olivine_array_new();
  olivine_array none = olivine_array_empty, p = olivine_array_new_float(0.5f);
  OK(olivine_random_key(&key, 0));
  OK(olivine_random_split(&a, &b, key, s));
  OK(olivine_random_split_num(&r, key, 3, s));
  SHAPE(r, 3, 2);
  OK(olivine_random_bits(&r, INTS(5), 1, key, s));
  CHECK(olivine_array_dtype(r) == OLIVINE_UINT8);
  OK(olivine_random_normal(&a, INTS(4), OLIVINE_FLOAT32, 3, 2, key, s));
  OK(olivine_random_normal_broadcast(&b, INTS(4), OLIVINE_FLOAT32, none, none, key, s));
  OK(olivine_add(&b, b, b, s));
  OK(olivine_array_set_float(&p, 3));
  OK(olivine_add(&b, b, p, s));
  OK(olivine_allclose(&r, a, b, 1e-6, 1e-6, false, s));
  VALUES(r, 1);
  OK(olivine_random_permutation_arange(&r, 4, key, s));
  OK(olivine_sort(&r, r, s));
  VALUES(r, 0, 1, 2, 3);
  OK(olivine_random_permutation(&r, m, 0, key, s));
  SHAPE(r, 2, 3);
  OK(olivine_random_categorical(&r, m, 1, key, s));
  SHAPE(r, 2);
  OK(olivine_random_categorical_shape(&r, m, 1, INTS(4, 2), key, s));
  SHAPE(r, 4, 2);
  OK(olivine_random_categorical_num_samples(&r, m, 1, 5, key, s));
  SHAPE(r, 2, 5);
  OK(olivine_random_seed(7));
  OK(olivine_random_uniform(&r, p, p, NULL, 0, OLIVINE_FLOAT32, none, s));
  VALUES(r, 3);
  FAILS(olivine_random_categorical_num_samples(&r, m, 1, -1, key, s), "-1");
  FAILS(olivine_random_split_num(&r, m, 2, s), "key of two uint32");
  drop(key);
  drop(a);
  drop(b);
  drop(p);
}

static void networks(void) {
  const olivine_optional_int bits = {8, true}, group = {32, true};
  const olivine_optional_float base = {10000, true};
  olivine_array x = olivine_array_new(), none = olivine_array_empty, at = olivine_array_new_int(1);
  olivine_array w = olivine_array_new(), scales = olivine_array_new(), biases = olivine_array_new();
  olivine_vector_array v = olivine_vector_array_new();
  OK(olivine_reshape(&x, m, INTS(1, 1, 3, 2), s));
  /* Equal scores: the mean of the values. */
  OK(olivine_zeros_like(&w, x, s));
  GIVES(olivine_fast_scaled_dot_product_attention(&r, w, x, x, 1, "", none, none, s), 3, 4, 3, 4, 3,
        4);
  GIVES(olivine_fast_scaled_dot_product_attention(&r, w, x, x, 1, "causal", none, none, s), 1, 2, 2,
        3, 3, 4);
  FAILS(olivine_fast_scaled_dot_product_attention(&r, w, x, x, 1, "sideways", none, none, s),
        "sideways");
  /* Turned by 1, 2 and 3 radians. */
  OK(olivine_fast_rope(&r, x, 2, false, base, 1, 1, none, s));
  VALUES(r, 1 * cosf(1) - 2 * sinf(1), 2 * cosf(1) + 1 * sinf(1), 3 * cosf(2) - 4 * sinf(2),
         4 * cosf(2) + 3 * sinf(2), 5 * cosf(3) - 6 * sinf(3), 6 * cosf(3) + 5 * sinf(3));
  OK(olivine_fast_rope_dynamic(&w, x, 2, false, base, 1, at, none, s));
  OK(olivine_array_equal(&r, r, w, false, s));
  VALUES(r, 1);
  /* 0 … 31 in 8 bits, exactly enough: products with ones are sums. */
  OK(olivine_arange(&x, 0, 64, 1, OLIVINE_FLOAT32, s));
  OK(olivine_reshape(&x, x, INTS(2, 32), s));
  OK(olivine_quantize(&v, x, group, bits, "affine", none, s));
  CHECK(olivine_vector_array_size(v) == 3);
  OK(olivine_vector_array_get(&w, v, 0));
  OK(olivine_vector_array_get(&scales, v, 1));
  OK(olivine_vector_array_get(&biases, v, 2));
  OK(olivine_ones(&x, INTS(1, 32), OLIVINE_FLOAT32, s));
  OK(olivine_quantized_matmul(&r, x, w, scales, biases, true, group, bits, "affine", s));
  OK(olivine_round(&r, r, 0, s));
  VALUES(r, 496, 1520);
  OK(olivine_expand_dims(&w, w, 0, s));
  OK(olivine_expand_dims(&scales, scales, 0, s));
  OK(olivine_expand_dims(&biases, biases, 0, s));
  OK(olivine_gather_qmm(&r, x, w, scales, biases, none, none, true, group, bits, "affine", false,
                        s));
  SHAPE(r, 1, 1, 2);
  drop(x);
  drop(w);
  drop(at);
  drop(scales);
  drop(biases);
  olivine_vector_array_free(v);
}

int main(void) {
  const float values[] = {1, 2, 3, 4, 5, 6};
  const int shape[] = {2, 3};
  m = array_of(values, shape, 2);
  creation();
  shapes();
  indexing();
  selections();
  sums();
  products();
  transforms();
  draws();
  networks();
  drop(m);
  drop(r);
  return summary();
}
