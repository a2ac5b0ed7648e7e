// Products of matrices so small that packing them would take longer than it saves.
//
// a is read where it lies, and so is b if its rows are contiguous; else b alone is packed. Halves
// are widened first, a in its own layout. Sums are those of the packed method, in one block along
// k, so they do not depend on how tasks share c.
#include <algorithm>

#include "backends/cpu/gemm/product.h"
#include "backends/cpu/scratch.h"
#include "core/size.h"
#include "runtime/counted_bytes.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kMostBytes = 1 << 16;        // of b
constexpr int64_t kMostNarrowBytes = 1 << 20;  // of b, if there are several blocks along k
constexpr int64_t kChunkBytes = 1 << 16;       // of a and c, so that they stay in the L2 cache
constexpr double kTaskFlops = 0.8e6;           // at least
constexpr int64_t kTasksPerThread = 8;         // at most

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t padded(int64_t bytes) { return (bytes + 127) / 64 * 64; }
int64_t item(const Product& p) { return static_cast<int64_t>(p.args.dtype.size()); }
bool widens(const Product& p) { return item(p) != p.kernels.packed_size * p.kernels.parts; }
// Columns of c that a panel holds.
int64_t panel_cols(const Product& p) { return p.kernels.nr / p.kernels.parts; }
bool packs_b(const Product& p) { return p.args.b.col_stride != 1 || widens(p); }

// Rows of a that are multiplied before the next ones, and what comes of them.
int64_t chunk_rows(const Product& p, int64_t rows, int64_t cols) {
  const int64_t k = std::min<int64_t>(p.args.k, p.kernels.k_block);
  const int64_t row_bytes = (k + cols) * p.kernels.packed_size * p.kernels.parts;
  const int64_t chunks =
      std::clamp<int64_t>(rows * row_bytes / kChunkBytes, 1, ceil_div(rows, p.kernels.mr));
  return ceil_div(rows, chunks);
}

// Scratch: packed columns of b, widened rows of a, and sums that are not the result yet.
struct Layout {
  Layout(const Product& p, int64_t rows, int64_t cols) {
    const GemmKernels& k = p.kernels;
    chunk = chunk_rows(p, rows, cols);
    const int64_t panels = ceil_div(cols, panel_cols(p));
    a = packs_b(p) ? padded(panels * k.nr * p.args.k * k.packed_size) : 0;
    sums = a + (widens(p) ? padded(chunk * p.args.k * k.packed_size) : 0);
    bytes = sums + (p.is_plain() ? 0 : checked_mul(chunk, cols * k.parts * k.packed_size));
  }
  int64_t chunk;
  int64_t a, sums, bytes;  // where they begin and end
};

// A part of c, with scratch for it.
struct Part {
  int64_t row, rows, col, cols;
  char* scratch;
  const Operands* next;  // of the product to come, or null
};

// Columns of b in panels of nr.
void pack_columns(const Product& p, const Part& part, DirectArgs& direct) {
  const int64_t nr = p.kernels.nr, step = panel_cols(p);
  const Matrix& b = p.args.b;
  for (int64_t col = 0; col < part.cols; col += step) {
    p.kernels.pack_b({
        .src = p.at.b + item(p) * (part.col + col) * b.col_stride,
        .line_stride = b.col_stride,
        .k_stride = b.row_stride,
        .width = std::min(step, part.cols - col),
        .packed_width = nr,
        .k = p.args.k,
        .dst = part.scratch + p.kernels.packed_size * col / step * nr * p.args.k,
    });
  }
  direct.b = part.scratch;
  direct.b_step = nr;
  direct.b_panel = nr * p.args.k;
}

void widen_rows(const Product& p, char* to, DirectArgs& direct) {
  const Matrix& a = p.args.a;
  const int64_t k = p.args.k;
  PackArgs args{direct.a, 1, a.row_stride, k, k, direct.rows, to};
  direct.a_row = k;
  direct.a_step = 1;
  if (a.col_stride == 1 && a.row_stride == k) {
    args.width = args.packed_width = k * direct.rows;
    args.k = 1;
  } else if (a.col_stride != 1) {
    args = {direct.a, a.row_stride, a.col_stride, direct.rows, direct.rows, k, to};
    direct.a_row = 1;
    direct.a_step = direct.rows;
  }
  p.kernels.pack_a(args);
  direct.a = to;
}

// What to fetch meanwhile: `rows` rows of a and c that come next, and b if it changes.
void fetch_next(const Product& p, const Operands& next, int64_t rows, int64_t cols,
                DirectArgs& direct) {
  const GemmArgs& args = p.args;
  const int64_t size = item(p);
  const auto dense = [&](const char* data, int64_t r, int64_t c, const Matrix& x) {
    const bool fills = (x.col_stride == 1 && x.row_stride == c) ||
                       (x.row_stride == 1 && x.col_stride == r && r == args.m);
    return DirectArgs::Range{data, fills ? r * c * size : 0};
  };
  direct.ahead[0] = dense(next.a, rows, args.k, args.a);
  if (next.b != p.at.b) direct.ahead[1] = dense(next.b, args.k, args.n, args.b);
  if (cols == args.n) direct.ahead[2] = dense(next.c, rows, cols, {nullptr, args.c_row_stride, 1});
}

// One block along k after the other; each fetches its share.
void multiply_blocks(const Product& p, const DirectArgs& all, void (*multiply)(const DirectArgs&)) {
  const int64_t blocks = ceil_div(all.k, p.kernels.k_block);
  if (blocks == 1) return multiply(all);
  DirectArgs args = all;
  const bool adds = all.accumulate;
  const auto at = [&](const void* from, int64_t elements) {
    return static_cast<const char*>(from) + elements * p.kernels.packed_size;
  };
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t begin = block_bound(i, blocks, all.k);
    args.k = block_bound(i + 1, blocks, all.k) - begin;
    args.a = at(all.a, begin * all.a_step);
    args.b = at(all.b, begin * all.b_step);
    args.accumulate = adds || i > 0;
    for (int j = 0; j < 3; ++j) {
      const int64_t first = split(i, blocks, all.ahead[j].bytes);
      args.ahead[j] = {all.ahead[j].begin + first,
                       split(i + 1, blocks, all.ahead[j].bytes) - first};
    }
    multiply(args);
  }
}

// A few rows at a time, so that those to come can be fetched.
void multiply_part(const Product& p, const Part& part) {
  const GemmArgs& args = p.args;
  const int64_t size = item(p), end = part.row + part.rows, parts = p.kernels.parts;
  const Layout layout(p, part.rows, part.cols);
  DirectArgs direct{
      .a = nullptr,
      .b = p.at.b + size * part.col * args.b.col_stride,
      .a_row = args.a.row_stride * parts,
      .a_step = args.a.col_stride * parts,
      .b_step = args.b.row_stride * parts,
      .b_panel = p.kernels.nr,
      .rows = 0,
      .cols = part.cols * parts,
      .k = args.k,
      .c = nullptr,
      .c_row = args.c_row_stride * parts,
      .accumulate = p.accumulates(),
      .subtract = p.accumulates() && args.alpha == -1,
      .ahead = {},
  };
  if (packs_b(p)) pack_columns(p, part, direct);
  for (int64_t row = part.row; row < end; row += direct.rows) {
    direct.rows = std::min(layout.chunk, end - row);
    direct.a = p.at.a + size * row * args.a.row_stride;
    direct.c = p.at.c + size * (row * args.c_row_stride + part.col);
    const int64_t next_row = row + direct.rows;
    if (next_row < end) {
      const Operands next{p.at.a + size * next_row * args.a.row_stride, p.at.b,
                          p.at.c + size * next_row * args.c_row_stride, nullptr};
      fetch_next(p, next, std::min(direct.rows, end - next_row), part.cols, direct);
    } else {
      direct.ahead[0] = direct.ahead[1] = direct.ahead[2] = {};
      if (part.next) fetch_next(p, *part.next, layout.chunk, part.cols, direct);
    }
    if (widens(p)) widen_rows(p, part.scratch + layout.a, direct);
    if (p.is_plain()) {
      multiply_blocks(p, direct, p.kernels.multiply_direct);
      continue;
    }
    direct.c = part.scratch + layout.sums;
    direct.c_row = part.cols * parts;
    multiply_blocks(p, direct, p.kernels.sum_direct);
    finish(p, direct.c, direct.c_row, row, direct.rows, part.col, part.cols);
  }
}

}  // namespace

bool suits_direct(const Product& p) {
  const GemmArgs& args = p.args;
  const GemmKernels& kernels = p.kernels;
  if (args.k <= 0) return false;
  const double b_bytes = static_cast<double>(args.k) *
                         static_cast<double>(args.n * kernels.packed_size * kernels.parts);
  if (args.k <= kernels.k_block) return b_bytes <= kMostBytes;
  // Each element of a, packed, would be used for a panel or two.
  return !widens(p) && args.a.col_stride == 1 && args.b.col_stride == 1 &&
         args.n <= 2 * panel_cols(p) && b_bytes <= kMostNarrowBytes;
}

int64_t direct_scratch(const Product& p) { return Layout(p, p.args.m, p.args.n).bytes; }

void multiply_direct(const Product& p, const Operands& next, char* scratch) {
  multiply_part(p, {0, p.args.m, 0, p.args.n, scratch, &next});
}

namespace {

// Columns are shared out first if they are packed, so that each is packed once.
struct DirectTasks {
  DirectTasks(const Product& p, int64_t threads)
      : row_panels(ceil_div(p.args.m, p.kernels.mr)),
        col_panels(ceil_div(p.args.n, panel_cols(p))) {
    int64_t tasks = static_cast<int64_t>(
        std::clamp(p.flops() / kTaskFlops, 1.0, static_cast<double>(kTasksPerThread * threads)));
    if (tasks > threads) tasks -= tasks % threads;
    if (packs_b(p) || row_panels < tasks) cols = std::min(tasks, col_panels);
    rows = std::min(ceil_div(tasks, cols), row_panels);
  }
  int64_t row_panels, col_panels;
  int64_t rows = 1, cols = 1;  // tasks
};

}  // namespace

int64_t direct_workspace(const Product& p, int64_t threads) {
  const DirectTasks tasks(p, threads);
  const int64_t rows = ceil_div(p.args.m, tasks.rows);
  const int64_t cols = ceil_div(tasks.col_panels, tasks.cols) * panel_cols(p);
  const int64_t bytes = Layout(p, rows, std::min(cols, p.args.n)).bytes;
  const int64_t at_once = std::min(threads, tasks.rows * tasks.cols);
  return bytes == 0 ? 0 : at_once * static_cast<int64_t>(counted_bytes(size_t(bytes)));
}

void multiply_direct(const Product& p) {
  const int64_t m = p.args.m, n = p.args.n, panel = panel_cols(p);
  const DirectTasks tasks(p, thread_count());
  const int64_t row_tasks = tasks.rows, col_tasks = tasks.cols, col_panels = tasks.col_panels;
  parallel_for(row_tasks * col_tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t i = t / col_tasks, j = t % col_tasks;
      Part part{};
      part.row = split(i, row_tasks, m);
      part.rows = split(i + 1, row_tasks, m) - part.row;
      part.col = split(j, col_tasks, col_panels) * panel;
      part.cols = std::min(split(j + 1, col_tasks, col_panels) * panel, n) - part.col;
      ScratchBytes scratch(Layout(p, part.rows, part.cols).bytes, 1);
      part.scratch = static_cast<char*>(scratch.data());
      multiply_part(p, part);
    }
  });
}

}  // namespace olivine::cpu
