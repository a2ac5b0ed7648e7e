// The lines of an image that some rows of a convolution read, with zeros around them.
#pragma once

#include <vector>

#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/gemm/kernels.h"
#include "backends/cpu/scratch.h"

namespace olivine::cpu {

// The channels of a convolution, per group.
struct ConvChannels {
  int64_t groups, in, out;
};

// What all parts of a call share. `x` is (N, spatial…, C).
struct ConvCall {
  const ConvGeometry& g;
  ConvChannels channels;
  Dtype dtype;
  const char* x;
  const GemmKernels& kernels;

  int64_t item() const { return static_cast<int64_t>(dtype.size()); }
  int64_t packed() const { return kernels.packed_size; }  // bytes of what is computed in
};

// Rows [begin, end) of a result, in order of (batch, positions of the phase along the first two
// axes), and of each the outputs [left, right) along the last axis.
struct ConvRows {
  int64_t begin, end, left, right;
};

// Channels [first, first + count) of x. With an index, each position gets `vectors` vectors of half
// nr elements, which the index picks from those channels; else the channels as they are.
struct ConvSource {
  int64_t first, count;
  const int32_t* index = nullptr;
  int64_t vectors = 0;

  // Per position.
  int64_t elements(const GemmKernels& k) const { return index ? vectors * k.nr / 2 : count; }
};

// Along the last axis a line's values lie in order, from the first position that a tap reads.
class ConvLines {
 public:
  // In the type that is computed in.
  ConvLines(const ConvCall& call, const ConvPhase& p, const ConvSource& source,
            const ConvRows& rows);

  const void* data() const { return memory_->data(); }
  // First element of the line that a row reads for tap (a, b) of the first two axes.
  int64_t at(int64_t row, int64_t a, int64_t b) const {
    return at_[static_cast<size_t>(((row - begin_) * taps_[0] + a) * taps_[1] + b)];
  }
  // Whether there is one; else zeros are read.
  bool inside(int64_t row, int64_t a, int64_t b) const { return at(row, a, b) != 0; }
  // What the lines for `rows` rows of `width` outputs take of the allocator at most.
  static int64_t workspace(const ConvCall& call, const ConvPhase& p, const ConvSource& source,
                           int64_t rows, int64_t width);
  // Positions of a line that `count` outputs read.
  static int64_t positions(const ConvAxis& w, int64_t count) {
    return (count - 1) * w.stride + w.base[w.taps - 1] - w.base[0] + 1;
  }

 private:
  void fill(const ConvAxis& w, const ConvRows& rows, const char* line, char* to) const;
  void copy(const char* from, int64_t count, char* to) const;

  const ConvCall& call_;
  ConvSource source_;
  int64_t begin_;
  int64_t taps_[2];
  std::vector<int64_t> at_;
  std::unique_ptr<ScratchBytes> memory_, narrow_;
};

// Whether the taps along an axis read neighbours.
inline bool in_order(const ConvAxis& a) { return a.base[a.taps - 1] - a.base[0] == a.taps - 1; }
// Where (n, jd, jh, jw) of row (n, jd, jh) lies among the positions of the result.
int64_t result_position(const ConvPhase& p, int64_t row, int64_t jw);

}  // namespace olivine::cpu
