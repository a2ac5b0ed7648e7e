// Decompositions by way of narrow bands: to tridiagonal or bidiagonal form, its vectors, and back.
#include "backends/cpu/dense/spectral.h"

#include "backends/cpu/dense/bidiagonal.h"
#include "backends/cpu/dense/blocked.h"
#include "backends/cpu/dense/tridiagonal.h"

namespace olivine::cpu::blocked {
namespace {

// Divides by a power of two, so that squares stay in range; returns its exponent.
template <class T>
int scale_down(T* a, int64_t count) {
  const int exponent = scale_of(a, count);
  if (exponent) std::for_each(a, a + count, [&](T& x) { x = std::scalbn(x, -exponent); });
  return exponent;
}
template <class T>
void scale_up(T* values, int64_t count, int exponent) {
  if (!exponent) return;
  std::for_each(values, values + count, [&](T& x) { x = std::scalbn(x, exponent); });
}

// By a reduction of the whole matrix.
template <class T>
bool svd_of(int64_t m, int64_t n, const T* a, T* s, T* u, T* v) {
  Bidiagonal<T> b(m, n);
  reduce_to_bidiagonal(a, b);
  const bool vectors = u != nullptr;
  Scratch<T> left(vectors ? n * n : 1), work(vectors ? 3 * n * n + 4 * n : 8 * n);
  Scratch<lapack::Int> integers(8 * n);
  if (ScratchMeter::is_on()) {
    if (vectors) b.q.apply(u, n, n);
    return true;
  }
  // What LAPACK calls V^T by columns is V by rows.
  if (lapack::bdsdc<T>(vectors ? 'I' : 'N', static_cast<lapack::Int>(n), b.d, b.e, left, v, work,
                       integers)) {
    return false;
  }
  std::copy_n(b.d + 0, n, s);
  if (!vectors) return true;
  copy_matrix<T>(column_major<const T>(left, n), row_major(u, n), n, n);
  std::fill(u + n * n, u + m * n, T(0));
  b.q.make_triangles();
  b.p.make_triangles();
  b.q.apply(u, n, n);
  b.p.apply(v, n, n);
  return true;
}

}  // namespace

template <class T>
bool eigh(int64_t n, T* a, T* w, T* v) {
  const int exponent = ScratchMeter::is_on() ? 0 : scale_down(a, n * n);
  Tridiagonal<T> t(n);
  reduce_to_tridiagonal(a, t);
  if (ScratchMeter::is_on()) {
    if (v) divide_and_conquer<T>(n, t.d, t.e, w, v);
    if (v) t.q.apply(v, n, n);
    return true;
  }
  if (v) {
    if (!divide_and_conquer<T>(n, t.d, t.e, w, v)) return false;
    t.q.make_triangles();
    t.q.apply(v, n, n);
  } else {
    if (lapack::sterf<T>(static_cast<lapack::Int>(n), t.d, t.e)) return false;
    std::copy_n(t.d + 0, n, w);
  }
  scale_up(w, n, exponent);
  return true;
}

// Of a tall matrix, that of R where it is Q R.
template <class T>
bool svd(int64_t m, int64_t n, T* a, T* s, T* u, T* v) {
  const int exponent = ScratchMeter::is_on() ? 0 : scale_down(a, m * n);
  if (m < n + n / 2) {
    if (!svd_of<T>(m, n, a, s, u, v)) return false;
  } else {
    Scratch<T> r(n * n), rotated(u ? n * n : 1);
    qr<T>(m, n, a, r);
    if (!svd_of<T>(n, n, r, s, u ? rotated + 0 : nullptr, v)) return false;
    if (u) multiply<T>(m, n, n, {a, n, 1}, rotated, n, u, n);
  }
  if (!ScratchMeter::is_on()) scale_up(s, n, exponent);
  return true;
}

template bool eigh(int64_t, float*, float*, float*);
template bool eigh(int64_t, double*, double*, double*);
template bool svd(int64_t, int64_t, float*, float*, float*, float*);
template bool svd(int64_t, int64_t, double*, double*, double*, double*);

}  // namespace olivine::cpu::blocked
