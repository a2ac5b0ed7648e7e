// Ops with packed weights: quantize, dequantize, quantized_matmul and gather_qmm.
//
// Few rows of x: dot products with codes unpacked in registers, so that the weights are read once.
// Many rows: panels of weights are unpacked into scratch memory, in x's dtype, and go through gemm.
// Products of a gather that share weights become one with more rows.
#include "backends/cpu/quantized.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/gather_matmul.h"
#include "backends/cpu/gemm/gemm.h"
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/quantized_e4m3.h"
#include "backends/cpu/quantized_fixed.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/scratch_meter.h"
#include "core/size.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kTask = 1 << 17;  // values that a task unpacks
constexpr int64_t kPanel = 128;  // columns of the result that are unpacked together; whole groups
constexpr int64_t kUnpacked = 1 << 21;  // values, about, that are unpacked at a time
constexpr int64_t kManyRows = 192;      // of x, from which on unpacking is little of the work

const QuantizedKernels& kernels() {
  switch (cpu_isa()) {
#if OLIVINE_HAS_ISA_AVX512
    case Isa::amx:
    case Isa::avx512_bf16:
    case Isa::avx512:
      return avx512::quantized_kernels;
#endif
#if OLIVINE_HAS_ISA_AVX2
    case Isa::avx2:
      return avx2::quantized_kernels;
#endif
    default:
      return plain::quantized_kernels;
  }
}
QuantizeFn quantize_groups() {
  switch (cpu_isa()) {
#if OLIVINE_HAS_ISA_AVX512
    case Isa::amx:
    case Isa::avx512_bf16:
    case Isa::avx512:
      return avx512::quantize_groups;
#endif
#if OLIVINE_HAS_ISA_AVX2
    case Isa::avx2:
      return avx2::quantize_groups;
#endif
    default:
      return plain::quantize_groups;
  }
}

int64_t grain_for(int64_t values) {
  return std::max<int64_t>(1, kTask / std::max<int64_t>(1, values));
}
int64_t size_of(Dtype dtype) { return static_cast<int64_t>(dtype.size()); }

// ---- quantize, dequantize

void run_quantize(const KernelCall& c) {
  const auto& p = c.as<QuantizeParams>();
  const View& w = c.in[0];
  if (w.size() == 0) return;
  const int64_t size = p.format.group_size, groups = w.size() / size;
  const int64_t per_matrix = w.shape.back() / size * w.shape[w.shape.size() - 2];
  const float* global = p.has_global ? c.in[1].as<const float>() : nullptr;
  const bool one = !global || c.in[1].size() == 1;
  const int64_t matrices = one ? 1 : groups / per_matrix;
  const int64_t in_matrix = groups / matrices;
  const int64_t words = p.format.words(size), scale_size = size_of(c.out[1].dtype);
  for (int64_t m = 0; m < matrices; ++m) {
    parallel_for(in_matrix, grain_for(size), [&](int64_t begin, int64_t end) {
      const int64_t first = m * in_matrix + begin;
      quantize_groups()({
          .format = p.format,
          .dtype = w.dtype,
          .values = w.as<const char>() + first * size * size_of(w.dtype),
          .groups = end - begin,
          .inverse_global = global ? kLargestNvfp4 / global[m] : 1,
          .has_global = global != nullptr,
          .words = c.out[0].as<uint32_t>() + first * words,
          .scales = c.out[1].as<char>() + first * scale_size,
          .biases = p.format.affine() ? c.out[2].as<char>() + first * scale_size : nullptr,
      });
    });
  }
}

// Matrix i of packed inputs: words, scales[, biases][, global scales].
PackedMatrix packed_matrix(std::span<const View> in, const QuantFormat& format, bool has_global,
                           int64_t i) {
  const View &w = in[0], &scales = in[1];
  PackedMatrix m{.format = format, .scale_dtype = scales.dtype};
  m.rows = w.shape[w.shape.size() - 2];
  m.row_words = w.shape.back();
  m.row_groups = format.groups(scales.shape.back());
  const int64_t first = i * m.rows;
  m.words = w.as<const uint32_t>() + first * m.row_words;
  const int64_t group = first * scales.shape.back() * size_of(scales.dtype);
  m.scales = scales.as<const char>() + group;
  if (format.has_biases()) m.biases = in[2].as<const char>() + group;
  if (has_global && !ScratchMeter::is_on())
    m.global = in[2].as<const float>()[in[2].size() == 1 ? 0 : i] / kLargestNvfp4;
  return m;
}

void run_dequantize(const KernelCall& c) {
  const auto& p = c.as<DequantizeParams>();
  const View& out = c.out[0];
  if (out.size() == 0) return;
  const int64_t k = out.shape.back(), rows = out.shape[out.shape.size() - 2];
  const int64_t matrices = out.size() / k / rows;
  parallel_for(matrices * rows, grain_for(k), [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t i = begin / rows, row = begin % rows;
      const int64_t count = std::min(end - begin, rows - row);
      const PackedMatrix m = packed_matrix(c.in, p.base.format, p.base.has_global, i);
      kernels().dequantize({.matrix = m,
                            .dtype = out.dtype,
                            .row = row,
                            .rows = count,
                            .cols = k,
                            .out = out.as<char>() + begin * k * size_of(out.dtype),
                            .out_stride = k,
                            .exact = p.base.format.affine()});
      begin += count;
    }
  });
}

// ---- Products

}  // namespace

void multiply_few(const PackedProduct& p) {
  const int64_t groups = p.matrix.row_groups;
  ScratchBytes prepared(checked_mul(p.m, prepared_size(p.k, groups)), sizeof(float));
  float* x = static_cast<float*>(prepared.data());
  if (!ScratchMeter::is_on()) {
    kernels().prepare(
        {.matrix = p.matrix, .dtype = p.dtype, .x = p.x, .rows = p.m, .k = p.k, .out = x});
  }
  ScratchMeter::parallel(p.n, grain_for(p.k), [&](int64_t begin, int64_t end) {
    ScratchBytes work(kDotWork * groups, sizeof(float));
    if (ScratchMeter::is_on()) return;
    kernels().dot({.matrix = p.matrix,
                   .x = x,
                   .x_rows = p.m,
                   .k = p.k,
                   .begin = begin,
                   .end = end,
                   .dtype = p.dtype,
                   .out = p.out,
                   .out_stride = p.n,
                   .work = static_cast<float*>(work.data())});
  });
}

namespace {

// A part of a packed matrix that is unpacked by all threads, rows x cols from (row, col) on.
struct Part {
  int64_t row, rows, col, cols;
};

void unpack_part(const PackedProduct& p, const Part& part, char* to) {
  if (ScratchMeter::is_on()) return;
  parallel_for(part.rows, grain_for(part.cols), [&](int64_t begin, int64_t end) {
    kernels().dequantize({.matrix = p.matrix,
                          .dtype = p.dtype,
                          .row = part.row + begin,
                          .rows = end - begin,
                          .col = part.col,
                          .cols = part.cols,
                          .out = to + begin * part.cols * size_of(p.dtype),
                          .out_stride = part.cols,
                          .exact = false});
  });
}

// Unpacks one part of the weights after another, and multiplies floats. Parts are those of the
// columns of the result, or of k where its sums are kept as they are.
void multiply_unpacked(const PackedProduct& p) {
  const int64_t size = size_of(p.dtype);
  const bool by_sums = !p.transpose && p.dtype == float32;
  const int64_t whole = by_sums ? p.k : p.n, other = by_sums ? p.n : p.k;
  const int64_t step = std::min(whole, std::max<int64_t>(kUnpacked / other / kPanel, 1) * kPanel);
  ScratchBytes scratch(checked_mul(step, other), size);
  char* const values = static_cast<char*>(scratch.data());
  GemmArgs g;
  g.dtype = p.dtype;
  g.m = p.m;
  g.c_row_stride = p.n;
  for (int64_t begin = 0; begin < whole; begin += step) {
    const int64_t count = std::min(step, whole - begin);
    const int64_t at = begin * size;
    g.n = by_sums ? p.n : count;
    g.k = by_sums ? count : p.k;
    g.a = {p.x + (by_sums ? at : 0), p.k, 1};
    g.c = p.out + (by_sums ? 0 : at);
    if (p.transpose) {
      unpack_part(p, {begin, count, 0, p.k}, values);
      g.b = {values, 1, p.k};
    } else if (by_sums) {
      unpack_part(p, {begin, count, 0, p.n}, values);
      g.b = {values, p.n, 1};
      if (begin > 0) g.addend = {g.c, p.n, 1};
    } else {
      unpack_part(p, {0, p.k, begin, count}, values);
      g.b = {values, count, 1};
    }
    gemm(g);
    if (ScratchMeter::is_on()) return;  // other parts are alike
  }
}

void multiply(const PackedProduct& p) {
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) {
    if (ScratchMeter::is_on()) return;
    std::memset(p.out, 0, static_cast<size_t>(p.m * p.n * size_of(p.dtype)));
  } else if (p.dtype == float32 && p.m >= kManyRows) {
    multiply_unpacked(p);  // fixed point takes three planes
  } else if (has_fixed_product(p)) {
    multiply_fixed(p);
  } else if (has_e4m3_product(p)) {
    multiply_e4m3(p);
  } else if (p.transpose && p.m <= kernels().few_rows) {
    multiply_few(p);
  } else {
    multiply_unpacked(p);
  }
}

void run_quantized_matmul(const KernelCall& c) {
  const auto& p = c.as<QuantizedMatmulParams>();
  const View &x = c.in[0], &out = c.out[0];
  const PackedMatrix m = packed_matrix(c.in.subspan(1), p.format, p.has_global, 0);
  multiply({m, x.dtype, p.transpose, x.as<const char>(), x.shape[0], x.shape[1], out.shape[1],
            out.as<char>()});
}

// How many products share a matrix depends on the indices: taken as if all had equally many.
void meter_gather_qmm(const KernelCall& c) {
  const auto& p = c.as<QuantizedMatmulParams>();
  const View &x = c.in[0], &out = c.out[0];
  const int64_t matrices = std::max<int64_t>(c.in[1].shape[0], 1), products = c.in.back().size();
  const int64_t count = (products + matrices - 1) / matrices, size = size_of(x.dtype);
  const int64_t m = x.shape[1], k = x.shape[2], n = out.shape[2];
  const PackedMatrix w = packed_matrix(c.in.subspan(1), p.format, p.has_global, 0);
  ScratchBytes rows(checked_mul(count, m * k), size), results(checked_mul(count, m * n), size);
  multiply({w, x.dtype, p.transpose, static_cast<char*>(rows.data()), count * m, k, n,
            static_cast<char*>(results.data())});
}

void run_gather_qmm(const KernelCall& c) {
  const auto& p = c.as<QuantizedMatmulParams>();
  const View &x = c.in[0], &out = c.out[0];
  if (ScratchMeter::is_on()) return meter_gather_qmm(c);
  const std::vector<int64_t> i = read_indices(c.in[c.in.size() - 2], x.shape[0], "gather_qmm");
  const std::vector<int64_t> j = read_indices(c.in.back(), c.in[1].shape[0], "gather_qmm");
  const int64_t m = x.shape[1], k = x.shape[2], n = out.shape[2], size = size_of(x.dtype);
  if (out.size() == 0) return;
  const IndexGroups groups(j);
  for (int64_t g = 0; g < groups.count(); ++g) {
    const std::span<const int64_t> products = groups[g];
    const int64_t count = static_cast<int64_t>(products.size());
    const PackedMatrix w = packed_matrix(c.in.subspan(1), p.format, p.has_global, j[products[0]]);
    ScratchBytes rows(checked_mul(count, m * k), size), results(checked_mul(count, m * n), size);
    char *left = static_cast<char*>(rows.data()), *right = static_cast<char*>(results.data());
    for (int64_t r = 0; r < count; ++r) {
      std::memcpy(left + r * m * k * size, x.as<const char>() + i[products[r]] * m * k * size,
                  static_cast<size_t>(m * k * size));
    }
    multiply({w, x.dtype, p.transpose, left, count * m, k, n, right});
    for (int64_t r = 0; r < count; ++r) {
      std::memcpy(out.as<char>() + products[r] * m * n * size, right + r * m * n * size,
                  static_cast<size_t>(m * n * size));
    }
  }
}

}  // namespace

void register_quantized(KernelTable& table) {
  auto dtypes = {float16, bfloat16, float32};
  table.add_all("quantize", dtypes, {.run = run_quantize, .contiguous = ~0u});
  table.add_all("dequantize", dtypes, {.run = run_dequantize, .contiguous = ~0u});
  table.add_all("quantized_matmul", dtypes, {.run = run_quantized_matmul, .contiguous = ~0u});
  table.add_all("gather_qmm", dtypes, {.run = run_gather_qmm, .contiguous = ~0u});
}

}  // namespace olivine::cpu
