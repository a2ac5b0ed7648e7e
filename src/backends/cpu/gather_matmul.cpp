// gather_mm and segmented_mm: many products of selected matrices, arranged into few large ones.
//
// Products that share a matrix b become one product with more rows. Products that are added up
// become one with a longer inner axis, where stacking them costs less than writing each. Either way
// the arrangement depends on shapes and indices alone.
#include "backends/cpu/gather_matmul.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/tile.h"
#include "backends/kernel_errors.h"
#include "core/error.h"
#include "core/size.h"
#include "ops/matmul_params.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kEnoughRows = 64;  // of one product: more would not make it faster
constexpr double kLargeProduct = 1e8;

char* matrix_at(const View& v, int64_t i) {
  return v.as<char>() + i * v.strides[0] * static_cast<int64_t>(v.dtype.size());
}

// c (+)= a @ b for matrices at raw addresses.
void multiply(Dtype dtype, int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, void* c,
              int64_t c_row_stride, bool accumulate = false) {
  GemmArgs g;
  g.dtype = dtype;
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = a;
  g.b = b;
  g.c = c;
  g.c_row_stride = c_row_stride;
  if (accumulate) g.addend = {c, c_row_stride, 1};
  gemm(g);
}

// Runs body(group) for all groups: side by side, unless a product alone has work for all threads.
template <class F>
void for_groups(int64_t count, double flops, F body) {
  auto range = [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) body(g);
  };
  if (flops > kLargeProduct * static_cast<double>(count)) return range(0, count);
  parallel_for(count, std::max<int64_t>(1, static_cast<int64_t>(4e6 * double(count) / (flops + 1))),
               range);
}

class GatherMatmul {
 public:
  GatherMatmul(const KernelCall& c)
      : a_(c.in[0]),
        b_(c.in[1]),
        out_(c.out[0]),
        m_(a_.shape[1]),
        k_(a_.shape[2]),
        n_(b_.shape[2]),
        size_(static_cast<int64_t>(a_.dtype.size())),
        i_(read_indices(c.in[2], a_.shape[0], "gather_mm")),
        j_(read_indices(c.in[3], b_.shape[0], "gather_mm")) {}

  double flops() const {
    return 2.0 * double(m_) * double(n_) * double(k_) * static_cast<double>(i_.size());
  }

  // out[p] = a[i[p]] @ b[j[p]]
  void run_products(char* out) const {
    const IndexGroups groups(j_);
    for_groups(groups.count(), flops(), [&](int64_t g) {
      std::span<const int64_t> products = groups[g];
      if (m_ >= kEnoughRows || products.size() == 1) {
        for (int64_t p : products) run_product(p, out + p * m_ * n_ * size_);
      } else {
        run_rows(products, out);
      }
    });
  }

  // out[t[p]] += a[i[p]] @ b[j[p]]
  void run_sums(const View& targets) const {
    const std::vector<int64_t> t = read_indices(targets, out_.shape[0], "gather_mm");
    const IndexGroups groups(t);
    std::memset(out_.data, 0, static_cast<size_t>(out_.size() * size_));
    if (k_ * (m_ + n_) < m_ * n_) {
      for_groups(groups.count(), flops(), [&](int64_t g) { run_inner(groups[g], t); });
      return;
    }
    ScratchBytes scratch(checked_mul(static_cast<int64_t>(i_.size()), m_ * n_), size_);
    char* products = static_cast<char*>(scratch.data());
    run_products(products);
    parallel_for(groups.count(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g) {
        add_up(products, groups[g], matrix_at(out_, t[groups[g][0]]));
      }
    });
  }

 private:
  Matrix a_at(int64_t p) const { return {matrix_at(a_, i_[p]), a_.strides[1], a_.strides[2]}; }
  Matrix b_at(int64_t p) const { return {matrix_at(b_, j_[p]), b_.strides[1], b_.strides[2]}; }

  void run_product(int64_t p, void* out) const {
    multiply(a_.dtype, m_, n_, k_, a_at(p), b_at(p), out, n_);
  }

  // Products with one b, as one with all their rows.
  void run_rows(std::span<const int64_t> products, char* out) const {
    const int64_t count = static_cast<int64_t>(products.size());
    ScratchBytes left(checked_mul(count, m_ * k_), size_), sums(checked_mul(count, m_ * n_), size_);
    char *rows = static_cast<char*>(left.data()), *results = static_cast<char*>(sums.data());
    for (int64_t r = 0; r < count; ++r)
      stack(a_at(products[r]), m_, k_, rows + r * m_ * k_ * size_);
    multiply(a_.dtype, count * m_, n_, k_, {rows, k_, 1}, b_at(products[0]), results, n_);
    for (int64_t r = 0; r < count; ++r) {
      std::memcpy(out + products[r] * m_ * n_ * size_, results + r * m_ * n_ * size_,
                  static_cast<size_t>(m_ * n_ * size_));
    }
  }

  // Products that are added up, as one along all their inner axes.
  void run_inner(std::span<const int64_t> products, const std::vector<int64_t>& targets) const {
    const int64_t count = static_cast<int64_t>(products.size());
    char* out = matrix_at(out_, targets[products[0]]);
    if (count == 1) return run_product(products[0], out);
    ScratchBytes left(checked_mul(count, m_ * k_), size_),
        right(checked_mul(count, k_ * n_), size_);
    char *cols = static_cast<char*>(left.data()), *rows = static_cast<char*>(right.data());
    for (int64_t r = 0; r < count; ++r) {
      const Matrix a = a_at(products[r]);
      stack({a.data, a.col_stride, a.row_stride}, k_, m_, cols + r * k_ * m_ * size_);
      stack(b_at(products[r]), k_, n_, rows + r * k_ * n_ * size_);
    }
    multiply(a_.dtype, m_, n_, count * k_, {cols, 1, m_}, {rows, n_, 1}, out, n_);
  }

  void stack(const Matrix& from, int64_t rows, int64_t cols, void* to) const {
    const View in{
        const_cast<void*>(from.data), a_.dtype, {rows, cols}, {from.row_stride, from.col_stride}};
    copy_view(in, View{to, a_.dtype, {rows, cols}, {cols, 1}});
  }

  void add_up(const char* products, std::span<const int64_t> group, void* out) const {
    // A product with a row of ones adds up in the precision that products have.
    const int64_t size = m_ * n_, count = static_cast<int64_t>(group.size());
    if (count == 1) {
      std::memcpy(out, products + group[0] * size * size_, static_cast<size_t>(size * size_));
      return;
    }
    ScratchBytes stacked(checked_mul(count, size), size_), ones(count, size_);
    char* rows = static_cast<char*>(stacked.data());
    for (int64_t r = 0; r < count; ++r) {
      std::memcpy(rows + r * size * size_, products + group[r] * size * size_,
                  static_cast<size_t>(size * size_));
      set_one(static_cast<char*>(ones.data()) + r * size_);
    }
    multiply(a_.dtype, 1, size, count, {ones.data(), count, 1}, {rows, size, 1}, out, size);
  }

  void set_one(void* to) const {
    const float one = 1;
    const double wide_one = 1;
    const float16_t half = to_float16(1);
    const bfloat16_t brain = to_bfloat16(1);
    const void* from = a_.dtype == float64    ? static_cast<const void*>(&wide_one)
                       : a_.dtype == float16  ? static_cast<const void*>(&half)
                       : a_.dtype == bfloat16 ? static_cast<const void*>(&brain)
                                              : static_cast<const void*>(&one);
    std::memcpy(to, from, static_cast<size_t>(size_));
  }

  const View &a_, &b_, &out_;
  const int64_t m_, k_, n_, size_;
  const std::vector<int64_t> i_, j_;
};

void run_gather_mm(const KernelCall& c) {
  const GatherMatmul products(c);
  if (c.as<GatherMatmulParams>().count < 0) {
    if (c.out[0].size() > 0) products.run_products(c.out[0].as<char>());
  } else if (c.out[0].size() > 0) {
    products.run_sums(c.in[4]);
  }
}

// ---- segmented_mm

struct Segment {
  int64_t begin, end;
};
// Checked against the inner size; empty if reversed.
std::vector<Segment> read_segments(const View& v, int64_t size) {
  std::vector<Segment> segments;
  const int64_t* data = v.as<const int64_t>();
  for (int64_t i = 0; i < v.shape[0]; ++i) {
    Segment s{data[i * v.strides[0]], data[i * v.strides[0] + v.strides[1]]};
    if (s.begin < 0 || s.begin > size || s.end < 0 || s.end > size) {
      fail<std::out_of_range>("[segmented_mm] expected segments within [0, ", size, "]; got [",
                              s.begin, ", ", s.end, ")");
    }
    s.end = std::max(s.begin, s.end);
    segments.push_back(s);
  }
  return segments;
}

Matrix from_row(const View& v, int64_t row) {
  return {v.as<char>() + row * v.strides[0] * static_cast<int64_t>(v.dtype.size()), v.strides[0],
          v.strides[1]};
}

void run_segmented_mm(const KernelCall& c) {
  const View &a = c.in[0], &b = c.in[1], &out = c.out[0];
  const int64_t m = a.shape[0], n = b.shape[1], size = static_cast<int64_t>(a.dtype.size());
  const std::vector<Segment> segments = read_segments(c.in[2], a.shape[1]);
  const double flops = 2.0 * double(m) * double(n) * double(a.shape[1]);
  for_groups(static_cast<int64_t>(segments.size()), flops, [&](int64_t s) {
    const auto [begin, end] = segments[s];
    multiply(a.dtype, m, n, end - begin,
             {a.as<char>() + begin * a.strides[1] * size, a.strides[0], a.strides[1]},
             from_row(b, begin), out.as<char>() + s * m * n * size, n);
  });
}

// out[:, range s] += ct[s] @ b[range s]^T
void run_segmented_mm_adjoint(const KernelCall& c) {
  const View &ct = c.in[0], &b = c.in[1], &out = c.out[0];
  const int64_t m = out.shape[0], k = out.shape[1], size = static_cast<int64_t>(ct.dtype.size());
  const std::vector<Segment> segments = read_segments(c.in[2], k);
  std::memset(out.data, 0, static_cast<size_t>(out.size() * size));
  for (size_t s = 0; s < segments.size(); ++s) {
    const auto [begin, end] = segments[s];
    if (begin == end || b.shape[1] == 0) continue;
    const Matrix rows = from_row(b, begin);
    multiply(ct.dtype, m, end - begin, b.shape[1],
             {matrix_at(ct, static_cast<int64_t>(s)), ct.strides[1], ct.strides[2]},
             {rows.data, rows.col_stride, rows.row_stride}, out.as<char>() + begin * size, k, true);
  }
}

}  // namespace

std::vector<int64_t> read_indices(const View& v, int64_t size, const char* caller) {
  std::vector<int64_t> out(static_cast<size_t>(v.size()));
  const int64_t* data = v.as<const int64_t>();
  for (size_t p = 0; p < out.size(); ++p) {
    const int64_t given = data[static_cast<int64_t>(p) * v.strides[0]];
    out[p] = given < 0 ? given + size : given;
    if (out[p] < 0 || out[p] >= size) index_error(caller, given, 0, size, 1);
  }
  return out;
}

IndexGroups::IndexGroups(const std::vector<int64_t>& indices) : order_(indices.size()) {
  std::iota(order_.begin(), order_.end(), int64_t{0});
  std::stable_sort(order_.begin(), order_.end(),
                   [&](int64_t p, int64_t q) { return indices[p] < indices[q]; });
  for (size_t r = 0; r < order_.size(); ++r) {
    if (r == 0 || indices[order_[r]] != indices[order_[r - 1]]) first_.push_back(r);
  }
  first_.push_back(order_.size());
}

void register_gather_matmul(KernelTable& table) {
  auto dtypes = {float16, bfloat16, float32, float64};
  table.add_all("gather_mm", dtypes, {.run = run_gather_mm});
  table.add_all("segmented_mm", dtypes, {.run = run_segmented_mm});
  table.add_all("segmented_mm_adjoint", dtypes, {.run = run_segmented_mm_adjoint});
}

}  // namespace olivine::cpu
