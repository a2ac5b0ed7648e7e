// Gradients of weights as sums over outputs: of channels of the cotangent times the values of a
// line of x that a kernel reads.
//
// A task takes some rows of the result and some channels of the cotangent; it copies the lines of x
// that it reads, few enough to stay in the L2 cache. Where several tasks add to the same weights,
// each has sums of its own, added up in order at the end. All bounds depend on the shape alone.
#include <algorithm>
#include <cstring>

#include "backends/cpu/conv_direct.h"
#include "backends/cpu/workspace.h"
#include "runtime/interrupt.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kLineBytes = int64_t{1} << 19;  // of x in a block, and of the cotangent
constexpr int64_t kLongest = 1024;                // outputs of a row
constexpr int64_t kTasks = 16;                    // for an even load, where there is enough work
constexpr int64_t kTaskTiles = 2;                 // of channels of the cotangent, at least
constexpr double kTaskFlops = 2e6;                // of a task at least
constexpr int64_t kSumBytes = int64_t{1} << 24;   // of all tasks
constexpr double kTurnFrom = 1.2;                 // times as much of the vectors filled
constexpr int64_t kManySteps = 1024;  // values of x per output that pay for copying lines again
constexpr int64_t kAddGrain = int64_t{1} << 14;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
char* bytes(const ScratchBytes& s) { return static_cast<char*>(s.data()); }

class DirectWeight {
 public:
  DirectWeight(const ConvCall& call, const ConvPhase& p, const char* cotangent);
  void run(char* sums);
  int64_t workspace() const;

 private:
  struct Block;

  void choose_tasks();
  void run_task(int64_t task) const;
  void add_block(const Block& block) const;
  void add_taps(const Block& block, const ConvLines& lines, RunsArgs& args,
                std::vector<Run>& runs) const;
  char* part(int64_t slice) const {
    return slice == 0 ? first_ : bytes(*parts_) + (slice - 1) * size_ * call_.packed();
  }
  void add_up(char* sums) const;
  template <class T>
  void add_up_as(char* sums) const;

  const ConvCall& call_;
  const ConvPhase& p_;
  const char* cotangent_;
  const int64_t lanes_;
  const int64_t pieces_, length_;  // values of a line that one tap, or all of a line, read
  const int64_t k_, size_, all_rows_;
  // Sums are (taps, C, O): vectors hold channels of the cotangent, where they fill them better.
  bool turned_ = false;
  int64_t slices_ = 1, out_tasks_ = 1, block_rows_ = 1, block_width_ = 1;
  char* first_ = nullptr;  // sums of the first slice
  std::unique_ptr<ScratchBytes> turned_sums_, parts_;
};

struct DirectWeight::Block {
  ConvRows rows;
  int64_t group, out_begin, out_end;  // channels of the cotangent in the group
  bool accumulate;
  char* sums;
};

// How much of the vectors `count` values fill.
double filled(int64_t count, int64_t lanes) {
  return static_cast<double>(count) / static_cast<double>(ceil_div(count, lanes) * lanes);
}

DirectWeight::DirectWeight(const ConvCall& call, const ConvPhase& p, const char* cotangent)
    : call_(call),
      p_(p),
      cotangent_(cotangent),
      lanes_(call.kernels.nr / 2),
      pieces_(in_order(p[2]) ? 1 : p[2].taps),
      length_(p[2].taps / pieces_ * call.channels.in),
      k_(taps(p) * call.channels.in),
      size_(call.channels.groups * call.channels.out * k_),
      all_rows_(call.g.batch * p[0].count * p[1].count) {
  turned_ = filled(call.channels.out, lanes_) > kTurnFrom * filled(length_, lanes_);
  choose_tasks();
}

void DirectWeight::choose_tasks() {
  const ConvChannels& c = call_.channels;
  const ConvAxis& w = p_[2];
  const double flops = 2.0 * static_cast<double>(all_rows_) * static_cast<double>(w.count) *
                       static_cast<double>(size_);
  const int64_t tasks = static_cast<int64_t>(std::min<double>(kTasks, flops / kTaskFlops)) + 1;
  // Copying lines again for some more channels costs less than adding up more sums.
  if (!turned_ && k_ >= kManySteps) {
    const int64_t tiles = ceil_div(c.out, call_.kernels.mr);
    const int64_t least = std::max(kTaskTiles, ceil_div(tiles, ceil_div(tasks, c.groups)));
    out_tasks_ = ceil_div(tiles, least);
  }
  slices_ = ceil_div(tasks, c.groups * out_tasks_);
  slices_ = std::min(slices_, std::max<int64_t>(1, kSumBytes / (size_ * call_.packed())));
  slices_ = std::min(slices_, all_rows_);
  block_width_ = ceil_div(w.count, ceil_div(w.count, kLongest));
  const int64_t line = std::max(ConvLines::positions(w, block_width_) * c.in,
                                block_width_ * ceil_div(c.out, out_tasks_)) *
                       call_.packed();
  block_rows_ = std::max<int64_t>(1, kLineBytes / line);
}

void DirectWeight::run(char* sums) {
  const size_t size = static_cast<size_t>(call_.packed());
  if (turned_) turned_sums_ = std::make_unique<ScratchBytes>(size_, size);
  first_ = turned_ ? bytes(*turned_sums_) : sums;
  parts_ = std::make_unique<ScratchBytes>((slices_ - 1) * size_, size);
  parallel_for(call_.channels.groups * slices_ * out_tasks_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) run_task(t);
  });
  add_up(sums);
}

int64_t DirectWeight::workspace() const {
  const size_t size = static_cast<size_t>(call_.packed());
  const ConvSource source{0, call_.channels.in};
  const int64_t outs = ceil_div(call_.channels.out, out_tasks_);
  const int64_t rows = std::min(block_rows_, ceil_div(all_rows_, slices_));
  const int64_t padded = turned_ ? ceil_div(outs, lanes_) * lanes_ : outs;
  const bool copy = turned_ ? padded != outs : out_tasks_ > 1;
  const int64_t tasks = call_.channels.groups * slices_ * out_tasks_;
  const int64_t own = ConvLines::workspace(call_, p_, source, rows, block_width_) +
                      counted_scratch(copy ? rows * block_width_ * padded : 0, size);
  return (turned_ ? counted_scratch(size_, size) : 0) +
         counted_scratch((slices_ - 1) * size_, size) +
         std::min<int64_t>(thread_count(), tasks) * own;
}

void DirectWeight::run_task(int64_t task) const {
  const int64_t out = task % out_tasks_, slice = task / out_tasks_ % slices_;
  const int64_t outs = call_.channels.out;
  const int64_t begin = split(slice, slices_, all_rows_),
                end = split(slice + 1, slices_, all_rows_);
  const int64_t blocks = ceil_div(end - begin, block_rows_);
  Block block{};
  block.group = task / (out_tasks_ * slices_);
  block.out_begin = split(out, out_tasks_, outs);
  block.out_end = split(out + 1, out_tasks_, outs);
  block.sums = part(slice) + block.group * outs * k_ * call_.packed();
  for (int64_t i = 0; i < blocks; ++i) {
    for (int64_t left = 0; left < p_[2].count; left += block_width_) {
      poll_interrupt();
      block.rows = {begin + split(i, blocks, end - begin),
                    begin + split(i + 1, blocks, end - begin), left,
                    std::min(left + block_width_, p_[2].count)};
      add_block(block);
      block.accumulate = true;
    }
  }
}

// Sets up one product per tap; the operand whose values are multiplied one by one is `a`.
void DirectWeight::add_block(const Block& block) const {
  const ConvChannels& c = call_.channels;
  const ConvRows& rows = block.rows;
  const ConvSource source{block.group * c.in, c.in};
  const ConvLines lines(call_, p_, source, rows);
  const int64_t all = c.groups * c.out, channel = block.group * c.out + block.out_begin;
  const int64_t width = rows.right - rows.left, size = call_.packed();
  // Whole vectors are read of the second operand. Of the first, a part of
  // its channels lies together then.
  const int64_t outs = block.out_end - block.out_begin;
  const int64_t padded = turned_ ? ceil_div(outs, lanes_) * lanes_ : outs;
  const bool copy = turned_ ? padded != outs : out_tasks_ > 1;
  ScratchBytes copied(copy ? (rows.end - rows.begin) * width * padded : 0,
                      static_cast<size_t>(size));
  std::vector<Run> runs;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t at = result_position(p_, r, rows.left) * all + channel;
    const int64_t to = (r - rows.begin) * width * padded;
    runs.push_back({copy ? to : at, copy ? to : at, width});
    if (!copy) continue;
    call_.kernels.pack_a({.src = cotangent_ + at * size,
                          .line_stride = 1,
                          .k_stride = p_[2].step * all,
                          .width = outs,
                          .packed_width = padded,
                          .k = width,
                          .dst = bytes(copied) + to * size});
  }
  RunsArgs args{};
  args.runs = runs.data();
  args.count = static_cast<int64_t>(runs.size());
  args.accumulate = block.accumulate;
  args.a_row = 1;
  const void* cotangent = copy ? bytes(copied) : cotangent_;
  const int64_t step = copy ? padded : p_[2].step * all, line_step = p_[2].stride * c.in;
  args.a = turned_ ? lines.data() : cotangent;
  args.b = turned_ ? cotangent : lines.data();
  args.a_step = turned_ ? line_step : step;
  args.b_step = turned_ ? step : line_step;
  args.rows = turned_ ? length_ : outs;
  args.acc_stride = turned_ ? c.out : k_;
  add_taps(block, lines, args, runs);
}

void DirectWeight::add_taps(const Block& block, const ConvLines& lines, RunsArgs& args,
                            std::vector<Run>& runs) const {
  const ConvAxis& w = p_[2];
  const int64_t size = call_.packed(), outs = call_.channels.out;
  const std::vector<Run> given = runs;
  int64_t k = 0;
  for (int64_t a = 0; a < p_[0].taps; ++a) {
    for (int64_t b = 0; b < p_[1].taps; ++b) {
      for (int64_t t = 0; t < pieces_; ++t, k += length_) {
        const int64_t columns = turned_ ? outs : length_;
        for (int64_t col = 0; col < columns; col += args.cols) {
          args.cols = std::min(columns - col, columns - col <= call_.kernels.run_cols
                                                  ? call_.kernels.run_cols
                                                  : call_.kernels.nr);
          size_t count = 0;
          for (size_t i = 0; i < given.size(); ++i) {
            const int64_t row = block.rows.begin + static_cast<int64_t>(i);
            if (!lines.inside(row, a, b)) continue;
            const int64_t line = lines.at(row, a, b) + (w.base[t] - w.base[0]) * call_.channels.in;
            runs[count++] = {turned_ ? line : given[i].a, turned_ ? given[i].b + col : line + col,
                             given[i].steps};
          }
          args.count = static_cast<int64_t>(count);
          args.acc =
              block.sums + (turned_ ? k * outs + col : block.out_begin * k_ + k + col) * size;
          call_.kernels.add_runs(args);
        }
      }
    }
  }
}

template <class T>
void DirectWeight::add_up_as(char* sums) const {
  T* first = reinterpret_cast<T*>(first_);
  parallel_for(slices_ > 1 ? size_ : 0, kAddGrain, [&](int64_t begin, int64_t end) {
    for (int64_t s = 1; s < slices_; ++s) {
      const T* from = reinterpret_cast<const T*>(part(s));
      for (int64_t i = begin; i < end; ++i) first[i] += from[i];
    }
  });
  const int64_t outs = call_.channels.out;
  T* to = reinterpret_cast<T*>(sums);
  for (int64_t g = 0; turned_ && g < call_.channels.groups; ++g) {
    for (int64_t o = 0; o < outs; ++o) {
      for (int64_t k = 0; k < k_; ++k) *to++ = first[(g * k_ + k) * outs + o];
    }
  }
}

void DirectWeight::add_up(char* sums) const {
  return call_.packed() == 4 ? add_up_as<float>(sums) : add_up_as<double>(sums);
}

}  // namespace

int64_t direct_conv_weight_workspace(const ConvCall& call, const ConvPhase& p) {
  return DirectWeight(call, p, nullptr).workspace();
}

void direct_conv_weight(const ConvCall& call, const ConvPhase& p, const char* cotangent,
                        char* sums) {
  DirectWeight(call, p, cotangent).run(sums);
}

}  // namespace olivine::cpu
