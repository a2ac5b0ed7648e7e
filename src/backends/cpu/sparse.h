// What the kernels of sparse matrices share: their structure, checked, and how rows are divided.
#pragma once

#include <cstdint>

#include "backends/backend.h"
#include "backends/cpu/scratch.h"

namespace olivine::cpu {

// One sparse matrix of `rows` block rows: row i has the nonzeros [begin[i], begin[i + 1]), each at
// block column indices[p].
struct CsrRows {
  const char* op;
  int64_t rows, columns;
  const int64_t* begin;
  const int32_t* indices;

  int64_t count(int64_t row) const { return begin[row + 1] - begin[row]; }
  // Throws unless the indices of these nonzeros are in range.
  void check_indices(int64_t first, int64_t last) const;
};

// The structure in `indices` and `indptr` (row b of each, or the only one), in 32 and 64 bits. The
// starts of rows are checked; indices only where they had to be converted, else by who reads them.
class CsrStructure {
 public:
  CsrStructure(const char* op, const View& indices, const View& indptr, int64_t b, int64_t columns);
  const CsrRows& rows() const { return rows_; }

 private:
  CsrRows rows_;
  ScratchBytes begin_, indices_;
};

// Rows in at most `most` ranges of about equal work, each nonzero costing `cost`: range i is
// [first(i), first(i + 1)). They depend on the structure alone.
class RowRanges {
 public:
  RowRanges(const CsrRows& m, int64_t cost, int64_t most = INT64_MAX);
  int64_t count() const { return count_; }
  int64_t first(int64_t range) const;

 private:
  const CsrRows& m_;
  int64_t count_, part_;  // nonzeros and rows of a range
};

// The transpose: begin[columns + 1], and for each of its nonzeros in order the position in m and
// the row of m. Rows are in order within each column, whatever the number of threads. Throws from
// 2^31 nonzeros on.
void transpose_structure(const CsrRows& m, int64_t* begin, int32_t* order, int32_t* rows);

}  // namespace olivine::cpu
