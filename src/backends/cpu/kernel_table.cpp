// The CPU's table of kernels and element-wise loops.
#include "backends/cpu/kernel_table.h"

#include "core/op.h"

namespace olivine::cpu {

KernelTable::Row& KernelTable::row(const char* op) {
  size_t id = static_cast<size_t>(op_id(op));
  if (id >= rows_.size()) rows_.resize(id + 1);
  return rows_[id];
}

void KernelTable::add(const char* op, Dtype dtype, Kernel k) {
  row(op).kernels[static_cast<size_t>(dtype.index())] = k;
}

void KernelTable::add_all(const char* op, std::initializer_list<Dtype> dtypes, Kernel k) {
  for (Dtype t : dtypes) add(op, t, k);
}

void KernelTable::add_loops(const char* op, Dtype dtype, Loops loops) {
  row(op).loops[static_cast<size_t>(dtype.index())] = loops;
}

void KernelTable::add_rounded_loops(const char* op, Loops loops) { row(op).rounded = loops; }

void KernelTable::add_rounding(Dtype half, Loops::Unary round, Loops::Unary narrow) {
  const bool b = half == bfloat16;
  rounding_[b] = {.v = round,
                  .arithmetic = b ? Arithmetic::round_bfloat16 : Arithmetic::round_float16};
  narrowing_[b] = {
      .v = narrow,
      .arithmetic = b ? Arithmetic::narrow_computed_bfloat16 : Arithmetic::narrow_float16};
}

const Kernel* KernelTable::kernel(int op, Dtype dtype) const {
  if (static_cast<size_t>(op) >= rows_.size()) return nullptr;
  const Kernel& k = rows_[static_cast<size_t>(op)].kernels[static_cast<size_t>(dtype.index())];
  return k.run || k.make ? &k : nullptr;
}

const Loops* KernelTable::loops(int op, Dtype dtype) const {
  if (static_cast<size_t>(op) >= rows_.size()) return nullptr;
  const Loops& l = rows_[static_cast<size_t>(op)].loops[static_cast<size_t>(dtype.index())];
  return l.v || l.vv || l.vvv ? &l : nullptr;
}

const Loops* KernelTable::rounded_loops(int op) const {
  if (static_cast<size_t>(op) >= rows_.size()) return nullptr;
  const Loops& l = rows_[static_cast<size_t>(op)].rounded;
  return l.v || l.vv ? &l : nullptr;
}

const Loops* KernelTable::half_loops(int op) const {
  if (static_cast<size_t>(op) >= rows_.size()) return nullptr;
  const Loops& l = rows_[static_cast<size_t>(op)].half;
  return l.v || l.vv ? &l : nullptr;
}

}  // namespace olivine::cpu
