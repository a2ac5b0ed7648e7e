// QR by Householder reflections, a panel of them at a time: H = I - V T V^T (the compact WY form of
// Schreiber and Van Loan, "A storage-efficient WY representation for products of Householder
// transformations", 1989).
#include <cmath>
#include <type_traits>

#include "backends/cpu/dense/blocked.h"
#include "backends/cpu/dense/share.h"
#include "backends/cpu/scratch.h"
#include "runtime/interrupt.h"

namespace olivine::cpu::blocked {
namespace {

constexpr int64_t kSquare = kPanel * kPanel;

template <class T>
struct Householder {
  int64_t m, n;
  T* a;  // row-major
  ScratchBytes vectors, triangles;

  Householder(int64_t rows, int64_t columns, T* matrix)
      : m(rows),
        n(columns),
        a(matrix),
        vectors(m * count() * kPanel, sizeof(T)),
        triangles(count() * kSquare, sizeof(T)) {}

  int64_t count() const { return (n + kPanel - 1) / kPanel; }
  // Of panel p, whose first row is p * kPanel: V, packed, and T, whose rows have kPanel elements.
  T* v(int64_t p) const { return static_cast<T*>(vectors.data()) + m * p * kPanel; }
  T* t(int64_t p) const { return static_cast<T*>(triangles.data()) + p * kSquare; }

  void factorize(int64_t p);
  void make_triangle(int64_t p, const T* tau);
  void apply(int64_t p, bool adjoint, int64_t begin, int64_t end) const;
};

template <class T>
void Householder<T>::factorize(int64_t p) {
  poll_interrupt();
  const int64_t at = p * kPanel, rows = m - at, width = std::min(kPanel, n - at);
  T *panel = v(p), tau[kPanel] = {};
  for (int64_t i = 0; i < rows; ++i) {
    T* row = panel + i * kPanel;
    std::copy_n(a + (at + i) * n + at, width, row);
    std::fill(row + width, row + kPanel, T(0));
  }
  panels<T>().qr(panel, rows, width, tau);
  for (int64_t i = 0; i < width; ++i) {
    T* row = panel + i * kPanel;
    std::copy(row + i, row + width, a + (at + i) * n + at + i);
    row[i] = T(1);
    std::fill(row + i + 1, row + kPanel, T(0));
  }
  make_triangle(p, tau);
}

// In a wider type: the orthogonality of Q hangs on T. Column j of it is -tau_j T (V^T v_j), and
// tau_j on the diagonal; made as the rows of its transpose.
template <class T>
void Householder<T>::make_triangle(int64_t p, const T* tau) {
  using Wider = std::conditional_t<std::is_same_v<T, float>, double, long double>;
  T products[kSquare], *to = t(p);
  panels<T>().gram(v(p), m - p * kPanel, products);
  Wider transposed[kSquare] = {};
  for (int64_t j = 0; j < kPanel; ++j) {
    Wider* row = transposed + j * kPanel;
    for (int64_t k = 0; k < j; ++k) {
      const Wider factor = -static_cast<Wider>(tau[j]) * products[k * kPanel + j];
      for (int64_t i = 0; i <= k; ++i) row[i] += factor * transposed[k * kPanel + i];
    }
    row[j] = tau[j];
  }
  for (int64_t i = 0; i < kPanel; ++i) {
    for (int64_t j = 0; j < kPanel; ++j) {
      to[i * kPanel + j] = static_cast<T>(transposed[j * kPanel + i]);
    }
  }
}

// H, or its adjoint, times columns [begin, end) of a.
template <class T>
void Householder<T>::apply(int64_t p, bool adjoint, int64_t begin, int64_t end) const {
  const int64_t at = p * kPanel, rows = m - at;
  const double work = 2.0 * static_cast<double>(rows) * static_cast<double>(kPanel * (end - begin));
  for_slabs(work, end - begin, [&](int64_t from, int64_t to) {
    const int64_t width = to - from;
    T* c = a + at * n + begin + from;
    ScratchBytes scratch(2 * kPanel * width, sizeof(T));
    T *w = static_cast<T*>(scratch.data()), *x = w + kPanel * width;
    multiply<T>(kPanel, width, rows, {v(p), 1, kPanel}, c, n, w, width);
    const Matrix triangle{t(p), adjoint ? 1 : kPanel, adjoint ? kPanel : 1};
    multiply<T>(kPanel, width, kPanel, triangle, w, width, x, width);
    subtract_product<T>(rows, width, kPanel, {v(p), kPanel, 1}, x, width, c, n);
  });
}

}  // namespace

template <class T>
void qr(int64_t m, int64_t n, T* a, T* r) {
  if (ScratchMeter::is_on()) return Householder<T>(m, n, a).apply(0, true, 0, n);
  const int exponent = scale_of(a, m * n);
  if (exponent) std::for_each(a, a + m * n, [&](T& x) { x = std::scalbn(x, -exponent); });
  Householder<T> h(m, n, a);
  for (int64_t p = 0; p < h.count(); ++p) {
    h.factorize(p);
    const int64_t next = std::min(n, (p + 1) * kPanel);
    if (next < n) h.apply(p, true, next, n);
  }
  for (int64_t i = 0; i < n; ++i) {
    std::fill_n(r + i * n, i, T(0));
    std::copy(a + i * n + i, a + (i + 1) * n, r + i * n + i);
  }
  if (exponent) std::for_each(r, r + n * n, [&](T& x) { x = std::scalbn(x, exponent); });
  std::fill_n(a, m * n, T(0));
  for (int64_t i = 0; i < n; ++i) a[i * n + i] = T(1);
  for (int64_t p = h.count(); p-- > 0;) h.apply(p, false, p * kPanel, n);
}

template void qr(int64_t, int64_t, float*, float*);
template void qr(int64_t, int64_t, double*, double*);

}  // namespace olivine::cpu::blocked
