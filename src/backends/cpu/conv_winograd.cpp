// Winograd's convolution (gemm/winograd.h): inputs and weights are transformed, multiplied as 16
// matrix products, one per term, and their sums transformed to outputs.
//
// Tiles are counted in rows of tiles, in the order of the images. There are two ways to go about
// it. With few weights, all of them are transformed before all tasks; a task takes some rows of
// tiles, and its inputs stay in its core's cache while weights pass. With few tiles, all inputs are
// transformed before; a task takes a panel of output channels and transforms its weights, block by
// block of input channels, as it uses them. Sums run over the same blocks in both ways.
#include "backends/cpu/conv_winograd.h"

#include <algorithm>

#include "backends/cpu/gemm/winograd.h"
#include "backends/cpu/workspace.h"
#include "runtime/interrupt.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kBlockSteps = 256;  // input channels of a block
constexpr int64_t kTaskTiles = 64;    // of a task that takes rows of tiles
constexpr int64_t kTasks = 8;         // of these at least, or two for a thread, if tiles suffice
constexpr int64_t kLeastTiles = 24;   // of a task
constexpr int64_t kFewTiles = 256;    // a block of whose inputs stays in the L2 cache, for a term
constexpr int64_t kTaskPanels = 4, kLeastPanels = 4;
constexpr int64_t kLeastChannels = 24, kFewestTiles = 16;
constexpr int64_t kLongest = 1024;  // outputs of a line

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
float* floats(const ScratchBytes& s) { return static_cast<float*>(s.data()); }

class Winograd {
 public:
  Winograd(const ConvCall& call, const ConvPhase& p, const ConvWeights& w, char* out);
  void run();
  int64_t workspace() const;

 private:
  struct Products {
    const float* inputs;
    int64_t tiles;
    const float* weights;
    int64_t block;
    float* sums;
    int64_t sum_step;
  };

  bool by_channels() const {
    const int64_t tiles = tiles_.count();
    return tiles <= kFewTiles && tiles < outs_ && panels_ >= kLeastPanels;
  }
  int64_t row_tasks() const;
  int64_t panel_tasks() const;
  void run_by_tiles();
  void run_by_channels();
  void multiply_rows(const float* weights, int64_t first, int64_t last) const;
  void multiply_panels(const float* inputs, int64_t first, int64_t last) const;
  void add_products(const Products& p) const;
  void transform_weights(int64_t panel, int64_t block, float* taps, float* to, int64_t plane) const;
  void write_outputs(int64_t begin, int64_t end, const float* terms, int64_t plane,
                     int64_t tile_step, int64_t channel, int64_t channels) const;
  int64_t block_begin(int64_t block) const { return split(block, blocks_, in_); }
  int64_t panel_floats() const { return in_ * nr_; }  // of one term

  const ConvCall& call_;
  const ConvPhase& p_;
  const ConvWeights& w_;
  char* out_;
  const WinogradKernels& transforms_;
  const int64_t in_, outs_, nr_;
  const int64_t panels_, blocks_;
  const int64_t width_;  // of transformed inputs: a block in whole vectors
  const WinogradTiles tiles_;
};

Winograd::Winograd(const ConvCall& call, const ConvPhase& p, const ConvWeights& w, char* out)
    : call_(call),
      p_(p),
      w_(w),
      out_(out),
      transforms_(*call.kernels.winograd),
      in_(call.channels.in),
      outs_(call.channels.out),
      nr_(call.kernels.nr),
      panels_(ceil_div(outs_, nr_)),
      blocks_(ceil_div(in_, kBlockSteps)),
      width_(ceil_div(ceil_div(in_, blocks_), nr_ / 2) * (nr_ / 2)),
      tiles_(call, p) {}

void Winograd::run() { by_channels() ? run_by_channels() : run_by_tiles(); }

int64_t Winograd::row_tasks() const {
  const int64_t least = ceil_div(kLeastTiles, tiles_.per_row),
                most = ceil_div(kTaskTiles, tiles_.per_row);
  const int64_t wanted = std::max(kTasks, int64_t{2} * thread_count());
  return ceil_div(tiles_.rows, std::clamp(tiles_.rows / wanted, least, most));
}
int64_t Winograd::panel_tasks() const {
  return std::max(ceil_div(panels_, kTaskPanels), std::min(panels_, int64_t{2} * thread_count()));
}

int64_t Winograd::workspace() const {
  auto counted = [](int64_t count) { return counted_scratch(count, sizeof(float)); };
  const int64_t threads = thread_count(), block = (kBlockSteps + 1) * nr_;
  const int64_t taps = counted(kWinogradTaps * block + nr_);
  if (by_channels()) {
    const int64_t tasks = panel_tasks(), step = ceil_div(panels_, tasks) * nr_;
    const int64_t own = taps + counted(kWinogradTerms * ceil_div(panels_, tasks) * block + nr_) +
                        counted(kWinogradTerms * tiles_.count() * step);
    return counted(blocks_ * kWinogradTerms * tiles_.count() * width_) +
           std::min(threads, tasks) * own;
  }
  const int64_t tasks = row_tasks(), tiles = ceil_div(tiles_.rows, tasks) * tiles_.per_row;
  const int64_t own = counted(blocks_ * kWinogradTerms * tiles * width_) +
                      counted(kWinogradTerms * tiles * panels_ * nr_);
  return counted(kWinogradTerms * panels_ * panel_floats() + nr_) +
         std::max(std::min(threads, tasks) * own, std::min(threads, panels_) * taps);
}

// A block of a panel of weights, in panels for each term. `taps` holds those of the block.
void Winograd::transform_weights(int64_t panel, int64_t block, float* taps, float* to,
                                 int64_t plane) const {
  const int64_t begin = block_begin(block), steps = block_begin(block + 1) - begin;
  for (int64_t t = 0; t < kWinogradTaps; ++t) {
    const int64_t at = p_[0].tap[0] * w_.kernel[0] + p_[1].tap[t / 3] * w_.kernel[1] +
                       p_[2].tap[t % 3] * w_.kernel[2] + panel * nr_ * w_.out + begin * w_.in;
    call_.kernels.pack_b({.src = w_.data + at * call_.item(),
                          .line_stride = w_.out,
                          .k_stride = w_.in,
                          .width = std::min(nr_, outs_ - panel * nr_),
                          .packed_width = nr_,
                          .k = steps,
                          .dst = taps + t * steps * nr_});
  }
  transforms_.weight({.taps = taps, .count = steps * nr_, .terms = to, .plane = plane});
}

void Winograd::write_outputs(int64_t begin, int64_t end, const float* terms, int64_t plane,
                             int64_t tile_step, int64_t channel, int64_t channels) const {
  const int64_t w = p_[2].count;
  const bool half = call_.item() < call_.packed();
  const ScratchBytes sums(half ? 2 * w * channels : 0, sizeof(float));
  for (int64_t r = begin; r < end; ++r, terms += tiles_.per_row * tile_step) {
    const int64_t row = tiles_.line(r), count = tiles_.lines(r);
    char* to[2] = {};
    for (int64_t i = 0; i < count; ++i) {
      to[i] = out_ + (result_position(p_, row + i, 0) * outs_ + channel) * call_.item();
    }
    WinogradOutputArgs args{.terms = terms,
                            .plane = plane,
                            .tile_step = tile_step,
                            .channels = channels,
                            .positions = w,
                            .lines = {},
                            .position_step = half ? channels : outs_};
    for (int64_t i = 0; i < count; ++i) {
      args.lines[i] = half ? floats(sums) + i * w * channels : reinterpret_cast<float*>(to[i]);
    }
    transforms_.output(args);
    for (int64_t i = 0; half && i < count; ++i) {
      call_.kernels.finish({.acc = args.lines[i],
                            .acc_stride = channels,
                            .rows = w,
                            .cols = channels,
                            .alpha = 1,
                            .beta = 0,
                            .c = to[i],
                            .c_row_stride = outs_,
                            .addend = nullptr,
                            .addend_row_stride = 0,
                            .addend_col_stride = 0});
    }
  }
}

void Winograd::run_by_tiles() {
  const int64_t plane = panels_ * panel_floats();
  const ScratchBytes weights(kWinogradTerms * plane + nr_, sizeof(float));
  parallel_for(panels_, 1, [&](int64_t begin, int64_t end) {
    const ScratchBytes taps(kWinogradTaps * (kBlockSteps + 1) * nr_ + nr_, sizeof(float));
    for (int64_t j = begin; j < end; ++j) {
      for (int64_t b = 0; b < blocks_; ++b) {
        float* to = floats(weights) + j * panel_floats() + block_begin(b) * nr_;
        transform_weights(j, b, floats(taps), to, plane);
      }
    }
  });
  const int64_t tasks = row_tasks();
  parallel_for(tasks, 1, [&](int64_t begin, int64_t end) {
    for (; begin < end; ++begin) {
      multiply_rows(floats(weights), split(begin, tasks, tiles_.rows),
                    split(begin + 1, tasks, tiles_.rows));
    }
  });
}

// The outputs of rows [first, last) of tiles.
void Winograd::multiply_rows(const float* weights, int64_t first, int64_t last) const {
  const int64_t tiles = (last - first) * tiles_.per_row, step = panels_ * nr_;
  const int64_t in_plane = tiles * width_, out_plane = tiles * step;
  const ScratchBytes inputs(blocks_ * kWinogradTerms * in_plane, sizeof(float));
  const ScratchBytes sums(kWinogradTerms * out_plane, sizeof(float));
  tiles_.transform({first, last, blocks_, width_, width_, floats(inputs), in_plane});
  for (int64_t term = 0; term < kWinogradTerms; ++term) {
    poll_interrupt();
    for (int64_t j = 0; j < panels_; ++j) {
      const float* panel = weights + (term * panels_ + j) * panel_floats();
      for (int64_t b = 0; b < blocks_; ++b) {
        add_products({.inputs = floats(inputs) + (b * kWinogradTerms + term) * in_plane,
                      .tiles = tiles,
                      .weights = panel + block_begin(b) * nr_,
                      .block = b,
                      .sums = floats(sums) + term * out_plane + j * nr_,
                      .sum_step = step});
      }
    }
  }
  write_outputs(first, last, floats(sums), out_plane, step, 0, outs_);
}

void Winograd::run_by_channels() {
  const int64_t in_plane = tiles_.count() * width_;
  const ScratchBytes inputs(blocks_ * kWinogradTerms * in_plane, sizeof(float));
  parallel_for(tiles_.rows, ceil_div(kLeastTiles, tiles_.per_row), [&](int64_t begin, int64_t end) {
    float* to = floats(inputs) + begin * tiles_.per_row * width_;
    tiles_.transform({begin, end, blocks_, width_, width_, to, in_plane});
  });
  const int64_t tasks = panel_tasks();
  parallel_for(tasks, 1, [&](int64_t begin, int64_t end) {
    for (; begin < end; ++begin) {
      multiply_panels(floats(inputs), split(begin, tasks, panels_),
                      split(begin + 1, tasks, panels_));
    }
  });
}

// The outputs of panels [first, last). A term's inputs stay in the L2 cache for all of them.
void Winograd::multiply_panels(const float* inputs, int64_t first, int64_t last) const {
  const int64_t tiles = tiles_.count(), count = last - first, step = count * nr_;
  const int64_t panel = (kBlockSteps + 1) * nr_, weight_plane = count * panel;
  const int64_t out_plane = tiles * step;
  const ScratchBytes taps(kWinogradTaps * panel + nr_, sizeof(float));
  const ScratchBytes weights(kWinogradTerms * weight_plane + nr_, sizeof(float));
  const ScratchBytes sums(kWinogradTerms * out_plane, sizeof(float));
  for (int64_t b = 0; b < blocks_; ++b) {
    poll_interrupt();
    for (int64_t j = 0; j < count; ++j) {
      transform_weights(first + j, b, floats(taps), floats(weights) + j * panel, weight_plane);
    }
    for (int64_t term = 0; term < kWinogradTerms; ++term) {
      for (int64_t j = 0; j < count; ++j) {
        add_products({.inputs = inputs + (b * kWinogradTerms + term) * tiles * width_,
                      .tiles = tiles,
                      .weights = floats(weights) + term * weight_plane + j * panel,
                      .block = b,
                      .sums = floats(sums) + term * out_plane + j * nr_,
                      .sum_step = step});
      }
    }
  }
  write_outputs(0, tiles_.rows, floats(sums), out_plane, step, first * nr_,
                std::min(step, outs_ - first * nr_));
}

// Of one term and block, and of a panel of weights.
void Winograd::add_products(const Products& p) const {
  const Run run{0, 0, block_begin(p.block + 1) - block_begin(p.block)};
  call_.kernels.add_runs({.a = p.inputs,
                          .b = p.weights,
                          .runs = &run,
                          .count = 1,
                          .a_row = width_,
                          .a_step = 1,
                          .b_step = nr_,
                          .rows = p.tiles,
                          .cols = nr_,
                          .acc = p.sums,
                          .acc_stride = p.sum_step,
                          .accumulate = p.block > 0,
                          .lanes = false});
}

}  // namespace

WinogradTiles::WinogradTiles(const ConvCall& call, const ConvPhase& p)
    : call_(call),
      p_(p),
      per_row(ceil_div(p[2].count, 2)),
      per_image(ceil_div(p[1].count, 2)),
      rows(call.g.batch * p[0].count * per_image) {}

void WinogradTiles::transform(const Inputs& to) const {
  const int64_t in = call_.channels.in, last = to.end - 1;
  const ConvLines all(call_, p_, {0, in},
                      {line(to.begin), line(last) + lines(last), 0, 2 * per_row});
  const float* data = static_cast<const float*>(all.data());
  for (int64_t r = to.begin; r < to.end; ++r) {
    const int64_t i = line(r);
    WinogradInputArgs args{
        .lines = {data + all.at(i, 0, 0), data + all.at(i, 0, 1), data + all.at(i, 0, 2),
                  data + (lines(r) > 1 ? all.at(i + 1, 0, 2) : 0)},
        .position_step = in,
        .tiles = per_row,
        .width = to.width,
        .out = to.out + (r - to.begin) * per_row * to.step,
        .plane = to.plane,
        .out_step = to.step};
    for (int64_t b = 0; b < to.blocks; ++b) {
      call_.kernels.winograd->input(args);
      const int64_t steps = split(b + 1, to.blocks, in) - split(b, to.blocks, in);
      for (const float*& x : args.lines) x += steps;
      args.out += kWinogradTerms * to.plane;
    }
  }
}

bool suits_winograd(const ConvCall& call, const ConvPhase& p) {
  const auto suits = [](const ConvAxis& a) {
    return a.taps == 3 && in_order(a) && a.stride == 1 && a.step == 1 && a.count >= 2;
  };
  if (!call.kernels.winograd || call.channels.groups != 1 || p[0].taps != 1) return false;
  if (!suits(p[1]) || !suits(p[2]) || p[2].count > kLongest) return false;
  // By what one image has, so that its results do not depend on the others.
  const WinogradTiles tiles(call, p);
  return tiles.per_row * tiles.per_image >= kFewestTiles &&
         std::min(call.channels.in, call.channels.out) >= kLeastChannels;
}

int64_t winograd_conv_workspace(const ConvCall& call, const ConvPhase& p) {
  return Winograd(call, p, ConvWeights(), nullptr).workspace();
}

void winograd_conv(const ConvCall& call, const ConvPhase& p, const ConvWeights& w, char* out) {
  Winograd(call, p, w, out).run();
}

}  // namespace olivine::cpu
