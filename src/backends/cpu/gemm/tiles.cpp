// One product by tiles: parts of c, each computed by one task from panels that it packs for itself.
#include "backends/cpu/gemm/tiles.h"

#include <algorithm>

#include "core/size.h"
#include "runtime/allocator.h"
#include "runtime/counted_bytes.h"
#include "runtime/interrupt.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr double kLeastFlops = 1e6;
constexpr double kThreadFlops = 1.5e7;  // that pay for waking up one more thread
constexpr int64_t kLeastRows = 8;
// Of a part of c, in panels: its block of b takes 1 MiB, its sums half of that.
constexpr int64_t kMostRows = 16, kMostCols = 32;
constexpr int64_t kBlock = 1024;  // steps along k
constexpr int64_t kGroup = 2;     // panels of a that are packed at a time
constexpr double kPackCost = 64;  // multiplications in the time that packing an element takes

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How many parts c has along each axis: where packing and the last, uneven parts cost least.
struct Parts {
  int64_t rows, cols;
};

Parts choose_parts(int64_t row_panels, int64_t col_panels, int64_t threads) {
  const Parts least{ceil_div(row_panels, kMostRows), ceil_div(col_panels, kMostCols)};
  if (threads == 1) return least;
  Parts best = least;
  double lowest = 0;
  for (int64_t rows = least.rows; rows <= std::min(row_panels, least.rows + threads); ++rows) {
    for (int64_t cols = least.cols; cols <= std::min(col_panels, least.cols + threads); ++cols) {
      const double height = static_cast<double>(ceil_div(row_panels, rows) * kTileLines);
      const double width = static_cast<double>(ceil_div(col_panels, cols) * kTileLines);
      const double work = height * width + kPackCost * (height + width);
      const double cost = work * static_cast<double>(ceil_div(rows * cols, threads));
      if (lowest != 0 && cost >= lowest) continue;
      lowest = cost;
      best = {rows, cols};
    }
  }
  return best;
}

// The block bounds along k depend on k alone: sums do not depend on the parts.
class TiledProduct {
 public:
  explicit TiledProduct(const Product& product)
      : product_(product),
        args_(product.args),
        row_panels_(ceil_div(args_.m, kTileLines)),
        col_panels_(ceil_div(args_.n, kTileLines)) {}

  int64_t workspace(int64_t most) const {
    const int64_t threads = useful_threads(most);
    const Parts parts = choose_parts(row_panels_, col_panels_, threads);
    const int64_t bytes =
        scratch_bytes(ceil_div(row_panels_, parts.rows), ceil_div(col_panels_, parts.cols));
    return std::min(threads, parts.rows * parts.cols) *
           static_cast<int64_t>(counted_bytes(static_cast<size_t>(bytes)));
  }

  void run() const {
    const int64_t threads = useful_threads(thread_count());
    const Parts parts = choose_parts(row_panels_, col_panels_, threads);
    const int64_t count = parts.rows * parts.cols;
    parallel_for(count, threads == 1 ? count : 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) run_part(i % parts.rows, i / parts.rows, parts);
    });
  }

 private:
  int64_t useful_threads(int64_t most) const {
    const auto worth = static_cast<int64_t>(std::min(product_.flops() / kThreadFlops, 1e6));
    return std::clamp<int64_t>(worth, 1, most);
  }
  int64_t panel_bytes() const {
    return ceil_div(std::min(args_.k, kBlock), kTileSteps) * kTileBytes;
  }
  int64_t scratch_bytes(int64_t rows, int64_t cols) const {  // in panels
    const int64_t sum_rows = (args_.k > kBlock ? rows : kGroup) * kTileLines;
    return (kGroup + cols) * panel_bytes() +
           sum_rows * cols * kTileLines * static_cast<int64_t>(sizeof(float));
  }

  void run_part(int64_t i, int64_t j, const Parts& parts) const {
    const int64_t row_begin = split(i, parts.rows, row_panels_),
                  row_end = split(i + 1, parts.rows, row_panels_),
                  col_begin = split(j, parts.cols, col_panels_),
                  cols = split(j + 1, parts.cols, col_panels_) - col_begin;
    const int64_t panel = panel_bytes(), stride = cols * kTileLines;
    const BufferRef scratch = allocate(scratch_bytes(row_end - row_begin, cols));
    char* const b = static_cast<char*>(scratch->data);
    char* const a = b + cols * panel;
    float* const sums = reinterpret_cast<float*>(a + kGroup * panel);
    for (int64_t k = 0; k < args_.k; k += kBlock) {
      poll_interrupt();
      const int64_t steps = std::min(kBlock, args_.k - k), k_tiles = ceil_div(steps, kTileSteps);
      for (int64_t c = 0; c < cols; ++c) {
        pack_cols(col_begin + c, k, steps, b + c * k_tiles * kTileBytes);
      }
      for (int64_t row = row_begin; row < row_end; row += kGroup) {
        const int64_t rows = std::min(kGroup, row_end - row);
        for (int64_t r = 0; r < rows; ++r) {
          pack_rows(row + r, k, steps, a + r * k_tiles * kTileBytes);
        }
        float* to = args_.k > kBlock ? sums + (row - row_begin) * kTileLines * stride : sums;
        product_.tiles->multiply({a, b, rows, cols, k_tiles, to, stride, k > 0});
        if (k + steps == args_.k) finish_rows(row, rows, col_begin, cols, to, stride);
      }
    }
  }

  void finish_rows(int64_t row_panel, int64_t row_panels, int64_t col_panel, int64_t col_panels,
                   const float* sums, int64_t stride) const {
    const int64_t row = row_panel * kTileLines, col = col_panel * kTileLines;
    finish(product_, sums, stride, row, std::min(row_panels * kTileLines, args_.m - row), col,
           std::min(col_panels * kTileLines, args_.n - col));
  }

  void pack_rows(int64_t panel, int64_t k, int64_t steps, char* to) const {
    const int64_t row = panel * kTileLines, size = static_cast<int64_t>(args_.dtype.size());
    const Matrix& a = args_.a;
    product_.tiles->pack_rows({product_.at.a + (row * a.row_stride + k * a.col_stride) * size,
                               a.row_stride, a.col_stride, std::min(kTileLines, args_.m - row),
                               steps, to});
  }

  void pack_cols(int64_t panel, int64_t k, int64_t steps, char* to) const {
    const int64_t col = panel * kTileLines, size = static_cast<int64_t>(args_.dtype.size());
    const Matrix& b = args_.b;
    product_.tiles->pack_cols({product_.at.b + (col * b.col_stride + k * b.row_stride) * size,
                               b.col_stride, b.row_stride, std::min(kTileLines, args_.n - col),
                               steps, to});
  }

  const Product& product_;
  const GemmArgs& args_;
  const int64_t row_panels_, col_panels_;
};

}  // namespace

const TileKernels* tile_kernels_for([[maybe_unused]] Dtype dtype, [[maybe_unused]] Isa isa) {
#if OLIVINE_HAS_ISA_AMX
  if (isa == Isa::amx && dtype == bfloat16) return &amx::tile_kernels;
#endif
  return nullptr;
}

bool suits_tiles(const Product& product) {
  return product.tiles && product.args.m >= kLeastRows && product.args.n >= kLeastRows &&
         product.args.k >= kTileSteps && product.flops() >= kLeastFlops;
}

int64_t tiles_workspace(const Product& product, int64_t threads) {
  return TiledProduct(product).workspace(threads);
}

void multiply_tiles(const Product& product) { TiledProduct(product).run(); }

}  // namespace olivine::cpu
