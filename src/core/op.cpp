// Op ids, and the rules that elementwise, linear and reduction records derive.
#include "core/op.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <set>
#include <unordered_map>

#include "core/checks.h"
#include "core/error.h"
#include "core/node.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "ops/broadcasting.h"
#include "runtime/process_locks.h"

namespace olivine {
namespace {

// Under their lock.
struct Names {
  std::unordered_map<std::string_view, int> ids;
  std::deque<std::string> names;
  std::set<std::string> of_files;
};
Names& names() {
  static constinit Names* made = nullptr;  // outlives every static destructor
  if (!made) made = new Names;
  return *made;
}

}  // namespace

int op_id(std::string_view name) {
  std::lock_guard lock(process_lock(Lock::names));
  Names& n = names();
  if (auto it = n.ids.find(name); it != n.ids.end()) return it->second;
  int id = static_cast<int>(n.names.size());
  n.ids.emplace(n.names.emplace_back(name), id);
  return id;
}

const char* op_name(int id) {
  std::lock_guard lock(process_lock(Lock::names));
  Names& n = names();
  return n.names[id].c_str();
}

std::string_view fields::kept_name(FieldReader& r, const std::string& name) {
  auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  if (name.size() > 32 || !std::all_of(name.begin(), name.end(), plain)) r.bad_name();
  // Not more than there could be functions: files of made-up names must not use up memory, nor
  // numbers of ops. Errors then name the op instead.
  constexpr size_t kMost = 1000;
  std::lock_guard lock(process_lock(Lock::names));
  std::set<std::string>& kept = names().of_files;
  auto it = kept.find(name);
  if (it == kept.end() && kept.size() < kMost) it = kept.insert(name).first;
  return it == kept.end() ? std::string_view() : *it;
}

int Op::assign_id() const {
  int id = op_id(name);
  id_.value.store(id, std::memory_order_release);
  return id;
}

namespace {

// The list of records. Records are static objects of many files, so it must need no constructor.
constinit Op::Id* records = nullptr;
// The list sorted by name; empty if records came or went since.
constinit std::vector<const Op*>* sorted_records = nullptr;

const Op* op_of(const Op::Id* id) {
  return reinterpret_cast<const Op*>(reinterpret_cast<const char*>(id) - offsetof(Op, id_));
}

}  // namespace

// Touches no other record: those of other files may not be touched while objects are initialized.
void Op::Id::enter() {
  std::lock_guard lock(process_lock(Lock::records));
  next = records;
  records = this;
  if (sorted_records) sorted_records->clear();
}
void Op::Id::leave() {
  std::lock_guard lock(process_lock(Lock::records));
  Op::Id** link = &records;
  while (*link && *link != this) link = &(*link)->next;
  if (*link) *link = next;
  if (sorted_records) sorted_records->clear();
}

std::vector<const Op*> all_ops() {
  std::lock_guard lock(process_lock(Lock::records));
  if (!sorted_records) sorted_records = new std::vector<const Op*>;  // outlives every record
  std::vector<const Op*>& ops = *sorted_records;
  if (ops.empty()) {
    for (Op::Id* id = records; id; id = id->next) ops.push_back(op_of(id));
    std::sort(ops.begin(), ops.end(),
              [](const Op* a, const Op* b) { return std::strcmp(a->name, b->name) < 0; });
  }
  return ops;
}

namespace {

Shape broadcast_all(std::span<const array> in) {
  Shape shape = in[0].shape();
  for (size_t i = 1; i < in.size(); ++i) shape = broadcast_shapes(shape, in[i].shape());
  return shape;
}

}  // namespace

std::vector<OutSpec> infer_elementwise(const ParamsRef&, std::span<const array> in) {
  return {{broadcast_all(in), in.back().dtype()}};
}
std::vector<OutSpec> infer_elementwise_bool(const ParamsRef&, std::span<const array> in) {
  return {{broadcast_all(in), bool_}};
}
std::vector<OutSpec> infer_elementwise_real(const ParamsRef&, std::span<const array> in) {
  return {{broadcast_all(in), real_type(in.back().dtype())}};
}

MaybeArrays vjp_elementwise(const VjpCall& c) {
  MaybeArrays out(c.in.size());
  if (!c.op.linear) return out;
  for (size_t i = 0; i < c.in.size(); ++i) {
    if (!c.wanted[i]) continue;
    // The gradient of a real loss points uphill: the adjoint of the derivative, not its transpose.
    bool complex = is_complexfloating(c.in[i].dtype()) && is_complexfloating(c.out[0].dtype());
    array ct = complex ? conjugate(c.ct[0]) : c.ct[0];
    if (auto d = c.op.linear(static_cast<int>(i), ct, c.in, c.out[0])) {
      out[i] = sum_to(complex ? conjugate(*d) : *d, c.in[i].shape());
    }
  }
  return out;
}

MaybeArrays jvp_elementwise(const JvpCall& c) {
  MaybeArray total;
  if (!c.op.linear) return {total};
  for (size_t i = 0; i < c.in.size(); ++i) {
    if (!c.tangent[i]) continue;
    auto d = c.op.linear(static_cast<int>(i), *c.tangent[i], c.in, c.out[0]);
    if (d) total = total ? add(*total, *d) : *d;
  }
  if (total && total->shape() != c.out[0].shape()) total = broadcast_to(*total, c.out[0].shape());
  return {total};
}

// Batched inputs get the batch axis in front of the result's rank; the rest broadcast as they are.
VmapResult vmap_elementwise(const VmapCall& c) {
  int rank = 0;
  for (size_t i = 0; i < c.in.size(); ++i) {
    rank = std::max(rank, c.in[i].ndim() - (c.axes[i] >= 0 ? 1 : 0));
  }
  Arrays in;
  for (size_t i = 0; i < c.in.size(); ++i) {
    if (c.axes[i] < 0) {
      in.push_back(c.in[i]);
      continue;
    }
    array a = moveaxis(c.in[i], c.axes[i], 0);
    if (a.ndim() - 1 < rank) {
      Shape shape(size_t(rank) + 1, 1);
      shape[0] = a.shape()[0];
      std::copy(a.shape().begin() + 1, a.shape().end(), shape.end() - (a.ndim() - 1));
      a = reshape(a, shape);
    }
    in.push_back(a);
  }
  return {emit(c.op, c.params, in), {0}};
}

MaybeArrays jvp_linear(const JvpCall& c) {
  Arrays in;
  for (size_t i = 0; i < c.in.size(); ++i) {
    in.push_back(c.tangent[i] ? *c.tangent[i] : zeros_like(c.in[i]));
  }
  MaybeArrays out;
  for (auto& a : emit(c.op, c.params, in)) out.emplace_back(std::move(a));
  return out;
}

VmapResult vmap_reduction(const VmapCall& c) {
  Arrays in;
  for (size_t i = 0; i < c.in.size(); ++i) {
    in.push_back(c.axes[i] < 0 ? c.in[i] : moveaxis(c.in[i], c.axes[i], 0));
  }
  auto axes = c.params.as<ReduceParams>().axes;
  for (int& a : axes) ++a;
  Arrays out = emit(c.op, make_params(ReduceParams{axes}), in);
  return {out, std::vector<int>(out.size(), 0)};
}

void check_reduction(const CheckCall& c) {
  expect_inputs(c, 1);
  expect_axes(c, c.params.as<ReduceParams>().axes, c.in[0].ndim(), true);
}

}  // namespace olivine
