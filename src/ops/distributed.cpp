// Groups of processes, and the operations among them as primitives that call the group's transport.
#include "olivine/distributed.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <stdexcept>

#include "core/error.h"
#include "core/size.h"
#include "olivine/allocator.h"
#include "olivine/distributed_impl.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/shape.h"
#include "olivine/primitive.h"
#include "olivine/transforms_impl.h"
#include "runtime/process_locks.h"

namespace olivine::distributed {
namespace {

using Arrays = std::vector<array>;

constexpr std::array kBackends = {"any", "mpi", "ring", "nccl", "jaccl"};

bool known(const std::string& backend) {
  return std::find(kBackends.begin(), kBackends.end(), backend) != kBackends.end();
}

[[noreturn]] void no_partner(const char* op, int rank) {
  fail("[", op, "] expected another process of the group; got rank ", rank,
       " in a group of one process");
}

// ---- A process alone.
class Alone final : public detail::GroupImpl {
 public:
  Stream communication_stream(StreamOrDevice s) override { return to_stream(s); }
  int rank() override { return 0; }
  int size() override { return 1; }
  std::shared_ptr<GroupImpl> split(int color, int) override {
    fail<std::runtime_error>("[split] expected a group of several processes; got one, for color ",
                             color);
  }
  void all_sum(const array& in, array& out, Stream) override { out.copy_shared_buffer(in); }
  void all_gather(const array& in, array& out, Stream) override {
    array flat = reshape(in, out.shape());  // a value without axes becomes one of one element
    flat.eval();
    out.copy_shared_buffer(flat);
  }
  void send(const array&, int dst, Stream) override { no_partner("send", dst); }
  void recv(array&, int src, Stream) override { no_partner("recv", src); }
  void all_max(const array& in, array& out, Stream) override { out.copy_shared_buffer(in); }
  void all_min(const array& in, array& out, Stream) override { out.copy_shared_buffer(in); }
  void sum_scatter(const array& in, array& out, Stream) override { out.copy_shared_buffer(in); }
};

const std::shared_ptr<detail::GroupImpl>& alone() {
  std::lock_guard lock(process_lock(Lock::records));
  static auto* impl = new std::shared_ptr<detail::GroupImpl>(std::make_shared<Alone>());
  return *impl;  // never destroyed
}

}  // namespace

detail::GroupImpl::~GroupImpl() = default;

Group::Group(std::shared_ptr<detail::GroupImpl> group) : impl_(std::move(group)) {
  if (!impl_) fail("[Group] expected a transport; got none");
  if (impl_ == alone()) impl_ = nullptr;
}
int Group::rank() const { return raw_group()->rank(); }
int Group::size() const { return raw_group()->size(); }
Group Group::split(int color, int key) const { return Group(raw_group()->split(color, key)); }
const std::shared_ptr<detail::GroupImpl>& Group::raw_group() const {
  return impl_ ? impl_ : alone();
}

bool is_available(const std::string&) { return false; }

Group init(bool strict, const std::string& backend) {
  if (!known(backend)) {
    fail("[init] expected backend 'any', 'mpi', 'ring', 'nccl' or 'jaccl'; got '", backend, "'");
  }
  if (strict) {
    fail<std::runtime_error>(
        "[init] expected a transport between processes for strict=True; got "
        "none for backend '",
        backend, "' in this build");
  }
  return {};
}
Group init(bool strict, const std::string& backend, AllGatherFactory) {
  return init(strict, backend);
}

// ---- The transport's operations.
namespace detail {

Stream communication_stream(Group group, StreamOrDevice s) {
  return group.raw_group()->communication_stream(s);
}
void all_sum(Group group, const array& input, array& output, Stream stream) {
  group.raw_group()->all_sum(input, output, stream);
}
void all_gather(Group group, const array& input, array& output, Stream stream) {
  group.raw_group()->all_gather(input, output, stream);
}
void send(Group group, const array& input, int dst, Stream stream) {
  group.raw_group()->send(input, dst, stream);
}
void recv(Group group, array& out, int src, Stream stream) {
  group.raw_group()->recv(out, src, stream);
}
void all_max(Group group, const array& input, array& output, Stream stream) {
  group.raw_group()->all_max(input, output, stream);
}
void all_min(Group group, const array& input, array& output, Stream stream) {
  group.raw_group()->all_min(input, output, stream);
}
void sum_scatter(Group group, const array& input, array& output, Stream stream) {
  group.raw_group()->sum_scatter(input, output, stream);
}

}  // namespace detail

// ---- As primitives.
namespace {

// One that calls the transport with its input, row-contiguous, and an output in memory of its own.
class Collective : public UnaryPrimitive {
 public:
  using Call = void (detail::GroupImpl::*)(const array&, array&, Stream);
  Collective(Stream s, Group group, const char* name, Call call)
      : UnaryPrimitive(s), group_(std::move(group)), name_(name), call_(call) {}

  const char* name() const override { return name_; }
  using UnaryPrimitive::eval_cpu;
  void eval_cpu(const Arrays& inputs, array& output) override {
    output.set_data(allocator::malloc(output.nbytes()));
    array input = inputs[0].is_row_contiguous() ? inputs[0] : contiguous(inputs[0]);
    input.eval();
    ((*group_.raw_group()).*call_)(input, output, stream());
  }

 protected:
  const Group& group() const { return group_; }

 private:
  Group group_;
  const char* name_;
  Call call_;
};

// Where an input is the extreme that all processes together have.
array attained(const array& x, const array& extreme, Stream s) {
  return astype(equal(x, extreme, s), x.dtype(), s);
}

class Reduction final : public Collective {
 public:
  using Function = array (*)(const array&, const std::optional<Group>&, StreamOrDevice);
  Reduction(Stream s, Group group, const char* name, Call call, Function again)
      : Collective(s, std::move(group), name, call), again_(again) {}

  // Each process differentiates its own part: of a sum, the cotangent as it is.
  Arrays vjp(const Arrays& primals, const Arrays& cotangents, const std::vector<int>&,
             const Arrays& outputs) override {
    if (again_ == distributed::all_sum) return cotangents;
    return {multiply(cotangents[0], attained(primals[0], outputs[0], stream()), stream())};
  }
  // The tangent of the process that has the extreme; the mean of them where several do.
  Arrays jvp(const Arrays& primals, const Arrays& tangents, const std::vector<int>&) override {
    if (again_ == distributed::all_sum) return {again_(tangents[0], group(), stream())};
    array own = attained(primals[0], again_(primals[0], group(), stream()), stream());
    array sum = distributed::all_sum(multiply(own, tangents[0], stream()), group(), stream());
    return {divide(sum, distributed::all_sum(own, group(), stream()), stream())};
  }
  std::pair<Arrays, std::vector<int>> vmap(const Arrays& inputs,
                                           const std::vector<int>& axes) override {
    return {{again_(inputs[0], group(), stream())}, axes};
  }
  std::vector<Shape> output_shapes(const Arrays& inputs) override { return {inputs[0].shape()}; }

 private:
  Function again_;
};

// The batch axis of an element's array behind its first axis, which it has from now on.
array batch_second(const array& x, int axis) {
  return x.ndim() == 1 ? expand_dims(x, 0) : moveaxis(x, axis, 1);
}

class Gathering final : public Collective {
 public:
  Gathering(Stream s, Group group)
      : Collective(s, std::move(group), "all_gather", &detail::GroupImpl::all_gather) {}
  Arrays vjp(const Arrays& primals, const Arrays& cotangents, const std::vector<int>&,
             const Arrays&) override {
    const Shape& shape = primals[0].shape();
    Shape start(std::max<size_t>(shape.size(), 1), 0), stop = shape;
    if (stop.empty()) stop.push_back(1);
    start[0] = stop[0] * group().rank();
    stop[0] += start[0];
    return {reshape(slice(cotangents[0], start, stop, stream()), shape, stream())};
  }
  Arrays jvp(const Arrays&, const Arrays& tangents, const std::vector<int>&) override {
    return {all_gather(tangents[0], group(), stream())};
  }
  std::pair<Arrays, std::vector<int>> vmap(const Arrays& inputs,
                                           const std::vector<int>& axes) override {
    return {{all_gather(batch_second(inputs[0], axes[0]), group(), stream())}, {1}};
  }
};

class Scattering final : public Collective {
 public:
  Scattering(Stream s, Group group)
      : Collective(s, std::move(group), "sum_scatter", &detail::GroupImpl::sum_scatter) {}
  Arrays vjp(const Arrays&, const Arrays& cotangents, const std::vector<int>&,
             const Arrays&) override {
    return {all_gather(cotangents[0], group(), stream())};
  }
  Arrays jvp(const Arrays&, const Arrays& tangents, const std::vector<int>&) override {
    return {sum_scatter(tangents[0], group(), stream())};
  }
  std::pair<Arrays, std::vector<int>> vmap(const Arrays& inputs,
                                           const std::vector<int>& axes) override {
    return {{sum_scatter(batch_second(inputs[0], axes[0]), group(), stream())}, {1}};
  }
};

// A message to another process, which gives what was sent; or from one.
class Message final : public UnaryPrimitive {
 public:
  Message(Stream s, Group group, int partner, bool sends)
      : UnaryPrimitive(s), group_(std::move(group)), partner_(partner), sends_(sends) {}
  const char* name() const override { return sends_ ? "send" : "recv"; }
  using UnaryPrimitive::eval_cpu;
  void eval_cpu(const Arrays& inputs, array& output) override {
    if (!sends_) {
      output.set_data(allocator::malloc(output.nbytes()));
      return group_.raw_group()->recv(output, partner_, stream());
    }
    array input = inputs[0].is_row_contiguous() ? inputs[0] : contiguous(inputs[0]);
    input.eval();
    group_.raw_group()->send(input, partner_, stream());
    output.copy_shared_buffer(input);
  }
  // A batch is one message.
  std::pair<Arrays, std::vector<int>> vmap(const Arrays& inputs,
                                           const std::vector<int>& axes) override {
    if (!sends_) return Primitive::vmap(inputs, axes);
    return {{distributed::send(inputs[0], partner_, group_, stream())}, axes};
  }

 private:
  Group group_;
  int partner_;
  bool sends_;
};

Group group_or_all(const std::optional<Group>& group) { return group ? *group : Group(); }

array reduced(const array& x, const std::optional<Group>& group, StreamOrDevice s, const char* name,
              Collective::Call call, Reduction::Function again) {
  Group g = group_or_all(group);
  if (g.size() == 1) return copy(x, s);
  Stream stream = detail::communication_stream(g, s);
  return array(x.shape(), x.dtype(), std::make_shared<Reduction>(stream, g, name, call, again),
               {x});
}

Group partners(const char* op, const std::optional<Group>& group, int rank) {
  Group g = group_or_all(group);
  if (g.size() == 1) no_partner(op, rank);
  if (rank < 0 || rank >= g.size()) {
    fail("[", op, "] expected a rank from 0 to ", g.size() - 1, "; got ", rank);
  }
  return g;
}

}  // namespace

array all_sum(const array& x, const std::optional<Group>& group, StreamOrDevice s) {
  return reduced(x, group, s, "all_sum", &detail::GroupImpl::all_sum, all_sum);
}
array all_max(const array& x, const std::optional<Group>& group, StreamOrDevice s) {
  return reduced(x, group, s, "all_max", &detail::GroupImpl::all_max, all_max);
}
array all_min(const array& x, const std::optional<Group>& group, StreamOrDevice s) {
  return reduced(x, group, s, "all_min", &detail::GroupImpl::all_min, all_min);
}

array all_gather(const array& x, const std::optional<Group>& group, StreamOrDevice s) {
  Group g = group_or_all(group);
  if (g.size() == 1) return copy(x, s);
  Shape shape = x.shape();
  if (shape.empty()) shape.push_back(1);
  shape[0] = checked_mul(shape[0], g.size(), "all_gather");
  Stream stream = detail::communication_stream(g, s);
  return array(shape, x.dtype(), std::make_shared<Gathering>(stream, g), {x});
}

array sum_scatter(const array& x, const std::optional<Group>& group, StreamOrDevice s) {
  Group g = group_or_all(group);
  if (g.size() == 1) return copy(x, s);
  Shape shape = x.shape();
  if (shape.empty() || shape[0] % g.size() != 0) {
    fail("[sum_scatter] expected a first axis that ", g.size(), " processes divide; got shape ",
         shape);
  }
  shape[0] /= g.size();
  Stream stream = detail::communication_stream(g, s);
  return array(shape, x.dtype(), std::make_shared<Scattering>(stream, g), {x});
}

array send(const array& x, int dst, const std::optional<Group>& group, StreamOrDevice s) {
  Group g = partners("send", group, dst);
  Stream stream = detail::communication_stream(g, s);
  return array(x.shape(), x.dtype(), std::make_shared<Message>(stream, g, dst, true), {x});
}
array recv(const Shape& shape, Dtype dtype, int src, const std::optional<Group>& group,
           StreamOrDevice s) {
  Group g = partners("recv", group, src);
  Stream stream = detail::communication_stream(g, s);
  array message(shape, dtype, std::make_shared<Message>(stream, g, src, false), {});
  // Part of the function that is traced, not a constant: each call of a compiled one receives.
  if (olivine::detail::in_tracing()) message.set_tracer(true);
  return message;
}
array recv_like(const array& x, int src, const std::optional<Group>& group, StreamOrDevice s) {
  return recv(x.shape(), x.dtype(), src, partners("recv_like", group, src), s);
}

}  // namespace olivine::distributed
