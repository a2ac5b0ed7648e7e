// Convolutions without a matrix of inputs: a register tile holds outputs that are neighbours in a
// line, times channels, and reads the lines of x where they lie.
//
// A task takes some rows of the result and some panels of channels; it copies the lines that it
// reads (conv_lines.h) and sums over blocks of taps and channels. Lines outside the image are left
// out of the sums. Blocks depend on the shape alone, and no two tasks share an output.
//
// The weights are packed once, before all tasks, and lines that several tasks read are copied
// before them too. Where there are many weights for few rows, packed weights would go to memory and
// back for little: there each task has all rows of one panel and packs a block when it uses it.
//
// Groups of a few channels would leave most of a vector empty. There, a vector holds the outputs of
// several groups, and each position of the lines is spread out into one vector of inputs per input
// channel of a group, so that every lane meets the inputs of its own group.
#include "backends/cpu/conv_direct.h"

#include <algorithm>

#include "backends/cpu/workspace.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kBlockSteps = 256;                // whose weights stay in the L1 cache
constexpr int64_t kTaskBytes = int64_t{1} << 19;    // of lines of x
constexpr int64_t kTaskWeights = 640 << 10;         // bytes of weights
constexpr int64_t kLongest = 1024;                  // outputs of a row
constexpr int64_t kTasks = 16;                      // for an even load, where there is enough work
constexpr int64_t kPackGrain = 1 << 16;             // weights that a task packs at least
constexpr double kTaskFlops = 2e6;                  // of a task at least
constexpr int64_t kShortest = 3;                    // outputs along the last axis
constexpr int64_t kFewLines = 3 << 19;              // bytes of x that stay in the L2 cache
constexpr int64_t kSharedLines = int64_t{1} << 26;  // bytes of copies of lines for all tasks

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
char* bytes(const ScratchBytes& s) { return static_cast<char*>(s.data()); }

// Steps of the sum that read neighbours: taps along the last axis, or channels of one tap.
struct Piece {
  int64_t a, b;    // taps along the first two axes
  int64_t offset;  // in the line
  int64_t k, steps;
};

// Consecutive pieces, and their first step.
struct Block {
  size_t first;
  int64_t k;
};

class DirectConv {
 public:
  DirectConv(const ConvCall& call, const ConvPhase& p, const ConvWeights& w, char* out);
  void run();
  int64_t workspace() const;

 private:
  // Rows of one task, the lines that they read, and the steps of each row and block.
  struct Tile {
    Tile(const DirectConv& conv, const ConvSource& source, const ConvRows& rows);

    ConvRows rows;
    ConvLines lines;
    std::vector<Run> runs;
    std::vector<size_t> bounds;  // in `runs`, of the blocks of row after row
  };

  void add_pieces();
  void choose_tasks();
  void pack();
  void pack_steps(int64_t group, int64_t panel, const Block& from, int64_t end, char* to) const;
  ConvRows rows_of(int64_t tile) const;
  void share_lines();
  void run_task(int64_t task) const;
  std::vector<int32_t> spread_index(int64_t panel, ConvSource& source) const;
  void run_panel(const Tile& tile, int64_t group, int64_t panel, char* sums, char* weights) const;
  char* result(int64_t row, int64_t jw, int64_t group, int64_t panel) const;

  const ConvCall& call_;
  const ConvPhase& p_;
  const ConvWeights& w_;
  char* out_;
  const bool spread_;             // one group of all channels, spread out
  const int64_t groups_, outs_;   // channels of a result per group
  const int64_t width_of_panel_;  // channels
  const int64_t elements_;        // of a step in a line
  const int64_t k_, panels_, all_rows_;
  std::vector<int64_t> tap_weights_;  // where each tap's weights begin
  std::vector<Piece> pieces_;
  std::vector<Block> blocks_;  // and the end
  std::unique_ptr<ScratchBytes> packed_;
  int64_t rows_ = 1, width_ = 1;  // of a tile
  int64_t row_tasks_ = 1, width_tasks_ = 1, panel_tasks_ = 1;
  bool packs_blocks_ = false;  // in its tasks
  bool shares_lines_ = false;
  std::vector<std::unique_ptr<Tile>> tiles_;  // shared ones
};

DirectConv::DirectConv(const ConvCall& call, const ConvPhase& p, const ConvWeights& w, char* out)
    : call_(call),
      p_(p),
      w_(w),
      out_(out),
      spread_(call.channels.groups > 1 && call.channels.out <= call.kernels.nr / 4),
      groups_(spread_ ? 1 : call.channels.groups),
      outs_(spread_ ? call.channels.groups * call.channels.out : call.channels.out),
      width_of_panel_(spread_ ? call.kernels.nr / 2 : call.kernels.nr),
      elements_(spread_ ? call.kernels.nr / 2 : 1),
      k_(taps(p) * call.channels.in),
      panels_(ceil_div(outs_, width_of_panel_)),
      all_rows_(call.g.batch * p[0].count * p[1].count) {
  for_taps(p, [&](int64_t, const int64_t(&t)[kConvAxes]) {
    int64_t at = 0;
    for (size_t d = 0; d < kConvAxes; ++d) at += p[d].tap[t[d]] * w.kernel[d];
    tap_weights_.push_back(at);
  });
  add_pieces();
  choose_tasks();
}

void DirectConv::add_pieces() {
  const ConvAxis& w = p_[2];
  const int64_t channels = call_.channels.in;
  const int64_t runs = in_order(w) ? 1 : w.taps, length = w.taps / runs * channels;
  const int64_t parts = ceil_div(length, kBlockSteps);
  int64_t k = 0;
  for (int64_t a = 0; a < p_[0].taps; ++a) {
    for (int64_t b = 0; b < p_[1].taps; ++b) {
      for (int64_t t = 0; t < runs; ++t) {
        const int64_t first = (w.base[t] - w.base[0]) * channels;
        for (int64_t i = 0; i < parts; ++i) {
          const int64_t from = split(i, parts, length), steps = split(i + 1, parts, length) - from;
          if (blocks_.empty() || k + steps - blocks_.back().k > kBlockSteps) {
            blocks_.push_back({pieces_.size(), k});
          }
          pieces_.push_back({a, b, (first + from) * elements_, k, steps});
          k += steps;
        }
      }
    }
  }
  blocks_.push_back({pieces_.size(), k});
}

// A task takes all panels of channels whose weights stay in the L2 cache; then tasks share rows,
// and panels further only if rows are few.
void DirectConv::choose_tasks() {
  const ConvAxis& w = p_[2];
  width_tasks_ = ceil_div(w.count, kLongest);
  width_ = ceil_div(w.count, width_tasks_);
  const int64_t line =
      ConvLines::positions(w, width_) * call_.channels.in * elements_ * call_.packed();
  const int64_t panel_bytes = width_of_panel_ * k_ * call_.packed();
  const int64_t all_lines = line * call_.g.batch * p_[0].in * p_[1].in;
  packs_blocks_ = !spread_ && width_tasks_ == 1 && all_lines <= kFewLines &&
                  panels_ * panel_bytes > kTaskWeights && panels_ * groups_ >= 2 * thread_count();
  if (packs_blocks_) {
    rows_ = all_rows_;
    panel_tasks_ = panels_;
    shares_lines_ = true;
    return;
  }
  const double row_flops =
      2.0 * static_cast<double>(width_) * static_cast<double>(k_) * static_cast<double>(outs_);
  const double flops =
      row_flops * static_cast<double>(all_rows_ * width_tasks_) * static_cast<double>(groups_);
  const int64_t tasks = static_cast<int64_t>(std::min<double>(kTasks, flops / kTaskFlops)) + 1;
  const int64_t others = width_tasks_ * groups_;
  panel_tasks_ = ceil_div(panels_, std::max<int64_t>(1, kTaskWeights / panel_bytes));
  if (spread_) panel_tasks_ = std::min(tasks, panels_);  // each has lines of its own
  row_tasks_ = std::min(ceil_div(tasks, others * panel_tasks_), all_rows_);
  row_tasks_ = std::max(row_tasks_, ceil_div(all_rows_, std::max<int64_t>(1, kTaskBytes / line)));
  rows_ = ceil_div(all_rows_, row_tasks_);
  row_tasks_ = ceil_div(all_rows_, rows_);
  panel_tasks_ = std::clamp(ceil_div(tasks, others * row_tasks_), panel_tasks_, panels_);
  shares_lines_ =
      !spread_ && panel_tasks_ > 1 &&
      static_cast<double>(all_lines) * static_cast<double>(width_tasks_ * groups_) <= kSharedLines;
}

void DirectConv::pack() {
  const int64_t panel = width_of_panel_ * k_, all = groups_ * panels_;
  const size_t size = static_cast<size_t>(call_.packed());
  packed_ = std::make_unique<ScratchBytes>(all * panel + call_.kernels.nr, size);
  parallel_for(all, kPackGrain / panel + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      pack_steps(i / panels_, i % panels_, blocks_.front(), k_,
                 bytes(*packed_) + i * panel * call_.packed());
    }
  });
}

// Steps [from.k, end) of the sum, as many at a time as lie in order.
void DirectConv::pack_steps(int64_t group, int64_t panel, const Block& from, int64_t end,
                            char* to) const {
  const int64_t nr = width_of_panel_, channels = call_.channels.in;
  const char* first = w_.data + (group * outs_ + panel * nr) * w_.out * call_.item();
  PackArgs args{first, w_.out, w_.in, std::min(nr, outs_ - panel * nr), nr, 0, to};
  for (int64_t k = from.k; k < end; k += args.k) {
    const size_t tap = static_cast<size_t>(k / channels);
    int64_t stop = (k / channels + 1) * channels;
    for (size_t t = tap + 1; stop < end; ++t, stop += channels) {
      if (tap_weights_[t] != tap_weights_[t - 1] + channels * w_.in) break;
    }
    args.src = first + (tap_weights_[tap] + k % channels * w_.in) * call_.item();
    args.dst = to + (k - from.k) * nr * call_.packed();
    args.k = std::min(stop, end) - k;
    call_.kernels.pack_b(args);
  }
}

ConvRows DirectConv::rows_of(int64_t tile) const {
  const int64_t row = tile % row_tasks_ * rows_, i = tile / row_tasks_ % width_tasks_;
  return {row, std::min(row + rows_, all_rows_), i * width_,
          std::min((i + 1) * width_, p_[2].count)};
}

void DirectConv::share_lines() {
  const int64_t count = groups_ * width_tasks_ * row_tasks_;
  tiles_.resize(static_cast<size_t>(count));
  parallel_for(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / (row_tasks_ * width_tasks_);
      const ConvSource source{group * call_.channels.in, call_.channels.in};
      tiles_[static_cast<size_t>(i)] = std::make_unique<Tile>(*this, source, rows_of(i));
    }
  });
}

void DirectConv::run() {
  if (!packs_blocks_) pack();
  if (shares_lines_) share_lines();
  const int64_t tasks = groups_ * row_tasks_ * width_tasks_ * panel_tasks_;
  const double flops = 2.0 * static_cast<double>(rows_ * width_) * static_cast<double>(k_) *
                       static_cast<double>(outs_ / panel_tasks_);
  const int64_t grain = static_cast<int64_t>(std::min(1e9, kTaskFlops / (flops + 1))) + 1;
  parallel_for(tasks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) run_task(t);
  });
}

int64_t DirectConv::workspace() const {
  const size_t size = static_cast<size_t>(call_.packed());
  const int64_t panel = width_of_panel_ * k_, of_group = row_tasks_ * width_tasks_;
  const int64_t at_once = std::min<int64_t>(thread_count(), groups_ * of_group * panel_tasks_);
  ConvSource source{0, call_.channels.in};
  std::vector<int32_t> index;
  if (spread_) index = spread_index(0, source);
  const int64_t lines = ConvLines::workspace(call_, p_, source, rows_, width_);
  const bool half = call_.item() < call_.packed();
  const int64_t own = (half ? counted_scratch(rows_ * width_ * width_of_panel_, size) : 0) +
                      (packs_blocks_ ? counted_scratch((kBlockSteps + 1) * width_of_panel_, size)
                                     : counted_scratch(0, size));
  const int64_t packed =
      packs_blocks_ ? 0 : counted_scratch(groups_ * panels_ * panel + call_.kernels.nr, size);
  return packed + (shares_lines_ ? groups_ * of_group * lines : at_once * lines) + at_once * own;
}

void DirectConv::run_task(int64_t task) const {
  const int64_t of_group = row_tasks_ * width_tasks_;
  const int64_t group = task / (of_group * panel_tasks_);
  const int64_t part = task / of_group % panel_tasks_, i = task % of_group;
  const ConvRows rows = rows_of(i);
  if (rows.begin >= rows.end || rows.left >= rows.right) return;
  const bool half = call_.item() < call_.packed();
  const int64_t results = (rows.end - rows.begin) * (rows.right - rows.left) * width_of_panel_;
  ScratchBytes sums(half ? results : 0, static_cast<size_t>(call_.packed()));
  ScratchBytes weights(packs_blocks_ ? (kBlockSteps + 1) * width_of_panel_ : 0,
                       static_cast<size_t>(call_.packed()));
  std::unique_ptr<Tile> own;
  for (int64_t j = split(part, panel_tasks_, panels_); j < split(part + 1, panel_tasks_, panels_);
       ++j) {
    ConvSource source{group * call_.channels.in, call_.channels.in};
    const std::vector<int32_t> index = spread_index(j, source);
    if (!shares_lines_ && (!own || spread_)) own = std::make_unique<Tile>(*this, source, rows);
    const Tile& tile = shares_lines_ ? *tiles_[static_cast<size_t>(group * of_group + i)] : *own;
    run_panel(tile, group, j, half ? bytes(sums) : nullptr,
              packs_blocks_ ? bytes(weights) : nullptr);
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

DirectConv::Tile::Tile(const DirectConv& conv, const ConvSource& source, const ConvRows& of)
    : rows(of), lines(conv.call_, conv.p_, source, of) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    for (size_t i = 0; i + 1 < conv.blocks_.size(); ++i) {
      bounds.push_back(runs.size());
      for (size_t j = conv.blocks_[i].first; j < conv.blocks_[i + 1].first; ++j) {
        const Piece& p = conv.pieces_[j];
        if (!lines.inside(r, p.a, p.b)) continue;
        runs.push_back({lines.at(r, p.a, p.b) + p.offset,
                        (p.k - conv.blocks_[i].k) * conv.width_of_panel_, p.steps});
      }
    }
  }
  bounds.push_back(runs.size());
}

char* DirectConv::result(int64_t row, int64_t jw, int64_t group, int64_t panel) const {
  const ConvChannels& c = call_.channels;
  const int64_t position = result_position(p_, row, jw) * c.groups * c.out;
  return out_ + (position + group * outs_ + panel * width_of_panel_) * call_.item();
}

// `weights`: for those of a block, if they are not packed yet.
void DirectConv::run_panel(const Tile& tile, int64_t group, int64_t panel, char* sums,
                           char* weights) const {
  const ConvChannels& c = call_.channels;
  const ConvRows& rows = tile.rows;
  const int64_t nr = width_of_panel_, count = rows.right - rows.left, step = nr * call_.packed();
  const char* packed = weights ? nullptr : bytes(*packed_) + (group * panels_ + panel) * step * k_;
  RunsArgs args{};
  args.a = tile.lines.data();
  args.lanes = spread_;
  args.a_row = p_[2].stride * c.in * elements_;
  args.a_step = elements_;
  args.b_step = nr;
  args.rows = count;
  args.cols = std::min(nr, outs_ - panel * nr);
  const int64_t out_stride = p_[2].step * c.groups * c.out;
  args.acc_stride = sums ? nr : out_stride;
  const size_t blocks = blocks_.size() - 1;
  for (size_t block = 0; block < blocks; ++block) {
    args.accumulate = block > 0;
    const Block& from = blocks_[block];
    if (weights) pack_steps(group, panel, from, blocks_[block + 1].k, weights);
    args.b = weights ? weights : packed + from.k * step;
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      const int64_t i = r - rows.begin;
      const size_t* bounds = tile.bounds.data() + static_cast<size_t>(i) * blocks + block;
      args.runs = tile.runs.data() + bounds[0];
      args.count = static_cast<int64_t>(bounds[1] - bounds[0]);
      if (args.accumulate && args.count == 0) continue;
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

int64_t direct_conv_workspace(const ConvCall& call, const ConvPhase& p) {
  return DirectConv(call, p, ConvWeights(), nullptr).workspace();
}

void direct_conv(const ConvCall& call, const ConvPhase& p, const ConvWeights& w, char* out) {
  DirectConv(call, p, w, out).run();
}

}  // namespace olivine::cpu
