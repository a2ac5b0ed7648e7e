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

constexpr int64_t kTask = 32768;     // products that a task takes at least
constexpr int64_t kMostSlices = 32;  // of the rows whose products are added up
constexpr int64_t kOutputs = 4;      // that share the weights in registers

// x + (channel 0 of the line of taps a, b), or null where there is none.
template <class T>
const T* line_of(const DepthwiseCall& c, int64_t n, int64_t jd, int64_t jh, int64_t a, int64_t b) {
  const ConvPhase& p = *c.phase;
  const ConvAxis *d = &p[0], *h = d + 1, *w = d + 2;
  const int64_t z = d->base[a] + jd * d->stride, y = h->base[b] + jh * h->stride;
  if (z < 0 || z >= d->in || y < 0 || y >= h->in) return nullptr;
  return static_cast<const T*>(c.x) + ((n * d->in + z) * h->in + y) * w->in * c.channels;
}

template <class A, class T>
OLIVINE_INLINE Native<A> load_lanes(const T* p, int64_t count) {
  constexpr int64_t lanes = kVectorBytes / int64_t(sizeof(A));
  if (count == lanes) return load_native<A>(p);
  T some[lanes] = {};
  copy(p, count, some);
  return load_native<A>(some);
}
template <class A, class T>
OLIVINE_INLINE void store_lanes(T* p, Native<A> v, int64_t count) {
  constexpr int64_t lanes = kVectorBytes / int64_t(sizeof(A));
  if (count == lanes) return store_native(p, v);
  T some[lanes];
  store_native(some, v);
  copy(some, count, p);
}

// `outputs` neighbours from jw on, lanes of channels from c on.
template <class T, int outputs>
void outputs_of_lanes(const DepthwiseCall& call, int64_t n, int64_t jd, int64_t jh, int64_t jw,
                      int64_t c, int64_t count) {
  using A = std::conditional_t<is_half<T>, float, T>;
  const ConvAxis *d = call.phase->data(), *h = d + 1, *w = d + 2;
  Native<A> sum[outputs] = {};
  const T* weight = static_cast<const T*>(call.weight) + c;
  for (int64_t a = 0; a < d->taps; ++a) {
    for (int64_t b = 0; b < h->taps; ++b, weight += w->taps * call.channels) {
      const T* line = line_of<T>(call, n, jd, jh, a, b);
      if (!line) continue;
      for (int64_t t = 0; t < w->taps; ++t) {
        const Native<A> k = load_lanes<A>(weight + t * call.channels, count);
#pragma GCC unroll 4
        for (int o = 0; o < outputs; ++o) {
          const int64_t i = w->base[t] + (jw + o) * w->stride;
          if (i < 0 || i >= w->in) continue;
          sum[o] = mul_add(load_lanes<A>(line + i * call.channels + c, count), k, sum[o]);
        }
      }
    }
  }
  T* out = static_cast<T*>(call.out);
  const int64_t row = ((n * d->out + d->first + d->step * jd) * h->out + h->first + h->step * jh);
  for (int o = 0; o < outputs; ++o) {
    const int64_t at = row * w->out + w->first + w->step * (jw + o);
    store_lanes<A>(out + at * call.channels + c, sum[o], count);
  }
}

template <class T>
void depthwise(const KernelCall& k) {
  using A = std::conditional_t<is_half<T>, float, T>;
  constexpr int64_t lanes = kVectorBytes / int64_t(sizeof(A));
  const auto& call = *static_cast<const DepthwiseCall*>(k.params);
  const ConvAxis *d = call.phase->data(), *h = d + 1, *w = d + 2;
  const int64_t rows = call.batch * d->count * h->count;
  const int64_t work = w->count * call.channels * d->taps * h->taps * w->taps;
  parallel_for(rows, kTask / work + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t jh = r % h->count, jd = r / h->count % d->count, n = r / (h->count * d->count);
      for (int64_t c = 0; c < call.channels; c += lanes) {
        const int64_t count = smaller(lanes, call.channels - c);
        int64_t jw = 0;
        for (; jw + kOutputs <= w->count; jw += kOutputs) {
          outputs_of_lanes<T, kOutputs>(call, n, jd, jh, jw, c, count);
        }
        for (; jw < w->count; ++jw) outputs_of_lanes<T, 1>(call, n, jd, jh, jw, c, count);
      }
    }
  });
}

// Adds the products of row (n, jd, jh) of the result to sums (taps, C).
template <class T>
void add_row(const DepthwiseCall& call, int64_t n, int64_t jd, int64_t jh, T* sums) {
  constexpr int64_t lanes = kVectorBytes / int64_t(sizeof(T));
  const ConvAxis *d = call.phase->data(), *h = d + 1, *w = d + 2;
  const int64_t at = ((n * d->out + d->first + d->step * jd) * h->out + h->first + h->step * jh);
  const T* ct = static_cast<const T*>(call.cotangent) + (at * w->out + w->first) * call.channels;
  for (int64_t a = 0; a < d->taps; ++a) {
    for (int64_t b = 0; b < h->taps; ++b, sums += w->taps * call.channels) {
      const T* line = line_of<T>(call, n, jd, jh, a, b);
      if (!line) continue;
      for (int64_t t = 0; t < w->taps; ++t) {
        for (int64_t c = 0; c < call.channels; c += lanes) {
          const int64_t count = smaller(lanes, call.channels - c);
          Native<T> sum = {};
          for (int64_t j = 0; j < w->count; ++j) {
            const int64_t i = w->base[t] + j * w->stride;
            if (i < 0 || i >= w->in) continue;
            sum = mul_add(load_lanes<T>(line + i * call.channels + c, count),
                          load_lanes<T>(ct + j * w->step * call.channels + c, count), sum);
          }
          T* to = sums + t * call.channels + c;
          store_lanes<T>(to, load_lanes<T>(to, count) + sum, count);
        }
      }
    }
  }
}

template <class T>
void depthwise_weight(const KernelCall& k) {
  const auto& call = *static_cast<const DepthwiseCall*>(k.params);
  const ConvAxis *d = call.phase->data(), *h = d + 1, *w = d + 2;
  const int64_t rows = call.batch * d->count * h->count;
  const int64_t size = d->taps * h->taps * w->taps * call.channels;
  int64_t slice = kTask / (size * w->count) + 1;
  slice = larger(slice, (rows + kMostSlices - 1) / kMostSlices);
  const int64_t slices = (rows + slice - 1) / slice;
  ScratchBytes scratch(slices * size, sizeof(T));
  T* parts = static_cast<T*>(scratch.data());
  fill(parts, slices * size, T(0));
  parallel_for(rows, slice, [&](int64_t begin, int64_t end) {
    T* sums = parts + begin / slice * size;
    for (int64_t r = begin; r < end; ++r) {
      const int64_t jh = r % h->count, jd = r / h->count % d->count, n = r / (h->count * d->count);
      add_row(call, n, jd, jh, sums);
    }
  });
  T* out = static_cast<T*>(call.sums);
  fill(out, size, T(0));
  for (int64_t s = 0; s < slices; ++s) {
    for (int64_t i = 0; i < size; ++i) out[i] += parts[s * size + i];
  }
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
