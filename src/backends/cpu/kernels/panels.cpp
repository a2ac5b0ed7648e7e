// LU and QR of panels and solutions with small triangles, one row of vectors after another.
#include "backends/cpu/dense/panels.h"

#include "backends/cpu/kernels/shuffles-inl.h"
#include "backends/cpu/vec-math-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

template <class T>
constexpr int kLanes = kVectorBytes / int(sizeof(T));

template <class T>
constexpr int kRowVectors = int(kPanel) / kLanes<T>;

template <class T>
OLIVINE_INLINE T magnitude(T x) {
  return x < T(0) ? -x : x;
}

// ---- LU, column after column of a copy that holds columns in a row. Multiples of earlier columns
// are added up and then taken from the column: rounding the sums alone costs less accuracy.

template <class T>
using Index = typename VecOf<std::conditional_t<sizeof(T) == 4, int32_t, int64_t>, kLanes<T>>::type;

// Between a packed panel and columns of `stride` elements, a multiple of the lanes.
template <class T>
void to_columns(const T* a, int64_t rows, T* columns, int64_t stride) {
  constexpr int lanes = kLanes<T>;
  for (int64_t i = 0; i < rows; i += lanes) {
    for (int64_t c = 0; c < kPanel; c += lanes) {
      Native<T> v[lanes];
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) {
        v[r] = i + r < rows ? load_native<T>(a + (i + r) * kPanel + c) : Native<T>{};
      }
      transpose<T>(v);
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) store_native(columns + (c + r) * stride + i, v[r]);
    }
  }
}
template <class T>
void from_columns(const T* columns, int64_t stride, int64_t rows, T* a) {
  constexpr int lanes = kLanes<T>;
  for (int64_t i = 0; i < rows; i += lanes) {
    for (int64_t c = 0; c < kPanel; c += lanes) {
      Native<T> v[lanes];
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) v[r] = load_native<T>(columns + (c + r) * stride + i);
      transpose<T>(v);
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) {
        if (i + r < rows) store_native(a + (i + r) * kPanel + c, v[r]);
      }
    }
  }
}

// Elements of column j above its diagonal, by the triangle to its left.
template <class T>
void solve_upper(const T* columns, int64_t stride, int64_t j, T* u) {
  constexpr int lanes = kLanes<T>, vectors = kRowVectors<T>;
  T sums[kPanel] = {};
  for (int64_t k = 0; k < j; ++k) {
    u[k] -= sums[k];
    const Native<T> by = all_lanes<T>(u[k]);
    for (int v = int(k) / lanes; v < vectors && v * lanes < j; ++v) {
      const Native<T> l = load_native<T>(columns + k * stride + v * lanes);
      store_native(sums + v * lanes, mul_add(by, l, load_native<T>(sums + v * lanes)));
    }
  }
}

// The largest element, and the first row that has it.
template <class T>
struct Largest {
  Native<T> size = all_lanes<T>(T(-1));
  Index<T> at;

  explicit Largest(int64_t row) : at(Index<T>{} + decltype(at[0] + 0)(row)) {}
  OLIVINE_INLINE void add(Native<T> x, int64_t row) {
    Index<T> rows;
#pragma GCC unroll 16
    for (int l = 0; l < kLanes<T>; ++l) rows[l] = decltype(rows[0] + 0)(row + l);
    const Native<T> other = x < Native<T>{} ? -x : x;
    const auto more = other > size;
    size = more ? other : size;
    at = more ? rows : at;
  }
  int64_t row() const {
    int best = 0;
    for (int l = 1; l < kLanes<T>; ++l) {
      if (size[l] > size[best] || (size[l] == size[best] && at[l] < at[best])) best = l;
    }
    return at[best];
  }
};

// Takes the multiples of earlier columns from the elements of column j from `row` on, kVectors at
// a time.
template <int kVectors, class T>
OLIVINE_INLINE void take_sums(const T* columns, int64_t stride, int64_t j, const T* u, T* to,
                              int64_t row, Largest<T>& largest) {
  constexpr int lanes = kLanes<T>;
  Native<T> sum[kVectors] = {};
  for (int64_t k = 0; k < j; ++k) {
    const Native<T> by = all_lanes<T>(u[k]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      sum[v] = mul_add(by, load_native<T>(columns + k * stride + row + v * lanes), sum[v]);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const Native<T> x = load_native<T>(to + row + v * lanes) - sum[v];
    store_native(to + row + v * lanes, x);
    largest.add(x, row + v * lanes);
  }
}

// Finishes column j but for the division; returns the row of its pivot.
template <class T>
int64_t make_column(T* columns, int64_t stride, int64_t j) {
  constexpr int lanes = kLanes<T>;
  T *to = columns + j * stride, u[kPanel] = {};
  copy(to, j, u);
  solve_upper(columns, stride, j, u);
  Largest<T> largest(j), first(j);
  int64_t row = j / lanes * lanes;
  // Of the first vector only some lanes lie below the diagonal.
  take_sums<1>(columns, stride, j, u, to, row, first);
  for (int l = 0; l < lanes; ++l) {
    const T size = magnitude(to[row + l]);
    if (row + l < j || !(size >= T(0))) continue;
    largest.size[l] = size;
    largest.at[l] = decltype(largest.at[0] + 0)(row + l);
  }
  row += lanes;
  for (; row + 4 * lanes <= stride; row += 4 * lanes) {
    take_sums<4>(columns, stride, j, u, to, row, largest);
  }
  for (; row < stride; row += lanes) take_sums<1>(columns, stride, j, u, to, row, largest);
  copy(u, j, to);
  return largest.row();
}

template <class T>
int64_t lu_panel(T* a, T* columns, int64_t rows, int64_t width, int64_t* pivots) {
  constexpr int lanes = kLanes<T>;
  const int64_t steps = smaller(rows, width), stride = (rows + lanes - 1) / lanes * lanes;
  to_columns(a, rows, columns, stride);
  int64_t zero = 0;
  for (int64_t j = 0; j < kPanel; ++j) {
    T* to = columns + j * stride;
    if (j >= steps) {  // columns to the right of a panel with fewer rows
      if (j >= width) break;
      solve_upper(columns, stride, steps, to);
      continue;
    }
    // Past the rows lie zeros, which are larger than nothing but NaN, left by an overflow.
    const int64_t largest = make_column(columns, stride, j), best = largest < rows ? largest : j;
    pivots[j] = best;
    for (int64_t c = 0; c < kPanel && best != j; ++c) {
      T *x = columns + c * stride + j, *y = columns + c * stride + best, held = *x;
      *x = *y;
      *y = held;
    }
    const T pivot = to[j];
    if (pivot == T(0)) {
      zero = zero ? zero : j + 1;
      continue;
    }
    int64_t i = j + 1;
    for (; i % lanes != 0; ++i) to[i] /= pivot;
    for (; i < stride; i += lanes) {
      store_native(to + i, load_native<T>(to + i) / all_lanes<T>(pivot));
    }
  }
  from_columns(columns, stride, rows, a);
  return zero;
}

// ---- Cholesky

// Row after row; the rows below are updated at once, so that no sum waits for another.
template <class T>
int64_t cholesky_panel(T* a, int64_t stride, int64_t n) {
  constexpr int lanes = kLanes<T>;
  T u[kPanel * kPanel];
  for (int64_t i = 0; i < n; ++i) {
    fill(u + i * kPanel, kPanel, T(0));
    copy(a + i * stride + i, n - i, u + i * kPanel + i);
  }
  for (int64_t j = 0; j < n; ++j) {
    T* row = u + j * kPanel;
    if (!(row[j] > T(0))) return j + 1;
    const T root = __builtin_sqrt(row[j]);
    const int64_t first = j / lanes * lanes;
    for (int64_t c = first; c < n; c += lanes) {
      store_native(row + c, load_native<T>(row + c) / all_lanes<T>(root));
    }
    row[j] = root;
    for (int64_t i = j + 1; i < n; ++i) {
      const Native<T> by = all_lanes<T>(-row[i]);
      T* to = u + i * kPanel;
      for (int64_t c = i / lanes * lanes; c < n; c += lanes) {
        store_native(to + c, mul_add(by, load_native<T>(row + c), load_native<T>(to + c)));
      }
    }
  }
  for (int64_t i = 0; i < n; ++i) copy(u + i * kPanel + i, n - i, a + i * stride + i);
  return 0;
}

// ---- QR

constexpr int64_t kSumRows = 32;  // rows whose products are added before they join the others

// A type whose sums of squares are exact enough that reflections stay orthogonal.
template <class T>
using Exact = std::conditional_t<std::is_same_v<T, float>, double, long double>;

// Products of a column with the later columns of the panel, and its square, over the rows below
// that column's diagonal.
template <class T>
struct Products {
  T sum[kPanel];
  Exact<T> square;
};

// Many short sums, whose rounding errors are small.
template <class T, int kVectors>
struct Sums {
  static constexpr int parts = 4;
  Native<T> part[parts][kVectors] = {}, all[kVectors] = {};
  Exact<T> square[parts] = {};

  void collect() {
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) {
      all[v] += (part[0][v] + part[1][v]) + (part[2][v] + part[3][v]);
      part[0][v] = part[1][v] = part[2][v] = part[3][v] = Native<T>{};
    }
  }
};

// In the last kVectors of a row: row += factor * u, then sums += row[next] * row.
template <class T, int kVectors>
OLIVINE_INLINE void reflect_row(T* row, T factor, const Native<T> (&u)[kVectors], int64_t next,
                                Native<T> (&sums)[kVectors], Exact<T>& square) {
  constexpr int lanes = kLanes<T>, first = kRowVectors<T> - kVectors;
  Native<T> x[kVectors];
  const Native<T> by = all_lanes<T>(factor);
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) {
    T* p = row + (first + v) * lanes;
    x[v] = mul_add(by, u[v], load_native<T>(p));
    store_native(p, x[v]);
  }
  const Native<T> other = all_lanes<T>(row[next]);
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) sums[v] = mul_add(other, x[v], sums[v]);
  square += Exact<T>(row[next]) * Exact<T>(row[next]);
}

// Takes multiples of `w` from the rows below row j, scales column j to the vector of the
// reflection, and finds the products of the next column; if j is -1, only those.
template <class T, int kVectors>
void reflect(T* a, int64_t rows, int64_t j, T scale, const T* w, Products<T>& products) {
  constexpr int lanes = kLanes<T>, first = kRowVectors<T> - kVectors;
  Native<T> u[kVectors], unused[kVectors] = {};
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) u[v] = load_native<T>(w + (first + v) * lanes);
  const int64_t next = j + 1 < kPanel ? j + 1 : j;
  const auto step = [&](int64_t i, Native<T>(&sums)[kVectors], Exact<T>& square) {
    T* row = a + i * kPanel;
    const T x = j < 0 ? T(0) : row[j] * scale;
    reflect_row<T, kVectors>(row, -x, u, next, sums, square);
    if (j >= 0) row[j] = x;
  };
  int64_t i = j + 1;
  Exact<T> unused_square = 0;
  if (i < rows) step(i++, unused, unused_square);
  Sums<T, kVectors> sums;
  while (i < rows) {
    const int64_t stop = smaller(rows, i + kSumRows);
    for (; i + sums.parts <= stop; i += sums.parts) {
#pragma GCC unroll 4
      for (int r = 0; r < sums.parts; ++r) step(i + r, sums.part[r], sums.square[r]);
    }
    for (; i < stop; ++i) step(i, sums.part[0], sums.square[0]);
    sums.collect();
  }
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) store_native(products.sum + (first + v) * lanes, sums.all[v]);
  products.square = (sums.square[0] + sums.square[1]) + (sums.square[2] + sums.square[3]);
}

template <class T, int kVectors>
void reflect_from(int64_t first, T* a, int64_t rows, int64_t j, T scale, const T* w,
                  Products<T>& products) {
  if constexpr (kVectors > 1) {
    constexpr int half = kVectors / 2;
    if (first >= kRowVectors<T> - half) {
      return reflect_from<T, half>(first, a, rows, j, scale, w, products);
    }
  }
  reflect<T, kVectors>(a, rows, j, scale, w, products);
}

// A reflection H = 1 - tau v v^T, where v is `scale` times the column below the diagonal, and 1.
template <class T>
struct Reflection {
  T tau = 0, diagonal, scale = 1;
};

OLIVINE_INLINE double root(double x) { return __builtin_sqrt(x); }
OLIVINE_INLINE long double root(long double x) { return __builtin_sqrtl(x); }
OLIVINE_INLINE int exponent_of(double x) { return __builtin_ilogb(x); }
OLIVINE_INLINE float times_power(float x, int e) { return __builtin_scalbnf(x, e); }
OLIVINE_INLINE double times_power(double x, int e) { return __builtin_scalbn(x, e); }

// Of a column with `alpha` on the diagonal and this sum of squares below it.
template <class T>
Reflection<T> reflection(T alpha, Exact<T> squares) {
  if (squares == 0) return {T(0), alpha, T(1)};
  const Exact<T> norm = root(Exact<T>(alpha) * alpha + squares);
  const Exact<T> beta = alpha > T(0) ? -norm : norm;
  return {T((beta - alpha) / beta), T(beta), T(1 / (alpha - beta))};
}

// Divides column j by 2^e, so that squares stay in range, and takes its products anew; returns e.
template <class T>
int rescale(T* a, int64_t rows, int64_t j, Products<T>& products) {
  T largest = 0;
  for (int64_t i = j; i < rows; ++i) {
    const T size = magnitude(a[i * kPanel + j]);
    largest = size > largest ? size : largest;
  }
  if (largest == T(0)) return 0;
  const int exponent = exponent_of(largest);
  fill(products.sum + j, kPanel - j, T(0));
  products.square = 0;
  for (int64_t i = j; i < rows; ++i) {
    T* row = a + i * kPanel;
    row[j] = times_power(row[j], -exponent);
    for (int64_t c = j; c < kPanel && i > j; ++c) products.sum[c] += row[j] * row[c];
    if (i > j) products.square += Exact<T>(row[j]) * row[j];
  }
  return exponent;
}

template <class T>
void qr_panel(T* a, int64_t rows, int64_t columns, T* tau) {
  constexpr T least = std::is_same_v<T, float> ? T(1e-18) : T(1e-200);
  Products<T> products{};
  T w[kPanel] = {};
  reflect<T, kRowVectors<T>>(a, rows, -1, T(1), w, products);
  for (int64_t j = 0; j < columns; ++j) {
    T* row = a + j * kPanel;
    const bool tiny = !(row[j] * row[j] + T(products.square) > least);
    const int exponent = tiny ? rescale(a, rows, j, products) : 0;
    const Reflection<T> h = reflection(row[j], products.square);
    tau[j] = h.tau;
    for (int64_t c = 0; c < kPanel; ++c) {
      w[c] = c <= j ? T(0) : h.tau * (row[c] + products.sum[c] * h.scale);
      row[c] -= w[c];
    }
    row[j] = times_power(h.diagonal, exponent);
    reflect_from<T, kRowVectors<T>>(j / kLanes<T>, a, rows, j, h.scale, w, products);
  }
}

// The orthogonality of a product of reflections hangs on these products: they are sums of short
// sums.
template <class T>
void gram(const T* a, int64_t rows, T* products) {
  constexpr int lanes = kLanes<T>, at_once = 8;
  for (int64_t j = 0; j < kPanel; j += at_once) {
    for (int64_t v = 0; v < kPanel; v += lanes) {
      Native<T> all[at_once] = {};
      for (int64_t i = 0; i < rows;) {
        const int64_t stop = smaller(rows, i + kSumRows / 2);
        Native<T> part[at_once] = {};
        for (; i < stop; ++i) {
          const T* row = a + i * kPanel;
          const Native<T> x = load_native<T>(row + v);
#pragma GCC unroll 8
          for (int r = 0; r < at_once; ++r) part[r] = mul_add(all_lanes<T>(row[j + r]), x, part[r]);
        }
#pragma GCC unroll 8
        for (int r = 0; r < at_once; ++r) all[r] += part[r];
      }
      for (int r = 0; r < at_once; ++r) store_native(products + (j + r) * kPanel + v, all[r]);
    }
  }
}

// ---- Triangles

// A lower triangle. Rows whose diagonal element has no finite
// reciprocal are divided.
template <class T>
struct Lower {
  int64_t n;  // a multiple of kRows
  bool divides;
  T t[kPanel * kPanel], diagonal[kPanel], reciprocal[kPanel];
};
constexpr int kRows = 4;

template <class T>
void pack(const TriangleBlock<T>& from, Lower<T>& to) {
  const int64_t n = from.n;
  to.n = (n + kRows - 1) / kRows * kRows;
  to.divides = false;
  fill(to.t, to.n * kPanel, T(0));
  for (int64_t i = 0; i < to.n; ++i) to.diagonal[i] = to.reciprocal[i] = T(1);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t row = from.upper ? n - 1 - i : i;
    const T* t = from.t + row * from.row_step;
    const bool in_order = !from.upper && from.column_step == 1;
    if (in_order) copy(t, i, to.t + i * kPanel);
    for (int64_t j = 0; j < i && !in_order; ++j) {
      to.t[i * kPanel + j] = t[(from.upper ? n - 1 - j : j) * from.column_step];
    }
    if (from.unit) continue;
    const T d = t[row * from.column_step];
    to.diagonal[i] = d;
    to.reciprocal[i] = T(1) / d;
    to.divides |= !(magnitude(d) >= std::numeric_limits<T>::min());
  }
}

template <class T, int kVectors>
void solve_rows(const Lower<T>& lower, T* x) {
  constexpr int lanes = kLanes<T>;
  constexpr int64_t stride = kVectors * lanes;
  for (int64_t i = 0; i < lower.n; i += kRows) {
    Native<T> sum[kRows][kVectors] = {};
    const T* t = lower.t + i * kPanel;
    for (int64_t j = 0; j < i; ++j) {
      Native<T> known[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) known[v] = load_native<T>(x + j * stride + v * lanes);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const Native<T> factor = all_lanes<T>(t[r * kPanel + j]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[r][v] = mul_add(factor, known[v], sum[r][v]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int s = 0; s < r; ++s) {
        const Native<T> factor = all_lanes<T>(t[r * kPanel + i + s]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[r][v] = mul_add(factor, sum[s][v], sum[r][v]);
      }
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const Native<T> left = load_native<T>(x + (i + r) * stride + v * lanes) - sum[r][v];
        sum[r][v] = lower.divides ? left / all_lanes<T>(lower.diagonal[i + r])
                                  : left * all_lanes<T>(lower.reciprocal[i + r]);
        store_native(x + (i + r) * stride + v * lanes, sum[r][v]);
      }
    }
  }
}

// Some columns of b, by way of rows that lie close together.
template <class T, int kVectors>
void solve_columns(const Lower<T>& lower, const TriangleBlock<T>& t, T* b, int64_t stride,
                   int64_t columns) {
  constexpr int64_t width = kVectors * kLanes<T>;
  T x[kPanel * width];
  for (int64_t i = 0; i < lower.n; ++i) {
    const T* row = b + (t.upper ? t.n - 1 - i : i) * stride;
    if (i < t.n && columns == width) {
      copy(row, width, x + i * width);
    } else {
      const int64_t count = i < t.n ? columns : 0;
      copy(row, count, x + i * width);
      fill(x + i * width + count, width - count, T(0));
    }
  }
  solve_rows<T, kVectors>(lower, x);
  for (int64_t i = 0; i < t.n; ++i) {
    copy(x + i * width, columns, b + (t.upper ? t.n - 1 - i : i) * stride);
  }
}

template <class T>
void solve_block(const TriangleBlock<T>& t, T* b, int64_t stride, int64_t columns) {
  constexpr int64_t lanes = kLanes<T>;
  Lower<T> lower;
  pack(t, lower);
  int64_t c = 0;
#if defined(__AVX512BW__)
  for (; c + 3 * lanes < columns; c += 4 * lanes) {
    solve_columns<T, 4>(lower, t, b + c, stride, smaller(4 * lanes, columns - c));
  }
#endif
  for (; c + lanes < columns; c += 2 * lanes) {
    solve_columns<T, 2>(lower, t, b + c, stride, smaller(2 * lanes, columns - c));
  }
  if (c < columns) solve_columns<T, 1>(lower, t, b + c, stride, columns - c);
}

}  // namespace

const PanelKernels<float> panels_float = {lu_panel<float>, cholesky_panel<float>, qr_panel<float>,
                                          gram<float>, solve_block<float>};
const PanelKernels<double> panels_double = {lu_panel<double>, cholesky_panel<double>,
                                            qr_panel<double>, gram<double>, solve_block<double>};

}  // namespace olivine::cpu::OLIVINE_ISA
