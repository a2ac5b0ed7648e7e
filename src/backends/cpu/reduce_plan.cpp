// The loops of a reduction: normalizing and walking them.
#include "backends/cpu/reduce.h"

#include <algorithm>
#include <limits>

#include "core/op.h"

namespace olivine::cpu {
namespace {

int64_t step_rank(const LoopDim& d) {
  return d.in == 0 ? std::numeric_limits<int64_t>::max() : d.in;
}

// By insertion: there are few, and std::stable_sort allocates.
void sort_and_merge(LoopDim* dims, int& count) {
  for (int i = 1; i < count; ++i) {
    const LoopDim d = dims[i];
    int at = i;
    for (; at > 0 && step_rank(dims[at - 1]) < step_rank(d); --at) dims[at] = dims[at - 1];
    dims[at] = d;
  }
  int n = 0;
  for (int i = 0; i < count; ++i) {
    if (n > 0 && dims[n - 1].in == dims[i].in * dims[i].size &&
        dims[n - 1].out == dims[i].out * dims[i].size) {
      dims[n - 1] = {dims[n - 1].size * dims[i].size, dims[i].in, dims[i].out};
    } else {
      dims[n++] = dims[i];
    }
  }
  count = n;
}

}  // namespace

void plan_reduction(const KernelCall& call, int components, ReducePlan& plan) {
  const View& in = call.in[0];
  const View& out = call.out[0];
  const auto& axes = call.as<ReduceParams>().axes;
  plan.outputs = out.size() * components;
  for (int axis : axes) plan.length *= in.shape[axis];
  if (plan.outputs == 0 || plan.length == 0) return;
  size_t next_axis = 0;
  for (size_t i = 0; i < in.shape.size(); ++i) {
    bool reduced = next_axis < axes.size() && axes[next_axis] == static_cast<int>(i);
    if (reduced) ++next_axis;
    int64_t size = in.shape[i];
    if (size == 1) continue;
    LoopDim d{size, in.strides[i] * components, reduced ? 0 : out.strides[i] * components};
    if (d.in < 0) {
      plan.in_offset += d.in * (size - 1);
      plan.out_offset += d.out * (size - 1);
      d.in = -d.in;
      d.out = -d.out;
    }
    if (reduced) {
      plan.reduce[plan.reduced++] = d;
    } else {
      plan.keep[plan.kept++] = d;
    }
  }
  if (components > 1) plan.keep[plan.kept++] = {components, 1, 1};
  sort_and_merge(plan.keep, plan.kept);
  sort_and_merge(plan.reduce, plan.reduced);
}

void plan_along_axis(const KernelCall& call, ReducePlan& plan) {
  plan_reduction(call, 1, plan);
  if (plan.reduced == 0) plan.reduce[plan.reduced++] = {1, 0, 0};
  LoopDim& along = plan.reduce[0];
  int64_t step = call.in[0].strides[call.as<ReduceParams>().axes[0]];
  if (along.size > 1 && step < 0) {
    plan.in_offset -= step * (along.size - 1);
    along.in = step;
  }
}

void axis_extents(const KernelCall& call, int64_t& outer, int64_t& n, int64_t& inner) {
  const int axis = call.as<ReduceParams>().axes[0];
  const Shape& shape = call.in[0].shape;
  outer = n = inner = 1;
  for (int i = 0; i < static_cast<int>(shape.size()); ++i) {
    (i < axis ? outer : i == axis ? n : inner) *= shape[i];
  }
}

LoopCursor::LoopCursor(const LoopDim* dims, int count, int64_t at) : dims(dims), count(count) {
  for (int d = count - 1; d >= 0; --d) {
    index[d] = at % dims[d].size;
    at /= dims[d].size;
    in += index[d] * dims[d].in;
    out += index[d] * dims[d].out;
  }
}

void LoopCursor::next() {
  for (int d = count - 1; d >= 0; --d) {
    in += dims[d].in;
    out += dims[d].out;
    if (++index[d] < dims[d].size) return;
    in -= dims[d].in * dims[d].size;
    out -= dims[d].out * dims[d].size;
    index[d] = 0;
  }
}

namespace {

struct Bytes16 {
  uint64_t a, b;
};

template <class T>
void pack_as(const void* from, int64_t step, int64_t n, void* to) {
  const T* f = static_cast<const T*>(from);
  T* t = static_cast<T*>(to);
  for (int64_t i = 0; i < n; ++i) t[i] = f[i * step];
}

}  // namespace

void pack(const void* from, int64_t step, int64_t n, void* to, int64_t size) {
  switch (size) {
    case 1:
      return pack_as<uint8_t>(from, step, n, to);
    case 2:
      return pack_as<uint16_t>(from, step, n, to);
    case 4:
      return pack_as<uint32_t>(from, step, n, to);
    case 8:
      return pack_as<uint64_t>(from, step, n, to);
    default:
      return pack_as<Bytes16>(from, step, n, to);
  }
}

}  // namespace olivine::cpu
