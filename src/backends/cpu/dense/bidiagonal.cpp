// Blocked reduction to bidiagonal form: Dongarra, Sorensen and Hammarling, "Block reduction of
// matrices to condensed forms for eigenvalue computations" (1989).
//
// Column j needs y = A^T u and then x = A v, where v is a multiple of a row r minus y, but for its
// first element. So A r is taken instead, column by column while those are in the cache: Howell et
// al., "Cache efficient bidiagonalization using BLAS 2.5 operators" (2008). The matrix itself is
// changed after kBand columns, by a product of matrices: A - U^T Y - X^T V.
#include "backends/cpu/dense/bidiagonal.h"

namespace olivine::cpu::blocked {
namespace {

constexpr int64_t kBand = 32;
constexpr int64_t kShare = 1 << 15;  // elements of a matrix times a vector, of a task
constexpr int64_t kMostShares = 16;

template <class T>
class Reduction {
 public:
  Reduction(const T* a, Bidiagonal<T>& to)
      : to_(to),
        m_(to.m),
        n_(to.n),
        tall_(to.q.stride()),
        stride_(spectral_stride(n_)),
        padded_(block_up(n_)),
        a_(m_ * stride_),
        ux_(2 * kBand * tall_),
        yv_(2 * kBand * stride_),
        parts_(kMostShares * tall_),
        column_(tall_),
        next_(tall_),
        row_(stride_) {
    if (ScratchMeter::is_on()) return;
    for (int64_t i = 0; i < m_; ++i) {
      std::copy_n(a + i * n_, n_, a_ + i * stride_);
      std::fill(a_ + i * stride_ + n_, a_ + (i + 1) * stride_, T(0));
    }
    std::fill(parts_ + 0, parts_ + kMostShares * tall_, T(0));
    std::fill(next_ + 0, next_ + tall_, T(0));
    clear(0);
  }
  void run();

 private:
  // Factors of the rows before k, from products with vector k or from the elements of a column.
  struct Factors {
    T first[kBand + 1], second[kBand + 1];
  };
  void clear(int64_t from);
  void left(int64_t first, int64_t k);
  void right(int64_t first, int64_t k);
  int64_t multiply_vectors(int64_t j, int64_t k, const Factors& of_y, const Factors& of_row);
  void share(int64_t begin, int64_t end, int64_t j, int64_t k, const Factors& of_y,
             const Factors& of_row, T* part) const;
  void update(int64_t first, int64_t width) const;
  void load_column(int64_t j) const;

  T* u(int64_t k) const { return ux_ + k * tall_; }
  T* x(int64_t k) const { return ux_ + (kBand + k) * tall_; }
  T* y(int64_t k) const { return yv_ + k * stride_; }
  T* v(int64_t k) const { return yv_ + (kBand + k) * stride_; }

  Bidiagonal<T>& to_;
  int64_t m_, n_, tall_, stride_, padded_;
  Scratch<T> a_;
  Scratch<T> ux_, yv_;  // the rows U, X and Y, V of a band
  Scratch<T> parts_;    // shares of A r
  Scratch<T> column_, next_, row_;
};

// Rows of the band from `from` on.
template <class T>
void Reduction<T>::clear(int64_t from) {
  std::fill(u(from), u(kBand), T(0));
  std::fill(x(from), x(kBand), T(0));
  std::fill(y(from), y(kBand), T(0));
  std::fill(v(from), v(kBand), T(0));
}

// Column j of the matrix as the band found it.
template <class T>
void Reduction<T>::load_column(int64_t j) const {
  for (int64_t i = block_down(std::max<int64_t>(j - 1, 0)); i < m_; ++i)
    next_[i] = a_[i * stride_ + j];
}

// The reflection of column j, which is in next_.
template <class T>
void Reduction<T>::left(int64_t first, int64_t k) {
  const int64_t j = first + k, begin = block_down(j), size = tall_ - begin;
  Factors factors;
  for (int64_t i = 0; i < k; ++i) {
    factors.first[i] = -y(i)[j];
    factors.second[i] = -v(i)[j];
  }
  T* c = column_;
  std::copy_n(next_ + begin, size, c + begin);
  const auto& kernels = reductions<T>();
  kernels.add_rows(u(0) + begin, tall_, k, factors.first, c + begin, size);
  kernels.add_rows(x(0) + begin, tall_, k, factors.second, c + begin, size);
  to_.d[j] = make_reflection(c + j, m_ - j, to_.q.tau(j));
  std::copy(c + j, c + m_, to_.q.row(j) + j);
  std::copy(c + j, c + m_, u(k) + j);
}

// Of columns [begin, end): y, the row before its reflection, and its product with the matrix.
template <class T>
void Reduction<T>::share(int64_t begin, int64_t end, int64_t j, int64_t k, const Factors& of_y,
                         const Factors& of_row, T* part) const {
  const auto& kernels = reductions<T>();
  const int64_t size = end - begin;
  T *to = y(k) + begin, *row = row_ + begin;
  const T *a = a_ + j * stride_ + begin, tau = to_.q.tau(j);
  std::fill_n(to, size, T(0));
  kernels.add_rows(a, stride_, m_ - j, u(k) + j, to, size);
  kernels.add_rows(y(0) + begin, stride_, k, of_y.first, to, size);
  kernels.add_rows(v(0) + begin, stride_, k, of_y.second, to, size);
  for (int64_t i = 0; i < size; ++i) to[i] = begin + i <= j ? T(0) : tau * to[i];
  std::copy_n(a, size, row);
  kernels.add_rows(y(0) + begin, stride_, k + 1, of_row.first, row, size);
  kernels.add_rows(v(0) + begin, stride_, k, of_row.second, row, size);
  for (int64_t i = 0; begin + i <= j && i < size; ++i) row[i] = T(0);
  kernels.dots(a, stride_, m_ - j, row, size, part + j);
}

// Leaves the sum in the first part.
template <class T>
int64_t Reduction<T>::multiply_vectors(int64_t j, int64_t k, const Factors& of_y,
                                       const Factors& of_row) {
  const int64_t begin = block_down(j + 1), size = padded_ - begin;
  const int64_t most = std::min(kMostShares, size / kSpectralBlock);
  const int64_t shares = std::clamp<int64_t>(size * (m_ - j) / kShare, 1, most);
  const int64_t width = block_up((size + shares - 1) / shares);
  const int64_t parts = (size + width - 1) / width;
  parallel_for(size, width, [&](int64_t from, int64_t to) {
    for (; from < to; from += width) {
      share(begin + from, begin + std::min(from + width, size), j, k, of_y, of_row,
            parts_ + from / width * tall_);
    }
  });
  return parts;
}

// The reflection of row j.
template <class T>
void Reduction<T>::right(int64_t first, int64_t k) {
  const auto& kernels = reductions<T>();
  const int64_t j = first + k, top = block_down(j), size = tall_ - top;
  Factors of_y, of_row;
  kernels.dots(u(0) + top, tall_, k, u(k) + top, size, of_y.first);
  kernels.dots(x(0) + top, tall_, k, u(k) + top, size, of_y.second);
  for (int64_t i = 0; i < k; ++i) {
    of_y.first[i] = -of_y.first[i];
    of_y.second[i] = -of_y.second[i];
    of_row.first[i] = -u(i)[j];
    of_row.second[i] = -x(i)[j];
  }
  of_row.first[k] = T(-1);
  const int64_t parts = multiply_vectors(j, k, of_y, of_row);

  const int64_t begin = block_down(j + 1), width = padded_ - begin;
  const T alpha = row_[j + 1];
  T &tau = to_.p.tau(j), *row = row_ + 0, *sum = parts_ + 0, *product = x(k);
  const T beta = make_reflection(row + j + 1, n_ - j - 1, tau);
  to_.e[j] = beta;
  std::copy(row + j + 1, row + n_, to_.p.row(j) + j + 1);
  std::copy(row + j + 1, row + n_, v(k) + j + 1);
  load_column(j + 1);
  if (tau == T(0)) return;

  for (int64_t part = 1; part < parts; ++part) {
    const T one(1);
    kernels.add_rows(parts_ + part * tall_ + top, tall_, 1, &one, sum + top, size);
  }
  Factors factors;
  kernels.dots(y(0) + begin, stride_, k + 1, v(k) + begin, width, factors.first);
  kernels.dots(v(0) + begin, stride_, k, v(k) + begin, width, factors.second);
  for (int64_t i = 0; i <= k; ++i) factors.first[i] *= -tau;
  for (int64_t i = 0; i < k; ++i) factors.second[i] *= -tau;
  const T scale = tau / (alpha - beta);
  for (int64_t i = j; i < m_; ++i) product[i] = scale * (sum[i] - beta * next_[i]);
  kernels.add_rows(u(0) + top, tall_, k + 1, factors.first, product + top, size);
  kernels.add_rows(x(0) + top, tall_, k, factors.second, product + top, size);
}

template <class T>
void Reduction<T>::update(int64_t first, int64_t width) const {
  const int64_t at = first + width;
  if (at >= n_) return;
  subtract_product<T>(m_ - at, n_ - at, 2 * kBand, {ux_ + at, 1, tall_}, yv_ + at, stride_,
                      a_ + at * (stride_ + 1), stride_);
}

template <class T>
void Reduction<T>::run() {
  if (ScratchMeter::is_on()) return update(0, std::min(kBand, n_));
  for (int64_t first = 0; first < n_; first += kBand) {
    poll_interrupt();
    const int64_t width = std::min(kBand, n_ - first);
    load_column(first);
    for (int64_t k = 0; k < width; ++k) {
      left(first, k);
      if (first + k + 1 < n_) right(first, k);
    }
    update(first, width);
    clear(0);
  }
}

}  // namespace

template <class T>
void reduce_to_bidiagonal(const T* a, Bidiagonal<T>& to) {
  Reduction<T>(a, to).run();
}

template void reduce_to_bidiagonal(const float*, Bidiagonal<float>&);
template void reduce_to_bidiagonal(const double*, Bidiagonal<double>&);

}  // namespace olivine::cpu::blocked
