/* Processes that work together. This build has no transport between processes: a group is one. */
#ifndef OLIVINE_C_DISTRIBUTED_GROUP_H
#define OLIVINE_C_DISTRIBUTED_GROUP_H

#include "olivine/c/types.h"

/* An empty handle means all processes that were started together. */
typedef struct olivine_distributed_group_ {
  void* ctx;
} olivine_distributed_group;
OLIVINE_C_API olivine_distributed_group olivine_distributed_group_new(void);
OLIVINE_C_API int olivine_distributed_group_free(olivine_distributed_group group);
/* All processes that were started together; without a transport a group of one, or, if `strict`, an
 * error. bk: "any" (also if null), "mpi", "ring", "nccl" or "jaccl". */
OLIVINE_C_API int olivine_distributed_init(olivine_distributed_group* res, bool strict,
                                           const char* bk /* may be null */);
OLIVINE_C_API int olivine_distributed_group_rank(olivine_distributed_group group);
OLIVINE_C_API int olivine_distributed_group_size(olivine_distributed_group group);
/* The part of the group that gives the same color, ordered by key. */
OLIVINE_C_API int olivine_distributed_group_split(olivine_distributed_group* res,
                                                  olivine_distributed_group group, int color,
                                                  int key);
OLIVINE_C_API bool olivine_distributed_is_available(const char* bk /* may be null */);

#endif
