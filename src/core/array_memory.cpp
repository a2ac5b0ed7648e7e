// What primitives ask of arrays: how their elements lie in memory, and giving them memory.
#include <cstdlib>

#include "core/error.h"
#include "core/node.h"
#include "core/size.h"
#include "olivine/allocator.h"
#include "runtime/process_locks.h"

namespace olivine {
namespace {

// Lowest and highest element, relative to the first; both 0 without elements.
std::pair<int64_t, int64_t> extent(const Shape& shape, const Strides& strides) {
  int64_t low = 0, high = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0) return {0, -1};
    int64_t span = checked_mul(shape[d] - 1, strides[d], "strides");
    (span < 0 ? low : high) = checked_add(span < 0 ? low : high, span, "strides");
  }
  return {low, high};
}

bool is_col_contiguous(const Shape& shape, const Strides& strides) {
  int64_t expected = 1;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0) return true;
    if (shape[d] != 1 && strides[d] != expected) return false;
    expected *= shape[d];
  }
  return true;
}

// Whether every address between lowest and highest holds exactly one element.
bool is_dense(const Shape& shape, const Strides& strides) {
  SmallVector<size_t, 8> axes;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0) return true;
    if (shape[d] != 1) axes.push_back(d);
  }
  std::sort(axes.begin(), axes.end(),
            [&](size_t a, size_t b) { return std::abs(strides[a]) < std::abs(strides[b]); });
  int64_t expected = 1;
  for (size_t d : axes) {
    if (std::abs(strides[d]) != expected) return false;
    expected *= shape[d];
  }
  return true;
}

// Gives a node its value. The layout must lie within the buffer.
void settle(Node* n, BufferRef buffer, Strides strides, int64_t offset, const char* op) {
  if (strides.size() != n->shape.size()) {
    fail("[", op, "] expected one stride per axis (", n->shape.size(), "); got ", strides.size());
  }
  auto [low, high] = extent(n->shape, strides);
  auto size = static_cast<int64_t>(n->dtype.size());
  int64_t end = checked_mul(checked_add(checked_add(offset, high, op), 1, op), size, op);
  if (offset < 0 || (high >= low && offset + low < 0) ||
      end > static_cast<int64_t>(buffer->bytes)) {
    fail("[", op, "] expected memory for elements ", offset + low, " to ", offset + high, " of ",
         size, " bytes each; got ", buffer->bytes, " bytes");
  }
  Node::Detached dying;  // freed after the lock
  std::lock_guard lock(process_lock(Lock::graph));
  if (n->state.load(std::memory_order_relaxed) == NodeState::claimed || n->tuple) {
    fail<std::runtime_error>("[", op, "] expected an array that nothing is computing");
  }
  n->buffer = std::move(buffer);
  n->strides = std::move(strides);
  n->offset = offset;
  n->placeholder = false;
  if (n->op) dying = n->detach();
  n->state.store(NodeState::done, std::memory_order_release);
}

// The runtime's own buffer behind `data`, or one that gives somebody else's memory back.
BufferRef buffer_of(allocator::Data& data, size_t bytes) {
  if (Buffer* own = data.take_held()) return BufferRef::adopt(own);
  struct Owner {
    void* memory;
    allocator::Deleter deleter;
  };
  auto owner = std::make_unique<Owner>(Owner{data.buffer().raw_ptr(), data.take_deleter()});
  auto release = [](void* p) {
    std::unique_ptr<Owner> owned(static_cast<Owner*>(p));
    if (owned->deleter) owned->deleter(allocator::Buffer(owned->memory));
  };
  BufferRef buffer = wrap_external(owner->memory, bytes, release, owner.get());
  owner.release();
  return buffer;
}

size_t bytes_of(const Shape& shape, Dtype t) {
  return static_cast<size_t>(checked_mul(element_count(shape), int64_t(t.size()), "array"));
}

}  // namespace

array::array(allocator::Data data, Shape shape, Dtype t) : array(std::move(shape), t, nullptr, {}) {
  set_data(std::move(data));
}

void array::set_data(allocator::Data data) {
  BufferRef buffer = buffer_of(data, bytes_of(node_->shape, node_->dtype));
  settle(node_, std::move(buffer), row_major(node_->shape), 0, "set_data");
}
void array::set_data(allocator::Data data, size_t data_size, Strides strides, Flags,
                     int64_t offset) {
  int64_t elements = checked_add(static_cast<int64_t>(data_size), offset, "set_data");
  int64_t bytes = checked_mul(elements, int64_t(node_->dtype.size()), "set_data");
  BufferRef buffer = buffer_of(data, static_cast<size_t>(std::max<int64_t>(bytes, 0)));
  settle(node_, std::move(buffer), std::move(strides), offset, "set_data");
}

void array::copy_shared_buffer(const array& other) {
  copy_shared_buffer(other, other.strides(), {}, 0, 0);
}
void array::copy_shared_buffer(const array& other, const Strides& strides, Flags, size_t,
                               int64_t offset) {
  other.eval();
  const Node* from = other.node_;
  auto size = static_cast<int64_t>(node_->dtype.size());
  int64_t start = checked_mul(from->offset, int64_t(from->dtype.size()), "copy_shared_buffer");
  if (start % size != 0) {
    fail("[copy_shared_buffer] expected memory aligned to elements of ", size, " bytes; got byte ",
         start);
  }
  offset = checked_add(offset, start / size, "copy_shared_buffer");
  settle(node_, from->buffer, strides, offset, "copy_shared_buffer");
}

array::Flags array::flags() const {
  const Strides& s = strides();
  const Shape& shape = node_->shape;
  return {is_dense(shape, s), olivine::is_row_contiguous(shape, s), is_col_contiguous(shape, s)};
}
size_t array::data_size() const {
  auto [low, high] = extent(node_->shape, strides());
  return static_cast<size_t>(high - low + 1);
}
int64_t array::offset() const {
  eval();
  return node_->offset;
}
allocator::Buffer array::buffer() const {
  eval();
  return allocator::Buffer(node_->buffer->data);
}
size_t array::buffer_size() const {
  eval();
  return node_->buffer->bytes;
}
std::shared_ptr<array::Data> array::data_shared_ptr() const {
  eval();
  BufferRef shared = node_->buffer;
  return std::make_shared<Data>(Data::Held{shared.detach()});
}
bool array::is_donatable() const {
  eval();
  return node_->refs.load(std::memory_order_acquire) == 1 && node_->buffer->unique() &&
         !node_->buffer->release_external;
}

array::Status array::status() const {
  switch (node_->state.load(std::memory_order_acquire)) {
    case NodeState::done:
      return node_->announced ? evaluated : available;
    case NodeState::claimed:
      return evaluated;
    case NodeState::pending:
      break;
  }
  return unscheduled;
}
void array::set_status(Status s) const {
  bool done = node_->done();
  if (s == status()) return;
  if (!done || s == unscheduled) {
    fail<std::runtime_error>("[set_status] expected ",
                             done ? "evaluated or available for an array that has its memory"
                                  : "the status that an array without memory has, unscheduled",
                             "; got another");
  }
  node_->announced = s == evaluated;
}
bool array::is_tracer() const {
  return node_->tracer && active_tracings().load(std::memory_order_relaxed) > 0;
}
void array::set_tracer(bool is_tracer) { node_->tracer = is_tracer; }
void array::detach() {
  eval();
  Node::Detached dying;  // freed after the lock
  std::lock_guard lock(process_lock(Lock::graph));
  if (node_->op) dying = node_->detach();
}

}  // namespace olivine
