// What a transport between processes implements, to be given to a Group.
//
//   struct Wire : olivine::distributed::detail::GroupImpl { … };
//   olivine::distributed::Group group(std::make_shared<Wire>(…));
//   array total = olivine::distributed::all_sum(x, group);
#pragma once

#include <memory>

#include "olivine/array.h"
#include "olivine/device.h"
#include "olivine/distributed.h"

namespace olivine::distributed::detail {

// The operations are called when their results are evaluated, on the evaluating thread, and return
// once they are done. Those of one evaluation follow one another; evaluations of several threads
// may come at the same time. Inputs are computed and row-contiguous; outputs have the right shape
// and memory of their own, to be filled. What one throws is the error of the evaluation.
class OLIVINE_API GroupImpl {
 public:
  GroupImpl() = default;
  GroupImpl(const GroupImpl&) = delete;
  GroupImpl& operator=(const GroupImpl&) = delete;
  virtual ~GroupImpl();

  // The stream of an operation that is asked for on stream `s`.
  virtual Stream communication_stream(StreamOrDevice s = {}) = 0;
  virtual int rank() = 0;
  virtual int size() = 0;
  virtual std::shared_ptr<GroupImpl> split(int color, int key = -1) = 0;

  virtual void all_sum(const array& input, array& output, Stream stream) = 0;
  virtual void all_gather(const array& input, array& output, Stream stream) = 0;
  virtual void send(const array& input, int dst, Stream stream) = 0;
  virtual void recv(array& out, int src, Stream stream) = 0;
  virtual void all_max(const array& input, array& output, Stream stream) = 0;
  virtual void all_min(const array& input, array& output, Stream stream) = 0;
  virtual void sum_scatter(const array& input, array& output, Stream stream) = 0;
};

// The same of a group; of one process, they give the input.
OLIVINE_API Stream communication_stream(Group group, StreamOrDevice s = {});
OLIVINE_API void all_sum(Group group, const array& input, array& output, Stream stream);
OLIVINE_API void all_gather(Group group, const array& input, array& output, Stream stream);
OLIVINE_API void send(Group group, const array& input, int dst, Stream stream);
OLIVINE_API void recv(Group group, array& out, int src, Stream stream);
OLIVINE_API void all_max(Group group, const array& input, array& output, Stream stream);
OLIVINE_API void all_min(Group group, const array& input, array& output, Stream stream);
OLIVINE_API void sum_scatter(Group group, const array& input, array& output, Stream stream);

}  // namespace olivine::distributed::detail
