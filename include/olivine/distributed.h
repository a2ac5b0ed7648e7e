// Groups of processes and the operations among them. This build has no transport between processes:
// a group is one process, whose collective operations give their input.
#pragma once

#include <optional>
#include <string>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine::distributed {

// Processes that work together.
class OLIVINE_API Group {
 public:
  int rank() const { return 0; }
  int size() const { return 1; }
  // The part of the group that gives the same color, ordered by key; a group of one has no parts.
  Group split(int color, int key = -1) const;
  bool operator==(const Group&) const = default;
};

// Whether processes can be joined by this backend ("any", "mpi", "ring", "nccl" or "jaccl").
OLIVINE_API bool is_available(const std::string& backend = "any");
// All processes that were started together; without a transport a group of one, or, if `strict`,
// std::runtime_error.
OLIVINE_API Group init(bool strict = false, const std::string& backend = "any");

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
