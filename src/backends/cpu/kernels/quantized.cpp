// Packed weights: rows back to floats, and dot products that unpack codes in registers.
#include "backends/cpu/kernels/quantized-inl.h"

#include "backends/cpu/quantized.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

using W = Wide<float>;

// ---- Scales

template <class T>
void widen_all(const T* from, int64_t n, float* to) {
  int64_t i = 0;
  for (; i + W::lanes <= n; i += W::lanes) store(to + i, load<float>(from + i));
  for (; i < n; ++i) to[i] = widen<float>(from[i]);
}
void widen_all(Dtype dtype, const void* from, int64_t n, float* to) {
  switch (dtype.val()) {
    case Dtype::Val::float16:
      return widen_all(static_cast<const float16_t*>(from), n, to);
    case Dtype::Val::bfloat16:
      return widen_all(static_cast<const bfloat16_t*>(from), n, to);
    default:
      return widen_all(static_cast<const float*>(from), n, to);
  }
}

// `count` scales of a row from group `first` on.
void row_scales(const PackedMatrix& m, int64_t row, int64_t first, int64_t count, float* to) {
  const int64_t at = row * m.row_groups + first;
  if (m.format.mode == QuantMode::affine) {
    return widen_all(m.scale_dtype, m.scales + at * int64_t(m.scale_dtype.size()), count, to);
  }
  const auto* codes = reinterpret_cast<const uint8_t*>(m.scales) + at;
  if (m.format.mode == QuantMode::nvfp4) {
    for (int64_t i = 0; i < count; ++i) to[i] = e4m3_value(codes[i]) * m.global;
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = e8m0_value(codes[i]);
  }
}
void row_biases(const PackedMatrix& m, int64_t row, int64_t first, int64_t count, float* to) {
  const int64_t at = row * m.row_groups + first;
  widen_all(m.scale_dtype, m.biases + at * int64_t(m.scale_dtype.size()), count, to);
}

// ---- Dequantize

template <class T>
OLIVINE_INLINE W rounded_to(W w) {
  if constexpr (std::is_same_v<T, float>) {
    return w;
  } else {
    T lanes[W::lanes];
    store(lanes, w);
    return load<float>(lanes);
  }
}

// scale * code + bias with each step rounded to T, as arithmetic in T has it.
template <class T, bool affine>
OLIVINE_INLINE void put_values(W codes, float scale, float bias, T* out, int64_t n) {
  W v = map(codes, [&](Native<float> x) { return x * scale; });
  if constexpr (affine) {
    v = map(rounded_to<T>(v), [&](Native<float> x) { return x + bias; });
  }
  n == W::lanes ? store(out, v) : store_first(out, n, v);
}

template <Code c, class T>
void dequantize_row(const PackedMatrix& m, int64_t row, int64_t col, int64_t cols, T* out) {
  constexpr bool affine = c < Code::e2m1;
  constexpr int64_t kGroups = 64;
  const int64_t size = m.format.group_size;
  const uint32_t* words = m.words + row * m.row_words;
  float scales[kGroups], biases[kGroups] = {};
  int64_t first = col / size, known = 0;
  for (int64_t i = 0; i < cols; i += 32) {
    const uint32_t* block = words + (col + i) / 32 * bits_of(c);
    const int64_t last = (col + smaller(i + 32, cols) - 1) / size;
    if (last >= first + known) {
      first = (col + i) / size;
      known = smaller(kGroups, m.row_groups - first);
      row_scales(m, row, first, known, scales);
      if (affine) row_biases(m, row, first, known, biases);
    }
    const int64_t g = (col + i) / size - first, h = last - first;
    put_values<T, affine>(unpack<c, 0, true>(block), scales[g], biases[g], out + i, 16);
    if (i + 16 < cols) {
      put_values<T, affine>(unpack<c, 1, true>(block), scales[h], biases[h], out + i + 16, 16);
    }
  }
}

template <Code c, class T>
void dequantize_rows(const DequantizeArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    dequantize_row<c>(a.matrix, a.row + r, a.col, a.cols,
                      static_cast<T*>(a.out) + r * a.out_stride);
  }
}

void dequantize(const DequantizeArgs& a) {
  const QuantFormat& f = a.matrix.format;
  with_code(f.mode == QuantMode::affine, f.bits, [&](auto code) {
    constexpr Code c = decltype(code)::value;
    switch (a.dtype.val()) {
      case Dtype::Val::float16:
        return dequantize_rows<c, float16_t>(a);
      case Dtype::Val::bfloat16:
        return dequantize_rows<c, bfloat16_t>(a);
      default:
        return dequantize_rows<c, float>(a);
    }
  });
}

// ---- Dot products

template <Code c>
void reorder(const float* from, int64_t k, float* to) {
  for (int64_t i = 0; i < k; ++i) to[unpacked_place<c>(i)] = from[i];
}

void prepare(const PrepareArgs& a) {
  const QuantFormat& f = a.matrix.format;
  const int64_t size = f.group_size, groups = a.k / size, step = prepared_size(a.k, groups);
  const int64_t itemsize = int64_t(a.dtype.size());
  with_code(f.mode == QuantMode::affine, f.bits, [&](auto code) {
    constexpr Code c = decltype(code)::value;
    for (int64_t r = 0; r < a.rows; ++r) {
      float* out = a.out + r * step;
      float* sums = out + step - groups;
      for (int64_t i = a.k; i < step - groups; ++i) out[i] = 0;
      for (int64_t g = 0; g < groups; ++g) {
        float values[128];
        widen_all(a.dtype, static_cast<const char*>(a.x) + (r * a.k + g * size) * itemsize, size,
                  values);
        W total = load<float>(values);
        for (int64_t i = 16; i < size; i += 16) {
          total = map(total, load<float>(values + i), [](auto x, auto y) { return x + y; });
        }
        sums[g] = fold_lanes(total, [](float x, float y) { return x + y; });
        reorder<c>(values, size, out + g * size);
      }
    }
  });
}

void put(const DotArgs& a, int64_t r, int64_t n, float value) {
  const int64_t at = r * a.out_stride + n;
  switch (a.dtype.val()) {
    case Dtype::Val::float16:
      static_cast<float16_t*>(a.out)[at] = to_float16(value);
      return;
    case Dtype::Val::bfloat16:
      static_cast<bfloat16_t*>(a.out)[at] = to_bfloat16(value);
      return;
    default:
      static_cast<float*>(a.out)[at] = value;
  }
}

OLIVINE_INLINE W fused(W x, W y, W z) {
#pragma GCC unroll 4
  for (int p = 0; p < kParts; ++p) z.v[p] = mul_add(x.v[p], y.v[p], z.v[p]);
  return z;
}
OLIVINE_INLINE W fused(W x, float y, W z) { return fused(x, broadcast<float>(y), z); }

// Dots of one row of codes with R rows of x. `sixteen`: groups of sixteen, else of whole blocks.
template <Code c, int R, bool sixteen>
OLIVINE_INLINE void row_dots(const uint32_t* words, const float* x, int64_t x_step,
                             const float* scales, int64_t groups, int64_t group_size, float* out) {
  constexpr int bits = bits_of(c);
  W acc[R];
  for (int r = 0; r < R; ++r) acc[r] = broadcast<float>(0);
  if constexpr (sixteen) {
    for (int64_t g = 0; g < groups; ++g) {
      const W codes = unpack<c, 0, false>(words + g * (bits / 2));
      for (int r = 0; r < R; ++r) {
        const W xs = load<float>(x + r * x_step + g * 16);
        acc[r] = fused(map(codes, xs, [](auto a, auto b) { return a * b; }), scales[g], acc[r]);
      }
    }
  } else {
    const int64_t blocks = group_size / 32;
    for (int64_t g = 0; g < groups; ++g) {
      W low[R], high[R];
      for (int r = 0; r < R; ++r) low[r] = high[r] = broadcast<float>(0);
      for (int64_t b = 0; b < blocks; ++b, words += bits, x += 32) {
        const W first = unpack<c, 0, false>(words), second = unpack<c, 1, false>(words);
        for (int r = 0; r < R; ++r) {
          low[r] = fused(first, load<float>(x + r * x_step), low[r]);
          high[r] = fused(second, load<float>(x + r * x_step + 16), high[r]);
        }
      }
      for (int r = 0; r < R; ++r) {
        low[r] = map(low[r], high[r], [](auto a, auto b) { return a + b; });
        acc[r] = fused(low[r], scales[g], acc[r]);
      }
    }
  }
  for (int r = 0; r < R; ++r) out[r] = fold_lanes(acc[r], [](float a, float b) { return a + b; });
}

float dot_biases(const float* biases, const float* sums, int64_t groups) {
  W acc = broadcast<float>(0);
  int64_t g = 0;
  for (; g + 16 <= groups; g += 16) {
    acc = fused(load<float>(biases + g), load<float>(sums + g), acc);
  }
  float rest = 0;
  for (; g < groups; ++g) rest += biases[g] * sums[g];
  return fold_lanes(acc, [](float a, float b) { return a + b; }) + rest;
}

template <Code c, int R, bool sixteen>
void dot_rows(const DotArgs& a, int64_t first) {
  const PackedMatrix& m = a.matrix;
  const int64_t groups = m.row_groups, step = prepared_size(a.k, groups);
  const float* x = a.x + first * step;
  float *scales = a.work, *biases = a.work + groups, out[R];
  for (int64_t n = a.begin; n < a.end; ++n) {
    row_scales(m, n, 0, groups, scales);
    row_dots<c, R, sixteen>(m.words + n * m.row_words, x, step, scales, groups, m.format.group_size,
                            out);
    if constexpr (c < Code::e2m1) {
      row_biases(m, n, 0, groups, biases);
      for (int r = 0; r < R; ++r) {
        out[r] += dot_biases(biases, x + (r + 1) * step - groups, groups);
      }
    }
    for (int r = 0; r < R; ++r) put(a, first + r, n, out[r]);
  }
}

template <Code c, bool sixteen>
void dot_all(const DotArgs& a) {
  int64_t r = 0;
  for (; r + 4 <= a.x_rows; r += 4) dot_rows<c, 4, sixteen>(a, r);
  if (r + 2 <= a.x_rows) {
    dot_rows<c, 2, sixteen>(a, r);
    r += 2;
  }
  if (r < a.x_rows) dot_rows<c, 1, sixteen>(a, r);
}

void dot(const DotArgs& a) {
  const QuantFormat& f = a.matrix.format;
  if (f.mode == QuantMode::nvfp4) return dot_all<Code::e2m1, true>(a);
  with_code(f.mode == QuantMode::affine, f.bits,
            [&](auto code) { dot_all<decltype(code)::value, false>(a); });
}

}  // namespace

extern const QuantizedKernels quantized_kernels;
const QuantizedKernels quantized_kernels{dequantize, prepare, dot};

}  // namespace olivine::cpu::OLIVINE_ISA
