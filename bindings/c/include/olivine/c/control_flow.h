/* Loops and branches that are part of the graph. Their closures are called once, while a function
 * here runs: to trace what they do. A carry is what one step hands to the next; it keeps its shapes
 * and dtypes. */
#ifndef OLIVINE_C_CONTROL_FLOW_H
#define OLIVINE_C_CONTROL_FLOW_H

#include "olivine/c/closure.h"

/* The last carry, and the ys stacked. `body` gets the arrays of the carry, then a slice of each of
 * the xs; it gives the carry, then the ys. length: the number of steps where there are no xs, else
 * 0. checkpoint: of which steps the gradient keeps the carry (every n-th; 0: all; -1: about the
 * square root of the length). */
OLIVINE_C_API int olivine_scan(olivine_vector_array* res_0, olivine_vector_array* res_1,
                               const olivine_closure body, const olivine_vector_array init,
                               const olivine_vector_array xs, int64_t length, bool reverse,
                               int64_t checkpoint);
/* `body` gets an index from lower to upper - 1, then the carry. */
OLIVINE_C_API int olivine_fori_loop(olivine_vector_array* res, int64_t lower, int64_t upper,
                                    const olivine_closure body, const olivine_vector_array init,
                                    int64_t checkpoint);
/* As long as `condition` gives one true bool. max_steps: 0 for any number. */
OLIVINE_C_API int olivine_while_loop(olivine_vector_array* res, const olivine_closure condition,
                                     const olivine_closure body, const olivine_vector_array init,
                                     int64_t max_steps);
/* What one of two functions makes of the operands; only that one runs. */
OLIVINE_C_API int olivine_cond(olivine_vector_array* res, const olivine_array predicate,
                               const olivine_closure if_true, const olivine_closure if_false,
                               const olivine_vector_array operands);
/* What branch number `index`, or the nearest, makes of the operands. */
OLIVINE_C_API int olivine_switch(olivine_vector_array* res, const olivine_array index,
                                 const olivine_closure* branches, size_t branches_num,
                                 const olivine_vector_array operands);
/* `fun` of every slice of the xs, stacked; of batch_size slices at once unless that is 0. */
OLIVINE_C_API int olivine_map(olivine_vector_array* res, const olivine_closure fun,
                              const olivine_vector_array xs, int64_t batch_size);

#endif
