// Structures of sparse matrices: reading and checking them, and transposing by counting.
#include "backends/cpu/sparse.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/size.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kRangeWork = 1 << 17;    // multiplications of a range of rows
constexpr int64_t kNarrowGrain = 1 << 16;  // indices
constexpr int64_t kMostSlices = 8;         // of the nonzeros, when transposing

int64_t batch_size(const View& v) { return v.shape.size() == 2 ? v.shape[0] : 1; }

// Elements of row b of (B, n) or (n,).
template <class T>
const T* row_of(const View& v, int64_t b) {
  return v.as<const T>() + (batch_size(v) == 1 ? 0 : b * v.shape.back());
}

int64_t converted_count(const View& v, Dtype to) { return v.dtype == to ? 0 : v.shape.back(); }

}  // namespace

void CsrRows::check_indices(int64_t first, int64_t last) const {
  uint32_t largest = 0;  // negative indices are large ones
  for (int64_t p = first; p < last; ++p) {
    largest = std::max(largest, static_cast<uint32_t>(indices[p]));
  }
  if (first == last || int64_t{largest} < columns) return;
  fail<std::out_of_range>("[", op, "] expected indices in [0, ", columns, "); got ",
                          static_cast<int32_t>(largest));
}

CsrStructure::CsrStructure(const char* op, const View& indices, const View& indptr, int64_t b,
                           int64_t columns)
    : begin_(converted_count(indptr, int64), sizeof(int64_t)),
      indices_(converted_count(indices, int32), sizeof(int32_t)) {
  const int64_t rows = indptr.shape.back() - 1, nnz = indices.shape.back();
  const int64_t* begin = row_of<int64_t>(indptr, b);
  bool falls = false;
  if (indptr.dtype == int32) {
    const int32_t* from = row_of<int32_t>(indptr, b);
    int64_t* to = static_cast<int64_t*>(begin_.data());
    begin = to;
    to[0] = from[0];
    for (int64_t i = 1; i <= rows; ++i) {
      falls |= from[i] < from[i - 1];
      to[i] = from[i];
    }
  } else {
    for (int64_t i = 0; i < rows; ++i) falls |= begin[i + 1] < begin[i];
  }
  falls |= begin[0] < 0;
  if (falls || begin[rows] > nnz) {
    fail("[", op, "] expected an indptr that rises from 0 or more to at most ", nnz, "; got one ",
         falls ? "that does not" : "that ends at ", falls ? "" : std::to_string(begin[rows]));
  }
  rows_ = {op, rows, columns, begin, row_of<int32_t>(indices, b)};
  if (indices.dtype == int32) return;
  const int64_t* from = row_of<int64_t>(indices, b);
  int32_t* to = static_cast<int32_t*>(indices_.data());
  parallel_for(nnz, kNarrowGrain, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      if (from[p] < 0 || from[p] >= columns) {
        // Padding after the last row is not looked at.
        if (p >= begin[0] && p < begin[rows]) {
          fail<std::out_of_range>("[", op, "] expected indices in [0, ", columns, "); got ",
                                  from[p]);
        }
      }
      to[p] = static_cast<int32_t>(from[p]);
    }
  });
  rows_.indices = to;
}

RowRanges::RowRanges(const CsrRows& m, int64_t cost, int64_t most) : m_(m) {
  const int64_t work = m.begin[m.rows] - m.begin[0] + m.rows;
  part_ = std::max(kRangeWork / std::max<int64_t>(cost, 1) + 1, (work - 1) / most + 1);
  count_ = m.rows == 0 ? 0 : (work + part_ - 1) / part_;
}

int64_t RowRanges::first(int64_t range) const {
  if (range == count_) return m_.rows;
  // The first row with at least range * part_ nonzeros and rows before it.
  int64_t low = 0, high = m_.rows;
  while (low < high) {
    const int64_t mid = (low + high) / 2;
    if (m_.begin[mid] - m_.begin[0] + mid < range * part_) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return low;
}

namespace {

// Calls run(index, first, count) for each run of equal indices among the nonzeros [first, last).
template <class F>
void for_runs(const int32_t* indices, int64_t first, int64_t last, F run) {
  for (int64_t p = first; p < last;) {
    const int32_t index = indices[p];
    int64_t end = p + 1;
    while (end < last && indices[end] == index) ++end;
    run(index, p, static_cast<int32_t>(end - p));
    p = end;
  }
}

// From how many nonzeros of each column each slice has to where it puts the first of them.
void counts_to_places(int32_t* counts, int64_t slices, int64_t columns, int64_t* begin) {
  std::fill(begin, begin + columns + 1, int64_t{0});
  for (int64_t s = 0; s < slices; ++s) {
    for (int64_t c = 0; c < columns; ++c) begin[c + 1] += counts[s * columns + c];
  }
  for (int64_t c = 0; c < columns; ++c) begin[c + 1] += begin[c];
  ScratchBytes memory(columns, sizeof(int32_t));
  int32_t* at = static_cast<int32_t*>(memory.data());
  std::transform(begin, begin + columns, at, [](int64_t n) { return static_cast<int32_t>(n); });
  for (int64_t s = 0; s < slices; ++s) {
    for (int64_t c = 0; c < columns; ++c) {
      const int32_t count = std::exchange(counts[s * columns + c], at[c]);
      at[c] += count;
    }
  }
}

// Nonzeros [first, last), each column's from next[column] on.
void place_nonzeros(const CsrRows& m, int64_t first, int64_t last, int32_t* next, int32_t* order,
                    int32_t* rows) {
  int64_t row = std::upper_bound(m.begin, m.begin + m.rows, first) - m.begin - 1;
  for (int64_t p = first; p < last; ++row) {
    const int64_t end = std::min(last, m.begin[row + 1]);
    for_runs(m.indices, p, end, [&](int32_t column, int64_t from, int32_t count) {
      const int32_t at = std::exchange(next[column], next[column] + count);
      for (int32_t k = 0; k < count; ++k) {
        order[at + k] = static_cast<int32_t>(from) + k;
        rows[at + k] = static_cast<int32_t>(row);
      }
    });
    p = std::max(p, end);
  }
}

}  // namespace

void transpose_structure(const CsrRows& m, int64_t* begin, int32_t* order, int32_t* rows) {
  const int64_t start = m.begin[0], nnz = m.begin[m.rows] - start;
  if (nnz > INT32_MAX) fail("[", m.op, "] expected fewer than 2^31 nonzeros; got ", nnz);
  const int64_t slices =
      std::clamp<int64_t>(nnz / std::max<int64_t>(4 * m.columns, kNarrowGrain), 1, kMostSlices);
  auto first = [&](int64_t slice) { return start + nnz * slice / slices; };
  ScratchBytes memory(checked_mul(slices, m.columns), sizeof(int32_t));
  int32_t* next = static_cast<int32_t*>(memory.data());
  parallel_for(slices, 1, [&](int64_t from, int64_t to) {
    for (int64_t s = from; s < to; ++s) {
      int32_t* counts = next + s * m.columns;
      std::fill(counts, counts + m.columns, 0);
      m.check_indices(first(s), first(s + 1));
      for_runs(m.indices, first(s), first(s + 1),
               [&](int32_t column, int64_t, int32_t count) { counts[column] += count; });
    }
  });
  counts_to_places(next, slices, m.columns, begin);
  parallel_for(slices, 1, [&](int64_t from, int64_t to) {
    for (int64_t s = from; s < to; ++s) {
      place_nonzeros(m, first(s), first(s + 1), next + s * m.columns, order, rows);
    }
  });
}

}  // namespace olivine::cpu
