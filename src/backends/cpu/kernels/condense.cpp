// Products of matrices and vectors inside the reductions to tridiagonal and bidiagonal form.
#include "backends/cpu/dense/spectral_kernels.h"
#include "backends/cpu/kernels/shuffles-inl.h"
#include "backends/cpu/vec-math-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class T>
constexpr int kLanes = kVectorBytes / int(sizeof(T));
// Rows read together: their sums and factors fit the registers.
#if defined(__AVX512BW__)
constexpr int kRows = 8;
#else
constexpr int kRows = 4;
#endif

template <class T>
T sum_lanes(Native<T> v) {
  T lanes[kLanes<T>];
  store_native(lanes, v);
#pragma GCC unroll 4
  for (int half = kLanes<T> / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

// sums[k] = row k * x, of kCount rows; and y += by[k] * row k.
template <class T, int kCount, bool kBoth>
OLIVINE_INLINE void pass_rows(const T* rows, int64_t stride, const T* x, int64_t n,
                              Native<T> (&sums)[kCount], const Native<T> (&by)[kCount], T* y) {
  constexpr int lanes = kLanes<T>;
  for (int64_t c = 0; c < n; c += lanes) {
    const Native<T> xv = load_native<T>(x + c);
    Native<T> yv{};
    if constexpr (kBoth) yv = load_native<T>(y + c);
#pragma GCC unroll 8
    for (int k = 0; k < kCount; ++k) {
      const Native<T> a = load_native<T>(rows + k * stride + c);
      sums[k] = mul_add(a, xv, sums[k]);
      if constexpr (kBoth) yv = mul_add(a, by[k], yv);
    }
    if constexpr (kBoth) store_native(y + c, yv);
  }
}

// ---- Symmetric

// Of a block of the diagonal, row r times x[r].
template <class T>
OLIVINE_INLINE void add_diagonal_block(const T* a, int64_t stride, const T* x, T* y) {
  constexpr int lanes = kLanes<T>, vectors = int(kSpectralBlock) / lanes;
  Native<T> sum[vectors];
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v) sum[v] = load_native<T>(y + v * lanes);
  for (int r = 0; r < kSpectralBlock; ++r) {
    const Native<T> by = all_lanes<T>(x[r]);
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      sum[v] = mul_add(by, load_native<T>(a + r * stride + v * lanes), sum[v]);
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < vectors; ++v) store_native(y + v * lanes, sum[v]);
}

template <class T>
void symmetric(const T* a, int64_t stride, int64_t begin, int64_t end, int64_t n, const T* x,
               T* y) {
  constexpr int lanes = kLanes<T>, together = kRows < lanes ? lanes : kRows;
  for (int64_t i = begin; i < end; i += kSpectralBlock) {
    const int64_t right = i + kSpectralBlock;
    add_diagonal_block(a + i * stride + i, stride, x + i, y + i);
    for (int64_t r = i; r < right && right < n; r += together) {
      Native<T> sums[together] = {};
      for (int part = 0; part < together; part += kRows) {
        Native<T> some[kRows] = {}, by[kRows];
#pragma GCC unroll 8
        for (int k = 0; k < kRows; ++k) by[k] = all_lanes<T>(x[r + part + k]);
        pass_rows<T, kRows, true>(a + (r + part) * stride + right, stride, x + right, n - right,
                                  some, by, y + right);
#pragma GCC unroll 8
        for (int k = 0; k < kRows; ++k) sums[part + k] = some[k];
      }
#pragma GCC unroll 4
      for (int square = 0; square < together; square += lanes) {
        Native<T> v[lanes], all = load_native<T>(y + r + square);
#pragma GCC unroll 16
        for (int k = 0; k < lanes; ++k) v[k] = sums[square + k];
        transpose<T>(v);
#pragma GCC unroll 16
        for (int k = 0; k < lanes; ++k) all += v[k];
        store_native(y + r + square, all);
      }
    }
  }
}

// ---- Rows

template <class T, int kCount>
OLIVINE_INLINE void some_dots(const T* rows, int64_t stride, const T* x, int64_t n, T* to) {
  Native<T> sums[kCount] = {}, none[kCount] = {};
  pass_rows<T, kCount, false>(rows, stride, x, n, sums, none, nullptr);
  sum_lanes_of<T, kCount>(sums, to);
}

template <class T>
void dots(const T* rows, int64_t stride, int64_t count, const T* x, int64_t n, T* to) {
  int64_t k = 0;
  for (; k + 8 <= count; k += 8) some_dots<T, 8>(rows + k * stride, stride, x, n, to + k);
  if (k + 4 <= count) {
    some_dots<T, 4>(rows + k * stride, stride, x, n, to + k);
    k += 4;
  }
  for (; k < count; ++k) some_dots<T, 1>(rows + k * stride, stride, x, n, to + k);
}

template <class T, int kCount>
OLIVINE_INLINE void add_some(const T* rows, int64_t stride, const T* factors, T* y, int64_t n) {
  constexpr int lanes = kLanes<T>;
  Native<T> by[kCount];
#pragma GCC unroll 8
  for (int k = 0; k < kCount; ++k) by[k] = all_lanes<T>(factors[k]);
  for (int64_t c = 0; c < n; c += lanes) {
    Native<T> sum = load_native<T>(y + c);
#pragma GCC unroll 8
    for (int k = 0; k < kCount; ++k) {
      sum = mul_add(by[k], load_native<T>(rows + k * stride + c), sum);
    }
    store_native(y + c, sum);
  }
}

template <class T>
void add_rows(const T* rows, int64_t stride, int64_t count, const T* factors, T* y, int64_t n) {
  int64_t k = 0;
  for (; k + 8 <= count; k += 8) add_some<T, 8>(rows + k * stride, stride, factors + k, y, n);
  if (k + 4 <= count) {
    add_some<T, 4>(rows + k * stride, stride, factors + k, y, n);
    k += 4;
  }
  for (; k < count; ++k) add_some<T, 1>(rows + k * stride, stride, factors + k, y, n);
}

template <class T>
double squares(const T* x, int64_t n) {
  constexpr int lanes = kLanes<double>, parts = 4;
  Native<double> sum[parts] = {};
  int64_t i = 0;
  for (; i + parts * lanes <= n; i += parts * lanes) {
#pragma GCC unroll 4
    for (int p = 0; p < parts; ++p) {
      const Native<double> v = load_native<double>(x + i + p * lanes);
      sum[p] = mul_add(v, v, sum[p]);
    }
  }
  double rest = 0;
  for (; i < n; ++i) rest += double(x[i]) * double(x[i]);
  return sum_lanes<double>((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
}

}  // namespace

const ReductionKernels<float> reductions_float = {symmetric<float>, dots<float>, add_rows<float>,
                                                  squares<float>};
const ReductionKernels<double> reductions_double = {symmetric<double>, dots<double>,
                                                    add_rows<double>, squares<double>};

}  // namespace olivine::cpu::OLIVINE_ISA
