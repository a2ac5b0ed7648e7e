// Products of two sparse matrices, their structures, and transposed structures.
//
// A row of a product is gathered in a dense one: of marks for its structure, of sums for its
// values. Rows of few products in wide matrices are sorted instead of marked.
#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "backends/cpu/kernel_table.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/sparse.h"
#include "core/error.h"
#include "core/size.h"
#include "ops/sparse_params.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kMostRanges = 64;  // each has a dense row of its own
constexpr int64_t kMostSums = 16;
constexpr int64_t kWide = 16;  // columns per product from which rows are sparse to us too

int64_t mean_count(const CsrRows& m) {
  return m.rows ? (m.begin[m.rows] - m.begin[0]) / m.rows + 1 : 1;
}

// All nonzeros k of row i of a, each with all nonzeros of row k of b.
int64_t products_of_row(const CsrRows& a, const CsrRows& b, int64_t i) {
  int64_t n = 0;
  for (int64_t p = a.begin[i]; p < a.begin[i + 1]; ++p) n += b.count(a.indices[p]);
  return n;
}

void check_all_indices(const CsrRows& m) {
  const RowRanges ranges(m, 1);
  parallel_for(ranges.count(), 1, [&](int64_t from, int64_t to) {
    m.check_indices(m.begin[ranges.first(from)], m.begin[ranges.first(to)]);
  });
}

// ---- Structures

// The columns of one row of a @ b, in order.
class RowColumns {
 public:
  RowColumns(const CsrRows& a, const CsrRows& b)
      : a_(a), b_(b), words_(b.columns / 8 + 1), memory_(words_, 8) {
    marks_ = static_cast<uint8_t*>(memory_.data());
    std::fill(marks_, marks_ + 8 * words_, uint8_t{0});
  }

  // Calls visit(column) for each.
  template <class F>
  void visit(int64_t i, F&& visit) {
    if (products_of_row(a_, b_, i) < b_.columns / kWide) {
      sorted_.clear();
      for_products(i, [&](int32_t column) { sorted_.push_back(column); });
      std::sort(sorted_.begin(), sorted_.end());
      const auto end = std::unique(sorted_.begin(), sorted_.end());
      std::for_each(sorted_.begin(), end, visit);
      return;
    }
    for_products(i, [&](int32_t column) { marks_[column] = 1; });
    for (int64_t w = 0; w < words_; ++w) {
      uint64_t word;
      std::memcpy(&word, marks_ + 8 * w, 8);
      if (word == 0) continue;
      std::memset(marks_ + 8 * w, 0, 8);
      // The first bits of the bytes, gathered into one byte.
      for (uint64_t bits = (word * 0x0102040810204080) >> 56; bits; bits &= bits - 1) {
        visit(static_cast<int32_t>(8 * w + __builtin_ctzll(bits)));
      }
    }
  }

 private:
  template <class F>
  void for_products(int64_t i, F f) const {
    for (int64_t p = a_.begin[i]; p < a_.begin[i + 1]; ++p) {
      const int64_t k = a_.indices[p];
      for (int64_t q = b_.begin[k]; q < b_.begin[k + 1]; ++q) f(b_.indices[q]);
    }
  }

  const CsrRows &a_, &b_;
  const int64_t words_;
  ScratchBytes memory_;
  uint8_t* marks_;
  std::vector<int32_t> sorted_;
};

// The operands of a product, with checked indices.
struct Operands {
  CsrStructure first, second;
  const CsrRows &a, &b;
  Operands(const char* op, const KernelCall& c, size_t at, int64_t columns)
      : first(op, c.in[at], c.in[at + 1], 0, c.in[at + 3].shape[0] - 1),
        second(op, c.in[at + 2], c.in[at + 3], 0, columns),
        a(first.rows()),
        b(second.rows()) {
    check_all_indices(a);
    check_all_indices(b);
  }
};

void csr_pattern_count(const KernelCall& c) {
  const Operands m("csr_pattern", c, 0, c.as<SparseColumnsParams>().columns);
  int64_t* begin = c.out[0].as<int64_t>();
  const RowRanges ranges(m.a, mean_count(m.b), kMostRanges);
  parallel_for(ranges.count(), 1, [&](int64_t from, int64_t to) {
    RowColumns row(m.a, m.b);
    for (int64_t i = ranges.first(from); i < ranges.first(to); ++i) {
      int64_t count = 0;
      row.visit(i, [&](int32_t) { ++count; });
      begin[i + 1] = count;
    }
  });
  begin[0] = 0;
  for (int64_t i = 0; i < m.a.rows; ++i) begin[i + 1] += begin[i];
}

void csr_pattern(const KernelCall& c) {
  const auto& p = c.as<SparsePatternParams>();
  const Operands m("csr_pattern", c, 0, p.columns);
  const int64_t* begin = c.in[4].as<int64_t>();
  const int64_t total = begin[m.a.rows];
  if (total > p.nnz) {
    fail("[csr_pattern] expected at most ", p.nnz, " nonzeros; got ", total);
  }
  // A file may have made them up.
  if (begin[0] != 0 || !std::is_sorted(begin, begin + m.a.rows + 1)) {
    fail("[csr_pattern] expected counts that rise from 0; got others");
  }
  int32_t* out = c.out[0].as<int32_t>();
  const RowRanges ranges(m.a, mean_count(m.b), kMostRanges);
  parallel_for(ranges.count(), 1, [&](int64_t from, int64_t to) {
    RowColumns row(m.a, m.b);
    for (int64_t i = ranges.first(from); i < ranges.first(to); ++i) {
      int32_t *at = out + begin[i], *end = out + begin[i + 1];
      row.visit(i, [&](int32_t column) {
        if (at < end) *at++ = column;
      });
      std::fill(at, end, 0);
    }
  });
  std::fill(out + total, out + p.nnz, 0);
}

// ---- Values

template <class T>
T product_of(T x, T y) {
  return x * y;
}
template <class F>
ComplexElement<F> product_of(ComplexElement<F> x, ComplexElement<F> y) {
  return {x.real() * y.real() - x.imag() * y.imag(), x.real() * y.imag() + x.imag() * y.real()};
}
template <class T>
using Sum =
    std::conditional_t<std::is_same_v<T, float16_t> || std::is_same_v<T, bfloat16_t>, float, T>;

template <class T>
class Triple {
  using A = Sum<T>;

 public:
  Triple(const KernelCall& c)
      : m_("csr_csr_matmul", c, 2, c.as<SparseTripleParams>().columns),
        third_("csr_csr_matmul", c.in[6], c.in[7], 0, c.as<SparseTripleParams>().columns),
        a_(m_.a),
        b_(m_.b),
        c_(third_.rows()),
        x_(c.in[0].as<const T>()),
        y_(c.in[1].as<const T>()),
        out_(c.out[0].as<T>()),
        size_(c.out[0].shape[0]) {
    check_all_indices(c_);
  }

  void run(int wanted) {
    std::fill(out_, out_ + size_, T{});  // what belongs to no row
    if (wanted == 1) return second();
    const RowRanges ranges(a_, mean_count(b_), kMostRanges);
    parallel_for(ranges.count(), 1, [&](int64_t from, int64_t to) {
      DenseRow row(b_.columns);
      for (int64_t i = ranges.first(from); i < ranges.first(to); ++i) {
        wanted == 0 ? first_row(row.sums, i) : third_row(row.sums, i);
      }
    });
  }

 private:
  struct DenseRow {
    ScratchBytes memory;
    A* sums;
    explicit DenseRow(int64_t columns)
        : memory(columns, sizeof(A)), sums(static_cast<A*>(memory.data())) {
      std::fill(sums, sums + columns, A{});
    }
  };
  static A wide(T x) { return static_cast<A>(x); }

  // Of c, from the values of a and b.
  void third_row(A* sums, int64_t i) {
    if (c_.count(i) == 0) return;
    for (int64_t p = a_.begin[i]; p < a_.begin[i + 1]; ++p) {
      const A by = wide(x_[p]);
      const int64_t k = a_.indices[p];
      for (int64_t q = b_.begin[k]; q < b_.begin[k + 1]; ++q) {
        sums[b_.indices[q]] += product_of(by, wide(y_[q]));
      }
    }
    for (int64_t s = c_.begin[i]; s < c_.begin[i + 1]; ++s) {
      out_[s] = static_cast<T>(sums[c_.indices[s]]);
    }
    if (products_of_row(a_, b_, i) >= b_.columns / kWide) {
      std::fill(sums, sums + b_.columns, A{});
      return;
    }
    for (int64_t p = a_.begin[i]; p < a_.begin[i + 1]; ++p) {
      const int64_t k = a_.indices[p];
      for (int64_t q = b_.begin[k]; q < b_.begin[k + 1]; ++q) sums[b_.indices[q]] = A{};
    }
  }

  void spread(A* sums, int64_t i, bool clear) const {
    for (int64_t s = c_.begin[i]; s < c_.begin[i + 1]; ++s) {
      A& sum = sums[c_.indices[s]];
      sum = clear ? A{} : sum + wide(y_[s]);
    }
  }

  // Of a, from the values of b and c.
  void first_row(A* sums, int64_t i) {
    spread(sums, i, false);
    for (int64_t p = a_.begin[i]; p < a_.begin[i + 1]; ++p) {
      const int64_t k = a_.indices[p];
      A sum{};
      for (int64_t q = b_.begin[k]; q < b_.begin[k + 1]; ++q) {
        sum += product_of(wide(x_[q]), sums[b_.indices[q]]);
      }
      out_[p] = static_cast<T>(sum);
    }
    spread(sums, i, true);
  }

  // Of b, from the values of a and c: ranges of rows add into sums of their own, which are added
  // up.
  void second() {
    const RowRanges ranges(a_, mean_count(b_), kMostSums);
    ScratchBytes memory(checked_mul(ranges.count(), size_), sizeof(A));
    A* parts = static_cast<A*>(memory.data());
    parallel_for(ranges.count(), 1, [&](int64_t from, int64_t to) {
      DenseRow row(b_.columns);
      for (int64_t r = from; r < to; ++r) {
        A* part = parts + r * size_;
        std::fill(part, part + size_, A{});
        for (int64_t i = ranges.first(r); i < ranges.first(r + 1); ++i) {
          add_second(row.sums, i, part);
        }
      }
    });
    parallel_for(size_, 1 << 14, [&](int64_t from, int64_t to) {
      for (int64_t q = from; q < to; ++q) {
        A sum{};
        for (int64_t r = 0; r < ranges.count(); ++r) sum += parts[r * size_ + q];
        out_[q] = static_cast<T>(sum);
      }
    });
  }
  void add_second(A* sums, int64_t i, A* part) const {
    spread(sums, i, false);
    for (int64_t p = a_.begin[i]; p < a_.begin[i + 1]; ++p) {
      const A by = wide(x_[p]);
      const int64_t k = a_.indices[p];
      for (int64_t q = b_.begin[k]; q < b_.begin[k + 1]; ++q) {
        part[q] += product_of(by, sums[b_.indices[q]]);
      }
    }
    spread(sums, i, true);
  }

  const Operands m_;
  const CsrStructure third_;
  const CsrRows &a_, &b_, &c_;
  const T *x_, *y_;
  T* out_;
  const int64_t size_;
};

template <class T>
void csr_csr_matmul(const KernelCall& c) {
  Triple<T>(c).run(c.as<SparseTripleParams>().wanted);
}

// ---- Transposed structures

void csr_transpose(const KernelCall& c) {
  const int64_t columns = c.as<SparseColumnsParams>().columns, nnz = c.in[0].shape[0];
  const CsrStructure m("csr_transpose", c.in[0], c.in[1], 0, columns);
  const int64_t used = m.rows().begin[m.rows().rows] - m.rows().begin[0];
  int32_t *order = c.out[0].as<int32_t>(), *rows = c.out[1].as<int32_t>();
  transpose_structure(m.rows(), c.out[2].as<int64_t>(), order, rows);
  // What belongs to no row comes last.
  int64_t q = used;
  for (int64_t p = 0; p < nnz; ++p) {
    if (p >= m.rows().begin[0] && p < m.rows().begin[m.rows().rows]) continue;
    order[q] = static_cast<int32_t>(p);
    rows[q++] = 0;
  }
}

template <class T>
void add_product(KernelTable& table, Dtype dtype) {
  table.add("csr_csr_matmul", dtype, {.run = csr_csr_matmul<T>, .contiguous = 0xff});
}

}  // namespace

void register_sparse_product(KernelTable& table) {
  table.add_all("csr_transpose", {int32, int64}, {.run = csr_transpose, .contiguous = 0b11});
  table.add_all("csr_pattern_count", {int32, int64},
                {.run = csr_pattern_count, .contiguous = 0b1111});
  table.add_all("csr_pattern", {int32, int64}, {.run = csr_pattern, .contiguous = 0b11111});
  add_product<float16_t>(table, float16);
  add_product<bfloat16_t>(table, bfloat16);
  add_product<float>(table, float32);
  add_product<double>(table, float64);
  add_product<complex64_t>(table, complex64);
  add_product<complex128_t>(table, complex128);
}

}  // namespace olivine::cpu
