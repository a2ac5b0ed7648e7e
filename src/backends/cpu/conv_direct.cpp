// Convolutions without a matrix of inputs: a register tile holds outputs that are neighbours in a
// line, times channels, and reads the lines of x where they lie.
//
// The weights are packed once. A task takes some rows of the result and some panels of channels; it
// copies the lines that it reads (conv_lines.h) and sums over blocks of taps and channels. Blocks
// depend on the shape alone, and no two tasks share an output.
//
// Groups of a few channels would leave most of a vector empty. There, a vector holds the outputs of
// several groups, and each position of the lines is spread out into one vector of inputs per input
// channel of a group, so that every lane meets the inputs of its own group.
#include "backends/cpu/conv_direct.h"

#include <algorithm>

#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kBlockSteps = 256;              // whose weights stay in the L1 cache
constexpr int64_t kTaskBytes = int64_t{1} << 19;  // of lines of x
constexpr int64_t kTaskWeights = 640 << 10;       // bytes of weights
constexpr int64_t kLongest = 1024;                // outputs of a row
constexpr int64_t kTasks = 16;                    // for an even load, where there is enough work
constexpr int64_t kPackGrain = 1 << 16;           // weights that a task packs at least
constexpr double kTaskFlops = 2e6;                // of a task at least
constexpr int64_t kShortest = 3;                  // outputs along the last axis

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
char* bytes(const ScratchBytes& s) { return static_cast<char*>(s.data()); }

// Steps of the sum that read neighbours: taps along the last axis, or channels of one tap.
struct Piece {
  int64_t a, b;    // taps along the first two axes
  int64_t offset;  // in the line
  int64_t k, steps;
};

class DirectConv {
 public:
  DirectConv(const ConvCall& call, const ConvPhase& p, char* out);
  void run(const ConvWeights& w);

 private:
  void add_pieces();
  void pack(const ConvWeights& w);
  void pack_panel(const ConvWeights& w, int64_t group, int64_t panel, char* to) const;
  void run_task(int64_t task) const;
  std::vector<int32_t> spread_index(int64_t panel, ConvSource& source) const;
  std::vector<Run> runs_of(const ConvLines& lines, const ConvRows& rows) const;
  void run_panel(const ConvLines& lines, const ConvRows& rows, const std::vector<Run>& runs,
                 int64_t group, int64_t panel, char* sums) const;
  char* result(int64_t row, int64_t jw, int64_t group, int64_t panel) const;

  const ConvCall& call_;
  const ConvPhase& p_;
  char* out_;
  const bool spread_;             // one group of all channels, spread out
  const int64_t groups_, outs_;   // channels of a result per group
  const int64_t width_of_panel_;  // channels
  const int64_t elements_;        // of a step in a line
  const int64_t k_, panels_, all_rows_;
  std::vector<Piece> pieces_;
  std::vector<size_t> blocks_;  // first pieces, and the end
  std::unique_ptr<ScratchBytes> packed_;
  int64_t rows_ = 1, width_ = 1, task_panels_ = 1;  // of a task
  int64_t row_tasks_ = 1, width_tasks_ = 1, panel_tasks_ = 1;
  void choose_tasks();
};

DirectConv::DirectConv(const ConvCall& call, const ConvPhase& p, char* out)
    : call_(call),
      p_(p),
      out_(out),
      spread_(call.channels.groups > 1 && call.channels.out <= call.kernels.nr / 4),
      groups_(spread_ ? 1 : call.channels.groups),
      outs_(spread_ ? call.channels.groups * call.channels.out : call.channels.out),
      width_of_panel_(spread_ ? call.kernels.nr / 2 : call.kernels.nr),
      elements_(spread_ ? call.kernels.nr / 2 : 1),
      k_(taps(p) * call.channels.in),
      panels_(ceil_div(outs_, width_of_panel_)),
      all_rows_(call.g.batch * p[0].count * p[1].count) {
  add_pieces();
  choose_tasks();
}

void DirectConv::add_pieces() {
  const ConvAxis& w = p_[2];
  const int64_t channels = call_.channels.in;
  const int64_t runs = in_order(w) ? 1 : w.taps, length = w.taps / runs * channels;
  const int64_t parts = ceil_div(length, kBlockSteps);
  int64_t k = 0, block_begin = 0;
  for (int64_t a = 0; a < p_[0].taps; ++a) {
    for (int64_t b = 0; b < p_[1].taps; ++b) {
      for (int64_t t = 0; t < runs; ++t) {
        const int64_t first = (w.base[t] - w.base[0]) * channels;
        for (int64_t i = 0; i < parts; ++i) {
          const int64_t from = split(i, parts, length), steps = split(i + 1, parts, length) - from;
          if (blocks_.empty() || k + steps - block_begin > kBlockSteps) {
            blocks_.push_back(pieces_.size());
            block_begin = k;
          }
          pieces_.push_back({a, b, (first + from) * elements_, k, steps});
          k += steps;
        }
      }
    }
  }
  blocks_.push_back(pieces_.size());
}

// A task takes all panels of channels whose weights stay in the L2 cache, for each of them would
// need its own copy of the lines; then tasks share rows, and panels further only if rows are few.
void DirectConv::choose_tasks() {
  const ConvAxis& w = p_[2];
  width_tasks_ = ceil_div(w.count, kLongest);
  width_ = ceil_div(w.count, width_tasks_);
  const int64_t line =
      ConvLines::positions(w, width_) * call_.channels.in * elements_ * call_.packed();
  const double row_flops =
      2.0 * static_cast<double>(width_) * static_cast<double>(k_) * static_cast<double>(outs_);
  const double flops =
      row_flops * static_cast<double>(all_rows_ * width_tasks_) * static_cast<double>(groups_);
  const int64_t tasks = static_cast<int64_t>(std::min<double>(kTasks, flops / kTaskFlops)) + 1;
  const int64_t others = width_tasks_ * groups_;
  const int64_t panel_bytes = width_of_panel_ * k_ * call_.packed();
  panel_tasks_ = ceil_div(panels_, std::max<int64_t>(1, kTaskWeights / panel_bytes));
  if (spread_) panel_tasks_ = std::min(tasks, panels_);  // each has lines of its own
  row_tasks_ = std::min(ceil_div(tasks, others * panel_tasks_), all_rows_);
  row_tasks_ = std::max(row_tasks_, ceil_div(all_rows_, std::max<int64_t>(1, kTaskBytes / line)));
  rows_ = ceil_div(all_rows_, row_tasks_);
  row_tasks_ = ceil_div(all_rows_, rows_);
  panel_tasks_ = std::clamp(ceil_div(tasks, others * row_tasks_), panel_tasks_, panels_);
}

void DirectConv::pack(const ConvWeights& w) {
  const int64_t panel = width_of_panel_ * k_, all = groups_ * panels_;
  const size_t size = static_cast<size_t>(call_.packed());
  packed_ = std::make_unique<ScratchBytes>(all * panel + call_.kernels.nr, size);
  parallel_for(all, kPackGrain / panel + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      pack_panel(w, i / panels_, i % panels_, bytes(*packed_) + i * panel * call_.packed());
    }
  });
}

// In order of (taps, channels), in one go if that is how they lie.
void DirectConv::pack_panel(const ConvWeights& w, int64_t group, int64_t panel, char* to) const {
  const int64_t nr = width_of_panel_, channels = call_.channels.in;
  const char* first = w.data + (group * outs_ + panel * nr) * w.out * call_.item();
  const auto at = [&](const int64_t(&t)[kConvAxes]) {
    int64_t sum = 0;
    for (size_t d = 0; d < kConvAxes; ++d) sum += p_[d].tap[t[d]] * w.kernel[d];
    return sum;
  };
  bool dense = true;
  for_taps(p_, [&](int64_t n, const int64_t(&t)[kConvAxes]) {
    dense = dense && at(t) == n * channels * w.in;
  });
  PackArgs args{first, w.out, w.in, std::min(nr, outs_ - panel * nr), nr, dense ? k_ : channels,
                to};
  if (dense) return call_.kernels.pack_b(args);
  for_taps(p_, [&](int64_t n, const int64_t(&t)[kConvAxes]) {
    args.src = first + at(t) * call_.item();
    args.dst = to + n * channels * nr * call_.packed();
    call_.kernels.pack_b(args);
  });
}

void DirectConv::run(const ConvWeights& w) {
  pack(w);
  const int64_t tasks = groups_ * row_tasks_ * width_tasks_ * panel_tasks_;
  const double flops = 2.0 * static_cast<double>(rows_ * width_) * static_cast<double>(k_) *
                       static_cast<double>(outs_ / panel_tasks_);
  const int64_t grain = static_cast<int64_t>(std::min(1e9, kTaskFlops / (flops + 1))) + 1;
  parallel_for(tasks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) run_task(t);
  });
}

void DirectConv::run_task(int64_t task) const {
  const int64_t row = task % row_tasks_ * rows_;
  int64_t rest = task / row_tasks_;
  const int64_t i = rest % width_tasks_;
  rest /= width_tasks_;
  const int64_t part = rest % panel_tasks_, group = rest / panel_tasks_;
  const ConvRows rows{row, std::min(row + rows_, all_rows_), i * width_,
                      std::min((i + 1) * width_, p_[2].count)};
  if (rows.begin >= rows.end || rows.left >= rows.right) return;
  const bool half = call_.item() < call_.packed();
  const int64_t results = (rows.end - rows.begin) * (rows.right - rows.left) * width_of_panel_;
  ScratchBytes sums(half ? results : 0, static_cast<size_t>(call_.packed()));
  std::unique_ptr<ConvLines> lines;
  std::vector<Run> runs;
  for (int64_t j = split(part, panel_tasks_, panels_); j < split(part + 1, panel_tasks_, panels_);
       ++j) {
    ConvSource source{group * call_.channels.in, call_.channels.in};
    const std::vector<int32_t> index = spread_index(j, source);
    if (!lines || spread_) {
      lines = std::make_unique<ConvLines>(call_, p_, source, rows);
      runs = runs_of(*lines, rows);
    }
    run_panel(*lines, rows, runs, group, j, half ? bytes(sums) : nullptr);
  }
}

// Which channels of `source` the lanes of a panel read, for each input channel of their groups.
std::vector<int32_t> DirectConv::spread_index(int64_t panel, ConvSource& source) const {
  if (!spread_) return {};
  const int64_t first = panel * width_of_panel_;
  const int64_t last = std::min(first + width_of_panel_, outs_) - 1;
  const ConvChannels& c = call_.channels;
  source = {first / c.out * c.in, (last / c.out - first / c.out + 1) * c.in, nullptr, c.in};
  std::vector<int32_t> index;
  for (int64_t i = 0; i < c.in; ++i) {
    for (int64_t j = 0; j < width_of_panel_; ++j) {
      const int64_t group = std::min(first + j, last) / c.out;
      index.push_back(static_cast<int32_t>(group * c.in + i - source.first));
    }
  }
  source.index = index.data();
  return index;
}

std::vector<Run> DirectConv::runs_of(const ConvLines& lines, const ConvRows& rows) const {
  std::vector<Run> runs;
  runs.reserve(pieces_.size() * static_cast<size_t>(rows.end - rows.begin));
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    for (const Piece& p : pieces_) {
      runs.push_back({lines.at(r, p.a, p.b) + p.offset, p.k * width_of_panel_, p.steps});
    }
  }
  return runs;
}

char* DirectConv::result(int64_t row, int64_t jw, int64_t group, int64_t panel) const {
  const ConvChannels& c = call_.channels;
  const int64_t position = result_position(p_, row, jw) * c.groups * c.out;
  return out_ + (position + group * outs_ + panel * width_of_panel_) * call_.item();
}

void DirectConv::run_panel(const ConvLines& lines, const ConvRows& rows,
                           const std::vector<Run>& runs, int64_t group, int64_t panel,
                           char* sums) const {
  const ConvChannels& c = call_.channels;
  const int64_t nr = width_of_panel_, count = rows.right - rows.left;
  RunsArgs args{};
  args.a = lines.data();
  args.b = bytes(*packed_) + (group * panels_ + panel) * nr * k_ * call_.packed();
  args.lanes = spread_;
  args.a_row = p_[2].stride * c.in * elements_;
  args.a_step = elements_;
  args.b_step = nr;
  args.rows = count;
  args.cols = std::min(nr, outs_ - panel * nr);
  const int64_t out_stride = p_[2].step * c.groups * c.out;
  args.acc_stride = sums ? nr : out_stride;
  for (size_t block = 0; block + 1 < blocks_.size(); ++block) {
    args.accumulate = block > 0;
    args.count = static_cast<int64_t>(blocks_[block + 1] - blocks_[block]);
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      const int64_t i = r - rows.begin;
      args.runs = runs.data() + static_cast<size_t>(i) * pieces_.size() + blocks_[block];
      args.acc = sums ? sums + i * count * nr * call_.packed() : result(r, rows.left, group, panel);
      call_.kernels.add_runs(args);
    }
  }
  for (int64_t r = rows.begin; sums && r < rows.end; ++r) {
    call_.kernels.finish({.acc = sums + (r - rows.begin) * count * nr * call_.packed(),
                          .acc_stride = nr,
                          .rows = count,
                          .cols = args.cols,
                          .alpha = 1,
                          .beta = 0,
                          .c = result(r, rows.left, group, panel),
                          .c_row_stride = out_stride,
                          .addend = nullptr,
                          .addend_row_stride = 0,
                          .addend_col_stride = 0});
  }
}

}  // namespace

bool suits_direct_conv(const ConvPhase& p) {
  const ConvAxis& w = p[2];
  return w.count >= kShortest &&
         ConvLines::positions(w, w.count) <= 4 * w.count * std::max<int64_t>(w.taps, 1) + 64;
}

void direct_conv(const ConvCall& call, const ConvPhase& p, const ConvWeights& w, char* out) {
  DirectConv(call, p, out).run(w);
}

}  // namespace olivine::cpu
