// The C API of groups of processes and the operations among them.
#include "olivine/c/distributed.h"

#include "handles.h"
#include "olivine/distributed.h"

using namespace olivine;
using c::get;
using c::guarded;
using distributed::Group;

namespace olivine::c {
OLIVINE_C_HELD(olivine_distributed_group, Group);
}  // namespace olivine::c

namespace {

std::optional<Group> maybe(olivine_distributed_group g) {
  return g.ctx ? std::optional(*c::pointer(g)) : std::nullopt;
}
Group group_of(olivine_distributed_group g) { return g.ctx ? *c::pointer(g) : distributed::init(); }
std::string backend(const char* name) { return name ? name : "any"; }

using Collective = array (*)(const array&, const std::optional<Group>&, StreamOrDevice);
int collective(Collective f, olivine_array* res, olivine_array x, olivine_distributed_group group,
               olivine_stream s) {
  return guarded([&] { c::set(res, f(get(x), maybe(group), get(s))); });
}

}  // namespace

olivine_distributed_group olivine_distributed_group_new(void) { return {nullptr}; }
int olivine_distributed_group_free(olivine_distributed_group group) { return c::release(group); }
int olivine_distributed_init(olivine_distributed_group* res, bool strict, const char* bk) {
  return guarded([&] { c::set(res, distributed::init(strict, backend(bk))); });
}
int olivine_distributed_group_rank(olivine_distributed_group group) {
  return group_of(group).rank();
}
int olivine_distributed_group_size(olivine_distributed_group group) {
  return group_of(group).size();
}
int olivine_distributed_group_split(olivine_distributed_group* res, olivine_distributed_group group,
                                    int color, int key) {
  return guarded([&] { c::set(res, group_of(group).split(color, key)); });
}
bool olivine_distributed_is_available(const char* bk) {
  return c::value_of<bool>([&] { return distributed::is_available(backend(bk)); });
}

#define OLIVINE_C_COLLECTIVE(NAME)                                                                \
  int olivine_distributed_##NAME(olivine_array* res, const olivine_array x,                       \
                                 const olivine_distributed_group group, const olivine_stream s) { \
    return collective(distributed::NAME, res, x, group, s);                                       \
  }
OLIVINE_C_COLLECTIVE(all_gather)
OLIVINE_C_COLLECTIVE(all_max)
OLIVINE_C_COLLECTIVE(all_min)
OLIVINE_C_COLLECTIVE(all_sum)
OLIVINE_C_COLLECTIVE(sum_scatter)
#undef OLIVINE_C_COLLECTIVE

int olivine_distributed_recv(olivine_array* res, const int* shape, size_t shape_num,
                             olivine_dtype dtype, int src, const olivine_distributed_group group,
                             const olivine_stream s) {
  return guarded([&] {
    c::expect_values(shape, shape_num, "recv");
    Shape sizes = shape_num ? Shape(shape, shape + shape_num) : Shape();
    c::set(res, distributed::recv(sizes, get(dtype), src, maybe(group), get(s)));
  });
}
int olivine_distributed_recv_like(olivine_array* res, const olivine_array x, int src,
                                  const olivine_distributed_group group, const olivine_stream s) {
  return guarded([&] { c::set(res, distributed::recv_like(get(x), src, maybe(group), get(s))); });
}
int olivine_distributed_send(olivine_array* res, const olivine_array x, int dst,
                             const olivine_distributed_group group, const olivine_stream s) {
  return guarded([&] { c::set(res, distributed::send(get(x), dst, maybe(group), get(s))); });
}
