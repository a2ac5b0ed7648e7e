// Kernels of the triangular factorizations and solvers: by LAPACK, and real matrices of some size
// by dense/blocked.h.
//
// A matrix with NaN or infinities gives NaN throughout.
#include "backends/cpu/dense/blocked.h"
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

template <class T>
constexpr bool kBlocked = !lapack::kComplex<T>;

// The order of rows after the exchanges of `pivots`, which count from 0.
template <class Pivots>
void write_order(int64_t rows, const Pivots* pivots, int64_t count, auto* order) {
  using Index = std::remove_pointer_t<decltype(order)>;
  for (int64_t r = 0; r < rows; ++r) order[r] = static_cast<Index>(r);
  for (int64_t r = 0; r < count; ++r) std::swap(order[r], order[pivots[r]]);
}

// Replaces what lies above the diagonal.
template <class T>
void clear_upper(T* a, int64_t n, T value) {
  for (int64_t j = 1; j < n; ++j) std::fill(a + j * n, a + j * n + j, value);
}

// Of the lower triangle, column-major, in its place. Returns LAPACK's `info`.
template <class T>
int64_t cholesky_factor(int64_t n, T* a) {
  if constexpr (kBlocked<T>) {
    if (n >= blocked::kLeast) {
      const int64_t info = blocked::cholesky(n, a, n);  // row-major it is the upper triangle
      if (ScratchMeter::is_on()) return 0;
      clear_upper<T>(a, n, T(0));
      return info;
    }
  }
  return ScratchMeter::is_on() ? 0 : lapack::potrf<T>(narrow(n), a);
}

template <class T>
void cholesky(const KernelCall& c) {
  const Batch<T> in(c.in[0]), out(c.out[0]);
  const int64_t n = in.rows();
  if (n == 0) return;
  FirstFailure failure;
  for_matrices(in.count(), cube(n) / 3, [&](int64_t begin, int64_t end) {
    Scratch<T> a(n * n);
    if (ScratchMeter::is_on()) return static_cast<void>(cholesky_factor<T>(n, a));
    for (int64_t i = begin; i < end; ++i) {
      in.load(i, a);
      clear_upper<T>(a, n, T(0));
      if (!all_finite<T>(a, n * n)) {
        std::fill(a + 0, a + n * n, not_a_number<T>());
        clear_upper<T>(a, n, T(0));
      } else if (const int64_t info = cholesky_factor<T>(n, a)) {
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

// Column-major copies for LAPACK, if this order needs them.
template <class T>
struct Columns : Scratch<T> {
  static bool needed(int64_t order) { return !kBlocked<T> || order < blocked::kLeast; }
  Columns(int64_t order, int64_t count) : Scratch<T>(needed(order) ? count : 0) {}
};

// Factors of matrix i, row-major, and pivots, which count from 0. Returns LAPACK's `info`.
template <class T>
int64_t lu_matrix(const Batch<T>& in, int64_t i, T* columns, T* a, int64_t* pivots) {
  const int64_t m = in.rows(), n = in.columns(), k = std::min(m, n);
  if (ScratchMeter::is_on()) {
    if constexpr (kBlocked<T>) {
      if (k >= blocked::kLeast) return blocked::lu(m, n, a, n, pivots);
    }
    Scratch<Int> exchanged(k);
    return 0;
  }
  for (int64_t r = 0; r < k; ++r) pivots[r] = r;
  const MatrixRef<T> from = in[i];
  copy_matrix<T>({from.data, from.row_step, from.column_step}, row_major(a, n), m, n);
  if (!all_finite<T>(a, m * n)) {
    std::fill(a, a + m * n, not_a_number<T>());
    return 0;
  }
  if constexpr (kBlocked<T>) {
    if (k >= blocked::kLeast) return blocked::lu(m, n, a, n, pivots);
  }
  if (k == 0) return 0;
  Scratch<Int> exchanged(k);
  copy_matrix<T>(row_major<const T>(a, n), column_major(columns, m), m, n);
  const Int info = lapack::getrf<T>(narrow(m), narrow(n), columns, exchanged);
  copy_matrix<T>(column_major<const T>(columns, m), row_major(a, n), m, n);
  for (int64_t r = 0; r < k; ++r) pivots[r] = exchanged[r] - 1;
  return info;
}

template <class T>
void lu(const KernelCall& c) {
  const Batch<T> in(c.in[0]);
  const int64_t m = in.rows(), n = in.columns(), k = std::min(m, n);
  uint32_t *pivots = c.out[1].as<uint32_t>(), *perm = c.out[2].as<uint32_t>();
  const std::string_view caller = c.as<LuParams>().caller;
  FirstFailure failure;
  for_matrices(in.count(), product(m, n, k), [&](int64_t begin, int64_t end) {
    Columns<T> columns(k, m * n);
    Scratch<int64_t> exchanged(k);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t info =
          lu_matrix(in, i, columns + 0, c.out[0].as<T>() + i * m * n, exchanged + 0);
      if (ScratchMeter::is_on()) return;
      if (info > 0 && !caller.empty()) failure.add(i, info);
      for (int64_t r = 0; r < k; ++r) pivots[i * k + r] = static_cast<uint32_t>(exchanged[r]);
      write_order(m, exchanged + 0, k, perm + i * m);
    }
  });
  failure.report([&](int64_t i, int64_t info) {
    fail("[", caller, "] expected nonsingular matrices; got one whose pivot ", info, " of ", k,
         " is 0", which_matrix(i, in.count()));
  });
}

template <class T>
blocked::Triangle<T> triangle(const Batch<T>& batch, int64_t i, bool upper, bool unit) {
  const MatrixRef<T> a = batch[i];
  return {a.data, a.row_step, a.column_step, batch.rows(), upper, unit};
}
template <class T>
blocked::RightSide<T> right_side(const Batch<T>& batch, int64_t i) {
  const MatrixRef<T> b = batch[i];
  const int64_t n = batch.rows(), columns = batch.columns();
  const bool identity = n == columns && is_identity<T>({b.data, b.row_step, b.column_step}, n);
  return {identity ? nullptr : b.data, b.row_step, b.column_step, columns};
}

template <class T>
void solve_blocked(const Batch<T>& lu, int64_t i, const uint32_t* pivots, bool adjoint,
                   const blocked::RightSide<T>& right, T* out) {
  const int64_t n = lu.rows();
  Scratch<int64_t> order(n);
  if (!ScratchMeter::is_on()) write_order(n, pivots, n, order + 0);
  const auto lower = triangle(lu, i, false, true), upper = triangle(lu, i, true, false);
  blocked::System<T> system{lower, upper, true};
  if (adjoint) system = {upper.transposed(), lower.transposed(), true};
  (adjoint ? system.order_after : system.order_before) = order;
  blocked::solve(system, right, out);
}

void check_pivots(const uint32_t* pivots, int64_t n) {
  for (int64_t r = 0; r < n; ++r) {
    if (pivots[r] >= n) {
      fail<std::out_of_range>("[lu_solve] expected pivots in [0, ", n, "); got ", pivots[r]);
    }
  }
}

template <class T>
void lu_solve(const KernelCall& c) {
  const Batch<T> lu(c.in[1]), right(c.in[3]), out(c.out[0]);
  const int64_t n = right.rows(), k = right.columns();
  if (n == 0 || k == 0) return;
  const uint32_t* pivots = c.in[2].as<uint32_t>();
  const bool adjoint = c.as<LuSolveParams>().adjoint;
  for_matrices(out.count(), product(n, n, k) * 2, [&](int64_t begin, int64_t end) {
    if constexpr (kBlocked<T>) {
      for (int64_t i = begin; i < end && n >= blocked::kLeast; ++i) {
        if (ScratchMeter::is_on()) {
          return solve_blocked<T>(lu, 0, pivots, adjoint, {nullptr, k, 1, k}, nullptr);
        }
        check_pivots(pivots + i * n, n);
        solve_blocked(lu, i, pivots + i * n, adjoint, right_side(right, i),
                      c.out[0].as<T>() + i * n * k);
      }
      if (n >= blocked::kLeast) return;
    }
    Scratch<T> a(n * n), b(n * k);
    Scratch<Int> exchanged(n);
    if (ScratchMeter::is_on()) return;
    for (int64_t i = begin; i < end; ++i) {
      check_pivots(pivots + i * n, n);
      lu.load(i, a);
      right.load(i, b);
      for (int64_t r = 0; r < n; ++r) exchanged[r] = static_cast<Int>(pivots[i * n + r]) + 1;
      lapack::getrs<T>(adjoint, narrow(n), narrow(k), a, exchanged, b);
      out.store(i, b);
    }
  });
}

// The first 0 on the diagonal, else n.
template <class T>
int64_t first_zero(const Batch<T>& batch, int64_t i) {
  const MatrixRef<T> a = batch[i];
  int64_t r = 0;
  while (r < batch.rows() && a.data[r * (a.row_step + a.column_step)] != T(0)) ++r;
  return r;
}

template <class T>
void triangular_solve(const KernelCall& c) {
  const Batch<T> triangles(c.in[0]), right(c.in[1]), out(c.out[0]);
  const int64_t n = right.rows(), k = right.columns();
  if (n == 0 || k == 0) return;
  const auto& p = c.as<TriangularParams>();
  FirstFailure failure;
  for_matrices(out.count(), product(n, n, k), [&](int64_t begin, int64_t end) {
    Columns<T> a(n, n * n), b(n, n * k);
    if (ScratchMeter::is_on()) {
      if constexpr (kBlocked<T>) {
        if (n < blocked::kLeast) return;
        const blocked::System<T> system{triangle(triangles, 0, p.upper, false), {}};
        blocked::solve<T>(system, {b, k, 1, k}, nullptr);
      }
      return;
    }
    for (int64_t i = begin; i < end; ++i) {
      const int64_t zero = p.caller.empty() ? n : first_zero(triangles, i);
      if (zero < n) failure.add(i, zero);
      if constexpr (kBlocked<T>) {
        if (n >= blocked::kLeast) {
          const blocked::System<T> system{triangle(triangles, i, p.upper, false), {}};
          blocked::solve(system, right_side(right, i), c.out[0].as<T>() + i * n * k);
          continue;
        }
      }
      triangles.load(i, a);
      right.load(i, b);
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
void qr_by_products(const Batch<T>& in, const KernelCall& c) {
  const int64_t m = in.rows(), n = in.columns();
  for_matrices(in.count(), 4 * product(m, n, n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T *q = c.out[0].as<T>() + i * m * n, *r = c.out[1].as<T>() + i * n * n;
      if (ScratchMeter::is_on()) return blocked::qr(m, n, q, r);
      const MatrixRef<T> from = in[i];
      copy_matrix<T>({from.data, from.row_step, from.column_step}, row_major(q, n), m, n);
      if (all_finite<T>(q, m * n)) {
        blocked::qr(m, n, q, r);
        continue;
      }
      std::fill_n(q, m * n, not_a_number<T>());
      std::fill_n(r, n * n, not_a_number<T>());
      for (int64_t row = 1; row < n; ++row) std::fill_n(r + row * n, row, T(0));
    }
  });
}

template <class T>
void qr(const KernelCall& c) {
  const Batch<T> in(c.in[0]), out_q(c.out[0]), out_r(c.out[1]);
  const int64_t m = in.rows(), n = in.columns();
  if (in.count() == 0 || n == 0) return;
  if constexpr (kBlocked<T>) {
    if (n >= blocked::kLeast) return qr_by_products(in, c);
  }
  const Int lwork = qr_work<T>(m, n, n, "qr");
  for_matrices(in.count(), 4 * product(m, n, n), [&](int64_t begin, int64_t end) {
    Scratch<T> a(m * n), r(n * n), tau(n), work(lwork);
    if (ScratchMeter::is_on()) return;
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
    if (ScratchMeter::is_on()) return;
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
