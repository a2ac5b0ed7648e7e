// What the kernels of attention share: their operands, and rows of these as floats.
#pragma once

#include <limits>
#include <type_traits>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/vec-math-inl.h"
#include "ops/fast_params.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t L = Wide<float>::lanes;
constexpr float kLow = -std::numeric_limits<float>::infinity();

using Lanes = Native<float>;

// n up to whole vectors.
inline int64_t padded(int64_t n) {
  constexpr int64_t lanes = kVectorBytes / 4;
  return (n + lanes - 1) / lanes * lanes;
}

// exp of what is at most 0, with zero below -88: 2^n 2^r for the integer n next to x log2(e), which
// the constant `round` leaves, with the exponent's bias, in the low bits of z. The polynomial is
// the best of its degree with p(0) = 1 and errs by 9e-8; what one constant for log2(e) errs by is
// no more than what the score x itself does.
OLIVINE_INLINE Lanes weight_of(Lanes x) {
  using Bits = Native<uint32_t>;
  constexpr float round = 0x1.8p23f + 127;
  const Lanes low = all_lanes<float>(-88.f), log2_e = all_lanes<float>(1.4426950408889634f);
  x = low > x ? low : x;
  const Lanes z = mul_add(x, log2_e, all_lanes<float>(round));
  const Lanes r = mul_add(x, log2_e, round - z);
  Lanes p = all_lanes<float>(0x1.5bba0e266f3fep-10f);
  p = mul_add(p, r, all_lanes<float>(0x1.3cea87bd281f6p-7f));
  p = mul_add(p, r, all_lanes<float>(0x1.c6b752edca49ap-5f));
  p = mul_add(p, r, all_lanes<float>(0x1.ebf9bb88f0aaep-3f));
  p = mul_add(p, r, all_lanes<float>(0x1.62e429202757ep-1f));
  p = mul_add(p, r, all_lanes<float>(1.f));
  return p * (Lanes)((Bits)z << 23);
}

// A 4-d operand; axes of size 1 have stride 0, as do missing ones.
struct Operand {
  const void* data;
  int64_t strides[4] = {};

  explicit Operand(const View& v) : data(v.data) {
    const size_t n = v.shape.size();
    for (size_t i = 0; i < n; ++i) strides[4 - n + i] = v.shape[i] == 1 ? 0 : v.strides[i];
  }
};

// Which rows of an operand: `count` of the rows stacked from head `head` on, `per_head` in each.
struct Rows {
  int64_t batch, head, per_head, first, count;
  int64_t offset(const Operand& x, int64_t r) const {
    const int64_t at = first + r;
    return batch * x.strides[0] + (head + at / per_head) * x.strides[1] +
           at % per_head * x.strides[2];
  }
};

// f with a value of the type of keys and values whose queries have type T.
template <class T, class F>
void with_stored(Dtype stored, F f) {
  if constexpr (std::is_same_v<T, float>) {
    if (stored == float16) return f(float16_t{});
    if (stored == bfloat16) return f(bfloat16_t{});
  }
  f(T{});
}

// Rows of n elements times `scale` as floats, padded with zeros.
template <class T>
void pack(const Operand& x, const Rows& rows, int64_t n, float scale, float* out) {
  const int64_t width = padded(n), step = x.strides[3];
  const bool dense = step == 1 || n == 1;
  for (int64_t r = 0; r < rows.count; ++r, out += width) {
    const T* p = static_cast<const T*>(x.data) + rows.offset(x, r);
    int64_t i = 0;
    for (; dense && i + L <= n; i += L) {
      store(out + i, map(load<float>(p + i), [&](Lanes v) { return v * scale; }));
    }
    if constexpr (std::is_same_v<T, float>) {  // where L is two vectors and one is left
      constexpr int64_t lanes = kVectorBytes / 4;
      for (; dense && i + lanes <= n; i += lanes) {
        store_native(out + i, load_native<float>(p + i) * scale);
      }
    }
    for (; i < n; ++i) out[i] = widen<float>(p[i * step]) * scale;
    for (; i < width; ++i) out[i] = 0;
  }
}

template <class T>
void unpack(const float* rows, int64_t count, int64_t n, T* out) {
  const int64_t width = padded(n);
  for (int64_t r = 0; r < count; ++r) {
    int64_t i = 0;
    for (; i + L <= n; i += L) store(out + r * n + i, load<float>(rows + r * width + i));
    for (; i < n; ++i) out[r * n + i] = narrow<T>(rows[r * width + i]);
  }
}

// The operands and sizes of a call. Keys and values may have fewer bits than the queries.
struct AttentionCall {
  const AttentionParams& params;
  Operand q, k, v, mask;
  Dtype stored;  // of keys and values
  bool bool_mask;
  const void* sinks = nullptr;
  int64_t sink_stride = 0;
  int64_t batches, key_heads, group, queries, keys, depth, value_depth;
  int64_t rows;  // of a key head

  explicit AttentionCall(const KernelCall& call)
      : params(call.as<AttentionParams>()),
        q(call.in[0]),
        k(call.in[1]),
        v(call.in[2]),
        mask(call.in[params.has_mask ? 3 : 0]),
        stored(call.in[1].dtype),
        bool_mask(params.has_mask && call.in[3].dtype == bool_) {
    if (params.has_sinks) {
      const View& s = call.in[params.has_mask ? 4 : 3];
      sinks = s.data;
      sink_stride = s.strides[0];
    }
    const Shape &qs = call.in[0].shape, &ks = call.in[1].shape;
    batches = qs[0], key_heads = ks[1], group = qs[1] / ks[1];
    queries = qs[2], keys = ks[2], depth = qs[3], value_depth = call.in[2].shape[3];
    rows = group * queries;
  }

  // Rows of q that share the keys of head `unit` of all batches; and keys or values.
  Rows query_rows(int64_t unit, int64_t first, int64_t count) const {
    return {unit / key_heads, unit % key_heads * group, queries, first, count};
  }
  Rows key_rows(int64_t unit, int64_t first, int64_t count) const {
    return {unit / key_heads, unit % key_heads, keys, first, count};
  }
  // How many keys a row sees.
  int64_t visible(int64_t row) const {
    const int64_t seen = params.causal ? row % queries + keys - queries + 1 : keys;
    return larger(0, smaller(seen, keys));
  }
  template <class T>
  float sink(const Rows& of, int64_t r) const {
    if (!sinks) return kLow;
    const int64_t head = of.head + (of.first + r) / of.per_head;
    return widen<float>(static_cast<const T*>(sinks)[head * sink_stride]);
  }

  // Scores of row r and `count` keys from `first` on, `step` apart, under the mask.
  template <class T>
  void apply_mask(const Rows& of, int64_t r, int64_t first, int64_t count, float* scores,
                  int64_t step) const {
    const int64_t m_step = mask.strides[3], at = of.offset(mask, r) + first * m_step;
    if (bool_mask) {
      const bool* m = static_cast<const bool*>(mask.data) + at;
      for (int64_t j = 0; j < count; ++j) {
        scores[j * step] = m[j * m_step] ? scores[j * step] : kLow;
      }
    } else {
      const T* m = static_cast<const T*>(mask.data) + at;
      for (int64_t j = 0; j < count; ++j) scores[j * step] += widen<float>(m[j * m_step]);
    }
  }
};

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
