// Products of Householder reflections as matrix products.
#include "backends/cpu/dense/reflections.h"

namespace olivine::cpu::blocked {

// In a wider type, for the orthogonality of the product hangs on T: its column j is
// -tau_j T (V v_j), with tau_j on the diagonal. Here a row of `transposed`.
template <class T>
void Reflections<T>::make_triangles() {
  using Wider = std::conditional_t<std::is_same_v<T, float>, double, long double>;
  if (ScratchMeter::is_on()) return;
  parallel_for((count_ + kPanel - 1) / kPanel, 4, [&](int64_t block, int64_t stop) {
    for (; block < stop; ++block) {
      const int64_t first = block * kPanel, width = std::min(kPanel, count_ - first);
      const int64_t from = block_down(first + shift_), n = stride_ - from;
      Wider transposed[kPanel * kPanel] = {};
      T products[kPanel], *to = triangle(first);
      for (int64_t j = 0; j < width; ++j) {
        Wider* line = transposed + j * kPanel;
        reductions<T>().dots(row(first) + from, stride_, j, row(first + j) + from, n, products);
        for (int64_t k = 0; k < j; ++k) {
          const Wider factor = -static_cast<Wider>(tau(first + j)) * products[k];
          for (int64_t i = 0; i <= k; ++i) line[i] += factor * transposed[k * kPanel + i];
        }
        line[j] = tau(first + j);
      }
      for (int64_t i = 0; i < kPanel; ++i) {
        for (int64_t j = 0; j < kPanel; ++j) {
          to[i * kPanel + j] = static_cast<T>(transposed[j * kPanel + i]);
        }
      }
    }
  });
}

template <class T>
void Reflections<T>::apply_block(int64_t first, T* c, int64_t stride, int64_t columns,
                                 T* work) const {
  const int64_t width = std::min(kPanel, count_ - first);
  const int64_t from = first + shift_, rows = length_ - from;
  const T* v = row(first) + from;
  T *x = work + kPanel * columns, *to = c + from * stride;
  multiply<T>(width, columns, rows, {v, stride_, 1}, to, stride, work, columns);
  multiply<T>(width, columns, width, {triangle(first), kPanel, 1}, work, columns, x, columns);
  subtract_product<T>(rows, columns, width, {v, 1, stride_}, x, columns, to, stride);
}

// Columns by columns, which stay in the cache while all reflections pass.
template <class T>
void Reflections<T>::apply(T* c, int64_t stride, int64_t columns) const {
  if (count_ == 0) return;
  constexpr int64_t kBytes = 512 << 10;
  const int64_t fits = kBytes / static_cast<int64_t>(sizeof(T)) / length_ / 64 * 64;
  const int64_t width = std::clamp<int64_t>(fits, 64, 256);
  ScratchMeter::parallel(columns, width, [&](int64_t begin, int64_t end) {
    Scratch<T> work(2 * kPanel * (end - begin));
    for (int64_t first = (count_ - 1) / kPanel * kPanel; first >= 0; first -= kPanel) {
      apply_block(first, c + begin, stride, end - begin, work);
    }
  });
}

template class Reflections<float>;
template class Reflections<double>;

}  // namespace olivine::cpu::blocked
