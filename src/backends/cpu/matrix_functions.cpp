// Kernels of expm, logm and sqrtm (Higham, "Functions of Matrices", 2008): Pade approximation with
// scaling and squaring, the product form of Denman and Beavers' iteration, and inverse scaling and
// squaring. All is computed in double, single precision too. NaN where there is no result: an
// element that is not finite, or an eigenvalue on the negative real axis or 0 for the last two.
#include <array>
#include <cmath>
#include <vector>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/linalg_batch.h"

namespace olivine::cpu {
namespace {

// A square matrix. Transposes have the transposed function, so its order does not matter.
template <class W>
struct Square {
  int64_t n;
  std::vector<W> at;
  explicit Square(int64_t size) : n(size), at(size_t(size * size)) {}
  W* row(int64_t i) { return at.data() + i * n; }
  const W* row(int64_t i) const { return at.data() + i * n; }
};

template <class W>
Square<W> identity(int64_t n) {
  Square<W> out(n);
  for (int64_t i = 0; i < n; ++i) out.row(i)[i] = W(1);
  return out;
}
template <class W>
Square<W> product(const Square<W>& a, const Square<W>& b) {
  Square<W> out(a.n);
  for (int64_t i = 0; i < a.n; ++i) {
    for (int64_t k = 0; k < a.n; ++k) {
      const W f = a.row(i)[k];
      for (int64_t j = 0; j < a.n; ++j) out.row(i)[j] += f * b.row(k)[j];
    }
  }
  return out;
}
// a += factor * b.
template <class W>
void add(Square<W>& a, const Square<W>& b, double factor) {
  for (size_t i = 0; i < a.at.size(); ++i) a.at[i] += factor * b.at[i];
}
template <class W>
void scale(Square<W>& a, double factor) {
  for (W& x : a.at) x *= factor;
}
// The largest sum of magnitudes of a row.
template <class W>
double norm(const Square<W>& a) {
  double largest = 0;
  for (int64_t i = 0; i < a.n; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < a.n; ++j) sum += std::abs(a.row(i)[j]);
    largest = std::max(largest, sum);
  }
  return largest;
}

// b := a^-1 b by elimination with row exchanges; log |det a|, -inf if a is singular.
template <class W>
double solve(Square<W> a, Square<W>& b) {
  const int64_t n = a.n;
  double log_det = 0;
  for (int64_t k = 0; k < n; ++k) {
    int64_t best = k;
    for (int64_t i = k + 1; i < n; ++i) {
      if (std::abs(a.row(i)[k]) > std::abs(a.row(best)[k])) best = i;
    }
    if (best != k) {
      std::swap_ranges(a.row(k), a.row(k) + n, a.row(best));
      std::swap_ranges(b.row(k), b.row(k) + n, b.row(best));
    }
    log_det += std::log(std::abs(a.row(k)[k]));
    for (int64_t i = k + 1; i < n; ++i) {
      const W f = a.row(i)[k] / a.row(k)[k];
      for (int64_t j = k + 1; j < n; ++j) a.row(i)[j] -= f * a.row(k)[j];
      for (int64_t j = 0; j < n; ++j) b.row(i)[j] -= f * b.row(k)[j];
    }
  }
  for (int64_t k = n - 1; k >= 0; --k) {
    for (int64_t j = 0; j < n; ++j) b.row(k)[j] /= a.row(k)[k];
    for (int64_t i = 0; i < k; ++i) {
      const W f = a.row(i)[k];
      for (int64_t j = 0; j < n; ++j) b.row(i)[j] -= f * b.row(k)[j];
    }
  }
  return log_det;
}

// The [m/m] Pade approximant of the exponential (Higham, 10.3).
template <class W>
Square<W> pade_exponential(const Square<W>& a, int m) {
  const Square<W> square = product(a, a);
  Square<W> even = identity<W>(a.n), odd = even, power = even;
  double c = 1;
  for (int k = 1; k <= m; ++k) {
    c *= (m - k + 1.) / (k * (2. * m - k + 1));
    if (k == 1) {
      scale(odd, c);
    } else {
      if (k % 2 == 0) power = product(power, square);
      add(k % 2 ? odd : even, power, c);
    }
  }
  odd = product(a, odd);
  Square<W> below = even;
  add(below, odd, -1);
  add(even, odd, 1);
  solve(below, even);
  return even;
}

template <class W>
bool exponential(Square<W>& a) {
  struct Degree {
    int m;
    double reach;  // norms up to which the approximant is exact to rounding
  };
  constexpr Degree degrees[] = {{3, 1.495585217958292e-2},
                                {5, 2.539398330063230e-1},
                                {7, 9.504178996162932e-1},
                                {9, 2.097847961257068},
                                {13, 5.371920351148152}};
  const double size = norm(a);
  for (const Degree& d : degrees) {
    if (size <= d.reach) {
      a = pade_exponential(a, d.m);
      return true;
    }
  }
  const int squarings = std::max(0, int(std::ceil(std::log2(size / degrees[4].reach))));
  scale(a, std::ldexp(1, -squarings));
  a = pade_exponential(a, 13);
  for (int i = 0; i < squarings; ++i) a = product(a, a);
  return true;
}

// Higham, 6.29: a becomes its root, m the identity; scaled by the determinant while far from it.
template <class W>
bool square_root(Square<W>& a) {
  const int64_t n = a.n;
  const double eps = std::numeric_limits<double>::epsilon();
  Square<W> m = a;
  double before = HUGE_VAL;
  for (int i = 0; i < 60; ++i) {
    Square<W> inverse = identity<W>(n);
    const double log_det = solve(m, inverse);
    if (!std::isfinite(log_det)) return false;
    const double mu = before > 1e-2 ? std::exp(-log_det / (2. * double(n))) : 1;
    Square<W> step = identity<W>(n);
    add(step, inverse, 1 / (mu * mu));
    a = product(a, step);
    scale(a, 0.5 * mu);
    scale(m, 0.25 * mu * mu);
    add(m, inverse, 0.25 / (mu * mu));
    for (int64_t k = 0; k < n; ++k) m.row(k)[k] += W(0.5);
    Square<W> rest = m;
    add(rest, identity<W>(n), -1);
    const double distance = norm(rest);
    if (!std::isfinite(distance)) return false;
    // Quadratic convergence: a small distance is the last, as is one that grows again.
    if (distance <= eps * double(n) || (distance < 1e-7 && distance >= before / 2)) return true;
    before = distance;
  }
  return false;
}

template <class W>
bool logarithm(Square<W>& a) {
  // Gauss and Legendre's rule on [0, 1], by which the Pade approximant is a sum of fractions
  // (Higham, 11.4).
  constexpr std::array<double, 8> nodes = {
      0.019855071751231884, 0.10166676129318664, 0.2372337950418355, 0.4082826787521751,
      0.591717321247825,    0.7627662049581645,  0.8983332387068134, 0.9801449282487681};
  constexpr std::array<double, 8> weights = {
      0.05061426814518813, 0.11119051722668724, 0.15685332293894363, 0.181341891689181,
      0.181341891689181,   0.15685332293894363, 0.11119051722668724, 0.05061426814518813};
  const Square<W> one = identity<W>(a.n);
  double factor = 1;
  for (int roots = 0;; ++roots, factor *= 2) {
    Square<W> rest = a;
    add(rest, one, -1);
    if (!(norm(rest) > 0.25)) {
      a = std::move(rest);
      break;
    }
    if (roots == 100 || !square_root(a)) return false;
  }
  Square<W> sum(a.n);
  for (size_t i = 0; i < nodes.size(); ++i) {
    Square<W> below = one, term = a;
    add(below, a, nodes[i]);
    solve(below, term);
    add(sum, term, weights[i]);
  }
  a = std::move(sum);
  scale(a, factor);
  return true;
}

template <class T>
using Wide = std::conditional_t<lapack::kComplex<T>, std::complex<double>, double>;

template <class T, bool (*function)(Square<Wide<T>>&)>
void run(const KernelCall& c) {
  const Batch<T> in(c.in[0]), out(c.out[0]);
  const int64_t n = in.rows();
  if (n == 0) return;
  const double cost = 20. * double(n) * double(n) * double(n);
  for_matrices(in.count(), cost, [&](int64_t begin, int64_t end) {
    Scratch<T> narrow(n * n);
    if (ScratchMeter::is_on()) return;
    for (int64_t i = begin; i < end; ++i) {
      in.load(i, narrow);
      Square<Wide<T>> a(n);
      std::copy_n(static_cast<T*>(narrow), n * n, a.at.begin());
      if (all_finite<T>(narrow, n * n) && function(a)) {
        std::transform(a.at.begin(), a.at.end(), static_cast<T*>(narrow),
                       [](Wide<T> x) { return static_cast<T>(x); });
      } else {
        std::fill(narrow + 0, narrow + n * n, not_a_number<T>());
      }
      out.store(i, narrow);
    }
  });
}

template <class T>
void add_dtype(KernelTable& table) {
  constexpr Dtype t = dtype_of<T>;
  table.add("expm", t, {.run = run<T, exponential<Wide<T>>>});
  table.add("logm", t, {.run = run<T, logarithm<Wide<T>>>});
  table.add("sqrtm", t, {.run = run<T, square_root<Wide<T>>>});
}

}  // namespace

void register_matrix_functions(KernelTable& table) {
  add_dtype<float>(table);
  add_dtype<double>(table);
  add_dtype<std::complex<float>>(table);
  add_dtype<std::complex<double>>(table);
}

}  // namespace olivine::cpu
