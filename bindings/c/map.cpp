// The C API of maps: one set of functions for every type of value.
#include "olivine/c/map.h"

#include <algorithm>

#include "handles.h"

namespace olivine::c {
namespace {

constexpr int kAbsent = 2;  // of a key, or of a next entry: no error

// How a value comes from C, and how it goes back.
template <class Map>
struct Value;
template <>
struct Value<olivine_map_string_to_array> {
  static const array& in(olivine_array a) { return get(a); }
  static void out(olivine_array* res, const array& a) { set(res, a); }
};
template <>
struct Value<olivine_map_string_to_string> {
  static std::string in(const char* s) { return name(s, "map"); }
  static void out(const char** res, const std::string& s) { store(res, s.c_str()); }
};

// The entries of a map by key, which keep their place while others are inserted.
template <class Map>
struct Entries {
  std::vector<const typename held_t<Map>::value_type*> list;
  size_t next = 0;

  explicit Entries(const held_t<Map>& map) {
    for (const auto& entry : map) list.push_back(&entry);
    std::sort(list.begin(), list.end(), [](auto* a, auto* b) { return a->first < b->first; });
  }
};

template <class Map, class C>
int insert(Map map, const char* key, C value) {
  return guarded([&] { filled(map).insert_or_assign(name(key, "map"), Value<Map>::in(value)); });
}
template <class Map, class C>
int get_value(C* res, Map map, const char* key) {
  bool there = true;
  int failed = guarded([&] {
    const held_t<Map>& m = get(map);
    auto found = m.find(name(key, "map"));
    there = found != m.end();
    if (there) Value<Map>::out(res, found->second);
  });
  return failed ? failed : there ? 0 : kAbsent;
}
template <class Map, class C>
int next(const char** key, C* value, void* iterator) {
  bool there = true;
  int failed = guarded([&] {
    if (!iterator) fail("[map_iterator] expected an iterator; got an empty handle");
    auto& entries = *static_cast<Entries<Map>*>(iterator);
    there = entries.next < entries.list.size();
    if (!there) return;
    if (!key) fail("[map_iterator] expected a pointer for the key; got null");
    Value<Map>::out(value, entries.list[entries.next]->second);
    *key = entries.list[entries.next++]->first.c_str();
  });
  return failed ? failed : there ? 0 : kAbsent;
}

}  // namespace
}  // namespace olivine::c

namespace c = olivine::c;

// M: the handle; IN and OUT: how values come and go.
#define OLIVINE_C_MAP(M, IN, OUT)                                                                \
  M M##_new(void) {                                                                              \
    return c::made<M>([] { return new c::held_t<M>; });                                          \
  }                                                                                              \
  int M##_set(M* map, const M src) {                                                             \
    return c::guarded([&] { c::set(map, c::get(src)); });                                        \
  }                                                                                              \
  int M##_free(M map) { return c::release(map); }                                                \
  int M##_insert(M map, const char* key, IN value) { return c::insert(map, key, value); }        \
  int M##_get(OUT value, const M map, const char* key) { return c::get_value(value, map, key); } \
  M##_iterator M##_iterator_new(M map) {                                                         \
    M##_iterator it{nullptr, map.ctx};                                                           \
    c::guarded([&] { it.ctx = new c::Entries<M>(c::get(map)); });                                \
    return it;                                                                                   \
  }                                                                                              \
  int M##_iterator_free(M##_iterator it) {                                                       \
    delete static_cast<c::Entries<M>*>(it.ctx);                                                  \
    return 0;                                                                                    \
  }                                                                                              \
  int M##_iterator_next(const char** key, OUT value, M##_iterator it) {                          \
    return c::next<M>(key, value, it.ctx);                                                       \
  }

OLIVINE_C_MAP(olivine_map_string_to_array, olivine_array, olivine_array*)
OLIVINE_C_MAP(olivine_map_string_to_string, const char*, const char**)
