// One product: tiles of c, each computed by one task from panels that it packs for itself.
//
// A task packs a block along k of its columns of b once, then panel after panel of its rows of a,
// or group after group, so that what is used most is near; nothing waits for other tasks.
// Every task packs anew what it shares with others, so tiles are as large as the caches and an
// even load allow. If a has few rows and lines of b run along k, a is packed once for all tasks,
// and b a few columns at a time: those to come are fetched meanwhile, which for more columns at
// once would evict each other, as their distance is often a power of two. The block bounds along k
// depend on k alone: the sums do not depend on the tiles.
#include "backends/cpu/gemm/product.h"

#include <algorithm>

#include "core/size.h"
#include "runtime/allocator.h"
#include "runtime/counted_bytes.h"
#include "runtime/interrupt.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

// In panels. Of f32 in AVX-512: a block of 512 columns of b takes 768 KiB, and 120 rows of a 180.
constexpr int64_t kTileColPanels = 16;
constexpr int64_t kTileRowPanels = 176;
// Where panels of a are packed in groups, b need not be near: in AVX2 1024 columns take 1.5 MiB.
constexpr int64_t kGroupedColPanels = 64;
constexpr int64_t kLeastGroups = 2;          // of a, that such a block of b is used for
constexpr int64_t kLeastGroupedSteps = 192;  // along k: with fewer, c is most of the work
constexpr int64_t kSkinnyRowPanels = 4;      // rows of a so few that b is used as it lies
constexpr int64_t kMostWaves = 8;
constexpr int64_t kFlatBytes = 1 << 19;  // of a block of a that is packed before all tiles
constexpr int64_t kMostFlat = 1 << 24;   // elements of a
constexpr int64_t kPackTask = 1 << 15;   // elements of a
constexpr int64_t kLeastFlatPanels = 8;  // of b
constexpr int64_t kFlatPanels = 2;       // of b, packed at a time
constexpr double kPackCost = 20;
constexpr int64_t kMostFetched = 8;  // cache lines in kPrefetchSteps steps
constexpr double kWaiting = 0.05;    // of a tile
// b is small enough to be used as it lies; where panels are grouped, as caches are small, half of
// it.
constexpr int64_t kInPlaceBytes = 1 << 18;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
// Whole cache lines, and one more for loads past the end.
int64_t padded(int64_t bytes) { return (bytes + 127) / 64 * 64; }
char* bytes(const BufferRef& buffer) { return static_cast<char*>(buffer->data); }

// Columns are packed ones, two per complex column, unless named so.
class Tiles {
 public:
  explicit Tiles(const Product& product);
  void run();
  int64_t workspace(int64_t threads) const;

 private:
  struct Tile;
  // Bytes of a tile's scratch memory.
  struct Scratch {
    int64_t a, b, sums;
    int64_t all() const { return a + b + sums; }
  };

  Scratch scratch_of(int64_t rows, int64_t cols) const;
  bool may_use_b_in_place() const;
  bool is_flat() const;
  bool is_grouped() const;
  bool has_no_sums() const;
  void pack_all_rows();
  void choose_tiles();
  int64_t k_bound(int64_t block) const;
  int64_t row_of(int64_t panel) const { return split(panel, row_panels_, args_.m); }
  void run_tile(int64_t index) const;
  Tile tile_at(int64_t index) const;
  void run_block(const Tile& tile, int64_t block) const;
  Fetch next_of_b(const Tile& tile, int64_t block) const;
  void read_ahead(MultiplyArgs& args, int64_t k_begin) const;
  void multiply_group(const MultiplyArgs& group) const;
  void pack_block(const Tile& tile, int64_t block) const;
  void pack_rows(int64_t panel, int64_t k_begin, int64_t k_end, char* to) const;
  void pack_cols(int64_t col, int64_t cols, int64_t k_begin, int64_t k_end, char* to) const;

  const Product& product_;
  const GemmArgs& args_;
  const GemmKernels& kernels_;
  const int64_t n_;
  const int64_t row_panels_, col_panels_;
  const int64_t k_blocks_;
  const bool plain_;     // c is the product as it is, or that is added to it
  const bool direct_;    // c itself holds the sums
  const bool in_place_;  // only the last columns of b are packed, if any
  const bool serial_;
  const bool flat_;     // a is packed before all tiles
  const bool grouped_;  // several panels of a pass each panel of b
  BufferRef all_rows_;
  int64_t row_tiles_ = 1, col_tiles_ = 1;
  int64_t group_panels_ = 1;  // of a, packed at a time
};

struct Tiles::Tile {
  int64_t index;
  int64_t panel_begin, panel_end;  // of a
  int64_t row, rows, col, cols;
  int64_t col_begin, col_end;  // of the whole tile, if this is a part of its columns
  char *a, *b, *sums;          // scratch
  int64_t sum_stride;
};

Tiles::Tiles(const Product& product)
    : product_(product),
      args_(product.args),
      kernels_(product.kernels),
      n_(args_.n * kernels_.parts),
      row_panels_(ceil_div(args_.m, kernels_.mr)),
      col_panels_(ceil_div(n_, kernels_.nr)),
      k_blocks_(ceil_div(args_.k, kernels_.k_block)),
      plain_(product.is_plain()),
      direct_(plain_ && args_.dtype.size() >= 4),
      in_place_(may_use_b_in_place()),
      serial_(Product::is_small(product.flops())),
      flat_(is_flat()),
      grouped_(is_grouped()) {
  choose_tiles();
  if (grouped_) group_panels_ = kernels_.group_panels;
  if (flat_) group_panels_ = row_panels_;
  // Skinny: every panel of b is used for all rows while it is near.
  if (in_place_ && row_panels_ <= kSkinnyRowPanels) group_panels_ = kSkinnyRowPanels;
}

bool Tiles::may_use_b_in_place() const {
  const int64_t size = static_cast<int64_t>(args_.dtype.size());
  if (kernels_.packed_size * kernels_.parts != size || args_.b.col_stride != 1) return false;
  if (args_.b.row_stride < args_.n) return false;
  const int64_t most = kernels_.group_panels > 1 ? kInPlaceBytes / 2 : kInPlaceBytes;
  return row_panels_ <= kSkinnyRowPanels ||
         static_cast<double>(args_.k) * static_cast<double>(args_.n * size) <=
             static_cast<double>(most);
}

bool Tiles::is_flat() const {
  if (in_place_ || serial_ || kernels_.parts != 1) return false;
  return args_.b.row_stride == 1 && args_.b.col_stride != 1 && col_panels_ >= kLeastFlatPanels &&
         args_.m * kernels_.k_block * kernels_.packed_size <= kFlatBytes &&
         checked_mul(args_.m, args_.k) <= kMostFlat;
}

bool Tiles::is_grouped() const {
  return kernels_.group_panels > 1 && !flat_ && !in_place_ &&
         row_panels_ >= kLeastGroups * kernels_.group_panels && args_.k >= kLeastGroupedSteps;
}

// The cheapest of some ways to give each thread `waves` tiles: packing one element costs as much as
// kPackCost steps of products, and the last tiles keep some threads waiting.
void Tiles::choose_tiles() {
  row_tiles_ = ceil_div(row_panels_, kTileRowPanels);
  col_tiles_ = ceil_div(col_panels_, grouped_ ? kGroupedColPanels : kTileColPanels);
  if (serial_) return;
  const int64_t threads = thread_count();
  if (flat_) {
    col_tiles_ = std::min(ceil_div(col_tiles_, threads) * threads, ceil_div(col_panels_, 2));
    return;
  }
  const int64_t least_rows = row_tiles_,
                most_cols = std::min(col_panels_, col_tiles_ + 4 * threads);
  double best = 0;
  for (int64_t cols = col_tiles_; cols <= most_cols; ++cols) {
    for (int64_t waves = 1; waves <= kMostWaves; ++waves) {
      const int64_t rows =
          std::clamp(waves * threads / cols, least_rows, std::max(least_rows, row_panels_));
      const double height = static_cast<double>(ceil_div(row_panels_, rows) * kernels_.mr);
      const double width = static_cast<double>(ceil_div(col_panels_, cols) * kernels_.nr);
      const double work = height * width + kPackCost * (height + width);
      const double cost = work * (static_cast<double>(ceil_div(rows * cols, threads)) + kWaiting);
      if (best != 0 && cost >= best) continue;
      best = cost;
      row_tiles_ = rows;
      col_tiles_ = cols;
    }
  }
}

int64_t Tiles::k_bound(int64_t block) const { return block_bound(block, k_blocks_, args_.k); }

void Tiles::pack_all_rows() {
  all_rows_ = allocate(padded(checked_mul(args_.m, args_.k * kernels_.packed_size)));
  const int64_t grain = ceil_div(kPackTask, kernels_.mr * kernels_.k_block);
  parallel_for(k_blocks_ * row_panels_, grain, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t block = t / row_panels_, i = t % row_panels_;
      const int64_t k_begin = k_bound(block), k_end = k_bound(block + 1);
      const int64_t at = args_.m * k_begin + row_of(i) * (k_end - k_begin);
      pack_rows(i, k_begin, k_end, bytes(all_rows_) + at * kernels_.packed_size);
    }
  });
}

void Tiles::run() {
  if (flat_) pack_all_rows();
  const int64_t tiles = row_tiles_ * col_tiles_;
  parallel_for(tiles, serial_ ? tiles : 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) run_tile(t);
  });
}

Tiles::Tile Tiles::tile_at(int64_t index) const {
  const int64_t i = index % row_tiles_, j = index / row_tiles_;
  Tile tile{};
  tile.index = index;
  tile.panel_begin = split(i, row_tiles_, row_panels_);
  tile.panel_end = split(i + 1, row_tiles_, row_panels_);
  tile.col = split(j, col_tiles_, col_panels_) * kernels_.nr;
  tile.row = row_of(tile.panel_begin);
  tile.rows = row_of(tile.panel_end) - tile.row;
  tile.cols = std::min(split(j + 1, col_tiles_, col_panels_) * kernels_.nr, n_) - tile.col;
  tile.col_begin = tile.col;
  tile.col_end = tile.col + tile.cols;
  return tile;
}

bool Tiles::has_no_sums() const { return direct_ || (plain_ && k_blocks_ == 1); }

Tiles::Scratch Tiles::scratch_of(int64_t rows, int64_t cols) const {
  const int64_t k = ceil_div(args_.k, k_blocks_) + 2, step = kernels_.packed_size;
  const int64_t b_panels = in_place_ ? 1 : flat_ ? kFlatPanels : ceil_div(cols, kernels_.nr);
  const int64_t sum_rows = k_blocks_ > 1 ? rows : group_panels_ * kernels_.mr;
  return {flat_ ? 0 : padded(group_panels_ * kernels_.mr * kernels_.parts * k * step),
          padded(b_panels * kernels_.nr * k * step),
          has_no_sums() ? 0 : checked_mul(sum_rows, cols * step)};
}

int64_t Tiles::workspace(int64_t threads) const {
  auto counted = [](int64_t bytes) {
    return static_cast<int64_t>(counted_bytes(static_cast<size_t>(bytes)));
  };
  const int64_t rows = ceil_div(row_panels_, row_tiles_) * kernels_.mr;
  const int64_t cols = ceil_div(col_panels_, col_tiles_) * kernels_.nr;
  const Scratch size = scratch_of(std::min(rows, args_.m), std::min(cols, n_));
  const int64_t at_once = serial_ ? 1 : std::min(threads, row_tiles_ * col_tiles_);
  const int64_t all_rows = flat_ ? padded(args_.m * args_.k * kernels_.packed_size) : 0;
  return (flat_ ? counted(all_rows) : 0) + at_once * counted(size.all());
}

void Tiles::run_tile(int64_t index) const {
  Tile tile = tile_at(index);
  const int64_t step = kernels_.packed_size;
  const Scratch size = scratch_of(tile.rows, tile.cols);
  BufferRef scratch = allocate(size.all());
  tile.a = bytes(scratch);
  tile.b = tile.a + size.a;
  tile.sums = has_no_sums() ? nullptr : tile.b + size.b;
  tile.sum_stride = tile.cols;
  const int64_t width = flat_ ? kFlatPanels * kernels_.nr : tile.cols;
  for (int64_t block = 0; block < k_blocks_; ++block) {
    poll_interrupt();
    for (int64_t col = 0; col < tile.cols; col += width) {
      Tile part = tile;
      part.col += col;
      part.cols = std::min(width, tile.cols - col);
      if (tile.sums) part.sums += col * step;
      run_block(part, block);
    }
  }
}

// The columns of a tile, in panels; of those used as they lie, only a narrow last one.
void Tiles::pack_block(const Tile& tile, int64_t block) const {
  const int64_t k_begin = k_bound(block), k_end = k_bound(block + 1);
  const bool side_by_side = args_.b.col_stride == 1 && kernels_.parts == 1;
  const int64_t several = kernels_.nr * (side_by_side && !in_place_ ? kPanelsAtOnce : 1);
  for (int64_t col = 0, cols = 0; col < tile.cols; col += cols) {
    cols = std::min<int64_t>(tile.cols - col >= several ? several : kernels_.nr, tile.cols - col);
    const bool narrow = cols % (kernels_.nr / 2) != 0;
    char* to = tile.b + (in_place_ ? 0 : col * (k_end - k_begin) * kernels_.packed_size);
    if (!in_place_ || narrow) pack_cols(tile.col + col, cols, k_begin, k_end, to);
  }
}

void Tiles::run_block(const Tile& tile, int64_t block) const {
  const int64_t k_begin = k_bound(block), k_end = k_bound(block + 1);
  const int64_t k = k_end - k_begin, size = kernels_.packed_size;
  pack_block(tile, block);
  MultiplyArgs args{};
  args.b = tile.b;
  args.k = k;
  args.rows = args_.m;
  args.row_panels = row_panels_;
  args.cols = tile.cols;
  args.accumulate = block > 0 || product_.accumulates();
  args.subtract = product_.accumulates() && args_.alpha == -1;
  if (in_place_) {
    args.b_step = args_.b.row_stride * kernels_.parts;
    args.b = product_.at.b + size * (k_begin * args.b_step + tile.col);
    args.b_narrow = tile.b;
  }
  args.a = flat_ ? bytes(all_rows_) + args_.m * k_begin * size : tile.a;
  Fetch fetch = next_of_b(tile, block);
  if (fetch.all > 0) args.fetch = &fetch;
  args.acc_stride = direct_ ? args_.c_row_stride * kernels_.parts : tile.sum_stride;
  const bool last = block + 1 == k_blocks_;
  const int64_t c_size = static_cast<int64_t>(args_.dtype.size());
  for (int64_t p = tile.panel_begin; p < tile.panel_end; p += group_panels_) {
    args.row_begin = p;
    args.row_end = std::min(p + group_panels_, tile.panel_end);
    const int64_t row = row_of(p), rows = row_of(args.row_end) - row;
    for (int64_t i = p; i < args.row_end && !flat_; ++i) {
      pack_rows(i, k_begin, k_end, tile.a + (row_of(i) - row) * kernels_.parts * k * size);
    }
    char* acc = tile.sums;
    if (direct_) {
      acc = product_.at.c + size * (row * args.acc_stride + tile.col);
    } else if (k_blocks_ > 1) {
      acc += size * (row - tile.row) * args.acc_stride;
    }
    args.acc = acc;
    if (last && plain_ && !direct_) {
      args.out_stride = args_.c_row_stride;
      args.out = product_.at.c + c_size * (row * args.out_stride + tile.col);
    }
    if (!flat_) read_ahead(args, k_begin);
    multiply_group(args);
    if (last && !plain_) {
      finish(product_, acc, args.acc_stride, row, rows, tile.col / kernels_.parts,
             tile.cols / kernels_.parts);
    }
  }
}

// The block of b to be packed next: of this tile, or of the one that this thread will likely take.
// Tiles whose blocks of b are used longer gain nothing by it.
Fetch Tiles::next_of_b(const Tile& tile, int64_t block) const {
  if (!flat_) return {};
  int64_t next = block, col = tile.col + tile.cols, end = tile.col_end;
  if (col == end) {
    col = tile.col_begin;
    ++next;
  }
  if (next == k_blocks_) {
    const int64_t index = tile.index + (serial_ ? 1 : thread_count());
    if (index >= row_tiles_ * col_tiles_) return {};
    next = 0;
    col = tile_at(index).col;
    end = tile_at(index).col_end;
  }
  const int64_t cols = flat_ ? std::min<int64_t>(end - col, kFlatPanels * kernels_.nr) : end - col;
  const int64_t size = static_cast<int64_t>(args_.dtype.size());
  const int64_t k_begin = k_bound(next), steps = k_bound(next + 1) - k_begin;
  const Matrix& b = args_.b;
  const bool rows = b.col_stride == 1;
  const int64_t step = (rows ? b.row_stride : b.col_stride) * size;
  if (!rows && b.row_stride != 1) return {};
  const int64_t runs = rows ? steps : cols / kernels_.parts;
  Fetch fetch;
  fetch.next =
      product_.at.b + (col / kernels_.parts * b.col_stride + k_begin * b.row_stride) * size;
  fetch.lines = fetch.left = ceil_div((rows ? cols / kernels_.parts : steps) * size, 64);
  fetch.gap = step - 64 * fetch.lines;
  fetch.all = runs * fetch.lines;
  const int64_t calls = (tile.panel_end - tile.panel_begin) * ceil_div(tile.cols, kernels_.nr);
  const int64_t times = calls * ceil_div(k_bound(block + 1) - k_bound(block), kPrefetchSteps);
  fetch.rate = std::min(ceil_div(fetch.all, times), kMostFetched);
  return fetch;
}

// The next panels of a are fetched to the L2 cache while these are multiplied.
void Tiles::read_ahead(MultiplyArgs& args, int64_t k_begin) const {
  const int64_t size = static_cast<int64_t>(args_.dtype.size());
  const int64_t first = row_of(args.row_end) * args_.a.row_stride + k_begin * args_.a.col_stride;
  const int64_t lines = ceil_div(args.k, kPrefetchSteps);  // fetched per pair of panels
  const int64_t next = std::min(args.row_end + group_panels_, row_panels_);
  args.ahead = product_.at.a + first * size;
  if (args.row_end >= args.row_panels || kernels_.parts != 1) {
    args.ahead = nullptr;
  } else if (args_.a.col_stride == 1) {
    args.ahead_panels = row_of(next) - row_of(args.row_end);
    args.ahead_panel = args_.a.row_stride * size;
    args.ahead_line = kPrefetchSteps * size;
  } else {
    args.ahead_panels = kPrefetchSteps;
    args.ahead_line = args_.a.col_stride * size;
    args.ahead_panel = args.ahead_line * lines;
  }
}

// In a group of several panels each panel of b meets all of them while it is in the L1 cache.
void Tiles::multiply_group(const MultiplyArgs& group) const {
  const int64_t panels = group.row_end - group.row_begin;
  if (flat_ || panels == 1) return kernels_.multiply(group);
  MultiplyArgs args = group;
  const int64_t step = kernels_.nr * kernels_.packed_size;
  for (int64_t col = 0; col < group.cols; col += kernels_.nr) {
    args.cols = std::min<int64_t>(kernels_.nr, group.cols - col);
    kernels_.multiply(args);
    args.b = static_cast<const char*>(args.b) + step * (group.b_step ? 1 : group.k);
    if (args.acc) args.acc = static_cast<char*>(args.acc) + step;
    if (args.out) args.out = static_cast<char*>(args.out) + kernels_.nr * args_.dtype.size();
    if (args.ahead) args.ahead += panels * args.ahead_panel;
    args.ahead_panels -= panels;
  }
}

void Tiles::pack_rows(int64_t panel, int64_t k_begin, int64_t k_end, char* to) const {
  const int64_t row = row_of(panel), rows = row_of(panel + 1) - row;
  const int64_t first = row * args_.a.row_stride + k_begin * args_.a.col_stride;
  kernels_.pack_a({
      .src = product_.at.a + first * static_cast<int64_t>(args_.dtype.size()),
      .line_stride = args_.a.row_stride,
      .k_stride = args_.a.col_stride,
      .width = rows,
      .packed_width = rows,
      .k = k_end - k_begin,
      .dst = to,
  });
}

void Tiles::pack_cols(int64_t col, int64_t cols, int64_t k_begin, int64_t k_end, char* to) const {
  const int64_t first = col / kernels_.parts * args_.b.col_stride + k_begin * args_.b.row_stride;
  kernels_.pack_b({
      .src = product_.at.b + first * static_cast<int64_t>(args_.dtype.size()),
      .line_stride = args_.b.col_stride,
      .k_stride = args_.b.row_stride,
      .width = cols / kernels_.parts,
      .packed_width = 2 * cols > kernels_.nr ? kernels_.nr : kernels_.nr / 2,
      .k = k_end - k_begin,
      .dst = to,
  });
}

}  // namespace

double Product::flops() const {
  const double mk = static_cast<double>(args.m) * static_cast<double>(args.k);
  return 2 * mk * static_cast<double>(args.n) * kernels.parts * kernels.parts;
}

bool Product::accumulates() const {
  const bool sign = args.alpha == 1 || (args.alpha == -1 && kernels.parts == 1);
  // With several blocks along k the order of sums would depend on whether c is the addend.
  return at.addend && at.addend == at.c && sign && args.beta == 1 && args.k <= kernels.k_block &&
         args.dtype.size() >= 4 && args.addend.col_stride == 1 &&
         args.addend.row_stride == args.c_row_stride;
}

void multiply_packed(const Product& product) { Tiles(product).run(); }
int64_t packed_workspace(const Product& product, int64_t threads) {
  return Tiles(product).workspace(threads);
}

void multiply_nothing(const Product& product) {
  const int64_t row_bytes =
      checked_mul(product.args.n, product.kernels.parts * product.kernels.packed_size);
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
