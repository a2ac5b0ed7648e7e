// Running loops: a body's plan on buffers that one step hands to the next.
//
// Memory does not grow with the number of steps. A carry lives in a buffer of the loop's own, which
// the body may overwrite once the next carry needs no other part of it; the first carry belongs to
// somebody else and is only read. Slices of the xs are read where they lie, and ys are written, or
// copied where that is not possible, to their place in the stacked output.
//
// What does not change between steps is found out once, so that a step costs little more than its
// kernels; of a loop inside another loop, once for all its runs. Where all that a step writes is
// small, it is allocated once too: carries lie in two places by turns, or in one that is
// overwritten (the placed steps of LoopRun).
#include <cstring>
#include <utility>

#include "core/error.h"
#include "runtime/interrupt.h"
#include "transforms/body_run.h"

namespace olivine {
namespace {

using Source = TracedGraph::Source;

// Steps of a loop between two questions whether to stop; the tasks of a body ask by their work.
constexpr int64_t kPollSteps = 64;
// Most bytes that steps write beside their temporaries if they are placed.
constexpr int64_t kPlacedBytes = 32 << 10;

class LoopRun final : public ControlRun {
 public:
  explicit LoopRun(const Task& t);
  void run(Places in, Places out) override;
  int64_t placed_bytes() const override { return is_placed_ ? memory_bytes_ : -1; }

 private:
  struct Carry {
    LeafBinding at;
    BufferRef own;  // null: somebody else's
    char* data = nullptr;
  };
  // A leaf of the body's plan that changes from step to step: a carry, or a slice of an input.
  struct Leaf {
    size_t leaf;
    int32_t carry, x;  // one of them is -1
    int64_t step;      // of a slice: bytes from one to the next
  };
  // An output of the body that is copied after each step.
  struct Copied {
    int32_t output;
    View from, to;     // without addresses
    size_t bytes = 0;  // of two that are row-major, else 0
  };
  // A carry of placed steps.
  struct Placed {
    int32_t carry;
    int32_t leaf, out;                      // slots; -1: the body does not read it; it is copied
    int64_t first, second;                  // offsets of its places
    char *next = nullptr, *then = nullptr;  // its places, the one to be written first
  };
  // Where the next carry comes from: a carry of this step (>= 0), a copy, or the body's output.
  static constexpr int32_t kTaken = -1, kCopied = -2;

  void find_leaves();
  void find_slices();
  void find_carries();
  void begin(Places in, Places out);
  void end();
  void one_step(int64_t position);
  void write_index(int64_t position);
  void bind_leaves(int64_t position);
  void write_stacks(int64_t position);
  void place_slots();
  bool is_overwritten(int32_t carry, int32_t leaf_slot, int32_t out_slot) const;
  void begin_placed();
  void placed_step(int64_t position);
  void next_carries(int64_t position);
  void replace_carry(int32_t j, int64_t position, Carry& c);

  View view_of(int32_t output) const;
  char* address_of(int32_t output, int64_t position) const;
  Copied copied(int32_t output, View to) const;
  void copy_to(const Copied& c, int64_t position, char* to) const;
  int64_t slice_offset(int32_t output, int64_t position) const {
    return position * static_cast<int64_t>(slice_bytes_[output]);
  }

  const Task& t_;
  const LoopParams& p_;
  Places in_, out_;
  BodyRun body_;
  const int32_t ys_, first_carry_;
  std::vector<Leaf> leaves_;
  std::vector<size_t> slice_bytes_, carry_bytes_;  // by output of the op; by carry
  std::vector<int32_t> placed_;                    // ys that the body writes where they belong
  std::vector<Copied> copied_ys_, copied_carries_;
  std::vector<int32_t> next_from_;  // by carry
  std::vector<bool> handed_on_;     // carries that an output of the body is, so that they must stay
  bool moves_ = false;              // some carry becomes another
  std::vector<Carry> carries_, next_;
  BufferRef index_;
  bool wide_index_;

  bool is_placed_ = false;
  int64_t memory_bytes_ = 0;
  BufferRef memory_;
  std::vector<int32_t> leaf_slots_;  // by leaf
  std::vector<Placed> placed_carries_;
  std::vector<std::pair<int32_t, int64_t>> own_places_;  // slots that are copied, and offsets
};

LoopRun::LoopRun(const Task& t)
    : t_(t),
      p_(t.params.as<LoopParams>()),
      body_(*p_.body, *t.plan),
      ys_(p_.ys()),
      first_carry_(p_.constants + p_.counts + p_.xs),
      carries_(static_cast<size_t>(p_.carry)),
      wide_index_(p_.counts && p_.body->traced->placeholders[p_.constants].dtype() == int64) {
  find_leaves();
  find_slices();
  find_carries();
  if (!moves_ && body_.repeated().can_be_placed()) place_slots();
}

void LoopRun::find_leaves() {
  for (size_t l = 0; l < body_.leaves().size(); ++l) {
    const int32_t input = body_.input_of(l);
    if (input >= first_carry_) {
      leaves_.push_back({l, input - first_carry_, -1, 0});
    } else if (input >= p_.constants + p_.counts) {
      const View& v = t_.in[input - p_.counts].view;
      leaves_.push_back({l, -1, input - p_.counts, v.strides[0] * int64_t(v.dtype.size())});
    }
  }
}

void LoopRun::find_slices() {
  for (int32_t k = 0; k < static_cast<int32_t>(t_.out.size()); ++k) {
    const bool stacked = k < ys_ || k >= ys_ + p_.carry;
    const size_t all = bytes_of(t_.out[k].view);
    slice_bytes_.push_back(!stacked || all == 0 ? 0 : all / static_cast<size_t>(p_.length));
  }
  for (int32_t k = 0; k < ys_; ++k) {
    if (slice_bytes_[k] == 0) continue;
    if (body_.alone(k) && slice_bytes_[k] % 64 == 0) {
      placed_.push_back(k);
    } else {
      copied_ys_.push_back(copied(k, slice_of(t_.out[k].view)));
    }
  }
}

void LoopRun::find_carries() {
  handed_on_.resize(static_cast<size_t>(p_.carry), false);
  for (int32_t k = 0; k < ys_ + p_.carry; ++k) {
    const Source& s = body_.source(k);
    const bool carried = s.kind == Source::Kind::input && s.index >= first_carry_;
    if (carried) handed_on_[s.index - first_carry_] = true;
    if (k < ys_) continue;
    const int32_t j = k - ys_, from = s.index - first_carry_;
    next_from_.push_back(carried ? from : body_.alone(k) ? kTaken : kCopied);
    moves_ |= carried && from != j;
    carry_bytes_.push_back(bytes_of(t_.out[k].view));
    copied_carries_.push_back(copied(k, t_.out[k].view));
  }
}

void LoopRun::run(Places in, Places out) {
  begin(in, out);
  const int64_t most = p_.until && p_.length == 0 ? INT64_MAX : p_.length;
  for (int64_t step = 0; step < most; ++step) {
    if (p_.until && !*reinterpret_cast<const bool*>(carries_[0].data)) break;
    if (step % kPollSteps == 0) poll_interrupt();
    const int64_t position = p_.reverse ? p_.length - 1 - step : step;
    is_placed_ ? placed_step(position) : one_step(position);
  }
  for (int32_t j = 0; j < p_.carry; ++j) {
    if (carry_bytes_[j]) std::memcpy(address(out[ys_ + j]), carries_[j].data, carry_bytes_[j]);
  }
  end();
}

void LoopRun::begin(Places in, Places out) {
  in_ = in;
  out_ = out;
  for (int32_t j = 0; j < p_.carry; ++j) {
    const LeafBinding& first = in[p_.constants + p_.xs + j];
    carries_[j] = {first, {}, address(first)};
  }
  if (p_.counts) index_ = allocate(sizeof(int64_t));
  if (is_placed_) return begin_placed();
  for (size_t l = 0; l < body_.leaves().size(); ++l) {
    const int32_t input = body_.input_of(l);
    if (input >= 0 && input < p_.constants) body_.leaves()[l] = in[input];
    if (p_.counts && input == p_.constants) body_.leaves()[l] = {index_.get()};
  }
}

void LoopRun::end() {
  for (Carry& c : carries_) c = {};
  index_ = memory_ = {};
  body_.end();
}

void LoopRun::one_step(int64_t position) {
  if (p_.counts) write_index(position);
  write_stacks(position);
  body_.start();
  bind_leaves(position);
  for (int32_t k : placed_) {
    body_.place(k, out_[k].buffer, out_[k].byte_offset + slice_offset(k, position));
  }
  body_.run();
  for (const Copied& c : copied_ys_) {
    copy_to(c, position, address(out_[c.output]) + slice_offset(c.output, position));
  }
  next_carries(position);
}

void LoopRun::write_stacks(int64_t position) {
  for (int32_t j = 0; p_.stacks && j < p_.carry; ++j) {
    const int32_t k = ys_ + p_.carry + j;
    char* to = address(out_[k]) + slice_offset(k, position);
    if (carry_bytes_[j]) std::memcpy(to, carries_[j].data, carry_bytes_[j]);
  }
}

void LoopRun::write_index(int64_t position) {
  const int64_t i = p_.first + position;
  if (wide_index_) {
    std::memcpy(index_->data, &i, sizeof(i));
  } else {
    const int32_t narrow = static_cast<int32_t>(i);
    std::memcpy(index_->data, &narrow, sizeof(narrow));
  }
}

void LoopRun::bind_leaves(int64_t position) {
  for (const Leaf& l : leaves_) {
    LeafBinding& b = body_.leaves()[l.leaf];
    if (l.carry < 0) {
      b = in_[l.x];
      b.byte_offset += position * l.step;
      continue;
    }
    Carry& c = carries_[l.carry];
    b = c.at;
    if (c.own && !handed_on_[l.carry] && c.own->unique()) {
      b.donatable = true;
      b.owner = &c.own;
    }
  }
}

LoopRun::Copied LoopRun::copied(int32_t output, View to) const {
  View from = view_of(output);
  const bool plain = is_row_contiguous(from.shape, from.strides);
  const size_t bytes = plain ? bytes_of(to) : 0;
  return {output, std::move(from), std::move(to), bytes};
}

void LoopRun::copy_to(const Copied& c, int64_t position, char* to) const {
  const char* at = address_of(c.output, position);
  if (c.bytes > 0) {
    std::memcpy(to, at, c.bytes);
    return;
  }
  View from = c.from, out = c.to;
  from.data = const_cast<char*>(at);
  out.data = to;
  copy(from, out);
}

// How output k of the body lies.
View LoopRun::view_of(int32_t k) const {
  const Source& s = body_.source(k);
  if (s.kind == Source::Kind::computed) return body_.layout(k);
  const array& input = p_.body->traced->placeholders[s.index];
  View v{nullptr, input.dtype(), input.shape(), row_major(input.shape())};
  const bool counter = p_.counts && s.index == p_.constants;
  if (counter || s.index >= first_carry_) return v;
  if (s.index < p_.constants) return t_.in[s.index].view;
  return slice_of(t_.in[s.index - p_.counts].view);
}

// Where it is after a step.
char* LoopRun::address_of(int32_t k, int64_t position) const {
  const Source& s = body_.source(k);
  if (s.kind == Source::Kind::computed) return body_.begin(k);
  if (s.index >= first_carry_) return carries_[s.index - first_carry_].data;
  if (s.index < p_.constants) return address(in_[s.index]);
  if (p_.counts && s.index == p_.constants) return static_cast<char*>(index_->data);
  const int32_t x = s.index - p_.counts;
  const View& v = t_.in[x].view;
  return address(in_[x]) + position * v.strides[0] * static_cast<int64_t>(v.dtype.size());
}

void LoopRun::next_carries(int64_t position) {
  if (!moves_) {
    for (int32_t j = 0; j < p_.carry; ++j) {
      if (next_from_[j] < 0) replace_carry(j, position, carries_[j]);
    }
    return;
  }
  for (int32_t j = 0; j < p_.carry; ++j) {
    if (next_from_[j] >= 0) {
      next_.push_back(carries_[next_from_[j]]);
    } else {
      replace_carry(j, position, next_.emplace_back());
    }
  }
  std::swap(carries_, next_);
  next_.clear();  // lets go of buffers, so that they may be overwritten
}

void LoopRun::replace_carry(int32_t j, int64_t position, Carry& c) {
  if (next_from_[j] == kTaken) {
    c.own = body_.take(ys_ + j);
  } else {
    BufferRef copy = allocate(carry_bytes_[j]);
    copy_to(copied_carries_[j], position, static_cast<char*>(copy->data));
    c.own = std::move(copy);
  }
  c.at = {c.own.get()};
  c.data = static_cast<char*>(c.own->data);
}

// ---- Placed steps.

// Finds a place for each output that belongs to no y.
void LoopRun::place_slots() {
  const std::vector<Slot>& slots = body_.plan().slots;
  leaf_slots_.resize(body_.leaves().size(), -1);
  std::vector<bool> is_placed(slots.size(), true);
  for (size_t s = 0; s < slots.size(); ++s) {
    if (slots[s].kind == Slot::Kind::leaf) leaf_slots_[slots[s].leaf] = static_cast<int32_t>(s);
    is_placed[s] = slots[s].kind != Slot::Kind::output;
  }
  auto take = [&](size_t bytes) {
    return std::exchange(memory_bytes_, memory_bytes_ + static_cast<int64_t>((bytes + 63) & ~63u));
  };
  for (int32_t k : placed_) is_placed[body_.slot(k)] = true;
  for (int32_t j = 0; j < p_.carry; ++j) {
    if (next_from_[j] >= 0) continue;
    Placed& c = placed_carries_.emplace_back(Placed{j, -1, -1, 0, 0});
    for (const Leaf& l : leaves_) {
      if (l.carry == j) c.leaf = leaf_slots_[l.leaf];
    }
    if (next_from_[j] == kTaken) is_placed[c.out = body_.slot(ys_ + j)] = true;
    c.first = take(carry_bytes_[j]);
    c.second = is_overwritten(j, c.leaf, c.out) ? c.first : take(carry_bytes_[j]);
  }
  for (size_t s = 0; s < slots.size(); ++s) {
    if (!is_placed[s]) own_places_.emplace_back(static_cast<int32_t>(s), take(slots[s].bytes));
  }
  is_placed_ = memory_bytes_ <= kPlacedBytes;
}

bool LoopRun::is_overwritten(int32_t carry, int32_t leaf_slot, int32_t out_slot) const {
  return out_slot >= 0 && leaf_slot >= 0 && !handed_on_[carry] &&
         body_.plan().slots[out_slot].donor == leaf_slot;
}

void LoopRun::begin_placed() {
  memory_ = allocate(static_cast<size_t>(memory_bytes_));
  char* memory = static_cast<char*>(memory_->data);
  char** bases = body_.repeated().bases();
  for (size_t l = 0; l < leaf_slots_.size(); ++l) {
    const int32_t input = body_.input_of(l);
    if (leaf_slots_[l] < 0) continue;
    char*& base = bases[leaf_slots_[l]];
    if (input < 0) base = static_cast<char*>(body_.leaves()[l].buffer->data);
    if (input >= 0 && input < p_.constants) base = address(in_[input]);
    if (p_.counts && input == p_.constants) base = static_cast<char*>(index_->data);
    if (input >= first_carry_) base = carries_[input - first_carry_].data;
  }
  for (Placed& c : placed_carries_) {
    c.next = memory + c.first;
    c.then = memory + c.second;
    if (c.out >= 0) bases[c.out] = c.next;
  }
  for (auto [slot, offset] : own_places_) bases[slot] = memory + offset;
}

void LoopRun::placed_step(int64_t position) {
  char** bases = body_.repeated().bases();
  if (p_.counts) write_index(position);
  write_stacks(position);
  for (const Leaf& l : leaves_) {
    if (l.carry < 0) bases[leaf_slots_[l.leaf]] = address(in_[l.x]) + position * l.step;
  }
  for (int32_t k : placed_) {
    bases[body_.slot(k)] = address(out_[k]) + slice_offset(k, position);
  }
  body_.repeated().run_placed();
  for (const Copied& c : copied_ys_) {
    copy_to(c, position, address(out_[c.output]) + slice_offset(c.output, position));
  }
  for (Placed& c : placed_carries_) {
    if (c.out < 0) copy_to(copied_carries_[c.carry], position, c.next);
  }
  for (Placed& c : placed_carries_) {
    carries_[c.carry].data = c.next;
    if (c.leaf >= 0) bases[c.leaf] = c.next;
    std::swap(c.next, c.then);
    if (c.out >= 0) bases[c.out] = c.next;
  }
}

}  // namespace

std::unique_ptr<ControlRun> make_loop_run(const Task& t) { return std::make_unique<LoopRun>(t); }

}  // namespace olivine
