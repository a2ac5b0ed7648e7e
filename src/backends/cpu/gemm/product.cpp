// One product: both operands are packed into panels, then tiles of c are computed from the panels.
#include "backends/cpu/gemm/product.h"

#include <algorithm>

#include "core/size.h"
#include "runtime/allocator.h"
#include "runtime/interrupt.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

// The packed operands of a block take up to about 24 MiB each.
constexpr int64_t kBlockLines = 2048;
constexpr int64_t kBlocksPerSlice = 8;
// A tile in panels, if that makes enough tiles: 120 rows and 256 columns of f32 in AVX-512.
constexpr int64_t kTileRowPanels = 10;
constexpr int64_t kTileColPanels = 8;
constexpr int64_t kTilesWanted = 24;
constexpr int64_t kPackGrain = 1 << 15;  // packed elements

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A block of c and a slice of k. Columns are packed ones (two per complex column); `steps` counts
// along packed k, and the sum of each block along k is added to c on its own.
class Block {
 public:
  Block(const Product& product, int64_t row, int64_t rows, int64_t col, int64_t cols);
  void run();

 private:
  int64_t k_bound(int64_t block) const;
  void choose_tiles();
  void pack(int64_t k_begin, int64_t k_end);
  void pack_rows(int64_t panel, int64_t k_begin, int64_t k_end) const;
  void pack_cols(int64_t panel, int64_t k_begin, int64_t k_end) const;
  void run_tile(int64_t tile, int64_t first_block, int64_t last_block) const;

  const Product& product_;
  const GemmArgs& args_;
  const GemmKernels& kernels_;
  const int64_t row_, rows_, col_, cols_;
  const int64_t row_panels_, col_panels_;
  const int64_t k_blocks_;
  const bool direct_;  // c itself holds the sums
  const bool serial_;
  int64_t row_tiles_ = 1, col_tiles_ = 1;
  BufferRef a_, b_;  // panels
  BufferRef sums_;   // of the whole block, when a tile cannot be finished at once
};

char* bytes(const BufferRef& buffer) { return static_cast<char*>(buffer->data); }

Block::Block(const Product& product, int64_t row, int64_t rows, int64_t col, int64_t cols)
    : product_(product),
      args_(product.args),
      kernels_(product.kernels),
      row_(row),
      rows_(rows),
      col_(col),
      cols_(cols),
      row_panels_(ceil_div(rows, kernels_.mr)),
      col_panels_(ceil_div(cols, kernels_.nr)),
      k_blocks_(ceil_div(args_.k * kernels_.parts, kernels_.k_block)),
      direct_(args_.dtype.size() >= 4 && args_.alpha == 1 && !product.at.addend),
      serial_(Product::is_small(product.flops())) {
  choose_tiles();
}

// Even, so that steps can be packed in pairs.
int64_t Block::k_bound(int64_t block) const {
  return block == k_blocks_ ? args_.k : split(block, k_blocks_, args_.k) / 2 * 2;
}

void Block::choose_tiles() {
  int64_t rows = kTileRowPanels, cols = kTileColPanels;
  for (;;) {
    row_tiles_ = ceil_div(row_panels_, rows);
    col_tiles_ = ceil_div(col_panels_, cols);
    if (row_tiles_ * col_tiles_ >= kTilesWanted || rows * cols <= 10) return;
    // Panels of columns are the wider ones, so this keeps tiles near square.
    if (rows >= 2 * cols) {
      rows = ceil_div(rows, 2);
    } else {
      cols /= 2;
    }
  }
}

void Block::run() {
  const int64_t slices = ceil_div(k_blocks_, kBlocksPerSlice);
  if (slices > 1 && !direct_) {
    sums_ = allocate(checked_mul(checked_mul(rows_, cols_), kernels_.packed_size));
  }
  const int64_t tiles = row_tiles_ * col_tiles_;
  for (int64_t s = 0; s < slices; ++s) {
    const int64_t first = split(s, slices, k_blocks_), last = split(s + 1, slices, k_blocks_);
    pack(k_bound(first), k_bound(last));
    parallel_for(tiles, serial_ ? tiles : 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) run_tile(t, first, last);
    });
  }
}

void Block::pack(int64_t k_begin, int64_t k_end) {
  const int64_t step_bytes = (k_end - k_begin) * kernels_.parts * kernels_.packed_size;
  const int64_t a_bytes = rows_ * step_bytes, b_bytes = col_panels_ * kernels_.nr * step_bytes;
  if (!a_ || static_cast<int64_t>(a_->bytes) < a_bytes) a_ = allocate(a_bytes);
  if (!b_ || static_cast<int64_t>(b_->bytes) < b_bytes) b_ = allocate(b_bytes);
  const int64_t panels = row_panels_ + col_panels_;
  const int64_t grain = ceil_div(kPackGrain, (k_end - k_begin) * kernels_.parts * kernels_.mr);
  parallel_for(panels, serial_ ? panels : grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (i < row_panels_) {
        pack_rows(i, k_begin, k_end);
      } else {
        pack_cols(i - row_panels_, k_begin, k_end);
      }
    }
  });
}

void Block::pack_rows(int64_t panel, int64_t k_begin, int64_t k_end) const {
  const int64_t row = split(panel, row_panels_, rows_);
  const int64_t rows = split(panel + 1, row_panels_, rows_) - row;
  const int64_t steps = (k_end - k_begin) * kernels_.parts;
  const int64_t first = (row_ + row) * args_.a.row_stride + k_begin * args_.a.col_stride;
  kernels_.pack_a({
      .src = product_.at.a + first * static_cast<int64_t>(args_.dtype.size()),
      .line_stride = args_.a.row_stride,
      .k_stride = args_.a.col_stride,
      .width = rows,
      .packed_width = rows,
      .k = k_end - k_begin,
      .dst = bytes(a_) + row * steps * kernels_.packed_size,
  });
}

void Block::pack_cols(int64_t panel, int64_t k_begin, int64_t k_end) const {
  const int64_t col = panel * kernels_.nr;
  const int64_t cols = std::min<int64_t>(kernels_.nr, cols_ - col);
  const int64_t steps = (k_end - k_begin) * kernels_.parts;
  const int64_t first =
      (col_ + col) / kernels_.parts * args_.b.col_stride + k_begin * args_.b.row_stride;
  kernels_.pack_b({
      .src = product_.at.b + first * static_cast<int64_t>(args_.dtype.size()),
      .line_stride = args_.b.col_stride,
      .k_stride = args_.b.row_stride,
      .width = cols / kernels_.parts,
      .packed_width = 2 * cols > kernels_.nr ? kernels_.nr : kernels_.nr / 2,
      .k = k_end - k_begin,
      .dst = bytes(b_) + col * steps * kernels_.packed_size,
  });
}

void Block::run_tile(int64_t tile, int64_t first_block, int64_t last_block) const {
  const int64_t i = tile % row_tiles_, j = tile / row_tiles_;
  const int64_t row_begin = split(i, row_tiles_, row_panels_);
  const int64_t row_end = split(i + 1, row_tiles_, row_panels_);
  const int64_t col_begin = split(j, col_tiles_, col_panels_);
  const int64_t col_end = split(j + 1, col_tiles_, col_panels_);
  const int64_t row = split(row_begin, row_panels_, rows_);
  const int64_t rows = split(row_end, row_panels_, rows_) - row;
  const int64_t col = col_begin * kernels_.nr;
  const int64_t cols = std::min(col_end * kernels_.nr, cols_) - col;

  BufferRef scratch;
  char* acc;
  int64_t stride;
  if (direct_) {
    stride = args_.c_row_stride * kernels_.parts;
    acc = product_.at.c + kernels_.packed_size * ((row_ + row) * stride + col_ + col);
  } else if (sums_) {
    stride = cols_;
    acc = bytes(sums_) + kernels_.packed_size * (row * stride + col);
  } else {
    stride = cols;
    scratch = allocate(rows * cols * kernels_.packed_size);
    acc = bytes(scratch);
  }
  const int64_t k0 = k_bound(first_block);
  for (int64_t block = first_block; block < last_block; ++block) {
    poll_interrupt();
    kernels_.multiply({
        .a = a_->data,
        .b = b_->data,
        .packed_k = (k_bound(last_block) - k0) * kernels_.parts,
        .k_begin = (k_bound(block) - k0) * kernels_.parts,
        .k_end = (k_bound(block + 1) - k0) * kernels_.parts,
        .rows = rows_,
        .row_panels = row_panels_,
        .row_begin = row_begin,
        .row_end = row_end,
        .cols = cols_,
        .col_begin = col_begin,
        .col_end = col_end,
        .acc = acc,
        .acc_stride = stride,
        .accumulate = block > 0,
    });
  }
  if (!direct_ && last_block == k_blocks_) {
    finish(product_, acc, stride, row_ + row, rows, (col_ + col) / kernels_.parts,
           cols / kernels_.parts);
  }
}

}  // namespace

double Product::flops() const {
  const double mk = static_cast<double>(args.m) * static_cast<double>(args.k);
  return 2 * mk * static_cast<double>(args.n) * kernels.parts * kernels.parts;
}

void multiply_packed(const Product& product) {
  const GemmKernels& kernels = product.kernels;
  const int64_t n = product.args.n * kernels.parts;
  const int64_t col_panels = ceil_div(n, kernels.nr);
  const int64_t row_blocks = ceil_div(product.args.m, kBlockLines);
  const int64_t col_blocks = ceil_div(n, kBlockLines);
  for (int64_t j = 0; j < col_blocks; ++j) {
    const int64_t col = split(j, col_blocks, col_panels) * kernels.nr;
    const int64_t end = std::min(split(j + 1, col_blocks, col_panels) * kernels.nr, n);
    for (int64_t i = 0; i < row_blocks; ++i) {
      const int64_t row = split(i, row_blocks, product.args.m);
      const int64_t rows = split(i + 1, row_blocks, product.args.m) - row;
      Block(product, row, rows, col, end - col).run();
    }
  }
}

void multiply_nothing(const Product& product) {
  const int64_t row_bytes = product.args.n * product.kernels.parts * product.kernels.packed_size;
  BufferRef zeros = allocate(row_bytes);
  std::fill_n(bytes(zeros), row_bytes, 0);
  finish(product, zeros->data, 0, 0, product.args.m, 0, product.args.n);
}

void finish(const Product& product, const void* acc, int64_t acc_stride, int64_t row, int64_t rows,
            int64_t col, int64_t cols) {
  const GemmArgs& args = product.args;
  const int64_t size = static_cast<int64_t>(args.dtype.size());
  const Matrix& addend = args.addend;
  const int64_t addend_first = row * addend.row_stride + col * addend.col_stride;
  product.kernels.finish({
      .acc = acc,
      .acc_stride = acc_stride,
      .rows = rows,
      .cols = cols,
      .alpha = args.alpha,
      .beta = args.beta,
      .c = product.at.c + size * (row * args.c_row_stride + col),
      .c_row_stride = args.c_row_stride,
      .addend = product.at.addend ? product.at.addend + size * addend_first : nullptr,
      .addend_row_stride = addend.row_stride,
      .addend_col_stride = addend.col_stride,
  });
}

}  // namespace olivine::cpu
