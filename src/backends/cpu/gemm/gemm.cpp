// Matrix products: checks, the loop over a batch, and the choice of a method per product.
//
// Start at gemm(). product.cpp does the general case, gemv.cpp products with a vector, and the
// files ending in -inl.h the arithmetic, once per instruction set (kernels_isa.cpp).
//
// Every element of c is a sum of sums over blocks along k that depend on k alone, and no two tasks
// share an element, so results do not depend on how the work is spread over threads.
#include "backends/cpu/gemm/gemm.h"

#include <algorithm>

#include "backends/cpu/gemm/product.h"
#include "backends/cpu/gemm/tiles.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/scratch_meter.h"
#include "backends/cpu/workspace.h"
#include "core/size.h"
#include "runtime/counted_bytes.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr double kTaskFlops = 4e6;     // of a task that computes several small products
constexpr double kLargeProduct = 1e8;  // flops from which threads share one product

// Drops batch dimensions that can count as rows: b is the same for all their products, and the rows
// of the other operands go on from one product to the next.
void fold_batch_into_rows(GemmArgs& args) {
  for (size_t d = args.batch.size(); d-- > 0;) {
    const int64_t size = args.batch[d];
    if (args.m == 1 && args.b_batch[d] == 0 && size > 1) {
      args.a.row_stride = args.a_batch[d];
      args.c_row_stride = args.c_batch[d];
      if (args.addend.data) args.addend.row_stride = args.addend_batch[d];
    }
    const bool folds =
        args.b_batch[d] == 0 && args.a_batch[d] == args.m * args.a.row_stride &&
        args.c_batch[d] == args.m * args.c_row_stride &&
        (!args.addend.data || args.addend_batch[d] == args.m * args.addend.row_stride);
    if (size != 1 && !folds) continue;
    args.m *= size;
    args.batch.erase(args.batch.begin() + d);
    args.a_batch.erase(args.a_batch.begin() + d);
    args.b_batch.erase(args.b_batch.begin() + d);
    args.c_batch.erase(args.c_batch.begin() + d);
    if (args.addend.data) args.addend_batch.erase(args.addend_batch.begin() + d);
  }
}

Operands operands_at(const GemmArgs& args, int64_t index) {
  int64_t a = 0, b = 0, c = 0, addend = 0;
  for (size_t d = args.batch.size(); d-- > 0;) {
    const int64_t i = index % args.batch[d];
    index /= args.batch[d];
    a += i * args.a_batch[d];
    b += i * args.b_batch[d];
    c += i * args.c_batch[d];
    if (args.addend.data) addend += i * args.addend_batch[d];
  }
  const int64_t size = static_cast<int64_t>(args.dtype.size());
  const char* add = static_cast<const char*>(args.addend.data);
  return {static_cast<const char*>(args.a.data) + a * size,
          static_cast<const char*>(args.b.data) + b * size, static_cast<char*>(args.c) + c * size,
          add ? add + addend * size : nullptr};
}

void multiply(const Product& product) {
  if (product.args.k == 0) {
    multiply_nothing(product);
  } else if (has_vector(product)) {
    multiply_vector(product);
  } else if (suits_tiles(product)) {
    multiply_tiles(product);
  } else if (suits_direct(product)) {
    multiply_direct(product);
  } else {
    multiply_packed(product);
  }
}

int64_t workspace_of(const Product& product, int64_t threads) {
  if (product.args.k == 0) {
    return product.args.n * product.kernels.parts * product.kernels.packed_size;
  }
  if (has_vector(product)) return vector_workspace(product);
  if (suits_tiles(product)) return tiles_workspace(product, threads);
  if (suits_direct(product)) return direct_workspace(product, threads);
  return packed_workspace(product, threads);
}

// How the products of a batch are shared among threads: some at a time, or all threads take each.
struct Shares {
  Shares(const Product& first, int64_t count, int64_t threads) {
    const double flops = first.flops();
    grain = static_cast<int64_t>(std::clamp(kTaskFlops / (flops + 1), 1.0, 1e9));
    if (Product::is_small(flops * static_cast<double>(count))) grain = count;
    each = flops >= kLargeProduct && count < 4 * threads;
    direct = !each && !has_vector(first) && !suits_tiles(first) && suits_direct(first);
  }
  int64_t grain;
  bool each;    // all threads share each product
  bool direct;  // with one scratch memory for the products of a thread
};

// Of all products, by so many threads.
int64_t workspace_of(const GemmArgs& original, int64_t threads) {
  GemmArgs args = original;
  if (args.m == 0 || args.n == 0 || element_count(args.batch) == 0) return 0;
  fold_batch_into_rows(args);
  const int64_t count = element_count(args.batch);
  const Product first{args, gemm_kernels_for(args.dtype, cpu_isa()),
                      tile_kernels_for(args.dtype, cpu_isa()), operands_at(args, 0)};
  const Shares shares(first, count, threads);
  if (count == 1 || shares.each) return workspace_of(first, threads);
  const int64_t at_once = std::min(threads, (count + shares.grain - 1) / shares.grain);
  const int64_t own = shares.direct ? direct_scratch(first) : workspace_of(first, 1);
  return own == 0 ? 0 : at_once * static_cast<int64_t>(counted_bytes(static_cast<size_t>(own)));
}

void check(const GemmArgs& args) {
  if (args.m < 0 || args.n < 0 || args.k < 0) {
    fail("[gemm] expected sizes >= 0; got m = ", args.m, ", n = ", args.n, ", k = ", args.k);
  }
  const size_t rank = args.batch.size();
  if (args.a_batch.size() != rank || args.b_batch.size() != rank || args.c_batch.size() != rank ||
      (args.addend.data && args.addend_batch.size() != rank)) {
    fail("[gemm] expected one batch stride per operand and dimension of ", args.batch);
  }
}

}  // namespace

const GemmKernels& gemm_kernels_for(Dtype dtype, Isa isa) {
  const int index = dtype.index() - float16.index();
  if (index < 0) fail<TypeError>("[gemm] expected a floating or complex dtype; got ", dtype);
  const auto of = [&](const auto& real, const auto& complex) -> const GemmKernels& {
    return index < kRealGemmDtypes ? real[index] : complex[index - kRealGemmDtypes];
  };
  switch (isa) {
#if OLIVINE_HAS_ISA_AVX512
    case Isa::amx:
    case Isa::avx512_bf16:
    case Isa::avx512:
      return of(avx512::gemm_kernels, avx512::complex_gemm_kernels);
#endif
#if OLIVINE_HAS_ISA_AVX2
    case Isa::avx2:
      return of(avx2::gemm_kernels, avx2::complex_gemm_kernels);
#endif
    default:
      return of(plain::gemm_kernels, plain::complex_gemm_kernels);
  }
}

void gemm(const GemmArgs& args) { gemm(args, cpu_isa()); }

void gemm(const GemmArgs& original, Isa isa) {
  check(original);
  if (ScratchMeter::is_on())
    return ScratchMeter::take_briefly(workspace_of(original, ScratchMeter::threads()));
  GemmArgs args = original;
  const GemmKernels& kernels = gemm_kernels_for(args.dtype, isa);
  if (args.m == 0 || args.n == 0 || element_count(args.batch) == 0) return;
  fold_batch_into_rows(args);
  const int64_t count = element_count(args.batch);
  const TileKernels* tiles = tile_kernels_for(args.dtype, isa);
  const Product first{args, kernels, tiles, operands_at(args, 0)};
  if (count == 1) return multiply(first);
  const Shares shares(first, count, thread_count());
  const auto run = [&](int64_t begin, int64_t end) {
    ScratchBytes scratch(shares.direct ? direct_scratch(first) : 0, 1);
    Operands next = operands_at(args, begin);
    for (int64_t i = begin; i < end; ++i) {
      const Product product{args, kernels, tiles, next};
      next = operands_at(args, std::min(i + 1, count - 1));
      if (shares.direct) {
        multiply_direct(product, next, static_cast<char*>(scratch.data()));
      } else {
        multiply(product);
      }
    }
  };
  if (shares.each) {
    run(0, count);  // the threads share each product
  } else {
    parallel_for(count, shares.grain, run);
  }
}

int64_t gemm_workspace(const GemmArgs& args) { return workspace_of(args, thread_count()); }

}  // namespace olivine::cpu
