/* Arrays: made from values and data of every kind, read as values, pointers, shapes and text. */
#include "check.h"

static void made_from_values(void) {
  olivine_array a = olivine_array_new_bool(true);
  bool b = false;
  int32_t i = 0;
  double d = 0;
  float f = 0;
  olivine_complex64_t z = 0;
  float parts[2];
  CHECK(olivine_array_dtype(a) == OLIVINE_BOOL && olivine_array_ndim(a) == 0);
  OK(olivine_array_item_bool(&b, a));
  CHECK(b);
  OK(olivine_array_set_int(&a, -7));
  OK(olivine_array_item_int32(&i, a));
  CHECK(i == -7 && olivine_array_dtype(a) == OLIVINE_INT32);
  OK(olivine_array_set_float64(&a, 0.1));
  OK(olivine_array_item_float64(&d, a));
  CHECK(d == 0.1 && olivine_array_itemsize(a) == 8);
  OK(olivine_array_set_double(&a, 0.25));
  OK(olivine_array_item_float32(&f, a));
  CHECK(f == 0.25f);
  OK(olivine_array_set_float(&a, 1.5f));
  OK(olivine_array_set_float32(&a, 2.5f));
  OK(olivine_array_item_float32(&f, a));
  CHECK(f == 2.5f);
  OK(olivine_array_set_bool(&a, false));
  CHECK(olivine_array_nbytes(a) == 1);
  OK(olivine_array_set_complex(&a, 1, -2));
  OK(olivine_array_item_complex64(&z, a));
  memcpy(parts, &z, sizeof z);
  CHECK(parts[0] == 1 && parts[1] == -2);
  drop(a);
  a = olivine_array_new_complex(3, 4);
  memcpy(parts, olivine_array_data_complex64(a), sizeof parts);
  CHECK(parts[0] == 3 && parts[1] == 4 && olivine_array_dtype(a) == OLIVINE_COMPLEX64);
  drop(a);
  a = olivine_array_new_double(0.1);
  CHECK(olivine_array_data_float64(a)[0] == 0.1);
  drop(a);
}

static void sixteen_bits(void) {
  olivine_array a = olivine_array_new_float(1.5f), r = olivine_array_new();
  float16_t half;
  bfloat16_t brain;
  uint16_t bits;
  OK(olivine_array_item_float16(&half, a));
  memcpy(&bits, &half, 2);
  CHECK(bits == 0x3e00);
  OK(olivine_array_item_bfloat16(&brain, a));
  memcpy(&bits, &brain, 2);
  CHECK(bits == 0x3fc0);
  OK(olivine_astype(&r, a, OLIVINE_FLOAT16, s));
  memcpy(&bits, olivine_array_data_float16(r), 2);
  CHECK(bits == 0x3e00);
  CHECK(!olivine_array_data_bfloat16(r) && strstr(olivine_last_error(), "bfloat16"));
  OK(olivine_astype(&r, a, OLIVINE_BFLOAT16, s));
  memcpy(&bits, olivine_array_data_bfloat16(r), 2);
  CHECK(bits == 0x3fc0);
  drop(a);
  drop(r);
}

static int freed = 0;
static void count_free(void* payload) { *(int*)payload += 1; }
static void count_data(void* data) {
  (void)data;
  ++freed;
}

static void made_from_data(void) {
  static float values[] = {1, 2, 3, 4, 5, 6};
  const int shape[] = {2, 3};
  int payload = 0;
  olivine_array a = array_of(values, shape, 2), r = olivine_array_new();
  olivine_string text = olivine_string_new();
  SHAPE(a, 2, 3);
  VALUES(a, 1, 2, 3, 4, 5, 6);
  CHECK(olivine_array_dim(a, -1) == 3 && olivine_array_size(a) == 6);
  CHECK(olivine_array_strides(a)[0] == 3 && olivine_array_strides(a)[1] == 1);
  CHECK(olivine_array_data(a) == (const void*)olivine_array_data_float32(a));
  OK(olivine_array_tostring(&text, a));
  CHECK(strstr(olivine_string_data(text), "[1, 2, 3]"));
  OK(olivine_array_set_data(&a, values, INTS(6), OLIVINE_FLOAT32));
  SHAPE(a, 6);
  OK(olivine_array_set(&r, a));
  drop(a);
  VALUES(r, 1, 2, 3, 4, 5, 6);

  a = olivine_array_new_data_managed(values, shape, 2, OLIVINE_FLOAT32, count_data);
  CHECK(olivine_array_data_float32(a) == values && freed == 0);
  drop(a);
  CHECK(freed == 1);
  a = olivine_array_new_data_managed_payload(values, shape, 2, OLIVINE_FLOAT32, &payload,
                                             count_free);
  OK(olivine_array_set(&r, a));
  drop(a);
  CHECK(payload == 0); /* r still has it */
  drop(r);
  CHECK(payload == 1);
  a = olivine_array_new_data_managed_payload(values, INTS(-1), OLIVINE_FLOAT32, &payload,
                                             count_free);
  CHECK(!a.ctx && payload == 1);
  olivine_string_free(text);
}

static void memory_order(void) {
  const float values[] = {1, 2, 3, 4, 5, 6};
  const int shape[] = {2, 3};
  olivine_array a = array_of(values, shape, 2), t = olivine_array_new();
  bool is = true;
  OK(olivine_transpose(&t, a, s));
  OK(_olivine_array_wait(t));
  OK(_olivine_array_is_available(&is, t));
  CHECK(is);
  OK(_olivine_array_is_row_contiguous(&is, t));
  CHECK(!is);
  OK(_olivine_array_is_col_contiguous(&is, t));
  CHECK(is);
  OK(_olivine_array_is_contiguous(&is, t));
  CHECK(is);
  /* Pointers always show rows. */
  VALUES(t, 1, 4, 2, 5, 3, 6);
  CHECK(olivine_array_strides(t)[0] == 2 && olivine_array_strides(t)[1] == 1);
  CHECK(olivine_array_data_float32(t)[1] == 4);
  OK(olivine_broadcast_to(&t, a, INTS(2, 2, 3), s));
  OK(_olivine_array_is_contiguous(&is, t));
  CHECK(!is);
  SHAPE(t, 2, 2, 3); /* no longer the shape that was asked for before */
  drop(a);
  drop(t);
}

static void errors(void) {
  const float value = 1;
  const int big[] = {2147483647, 2147483647, 2147483647};
  olivine_array a = olivine_array_new_float(1), e = olivine_array_new();
  int32_t i = 5;
  CHECK(!olivine_array_new_data(&value, INTS(-1), OLIVINE_FLOAT32).ctx);
  CHECK(!olivine_array_new_data(NULL, INTS(2), OLIVINE_FLOAT32).ctx);
  CHECK(!olivine_array_new_data(&value, NULL, 1, OLIVINE_FLOAT32).ctx);
  CHECK(!olivine_array_new_data(&value, NULL, -1, OLIVINE_FLOAT32).ctx);
  CHECK(!olivine_array_new_data(&value, big, 3, OLIVINE_FLOAT32).ctx);
  CHECK(!olivine_array_new_data(&value, NULL, 0, (olivine_dtype)99).ctx);
  CHECK(strstr(olivine_last_error(), "99"));
  FAILS(olivine_array_item_int32(&i, e), "empty handle");
  FAILS(olivine_array_item_int32(NULL, a), "null");
  FAILS(olivine_array_set(&e, e), "empty handle");
  FAILS(olivine_array_set(NULL, a), "null");
  FAILS(olivine_array_eval(e), "empty handle");
  CHECK(i == 5 && !olivine_array_shape(e) && !olivine_array_strides(e) && !olivine_array_size(e));
  CHECK(olivine_array_dim(a, 0) == 0 && !olivine_array_data_int32(a));
  CHECK(olivine_dtype_size(OLIVINE_COMPLEX128) == 16 && olivine_dtype_size((olivine_dtype)77) == 0);
  FAILS(olivine_add(NULL, a, a, s), "null");
  FAILS(olivine_reshape(&e, a, NULL, 2, s), "null");
  FAILS(olivine_reshape(&e, a, INTS(-5), s), "reshape");
  CHECK(!e.ctx);
  OK(olivine_reshape(&e, a, NULL, 0, s));
  drop(a);
  drop(e);
  drop(olivine_array_empty);
}

int main(void) {
  made_from_values();
  sixteen_bits();
  made_from_data();
  memory_order();
  errors();
  return summary();
}
