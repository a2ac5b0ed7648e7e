/* Vectors, maps and strings: what goes in comes out, and values outlive the handles they came from.
 */
#include "check.h"

static void arrays_in_vectors(void) {
  olivine_array a = olivine_array_new_int(1), b = olivine_array_new_int(2), r = olivine_array_new();
  olivine_array both[2];
  olivine_vector_array v = olivine_vector_array_new(), w = olivine_vector_array_new_value(b);
  olivine_vector_vector_array vv = olivine_vector_vector_array_new();
  both[0] = a;
  both[1] = b;
  OK(olivine_vector_array_append_value(v, a));
  OK(olivine_vector_array_append_data(v, both, 2));
  CHECK(olivine_vector_array_size(v) == 3);
  drop(a);
  drop(b);
  OK(olivine_vector_array_get(&r, v, 2));
  VALUES(r, 2);
  OK(olivine_vector_vector_array_append_value(vv, v));
  OK(olivine_vector_vector_array_append_value(vv, w));
  OK(olivine_vector_array_set(&v, w));
  CHECK(olivine_vector_array_size(v) == 1);
  OK(olivine_vector_vector_array_get(&v, vv, 0));
  CHECK(olivine_vector_array_size(v) == 3);
  OK(olivine_vector_array_set_value(&v, r));
  OK(olivine_vector_array_set_data(&v, &r, 1));
  CHECK(olivine_vector_array_size(v) == 1);
  OK(olivine_vector_vector_array_set_data(&vv, &v, 1));
  OK(olivine_vector_vector_array_append_data(vv, &w, 1));
  CHECK(olivine_vector_vector_array_size(vv) == 2);
  OK(olivine_vector_vector_array_set_value(&vv, w));
  CHECK(olivine_vector_vector_array_size(vv) == 1);
  FAILS(olivine_vector_array_get(&r, v, 1), "index below 1; got 1");
  FAILS(olivine_vector_array_append_value(v, olivine_array_empty), "empty handle");
  FAILS(olivine_vector_array_append_data(v, NULL, 3), "null");
  FAILS(olivine_vector_array_set_data(&v, &r, (size_t)-1), "count");
  OK(olivine_vector_array_append_data(v, NULL, 0));
  CHECK(olivine_vector_array_size(v) == 1);
  olivine_vector_array_free(v);
  olivine_vector_array_free(w);
  olivine_vector_vector_array_free(vv);
  drop(r);
  v.ctx = NULL;
  CHECK(olivine_vector_array_size(v) == 0);
  FAILS(olivine_vector_array_append_value(v, olivine_array_empty), "empty handle");
}

static void ints_and_texts(void) {
  int data[] = {3, -4, 5}, value = 0;
  const char* words[] = {"one", "two"};
  char* word = NULL;
  olivine_vector_int v = olivine_vector_int_new_data(data, 3), w = olivine_vector_int_new_value(9);
  olivine_vector_string t = olivine_vector_string_new_data(words, 2);
  olivine_vector_string u = olivine_vector_string_new_value("alone");
  OK(olivine_vector_int_append_value(v, 6));
  OK(olivine_vector_int_append_data(v, data, 2));
  OK(olivine_vector_int_get(&value, v, 5));
  CHECK(value == -4 && olivine_vector_int_size(v) == 6);
  OK(olivine_vector_int_set(&v, w));
  OK(olivine_vector_int_get(&value, v, 0));
  CHECK(value == 9);
  OK(olivine_vector_int_set_data(&v, data, 2));
  OK(olivine_vector_int_set_value(&w, 1));
  FAILS(olivine_vector_int_get(NULL, v, 0), "null");
  OK(olivine_vector_string_append_value(t, "three"));
  OK(olivine_vector_string_append_data(t, words, 2));
  OK(olivine_vector_string_get(&word, t, 2));
  CHECK(strcmp(word, "three") == 0 && olivine_vector_string_size(t) == 5);
  OK(olivine_vector_string_set(&t, u));
  OK(olivine_vector_string_get(&word, t, 0));
  CHECK(strcmp(word, "alone") == 0);
  OK(olivine_vector_string_set_data(&t, words, 1));
  OK(olivine_vector_string_set_value(&u, "x"));
  words[1] = NULL;
  FAILS(olivine_vector_string_append_data(t, words, 2), "null");
  CHECK(olivine_vector_string_size(t) == 1);
  olivine_vector_int_free(v);
  olivine_vector_int_free(w);
  olivine_vector_string_free(t);
  olivine_vector_string_free(u);
}

static void maps(void) {
  olivine_map_string_to_array m = olivine_map_string_to_array_new(), n = {NULL};
  olivine_map_string_to_string t = olivine_map_string_to_string_new(), u = {NULL};
  olivine_array a = olivine_array_new_int(1), r = olivine_array_new();
  olivine_map_string_to_array_iterator it;
  olivine_map_string_to_string_iterator jt;
  const char *key = NULL, *value = NULL;
  char seen[8] = "";
  OK(olivine_map_string_to_array_insert(m, "b", a));
  OK(olivine_map_string_to_array_insert(m, "a", a));
  OK(olivine_array_set_int(&a, 2));
  OK(olivine_map_string_to_array_insert(m, "c", a));
  OK(olivine_map_string_to_array_insert(m, "b", a));
  OK(olivine_map_string_to_array_get(&r, m, "b"));
  VALUES(r, 2);
  CHECK(olivine_map_string_to_array_get(&r, m, "z") == 2);
  it = olivine_map_string_to_array_iterator_new(m);
  while (olivine_map_string_to_array_iterator_next(&key, &r, it) == 0) strcat(seen, key);
  CHECK(strcmp(seen, "abc") == 0);
  CHECK(olivine_map_string_to_array_iterator_next(&key, &r, it) == 2);
  olivine_map_string_to_array_iterator_free(it);
  OK(olivine_map_string_to_array_set(&n, m));
  OK(olivine_map_string_to_array_get(&r, n, "a"));
  VALUES(r, 1);
  FAILS(olivine_map_string_to_array_insert(m, NULL, a), "null");
  FAILS(olivine_map_string_to_array_get(&r, m, NULL), "null");

  OK(olivine_map_string_to_string_insert(t, "format", "pt"));
  OK(olivine_map_string_to_string_get(&value, t, "format"));
  CHECK(strcmp(value, "pt") == 0);
  CHECK(olivine_map_string_to_string_get(&value, u, "format") == 2);
  OK(olivine_map_string_to_string_set(&u, t));
  FAILS(olivine_map_string_to_string_insert(t, "format", NULL), "null");
  jt = olivine_map_string_to_string_iterator_new(u);
  OK(olivine_map_string_to_string_iterator_next(&key, &value, jt));
  CHECK(strcmp(key, "format") == 0 && strcmp(value, "pt") == 0);
  FAILS(olivine_map_string_to_string_iterator_next(
            &key, &value, (olivine_map_string_to_string_iterator){NULL, NULL}),
        "empty handle");
  olivine_map_string_to_string_iterator_free(jt);
  olivine_map_string_to_array_free(m);
  olivine_map_string_to_array_free(n);
  olivine_map_string_to_string_free(t);
  olivine_map_string_to_string_free(u);
  drop(a);
  drop(r);
}

static void strings(void) {
  olivine_string t = olivine_string_new_data("text"), u = olivine_string_new();
  OK(olivine_string_set(&u, t));
  olivine_string_free(t);
  CHECK(strcmp(olivine_string_data(u), "text") == 0);
  OK(olivine_version(&u));
  CHECK(strchr(olivine_string_data(u), '.'));
  olivine_string_free(u);
  CHECK(!olivine_string_new_data(NULL).ctx && strstr(olivine_last_error(), "null"));
  u.ctx = NULL;
  CHECK(strcmp(olivine_string_data(u), "") == 0);
}

int main(void) {
  arrays_in_vectors();
  ints_and_texts();
  maps();
  strings();
  return summary();
}
