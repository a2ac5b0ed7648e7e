// Batches of matrices for the LAPACK kernels: read through any strides, spread over the thread
// pool.
//
// LAPACK wants column-major matrices and overwrites them, so each is copied to scratch memory of
// its chunk and results are copied out. Chunks depend on sizes alone, and LAPACK runs on one
// thread, so results do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <complex>
#include <limits>
#include <mutex>

#include "backends/backend.h"
#include "backends/cpu/lapack.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/scratch_meter.h"
#include "backends/cpu/tile.h"
#include "core/error.h"
#include "core/size.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {

// Element (i, j) of a matrix is at data[i * row_step + j * column_step].
template <class T>
struct MatrixRef {
  T* data;
  int64_t row_step, column_step;
};
template <class T>
MatrixRef<T> column_major(T* data, int64_t rows) {
  return {data, 1, rows};
}
template <class T>
MatrixRef<T> row_major(T* data, int64_t columns) {
  return {data, columns, 1};
}

// Matrices of some size are copied by all threads; squares are turned by cache lines.
template <class T>
void copy_matrix(MatrixRef<const T> from, MatrixRef<T> to, int64_t rows, int64_t columns) {
  constexpr int64_t kSide = 16, kStrip = 64, kTask = 1 << 16;
  if (from.column_step == 1 && to.row_step == 1 && to.column_step != 1) {
    return copy_matrix<T>({from.data, 1, from.row_step}, {to.data, to.column_step, 1}, columns,
                          rows);
  }
  if (to.column_step == 1 && (from.column_step == 1 || from.row_step == 1)) {
    const int64_t strips = std::max<int64_t>(1, kTask / (kStrip * (columns + 1)));
    return parallel_for(rows, strips * kStrip, [&](int64_t begin, int64_t end) {
      if (from.column_step != 1) {
        return transpose(from.data + begin, from.column_step, sizeof(T), end - begin, columns,
                         to.data + begin * to.row_step, to.row_step);
      }
      for (int64_t i = begin; i < end; ++i) {
        std::copy_n(from.data + i * from.row_step, columns, to.data + i * to.row_step);
      }
    });
  }
  for (int64_t i0 = 0; i0 < rows; i0 += kSide) {
    const int64_t i1 = std::min(rows, i0 + kSide);
    for (int64_t j0 = 0; j0 < columns; j0 += kSide) {
      const int64_t j1 = std::min(columns, j0 + kSide);
      for (int64_t j = j0; j < j1; ++j) {
        for (int64_t i = i0; i < i1; ++i) {
          to.data[i * to.row_step + j * to.column_step] =
              from.data[i * from.row_step + j * from.column_step];
        }
      }
    }
  }
}

// The matrices in the last two axes of a view.
template <class T>
class Batch {
 public:
  explicit Batch(const View& v)
      : view_(v), rows_(v.shape[v.shape.size() - 2]), columns_(v.shape.back()) {
    for (size_t d = 0; d + 2 < v.shape.size(); ++d) count_ *= v.shape[d];
  }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  int64_t count() const { return count_; }

  MatrixRef<T> operator[](int64_t index) const {
    const size_t lead = view_.shape.size() - 2;
    T* p = view_.as<T>();
    for (size_t d = lead; d-- > 0;) {
      p += index % view_.shape[d] * view_.strides[d];
      index /= view_.shape[d];
    }
    return {p, view_.strides[lead], view_.strides[lead + 1]};
  }
  // Matrix `index`, column-major, to `out`.
  void load(int64_t index, T* out) const {
    const MatrixRef<T> m = (*this)[index];
    copy_matrix<T>({m.data, m.row_step, m.column_step}, column_major(out, rows_), rows_, columns_);
  }
  // The reverse, for an output.
  void store(int64_t index, const T* in) const {
    copy_matrix<T>(column_major(in, rows_), (*this)[index], rows_, columns_);
  }
  void fill(int64_t index, T value) const {
    const MatrixRef<T> m = (*this)[index];
    std::fill(m.data, m.data + rows_ * columns_, value);
  }

 private:
  const View& view_;
  int64_t rows_, columns_, count_ = 1;
};

template <class T>
struct Scratch {
  explicit Scratch(int64_t count) : bytes(std::max<int64_t>(count, 1), sizeof(T)) {}
  operator T*() const { return static_cast<T*>(bytes.data()); }
  ScratchBytes bytes;
};

// LAPACK's workspaces are counted in 32 bits; `best` is what a query left in the first element.
template <class T>
lapack::Int work_size(T best, const char* op) {
  const double n = std::real(best);
  if (!(n < std::numeric_limits<lapack::Int>::max() - 64)) {
    fail("[", op, "] expected matrices whose workspace has less than 2^31 elements; got ", n);
  }
  // Single precision rounds large sizes.
  return std::max<lapack::Int>(1, static_cast<lapack::Int>(n * (1 + 1e-6)) + 1);
}

// body(begin, end) over the matrices; `cost` is about the number of operations of one. Where memory
// is metered, the body takes its scratch memory for a matrix and leaves it alone.
template <class F>
void for_matrices(int64_t count, double cost, F&& body) {
  constexpr double kChunk = 1 << 18;
  const int64_t grain = static_cast<int64_t>(std::clamp(kChunk / (cost + 500), 1.0, 4096.0));
  ScratchMeter::parallel(count, grain, body);
}

template <class T>
bool part_is_finite(const T* a, int64_t n) {
  using R = lapack::Real<T>;
  const R* p = reinterpret_cast<const R*>(a);
  const int64_t count = n * int64_t(sizeof(T) / sizeof(R));
  constexpr int64_t kLanes = 16;
  R sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) sums[l] += p[i + l] * R(0);
  }
  for (; i < count; ++i) sums[0] += p[i] * R(0);
  return std::all_of(sums, sums + kLanes, [](R sum) { return sum == R(0); });
}

// LAPACK may not end or may index out of bounds on others.
template <class T>
bool all_finite(const T* a, int64_t n) {
  constexpr int64_t kTask = 1 << 17;
  std::atomic<bool> finite{true};
  parallel_for(n, kTask, [&](int64_t begin, int64_t end) {
    if (!part_is_finite(a + begin, end - begin)) finite.store(false, std::memory_order_relaxed);
  });
  return finite;
}

// Whether n elements `step` apart are +0; in lanes, so that the compiler makes vectors of them.
template <class T>
bool all_zero(const T* p, int64_t step, int64_t n) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  constexpr int64_t kLanes = 16;
  Bits bits[kLanes] = {};
  int64_t i = 0;
  for (; step == 1 && i + kLanes <= n; i += kLanes) {
    for (int64_t l = 0; l < kLanes; ++l) bits[l] |= std::bit_cast<Bits>(p[i + l]);
  }
  for (; i < n; ++i) bits[0] |= std::bit_cast<Bits>(p[i * step]);
  return std::all_of(bits, bits + kLanes, [](Bits b) { return b == 0; });
}

// Ends at the first row that differs, so that other matrices cost nothing.
template <class T>
bool is_identity(MatrixRef<const T> a, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const T *row = a.data + i * a.row_step, *one = row + i * a.column_step;
    if (*one != T(1) || !all_zero(row, a.column_step, i)) return false;
    if (!all_zero(one + a.column_step, a.column_step, n - i - 1)) return false;
  }
  return true;
}

template <class T>
constexpr T not_a_number() {
  using R = lapack::Real<T>;
  constexpr R nan = std::numeric_limits<R>::quiet_NaN();
  if constexpr (lapack::kComplex<T>) return T(nan, nan);
  return T(nan);
}

// The first matrix of a batch that cannot be factorized, whichever thread finds it.
class FirstFailure {
 public:
  void add(int64_t index, int64_t info) {
    std::lock_guard lock(mutex_);
    if (index < index_) {
      index_ = index;
      info_ = info;
    }
  }
  // raise(index, info) if there is one.
  template <class F>
  void report(F raise) const {
    if (index_ != kNone) raise(index_, info_);
  }

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  std::mutex mutex_;
  int64_t index_ = kNone, info_ = 0;
};

// " of the batch" only where there is one.
inline std::string which_matrix(int64_t index, int64_t count) {
  return count == 1 ? std::string() : message(" in matrix ", index, " of the batch");
}

}  // namespace olivine::cpu
