// Blocked reduction to tridiagonal form: Dongarra, Sorensen and Hammarling, "Block reduction of
// matrices to condensed forms for eigenvalue computations" (1989).
//
// Of kBand columns, each needs a product of the matrix and a vector; the matrix itself is changed
// after all of them, by a product of matrices: A - V W^T - W V^T.
#include "backends/cpu/dense/tridiagonal.h"

namespace olivine::cpu::blocked {
namespace {

constexpr int64_t kBand = 32;
constexpr int64_t kSlab = 128;       // rows of a task of an update
constexpr int64_t kShare = 1 << 15;  // elements of a matrix times a vector, of a task
constexpr int64_t kMostShares = 16;

template <class T>
class Reduction {
 public:
  Reduction(const T* a, Tridiagonal<T>& to)
      : to_(to),
        n_(to.n),
        stride_(to.q.stride()),
        padded_(block_up(n_)),
        a_(stride_ * padded_),
        vw_(2 * kBand * stride_),
        wv_(2 * kBand * stride_),
        parts_(kMostShares * stride_),
        column_(stride_) {
    if (!ScratchMeter::is_on()) load(a);
  }
  void run();

 private:
  void load(const T* a);
  void column(int64_t first, int64_t k);
  void multiply_vector(int64_t from, const T* x, T* y) const;
  void make_w(int64_t k, int64_t from, T tau) const;
  void update(int64_t first, int64_t width) const;
  T* v(int64_t k) const { return vw_ + k * stride_; }
  T* w(int64_t k) const { return vw_ + (kBand + k) * stride_; }

  Tridiagonal<T>& to_;
  int64_t n_, stride_, padded_;
  Scratch<T> a_;
  Scratch<T> vw_, wv_;  // the rows V, W and W, V of a band
  Scratch<T> parts_, column_;
};

// Rows from the diagonal on; blocks of the diagonal whole.
template <class T>
void Reduction<T>::load(const T* a) {
  for (int64_t i = 0; i < padded_; ++i) {
    T* row = a_ + i * stride_;
    if (i >= n_) {
      std::fill_n(row, stride_, T(0));
      continue;
    }
    std::fill_n(row, i, T(0));
    for (int64_t j = block_down(i); j < i; ++j) row[j] = a[j * n_ + i];
    std::copy(a + i * n_ + i, a + (i + 1) * n_, row + i);
    std::fill(row + n_, row + stride_, T(0));
  }
  std::fill(vw_ + 0, vw_ + 2 * kBand * stride_, T(0));
}

// y = a x for rows and columns from `from` on; x is zero before.
template <class T>
void Reduction<T>::multiply_vector(int64_t from, const T* x, T* y) const {
  const int64_t begin = block_down(from), size = padded_ - begin, area = size * size / 2;
  const int64_t shares = std::clamp<int64_t>(area / kShare, 1, kMostShares);
  const auto bound = [&](int64_t share) {
    if (share == shares) return padded_;
    const double rest = std::sqrt(1 - static_cast<double>(share) / static_cast<double>(shares));
    return padded_ - block_up(static_cast<int64_t>(rest * static_cast<double>(size)));
  };
  parallel_for(shares, 1, [&](int64_t share, int64_t stop) {
    for (; share < stop; ++share) {
      T* part = share == 0 ? y : parts_ + share * stride_;
      const int64_t top = share == 0 ? begin : std::max(begin, bound(share));
      std::fill(part + top, part + padded_, T(0));
      reductions<T>().symmetric(a_, stride_, top, std::max(begin, bound(share + 1)), padded_, x,
                                part);
    }
  });
  const T one(1);
  for (int64_t share = 1; share < shares; ++share) {
    const int64_t top = std::max(begin, bound(share));
    reductions<T>().add_rows(parts_ + share * stride_ + top, stride_, 1, &one, y + top,
                             padded_ - top);
  }
}

// w_k = tau y - (tau^2 y v / 2) v, where y is the changed matrix times v.
template <class T>
void Reduction<T>::make_w(int64_t k, int64_t from, T tau) const {
  const int64_t begin = block_down(from), size = padded_ - begin;
  T *y = w(k), products[2 * kBand];
  const T* x = v(k);
  multiply_vector(from, x, y);
  const auto& kernels = reductions<T>();
  kernels.dots(v(0) + begin, stride_, k, x + begin, size, products);
  kernels.dots(w(0) + begin, stride_, k, x + begin, size, products + kBand);
  for (int64_t i = 0; i < k; ++i) {
    const T by = -products[i];
    products[i] = -products[kBand + i];
    products[kBand + i] = by;
  }
  kernels.add_rows(v(0) + begin, stride_, k, products, y + begin, size);
  kernels.add_rows(w(0) + begin, stride_, k, products + kBand, y + begin, size);
  std::fill(y + begin, y + from, T(0));
  T along;
  kernels.dots(y + begin, stride_, 1, x + begin, size, &along);
  const T by = -tau * tau * along / 2;
  for (int64_t i = begin; i < padded_; ++i) y[i] = tau * y[i] + by * x[i];
}

template <class T>
void Reduction<T>::column(int64_t first, int64_t k) {
  const int64_t j = first + k, begin = block_down(j), size = padded_ - begin;
  T *x = column_, factors[2 * kBand];
  std::copy_n(a_ + j * stride_ + begin, size, x + begin);
  for (int64_t i = 0; i < k; ++i) {
    factors[i] = -w(i)[j];
    factors[kBand + i] = -v(i)[j];
  }
  const auto& kernels = reductions<T>();
  kernels.add_rows(v(0) + begin, stride_, k, factors, x + begin, size);
  kernels.add_rows(w(0) + begin, stride_, k, factors + kBand, x + begin, size);
  to_.d[j] = x[j];
  T& tau = to_.q.tau(j);
  to_.e[j] = make_reflection(x + j + 1, n_ - j - 1, tau);
  std::copy(x + j + 1, x + n_, to_.q.row(j) + j + 1);
  std::fill_n(v(k), j + 1, T(0));
  std::copy(x + j + 1, x + n_, v(k) + j + 1);
  std::fill_n(w(k), stride_, T(0));
  if (tau != T(0)) make_w(k, j + 1, tau);
}

template <class T>
void Reduction<T>::update(int64_t first, int64_t width) const {
  if (!ScratchMeter::is_on()) {
    // Vectors past the width are left over: they count as none.
    for (int64_t k = width; k < kBand; ++k) {
      std::fill_n(v(k), stride_, T(0));
      std::fill_n(w(k), stride_, T(0));
    }
    std::copy_n(w(0), kBand * stride_, wv_ + 0);
    std::copy_n(v(0), kBand * stride_, wv_ + kBand * stride_);
  }
  const int64_t begin = block_down(first + width);
  ScratchMeter::parallel(padded_ - begin, kSlab, [&](int64_t from, int64_t to) {
    for (; from < to; from += kSlab) {
      const int64_t at = begin + from, rows = std::min(kSlab, padded_ - at);
      subtract_product<T>(rows, padded_ - at, 2 * kBand, {vw_ + at, 1, stride_}, wv_ + at, stride_,
                          a_ + at * stride_ + at, stride_);
    }
  });
}

template <class T>
void Reduction<T>::run() {
  if (ScratchMeter::is_on()) return update(0, std::min(kBand, n_ - 1));
  for (int64_t first = 0; first < n_ - 1; first += kBand) {
    poll_interrupt();
    const int64_t width = std::min(kBand, n_ - 1 - first);
    for (int64_t k = 0; k < width; ++k) column(first, k);
    update(first, width);
  }
  to_.d[n_ - 1] = a_[(n_ - 1) * (stride_ + 1)];
}

}  // namespace

template <class T>
void reduce_to_tridiagonal(const T* a, Tridiagonal<T>& to) {
  Reduction<T>(a, to).run();
}

template void reduce_to_tridiagonal(const float*, Tridiagonal<float>&);
template void reduce_to_tridiagonal(const double*, Tridiagonal<double>&);

}  // namespace olivine::cpu::blocked
