/* Graphs of arrays that are not yet computed, as text for people and for Graphviz. */
#ifndef OLIVINE_C_GRAPH_UTILS_H
#define OLIVINE_C_GRAPH_UTILS_H

#include <stdio.h>

#include "olivine/c/array.h"
#include "olivine/c/vector.h"

/* Names of arrays: given ones, else A, B, C ... in the order of asking. A name stays valid until
 * the array gets another one or the namer is freed. An empty namer gives such names anew. */
typedef struct olivine_node_namer_ {
  void* ctx;
} olivine_node_namer;
OLIVINE_C_API olivine_node_namer olivine_node_namer_new(void);
OLIVINE_C_API int olivine_node_namer_free(olivine_node_namer namer);
OLIVINE_C_API int olivine_node_namer_set_name(olivine_node_namer namer, const olivine_array arr,
                                              const char* name);
OLIVINE_C_API int olivine_node_namer_get_name(const char** name, olivine_node_namer namer,
                                              const olivine_array arr);

/* Boxes are ops, ellipses are inputs and outputs. */
OLIVINE_C_API int olivine_export_to_dot(FILE* os, const olivine_node_namer namer,
                                        const olivine_vector_array outputs);
/* One line per op: what it reads, its name, what it makes. */
OLIVINE_C_API int olivine_print_graph(FILE* os, const olivine_node_namer namer,
                                      const olivine_vector_array outputs);

#endif
