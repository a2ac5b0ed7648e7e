// Kernels of the triangular factorizations and solvers, by LAPACK.
//
// A matrix with NaN or infinities gives NaN throughout.
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/linalg_batch.h"
#include "ops/linalg_params.h"

namespace olivine::cpu {
namespace {

using lapack::Int;
using lapack::Real;

double cube(int64_t n) {
  return static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
}
double product(int64_t m, int64_t n, int64_t k) {
  return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}
Int narrow(int64_t n) { return static_cast<Int>(n); }

// Replaces what lies above the diagonal.
template <class T>
void clear_upper(T* a, int64_t n, T value) {
  for (int64_t j = 1; j < n; ++j) std::fill(a + j * n, a + j * n + j, value);
}

template <class T>
void cholesky(const KernelCall& c) {
  const Batch<T> in(c.in[0]), out(c.out[0]);
  const int64_t n = in.rows();
  if (n == 0) return;
  FirstFailure failure;
  for_matrices(in.count(), cube(n) / 3, [&](int64_t begin, int64_t end) {
    Scratch<T> a(n * n);
    for (int64_t i = begin; i < end; ++i) {
      in.load(i, a);
      clear_upper<T>(a, n, T(0));
      if (!all_finite<T>(a, n * n)) {
        std::fill(a + 0, a + n * n, not_a_number<T>());
        clear_upper<T>(a, n, T(0));
      } else if (Int info = lapack::potrf<T>(narrow(n), a)) {
        failure.add(i, info);
      }
      out.store(i, a);
    }
  });
  failure.report([&](int64_t i, int64_t info) {
    fail("[cholesky] expected positive definite matrices; got one whose leading ", info, " x ",
         info, " block is not", which_matrix(i, in.count()));
  });
}

template <class T>
void lu(const KernelCall& c) {
  const Batch<T> in(c.in[0]), out(c.out[0]);
  const int64_t m = in.rows(), n = in.columns(), k = std::min(m, n);
  uint32_t *pivots = c.out[1].as<uint32_t>(), *perm = c.out[2].as<uint32_t>();
  const std::string_view caller = c.as<LuParams>().caller;
  FirstFailure failure;
  for_matrices(in.count(), product(m, n, k), [&](int64_t begin, int64_t end) {
    Scratch<T> a(m * n);
    Scratch<Int> exchanged(k);
    for (int64_t i = begin; i < end; ++i) {
      in.load(i, a);
      for (int64_t r = 0; r < k; ++r) exchanged[r] = narrow(r + 1);
      if (!all_finite<T>(a, m * n)) {
        std::fill(a + 0, a + m * n, not_a_number<T>());
      } else if (k > 0) {
        const Int info = lapack::getrf<T>(narrow(m), narrow(n), a, exchanged);
        if (info > 0 && !caller.empty()) failure.add(i, info);
      }
      out.store(i, a);
      for (int64_t r = 0; r < m; ++r) perm[i * m + r] = static_cast<uint32_t>(r);
      for (int64_t r = 0; r < k; ++r) {
        const uint32_t other = static_cast<uint32_t>(exchanged[r] - 1);
        pivots[i * k + r] = other;
        std::swap(perm[i * m + r], perm[i * m + other]);
      }
    }
  });
  failure.report([&](int64_t i, int64_t info) {
    fail("[", caller, "] expected nonsingular matrices; got one whose pivot ", info, " of ", k,
         " is 0", which_matrix(i, in.count()));
  });
}

template <class T>
void lu_solve(const KernelCall& c) {
  const Batch<T> lu(c.in[1]), right(c.in[3]), out(c.out[0]);
  const int64_t n = right.rows(), k = right.columns();
  if (n == 0 || k == 0) return;
  const uint32_t* pivots = c.in[2].as<uint32_t>();
  const bool adjoint = c.as<LuSolveParams>().adjoint;
  for_matrices(out.count(), product(n, n, k) * 2, [&](int64_t begin, int64_t end) {
    Scratch<T> a(n * n), b(n * k);
    Scratch<Int> exchanged(n);
    for (int64_t i = begin; i < end; ++i) {
      lu.load(i, a);
      right.load(i, b);
      for (int64_t r = 0; r < n; ++r) {
        const uint32_t pivot = pivots[i * n + r];
        if (pivot >= n) {
          fail<std::out_of_range>("[lu_solve] expected pivots in [0, ", n, "); got ", pivot);
        }
        exchanged[r] = static_cast<Int>(pivot) + 1;
      }
      lapack::getrs<T>(adjoint, narrow(n), narrow(k), a, exchanged, b);
      out.store(i, b);
    }
  });
}

template <class T>
void triangular_solve(const KernelCall& c) {
  const Batch<T> triangle(c.in[0]), right(c.in[1]), out(c.out[0]);
  const int64_t n = right.rows(), k = right.columns();
  if (n == 0 || k == 0) return;
  const auto& p = c.as<TriangularParams>();
  FirstFailure failure;
  for_matrices(out.count(), product(n, n, k), [&](int64_t begin, int64_t end) {
    Scratch<T> a(n * n), b(n * k);
    for (int64_t i = begin; i < end; ++i) {
      triangle.load(i, a);
      right.load(i, b);
      if (!p.caller.empty()) {
        const T* zero = a + 0;
        for (int64_t r = 0; r < n; ++r, zero += n + 1) {
          if (*zero == T(0)) {
            failure.add(i, r);
            break;
          }
        }
      }
      lapack::trsm<T>(p.upper, narrow(n), narrow(k), a, b);
      out.store(i, b);
    }
  });
  failure.report([&](int64_t i, int64_t at) {
    fail("[", p.caller, "] expected nonsingular matrices; got 0 at ", at, " of a diagonal",
         which_matrix(i, out.count()));
  });
}

template <class T>
Int qr_work(int64_t m, int64_t n, int64_t columns, const char* op) {
  T a{}, tau{}, best[2] = {};
  lapack::geqrf<T>(narrow(m), narrow(n), &a, &tau, &best[0], -1);
  lapack::orgqr<T>(narrow(m), narrow(columns), narrow(n), &a, &tau, &best[1], -1);
  return std::max(work_size(best[0], op), work_size(best[1], op));
}

template <class T>
void qr(const KernelCall& c) {
  const Batch<T> in(c.in[0]), out_q(c.out[0]), out_r(c.out[1]);
  const int64_t m = in.rows(), n = in.columns();
  if (in.count() == 0 || n == 0) return;
  const Int lwork = qr_work<T>(m, n, n, "qr");
  for_matrices(in.count(), 4 * product(m, n, n), [&](int64_t begin, int64_t end) {
    Scratch<T> a(m * n), r(n * n), tau(n), work(lwork);
    for (int64_t i = begin; i < end; ++i) {
      in.load(i, a);
      const bool finite = all_finite<T>(a, m * n);
      if (finite) lapack::geqrf<T>(narrow(m), narrow(n), a, tau, work, lwork);
      if (!finite) std::fill(a + 0, a + m * n, not_a_number<T>());
      for (int64_t j = 0; j < n; ++j) {
        std::copy(a + j * m, a + j * m + j + 1, r + j * n);
        std::fill(r + j * n + j + 1, r + (j + 1) * n, T(0));
      }
      if (finite) lapack::orgqr<T>(narrow(m), narrow(n), narrow(n), a, tau, work, lwork);
      out_q.store(i, a);
      out_r.store(i, r);
    }
  });
}

template <class T>
void complement(const KernelCall& c) {
  const Batch<T> in(c.in[0]), out(c.out[0]);
  const int64_t m = in.rows(), k = in.columns();
  if (out.count() == 0 || m == k) return;
  const Int lwork = qr_work<T>(m, k, m, "svd");
  for_matrices(in.count(), 4 * product(m, m, m), [&](int64_t begin, int64_t end) {
    Scratch<T> a(m * m), tau(k), work(lwork);
    for (int64_t i = begin; i < end; ++i) {
      in.load(i, a);
      if (all_finite<T>(a, m * k)) {
        if (k > 0) lapack::geqrf<T>(narrow(m), narrow(k), a, tau, work, lwork);
        lapack::orgqr<T>(narrow(m), narrow(m), narrow(k), a, tau, work, lwork);
      } else {
        std::fill(a + 0, a + m * m, not_a_number<T>());
      }
      out.store(i, a + k * m);
    }
  });
}

template <class T>
void add(KernelTable& table) {
  constexpr Dtype t = dtype_of<T>;
  table.add("cholesky", t, {.run = cholesky<T>});
  table.add("lu", t, {.run = lu<T>});
  table.add("lu_solve", t, {.run = lu_solve<T>, .contiguous = 1 << 2});
  table.add("triangular_solve", t, {.run = triangular_solve<T>});
  table.add("qr", t, {.run = qr<T>});
  table.add("orthogonal_complement", t, {.run = complement<T>});
}

}  // namespace

void register_linalg_factor(KernelTable& table) {
  add<float>(table);
  add<double>(table);
  add<std::complex<float>>(table);
  add<std::complex<double>>(table);
}

}  // namespace olivine::cpu
