// The kernel of `primitive`: calls the user's, and puts in order what does not fit the plan.
#include "ops/primitive_params.h"

#include "backends/backend.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/tile.h"
#include "core/size.h"

namespace olivine::cpu {
namespace {

// A buffer that begins with the elements in row-major order and that others do not read: the
// value's own, or a copy.
BufferRef settled(PrimitiveValue& v, std::span<Buffer* const> shared) {
  bool fits = v.layout.offset == 0 && is_row_contiguous(v.layout.shape, v.layout.strides);
  for (Buffer* b : shared) fits &= b != v.buffer.get();
  if (fits) return std::move(v.buffer);
  int64_t size = static_cast<int64_t>(v.dtype.size());
  BufferRef copy =
      allocate(static_cast<size_t>(checked_mul(element_count(v.layout.shape), size, "primitive")));
  char* first = static_cast<char*>(v.buffer->data) + v.layout.offset * size;
  copy_view({first, v.dtype, v.layout.shape, v.layout.strides},
            {copy->data, v.dtype, v.layout.shape, row_major(v.layout.shape)});
  return copy;
}

void make_outputs(const KernelCall& c, std::span<BufferRef> in, std::span<BufferRef> out) {
  std::vector<PrimitiveValue> values;
  std::vector<Buffer*> shared;  // by inputs that did not give their memory away
  for (size_t i = 0; i < c.in.size(); ++i) {
    const View& v = c.in[i];
    int64_t offset = static_cast<char*>(v.data) - static_cast<char*>(in[i]->data);
    if (!in[i]->unique()) shared.push_back(in[i].get());
    values.push_back({std::move(in[i]),
                      {v.shape, v.strides, offset / static_cast<int64_t>(v.dtype.size())},
                      v.dtype});
  }
  std::vector<OutSpec> specs;
  for (const View& v : c.out) specs.push_back({v.shape, v.dtype});
  std::vector<PrimitiveValue> made;
  try {
    made = run_primitive(c.as<PrimitiveParams>(), values, specs);
  } catch (...) {
    for (size_t i = 0; i < in.size(); ++i) in[i] = std::move(values[i].buffer);
    throw;
  }
  for (size_t i = 0; i < made.size(); ++i) out[i] = settled(made[i], shared);
}

}  // namespace

void register_primitive(KernelTable& table) {
  for (int i = 0; i < Dtype::kCount; ++i) {
    table.add("primitive", Dtype(static_cast<Dtype::Val>(i)), {.make = make_outputs});
  }
}

}  // namespace olivine::cpu
