// Groups of processes and the operations among them. This build has no transport between processes:
// init() gives a group of one, whose collective operations give their input. A program may bring
// its own transport (distributed_impl.h), and join processes by that.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine::distributed {

namespace detail {
class GroupImpl;
}

// Processes that work together.
class OLIVINE_API Group {
 public:
  // This process alone.
  Group() = default;
  // Those that a transport joins.
  Group(std::shared_ptr<detail::GroupImpl> group);

  int rank() const;
  int size() const;
  // The part of the group that gives the same color, ordered by key; a group of one has no parts.
  Group split(int color, int key = -1) const;
  const std::shared_ptr<detail::GroupImpl>& raw_group() const;
  bool operator==(const Group&) const = default;

 private:
  std::shared_ptr<detail::GroupImpl> impl_;  // null: this process alone
};

// Whether processes can be joined by this backend ("any", "mpi", "ring", "nccl" or "jaccl").
OLIVINE_API bool is_available(const std::string& backend = "any");
// All processes that were started together; without a transport a group of one, or, if `strict`,
// std::runtime_error.
OLIVINE_API Group init(bool strict = false, const std::string& backend = "any");
// The same for a backend whose processes find each other by what `factory` makes for a rank and a
// size: it gives everybody the bytes of all. None of this build's needs it.
using AllGatherFn = std::function<void(const char* mine, char* all, size_t bytes)>;
using AllGatherFactory = std::function<AllGatherFn(int rank, int size)>;
OLIVINE_API Group init(bool strict, const std::string& backend, AllGatherFactory factory);
// Forgets the groups that init() made; groups of one keep nothing.
inline void clear_backends() {}

// Of a group that a transport joins, the operations run when their results are evaluated, each
// process's in the order of its graph; each call of a compiled function receives anew.
//
// Elementwise sum, maximum and minimum over the group.
OLIVINE_API array all_sum(const array& x, const std::optional<Group>& group = std::nullopt,
                          StreamOrDevice s = {});
OLIVINE_API array all_max(const array& x, const std::optional<Group>& group = std::nullopt,
                          StreamOrDevice s = {});
OLIVINE_API array all_min(const array& x, const std::optional<Group>& group = std::nullopt,
                          StreamOrDevice s = {});
// Everybody's array, joined along the first axis.
OLIVINE_API array all_gather(const array& x, const std::optional<Group>& group = std::nullopt,
                             StreamOrDevice s = {});
// The sum over the group, of which each process gets one equal part of the first axis.
OLIVINE_API array sum_scatter(const array& x, const std::optional<Group>& group = std::nullopt,
                              StreamOrDevice s = {});
// Messages between two processes of a group; a group of one has no partner.
OLIVINE_API array send(const array& x, int dst, const std::optional<Group>& group = std::nullopt,
                       StreamOrDevice s = {});
OLIVINE_API array recv(const Shape& shape, Dtype dtype, int src,
                       const std::optional<Group>& group = std::nullopt, StreamOrDevice s = {});
OLIVINE_API array recv_like(const array& x, int src,
                            const std::optional<Group>& group = std::nullopt,
                            StreamOrDevice s = {});

}  // namespace olivine::distributed
