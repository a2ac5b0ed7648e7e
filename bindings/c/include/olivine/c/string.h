/* Strings, and the library's version as one. */
#ifndef OLIVINE_C_STRING_H
#define OLIVINE_C_STRING_H

#include "olivine/c/types.h"

OLIVINE_C_API olivine_string olivine_string_new(void);
/* A copy of a text that ends with a zero. */
OLIVINE_C_API olivine_string olivine_string_new_data(const char* str);
OLIVINE_C_API int olivine_string_set(olivine_string* str, const olivine_string src);
/* Never null: "" for an empty handle. */
OLIVINE_C_API const char* olivine_string_data(olivine_string str);
OLIVINE_C_API int olivine_string_free(olivine_string str);

OLIVINE_C_API int olivine_version(olivine_string* str);

#endif
