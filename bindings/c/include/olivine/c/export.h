/* Functions as files: traced once per signature, run anywhere without their source. */
#ifndef OLIVINE_C_EXPORT_H
#define OLIVINE_C_EXPORT_H

#include "olivine/c/closure.h"

/* Writes what `fun` does with inputs like these. `shapeless`: for inputs of other sizes too; an
 * error if it cannot be. */
OLIVINE_C_API int olivine_export_function(const char* file, const olivine_closure fun,
                                          const olivine_vector_array args, bool shapeless);
OLIVINE_C_API int olivine_export_function_kwargs(const char* file, const olivine_closure_kwargs fun,
                                                 const olivine_vector_array args,
                                                 const olivine_map_string_to_array kwargs,
                                                 bool shapeless);

/* Traces a function for several signatures, one per _apply. _free writes all of them into the file
 * in one step, and fails if that does. */
typedef struct olivine_function_exporter_ {
  void* ctx;
} olivine_function_exporter;
OLIVINE_C_API olivine_function_exporter olivine_function_exporter_new(const char* file,
                                                                      const olivine_closure fun,
                                                                      bool shapeless);
/* Of a function that takes named inputs. */
OLIVINE_C_API olivine_function_exporter olivine_function_exporter_new_kwargs(
    const char* file, const olivine_closure_kwargs fun, bool shapeless);
OLIVINE_C_API int olivine_function_exporter_free(olivine_function_exporter xfunc);
OLIVINE_C_API int olivine_function_exporter_apply(const olivine_function_exporter xfunc,
                                                  const olivine_vector_array args);
OLIVINE_C_API int olivine_function_exporter_apply_kwargs(const olivine_function_exporter xfunc,
                                                         const olivine_vector_array args,
                                                         const olivine_map_string_to_array kwargs);

/* What a file holds. Calls are lazy and compose with every transformation. */
typedef struct olivine_imported_function_ {
  void* ctx;
} olivine_imported_function;
OLIVINE_C_API olivine_imported_function olivine_imported_function_new(const char* file);
OLIVINE_C_API int olivine_imported_function_free(olivine_imported_function xfunc);
OLIVINE_C_API int olivine_imported_function_apply(olivine_vector_array* res,
                                                  const olivine_imported_function xfunc,
                                                  const olivine_vector_array args);
OLIVINE_C_API int olivine_imported_function_apply_kwargs(olivine_vector_array* res,
                                                         const olivine_imported_function xfunc,
                                                         const olivine_vector_array args,
                                                         const olivine_map_string_to_array kwargs);

#endif
