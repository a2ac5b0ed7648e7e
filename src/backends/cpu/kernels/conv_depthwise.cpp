// Depthwise convolutions: every channel has a kernel of its own, and channels lie side by side.
//
// They are called by the general convolutions (../conv.cpp), one phase at a time.
#include "backends/cpu/conv_geometry.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/vec-math-inl.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kTask = 32768;         // products that a task takes at least
constexpr int64_t kMostSlices = 16;      // of the rows whose products are added up
constexpr int64_t kAddGrain = 1 << 14;   // of their sums, that a task adds up at least
constexpr int64_t kWeightVectors = 192;  // that stay in the L1 cache beside the lines
constexpr int64_t kOutputs = 8;          // that share the weights in registers
constexpr int64_t kEdgeVectors = 4;      // of channels, of one output
constexpr int64_t kSteps = 16;           // outputs whose products are summed in registers
constexpr int64_t kMostTaps = 9;         // whose sums share a cotangent

template <class T>
using Accumulator = std::conditional_t<is_half<T>, float, T>;
template <class T>
constexpr int64_t kLanes = kVectorBytes / int64_t(sizeof(Accumulator<T>));

// The lines that a row of the result reads, and the first of the line's taps.
template <class T>
struct Line {
  const T* x;
  int64_t tap;
};

// Row (n, jd, jh) of the result.
struct Row {
  Row(const DepthwiseCall& call, int64_t row) {
    const ConvAxis *d = call.phase->data(), *h = d + 1;
    jh = row % h->count;
    jd = row / h->count % d->count;
    n = row / (h->count * d->count);
    first = ((n * d->out + d->first + d->step * jd) * h->out + h->first + h->step * jh) * h[1].out +
            h[1].first;
  }
  int64_t n, jd, jh;
  int64_t first;  // position of output 0 in the result
};

// Writes the lines that lie inside x; there are as many as it returns.
template <class T>
int64_t find_lines(const DepthwiseCall& call, const Row& row, Line<T>* to) {
  const ConvAxis *d = call.phase->data(), *h = d + 1, *w = d + 2;
  int64_t count = 0;
  for (int64_t a = 0; a < d->taps; ++a) {
    const int64_t z = d->base[a] + row.jd * d->stride;
    for (int64_t b = 0; b < h->taps; ++b) {
      const int64_t y = h->base[b] + row.jh * h->stride;
      if (z < 0 || z >= d->in || y < 0 || y >= h->in) continue;
      const T* x = static_cast<const T*>(call.x);
      to[count++] = {x + ((row.n * d->in + z) * h->in + y) * w->in * call.channels,
                     (a * h->taps + b) * w->taps};
    }
  }
  return count;
}

// Outputs [begin, end) of a line read it for every tap.
struct Inside {
  explicit Inside(const ConvAxis& w) {
    begin = 0;
    end = w.count;
    for (int64_t t = 0; t < w.taps; ++t) {
      begin = larger(begin, (larger(0, -w.base[t]) + w.stride - 1) / w.stride);
      const int64_t after = w.in - w.base[t];  // positions from the tap of output 0 on
      end = smaller(end, after <= 0 ? 0 : (after + w.stride - 1) / w.stride);
    }
    begin = smaller(begin, w.count);
    end = larger(begin, end);
  }
  int64_t begin, end;
};

// `whole`: there are as many elements as lanes, or more.
template <bool whole, class T>
OLIVINE_INLINE Native<Accumulator<T>> load_lanes(const T* p, int64_t count) {
  if constexpr (whole) return load_native<Accumulator<T>>(p);
  T some[kLanes<T>] = {};
  copy(p, count, some);
  return load_native<Accumulator<T>>(some);
}
template <bool whole, class T>
OLIVINE_INLINE void store_lanes(T* p, Native<Accumulator<T>> v, int64_t count) {
  if constexpr (whole) return store_native(p, v);
  T some[kLanes<T>];
  store_native(some, v);
  copy(some, count, p);
}

// The last vector of channels ends with them, so it may share some with the one before.
template <class T>
OLIVINE_INLINE int64_t first_channel(int64_t vector, int64_t channels) {
  return larger(0, smaller(vector * kLanes<T>, channels - kLanes<T>));
}

// ---- Outputs

template <class T>
struct OutputRow {
  const DepthwiseCall& call;
  const Line<T>* lines;
  int64_t count;  // of lines
  T* out;         // output 0

  // `outputs` neighbours from jw on, `vectors` of channels from c on, for taps [begin, end) along
  // the line.
  template <int outputs, int vectors, bool whole>
  void write(int64_t jw, int64_t c, int64_t begin, int64_t end) const {
    const ConvAxis& w = (*call.phase)[2];
    const int64_t channels = call.channels, step = w.stride * channels;
    Native<Accumulator<T>> sum[outputs][vectors] = {};
    for (int64_t i = 0; i < count; ++i) {
      const T* weight = static_cast<const T*>(call.weight) + lines[i].tap * channels + c;
      const T* line = lines[i].x + jw * step + c;
      for (int64_t t = begin; t < end; ++t) {
        const T* x = line + w.base[t] * channels;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
          const int64_t at = v * kLanes<T>;
          const auto k = load_lanes<whole>(weight + t * channels + at, channels);
#pragma GCC unroll 8
          for (int o = 0; o < outputs; ++o) {
            sum[o][v] = mul_add(load_lanes<whole>(x + o * step + at, channels), k, sum[o][v]);
          }
        }
      }
    }
    T* to = out + jw * w.step * channels + c;
#pragma GCC unroll 8
    for (int o = 0; o < outputs; ++o) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        store_lanes<whole>(to + o * w.step * channels + v * kLanes<T>, sum[o][v], channels);
      }
    }
  }

  // Vectors [first, last) of channels.
  template <int outputs>
  void write_block(int64_t jw, int64_t first, int64_t last) const {
    const int64_t channels = call.channels, taps = (*call.phase)[2].taps;
    if (channels < kLanes<T>) return write<outputs, 1, false>(jw, 0, 0, taps);
    for (int64_t v = first; v < last; ++v) {
      write<outputs, 1, true>(jw, first_channel<T>(v, channels), 0, taps);
    }
  }

  // One output, some of whose taps may lie outside.
  void write_edge(int64_t jw) const {
    const ConvAxis& w = (*call.phase)[2];
    const int64_t channels = call.channels;
    int64_t begin = 0, end = w.taps;
    while (begin < end && w.base[begin] + jw * w.stride < 0) ++begin;
    while (begin < end && w.base[end - 1] + jw * w.stride >= w.in) --end;
    if (channels < kLanes<T>) return write<1, 1, false>(jw, 0, begin, end);
    int64_t v = 0;
    for (; (v + kEdgeVectors) * kLanes<T> <= channels; v += kEdgeVectors) {
      write<1, kEdgeVectors, true>(jw, v * kLanes<T>, begin, end);
    }
    for (; v * kLanes<T> < channels; ++v) {
      write<1, 1, true>(jw, first_channel<T>(v, channels), begin, end);
    }
  }

  // The last block may write some outputs again.
  template <int outputs>
  int64_t write_blocks(const Inside& inside) const {
    if (inside.end - inside.begin < outputs) return inside.begin;
    const int64_t taps = larger(1, count * (*call.phase)[2].taps);
    const int64_t vectors = (call.channels + kLanes<T> - 1) / kLanes<T>;
    const int64_t group = larger(1, kWeightVectors / taps);
    for (int64_t v = 0; v < vectors; v += group) {
      for (int64_t j = inside.begin; j < inside.end; j += outputs) {
        write_block<outputs>(smaller(j, inside.end - outputs), v, smaller(v + group, vectors));
      }
    }
    return inside.end;
  }

  void write_all(const Inside& inside) const {
    for (int64_t j = 0; j < inside.begin; ++j) write_edge(j);
    const bool many = inside.end - inside.begin >= kOutputs;
    int64_t j = many ? write_blocks<kOutputs>(inside) : write_blocks<kOutputs / 2>(inside);
    for (; j < (*call.phase)[2].count; ++j) write_edge(j);
  }
};

template <class T>
void depthwise(const KernelCall& k) {
  const auto& call = *static_cast<const DepthwiseCall*>(k.params);
  const ConvAxis *d = call.phase->data(), *h = d + 1, *w = d + 2;
  const int64_t rows = call.batch * d->count * h->count;
  const int64_t work = w->count * call.channels * d->taps * h->taps * w->taps;
  const Inside inside(*w);
  parallel_for(rows, kTask / work + 1, [&](int64_t begin, int64_t end) {
    ScratchBytes lines(d->taps * h->taps, sizeof(Line<T>));
    auto* found = static_cast<Line<T>*>(lines.data());
    for (int64_t r = begin; r < end; ++r) {
      const Row row(call, r);
      T* out = static_cast<T*>(call.out) + row.first * call.channels;
      OutputRow<T>{call, found, find_lines(call, row, found), out}.write_all(inside);
    }
  });
}

// ---- Gradients of weights: sums (taps, vectors of channels), of which the last two may share some

// A tap of a row: the value that output 0 reads, and its sums.
template <class T>
struct Tap {
  const T* x;
  T* sums;
  int64_t base;
};

template <class T>
struct CotangentRow {
  const DepthwiseCall& call;
  const T* ct;  // of output 0
  const Tap<T>* taps;
  int64_t count;

  // Adds the products of outputs [begin, end), which all taps read.
  template <int group, bool whole>
  void add_group(const Tap<T>* tap, int64_t begin, int64_t end, int64_t vector) const {
    const ConvAxis& w = (*call.phase)[2];
    const int64_t channels = call.channels, c = first_channel<T>(vector, channels);
    const int64_t x_step = w.stride * channels, ct_step = w.step * channels;
    const T* x[group];
#pragma GCC unroll 9
    for (int i = 0; i < group; ++i) x[i] = tap[i].x + begin * x_step + c;
    const T* from = ct + begin * ct_step + c;
    Native<T> sum[group] = {};
    for (int64_t j = end - begin, at = 0; j > 0; --j, at += x_step, from += ct_step) {
      const Native<T> v = load_lanes<whole>(from, channels);
#pragma GCC unroll 9
      for (int i = 0; i < group; ++i) {
        sum[i] = mul_add(load_lanes<whole>(x[i] + at, channels), v, sum[i]);
      }
    }
#pragma GCC unroll 9
    for (int i = 0; i < group; ++i) {
      T* to = tap[i].sums + vector * kLanes<T>;
      store_native(to, load_native<T>(to) + sum[i]);
    }
  }

  template <int most, bool whole>
  void add_taps(const Tap<T>* tap, int64_t size, int64_t begin, int64_t end, int64_t v) const {
    if (size == most) return add_group<most, whole>(tap, begin, end, v);
    if constexpr (most > 1) add_taps<most - 1, whole>(tap, size, begin, end, v);
  }

  // All channels of outputs [begin, end), which all taps of `from` read.
  template <bool whole>
  void add_steps(const Tap<T>* from, int64_t size, int64_t begin, int64_t end) const {
    const int64_t vectors = (call.channels + kLanes<T> - 1) / kLanes<T>;
    const int64_t groups = (size + kMostTaps - 1) / kMostTaps;
    for (int64_t v = 0; v < vectors; ++v) {
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t first = g * size / groups, last = (g + 1) * size / groups;
        add_taps<kMostTaps, whole>(from + first, last - first, begin, end, v);
      }
    }
  }

  template <bool whole>
  void add_all(const Inside& inside) const {
    const ConvAxis& w = (*call.phase)[2];
    for (int64_t j = inside.begin; j < inside.end; j += kSteps) {
      add_steps<whole>(taps, count, j, smaller(j + kSteps, inside.end));
    }
    for (int64_t j = 0; j < w.count; ++j) {
      if (j == inside.begin) j = inside.end;
      if (j == w.count) break;
      Tap<T> found[kMostTaps];
      int64_t size = 0;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t at = taps[i].base + j * w.stride;
        if (at >= 0 && at < w.in) found[size++] = taps[i];
        if (size < kMostTaps) continue;
        add_steps<whole>(found, size, j, j + 1);
        size = 0;
      }
      add_steps<whole>(found, size, j, j + 1);
    }
  }
};

template <class T>
struct WeightSums {
  explicit WeightSums(const DepthwiseCall& c)
      : call(c), vectors((c.channels + kLanes<T> - 1) / kLanes<T>) {
    const ConvAxis *d = call.phase->data(), *h = d + 1, *w = d + 2;
    lines = d->taps * h->taps;
    size = lines * w->taps * vectors * kLanes<T>;
  }

  // Adds the products of rows [begin, end) of the result.
  void add_rows(int64_t begin, int64_t end, T* sums) const {
    const ConvAxis& w = (*call.phase)[2];
    const Inside inside(w);
    ScratchBytes line_scratch(lines, sizeof(Line<T>)), scratch(lines * w.taps, sizeof(Tap<T>));
    auto* found = static_cast<Line<T>*>(line_scratch.data());
    auto* taps = static_cast<Tap<T>*>(scratch.data());
    for (int64_t r = begin; r < end; ++r) {
      const Row row(call, r);
      const int64_t count = find_lines(call, row, found);
      for (int64_t i = 0; i < count * w.taps; ++i) {
        const Line<T>& line = found[i / w.taps];
        const int64_t t = i % w.taps;
        taps[i] = {line.x + w.base[t] * call.channels, sums + (line.tap + t) * vectors * kLanes<T>,
                   w.base[t]};
      }
      const T* ct = static_cast<const T*>(call.cotangent) + row.first * call.channels;
      const CotangentRow<T> products{call, ct, taps, count * w.taps};
      if (call.channels < kLanes<T>) {
        products.template add_all<false>(inside);
      } else {
        products.template add_all<true>(inside);
      }
    }
  }

  // To (taps, C).
  void write(const T* sums) const {
    T* out = static_cast<T*>(call.sums);
    for (int64_t i = 0; i < size; i += vectors * kLanes<T>, out += call.channels) {
      for (int64_t v = 0; v < vectors; ++v) {
        copy(sums + i + v * kLanes<T>, smaller(kLanes<T>, call.channels),
             out + first_channel<T>(v, call.channels));
      }
    }
  }

  const DepthwiseCall& call;
  int64_t vectors, lines, size;
};

template <class T>
void depthwise_weight(const KernelCall& k) {
  const auto& call = *static_cast<const DepthwiseCall*>(k.params);
  const ConvAxis *d = call.phase->data(), *h = d + 1, *w = d + 2;
  const int64_t rows = call.batch * d->count * h->count;
  const WeightSums<T> sums(call);
  const int64_t size = sums.size;
  int64_t slice = kTask / (size * w->count) + 1;
  slice = larger(slice, (rows + kMostSlices - 1) / kMostSlices);
  const int64_t slices = (rows + slice - 1) / slice;
  ScratchBytes scratch(slices * size, sizeof(T));
  T* parts = static_cast<T*>(scratch.data());
  fill(parts, slices * size, T(0));
  parallel_for(rows, slice, [&](int64_t begin, int64_t end) {
    sums.add_rows(begin, end, parts + begin / slice * size);
  });
  parallel_for(size, kAddGrain / slices + 1, [&](int64_t begin, int64_t end) {
    for (int64_t s = 1; s < slices; ++s) {
      for (int64_t i = begin; i < end; ++i) parts[i] += parts[s * size + i];
    }
  });
  sums.write(parts);
}

}  // namespace

void register_conv_depthwise(KernelTable& table) {
  table.add("conv_depthwise", float16, {.run = depthwise<float16_t>});
  table.add("conv_depthwise", bfloat16, {.run = depthwise<bfloat16_t>});
  table.add("conv_depthwise", float32, {.run = depthwise<float>});
  table.add("conv_depthwise", float64, {.run = depthwise<double>});
  table.add("conv_depthwise_weight", float32, {.run = depthwise_weight<float>});
  table.add("conv_depthwise_weight", float64, {.run = depthwise_weight<double>});
}

}  // namespace olivine::cpu::OLIVINE_ISA
