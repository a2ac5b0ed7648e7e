// Convolutions: the choice of a method per phase.
//
// Start at run_conv. Kernels of one element that read every position are plain products, depthwise
// convolutions have a kernel of their own, and lines of some length go through conv_direct.h. What
// is left is a product of rows, one per output, whose columns are the input values that it reads:
// in place along one spatial axis, else from tiles of rows gathered into scratch memory of bounded
// size. Products and tiles depend on shapes alone, so results do not depend on the threads.
#include <algorithm>
#include <cstring>

#include "backends/cpu/conv_winograd.h"
#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/tile.h"
#include "backends/cpu/workspace.h"
#include "core/layout.h"
#include "core/op.h"
#include "core/size.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kTileBytes = int64_t{1} << 20;
constexpr int64_t kLongestTile = 4096;  // rows
constexpr int64_t kTilesToShare =
    16;  // from this many on, threads take tiles; else they share them
constexpr int64_t kLargeProduct = int64_t{1} << 14;  // elements of a gradient of weights
constexpr int64_t kCopyBytes = int64_t{1} << 16;     // that a task copies at least

char* bytes(void* p) { return static_cast<char*>(p); }
int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The values of one group that rows of a phase read.
struct Gather {
  const ConvPhase& phase;
  const char* x;      // first channel of the group
  int64_t row_bytes;  // of all channels at a position of x
  int64_t run_bytes;  // of the group's
  int64_t image;      // positions of x per batch element

  int64_t columns_bytes() const { return taps(phase) * run_bytes; }

  // Rows [begin, end), in order of (batch, positions of the phase).
  void copy(int64_t begin, int64_t end, char* to) const {
    const ConvAxis &d = phase[0], &h = phase[1], &w = phase[2];
    for (int64_t r = begin; r < end; ++r) {
      const int64_t jw = r % w.count, jh = r / w.count % h.count;
      const int64_t jd = r / (w.count * h.count) % d.count;
      const char* plane = x + r / positions(phase) * image * row_bytes;
      for (int64_t a = 0; a < d.taps; ++a) {
        const int64_t z = d.base[a] + jd * d.stride;
        for (int64_t b = 0; b < h.taps; ++b) {
          const int64_t y = h.base[b] + jh * h.stride;
          const bool inside = z >= 0 && z < d.in && y >= 0 && y < h.in;
          copy_line(inside ? plane + (z * h.in + y) * w.in * row_bytes : nullptr, jw * w.stride,
                    to);
          to += w.taps * run_bytes;
        }
      }
    }
  }

 private:
  // The taps along the last axis; all zero without a line.
  void copy_line(const char* line, int64_t at, char* to) const {
    const ConvAxis& w = phase[2];
    if (!line) {
      std::memset(to, 0, static_cast<size_t>(w.taps * run_bytes));
      return;
    }
    const int64_t first = w.base[0] + at;
    if (run_bytes == row_bytes && w.base[w.taps - 1] - w.base[0] == w.taps - 1) {
      const int64_t before = std::clamp<int64_t>(-first, 0, w.taps);
      const int64_t inside = std::clamp<int64_t>(w.in - first - before, 0, w.taps - before);
      const int64_t after = w.taps - before - inside;
      std::memset(to, 0, static_cast<size_t>(before * run_bytes));
      std::memcpy(to + before * run_bytes, line + (first + before) * row_bytes,
                  static_cast<size_t>(inside * run_bytes));
      std::memset(to + (before + inside) * run_bytes, 0, static_cast<size_t>(after * run_bytes));
      return;
    }
    for (int64_t t = 0; t < w.taps; ++t, to += run_bytes) {
      const int64_t i = w.base[t] + at;
      if (i >= 0 && i < w.in) {
        std::memcpy(to, line + i * row_bytes, static_cast<size_t>(run_bytes));
      } else {
        std::memset(to, 0, static_cast<size_t>(run_bytes));
      }
    }
  }
};

// Calls f with the row-major kernel index of each tap of a phase, in order.
template <class F>
void for_taps(const ConvGeometry& g, const ConvPhase& p, F&& f) {
  for_taps(p, [&](int64_t n, const int64_t(&t)[kConvAxes]) { f(n, g.kernel_index(p, t)); });
}
bool whole_kernel(const ConvGeometry& g, const ConvPhase& p) {
  bool same = taps(p) == g.kernel_size;
  for_taps(g, p, [&](int64_t n, int64_t k) { same = same && n == k; });
  return same;
}
bool whole_result(const ConvPhase& p) { return p[0].step == 1 && p[1].step == 1 && p[2].step == 1; }
// Kernels of one element that read every position.
bool is_in_place(const ConvPhase& p) {
  return whole_result(p) && std::all_of(p.begin(), p.end(), [](const ConvAxis& a) {
           return a.taps == 1 && a.base[0] == 0 && a.stride == 1 && a.in == a.out;
         });
}
// Where row r of a phase lies among the positions of the result.
int64_t result_row(const ConvPhase& p, int64_t r) {
  return result_position(p, r / p[2].count, r % p[2].count);
}

struct Sizes {
  int64_t item, groups, in, out;  // bytes of an element; channels per group
};

// (O, kernel, C) to (O, taps, C) of a phase, or its part of one channel each to (taps, O).
void gather_weights(const ConvGeometry& g, const ConvPhase& p, const Sizes& s, const char* w,
                    bool depthwise, char* to) {
  const int64_t outs = s.groups * s.out, run = s.in * s.item, count = taps(p);
  for_taps(g, p, [&](int64_t t, int64_t k) {
    for (int64_t o = 0; o < outs; ++o) {
      std::memcpy(to + (depthwise ? t * outs + o : o * count + t) * run,
                  w + (o * g.kernel_size + k) * run, static_cast<size_t>(run));
    }
  });
}

// ---- conv

class Forward {
 public:
  // `w`: weights with any strides where reads_strided() holds for every phase, else contiguous.
  Forward(const KernelCall& call, const ConvGeometry& g, const Sizes& s, const ConvWeights& w)
      : g_(g),
        s_(s),
        dtype_(call.out[0].dtype),
        x_(bytes(call.in[0].data)),
        w_(w),
        out_(bytes(call.out[0].data)) {}

  bool reads_strided(const ConvPhase& p) const {
    return (!is_depthwise() && suits_direct_conv(p)) || (s_.groups == 1 && is_in_place(p));
  }

  void run(const ConvPhase& p) const {
    const int64_t rows = g_.batch * positions(p), columns = taps(p) * s_.in;
    if (rows == 0) return;
    if (columns == 0) return clear(p, rows);
    const bool depthwise = is_depthwise();
    if (s_.groups == 1 && is_in_place(p)) return in_place();
    if (!depthwise && suits_direct_conv(p)) {
      return suits_winograd(call(), p) ? winograd_conv(call(), p, w_, out_)
                                       : direct_conv(call(), p, w_, out_);
    }
    const bool direct = !depthwise && whole_kernel(g_, p);
    ScratchBytes chosen(direct ? 0 : s_.groups * s_.out * columns, static_cast<size_t>(s_.item));
    if (!direct) gather_weights(g_, p, s_, w_.data, depthwise, bytes(chosen.data()));
    const char* w = direct ? w_.data : bytes(chosen.data());
    if (depthwise) return run_depthwise(p, w);
    if (whole_result(p) && one_axis(p, w)) return;
    tiles(p, w, rows, columns);
  }

 private:
  bool is_depthwise() const { return s_.in == 1 && s_.out == 1 && s_.groups > 1; }

  ConvCall call() const {
    return {g_, {s_.groups, s_.in, s_.out}, dtype_, x_, gemm_kernels_for(dtype_, cpu_isa())};
  }

  void clear(const ConvPhase& p, int64_t rows) const {
    const int64_t row = s_.groups * s_.out * s_.item;
    for (int64_t r = 0; r < rows; ++r) {
      std::memset(out_ + result_row(p, r) * row, 0, static_cast<size_t>(row));
    }
  }

  void run_depthwise(const ConvPhase& p, const char* w) const {
    const DepthwiseCall call{&p, g_.batch, g_.channels, x_, w, out_, nullptr, nullptr};
    cpu_backend().kernel(op_id("conv_depthwise"), dtype_)->run({{}, {}, &call});
  }

  // A product with the weights of group `group`, seen as (columns, O).
  GemmArgs product(const char* w, int64_t group, int64_t columns) const {
    GemmArgs a;
    a.dtype = dtype_;
    a.n = s_.out;
    a.k = columns;
    a.b = {w + group * s_.out * columns * s_.item, 1, columns};
    return a;
  }

  // The rows are those of x.
  void in_place() const {
    GemmArgs a = product(nullptr, 0, s_.in);
    a.m = g_.batch * g_.in_positions;
    a.a = {x_, g_.channels, 1};
    a.b = {w_.data, w_.in, w_.out};
    a.c = out_;
    a.c_row_stride = s_.out;
    gemm(a);
  }

  // One spatial axis, read in order: rows overlap in memory, once there are zeros at the ends.
  bool one_axis(const ConvPhase& p, const char* w) const {
    const ConvAxis& a = p[2];
    const bool in_order = a.base[a.taps - 1] - a.base[0] == a.taps - 1;
    if (s_.groups != 1 || !in_order || p[0].in * p[1].in != 1 || p[0].out * p[1].out != 1 ||
        p[0].taps * p[1].taps != 1 || p[0].base[0] != 0 || p[1].base[0] != 0) {
      return false;
    }
    const int64_t position = g_.channels * s_.item;
    const int64_t length = (a.count - 1) * a.stride + a.taps, first = a.base[0];
    const bool padded = first < 0 || first + length > a.in;
    ScratchBytes scratch(padded ? g_.batch * length : 0, static_cast<size_t>(position));
    const int64_t before = std::clamp<int64_t>(-first, 0, length);
    const int64_t inside = std::clamp<int64_t>(a.in - first - before, 0, length - before);
    for (int64_t n = 0; padded && n < g_.batch; ++n) {
      char* line = bytes(scratch.data()) + n * length * position;
      std::memset(line, 0, static_cast<size_t>(before * position));
      std::memcpy(line + before * position, x_ + (n * a.in + first + before) * position,
                  static_cast<size_t>(inside * position));
      std::memset(line + (before + inside) * position, 0,
                  static_cast<size_t>((length - before - inside) * position));
    }
    GemmArgs args = product(w, 0, a.taps * s_.in);
    args.m = a.count;
    args.a = {padded ? bytes(scratch.data()) : x_ + first * position, a.stride * g_.channels, 1};
    args.c = out_;
    args.c_row_stride = s_.out;
    args.batch = {g_.batch};
    args.a_batch = {(padded ? length : a.in) * g_.channels};
    args.b_batch = {0};
    args.c_batch = {a.count * s_.out};
    gemm(args);
    return true;
  }

  void tiles(const ConvPhase& p, const char* w, int64_t rows, int64_t columns) const {
    const int64_t row_bytes = columns * s_.item;
    const int64_t longest = std::clamp<int64_t>(kTileBytes / row_bytes, 64, kLongestTile);
    const int64_t count = ceil_div(rows, longest), size = ceil_div(rows, count);
    auto run = [&](int64_t begin, int64_t end) {
      ScratchBytes gathered(size, static_cast<size_t>(row_bytes));
      ScratchBytes result(whole_result(p) ? 0 : size * s_.out, static_cast<size_t>(s_.item));
      for (int64_t t = begin; t < end; ++t) {
        const int64_t first = t * size, last = std::min(rows, first + size);
        for (int64_t i = 0; i < s_.groups; ++i) {
          tile(p, product(w, i, columns), i, first, last, bytes(gathered.data()),
               bytes(result.data()));
        }
      }
    };
    if (count >= kTilesToShare) {
      parallel_for(count, 1, run);
    } else {
      run(0, count);
    }
  }

  void tile(const ConvPhase& p, GemmArgs a, int64_t group, int64_t first, int64_t last,
            char* gathered, char* result) const {
    const Gather from{p, x_ + group * s_.in * s_.item, g_.channels * s_.item, s_.in * s_.item,
                      g_.in_positions};
    const int64_t row_bytes = from.columns_bytes();
    parallel_for(last - first, ceil_div(kCopyBytes, row_bytes), [&](int64_t begin, int64_t end) {
      from.copy(first + begin, first + end, gathered + begin * row_bytes);
    });
    const int64_t channels = s_.groups * s_.out;
    char* out = out_ + group * s_.out * s_.item;
    a.m = last - first;
    a.a = {gathered, a.k, 1};
    a.c = whole_result(p) ? out + first * channels * s_.item : result;
    a.c_row_stride = whole_result(p) ? channels : s_.out;
    gemm(a);
    if (whole_result(p)) return;
    for (int64_t r = first; r < last; ++r) {
      std::memcpy(out + result_row(p, r) * channels * s_.item,
                  result + (r - first) * s_.out * s_.item, static_cast<size_t>(s_.out * s_.item));
    }
  }

  const ConvGeometry& g_;
  const Sizes& s_;
  Dtype dtype_;
  const char* x_;
  ConvWeights w_;
  char* out_;
};

// The strides of missing axes do not matter.
ConvWeights weights_of(const View& w, const void* data, const Strides& strides) {
  ConvWeights c{static_cast<const char*>(data), strides.front(), {}, strides.back()};
  const size_t rank = w.shape.size() - 2;
  for (size_t d = 0; d < rank; ++d) c.kernel[kConvAxes - rank + d] = strides[1 + d];
  return c;
}

void run_conv(const KernelCall& call) {
  const auto& p = call.as<ConvParams>();
  const View &x = call.in[0], &w = call.in[1], &out = call.out[0];
  if (out.size() == 0) return;
  const ConvGeometry g(p, x.shape, w.shape, out.shape);
  const Sizes s{static_cast<int64_t>(out.dtype.size()), p.groups, w.shape.back(),
                w.shape[0] / p.groups};
  const auto run = [&](const ConvWeights& weights) {
    const Forward forward(call, g, s, weights);
    for (const ConvPhase& phase : g.phases()) forward.run(phase);
  };
  const ConvWeights given = weights_of(w, w.data, w.strides);
  const Forward as_given(call, g, s, given);
  const bool strided = std::all_of(g.phases().begin(), g.phases().end(),
                                   [&](const ConvPhase& p) { return as_given.reads_strided(p); });
  const Strides dense = row_major(w.shape);
  if (strided || is_row_contiguous(w.shape, w.strides)) return run(given);
  ScratchBytes copy(w.size(), w.dtype.size());
  copy_view(w, {copy.data(), w.dtype, w.shape, dense});
  run(weights_of(w, copy.data(), dense));
}

// In terms of run(): what its branches allocate at most.
int64_t forward_workspace(const KernelCall& call, const ConvGeometry& g, const Sizes& s,
                          const ConvPhase& p) {
  const Dtype dtype = call.out[0].dtype;
  const size_t item = dtype.size();
  const ConvCall c{g, {s.groups, s.in, s.out}, dtype, nullptr, gemm_kernels_for(dtype, cpu_isa())};
  const int64_t rows = g.batch * positions(p), columns = taps(p) * s.in;
  const bool depthwise = s.in == 1 && s.out == 1 && s.groups > 1;
  if (rows == 0 || columns == 0) return 0;
  if (!(s.groups == 1 && is_in_place(p)) && !depthwise && suits_direct_conv(p)) {
    return suits_winograd(c, p) ? winograd_conv_workspace(c, p) : direct_conv_workspace(c, p);
  }
  GemmArgs a;
  a.dtype = dtype;
  a.m = rows, a.n = s.out, a.k = columns;
  a.a = {nullptr, columns, 1};
  a.b = {nullptr, 1, columns};
  a.c_row_stride = s.out;
  if (s.groups == 1 && is_in_place(p)) return gemm_workspace(a);
  const int64_t chosen =
      whole_kernel(g, p) && !depthwise ? 0 : counted_scratch(s.groups * s.out * columns, item);
  if (depthwise) return chosen;
  const int64_t longest = std::clamp<int64_t>(kTileBytes / (columns * s.item), 64, kLongestTile);
  const int64_t count = ceil_div(rows, longest), size = ceil_div(rows, count);
  const int64_t at_once = count >= kTilesToShare ? std::min<int64_t>(thread_count(), count) : 1;
  a.m = size;
  return chosen + at_once * (counted_scratch(size * columns, item) + gemm_workspace(a));
}

// ---- conv_weight: (O, kernel, C) from x and the cotangent, a product along all output positions

class Weights {
 public:
  Weights(const KernelCall& call, const ConvGeometry& g, const Sizes& s)
      : g_(g),
        s_(s),
        dtype_(call.out[0].dtype),
        x_(bytes(call.in[0].data)),
        ct_(bytes(call.in[1].data)),
        out_(bytes(call.out[0].data)) {}

  void run(const ConvPhase& p) const {
    const int64_t rows = g_.batch * positions(p), columns = taps(p) * s_.in;
    if (rows == 0 || columns == 0) return;
    if (s_.in == 1 && s_.out == 1 && s_.groups > 1) return run_depthwise(p);
    // Smaller results leave too few tiles to threads.
    if (s_.groups == 1 && s_.out * s_.in >= kLargeProduct && is_in_place(p)) return in_place();
    if (suits_direct_conv(p)) return run_direct(p);
    const int64_t row_bytes = columns * s_.item;
    const int64_t longest = std::clamp<int64_t>(4 * kTileBytes / row_bytes, 64, 2 * kLongestTile);
    const int64_t count = ceil_div(rows, longest), size = ceil_div(rows, count);
    ScratchBytes gathered(size, static_cast<size_t>(row_bytes));
    ScratchBytes picked(whole_result(p) ? 0 : size * s_.out, static_cast<size_t>(s_.item));
    const bool direct = whole_kernel(g_, p);
    ScratchBytes sums(direct ? 0 : s_.out * columns, static_cast<size_t>(s_.item));
    for (int64_t i = 0; i < s_.groups; ++i) {
      char* to = direct ? out_ + i * s_.out * row_bytes : bytes(sums.data());
      for (int64_t t = 0; t < count; ++t) {
        add(p, i, t * size, std::min(rows, (t + 1) * size), bytes(gathered.data()),
            bytes(picked.data()), to);
      }
      if (!direct) scatter(p, bytes(sums.data()), i * s_.out, s_.out);
    }
  }

 private:
  // A kernel of one element: the rows of the product are those of x.
  void in_place() const {
    GemmArgs a;
    a.dtype = dtype_;
    a.m = s_.out;
    a.n = s_.in;
    a.k = g_.batch * g_.in_positions;
    a.a = {ct_, 1, s_.out};
    a.b = {x_, s_.in, 1};
    a.c = out_;
    a.c_row_stride = s_.in;
    gemm(a);
  }

  void run_direct(const ConvPhase& p) const {
    const ConvCall call{
        g_, {s_.groups, s_.in, s_.out}, dtype_, x_, gemm_kernels_for(dtype_, cpu_isa())};
    const bool direct = whole_kernel(g_, p);
    const int64_t outs = s_.groups * s_.out;
    ScratchBytes sums(direct ? 0 : outs * taps(p) * s_.in, static_cast<size_t>(s_.item));
    char* to = direct ? out_ : bytes(sums.data());
    if (suits_winograd(call, p)) {
      winograd_conv_weight(call, p, reinterpret_cast<const float*>(ct_),
                           reinterpret_cast<float*>(to));
    } else {
      direct_conv_weight(call, p, ct_, to);
    }
    if (!direct) scatter(p, bytes(sums.data()), 0, outs);
  }

  // Adds the products of rows [first, last) to `sums`, (O of the group, taps, C).
  void add(const ConvPhase& p, int64_t group, int64_t first, int64_t last, char* gathered,
           char* picked, char* sums) const {
    const Gather from{p, x_ + group * s_.in * s_.item, g_.channels * s_.item, s_.in * s_.item,
                      g_.in_positions};
    const int64_t row_bytes = from.columns_bytes(), channels = s_.groups * s_.out;
    parallel_for(last - first, ceil_div(kCopyBytes, row_bytes), [&](int64_t begin, int64_t end) {
      from.copy(first + begin, first + end, gathered + begin * row_bytes);
    });
    const char* ct = ct_ + group * s_.out * s_.item;
    GemmArgs a;
    a.dtype = dtype_;
    a.m = s_.out;
    a.n = row_bytes / s_.item;
    a.k = last - first;
    a.a = {ct + first * channels * s_.item, 1, channels};
    if (!whole_result(p)) {
      for (int64_t r = first; r < last; ++r) {
        std::memcpy(picked + (r - first) * s_.out * s_.item,
                    ct + result_row(p, r) * channels * s_.item,
                    static_cast<size_t>(s_.out * s_.item));
      }
      a.a = {picked, 1, s_.out};
    }
    a.b = {gathered, a.n, 1};
    a.c = sums;
    a.c_row_stride = a.n;
    if (first > 0) a.addend = {sums, a.n, 1};
    gemm(a);
  }

  void run_depthwise(const ConvPhase& p) const {
    const int64_t count = taps(p), channels = g_.channels;
    ScratchBytes sums(count * channels, static_cast<size_t>(s_.item));
    const DepthwiseCall call{&p, g_.batch, channels, x_, nullptr, nullptr, ct_, sums.data()};
    cpu_backend().kernel(op_id("conv_depthwise_weight"), dtype_)->run({{}, {}, &call});
    for_taps(g_, p, [&](int64_t t, int64_t k) {
      for (int64_t c = 0; c < channels; ++c) {
        std::memcpy(out_ + (c * g_.kernel_size + k) * s_.item,
                    bytes(sums.data()) + (t * channels + c) * s_.item,
                    static_cast<size_t>(s_.item));
      }
    });
  }

  // (count, taps, C) into rows [first, first + count) of the result. No two phases share a tap.
  void scatter(const ConvPhase& p, const char* sums, int64_t first, int64_t count) const {
    const int64_t run = s_.in * s_.item, all = taps(p);
    for_taps(g_, p, [&](int64_t t, int64_t k) {
      for (int64_t o = 0; o < count; ++o) {
        std::memcpy(out_ + ((first + o) * g_.kernel_size + k) * run, sums + (o * all + t) * run,
                    static_cast<size_t>(run));
      }
    });
  }

  const ConvGeometry& g_;
  const Sizes& s_;
  Dtype dtype_;
  const char* x_;
  const char* ct_;
  char* out_;
};

void run_conv_weight(const KernelCall& call) {
  const auto& p = call.as<ConvParams>();
  const View &x = call.in[0], &ct = call.in[1], &out = call.out[0];
  if (out.size() == 0) return;
  const ConvGeometry g(p, x.shape, out.shape, ct.shape);
  const Sizes s{static_cast<int64_t>(out.dtype.size()), p.groups, out.shape.back(),
                out.shape[0] / p.groups};
  // Kernel elements that meet only zeros of a dilated input belong to no phase.
  std::memset(out.data, 0, static_cast<size_t>(out.size() * s.item));
  const Weights weights(call, g, s);
  for (const ConvPhase& phase : g.phases()) weights.run(phase);
}

int64_t weight_workspace(const KernelCall& call, const ConvGeometry& g, const Sizes& s,
                         const ConvPhase& p) {
  const Dtype dtype = call.out[0].dtype;
  const size_t item = dtype.size();
  const ConvCall c{g, {s.groups, s.in, s.out}, dtype, nullptr, gemm_kernels_for(dtype, cpu_isa())};
  const int64_t rows = g.batch * positions(p), columns = taps(p) * s.in, outs = s.groups * s.out;
  if (rows == 0 || columns == 0) return 0;
  if (s.in == 1 && s.out == 1 && s.groups > 1) return counted_scratch(taps(p) * g.channels, item);
  GemmArgs a;
  a.dtype = dtype;
  a.m = s.out, a.n = columns, a.k = rows;
  a.a = {nullptr, 1, s.out};
  a.b = {nullptr, columns, 1};
  a.c_row_stride = columns;
  if (s.groups == 1 && s.out * s.in >= kLargeProduct && is_in_place(p)) return gemm_workspace(a);
  const int64_t sums = whole_kernel(g, p) ? 0 : counted_scratch(outs * columns, item);
  if (suits_direct_conv(p)) {
    return sums + (suits_winograd(c, p) ? winograd_conv_weight_workspace(c, p)
                                        : direct_conv_weight_workspace(c, p));
  }
  const int64_t longest =
      std::clamp<int64_t>(4 * kTileBytes / (columns * s.item), 64, 2 * kLongestTile);
  a.k = ceil_div(rows, ceil_div(rows, longest));
  return sums + counted_scratch(a.k * columns, item) + gemm_workspace(a) +
         (whole_result(p) ? 0 : counted_scratch(a.k * s.out, item));
}

}  // namespace

namespace {
int64_t workspace(const KernelCall& call, bool weight) {
  const auto& p = call.as<ConvParams>();
  const View &x = call.in[0], &out = call.out[0], &other = call.in[1];
  if (out.size() == 0) return 0;
  const Shape& kernel = weight ? out.shape : other.shape;
  const ConvGeometry g(p, x.shape, kernel, weight ? other.shape : out.shape);
  const Sizes s{static_cast<int64_t>(out.dtype.size()), p.groups, kernel.back(),
                kernel[0] / p.groups};
  int64_t most = 0;
  for (const ConvPhase& phase : g.phases()) {
    most = std::max(
        most, weight ? weight_workspace(call, g, s, phase) : forward_workspace(call, g, s, phase));
  }
  return most;
}
}  // namespace

int64_t conv_workspace(const KernelCall& call) { return workspace(call, false); }
int64_t conv_weight_workspace(const KernelCall& call) { return workspace(call, true); }

void register_conv(KernelTable& table) {
  table.add_all("conv", {float16, bfloat16, float32, float64}, {.run = run_conv, .contiguous = 1});
  table.add_all("conv_weight", {float32, float64}, {.run = run_conv_weight, .contiguous = 3});
}

}  // namespace olivine::cpu
