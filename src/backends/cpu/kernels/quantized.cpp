// Packed weights: rows back to floats, and dot products that unpack codes in registers.
#include "backends/cpu/kernels/quantized-inl.h"
#include "backends/cpu/kernels/quantized-scales-inl.h"

#include "backends/cpu/quantized.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

using W = Wide<float>;

template <int h>
struct Half {
  static constexpr int value = h;
};

// ---- Dequantize

// To the nearest T, halves to even, still as floats.
template <class T>
OLIVINE_INLINE W rounded_to(W w) {
  if constexpr (std::is_same_v<T, bfloat16_t>) {
    return map(w, [](Native<float> v) {
      const auto b = (Native<uint32_t>)v;
      const auto r = (b + 0x7fff + ((b >> 16) & 1)) & 0xffff0000u;
      return v != v ? v : (Native<float>)r;
    });
  } else if constexpr (std::is_same_v<T, float16_t>) {
    T lanes[W::lanes];
    store(lanes, w);
    return load<float>(lanes);
  }
  return w;
}

// scale * code + bias; `exact`: each step rounded to T, as arithmetic in T has it.
template <class T, bool affine, bool exact>
OLIVINE_INLINE void put_values(W codes, float scale, float bias, T* out) {
  if constexpr (!affine) {
    store(out, map(codes, [&](Native<float> x) { return x * scale; }));
  } else if constexpr (exact) {
    const W v = rounded_to<T>(map(codes, [&](Native<float> x) { return x * scale; }));
    store(out, map(v, [&](Native<float> x) { return x + bias; }));
  } else {
    const auto by = all_lanes<float>(scale), plus = all_lanes<float>(bias);
    store(out, map(codes, [&](Native<float> x) { return mul_add(x, by, plus); }));
  }
}

template <Code c, class T, bool exact>
void dequantize_row(const PackedMatrix& m, int64_t row, int64_t col, int64_t cols, T* out) {
  constexpr bool affine = c < Code::e2m1;
  constexpr int64_t kGroups = 64;  // whose scales are read at once
  const int64_t size = m.format.group_size, last = (col + cols) / size;
  const uint32_t* words = m.words + row * m.row_words;
  float scales[kGroups], biases[kGroups] = {};
  for (int64_t first = col / size; first < last; first += kGroups) {
    const int64_t count = smaller(kGroups, last - first);
    row_scales(m, row, first, count, scales);
    if (affine) row_biases(m, row, first, count, biases);
    for (int64_t g = 0; g < count; ++g) {
      const int64_t at = (first + g) * size;
      if (size == 16) {
        const uint32_t* block = words + at / 32 * bits_of(c);
        const W codes = at % 32 == 0 ? unpack<c, 0, true>(block) : unpack<c, 1, true>(block);
        put_values<T, affine, exact>(codes, scales[g], biases[g], out);
        out += 16;
        continue;
      }
      for (int64_t i = at; i < at + size; i += 32, out += 32) {
        const uint32_t* block = words + i / 32 * bits_of(c);
        const float scale = scales[g], bias = biases[g];
        put_values<T, affine, exact>(unpack<c, 0, true>(block), scale, bias, out);
        put_values<T, affine, exact>(unpack<c, 1, true>(block), scale, bias, out + 16);
      }
    }
  }
}

template <Code c, class T>
void dequantize_rows(const DequantizeArgs& a) {
  for (int64_t r = 0; r < a.rows; ++r) {
    T* out = static_cast<T*>(a.out) + r * a.out_stride;
    if constexpr (c < Code::e2m1) {  // others are rounded once anyway
      if (a.exact) {
        dequantize_row<c, T, true>(a.matrix, a.row + r, a.col, a.cols, out);
        continue;
      }
    }
    dequantize_row<c, T, false>(a.matrix, a.row + r, a.col, a.cols, out);
  }
}

void dequantize(const DequantizeArgs& a) {
  const QuantFormat& f = a.matrix.format;
  with_code(f.integer(), f.bits, [&](auto code) {
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
  with_code(f.integer(), f.bits, [&](auto code) {
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

OLIVINE_INLINE W fused(W x, W y, W z) {
#pragma GCC unroll 4
  for (int p = 0; p < kParts; ++p) z.v[p] = mul_add(x.v[p], y.v[p], z.v[p]);
  return z;
}
OLIVINE_INLINE W fused(W x, float y, W z) { return fused(x, broadcast<float>(y), z); }

// Far enough ahead to hide memory, in bytes.
constexpr int64_t kAhead = 1024;

// The dot of a row of codes with a row of x: codes times x, then sums times scales.
template <Code c, bool sixteen>
OLIVINE_INLINE float row_dot(const uint32_t* words, const float* x, const float* scales,
                             int64_t groups, int64_t group_size) {
  constexpr int bits = bits_of(c);
  const auto times = [](auto a, auto b) { return a * b; };
  const auto plus = [](auto a, auto b) { return a + b; };
  W acc = broadcast<float>(0);
  if constexpr (sixteen) {
    W other = acc;
    for (int64_t g = 0; g < groups; g += 2, words += bits, x += 32) {
      if (g % 8 == 0) __builtin_prefetch(reinterpret_cast<const char*>(words) + kAhead);
      acc = fused(map(unpack<c, 0, false>(words), load<float>(x), times), scales[g], acc);
      if (g + 1 == groups) break;
      const W codes = unpack<c, 1, false>(words);
      other = fused(map(codes, load<float>(x + 16), times), scales[g + 1], other);
    }
    acc = map(acc, other, plus);
  } else {
    const int64_t blocks = group_size / 32;
    for (int64_t g = 0; g < groups; ++g) {
      __builtin_prefetch(reinterpret_cast<const char*>(words) + kAhead);
      W low = map(unpack<c, 0, false>(words), load<float>(x), times);
      W high = map(unpack<c, 1, false>(words), load<float>(x + 16), times);
      words += bits;
      x += 32;
      for (int64_t b = 1; b < blocks; ++b, words += bits, x += 32) {
        low = fused(unpack<c, 0, false>(words), load<float>(x), low);
        high = fused(unpack<c, 1, false>(words), load<float>(x + 16), high);
      }
      acc = fused(map(low, high, plus), scales[g], acc);
    }
  }
  return fold_lanes(acc, plus);
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

template <Code c, bool sixteen>
void dot_row(const DotArgs& a, int64_t r) {
  const PackedMatrix& m = a.matrix;
  const int64_t groups = m.row_groups, step = prepared_size(a.k, groups);
  const float* x = a.x + r * step;
  float *scales = a.work, *biases = a.work + groups;
  for (int64_t n = a.begin; n < a.end; ++n) {
    row_scales(m, n, 0, groups, scales);
    float sum =
        row_dot<c, sixteen>(m.words + n * m.row_words, x, scales, groups, m.format.group_size);
    if constexpr (c < Code::e2m1) {
      row_biases(m, n, 0, groups, biases);
      sum += dot_biases(biases, x + step - groups, groups);
    }
    put(a.dtype, a.out, r * a.out_stride + n, sum);
  }
}

// A tile of the result: R rows of x with N rows of weights, each weight unpacked once, its scale
// and bias applied.
template <Code c, int R, int N, bool sixteen>
void dot_tile(const DotArgs& a, int64_t first, int64_t n) {
  constexpr int bits = bits_of(c);
  constexpr bool affine = c < Code::e2m1;
  const PackedMatrix& m = a.matrix;
  const int64_t groups = m.row_groups, step = prepared_size(a.k, groups);
  const int64_t halves = sixteen ? 1 : m.format.group_size / 16;
  const float* x = a.x + first * step;
  const uint32_t* words[N];
  const float* scales[N];
  W acc[R][N];
  for (int j = 0; j < N; ++j) {
    float* to = a.work + j * 2 * groups;
    row_scales(m, n + j, 0, groups, to);
    if (affine) row_biases(m, n + j, 0, groups, to + groups);
    scales[j] = to;
    words[j] = m.words + (n + j) * m.row_words;
    for (int r = 0; r < R; ++r) acc[r][j] = broadcast<float>(0);
  }
  const auto run = [&](auto half, int64_t g) __attribute__((always_inline)) {
    W w[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; ++j) {
      const W codes = unpack<c, decltype(half)::value, false>(words[j]);
      if constexpr (affine) {
        w[j] = fused(codes, scales[j][g], broadcast<float>(scales[j][groups + g]));
      } else {
        w[j] = map(codes, [&](Native<float> v) { return v * scales[j][g]; });
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const W xs = load<float>(x + r * step);
#pragma GCC unroll 4
      for (int j = 0; j < N; ++j) acc[r][j] = fused(w[j], xs, acc[r][j]);
    }
    x += 16;
  };
  const auto advance = [&](int by) __attribute__((always_inline)) {
    for (int j = 0; j < N; ++j) words[j] += by;
  };
  for (int64_t g = 0; g < groups; ++g) {
    if constexpr (sixteen) {
      run(Half<0>{}, g);
      if (++g < groups) run(Half<1>{}, g);
      advance(bits);
    } else {
      for (int64_t h = 0; h < halves; h += 2) {
        run(Half<0>{}, g);
        run(Half<1>{}, g);
        advance(bits);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int j = 0; j < N; ++j) {
      const float sum = fold_lanes(acc[r][j], [](float p, float q) { return p + q; });
      put(a.dtype, a.out, (first + r) * a.out_stride + n + j, sum);
    }
  }
}

template <Code c, int R, int N, bool sixteen>
void dot_tiles(const DotArgs& a, int64_t first) {
  int64_t n = a.begin;
  for (; n + N <= a.end; n += N) dot_tile<c, R, N, sixteen>(a, first, n);
  for (; n < a.end; ++n) dot_tile<c, R, 1, sixteen>(a, first, n);
}

// As many accumulators as registers hold.
#if defined(__AVX512BW__)
constexpr int kWideRows = 8, kWideColumns = 2, kRows = 4, kColumns = 4, kFewRows = 32;
#else
constexpr int kWideRows = 2, kWideColumns = 2, kRows = 2, kColumns = 2, kFewRows = 8;
#endif

template <Code c, bool sixteen>
void dot_all(const DotArgs& a) {
  int64_t r = 0;
  for (; r + kWideRows <= a.x_rows; r += kWideRows) {
    dot_tiles<c, kWideRows, kWideColumns, sixteen>(a, r);
  }
  for (; r + kRows <= a.x_rows; r += kRows) dot_tiles<c, kRows, kColumns, sixteen>(a, r);
  if (r + 2 <= a.x_rows) {
    dot_tiles<c, 2, kColumns, sixteen>(a, r);
    r += 2;
  }
  if (r < a.x_rows) dot_row<c, sixteen>(a, r);
}

void dot(const DotArgs& a) {
  const QuantFormat& f = a.matrix.format;
  if (f.mode == QuantMode::nvfp4) return dot_all<Code::e2m1, true>(a);
  with_code(f.integer(), f.bits, [&](auto code) {
    constexpr Code c = decltype(code)::value;
    if constexpr (c == Code::u2 || c == Code::u3 || c == Code::u6) {
      if (f.group_size == 16) return dot_all<c, true>(a);
    }
    dot_all<c, false>(a);
  });
}

}  // namespace

extern const QuantizedKernels quantized_kernels;
const QuantizedKernels quantized_kernels{dequantize, prepare, dot, kFewRows};

}  // namespace olivine::cpu::OLIVINE_ISA
