// Products with packed weights by integer dot products: blocks of rows of x, and the work of tasks.
#include "backends/cpu/quantized_fixed.h"

#include <algorithm>

#include "backends/cpu/scratch.h"
#include "backends/cpu/scratch_meter.h"
#include "core/size.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kDotRows = 2;  // of x, up to which reading the weights is what takes time
// Rows of x, where there are no tiles, up to which products of floats are slower.
constexpr int64_t kMostRows = 64, kMostRows32 = 4;
constexpr int64_t kTask = 1 << 18;      // codes that a task of few rows reads
constexpr int64_t kPrepared = 1 << 14;  // values of x that a task prepares
constexpr int64_t kRowBlock = 256;      // of x, prepared at once
constexpr int64_t kDotBlock = 32;       // the same where there are no tiles: what a cache holds
constexpr int64_t kTileRows = 128;      // of x, at most, that a tile has

const FixedKernels* kernels() {
#if OLIVINE_HAS_ISA_AVX512_BF16
  if (cpu_isa() >= Isa::avx512_bf16) return &avx512_bf16::fixed_kernels;
#endif
#if OLIVINE_HAS_ISA_AVX2
  if (cpu_isa() >= Isa::avx2) return &avx2::fixed_kernels;
#endif
  return nullptr;
}

int64_t tasks_of(int64_t size, int64_t most) { return (size + most - 1) / most; }

// Memory for rows of fixed point.
class FixedScratch {
 public:
  FixedScratch(const PackedProduct& p, int64_t chunk, int64_t rows)
      : stride_(fixed_group_stride(p.matrix.row_groups)),
        bytes_(tasks_of(p.k, chunk) * chunk),
        planes_(checked_mul(rows, row_bytes(bytes_)), 1),
        groups_(checked_mul(rows, 2 * stride_), sizeof(float)),
        counts_(rows, 1) {
    x_.k = p.k;
    x_.plane_bytes = bytes_;
    x_.row_bytes = row_bytes(bytes_);
    x_.group_stride = stride_;
    x_.planes = static_cast<int8_t*>(planes_.data());
    x_.units = static_cast<float*>(groups_.data());
    x_.sums = x_.units + rows * stride_;
    x_.plane_count = static_cast<uint8_t*>(counts_.data());
  }
  FixedRows& rows() { return x_; }

 private:
  // A line more, so that rows do not meet in the sets of a cache.
  static int64_t row_bytes(int64_t plane) { return kPlanes * plane + 64; }

  int64_t stride_, bytes_;
  ScratchBytes planes_, groups_, counts_;
  FixedRows x_;
};

FixedRows some_rows(const FixedRows& x, int64_t first, int64_t count) {
  FixedRows part = x;
  part.rows = count;
  part.planes += first * x.row_bytes;
  part.units += first * x.group_stride;
  part.sums += first * x.group_stride;
  part.plane_count += first;
  return part;
}

void multiply_dot(const PackedProduct& p, const FixedRows& x) {
  const int64_t units = tasks_of(p.n, kFixedDotColumns);
  const int64_t share = tasks_of(units, int64_t{2} * thread_count());
  const int64_t grain = std::clamp<int64_t>(kTask / (p.k * kFixedDotColumns), 1, share);
  const int64_t work_bytes = checked_mul(kernels()->dot_work, p.matrix.row_groups);
  ScratchMeter::parallel(units, grain, [&](int64_t begin, int64_t end) {
    ScratchBytes work(work_bytes, 1);
    if (ScratchMeter::is_on()) return;
    kernels()->dot({p.matrix, x, begin * kFixedDotColumns, std::min(p.n, end * kFixedDotColumns),
                    p.dtype, p.out, p.n, work.data()});
  });
}

// A task has neighbouring tiles, which fetch each other's weights into the cache of one core.
void multiply_tiles(const PackedProduct& p, const FixedRows& x) {
  const int64_t columns = tasks_of(p.n, kFixedColumns);
  const int64_t blocks = tasks_of(x.rows, kTileRows), rows = tasks_of(x.rows, blocks);
  const int64_t itemsize = static_cast<int64_t>(p.dtype.size());
  const int64_t share = tasks_of(columns, int64_t{8} * thread_count());
  const int64_t tasks = tasks_of(columns, share);
  ScratchMeter::parallel(blocks * tasks, 1, [&](int64_t begin, int64_t end) {
    ScratchBytes work(fixed_tile_work(rows, p.matrix.row_groups), 1);
    if (ScratchMeter::is_on()) return;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task / tasks * rows, column = task % tasks * share * kFixedColumns;
      if (first >= x.rows) continue;
      const FixedRows part = some_rows(x, first, std::min(rows, x.rows - first));
      kernels()->tile({p.matrix, part, column, std::min(p.n, column + share * kFixedColumns),
                       p.dtype, p.out + first * p.n * itemsize, p.n, work.data()});
    }
  });
}

// Rows that are no fixed point, one at a time so that others make no difference.
void multiply_rest(const PackedProduct& p, const FixedRows& x) {
  const int64_t itemsize = static_cast<int64_t>(p.dtype.size());
  for (int64_t r = 0; r < x.rows; ++r) {
    if (x.plane_count[r] > 0) continue;
    PackedProduct row = p;
    row.m = 1;
    row.x += r * p.k * itemsize;
    row.out += r * p.n * itemsize;
    multiply_few(row);
  }
}

}  // namespace

bool has_fixed_product(const PackedProduct& p) {
  if (!kernels() || !p.transpose) return false;
  const int64_t chunk = kernels()->chunk(p.matrix.format);
  if (chunk == 0 || kernels()->tile) return chunk > 0;
  if (p.k % chunk != 0) return false;
  // Floats of AVX-512 are slower for single rows alone.
  if (cpu_isa() == Isa::avx512) return p.m == 1 && p.dtype != float32 && p.matrix.format.integer();
  return p.m <= (p.dtype == float32 ? kMostRows32 : kMostRows);
}

void multiply_fixed(const PackedProduct& p) {
  const int64_t itemsize = static_cast<int64_t>(p.dtype.size());
  const int64_t most = std::min(p.m, kernels()->tile ? kRowBlock : kDotBlock);
  FixedScratch scratch(p, kernels()->chunk(p.matrix.format), most);
  FixedRows& x = scratch.rows();
  for (int64_t first = 0; first < p.m; first += most) {
    PackedProduct part = p;
    part.m = x.rows = std::min(most, p.m - first);
    part.x += first * p.k * itemsize;
    part.out += first * p.n * itemsize;
    const bool metered = ScratchMeter::is_on();
    parallel_for(metered ? 0 : part.m, std::max<int64_t>(1, kPrepared / p.k),
                 [&](int64_t begin, int64_t end) {
                   kernels()->prepare({p.matrix.format, p.dtype, part.x, begin, end - begin, x});
                 });
    if (!kernels()->tile || part.m <= kDotRows) {
      multiply_dot(part, x);
    } else {
      multiply_tiles(part, x);
    }
    if (metered) return;  // rows that are no fixed point are few
    multiply_rest(part, x);
  }
}

}  // namespace olivine::cpu
