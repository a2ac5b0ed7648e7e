// Gradients of 3x3 weights by Winograd's transforms: those of the forward pass, transposed.
//
// The gradient is G'[sum over tiles of (A y A') * (B'dB)]G for the cotangents y and inputs d of a
// tile: for each term a product of (O, tiles) and (tiles, C). Some tiles at a time are transformed,
// few enough to stay near, and added to the sums of all terms; then sums become gradients. Bounds
// depend on the shape alone.
#include <algorithm>

#include "backends/cpu/conv_winograd.h"
#include "backends/cpu/gemm/winograd.h"
#include "backends/cpu/workspace.h"
#include "runtime/interrupt.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kPartBytes = int64_t{3} << 20;  // of transformed inputs and cotangents
constexpr int64_t kPartTiles = 64;                // at least
constexpr int64_t kGradients = 1 << 12;           // of a task at least
constexpr int64_t kTaskTiles = 16;                // transformed by a task at least

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
float* floats(const ScratchBytes& s) { return static_cast<float*>(s.data()); }

class WinogradWeight {
 public:
  WinogradWeight(const ConvCall& call, const ConvPhase& p, const float* cotangent);
  void run(float* sums) const;
  int64_t workspace() const;

 private:
  // Transformed inputs and cotangents, with room for `tiles` tiles.
  struct Part {
    float *inputs, *cotangents;
    int64_t tiles;
  };
  int64_t part_count() const;
  void transform(int64_t begin, int64_t end, const Part& to) const;
  void add(const Part& part, int64_t tiles, bool first, float* terms) const;

  const ConvCall& call_;
  const ConvPhase& p_;
  const float* cotangent_;
  const WinogradKernels& transforms_;
  const int64_t in_, outs_;
  const int64_t in_step_, out_step_;  // from one tile to the next
  const WinogradTiles tiles_;
};

int64_t whole_vectors(int64_t channels, const GemmKernels& kernels) {
  return ceil_div(channels, kernels.nr / 2) * (kernels.nr / 2);
}
// Lines a power of two apart would fall on the same sets of a cache.
int64_t step_of(int64_t channels, const GemmKernels& kernels) {
  const int64_t width = whole_vectors(channels, kernels);
  return width % 64 == 0 ? width + 16 : width;
}

WinogradWeight::WinogradWeight(const ConvCall& call, const ConvPhase& p, const float* cotangent)
    : call_(call),
      p_(p),
      cotangent_(cotangent),
      transforms_(*call.kernels.winograd),
      in_(call.channels.in),
      outs_(call.channels.out),
      in_step_(step_of(in_, call.kernels)),
      out_step_(step_of(outs_, call.kernels)),
      tiles_(call, p) {}

int64_t WinogradWeight::part_count() const {
  const int64_t row_bytes = kWinogradTerms * (in_step_ + out_step_) * tiles_.per_row * 4;
  const int64_t most = std::max(kPartBytes / row_bytes, ceil_div(kPartTiles, tiles_.per_row));
  return ceil_div(tiles_.rows, most);
}

int64_t WinogradWeight::workspace() const {
  const int64_t tiles = ceil_div(tiles_.rows, part_count()) * tiles_.per_row;
  return counted_scratch(kWinogradTerms * tiles * in_step_, sizeof(float)) +
         counted_scratch(kWinogradTerms * tiles * out_step_, sizeof(float)) +
         counted_scratch(kWinogradTerms * outs_ * in_, sizeof(float));
}

void WinogradWeight::run(float* sums) const {
  const int64_t parts = part_count();
  const int64_t tiles = ceil_div(tiles_.rows, parts) * tiles_.per_row;
  const ScratchBytes inputs(kWinogradTerms * tiles * in_step_, sizeof(float));
  const ScratchBytes cotangents(kWinogradTerms * tiles * out_step_, sizeof(float));
  const int64_t plane = outs_ * in_;
  const ScratchBytes terms(kWinogradTerms * plane, sizeof(float));
  const Part space{floats(inputs), floats(cotangents), tiles};
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t begin = split(i, parts, tiles_.rows);
    const int64_t end = split(i + 1, parts, tiles_.rows);
    transform(begin, end, space);
    add(space, (end - begin) * tiles_.per_row, i == 0, floats(terms));
  }
  parallel_for(outs_, ceil_div(kGradients, in_), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      transforms_.gradient({.terms = floats(terms) + o * in_,
                            .plane = plane,
                            .count = in_,
                            .taps = sums + o * kWinogradTaps * in_});
    }
  });
}

// Rows [begin, end) of tiles.
void WinogradWeight::transform(int64_t begin, int64_t end, const Part& to) const {
  const int64_t per_row = tiles_.per_row;
  parallel_for(end - begin, ceil_div(kTaskTiles, per_row), [&](int64_t first, int64_t last) {
    tiles_.transform({.begin = begin + first,
                      .end = begin + last,
                      .blocks = 1,
                      .width = whole_vectors(in_, call_.kernels),
                      .step = in_step_,
                      .out = to.inputs + first * per_row * in_step_,
                      .plane = to.tiles * in_step_});
    for (int64_t r = first; r < last; ++r) {
      WinogradCotangentArgs args{.lines = {},
                                 .channels = outs_,
                                 .positions = p_[2].count,
                                 .out = to.cotangents + r * per_row * out_step_,
                                 .plane = to.tiles * out_step_,
                                 .out_step = out_step_};
      for (int64_t i = 0; i < tiles_.lines(begin + r); ++i) {
        const int64_t line = tiles_.line(begin + r) + i;
        args.lines[i] = cotangent_ + result_position(p_, line, 0) * outs_;
      }
      transforms_.cotangent(args);
    }
  });
}

// Adds the products of `tiles` tiles to the sums of all terms.
void WinogradWeight::add(const Part& part, int64_t tiles, bool first, float* terms) const {
  const int64_t nr = call_.kernels.nr, panels = ceil_div(outs_, call_.kernels.mr);
  const int64_t shares = std::min(panels, ceil_div(2 * thread_count(), kWinogradTerms));
  parallel_for(kWinogradTerms * shares, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      poll_interrupt();
      const int64_t term = task % kWinogradTerms, share = task / kWinogradTerms;
      const int64_t out = split(share, shares, outs_);
      const Run run{0, 0, tiles};
      RunsArgs args{};
      args.a = part.cotangents + term * part.tiles * out_step_ + out;
      args.runs = &run;
      args.count = 1;
      args.a_row = 1;
      args.a_step = out_step_;
      args.b_step = in_step_;
      args.rows = split(share + 1, shares, outs_) - out;
      args.acc_stride = in_;
      args.accumulate = !first;
      for (int64_t c = 0; c < in_; c += nr) {
        args.b = part.inputs + term * part.tiles * in_step_ + c;
        args.cols = std::min(nr, in_ - c);
        args.acc = terms + (term * outs_ + out) * in_ + c;
        call_.kernels.add_runs(args);
      }
    }
  });
}

}  // namespace

int64_t winograd_conv_weight_workspace(const ConvCall& call, const ConvPhase& p) {
  return WinogradWeight(call, p, nullptr).workspace();
}

void winograd_conv_weight(const ConvCall& call, const ConvPhase& p, const float* cotangent,
                          float* sums) {
  WinogradWeight(call, p, cotangent).run(sums);
}

}  // namespace olivine::cpu
