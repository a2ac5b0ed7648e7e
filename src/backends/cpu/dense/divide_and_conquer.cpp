// Divide and conquer for symmetric tridiagonal matrices: Cuppen, "A divide and conquer method for
// the symmetric tridiagonal eigenproblem" (1981), with the deflation of Dongarra and Sorensen, "A
// fully parallel algorithm for the symmetric eigenvalue problem" (1987).
//
// A matrix is two halves and a change of rank one, T = diag(T1, T2) + rho z z^T. With the
// eigenvectors of the halves that is D + rho z z^T, whose eigenvalues are roots of a secular
// equation. Eigenvalues are kept in double precision, whatever the type of the vectors.
#include <numeric>
#include <vector>

#include "backends/cpu/dense/tridiagonal.h"

namespace olivine::cpu::blocked {
namespace {

constexpr int64_t kLargestLeaf = 32;

const SecularKernels& secular() {
  switch (cpu_isa()) {
#if OLIVINE_HAS_ISA_AVX512
    case Isa::amx:
    case Isa::avx512_bf16:
    case Isa::avx512:
      return avx512::secular;
#endif
#if OLIVINE_HAS_ISA_AVX2
    case Isa::avx2:
      return avx2::secular;
#endif
    default:
      return plain::secular;
  }
}

size_t at(int64_t i) { return static_cast<size_t>(i); }

// Columns a and b become c a + s b and c b - s a.
struct Rotation {
  int64_t a, b;
  double c, s;
};

// Where the elements of a column that are not zero lie: kinds are ordered so that rows of the
// first half use the first two, and rows of the second half the last two.
enum Kind : uint8_t { kTop, kBoth, kBottom, kDeflated };

template <class T>
struct Solver {
  Solver(int64_t order, T* diagonal, T* beside)
      : n(order),
        d(diagonal),
        e(beside),
        q(n * n),
        packed(n * n),
        u(n * n),
        values(at(n)),
        order_of(at(n)) {
    if (!ScratchMeter::is_on()) std::fill(q + 0, q + n * n, T(0));
    while ((n + (int64_t{1} << levels) - 1) >> levels > kLargestLeaf) ++levels;
  }
  int64_t bound(int level, int64_t i) const { return i * n >> level; }
  bool run();

  int64_t n;
  int levels = 0;
  T *d, *e;
  Scratch<T> q, packed, u;        // in a node, at its own rows
  std::vector<double> values;     // of the columns of q
  std::vector<int64_t> order_of;  // columns of a node by ascending values, counted in the node
};

template <class T>
class Merge {
 public:
  Merge(Solver<T>& solver, int64_t first, int64_t mid, int64_t last)
      : s_(solver),
        first_(first),
        top_(mid - first),
        size_(last - first),
        e_(static_cast<double>(solver.e[mid - 1])),
        q_(solver.q + first * (solver.n + 1)),
        packed_(solver.packed + first * solver.n),
        u_(solver.u + first * solver.n),
        values_(solver.values.data() + first),
        order_(solver.order_of.data() + first),
        kind_(at(size_)),
        z_(at(size_)) {}
  void run();

 private:
  void sort_halves();
  void make_z();
  void deflate();
  void keep(int64_t column) { by_value_.push_back(column); }
  void drop(int64_t column);
  void solve();
  void make_vectors(const SecularEquation& equation);
  void pack();
  void multiply_back();
  void finish();

  Solver<T>& s_;
  int64_t first_, top_, size_;
  double e_;
  T *q_, *packed_, *u_;
  double* values_;
  int64_t* order_;
  std::vector<Kind> kind_;
  std::vector<double> z_, roots_;
  std::vector<int64_t> by_value_, by_kind_, deflated_;  // columns
  std::vector<Rotation> rotations_;
  int64_t tops_ = 0, boths_ = 0, bottoms_ = 0;  // columns kept
};

template <class T>
void Merge<T>::sort_halves() {
  for (int64_t i = top_; i < size_; ++i) order_[i] += top_;
  std::vector<int64_t> merged(at(size_));
  std::merge(order_, order_ + top_, order_ + top_, order_ + size_, merged.begin(),
             [&](int64_t i, int64_t j) { return values_[i] < values_[j]; });
  std::copy(merged.begin(), merged.end(), order_);
}

template <class T>
void Merge<T>::make_z() {
  const double scale = std::sqrt(0.5), sign = e_ < 0 ? -scale : scale;
  const T *above = q_ + (top_ - 1) * s_.n, *below = above + s_.n;
  for (int64_t i = 0; i < size_; ++i) {
    const bool is_top = i < top_;
    z_[at(i)] =
        is_top ? static_cast<double>(above[i]) * scale : static_cast<double>(below[i]) * sign;
    kind_[at(i)] = is_top ? kTop : kBottom;
  }
}

template <class T>
void Merge<T>::drop(int64_t column) {
  kind_[at(column)] = kDeflated;
  deflated_.push_back(column);
}

// Values that the change leaves as they are within rounding errors: where z is small, and one of
// two close values after a rotation of their columns.
template <class T>
void Merge<T>::deflate() {
  double largest = 0, largest_z = 0;
  for (int64_t i = 0; i < size_; ++i) {
    largest = std::max(largest, std::abs(values_[i]));
    largest_z = std::max(largest_z, std::abs(z_[at(i)]));
  }
  const double rho = 2 * std::abs(e_);
  const double tolerance =
      4 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::max(largest, largest_z);
  int64_t last = -1;
  for (int64_t r = 0; r < size_; ++r) {
    const int64_t i = order_[r];
    if (rho * std::abs(z_[at(i)]) <= tolerance) {
      drop(i);
      continue;
    }
    if (last >= 0) {
      double &a = z_[at(last)], &b = z_[at(i)];
      const double length = std::hypot(a, b), c = b / length, s = -a / length;
      const double gap = values_[i] - values_[last];
      if (std::abs(gap * c * s) <= tolerance) {
        b = length;
        a = 0;
        const double x = values_[last], y = values_[i];
        values_[last] = x * c * c + y * s * s;
        values_[i] = x * s * s + y * c * c;
        if (kind_[at(i)] != kind_[at(last)]) kind_[at(i)] = kBoth;
        rotations_.push_back({last, i, c, s});
        drop(last);
      } else {
        keep(last);
      }
    }
    last = i;
  }
  if (last >= 0) keep(last);
}

template <class T>
void Merge<T>::pack() {
  for (const Kind kind : {kTop, kBoth, kBottom}) {
    for (size_t r = 0; r < by_value_.size(); ++r) {
      if (kind_[at(by_value_[r])] == kind) by_kind_.push_back(static_cast<int64_t>(r));
    }
  }
  for (const int64_t column : by_value_) {
    const Kind kind = kind_[at(column)];
    (kind == kTop ? tops_ : kind == kBoth ? boths_ : bottoms_) += 1;
  }
  parallel_for(size_, 32, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T *row = q_ + i * s_.n, *to = packed_ + i * size_;
      for (const Rotation& r : rotations_) {
        const T x = row[r.a], y = row[r.b], c = static_cast<T>(r.c), s = static_cast<T>(r.s);
        row[r.a] = c * x + s * y;
        row[r.b] = c * y - s * x;
      }
      const size_t from = at(i < top_ ? 0 : tops_);
      const size_t stop = at(i < top_ ? tops_ + boths_ : tops_ + boths_ + bottoms_);
      for (size_t k = from; k < stop; ++k) *to++ = row[by_value_[at(by_kind_[k])]];
      for (const int64_t column : deflated_) *to++ = row[column];
    }
  });
}

template <class T>
void Merge<T>::make_vectors(const SecularEquation& equation) {
  const int64_t count = equation.count;
  std::vector<double> exact(at(count)), d(at(count)), z(at(count));
  parallel_for(count, 64, [&](int64_t begin, int64_t end) {
    secular().weights(equation, begin, end, exact.data());
  });
  for (size_t k = 0; k < at(count); ++k) {
    d[k] = equation.d[by_kind_[k]];
    z[k] = exact[at(by_kind_[k])];
  }
  parallel_for(count, 32, [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == 4) {
      secular().vectors_float(equation, d.data(), z.data(), begin, end, u_, count);
    } else {
      secular().vectors_double(equation, d.data(), z.data(), begin, end, u_, count);
    }
  });
}

template <class T>
void Merge<T>::solve() {
  const size_t count = by_value_.size(), room = count + kSecularPadding;
  std::vector<double> d(room), z(room), offset(room);
  std::vector<int64_t> origin(room);
  double squares = 0;
  for (size_t r = 0; r < count; ++r) {
    d[r] = values_[by_value_[r]];
    z[r] = z_[at(by_value_[r])];
    squares += z[r] * z[r];
  }
  const double rho = 2 * std::abs(e_), reach = rho * squares * (1 + 1e-10);
  const double beyond = std::max(d[count - 1] + reach, std::nextafter(d[count - 1], HUGE_VAL));
  std::fill(d.begin() + static_cast<int64_t>(count), d.end(), beyond);
  const SecularEquation equation{
      static_cast<int64_t>(count), rho, d.data(), z.data(), origin.data(), offset.data()};
  constexpr double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-9;
  parallel_for(equation.count, 32, [&](int64_t begin, int64_t end) {
    secular().roots(equation, tolerance, begin, end);
  });
  for (size_t r = 0; r < count; ++r) roots_.push_back(d[at(origin[r])] + offset[r]);
  make_vectors(equation);
}

template <class T>
void Merge<T>::multiply_back() {
  const int64_t kept = tops_ + boths_ + bottoms_, bottom = size_ - top_;
  T* below = q_ + top_ * s_.n;
  const auto product = [&](int64_t rows, int64_t columns, const T* a, const T* b, T* c) {
    if (columns > 0) return multiply<T>(rows, kept, columns, {a, size_, 1}, b, kept, c, s_.n);
    for (int64_t i = 0; i < rows; ++i) std::fill_n(c + i * s_.n, kept, T(0));
  };
  product(top_, tops_ + boths_, packed_, u_, q_);
  product(bottom, boths_ + bottoms_, packed_ + top_ * size_, u_ + tops_ * kept, below);
  const int64_t dropped = size_ - kept;
  for (int64_t i = 0; i < size_; ++i) {
    const int64_t before = i < top_ ? tops_ + boths_ : boths_ + bottoms_;
    std::copy_n(packed_ + i * size_ + before, dropped, q_ + i * s_.n + kept);
  }
}

template <class T>
void Merge<T>::finish() {
  std::vector<double> values(roots_);
  for (const int64_t column : deflated_) values.push_back(values_[column]);
  std::copy(values.begin(), values.end(), values_);
  std::iota(order_, order_ + size_, int64_t{0});
  std::stable_sort(order_, order_ + size_,
                   [&](int64_t i, int64_t j) { return values_[i] < values_[j]; });
}

template <class T>
void Merge<T>::run() {
  poll_interrupt();
  sort_halves();
  make_z();
  deflate();
  if (by_value_.empty()) return;  // nothing was rotated either
  pack();
  solve();
  multiply_back();
  finish();
}

// body(i) for every node; few of them take turns, for threads share the work inside.
template <class F>
void for_nodes(int64_t count, F&& body) {
  const bool together = count >= 2 * thread_count();
  parallel_for(count, together ? 1 : count, [&](int64_t i, int64_t stop) {
    for (; i < stop; ++i) body(i);
  });
}

template <class T>
bool Solver<T>::run() {
  if (ScratchMeter::is_on()) {
    // The last merge, if nothing is deflated.
    multiply<T>(n / 2, n, n / 2, {packed, n, 1}, u, n, q, n);
    return true;
  }
  const int64_t leaves = int64_t{1} << levels;
  for (int64_t i = 1; i < leaves; ++i) {
    const int64_t cut = bound(levels, i);
    d[cut - 1] -= std::abs(e[cut - 1]);
    d[cut] -= std::abs(e[cut - 1]);
  }
  std::atomic<bool> converged{true};
  parallel_for(leaves, 1, [&](int64_t leaf, int64_t stop) {
    for (; leaf < stop; ++leaf) {
      const int64_t first = bound(levels, leaf), size = bound(levels, leaf + 1) - first;
      T vectors[kLargestLeaf * kLargestLeaf], work[2 * kLargestLeaf], beside[kLargestLeaf];
      std::copy_n(e + first, size - 1, beside);
      if (lapack::steqr<T>(static_cast<lapack::Int>(size), d + first, beside, vectors, work)) {
        converged = false;
      }
      copy_matrix<T>(column_major<const T>(vectors, size), row_major(q + first * (n + 1), n), size,
                     size);
      for (int64_t i = 0; i < size; ++i) {
        values[at(first + i)] = static_cast<double>(d[first + i]);
        order_of[at(first + i)] = i;
      }
    }
  });
  for (int level = levels; converged && level-- > 0;) {
    for_nodes(int64_t{1} << level, [&](int64_t i) {
      Merge<T>(*this, bound(level, i), bound(level + 1, 2 * i + 1), bound(level, i + 1)).run();
    });
  }
  return converged;
}

}  // namespace

template <class T>
bool divide_and_conquer(int64_t n, T* d, T* e, T* w, T* v) {
  Solver<T> solver(n, d, e);
  if (!solver.run()) return false;
  if (ScratchMeter::is_on()) return true;
  const int64_t* order = solver.order_of.data();
  for (int64_t i = 0; i < n; ++i) w[i] = static_cast<T>(solver.values[at(order[i])]);
  parallel_for(n, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* row = solver.q + i * n;
      for (int64_t j = 0; j < n; ++j) v[i * n + j] = row[order[j]];
    }
  });
  return true;
}

template bool divide_and_conquer(int64_t, float*, float*, float*, float*);
template bool divide_and_conquer(int64_t, double*, double*, double*, double*);

}  // namespace olivine::cpu::blocked
