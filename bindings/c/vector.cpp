// The C API of vectors: one set of functions for every type of element.
#include "olivine/c/vector.h"

#include "handles.h"

namespace olivine::c {
namespace {

// How an element comes from C, and how it goes back.
template <class Vector>
struct Element;
template <>
struct Element<olivine_vector_array> {
  static const array& in(olivine_array a) { return get(a); }
  static void out(olivine_array* res, const array& a) { set(res, a); }
};
template <>
struct Element<olivine_vector_vector_array> {
  static const std::vector<array>& in(olivine_vector_array v) { return get(v); }
  static void out(olivine_vector_array* res, const std::vector<array>& v) { set(res, v); }
};
template <>
struct Element<olivine_vector_int> {
  static int in(int value) { return value; }
  static void out(int* res, int value) { store(res, value); }
};
template <>
struct Element<olivine_vector_vector_int> {
  static const std::vector<int>& in(olivine_vector_int v) { return get(v); }
  static void out(olivine_vector_int* res, const std::vector<int>& v) { set(res, v); }
};
template <>
struct Element<olivine_vector_string> {
  static std::string in(const char* s) { return name(s, "vector_string"); }
  static void out(char** res, const std::string& s) { store(res, const_cast<char*>(s.c_str())); }
};

template <class Vector, class C>
held_t<Vector> gathered(const C* data, size_t n) {
  expect_values(data, n, "vector");
  held_t<Vector> v;
  v.reserve(n);
  for (size_t i = 0; i < n; ++i) v.push_back(Element<Vector>::in(data[i]));
  return v;
}
template <class Vector, class C>
Vector from_data(const C* data, size_t n) {
  return made<Vector>([&] { return new held_t<Vector>(gathered<Vector>(data, n)); });
}
template <class Vector, class C>
int set_data(Vector* vec, const C* data, size_t n) {
  return guarded([&] { set(vec, gathered<Vector>(data, n)); });
}
template <class Vector, class C>
int append_data(Vector vec, const C* data, size_t n) {
  return guarded([&] {
    held_t<Vector>& v = filled(vec);
    held_t<Vector> more = gathered<Vector>(data, n);
    v.insert(v.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  });
}
template <class Vector, class C>
int get_element(C* res, Vector vec, size_t i) {
  return guarded([&] {
    const held_t<Vector>& v = get(vec);
    if (i >= v.size()) {
      fail<std::out_of_range>("[vector] expected an index below ", v.size(), "; got ", i);
    }
    Element<Vector>::out(res, v[i]);
  });
}

}  // namespace
}  // namespace olivine::c

namespace c = olivine::c;

// V: the handle; T: what C calls an element; DATA: a pointer to several; RES: one for a result.
#define OLIVINE_C_VECTOR(V, T, DATA, RES)                                                         \
  V V##_new(void) { return c::from_data<V, T>(nullptr, 0); }                                      \
  int V##_set(V* vec, const V src) {                                                              \
    return c::guarded([&] { c::set(vec, c::get(src)); });                                         \
  }                                                                                               \
  int V##_free(V vec) { return c::release(vec); }                                                 \
  V V##_new_data(DATA data, size_t size) { return c::from_data<V, T>(data, size); }               \
  V V##_new_value(T val) { return c::from_data<V, T>(&val, 1); }                                  \
  int V##_set_data(V* vec, DATA data, size_t size) { return c::set_data<V, T>(vec, data, size); } \
  int V##_set_value(V* vec, T val) { return c::set_data<V, T>(vec, &val, 1); }                    \
  int V##_append_data(V vec, DATA data, size_t size) {                                            \
    return c::append_data<V, T>(vec, data, size);                                                 \
  }                                                                                               \
  int V##_append_value(V vec, T val) { return c::append_data<V, T>(vec, &val, 1); }               \
  size_t V##_size(V vec) { return c::get(vec).size(); }                                           \
  int V##_get(RES res, const V vec, size_t idx) { return c::get_element(res, vec, idx); }

OLIVINE_C_VECTOR(olivine_vector_array, olivine_array, const olivine_array*, olivine_array*)
OLIVINE_C_VECTOR(olivine_vector_vector_array, olivine_vector_array, const olivine_vector_array*,
                 olivine_vector_array*)
OLIVINE_C_VECTOR(olivine_vector_int, int, int*, int*)
OLIVINE_C_VECTOR(olivine_vector_vector_int, olivine_vector_int, const olivine_vector_int*,
                 olivine_vector_int*)
OLIVINE_C_VECTOR(olivine_vector_string, const char*, const char**, char**)
