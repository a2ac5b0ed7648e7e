// LU and triangular solutions by recursion: a half, a product, the other half.
#include "backends/cpu/dense/blocked.h"

#include <algorithm>

#include "backends/cpu/dense/share.h"
#include "backends/cpu/scratch.h"
#include "runtime/interrupt.h"

namespace olivine::cpu::blocked {
namespace {

// ---- LU

constexpr int64_t kWide = 128;  // columns of a panel of panels
constexpr int64_t kSlabs = 4;   // into which the other columns are cut, if they are many

template <class T>
struct Factorization {
  int64_t m, n;
  T* a;
  int64_t stride;
  int64_t* pivots;
  T* panel;  // scratch for two
  int64_t zero = 0;

  T* at(int64_t i, int64_t j) const { return a + i * stride + j; }
  void columns(int64_t begin, int64_t end);
  void look_ahead(int64_t count);
  void narrow(int64_t begin, int64_t end);
  int64_t slab_width() const {
    return std::clamp((n - kWide) / kSlabs / kPanel * kPanel, kWide, kWidestSlab);
  }
  // Takes what the products of the first panel take.
  void meter(int64_t count) const;
  // To columns [begin, end), what was done to columns [first, last).
  void exchange(int64_t first, int64_t last, int64_t begin, int64_t end) const;
  void update(int64_t first, int64_t last, int64_t begin, int64_t end) const;
};

template <class T>
void Factorization<T>::narrow(int64_t begin, int64_t end) {
  poll_interrupt();
  const int64_t rows = m - begin, width = end - begin;
  for (int64_t i = 0; i < rows; ++i) {
    T* to = panel + i * kPanel;
    std::copy_n(at(begin + i, begin), width, to);
    std::fill(to + width, to + kPanel, T(0));
  }
  const int64_t at_zero = panels<T>().lu(panel, panel + rows * kPanel, rows, width, pivots + begin);
  if (at_zero && !zero) zero = begin + at_zero;
  for (int64_t i = 0; i < rows; ++i) {
    std::copy_n(panel + i * kPanel, width, at(begin + i, begin));
  }
  for (int64_t i = begin; i < end; ++i) pivots[i] += begin;
}

// The rows that the next pivots name are fetched meanwhile.
template <class T>
void Factorization<T>::exchange(int64_t first, int64_t last, int64_t begin, int64_t end) const {
  constexpr int64_t kAhead = 4, kLine = 64 / sizeof(T);
  for (int64_t i = first; i < last; ++i) {
    if (i + kAhead < last) {
      const T* next = at(pivots[i + kAhead], begin);
      for (int64_t j = 0; j < end - begin; j += kLine) __builtin_prefetch(next + j, 1);
    }
    if (pivots[i] != i) std::swap_ranges(at(i, begin), at(i, end), at(pivots[i], begin));
  }
}

template <class T>
void Factorization<T>::update(int64_t first, int64_t last, int64_t begin, int64_t end) const {
  const Triangle<T> unit{at(first, first), stride, 1, last - first, false, true};
  for_slabs(cost(last - first, end - begin), end - begin, [&](int64_t from, int64_t to) {
    exchange(first, last, begin + from, begin + to);
    solve_in_place(unit, at(first, begin + from), stride, to - from);
  });
  if (last == m) return;
  subtract_product(m - last, end - begin, last - first, {at(last, first), stride, 1},
                   at(first, begin), stride, at(last, begin), stride);
}

template <class T>
void Factorization<T>::columns(int64_t begin, int64_t end) {
  if (end - begin <= kPanel) return narrow(begin, end);
  const int64_t mid = begin + half(end - begin);
  columns(begin, mid);
  update(begin, mid, mid, end);
  columns(mid, end);
  exchange(mid, end, begin, mid);
}

// Panel after panel. While one thread factorizes the next panel, which it updates first, the others
// update what lies to its right.
template <class T>
void Factorization<T>::look_ahead(int64_t count) {
  const int64_t width = slab_width();
  columns(0, std::min(kWide, count));
  for (int64_t begin = 0; begin < count; begin += kWide) {
    const int64_t end = std::min(begin + kWide, count), next = std::min(end + kWide, count);
    const int64_t slabs = (n - next + width - 1) / width;
    parallel_for(slabs + 1, 1, [&](int64_t task, int64_t stop) {
      for (; task < stop; ++task) {
        if (task == 0) {
          if (end == count) continue;
          update(begin, end, end, next);
          columns(end, next);
        } else {
          const int64_t from = next + (task - 1) * width;
          update(begin, end, from, std::min(from + width, n));
        }
      }
    });
  }
  parallel_for(count / kWide, 1, [&](int64_t panel, int64_t stop) {
    for (; panel < stop; ++panel) {
      exchange((panel + 1) * kWide, count, panel * kWide, (panel + 1) * kWide);
    }
  });
}

template <class T>
void Factorization<T>::meter(int64_t count) const {
  const int64_t first = std::min(kWide, count), width = std::min(slab_width(), n - first);
  if (first == m || width <= 0) return;
  ScratchMeter::parallel((n - first) / width, 1, [&](int64_t, int64_t) {
    subtract_product(m - first, width, first, {a, stride, 1}, a, stride, a, stride);
  });
}

// ---- Systems

constexpr int64_t kFewColumns = 160;  // of an inverse, whose slabs would be too narrow

// Columns [begin, end) of the solution, in x with end - begin columns.
template <class T>
void load_slab(const System<T>& s, const RightSide<T>& right, int64_t begin, int64_t end, T* x) {
  const int64_t n = s.first.n, width = end - begin;
  for (int64_t i = 0; i < n; ++i, x += width) {
    const int64_t row = s.order_before ? s.order_before[i] : i;
    const T* from = right.data + row * right.row_step + begin * right.column_step;
    if (right.column_step == 1) {
      std::copy_n(from, width, x);
    } else {
      for (int64_t j = 0; j < width; ++j) x[j] = from[j * right.column_step];
    }
  }
}

template <class T>
void solve_slab(const System<T>& s, const RightSide<T>& right, int64_t begin, int64_t end, T* out) {
  const int64_t n = s.first.n, width = end - begin;
  ScratchBytes scratch(n * width, sizeof(T));
  T* x = static_cast<T*>(scratch.data());
  Triangle<T> first = s.first;
  if (ScratchMeter::is_on()) {
    solve_in_place(first, x, width, width);
    if (s.has_second) solve_in_place(s.second, x, width, width);
    return;
  }
  int64_t skipped = 0;
  if (right.data) {
    load_slab(s, right, begin, end, x);
  } else {
    // Of a triangle's inverse only one side of the diagonal is not zero.
    std::fill_n(x, n * width, T(0));
    for (int64_t j = begin; j < end; ++j) x[j * width + j - begin] = T(1);
    if (first.upper) {
      first.n = end;
    } else {
      skipped = begin;
      first.data += skipped * (first.row_step + first.column_step);
      first.n -= skipped;
    }
  }
  solve_in_place(first, x + skipped * width, width, width);
  if (s.has_second) solve_in_place(s.second, x, width, width);
  for (int64_t i = 0; i < n; ++i) {
    T* to = out + (s.order_after ? s.order_after[i] : i) * right.columns;
    if (right.data || !s.order_before) {
      std::copy_n(x + i * width, width, to + begin);
    } else {
      // The identity was not reordered: the columns of the result are.
      for (int64_t j = 0; j < width; ++j) to[s.order_before[begin + j]] = x[i * width + j];
    }
  }
}

}  // namespace

template <class T>
int64_t lu(int64_t m, int64_t n, T* a, int64_t stride, int64_t* pivots) {
  const int64_t k = std::min(m, n);
  if (k == 0) return 0;
  ScratchBytes panel((2 * m + 16) * kPanel, sizeof(T));
  Factorization<T> f{m, n, a, stride, pivots, static_cast<T*>(panel.data())};
  if (ScratchMeter::is_on()) return f.meter(k), 0;
  if (k > 2 * kWide) {
    f.look_ahead(k);
  } else {
    f.columns(0, k);
    if (n > k) f.update(0, k, k, n);
  }
  return f.zero;
}

template <class T>
void solve(const System<T>& system, const RightSide<T>& right, T* out) {
  // The sums of an inverse depend on where a slab begins.
  const int64_t parts = system.first.n <= kFewColumns ? 2 : 4;
  const auto slab = [&](int64_t begin, int64_t end) { solve_slab(system, right, begin, end, out); };
  const double work = cost(system.first.n, right.columns);
  if (right.data) return for_slabs(work, right.columns, slab);
  for_slabs(work, right.columns, slab, parts);
}

template int64_t lu(int64_t, int64_t, float*, int64_t, int64_t*);
template int64_t lu(int64_t, int64_t, double*, int64_t, int64_t*);
template void solve(const System<float>&, const RightSide<float>&, float*);
template void solve(const System<double>&, const RightSide<double>&, double*);

}  // namespace olivine::cpu::blocked
