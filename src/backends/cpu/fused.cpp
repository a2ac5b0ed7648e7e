// Runs an element-wise program over tiles that stay in cache.
//
// The result of each instruction lives in a slot, an array of one tile's length; slots are reused
// as values die (assign_slots). A run first binds the program to its operands (Binding): it merges
// dimensions, then decides for every value where it lies:
//   direct    in the operand's or output's own memory, at the tile's position
//   uniform   one element for the whole tile, computed once (broadcast operands and what follows
//             from them alone)
//   periodic  an operand that repeats its elements (a value per channel, the channels last), or
//             what follows from such alone: laid out once, for tiles to begin at any of them
//   packed    a strided operand, gathered into a slot of its own for each tile
//   turned    a transposed operand, of which a few rows are gathered at once
//   slot      a result
// Then every unit of work (a piece of a row, or of a few rows when some operand is read across its
// rows) sets the pointers and calls the loops one after another (Worker).
//
// Loops whose operands lie in cache leave the memory bus idle, and those that read or write arrays
// wait for it. So while a tile is computed, the lines of the next one are fetched to the second
// cache, a share before each step.
#include "backends/cpu/fused.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <new>
#include <utility>

#include "backends/bound_program.h"
#include "backends/cpu/arithmetic_run.h"
#include "backends/cpu/half_chain.h"
#include "backends/cpu/half_table.h"
#include "backends/cpu/tile.h"
#include "backends/cpu/widening.h"
#include "core/error.h"
#include "core/op.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

// Small enough that a step's share of the next tile's lines does not wait for the ones before.
constexpr int64_t kSlotBytes = 3072;
// Less than this is likely in the caches already.
constexpr int64_t kFetchFrom = 2 << 20;
// Elements of a program that are worth looking for machine code of its runs.
constexpr int64_t kRunsFrom = 1 << 15;
// The same of a program that runs again and again.
constexpr int64_t kKeptRunsFrom = 64;
// Elements of a program that are worth looking for chains of 16-bit floats.
constexpr int64_t kChainsFrom = 1 << 14;
constexpr int64_t kLine = 64;
// Shorter rows are gathered into tiles of several rows.
constexpr int64_t kMinRow = 256;
// Rows walked together when an operand is read across rows, so that its cache lines are used whole.
constexpr int64_t kRowBlock = 16;
// Between the rows of a turned operand: not a power of two, which would map all to one set of the
// cache.
constexpr int64_t kTurnedPitch = kSlotBytes + kLine;
constexpr size_t kCellBytes = 16;

enum class Form : uint8_t { v, vv, sv, vs, vvv, fill, copy, run, chain };

struct Exec {
  Form form;
  bool uniform;      // one element, not a tile
  uint8_t itemsize;  // of fill and copy
  uint16_t dst;      // of a run: its number
  uint16_t src[3];   // of a chain: the operand, the chain's number
  const Loops* loops;
};

enum class Place : uint8_t { slot, cell, direct, uniform, strided, turned, packed, periodic };

struct Value {
  Place place;
  uint8_t itemsize;
  bool constant;  // uniform over the whole run, not only over a row
  bool is_leaf;   // an operand: its index is the value's
  bool in_order;  // direct, and tiles follow each other in memory
  uint16_t slot;
  char* base;
  int64_t period;
};

using Tables = std::vector<std::shared_ptr<ChainResults>>;  // of a program's chains

class FusedProgram final : public BindableProgram {
 public:
  FusedProgram(const Program& program, const KernelTable& table);
  void run(std::span<const View> in, std::span<const View> out) const override { run(in, out, {}); }
  std::unique_ptr<BoundProgram> bind() const override;
  void run(std::span<const View> in, std::span<const View> out, const Tables& tables) const;

  size_t leaves = 0;
  std::vector<uint8_t> itemsize;  // per value
  std::vector<int> last_use;      // per value: step, or -1
  std::vector<uint16_t> slot;     // per step
  std::vector<Step> steps;
  std::vector<uint16_t> outputs;
  uint16_t slots = 0;
  int64_t tile = 0;

 private:
  void assign_slots();
};

// A program bound to operands, read by all threads of a run.
struct Binding {
  // `runs_from`: elements that are worth looking for machine code.
  Binding(const FusedProgram& p, std::span<const View> in, std::span<const View> out,
          const Tables& chain_tables, int64_t runs_from = kRunsFrom);
  // To operands of other addresses, equal where those were.
  void move(std::span<const View> in, std::span<const View> out);
  bool is_at(std::span<const View> in, std::span<const View> out) const;
  int64_t grain() const;

  const FusedProgram& program;
  const Tables& tables;
  Walk walk;
  int64_t inner, rows;
  int64_t row_block = 1, pieces = 1, units = 1;
  // Of a periodic value: what a tile that begins anywhere in a period reads.
  int64_t periodic_elements(const Value& v) const {
    return std::min(program.tile, inner) + v.period;
  }
  uint16_t slots;
  SmallVector<Value, 24> values;  // of the program, then temporaries
  SmallVector<uint16_t, 12> moving;
  SmallVector<uint16_t, 4> written;  // where the outputs lie
  bool one_tile = false;             // that reads and writes operands where they are
  SmallVector<uint16_t, 8> fetched;  // values read or written in order, fetched ahead
  SmallVector<Exec, 8> prologue;     // once per chunk
  SmallVector<Exec, 16> body;        // once per tile
  std::vector<std::shared_ptr<const CompiledRun>> runs;

 private:
  void join_runs();
  void join_run(size_t begin, size_t end, SmallVector<Exec, 16>& joined);
  bool is_read_outside(uint16_t value, size_t begin, size_t end) const;
  void place_leaves(std::span<const View> in);
  void place_outputs(std::span<const View> in, std::span<const View> out);
  void choose_fetched();
  void add_step(size_t i);
  int64_t period_of(int operand) const;
  bool add_periodic_step(const Exec& e, uint8_t arity);
  void make_periodic(uint16_t v, int64_t period);
  uint16_t fill_slot(uint16_t value);
  uint16_t add_temporary(Value v);
  void emit(const Exec& e, bool constant) {
    if (constant) {
      prologue.push_back(e);
    } else {
      body.push_back(e);
    }
  }
  bool is_uniform(uint16_t v) const {
    return values[v].place == Place::uniform || values[v].place == Place::cell;
  }
};

// Scratch memory of a thread, kept for its next run.
struct Arena {
  char* data = nullptr;
  size_t bytes = 0;
  ~Arena() { ::operator delete (data, std::align_val_t{64}); }
  char* get(size_t n) {
    if (n > bytes) {
      ::operator delete (data, std::align_val_t{64});
      data = nullptr, bytes = 0;
      data = static_cast<char*>(::operator new (n, std::align_val_t{64}));
      bytes = n;
    }
    return data;
  }
};
thread_local Arena arena;

class Worker {
 public:
  explicit Worker(const Binding& b);
  // With scratch memory of its own, of a binding of one tile.
  Worker(const Binding& b, Arena& own);
  void run(int64_t begin, int64_t end);
  // After the binding moved, or another program ran on this thread.
  void renew();
  // The same of one with memory of its own.
  void renew_tile() { place_moving(); }
  // All there is, of a binding of one tile.
  void run_tile();

 private:
  void place(char* scratch, int64_t pitch);
  void place_moving();
  void run_prologue();
  void lay_out(const Value& value, char* to) const;
  void set_row(int64_t row, int64_t row_end, int64_t column, int64_t n);
  void fetch_share(size_t step, int64_t n) const;
  void execute(const Exec& e, int64_t n) const;

  const Binding& b_;
  char* scratch_ = nullptr;
  SmallVector<char*, 24> p_;
};

// A binding that is kept while nothing but addresses change.
class KeptBinding final : public BoundProgram {
 public:
  explicit KeptBinding(const FusedProgram& program) : program_(program) {}
  void run(std::span<const View> in, std::span<const View> out) override;

 private:
  bool is_aliased_as_before(std::span<const View> in, std::span<const View> out);
  void bind(std::span<const View> in, std::span<const View> out);

  // A run of machine code takes about 0.1 ms to write.
  static constexpr int kRunsBeforeCode = 256;

  const FusedProgram& program_;
  const Tables no_tables_;
  std::unique_ptr<Binding> binding_;
  std::unique_ptr<Worker> worker_;
  Arena scratch_;         // of one tile
  uint64_t aliases_ = 0;  // bit k + i * outputs: input i is where output k is
  int64_t grain_ = 0;
  int runs_ = 0;
};

FusedProgram::FusedProgram(const Program& program, const KernelTable& table)
    : leaves(program.leaves.size()) {
  Steps plan = plan_steps(program, table);
  itemsize = std::move(plan.itemsize);
  steps = std::move(plan.steps);
  outputs = std::move(plan.outputs);
  assign_slots();
}

// A result may take the slot of an operand that dies with it, and the slots of values that died
// before, if their items have one size: loops, and steps of a run, read element i before they write
// it.
void FusedProgram::assign_slots() {
  last_use.assign(itemsize.size(), -1);
  for (size_t i = 0; i < steps.size(); ++i) {
    for (int k = 0; k < steps[i].arity; ++k) last_use[steps[i].src[k]] = static_cast<int>(i);
  }
  std::vector<bool> kept(itemsize.size(), false);
  for (uint16_t v : outputs) kept[v] = true;
  std::array<std::vector<uint16_t>, 17> free;  // by item size
  for (size_t i = 0; i < steps.size(); ++i) {
    for (int k = 0; k < steps[i].arity; ++k) {
      const uint16_t v = steps[i].src[k];
      bool repeated = false;
      for (int j = 0; j < k; ++j) repeated |= steps[i].src[j] == v;
      if (v < leaves || kept[v] || repeated || last_use[v] != static_cast<int>(i)) continue;
      free[itemsize[v]].push_back(slot[v - leaves]);
    }
    std::vector<uint16_t>& same = free[itemsize[leaves + i]];
    if (same.empty()) same.push_back(slots++);
    slot.push_back(same.back());
    same.pop_back();
    if (last_use[leaves + i] < 0 && !kept[leaves + i]) same.push_back(slot.back());
  }
  const size_t width = *std::max_element(itemsize.begin(), itemsize.end());
  tile = kSlotBytes / static_cast<int64_t>(width);
}

Binding::Binding(const FusedProgram& p, std::span<const View> in, std::span<const View> out,
                 const Tables& chain_tables, int64_t runs_from)
    : program(p),
      tables(chain_tables),
      walk(collapse(out[0].shape, in)),
      inner(walk.inner()),
      rows(1),
      slots(p.slots) {
  for (int d = 0; d + 1 < walk.ndim(); ++d) rows *= walk.shape[static_cast<size_t>(d)];
  if (rows > 1 && inner < kMinRow) inner *= rows, rows = 1;
  values.resize(p.itemsize.size());
  for (size_t v = 0; v < p.itemsize.size(); ++v) {
    values[v].itemsize = p.itemsize[v];
    if (v >= p.leaves) values[v].slot = p.slot[v - p.leaves];
  }
  place_leaves(in);
  place_outputs(in, out);
  if (rows * inner >= runs_from) join_runs();
  choose_fetched();
  pieces = (inner + p.tile - 1) / p.tile;
  units = (rows + row_block - 1) / row_block * pieces;
  one_tile = units == 1 && std::all_of(moving.begin(), moving.end(), [&](uint16_t v) {
               return values[v].place == Place::direct || values[v].place == Place::uniform;
             });
}

void Binding::move(std::span<const View> in, std::span<const View> out) {
  for (size_t k = 0; k < in.size(); ++k) values[k].base = static_cast<char*>(in[k].data);
  for (size_t o = 0; o < out.size(); ++o) values[written[o]].base = static_cast<char*>(out[o].data);
}

bool Binding::is_at(std::span<const View> in, std::span<const View> out) const {
  bool same = true;
  for (size_t k = 0; k < in.size(); ++k) same &= values[k].base == in[k].data;
  for (size_t o = 0; o < out.size(); ++o) same &= values[written[o]].base == out[o].data;
  return same;
}

// Units of a parallel task.
int64_t Binding::grain() const {
  const int64_t per_unit = std::min(program.tile, inner) * row_block;
  return std::max<int64_t>(1, elementwise_grain(program.steps.size()) / per_unit);
}

void Binding::place_leaves(std::span<const View> in) {
  const int ndim = walk.ndim();
  const bool whole = rows == 1;
  for (size_t k = 0; k < in.size(); ++k) {
    Value& v = values[k];
    const int64_t* strides = walk.of(static_cast<int>(k));
    v.is_leaf = true;
    v.base = static_cast<char*>(in[k].data);
    bool zero = true, contiguous = true;
    int64_t expected = 1;
    for (int d = ndim - 1; d >= 0; --d) {
      zero &= strides[d] == 0;
      contiguous &= strides[d] == expected;
      expected *= walk.shape[static_cast<size_t>(d)];
    }
    v.constant = zero;
    if (zero || (!whole && strides[ndim - 1] == 0)) {
      v.place = Place::uniform;
    } else if (contiguous || (!whole && strides[ndim - 1] == 1)) {
      v.place = Place::direct;
      v.in_order = contiguous;
    } else if (const int64_t period = period_of(static_cast<int>(k)); period > 0) {
      make_periodic(static_cast<uint16_t>(k), period);
      continue;
    } else if (whole) {
      v.place = Place::packed;
      v.slot = slots++;
    } else {
      const bool turned = strides[ndim - 2] == 1 &&
                          (ndim == 2 || walk.shape[static_cast<size_t>(ndim - 2)] % kRowBlock == 0);
      v.place = turned ? Place::turned : Place::strided;
      v.slot = slots;
      slots = static_cast<uint16_t>(slots + (turned ? kRowBlock + 1 : 1));
      row_block = kRowBlock;
    }
    moving.push_back(static_cast<uint16_t>(k));
  }
}

// Elements after which an operand repeats itself, if tiles are pieces of one row; 0: it does not.
int64_t Binding::period_of(int operand) const {
  const int64_t* strides = walk.of(operand);
  int d = walk.ndim() - 1;
  int64_t period = 1;
  for (; d >= 0 && strides[d] == period; --d) period *= walk.shape[static_cast<size_t>(d)];
  for (; d >= 0; --d) {
    if (strides[d] != 0) return 0;
  }
  return rows == 1 && period > 1 && period <= program.tile ? period : 0;
}

void Binding::make_periodic(uint16_t v, int64_t period) {
  values[v].place = Place::periodic;
  values[v].period = period;
  values[v].slot = slots;
  slots = static_cast<uint16_t>(slots + 2);
  moving.push_back(v);
}

// Results that are outputs are computed in the output's memory, unless that is also an operand
// which a later step still reads.
void Binding::place_outputs(std::span<const View> in, std::span<const View> out) {
  SmallVector<Exec, 4> copies;  // of values that had to be kept elsewhere
  for (size_t o = 0; o < out.size(); ++o) {
    const uint16_t v = program.outputs[o];
    bool direct = v >= program.leaves && values[v].place == Place::slot;
    for (size_t k = 0; direct && k < in.size(); ++k) {
      const int producer = static_cast<int>(v - program.leaves);
      direct = in[k].data != out[o].data || program.last_use[k] <= producer;
    }
    for (size_t j = 0; direct && j < in.size(); ++j) {  // an operand that is itself an output
      for (uint16_t w : program.outputs) direct &= w != j || in[j].data != out[o].data;
    }
    Value place{};
    place.place = Place::direct;
    place.in_order = true;
    place.itemsize = values[v].itemsize;
    place.base = static_cast<char*>(out[o].data);
    if (direct) {
      values[v] = place;
      written.push_back(v);
    } else {
      const uint16_t to = add_temporary(place);
      copies.push_back({Form::copy, false, place.itemsize, to, {v}, nullptr});
      written.push_back(to);
    }
    moving.push_back(written.back());
  }
  for (size_t i = 0; i < program.steps.size(); ++i) add_step(i);
  for (Exec e : copies) {
    if (is_uniform(e.src[0])) e.form = Form::fill;
    body.push_back(e);
  }
}

void Binding::choose_fetched() {
  if (row_block > 1 || body.size() < 2) return;
  int64_t bytes = 0;
  for (uint16_t v : moving) {
    if (!values[v].in_order) continue;
    bool repeated = false;  // an output in the memory of an operand
    for (uint16_t w : fetched) repeated |= values[w].base == values[v].base;
    if (repeated) continue;
    fetched.push_back(v);
    bytes += rows * inner * values[v].itemsize;
  }
  if (bytes < kFetchFrom) fetched.clear();
}

int arity(Form f) {
  if (f == Form::vvv) return 3;
  return f == Form::vv || f == Form::sv || f == Form::vs ? 2 : 1;
}

bool Binding::is_read_outside(uint16_t value, size_t begin, size_t end) const {
  if (values[value].place == Place::direct) return true;
  for (size_t i = 0; i < body.size(); ++i) {
    if (i >= begin && i < end) continue;
    for (int k = 0; k < arity(body[i].form); ++k) {
      if (body[i].src[k] == value) return true;
    }
  }
  return false;
}

// Replaces neighbouring steps of short float ops by their machine code. Steps on single elements
// read only such, so they come first and cut no run.
void Binding::join_runs() {
  const auto is_single = [](const Exec& e) { return e.uniform; };
  if (!std::is_partitioned(body.begin(), body.end(), is_single)) {
    std::stable_partition(body.begin(), body.end(), is_single);
  }
  const auto is_short = [&](const Exec& e) {
    return !e.uniform && e.loops && e.loops->arithmetic != Arithmetic::none;
  };
  SmallVector<Exec, 16> joined;
  for (size_t i = 0; i < body.size();) {
    size_t end = i;
    while (end < body.size() && is_short(body[end])) ++end;
    if (end == i) {
      joined.push_back(body[i++]);
      continue;
    }
    join_run(i, end, joined);
    i = end;
  }
  if (!runs.empty()) body = std::move(joined);
}

// What has no code as a whole is tried in halves.
void Binding::join_run(size_t begin, size_t end, SmallVector<Exec, 16>& joined) {
  std::vector<RunStep> steps;
  // A program of other steps too fetches ahead between them.
  const bool fetches = end - begin == body.size() && row_block == 1 &&
                       rows * inner * int64_t{sizeof(float)} >= kFetchFrom / 2;
  const auto follows = [&](uint16_t v) { return fetches && values[v].in_order; };
  for (size_t i = begin; i < end; ++i) {
    const Exec& e = body[i];
    const bool binary = arity(e.form) > 1;
    steps.push_back({e.loops->arithmetic,
                     e.loops->rounded,
                     is_read_outside(e.dst, begin, end),
                     {e.form == Form::sv, e.form == Form::vs},
                     e.dst,
                     {e.src[0], binary ? e.src[1] : uint16_t{0}},
                     follows(e.dst),
                     {follows(e.src[0]), binary && follows(e.src[1])}});
  }
  std::shared_ptr<const CompiledRun> run = end - begin > 1 ? compile_run(steps) : nullptr;
  if (run) {
    joined.push_back({Form::run, false, 0, static_cast<uint16_t>(runs.size()), {}, nullptr});
    runs.push_back(std::move(run));
  } else if (end - begin < 4) {
    for (size_t i = begin; i < end; ++i) joined.push_back(body[i]);
  } else {
    const size_t middle = begin + (end - begin) / 2;
    join_run(begin, middle, joined);
    join_run(middle, end, joined);
  }
}

void Binding::add_step(size_t i) {
  const Step& s = program.steps[i];
  const uint16_t dst = static_cast<uint16_t>(program.leaves + i);
  Exec e{Form::v, false, 0, dst, {s.src[0], s.src[1], s.src[2]}, s.loops};
  if (!s.loops) {
    e.form = Form::chain;
    e.src[1] = s.chain;
  }
  bool uniform = true, constant = true;
  for (int k = 0; k < s.arity; ++k) {
    uniform &= is_uniform(s.src[k]);
    constant &= is_uniform(s.src[k]) && values[s.src[k]].constant;
  }
  if (!uniform && add_periodic_step(e, s.arity)) return;
  if (s.arity == 2) {
    const bool a = is_uniform(s.src[0]), b = is_uniform(s.src[1]);
    e.form = a == b ? Form::vv : a ? Form::sv : Form::vs;
  } else if (s.arity == 3) {
    e.form = Form::vvv;
    for (int k = 0; !uniform && k < 3; ++k) {
      if (is_uniform(s.src[k])) e.src[k] = fill_slot(s.src[k]);
    }
  }
  if (uniform) {
    e.uniform = true;
    if (values[dst].place == Place::direct) {  // an output: computed in a cell, then spread
      Value cell{};
      cell.place = Place::cell;
      cell.itemsize = values[dst].itemsize;
      cell.constant = constant;
      // Later steps read the spread tile, as any other output.
      const uint16_t c = add_temporary(cell);
      e.dst = c;
      emit(e, constant);
      body.push_back({Form::fill, false, cell.itemsize, dst, {c}, nullptr});
      return;
    }
    values[dst].place = Place::cell;
    values[dst].constant = constant;
  }
  emit(e, uniform && constant);
}

// A step of one or two operands that are periodic alike, or one of them constant.
bool Binding::add_periodic_step(const Exec& step, uint8_t arity) {
  if (values[step.dst].place != Place::slot || arity > 2) return false;
  Exec e = step;
  int64_t period = 0;
  bool uniform[2] = {};
  for (int k = 0; k < arity; ++k) {
    const Value& v = values[e.src[k]];
    uniform[k] = is_uniform(e.src[k]);
    if (uniform[k]) continue;
    if (v.place != Place::periodic || (period != 0 && period != v.period)) return false;
    period = v.period;
  }
  if (arity == 2) e.form = uniform[0] ? Form::sv : uniform[1] ? Form::vs : Form::vv;
  make_periodic(e.dst, period);
  prologue.push_back(e);
  return true;
}

uint16_t Binding::fill_slot(uint16_t value) {
  Value v{};
  v.itemsize = values[value].itemsize;
  v.slot = slots++;
  const bool constant = values[value].constant;
  const uint16_t to = add_temporary(v);
  emit({Form::fill, false, v.itemsize, to, {value}, nullptr}, constant);
  return to;
}

uint16_t Binding::add_temporary(Value v) {
  values.push_back(v);
  return static_cast<uint16_t>(values.size() - 1);
}

Worker::Worker(const Binding& b) : b_(b) {
  p_.resize(b.values.size());
  renew();
}

void Worker::renew() {
  const size_t n = b_.values.size();
  char* scratch = arena.get(static_cast<size_t>(b_.slots) * kSlotBytes + n * kCellBytes);
  if (scratch != scratch_) place(scratch, kSlotBytes);
  place_moving();
}

Worker::Worker(const Binding& b, Arena& own) : b_(b) {
  const size_t n = b.values.size();
  p_.resize(n);
  const int64_t largest = (b.inner * int64_t{kCellBytes} + 63) / 64 * 64;
  const int64_t pitch = std::min(largest, kSlotBytes);
  place(own.get(static_cast<size_t>(b.slots * pitch) + n * kCellBytes), pitch);
  place_moving();
}

void Worker::place_moving() {
  for (uint16_t v : b_.moving) {
    const Value& value = b_.values[v];
    if (value.place == Place::direct || value.place == Place::uniform) p_[v] = value.base;
    if (value.place == Place::periodic && value.is_leaf) lay_out(value, p_[v]);
  }
}

void Worker::place(char* scratch, int64_t pitch) {
  scratch_ = scratch;
  char* cells = scratch + b_.slots * pitch;
  for (size_t v = 0; v < p_.size(); ++v) {
    const Value& value = b_.values[v];
    const bool in_slot = value.place == Place::slot || value.place == Place::strided ||
                         value.place == Place::packed || value.place == Place::periodic;
    p_[v] = in_slot                      ? scratch + value.slot * pitch
            : value.place == Place::cell ? cells + v * kCellBytes
                                         : value.base;
  }
}

// Repeats a period, doubling what there is.
void Worker::lay_out(const Value& value, char* to) const {
  const size_t size = value.itemsize, all = static_cast<size_t>(b_.periodic_elements(value)) * size;
  size_t done = static_cast<size_t>(value.period) * size;
  std::memcpy(to, value.base, done);
  for (; done < all; done *= 2) std::memcpy(to + done, to, std::min(done, all - done));
}

void Worker::run_prologue() {
  const int64_t longest = std::min(b_.program.tile, b_.inner);
  for (const Exec& e : b_.prologue) {
    const Value& dst = b_.values[e.dst];
    execute(e, dst.place == Place::periodic ? b_.periodic_elements(dst) : longest);
  }
}

void Worker::run_tile() {
  run_prologue();
  for (const Exec& e : b_.body) execute(e, b_.inner);
}

void Worker::run(int64_t begin, int64_t end) {
  const int64_t tile = b_.program.tile;
  run_prologue();
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t row = unit / b_.pieces * b_.row_block;
    const int64_t column = unit % b_.pieces * tile;
    const int64_t n = std::min(tile, b_.inner - column);
    const int64_t row_end = std::min(row + b_.row_block, b_.rows);
    for (int64_t r = row; r < row_end; ++r) {
      set_row(r, row_end, column, n);
      const bool ahead = unit + 1 < end && !b_.fetched.empty();
      for (size_t i = 0; i < b_.body.size(); ++i) {
        if (ahead) fetch_share(i, n);
        execute(b_.body[i], n);
      }
    }
  }
}

// Fetches a step's share of the lines that follow the tile of n elements.
void Worker::fetch_share(size_t step, int64_t n) const {
  asm volatile("");  // GCC drops calls of a function that only prefetches
  // In parts of 2^-16: a division for every step would take as long as a short op.
  const uint32_t steps = static_cast<uint32_t>(b_.body.size()), part = 65536 / steps;
  const uint32_t i = static_cast<uint32_t>(step);
  for (uint16_t v : b_.fetched) {
    const int64_t bytes = n * b_.values[v].itemsize;
    const char* next = p_[v] + bytes;
    const uint32_t lines = static_cast<uint32_t>(bytes / kLine);
    const uint32_t from = lines * i * part >> 16;
    const uint32_t to = i + 1 == steps ? lines : lines * (i + 1) * part >> 16;
    for (uint32_t line = from; line < to; ++line) __builtin_prefetch(next + line * kLine, 0, 2);
  }
}

// Points the operands and outputs at n elements from (row, column) on, packing where needed. Rows
// up to row_end follow, after the first of a block.
void Worker::set_row(int64_t row, int64_t row_end, int64_t column, int64_t n) {
  const Walk& w = b_.walk;
  const int ndim = w.ndim();
  for (uint16_t v : b_.moving) {
    const Value& value = b_.values[v];
    const int64_t size = value.itemsize;
    if (value.place == Place::periodic) {
      p_[v] = scratch_ + value.slot * kSlotBytes + column % value.period * size;
      continue;
    }
    if (!value.is_leaf) {
      p_[v] = value.base + (row * b_.inner + column) * size;
      continue;
    }
    if (value.place == Place::uniform && value.constant) continue;
    const int64_t* strides = w.of(v);
    const int64_t block_row = row % b_.row_block;
    if (value.place == Place::turned) {
      p_[v] = scratch_ + value.slot * kSlotBytes + block_row * kTurnedPitch;
      if (block_row > 0) continue;
    }
    if (value.place == Place::packed) {
      pack(value.base, w.shape, strides, value.itemsize, column, n, p_[v]);
      continue;
    }
    int64_t offset = column * strides[ndim - 1];
    for (int64_t d = ndim - 2, rest = row; b_.rows > 1 && d >= 0; --d) {
      const int64_t extent = w.shape[static_cast<size_t>(d)];
      offset += (d == 0 ? rest : rest % extent) * strides[d];
      if (d > 0) rest /= extent;
    }
    char* at = value.base + offset * size;
    if (value.place == Place::turned) {
      transpose(at, strides[ndim - 1], value.itemsize, row_end - row, n, p_[v],
                kTurnedPitch / size);
    } else if (value.place == Place::strided) {
      pack_run(at, strides[ndim - 1], value.itemsize, n, p_[v]);
    } else {
      p_[v] = at;
    }
  }
}

void Worker::execute(const Exec& e, int64_t n) const {
  if (e.form == Form::run) return (*b_.runs[e.dst])(p_.data(), n);
  if (e.uniform) n = 1;
  void* dst = p_[e.dst];
  const void* a = p_[e.src[0]];
  switch (e.form) {
    case Form::v:
      return e.loops->v(a, dst, n);
    case Form::vv:
      return e.loops->vv(a, p_[e.src[1]], dst, n);
    case Form::sv:
      return e.loops->sv(a, p_[e.src[1]], dst, n);
    case Form::vs:
      return e.loops->vs(a, p_[e.src[1]], dst, n);
    case Form::vvv:
      return e.loops->vvv(a, p_[e.src[1]], p_[e.src[2]], dst, n);
    case Form::fill:
      return fill(a, e.itemsize, n, dst);
    case Form::chain:
      return look_up(b_.tables[e.src[1]]->ready(), a, dst, n);
    case Form::run:
      return;
    case Form::copy:
      std::memcpy(dst, a, static_cast<size_t>(n) * e.itemsize);
      return;
  }
}

void FusedProgram::run(std::span<const View> in, std::span<const View> out,
                       const Tables& tables) const {
  if (out.empty() || out[0].size() == 0) return;
  const Binding binding(*this, in, out, tables);
  parallel_for(binding.units, binding.grain(),
               [&](int64_t begin, int64_t end) { Worker(binding).run(begin, end); });
}

std::unique_ptr<BoundProgram> FusedProgram::bind() const {
  return std::make_unique<KeptBinding>(*this);
}

void KeptBinding::run(std::span<const View> in, std::span<const View> out) {
  const bool is_tile = worker_ && binding_->one_tile && runs_ != kRunsBeforeCode;
  if (is_tile && binding_->is_at(in, out)) {
    ++runs_;
    return worker_->run_tile();
  }
  const bool fits = in.size() * out.size() <= 64;
  if (!fits || out.empty() || out[0].size() == 0) return program_.run(in, out);
  if (!is_aliased_as_before(in, out) || !binding_ || runs_ == kRunsBeforeCode) {
    bind(in, out);
  } else {
    binding_->move(in, out);
  }
  ++runs_;
  if (grain_ < binding_->units) {
    return parallel_for(binding_->units, grain_,
                        [&](int64_t begin, int64_t end) { Worker(*binding_).run(begin, end); });
  }
  if (binding_->one_tile) {
    if (worker_) {
      worker_->renew_tile();
    } else {
      worker_ = std::make_unique<Worker>(*binding_, scratch_);
    }
    return worker_->run_tile();
  }
  if (worker_) {
    worker_->renew();
  } else {
    worker_ = std::make_unique<Worker>(*binding_);
  }
  worker_->run(0, binding_->units);
}

bool KeptBinding::is_aliased_as_before(std::span<const View> in, std::span<const View> out) {
  uint64_t aliases = 0;
  for (size_t k = 0, bit = 0; k < in.size(); ++k) {
    for (size_t o = 0; o < out.size(); ++o, ++bit) {
      aliases |= static_cast<uint64_t>(in[k].data == out[o].data) << bit;
    }
  }
  return std::exchange(aliases_, aliases) == aliases;
}

void KeptBinding::bind(std::span<const View> in, std::span<const View> out) {
  worker_.reset();
  const int64_t runs_from = runs_ < kRunsBeforeCode ? kRunsFrom : kKeptRunsFrom;
  binding_ = std::make_unique<Binding>(program_, in, out, no_tables_, runs_from);
  grain_ = binding_->grain();
}

// A program that may have chains of 16-bit floats. What they are is found at the first run that is
// worth it, when it is known which operands are numbers.
class ChainingProgram final : public BindableProgram {
 public:
  ChainingProgram(const Program& program, const KernelTable& table)
      : program_(program), table_(table), plain_(program, table) {}
  void run(std::span<const View> in, std::span<const View> out) const override {
    Tables tables;
    const FusedProgram* chained = find(in, out, tables);
    chained ? chained->run(in, out, tables) : plain_.run(in, out);
  }
  std::unique_ptr<BoundProgram> bind() const override;
  ~ChainingProgram() override { delete chained_.load(); }

 private:
  struct Chained {
    std::vector<bool> is_number;
    ChainedProgram found;
    std::unique_ptr<FusedProgram> program;
  };
  static std::vector<bool> numbers_among(std::span<const View> in);
  const FusedProgram* find(std::span<const View> in, std::span<const View> out,
                           Tables& tables) const;
  const Chained& chained(std::vector<bool> is_number) const;
  void fill(const Chain& chain, std::span<const View> numbers, ChainResults& results) const;

  const Program program_;
  const KernelTable& table_;
  const FusedProgram plain_;
  mutable std::atomic<const Chained*> chained_{nullptr};
};

// Arrays too small for chains run by the binding of the plain program.
class KeptChaining final : public BoundProgram {
 public:
  KeptChaining(const ChainingProgram& program, std::unique_ptr<BoundProgram> plain)
      : program_(program), plain_(std::move(plain)) {}
  void run(std::span<const View> in, std::span<const View> out) override {
    const bool large = !out.empty() && out[0].size() >= kChainsFrom;
    large ? program_.run(in, out) : plain_->run(in, out);
  }

 private:
  const ChainingProgram& program_;
  std::unique_ptr<BoundProgram> plain_;
};

std::unique_ptr<BoundProgram> ChainingProgram::bind() const {
  return std::make_unique<KeptChaining>(*this, plain_.bind());
}

std::vector<bool> ChainingProgram::numbers_among(std::span<const View> in) {
  std::vector<bool> numbers;
  for (const View& v : in) {
    bool one = true;
    for (size_t d = 0; d < v.shape.size(); ++d) one &= v.strides[d] == 0 || v.shape[d] == 1;
    numbers.push_back(one);
  }
  return numbers;
}

const ChainingProgram::Chained& ChainingProgram::chained(std::vector<bool> is_number) const {
  if (const Chained* c = chained_.load(std::memory_order_acquire)) return *c;
  auto made = std::make_unique<Chained>();
  made->is_number = std::move(is_number);
  made->found = find_chains(program_, made->is_number, table_);
  if (!made->found.chains.empty()) {
    made->program = std::make_unique<FusedProgram>(made->found.program, table_);
  }
  const Chained* there = nullptr;
  if (chained_.compare_exchange_strong(there, made.get(), std::memory_order_acq_rel)) {
    return *made.release();
  }
  return *there;
}

// The program that looks chains up, and their tables; null where there is none (yet).
const FusedProgram* ChainingProgram::find(std::span<const View> in, std::span<const View> out,
                                          Tables& tables) const {
  if (out.empty() || out[0].size() < kChainsFrom) return nullptr;
  const Chained& c = chained(numbers_among(in));
  if (!c.program || c.is_number != numbers_among(in)) return nullptr;
  bool all = true;
  std::vector<View> numbers;
  for (const Chain& chain : c.found.chains) {
    numbers.clear();
    for (uint16_t leaf : chain.numbers) numbers.push_back(in[leaf]);
    tables.push_back(chain_results(chain, numbers));
    ChainResults& results = *tables.back();
    if (!results.ready() && results.wants_filling(out[0].size())) fill(chain, numbers, results);
    all &= results.ready() != nullptr;
  }
  return all ? c.program.get() : nullptr;
}

void ChainingProgram::fill(const Chain& chain, std::span<const View> numbers,
                           ChainResults& results) const {
  std::vector<uint16_t> arguments(65536), values(65536);
  for (size_t i = 0; i < arguments.size(); ++i) arguments[i] = static_cast<uint16_t>(i);
  std::vector<View> in{{arguments.data(), chain.program.leaves[0], {65536}, {1}}};
  for (const View& v : numbers) in.push_back({v.data, v.dtype, {65536}, {0}});
  const View out{values.data(), chain.program.leaves[0], {65536}, {1}};
  FusedProgram(chain.program, table_).run(in, {&out, 1});
  results.fill(std::move(values));
}

}  // namespace

std::unique_ptr<PreparedProgram> prepare_program(const Program& program, const KernelTable& table) {
  const bool halves = std::any_of(program.code.begin(), program.code.end(), [](const Instr& i) {
    return i.out == float16 || i.out == bfloat16;
  });
  if (halves) return std::make_unique<ChainingProgram>(program, table);
  return std::make_unique<FusedProgram>(program, table);
}

int64_t elementwise_grain(size_t steps) { return 65536 / (1 + static_cast<int64_t>(steps) / 4); }

}  // namespace olivine::cpu
