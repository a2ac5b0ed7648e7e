/* Dtypes: promotion, categories and limits; shapes and paths without arrays; printing; buffers. */
#include <float.h>

#include "require.h"

static void types_are_promoted(void) {
  olivine_dtype t = OLIVINE_BOOL;
  bool yes = false;
  olivine_array a = olivine_array_new_int(1), b = olivine_array_new_float(1);
  olivine_vector_array v = one(a);
  OK(olivine_result_type(&t, v));
  CHECK(t == OLIVINE_INT32);
  OK(olivine_vector_array_append_value(v, b));
  OK(olivine_result_type(&t, v));
  CHECK(t == OLIVINE_FLOAT32);
  FAILS(olivine_result_type(&t, (olivine_vector_array){NULL}), "[result_type]");
  OK(olivine_promote_types(&t, OLIVINE_FLOAT16, OLIVINE_BFLOAT16));
  CHECK(t == OLIVINE_FLOAT32);
  FAILS(olivine_promote_types(&t, OLIVINE_INT8, (olivine_dtype)99), "99");
  OK(olivine_can_cast(&yes, OLIVINE_INT32, OLIVINE_FLOAT16));
  CHECK(yes);
  OK(olivine_can_cast(&yes, OLIVINE_FLOAT16, OLIVINE_INT32));
  CHECK(!yes);
  FAILS(olivine_can_cast(NULL, OLIVINE_FLOAT16, OLIVINE_INT32), "null");
  olivine_array_free(a);
  olivine_array_free(b);
  olivine_vector_array_free(v);
}

static bool lies_under(olivine_dtype t, olivine_dtype_category category) {
  bool yes = false;
  OK(olivine_issubdtype(&yes, t, category));
  return yes;
}
static bool is_kind(olivine_dtype t, const char* kind) {
  bool yes = false;
  OK(olivine_isdtype(&yes, t, kind));
  return yes;
}
static void categories_form_a_tree(void) {
  bool yes = true;
  CHECK(lies_under(OLIVINE_COMPLEX64, OLIVINE_COMPLEXFLOATING));
  CHECK(lies_under(OLIVINE_BFLOAT16, OLIVINE_FLOATING));
  CHECK(lies_under(OLIVINE_BFLOAT16, OLIVINE_INEXACT));
  CHECK(lies_under(OLIVINE_INT8, OLIVINE_SIGNEDINTEGER));
  CHECK(lies_under(OLIVINE_UINT8, OLIVINE_UNSIGNEDINTEGER));
  CHECK(lies_under(OLIVINE_UINT8, OLIVINE_NUMBER));
  CHECK(lies_under(OLIVINE_BOOL, OLIVINE_GENERIC));
  CHECK(!lies_under(OLIVINE_BOOL, OLIVINE_NUMBER));
  CHECK(!lies_under(OLIVINE_FLOAT32, OLIVINE_INTEGER));
  OK(olivine_issubdtype_category(&yes, OLIVINE_INTEGER, OLIVINE_INEXACT));
  CHECK(!yes);
  OK(olivine_issubdtype_category(&yes, OLIVINE_FLOATING, OLIVINE_INEXACT));
  CHECK(yes);
  FAILS(olivine_issubdtype(&yes, OLIVINE_BOOL, (olivine_dtype_category)8), "got 8");
  FAILS(olivine_issubdtype_category(&yes, (olivine_dtype_category)-1, OLIVINE_NUMBER), "category");

  CHECK(is_kind(OLIVINE_BOOL, "bool") && !is_kind(OLIVINE_INT8, "bool"));
  CHECK(is_kind(OLIVINE_INT64, "integral") && is_kind(OLIVINE_INT64, "signed integer"));
  CHECK(is_kind(OLIVINE_UINT64, "unsigned integer") && is_kind(OLIVINE_UINT64, "numeric"));
  CHECK(is_kind(OLIVINE_FLOAT16, "real floating"));
  CHECK(is_kind(OLIVINE_COMPLEX128, "complex floating"));
  CHECK(!is_kind(OLIVINE_FLOAT64, "complex floating"));
  FAILS(olivine_isdtype(&yes, OLIVINE_INT8, "whole"), "got whole");
  FAILS(olivine_isdtype(&yes, OLIVINE_INT8, NULL), "null");
}

static void limits_are_known(void) {
  olivine_finfo f;
  olivine_iinfo i;
  OK(olivine_finfo_get(&f, OLIVINE_FLOAT32));
  CHECK(f.bits == 32 && f.max == FLT_MAX && f.min == -FLT_MAX && f.eps == FLT_EPSILON);
  CHECK(f.smallest_normal == FLT_MIN);
  OK(olivine_finfo_get(&f, OLIVINE_COMPLEX128));
  CHECK(f.bits == 64 && f.max == DBL_MAX);
  FAILS(olivine_finfo_get(&f, OLIVINE_INT8), "[finfo]");
  OK(olivine_iinfo_get(&i, OLIVINE_INT64));
  CHECK(i.bits == 64 && i.min == INT64_MIN && i.max == INT64_MAX);
  OK(olivine_iinfo_get(&i, OLIVINE_UINT64));
  CHECK(i.min == 0 && i.max == UINT64_MAX);
  FAILS(olivine_iinfo_get(&i, OLIVINE_FLOAT16), "[iinfo]");
  FAILS(olivine_iinfo_get(NULL, OLIVINE_INT8), "null");
}

static void shapes_broadcast(void) {
  const int a[] = {2, 1}, b[] = {3}, c[] = {4};
  olivine_vector_int shape = {NULL};
  int size = 0;
  OK(olivine_broadcast_shapes(&shape, a, 2, b, 1));
  CHECK(olivine_vector_int_size(shape) == 2);
  OK(olivine_vector_int_get(&size, shape, 1));
  CHECK(size == 3);
  OK(olivine_broadcast_shapes(&shape, NULL, 0, NULL, 0));
  CHECK(olivine_vector_int_size(shape) == 0);
  FAILS(olivine_broadcast_shapes(&shape, c, 1, b, 1), "[broadcast");
  olivine_vector_int_free(shape);
}

static void products_have_an_order(void) {
  const int shapes[][2] = {{2, 30}, {30, 4}, {4, 5}};
  olivine_vector_array operands = olivine_vector_array_new();
  olivine_vector_vector_int path = {NULL};
  olivine_vector_int step = {NULL};
  olivine_string text = {NULL};
  for (int i = 0; i < 3; ++i) {
    olivine_array a = {NULL};
    OK(olivine_zeros(&a, shapes[i], 2, OLIVINE_FLOAT32, s));
    OK(olivine_vector_array_append_value(operands, a));
    olivine_array_free(a);
  }
  OK(olivine_einsum_path(&path, &text, "ij,jk,kl->il", operands));
  CHECK(olivine_vector_vector_int_size(path) == 2);
  OK(olivine_vector_vector_int_get(&step, path, 0));
  int first = -1, second = -1;
  OK(olivine_vector_int_get(&first, step, 0));
  OK(olivine_vector_int_get(&second, step, 1));
  CHECK(first + second == 1); /* the first two, whose product is small */
  CHECK(strlen(olivine_string_data(text)) > 0);
  FAILS(olivine_einsum_path(&path, &text, "ij,jk->ik", operands), "[einsum");
  FAILS(olivine_einsum_path(&path, NULL, "ij,jk,kl->il", operands), "null");
  olivine_vector_array_free(operands);
  olivine_vector_vector_int_free(path);
  olivine_vector_int_free(step);
  olivine_string_free(text);
}

static void numbers_are_printed_as_asked(void) {
  olivine_printoptions options;
  OK(olivine_get_printoptions(&options));
  CHECK(options.precision == -1);
  olivine_array a = olivine_array_new_float(1.23456f);
  olivine_string text = {NULL};
  OK(olivine_set_printoptions((olivine_printoptions){2}));
  OK(olivine_get_printoptions(&options));
  CHECK(options.precision == 2);
  OK(olivine_array_tostring(&text, a));
  CHECK(strstr(olivine_string_data(text), "(1.23,"));
  OK(olivine_set_printoptions((olivine_printoptions){INT32_MAX}));
  OK(olivine_array_tostring(&text, a));
  CHECK(strstr(olivine_string_data(text), "(1.2345600128173828125000"));
  OK(olivine_set_printoptions((olivine_printoptions){-1}));
  olivine_array_free(a);
  olivine_string_free(text);
}

static void buffers_are_counted_once(void) {
  const int shape[] = {256, 4};
  olivine_array a = {NULL};
  size_t alone = 0, both = 0;
  OK(olivine_ones(&a, shape, 2, OLIVINE_FLOAT32, s));
  olivine_vector_array v = one(a);
  OK(olivine_get_array_buffer_size(&alone, v));
  CHECK(alone >= 4);
  OK(olivine_transpose(&a, a, s));
  OK(olivine_vector_array_append_value(v, a));
  OK(olivine_get_array_buffer_size(&both, v));
  CHECK(both == alone);
  OK(olivine_clear_streams());
  olivine_array_free(a);
  olivine_vector_array_free(v);
}

int main(void) {
  types_are_promoted();
  categories_form_a_tree();
  limits_are_known();
  shapes_broadcast();
  products_have_an_order();
  numbers_are_printed_as_asked();
  buffers_are_counted_once();
  return 0;
}
