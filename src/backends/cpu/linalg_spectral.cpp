// Kernels of the singular value and eigenvalue decompositions and of the adjugate: by LAPACK, and
// real matrices of some size by dense/spectral.h.
//
// A matrix with NaN or infinities gives NaN throughout.
#include <vector>

#include "backends/cpu/dense/spectral.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/linalg_batch.h"

namespace olivine::cpu {
namespace {

using lapack::Int;
using lapack::Real;

double cube(int64_t n) {
  return static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
}
Int narrow(int64_t n) { return static_cast<Int>(n); }

[[noreturn]] void no_convergence(const char* op, int64_t i, int64_t count) {
  fail<std::runtime_error>("[", op, "] expected the iteration to converge; got none",
                           which_matrix(i, count));
}

// ---- Singular values of column-major m x n matrices, one after another in the same scratch
// memory.
template <class T>
class SvdSolver {
 public:
  SvdSolver(int64_t m, int64_t n, bool vectors, Int lwork)
      : m_(m),
        n_(n),
        k_(std::min(m, n)),
        job_(vectors ? 'S' : 'N'),
        lwork_(lwork),
        a(m * n),
        s(k_),
        u(vectors ? m * k_ : 1),
        vt(vectors ? k_ * n : 1),
        copy_(m * n),
        work_(lwork),
        rwork_(lapack::kComplex<T> ? real_work(vectors) : 1),
        iwork_(8 * k_) {}

  // Both ways to compute it must find room.
  static Int work(int64_t m, int64_t n, bool vectors, const char* op) {
    const char job = vectors ? 'S' : 'N';
    T a{}, u{}, vt{}, best[2] = {};
    Real<T> s{}, rwork{};
    Int iwork{};
    lapack::gesdd<T>(job, narrow(m), narrow(n), &a, &s, &u, &vt, &best[0], -1, &rwork, &iwork);
    lapack::gesvd<T>(job, narrow(m), narrow(n), &a, &s, &u, &vt, &best[1], -1, &rwork);
    return std::max(work_size(best[0], op), work_size(best[1], op));
  }

  // Decomposes `a`; false if neither way converges.
  bool run() {
    if (!all_finite<T>(a, m_ * n_)) {
      std::fill(s + 0, s + k_, not_a_number<Real<T>>());
      if (job_ == 'S') {
        std::fill(u + 0, u + m_ * k_, not_a_number<T>());
        std::fill(vt + 0, vt + k_ * n_, not_a_number<T>());
      }
      return true;
    }
    std::copy(a + 0, a + m_ * n_, copy_ + 0);
    const Int m = narrow(m_), n = narrow(n_);
    if (lapack::gesdd<T>(job_, m, n, a, s, u, vt, work_, lwork_, rwork_, iwork_) == 0) return true;
    return lapack::gesvd<T>(job_, m, n, copy_, s, u, vt, work_, lwork_, rwork_) == 0;
  }

 private:
  int64_t real_work(bool vectors) const {
    const int64_t large = std::max(m_, n_);
    return vectors ? std::max(5 * k_ * k_ + 5 * k_, 2 * large * k_ + 2 * k_ * k_ + k_) : 7 * k_;
  }
  int64_t m_, n_, k_;
  char job_;
  Int lwork_;

 public:
  Scratch<T> a;
  Scratch<Real<T>> s;
  Scratch<T> u, vt;

 private:
  Scratch<T> copy_, work_;
  Scratch<Real<T>> rwork_;
  Scratch<Int> iwork_;
};

// Of a matrix with more columns than rows, the transpose is decomposed.
template <class T, bool kVectors>
void svd_blocked(const KernelCall& c) {
  const Batch<T> in(c.in[0]);
  const int64_t m = in.rows(), n = in.columns(), k = std::min(m, n), large = std::max(m, n);
  T* values = c.out[kVectors ? 1 : 0].template as<T>();
  const Int lwork = SvdSolver<T>::work(m, n, kVectors, "svd");
  FirstFailure failure;
  for_matrices(in.count(), 20 * cube(k), [&](int64_t begin, int64_t end) {
    Scratch<T> a(m * n), u(kVectors ? large * k : 1), v(kVectors ? k * k : 1);
    if (ScratchMeter::is_on()) {
      return static_cast<void>(
          blocked::svd<T>(large, k, a, nullptr, kVectors ? u + 0 : nullptr, v));
    }
    for (int64_t i = begin; i < end; ++i) {
      const MatrixRef<T> from = in[i];
      const bool wide = m < n;
      const int64_t row_step = wide ? from.column_step : from.row_step;
      const int64_t column_step = wide ? from.row_step : from.column_step;
      copy_matrix<T>({from.data, row_step, column_step}, row_major(a + 0, k), large, k);
      T* s = values + i * k;
      const bool finite = all_finite<T>(a, m * n);
      if (!finite || !blocked::svd<T>(large, k, a, s, kVectors ? u + 0 : nullptr, v)) {
        SvdSolver<T> solver(m, n, kVectors, lwork);
        in.load(i, solver.a);
        if (!solver.run()) failure.add(i, 1);
        std::copy(solver.s + 0, solver.s + k, s);
        if constexpr (kVectors) {
          Batch<T>(c.out[0]).store(i, solver.u);
          Batch<T>(c.out[2]).store(i, solver.vt);
        }
      } else if constexpr (kVectors) {
        // Row-major U is U^T by columns, which is the last factor of the transpose.
        const T *first = wide ? v : u, *second = wide ? u : v;
        std::copy_n(first, m * k, c.out[0].template as<T>() + i * m * k);
        Batch<T>(c.out[2]).store(i, second);
      }
    }
  });
  failure.report([&](int64_t i, int64_t) { no_convergence("svd", i, in.count()); });
}

// Outputs u, s, vh; or s alone.
template <class T, bool kVectors>
void svd(const KernelCall& c) {
  const char* op = "svd";
  const Batch<T> in(c.in[0]);
  const int64_t m = in.rows(), n = in.columns(), k = std::min(m, n);
  if (in.count() == 0 || k == 0) return;
  if constexpr (!lapack::kComplex<T>) {
    if (k >= blocked::kLeastSpectral) return svd_blocked<T, kVectors>(c);
  }
  Real<T>* values = c.out[kVectors ? 1 : 0].template as<Real<T>>();
  const Int lwork = SvdSolver<T>::work(m, n, kVectors, op);
  FirstFailure failure;
  const double cost =
      static_cast<double>(std::max(m, n)) * static_cast<double>(k) * static_cast<double>(k) * 20;
  for_matrices(in.count(), cost, [&](int64_t begin, int64_t end) {
    SvdSolver<T> solver(m, n, kVectors, lwork);
    if (ScratchMeter::is_on()) return;
    for (int64_t i = begin; i < end; ++i) {
      in.load(i, solver.a);
      if (!solver.run()) failure.add(i, 1);
      std::copy(solver.s + 0, solver.s + k, values + i * k);
      if constexpr (kVectors) {
        Batch<T>(c.out[0]).store(i, solver.u);
        Batch<T>(c.out[2]).store(i, solver.vt);
      }
    }
  });
  failure.report([&](int64_t i, int64_t) { no_convergence(op, i, in.count()); });
}

// ---- Hermitian matrices.

struct HermitianWork {
  Int work, real, integer;
};
template <class T>
HermitianWork hermitian_work(char job, int64_t n) {
  T a{}, work{};
  Real<T> w{}, rwork{};
  Int iwork{};
  lapack::heevd<T>(job, narrow(n), &a, &w, &work, -1, &rwork, -1, &iwork, -1);
  return {work_size(work, "eigh"), work_size(rwork, "eigh"), std::max(iwork, 1)};
}

// Outputs w, v; or w alone.
template <class T, bool kVectors>
void eigh_blocked(const KernelCall& c) {
  const Batch<T> in(c.in[0]);
  const int64_t n = in.rows();
  T *values = c.out[0].template as<T>(), *v = kVectors ? c.out[1].template as<T>() : nullptr;
  FirstFailure failure;
  for_matrices(in.count(), 9 * cube(n), [&](int64_t begin, int64_t end) {
    Scratch<T> a(n * n);
    if (ScratchMeter::is_on()) {
      return static_cast<void>(blocked::eigh<T>(n, a, nullptr, kVectors ? a + 0 : nullptr));
    }
    for (int64_t i = begin; i < end; ++i) {
      T *w = values + i * n, *to = kVectors ? v + i * n * n : nullptr;
      in.load(i, a);
      for (int64_t j = 1; j < n; ++j) std::fill(a + j * n, a + j * n + j, T(0));
      if (!all_finite<T>(a, n * n)) {
        std::fill_n(w, n, not_a_number<T>());
        if (kVectors) std::fill_n(to, n * n, not_a_number<T>());
      } else if (!blocked::eigh<T>(n, a, w, to)) {
        failure.add(i, 1);
      }
    }
  });
  failure.report(
      [&](int64_t i, int64_t) { no_convergence(kVectors ? "eigh" : "eigvalsh", i, in.count()); });
}

template <class T, bool kVectors>
void eigh(const KernelCall& c) {
  const char job = kVectors ? 'V' : 'N';
  const Batch<T> in(c.in[0]);
  const int64_t n = in.rows();
  if (in.count() == 0 || n == 0) return;
  if constexpr (!lapack::kComplex<T>) {
    if (n >= blocked::kLeastSpectral) return eigh_blocked<T, kVectors>(c);
  }
  Real<T>* values = c.out[0].template as<Real<T>>();
  const HermitianWork size = hermitian_work<T>(job, n);
  FirstFailure failure;
  for_matrices(in.count(), 9 * cube(n), [&](int64_t begin, int64_t end) {
    Scratch<T> a(n * n), work(size.work);
    Scratch<Real<T>> rwork(size.real);
    Scratch<Int> iwork(size.integer);
    if (ScratchMeter::is_on()) return;
    for (int64_t i = begin; i < end; ++i) {
      in.load(i, a);
      // The other triangle is not looked at, whatever it holds.
      for (int64_t j = 1; j < n; ++j) std::fill(a + j * n, a + j * n + j, T(0));
      if (!all_finite<T>(a, n * n)) {
        std::fill(a + 0, a + n * n, not_a_number<T>());
        std::fill(values + i * n, values + (i + 1) * n, not_a_number<Real<T>>());
      } else if (lapack::heevd<T>(job, narrow(n), a, values + i * n, work, size.work, rwork,
                                  size.real, iwork, size.integer)) {
        failure.add(i, 1);
      }
      if constexpr (kVectors) Batch<T>(c.out[1]).store(i, a);
    }
  });
  failure.report(
      [&](int64_t i, int64_t) { no_convergence(kVectors ? "eigh" : "eigvalsh", i, in.count()); });
}

// ---- General matrices.

// LAPACK gives real matrices' eigenvectors of a conjugate pair as their real and imaginary parts.
template <class R>
void unpack_pairs(const R* packed, const R* wi, int64_t n, std::complex<R>* v) {
  for (int64_t j = 0; j < n; ++j) {
    const R *re = packed + j * n, *im = re + n;
    std::complex<R>* to = v + j * n;
    if (wi[j] == R(0) || j + 1 == n) {
      for (int64_t i = 0; i < n; ++i) to[i] = re[i];
      continue;
    }
    for (int64_t i = 0; i < n; ++i) {
      to[i] = {re[i], im[i]};
      to[i + n] = {re[i], -im[i]};
    }
    ++j;
  }
}

template <class T>
Int general_work(char job, int64_t n) {
  T a{}, w{}, wi{}, v{}, best{};
  Real<T> rwork{};
  lapack::geev<T>(job, narrow(n), &a, &w, &wi, &v, &best, -1, &rwork);
  return work_size(best, "eig");
}

// Outputs w, v; or w alone.
template <class T, bool kVectors>
void eig(const KernelCall& c) {
  using C = std::complex<Real<T>>;
  const char job = kVectors ? 'V' : 'N';
  const Batch<T> in(c.in[0]);
  const int64_t n = in.rows();
  if (in.count() == 0 || n == 0) return;
  C* values = c.out[0].template as<C>();
  const Int lwork = general_work<T>(job, n);
  FirstFailure failure;
  for_matrices(in.count(), 25 * cube(n), [&](int64_t begin, int64_t end) {
    const int64_t vectors = kVectors ? n * n : 1;
    Scratch<T> a(n * n), w(n), wi(n), packed(vectors), work(lwork);
    Scratch<C> v(vectors);
    Scratch<Real<T>> rwork(2 * n);
    if (ScratchMeter::is_on()) return;
    for (int64_t i = begin; i < end; ++i) {
      in.load(i, a);
      C* to = values + i * n;
      if (!all_finite<T>(a, n * n)) {
        std::fill(to, to + n, not_a_number<C>());
        std::fill(v + 0, v + vectors, not_a_number<C>());
      } else {
        if (lapack::geev<T>(job, narrow(n), a, w, wi, packed, work, lwork, rwork))
          failure.add(i, 1);
        if constexpr (lapack::kComplex<T>) {
          std::copy(w + 0, w + n, to);
          std::copy(packed + 0, packed + vectors, v + 0);
        } else {
          for (int64_t j = 0; j < n; ++j) to[j] = {w[j], wi[j]};
          if (kVectors) unpack_pairs<T>(packed, wi, n, v);
        }
      }
      if constexpr (kVectors) Batch<C>(c.out[1]).store(i, v);
    }
  });
  failure.report(
      [&](int64_t i, int64_t) { no_convergence(kVectors ? "eig" : "eigvals", i, in.count()); });
}

// ---- The adjugate: det(a) a^-1 where `a` is well conditioned; else, from a = U S V^H,
// det(U) det(V^H) V adj(S) U^H, where adj(S) needs no division.

template <class T>
T determinant(const T* lu, const Int* exchanged, int64_t n) {
  T det(1);
  for (int64_t i = 0; i < n; ++i) det *= exchanged[i] == i + 1 ? lu[i * (n + 1)] : -lu[i * (n + 1)];
  return det;
}
template <class T>
T determinant_of(const T* a, int64_t n, T* lu, Int* exchanged) {
  std::copy(a, a + n * n, lu);
  lapack::getrf<T>(narrow(n), narrow(n), lu, exchanged);
  return determinant(lu, exchanged, n);
}
template <class T>
T conjugated(T x) {
  if constexpr (lapack::kComplex<T>) return std::conj(x);
  return x;
}

// out = scale V diag(d) U^H.
template <class T>
void recompose(const SvdSolver<T>& f, const Real<T>* d, T scale, int64_t n, T* out) {
  std::fill(out, out + n * n, T(0));
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t j = 0; j < n; ++j) {
      const T right = scale * d[k] * conjugated(f.u[k * n + j]);
      for (int64_t i = 0; i < n; ++i) out[j * n + i] += conjugated(f.vt[i * n + k]) * right;
    }
  }
}

// Whether the pivots of a factorization say that dividing by them is safe.
template <class T>
bool well_conditioned(const T* lu, int64_t n) {
  Real<T> least = std::numeric_limits<Real<T>>::infinity(), most = 0;
  for (int64_t i = 0; i < n; ++i) {
    least = std::min(least, std::abs(lu[i * (n + 1)]));
    most = std::max(most, std::abs(lu[i * (n + 1)]));
  }
  return least > most * std::sqrt(std::numeric_limits<Real<T>>::epsilon());
}

// f.a holds the matrix, which is lost.
template <class T>
bool adjugate_from_svd(SvdSolver<T>& f, int64_t n, T* lu, Int* exchanged, T* out) {
  if (!f.run()) return false;
  std::vector<Real<T>> d(static_cast<size_t>(n), Real<T>(1));
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) d[static_cast<size_t>(i)] *= i == j ? Real<T>(1) : f.s[j];
  }
  const T phase =
      determinant_of<T>(f.u, n, lu, exchanged) * determinant_of<T>(f.vt, n, lu, exchanged);
  recompose(f, d.data(), phase, n, out);
  return true;
}

template <class T>
void adjugate(const KernelCall& c) {
  const Batch<T> in(c.in[0]), out(c.out[0]);
  const int64_t n = in.rows();
  if (in.count() == 0 || n == 0) return;
  const Int lwork = SvdSolver<T>::work(n, n, true, "det");
  FirstFailure failure;
  for_matrices(in.count(), 4 * cube(n), [&](int64_t begin, int64_t end) {
    SvdSolver<T> f(n, n, true, lwork);
    Scratch<T> lu(n * n), result(n * n);
    Scratch<Int> exchanged(n);
    if (ScratchMeter::is_on()) return;
    for (int64_t i = begin; i < end; ++i) {
      in.load(i, f.a);
      if (!all_finite<T>(f.a, n * n)) {
        out.fill(i, not_a_number<T>());
        continue;
      }
      const T det = determinant_of<T>(f.a, n, lu, exchanged);
      if (well_conditioned<T>(lu, n)) {
        std::fill(result + 0, result + n * n, T(0));
        for (int64_t j = 0; j < n; ++j) result[j * (n + 1)] = det;
        lapack::getrs<T>(false, narrow(n), narrow(n), lu, exchanged, result);
      } else if (!adjugate_from_svd<T>(f, n, lu, exchanged, result)) {
        failure.add(i, 1);
      }
      out.store(i, result);
    }
  });
  failure.report([&](int64_t i, int64_t) { no_convergence("det", i, in.count()); });
}

template <class T>
void add(KernelTable& table) {
  constexpr Dtype t = dtype_of<T>;
  table.add("svd", t, {.run = svd<T, true>});
  table.add("svdvals", t, {.run = svd<T, false>});
  table.add("eigh", t, {.run = eigh<T, true>});
  table.add("eigvalsh", t, {.run = eigh<T, false>});
  table.add("eig", t, {.run = eig<T, true>});
  table.add("eigvals", t, {.run = eig<T, false>});
  table.add("adjugate", t, {.run = adjugate<T>});
}

}  // namespace

void register_linalg_spectral(KernelTable& table) {
  add<float>(table);
  add<double>(table);
  add<std::complex<float>>(table);
  add<std::complex<double>>(table);
}

}  // namespace olivine::cpu
