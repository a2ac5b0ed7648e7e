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
constexpr int64_t kLargestSlices = 16;     // of the rows, when transposing

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
  for (int64_t p = begin[first]; p < begin[last]; ++p) {
    largest = std::max(largest, static_cast<uint32_t>(indices[p]));
  }
  if (begin[first] == begin[last] || int64_t{largest} < columns) return;
  fail<std::out_of_range>("[", op, "] expected indices in [0, ", columns, "); got ",
                          static_cast<int32_t>(largest));
}

CsrStructure::CsrStructure(const char* op, const View& indices, const View& indptr, int64_t b,
                           int64_t columns)
    : begin_(converted_count(indptr, int64), sizeof(int64_t)),
      indices_(converted_count(indices, int32), sizeof(int32_t)) {
  const int64_t rows = indptr.shape.back() - 1, nnz = indices.shape.back();
  const int64_t* begin = row_of<int64_t>(indptr, b);
  if (indptr.dtype == int32) {
    const int32_t* from = row_of<int32_t>(indptr, b);
    std::copy(from, from + rows + 1, static_cast<int64_t*>(begin_.data()));
    begin = static_cast<const int64_t*>(begin_.data());
  }
  bool falls = begin[0] < 0;
  for (int64_t i = 0; i < rows; ++i) falls |= begin[i + 1] < begin[i];
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

void transpose_structure(const CsrRows& m, int64_t* begin, int32_t* order, int32_t* rows) {
  // Each slice of the rows counts its nonzeros per column; then it knows where those of a column
  // go.
  const int64_t nnz = m.begin[m.rows] - m.begin[0];
  const int64_t slices =
      std::clamp<int64_t>(nnz / std::max<int64_t>(4 * m.columns, kNarrowGrain), 1, kLargestSlices);
  ScratchBytes memory(checked_mul(slices, m.columns), sizeof(int64_t));
  int64_t* next = static_cast<int64_t*>(memory.data());
  auto first_row = [&](int64_t slice) {
    if (slice == slices) return m.rows;
    const int64_t* at =
        std::lower_bound(m.begin, m.begin + m.rows, m.begin[0] + nnz * slice / slices);
    return static_cast<int64_t>(at - m.begin);
  };
  parallel_for(slices, 1, [&](int64_t from, int64_t to) {
    for (int64_t s = from; s < to; ++s) {
      int64_t* counts = next + s * m.columns;
      std::fill(counts, counts + m.columns, int64_t{0});
      const int64_t first = first_row(s), last = first_row(s + 1);
      m.check_indices(first, last);
      for (int64_t p = m.begin[first]; p < m.begin[last]; ++p) ++counts[m.indices[p]];
    }
  });
  int64_t total = 0;
  for (int64_t c = 0; c < m.columns; ++c) {
    begin[c] = total;
    for (int64_t s = 0; s < slices; ++s) {
      total += std::exchange(next[s * m.columns + c], total);
    }
  }
  begin[m.columns] = total;
  parallel_for(slices, 1, [&](int64_t from, int64_t to) {
    for (int64_t s = from; s < to; ++s) {
      int64_t* at = next + s * m.columns;
      for (int64_t i = first_row(s); i < first_row(s + 1); ++i) {
        for (int64_t p = m.begin[i]; p < m.begin[i + 1]; ++p) {
          const int64_t q = at[m.indices[p]]++;
          order[q] = static_cast<int32_t>(p);
          rows[q] = static_cast<int32_t>(i);
        }
      }
    }
  });
}

}  // namespace olivine::cpu
