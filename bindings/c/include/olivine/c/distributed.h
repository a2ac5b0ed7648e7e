/* Operations among the processes of a group. */
#ifndef OLIVINE_C_DISTRIBUTED_H
#define OLIVINE_C_DISTRIBUTED_H

#include "olivine/c/array.h"
#include "olivine/c/distributed_group.h"

/* Everybody's array, joined along the first axis. */
OLIVINE_C_API int olivine_distributed_all_gather(
    olivine_array* res, const olivine_array x,
    const olivine_distributed_group group /* may be null */, const olivine_stream S);
/* Elementwise maximum, minimum and sum over the group. */
OLIVINE_C_API int olivine_distributed_all_max(
    olivine_array* res, const olivine_array x,
    const olivine_distributed_group group /* may be null */, const olivine_stream s);
OLIVINE_C_API int olivine_distributed_all_min(
    olivine_array* res, const olivine_array x,
    const olivine_distributed_group group /* may be null */, const olivine_stream s);
OLIVINE_C_API int olivine_distributed_all_sum(
    olivine_array* res, const olivine_array x,
    const olivine_distributed_group group /* may be null */, const olivine_stream s);
/* Messages between two processes of a group; a group of one has no partner. */
OLIVINE_C_API int olivine_distributed_recv(olivine_array* res, const int* shape, size_t shape_num,
                                           olivine_dtype dtype, int src,
                                           const olivine_distributed_group group /* may be null */,
                                           const olivine_stream s);
OLIVINE_C_API int olivine_distributed_recv_like(
    olivine_array* res, const olivine_array x, int src,
    const olivine_distributed_group group /* may be null */, const olivine_stream s);
OLIVINE_C_API int olivine_distributed_send(olivine_array* res, const olivine_array x, int dst,
                                           const olivine_distributed_group group /* may be null */,
                                           const olivine_stream s);
/* The sum over the group, of which each process gets one equal part of the first axis. */
OLIVINE_C_API int olivine_distributed_sum_scatter(
    olivine_array* res, const olivine_array x,
    const olivine_distributed_group group /* may be null */, const olivine_stream s);

#endif
