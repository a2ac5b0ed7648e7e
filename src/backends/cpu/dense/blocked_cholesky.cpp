// Cholesky factors, panel of rows after panel, the next factorized while the rest is updated.
#include <algorithm>

#include "backends/cpu/dense/blocked.h"
#include "backends/cpu/dense/share.h"
#include "runtime/interrupt.h"

namespace olivine::cpu::blocked {
namespace {

constexpr int64_t kWide = 128;  // rows of a panel

template <class T>
struct Cholesky {
  int64_t n;
  T* a;
  int64_t stride;
  int64_t failed = 0;  // order of a leading block that is not positive definite

  T* at(int64_t i, int64_t j) const { return a + i * stride + j; }
  void square(int64_t begin, int64_t end);
  void panels_of_rows();
  // Takes what the products of the first panel take.
  void meter() const;
  // Rows [first, last) of the factor in columns [begin, end), right of their square.
  void rows(int64_t first, int64_t last, int64_t begin, int64_t end) const;
  // Takes the products of those rows from rows [top, end) of columns [begin, end).
  void update(int64_t first, int64_t last, int64_t top, int64_t begin, int64_t end) const;
};

template <class T>
void Cholesky<T>::rows(int64_t first, int64_t last, int64_t begin, int64_t end) const {
  const Triangle<T> lower{at(first, first), 1, stride, last - first, false, false};
  solve_in_place(lower, at(first, begin), stride, end - begin);
}

template <class T>
void Cholesky<T>::update(int64_t first, int64_t last, int64_t top, int64_t begin,
                         int64_t end) const {
  subtract_product(end - top, end - begin, last - first, Matrix{at(first, top), 1, stride},
                   at(first, begin), stride, at(top, begin), stride);
}

// The square block on the diagonal from which all earlier rows were taken.
template <class T>
void Cholesky<T>::square(int64_t begin, int64_t end) {
  if (failed) return;
  if (end - begin <= kPanel) {
    poll_interrupt();
    const int64_t order = panels<T>().cholesky(at(begin, begin), stride, end - begin);
    if (order) failed = begin + order;
    return;
  }
  const int64_t mid = begin + half(end - begin);
  square(begin, mid);
  if (failed) return;
  rows(begin, mid, mid, end);
  update(begin, mid, mid, mid, end);
  square(mid, end);
}

template <class T>
void Cholesky<T>::panels_of_rows() {
  square(0, std::min(kWide, n));
  for (int64_t begin = 0; begin + kWide < n && !failed; begin += kWide) {
    const int64_t end = begin + kWide, next = std::min(end + kWide, n);
    for_slabs(cost(kWide, n - end), n - end,
              [&](int64_t from, int64_t to) { rows(begin, end, end + from, end + to); });
    // The columns from the right, where they are longest.
    const int64_t slabs = (n - next + kWide - 1) / kWide;
    parallel_for(slabs + 1, 1, [&](int64_t task, int64_t stop) {
      for (; task < stop; ++task) {
        if (task == 0) {
          update(begin, end, end, end, next);
          square(end, next);
        } else {
          const int64_t from = next + (slabs - task) * kWide;
          update(begin, end, end, from, std::min(from + kWide, n));
        }
      }
    });
  }
}

template <class T>
void Cholesky<T>::meter() const {
  const int64_t rest = n - kWide;
  if (rest <= 0) return;
  ScratchMeter::parallel((rest + kWide - 1) / kWide, 1, [&](int64_t, int64_t) {
    update(0, kWide, kWide, std::max(kWide, rest), n);
  });
}

}  // namespace

template <class T>
int64_t cholesky(int64_t n, T* a, int64_t stride) {
  Cholesky<T> c{n, a, stride};
  if (ScratchMeter::is_on()) return c.meter(), 0;
  c.panels_of_rows();
  return c.failed;
}

template int64_t cholesky(int64_t, float*, int64_t);
template int64_t cholesky(int64_t, double*, int64_t);

}  // namespace olivine::cpu::blocked
