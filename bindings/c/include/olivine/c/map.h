/* Maps from texts to arrays and to texts.
 *
 * `insert` replaces the value that a key has, and needs a map made by `new`; `get` returns 2 for a
 * key that is not there. An iterator goes through the keys that its map had when it was made, in
 * alphabetical order; `next` returns 2 at the end. It is of no use once its map is set or freed.
 * Keys, and values that are texts, stay the map's. */
#ifndef OLIVINE_C_MAP_H
#define OLIVINE_C_MAP_H

#include "olivine/c/types.h"

typedef struct olivine_map_string_to_array_ {
  void* ctx;
} olivine_map_string_to_array;
OLIVINE_C_API olivine_map_string_to_array olivine_map_string_to_array_new(void);
OLIVINE_C_API int olivine_map_string_to_array_set(olivine_map_string_to_array* map,
                                                  const olivine_map_string_to_array src);
OLIVINE_C_API int olivine_map_string_to_array_free(olivine_map_string_to_array map);
OLIVINE_C_API int olivine_map_string_to_array_insert(olivine_map_string_to_array map,
                                                     const char* key, const olivine_array value);
OLIVINE_C_API int olivine_map_string_to_array_get(olivine_array* value,
                                                  const olivine_map_string_to_array map,
                                                  const char* key);
typedef struct olivine_map_string_to_array_iterator_ {
  void* ctx;
  void* map_ctx;
} olivine_map_string_to_array_iterator;
OLIVINE_C_API olivine_map_string_to_array_iterator
olivine_map_string_to_array_iterator_new(olivine_map_string_to_array map);
OLIVINE_C_API int olivine_map_string_to_array_iterator_free(
    olivine_map_string_to_array_iterator it);
OLIVINE_C_API int olivine_map_string_to_array_iterator_next(
    const char** key, olivine_array* value, olivine_map_string_to_array_iterator it);

typedef struct olivine_map_string_to_string_ {
  void* ctx;
} olivine_map_string_to_string;
OLIVINE_C_API olivine_map_string_to_string olivine_map_string_to_string_new(void);
OLIVINE_C_API int olivine_map_string_to_string_set(olivine_map_string_to_string* map,
                                                   const olivine_map_string_to_string src);
OLIVINE_C_API int olivine_map_string_to_string_free(olivine_map_string_to_string map);
OLIVINE_C_API int olivine_map_string_to_string_insert(olivine_map_string_to_string map,
                                                      const char* key, const char* value);
OLIVINE_C_API int olivine_map_string_to_string_get(const char** value,
                                                   const olivine_map_string_to_string map,
                                                   const char* key);
typedef struct olivine_map_string_to_string_iterator_ {
  void* ctx;
  void* map_ctx;
} olivine_map_string_to_string_iterator;
OLIVINE_C_API olivine_map_string_to_string_iterator
olivine_map_string_to_string_iterator_new(olivine_map_string_to_string map);
OLIVINE_C_API int olivine_map_string_to_string_iterator_free(
    olivine_map_string_to_string_iterator it);
OLIVINE_C_API int olivine_map_string_to_string_iterator_next(
    const char** key, const char** value, olivine_map_string_to_string_iterator it);

#endif
