/* Dtypes: promotion, categories and limits; and how arrays are printed. */
#ifndef OLIVINE_C_DTYPE_H
#define OLIVINE_C_DTYPE_H

#include "olivine/c/types.h"
#include "olivine/c/vector.h"

/* The dtype of an operation on arrays, of which there is at least one, or on two dtypes. */
OLIVINE_C_API int olivine_result_type(olivine_dtype* res, const olivine_vector_array arrays);
OLIVINE_C_API int olivine_promote_types(olivine_dtype* res, olivine_dtype a, olivine_dtype b);
/* Whether promotion ever leads from one dtype to the other. */
OLIVINE_C_API int olivine_can_cast(bool* res, olivine_dtype from, olivine_dtype to);

/* Groups of dtypes; generic holds number, which holds integer and inexact, and so on. */
typedef enum olivine_dtype_category_ OLIVINE_C_INT {
  OLIVINE_COMPLEXFLOATING,
  OLIVINE_FLOATING,
  OLIVINE_INEXACT,
  OLIVINE_SIGNEDINTEGER,
  OLIVINE_UNSIGNEDINTEGER,
  OLIVINE_INTEGER,
  OLIVINE_NUMBER,
  OLIVINE_GENERIC
} olivine_dtype_category;
/* Whether a dtype, or a category, lies under a category. */
OLIVINE_C_API int olivine_issubdtype(bool* res, olivine_dtype dtype,
                                     olivine_dtype_category category);
OLIVINE_C_API int olivine_issubdtype_category(bool* res, olivine_dtype_category a,
                                              olivine_dtype_category b);
/* Whether a dtype is of a kind of the array API standard: "bool", "signed integer",
 * "unsigned integer", "integral", "real floating", "complex floating" or "numeric". */
OLIVINE_C_API int olivine_isdtype(bool* res, olivine_dtype dtype, const char* kind);

/* The limits of a floating dtype (for a complex one, those of its parts) and of an integer dtype.
 */
typedef struct olivine_finfo_ {
  int bits;
  double min;
  double max;
  double eps;
  double smallest_normal;
} olivine_finfo;
typedef struct olivine_iinfo_ {
  int bits;
  int64_t min;
  uint64_t max;
} olivine_iinfo;
OLIVINE_C_API int olivine_finfo_get(olivine_finfo* res, olivine_dtype dtype);
OLIVINE_C_API int olivine_iinfo_get(olivine_iinfo* res, olivine_dtype dtype);

/* How all arrays of the program are printed; precision -1 stands for the shortest usual form. */
typedef struct olivine_printoptions_ {
  int precision; /* digits after the point */
} olivine_printoptions;
OLIVINE_C_API int olivine_get_printoptions(olivine_printoptions* res);
OLIVINE_C_API int olivine_set_printoptions(olivine_printoptions options);

#endif
