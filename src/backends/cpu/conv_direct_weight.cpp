// Gradients of weights as sums over outputs: of channels of the cotangent times the values of a
// line of x that a kernel reads.
//
// A task takes some rows of the result and some channels of the cotangent; it copies the lines of x
// that it reads, few enough to stay in the L2 cache. Where several tasks add to the same weights,
// each has sums of its own, added up in order at the end. All bounds depend on the shape alone.
#include <algorithm>
#include <cstring>

#include "backends/cpu/conv_direct.h"
#include "runtime/interrupt.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kLineBytes = int64_t{1} << 18;  // of x in a block, and of the cotangent
constexpr int64_t kLongest = 1024;                // outputs of a row
constexpr int64_t kTasks = 16;                    // for an even load, where there is enough work
constexpr int64_t kTaskChannels = 48;             // of the cotangent, at least
constexpr double kTaskFlops = 2e6;                // of a task at least
constexpr int64_t kSumBytes = int64_t{1} << 24;   // of all tasks
constexpr int64_t kAddGrain = int64_t{1} << 14;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
char* bytes(const ScratchBytes& s) { return static_cast<char*>(s.data()); }

class DirectWeight {
 public:
  DirectWeight(const ConvCall& call, const ConvPhase& p, const char* cotangent);
  void run(char* sums);

 private:
  void choose_tasks();
  void run_task(int64_t task) const;
  void add_block(const ConvRows& rows, int64_t group, int64_t out_begin, int64_t out_end,
                 bool accumulate, char* sums) const;
  char* part(int64_t slice) const {
    return slice == 0 ? first_ : bytes(*parts_) + (slice - 1) * size_ * call_.packed();
  }
  void add_up(char* sums) const;

  const ConvCall& call_;
  const ConvPhase& p_;
  const char* cotangent_;
  const int64_t k_, size_, all_rows_;
  int64_t slices_ = 1, out_tasks_ = 1, block_rows_ = 1, block_width_ = 1;
  char* first_ = nullptr;  // sums of the first slice
  std::unique_ptr<ScratchBytes> wide_, parts_;
};

DirectWeight::DirectWeight(const ConvCall& call, const ConvPhase& p, const char* cotangent)
    : call_(call),
      p_(p),
      cotangent_(cotangent),
      k_(taps(p) * call.channels.in),
      size_(call.channels.groups * call.channels.out * k_),
      all_rows_(call.g.batch * p[0].count * p[1].count) {
  choose_tasks();
}

void DirectWeight::choose_tasks() {
  const ConvChannels& c = call_.channels;
  const ConvAxis& w = p_[2];
  const double flops = 2.0 * static_cast<double>(all_rows_) * static_cast<double>(w.count) *
                       static_cast<double>(size_);
  const int64_t tasks = static_cast<int64_t>(std::min<double>(kTasks, flops / kTaskFlops)) + 1;
  out_tasks_ = std::clamp<int64_t>(c.out / kTaskChannels, 1, ceil_div(tasks, c.groups));
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
  const bool half = call_.item() < call_.packed();
  const size_t size = static_cast<size_t>(call_.packed());
  if (half) wide_ = std::make_unique<ScratchBytes>(size_, size);
  first_ = half ? bytes(*wide_) : sums;
  parts_ = std::make_unique<ScratchBytes>((slices_ - 1) * size_, size);
  parallel_for(call_.channels.groups * slices_ * out_tasks_, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) run_task(t);
  });
  add_up(sums);
}

void DirectWeight::run_task(int64_t task) const {
  const int64_t out = task % out_tasks_, slice = task / out_tasks_ % slices_;
  const int64_t group = task / (out_tasks_ * slices_), outs = call_.channels.out;
  const int64_t begin = split(slice, slices_, all_rows_),
                end = split(slice + 1, slices_, all_rows_);
  const int64_t blocks = ceil_div(end - begin, block_rows_);
  const int64_t first = split(out, out_tasks_, outs), last = split(out + 1, out_tasks_, outs);
  bool accumulate = false;
  for (int64_t i = 0; i < blocks; ++i) {
    for (int64_t left = 0; left < p_[2].count; left += block_width_) {
      poll_interrupt();
      const ConvRows rows{begin + split(i, blocks, end - begin),
                          begin + split(i + 1, blocks, end - begin), left,
                          std::min(left + block_width_, p_[2].count)};
      add_block(rows, group, first, last, accumulate, part(slice));
      accumulate = true;
    }
  }
}

void DirectWeight::add_block(const ConvRows& rows, int64_t group, int64_t out_begin,
                             int64_t out_end, bool accumulate, char* sums) const {
  const ConvChannels& c = call_.channels;
  const ConvAxis& w = p_[2];
  const int64_t size = call_.packed(), width = rows.right - rows.left, outs = out_end - out_begin;
  const ConvLines lines(call_, p_, {group * c.in, c.in}, rows);
  const bool half = call_.item() < size;
  ScratchBytes wide(half ? (rows.end - rows.begin) * width * outs + call_.kernels.nr : 0,
                    static_cast<size_t>(size));
  const int64_t all = c.groups * c.out, channel = group * c.out + out_begin;
  RunsArgs args{};
  args.a = half ? bytes(wide) : cotangent_;
  args.a_row = 1;
  args.a_step = half ? outs : w.step * all;
  args.b = lines.data();
  args.b_step = w.stride * c.in;
  args.rows = outs;
  args.acc_stride = k_;
  args.accumulate = accumulate;
  std::vector<Run> runs;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t at = result_position(p_, r, rows.left) * all + channel;
    const int64_t to = (r - rows.begin) * width * outs;
    runs.push_back({half ? to : at, 0, width});
    if (!half) continue;
    call_.kernels.pack_a({.src = cotangent_ + at * call_.item(),
                          .line_stride = 1,
                          .k_stride = w.step * all,
                          .width = outs,
                          .packed_width = outs,
                          .k = width,
                          .dst = bytes(wide) + to * size});
  }
  args.runs = runs.data();
  args.count = static_cast<int64_t>(runs.size());
  const int64_t pieces = in_order(w) ? 1 : w.taps, length = w.taps / pieces * c.in;
  char* to = sums + (group * c.out + out_begin) * k_ * size;
  for (int64_t a = 0; a < p_[0].taps; ++a) {
    for (int64_t b = 0; b < p_[1].taps; ++b) {
      for (int64_t t = 0; t < pieces; ++t) {
        for (int64_t col = 0; col < length; col += args.cols) {
          args.cols = std::min<int64_t>(call_.kernels.nr, length - col);
          for (int64_t r = rows.begin; r < rows.end; ++r) {
            runs[static_cast<size_t>(r - rows.begin)].b =
                lines.at(r, a, b) + (w.base[t] - w.base[0]) * c.in + col;
          }
          args.acc = to;
          call_.kernels.add_runs(args);
          to += args.cols * size;
        }
      }
    }
  }
}

template <class T>
void add(T* to, const T* from, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) to[i] += from[i];
}

void DirectWeight::add_up(char* sums) const {
  parallel_for(size_, kAddGrain, [&](int64_t begin, int64_t end) {
    for (int64_t s = 1; s < slices_; ++s) {
      if (call_.packed() == 4) {
        add(reinterpret_cast<float*>(first_), reinterpret_cast<float*>(part(s)), begin, end);
      } else {
        add(reinterpret_cast<double*>(first_), reinterpret_cast<double*>(part(s)), begin, end);
      }
    }
    if (!wide_) return;
    call_.kernels.finish({.acc = first_ + begin * call_.packed(),
                          .acc_stride = end - begin,
                          .rows = 1,
                          .cols = end - begin,
                          .alpha = 1,
                          .beta = 0,
                          .c = sums + begin * call_.item(),
                          .c_row_stride = end - begin,
                          .addend = nullptr,
                          .addend_row_stride = 0,
                          .addend_col_stride = 0});
  });
}

}  // namespace

void direct_conv_weight(const ConvCall& call, const ConvPhase& p, const char* cotangent,
                        char* sums) {
  DirectWeight(call, p, cotangent).run(sums);
}

}  // namespace olivine::cpu
