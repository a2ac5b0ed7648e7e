// Products with a vector: the matrix is read once, in chunks of its two axes.
#include <algorithm>

#include "backends/cpu/gemm/product.h"
#include "backends/cpu/tile.h"
#include "core/size.h"
#include "runtime/allocator.h"
#include "runtime/counted_bytes.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kSmallBytes = 1 << 18;  // too little to share among threads
constexpr int64_t kChunk = 1 << 15;       // elements of the matrix that one task reads
constexpr int64_t kLongestDot = 1 << 14;  // along k, where k is contiguous
constexpr int64_t kLongestRow = 1 << 11;  // along the output, where that is contiguous
constexpr int64_t kMostTasks = 32;        // there: each has sums of its own
constexpr int64_t kAddGrain = 1 << 15;    // of those, that a task adds up

// y = x @ matrix, whichever side of the product the vector is on.
struct VectorProduct {
  const char* x;
  int64_t x_stride;
  const char* matrix;
  int64_t k_stride, n_stride;
  int64_t n;
};

VectorProduct vector_product(const Product& p) {
  const GemmArgs& args = p.args;
  if (args.m == 1) {
    return {p.at.a, args.a.col_stride, p.at.b, args.b.row_stride, args.b.col_stride, args.n};
  }
  return {p.at.b, args.b.row_stride, p.at.a, args.a.col_stride, args.a.row_stride, args.m};
}

char* bytes(const BufferRef& buffer) { return static_cast<char*>(buffer->data); }

// Chunks along k and along the output; the sums of each chunk along k are kept apart.
struct Chunks {
  int64_t k_count, n_count;
  int64_t k_size, n_size;
};

Chunks choose_chunks(const VectorProduct& v, int64_t k) {
  Chunks c{};
  if (v.k_stride == 1) {
    c.k_size = std::min(k, kLongestDot);
    c.n_size = std::max<int64_t>(4, kChunk / c.k_size / 4 * 4);
  } else {
    c.n_size = std::min(v.n, kLongestRow);
    c.k_size = std::max<int64_t>(32, kChunk / c.n_size / 8 * 8);
    const int64_t most = std::max<int64_t>(1, kMostTasks * c.n_size / v.n);
    c.k_size = std::max(c.k_size, (k + most - 1) / most / 8 * 8);
  }
  c.k_count = (k + c.k_size - 1) / c.k_size;
  c.n_count = (v.n + c.n_size - 1) / c.n_size;
  return c;
}

template <class T>
void add_parts(T* sums, int64_t parts, int64_t n) {
  if (parts == 1) return;
  parallel_for(n, kAddGrain / parts + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = 1; i < parts; ++i) {
      for (int64_t j = begin; j < end; ++j) sums[j] += sums[i * n + j];
    }
  });
}

// What is read and written where it lies: x and the result, if they are as the kernels have them.
struct InPlace {
  bool x, result;
};
InPlace used_in_place(const Product& p, const VectorProduct& v, const Chunks& chunks) {
  const bool same =
      p.kernels.parts == 1 && p.kernels.packed_size == static_cast<int64_t>(p.args.dtype.size());
  const bool contiguous = p.args.m == 1 || p.args.c_row_stride == 1;
  return {same && v.x_stride == 1,
          same && contiguous && chunks.k_count == 1 && p.args.alpha == 1 && !p.at.addend};
}

// x, contiguous in the type computed in.
BufferRef convert_vector(const Product& product, const VectorProduct& v) {
  const int64_t k = product.args.k;
  BufferRef x = allocate(checked_mul(k, product.kernels.packed_size * product.kernels.parts));
  if (product.kernels.parts == 2) {
    pack_run(v.x, v.x_stride, product.args.dtype.size(), k, x->data);
    return x;
  }
  product.kernels.pack_a({.src = v.x,
                          .line_stride = v.x_stride,
                          .k_stride = 0,
                          .width = k,
                          .packed_width = k,
                          .k = 1,
                          .dst = x->data});
  return x;
}

void finish_vector(const Product& product, const void* sums) {
  const GemmArgs& args = product.args;
  if (args.m == 1 || args.c_row_stride != 1) {
    finish(product, sums, product.kernels.parts, 0, args.m, 0, args.n);
    return;
  }
  // A contiguous column: finished as a row, which takes full vectors.
  GemmArgs row = args;
  std::swap(row.m, row.n);
  std::swap(row.addend.row_stride, row.addend.col_stride);
  finish({row, product.kernels, product.tiles, product.at}, sums, 1, 0, row.m, 0, row.n);
}

}  // namespace

bool has_vector(const Product& product) {
  if (product.args.m != 1 && product.args.n != 1) return false;
  const VectorProduct v = vector_product(product);
  return v.k_stride == 1 || v.n_stride == 1;
}

int64_t vector_workspace(const Product& product) {
  const VectorProduct v = vector_product(product);
  const int64_t sum_size = product.kernels.packed_size * product.kernels.parts;
  const Chunks chunks = choose_chunks(v, product.args.k);
  const InPlace in_place = used_in_place(product, v, chunks);
  auto counted = [&](int64_t count) {
    return static_cast<int64_t>(counted_bytes(static_cast<size_t>(count * sum_size)));
  };
  return (in_place.x ? 0 : counted(product.args.k)) +
         (in_place.result ? 0 : counted(chunks.k_count * v.n));
}

void multiply_vector(const Product& product) {
  const GemmKernels& kernels = product.kernels;
  const VectorProduct v = vector_product(product);
  const int64_t k = product.args.k, n = v.n, size = static_cast<int64_t>(product.args.dtype.size());
  const bool dot = v.k_stride == 1;
  const Chunks chunks = choose_chunks(v, k);
  const InPlace in_place = used_in_place(product, v, chunks);
  const int64_t sum_size = kernels.packed_size * kernels.parts;
  BufferRef converted, sums;
  if (!in_place.x) converted = convert_vector(product, v);
  if (!in_place.result) {
    sums = allocate(checked_mul(checked_mul(chunks.k_count, n), sum_size));
  }
  const char* x = in_place.x ? v.x : bytes(converted);
  char* y = in_place.result ? product.at.c : bytes(sums);
  const int64_t tasks = chunks.k_count * chunks.n_count;
  const bool serial = static_cast<double>(n) * static_cast<double>(k * size) < kSmallBytes;
  parallel_for(tasks, serial ? tasks : 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t part = t / chunks.n_count;
      const int64_t p = part * chunks.k_size, j = t % chunks.n_count * chunks.n_size;
      (dot ? kernels.gemv_dot : kernels.gemv_axpy)({
          .x = x + p * sum_size,
          .matrix = v.matrix + size * (p * v.k_stride + j * v.n_stride),
          .stride = dot ? v.n_stride : v.k_stride,
          .k = std::min(chunks.k_size, k - p),
          .n = std::min(chunks.n_size, n - j),
          .y = y + (part * n + j) * sum_size,
      });
    }
  });
  if (in_place.result) return;
  if (kernels.packed_size == 8) {
    add_parts(static_cast<double*>(sums->data), chunks.k_count, n * kernels.parts);
  } else {
    add_parts(static_cast<float*>(sums->data), chunks.k_count, n * kernels.parts);
  }
  finish_vector(product, sums->data);
}

}  // namespace olivine::cpu
