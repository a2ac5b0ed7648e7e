// Products of rows with a Hadamard matrix H_m (x) H_2 (x) ... (x) H_2, in n log n steps.
//
// H_12 is Paley's second construction from the squares modulo 5. H_20 and H_28 are Williamson's: 4
// x 4 circulant blocks of 5 and 7 (both as in Sloane's library of Hadamard matrices).
#include "backends/cpu/kernel_table.h"
#include "backends/cpu/scratch.h"
#include "backends/cpu/vec-inl.h"
#include "ops/matmul_params.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

constexpr int64_t kTask = 1 << 14;  // elements of a task
constexpr int kLargest = 28;

// First rows of the circulant blocks.
constexpr const char* kBlocks20 =
    "+---- +---- ++--+ +-++- "
    "-++++ +---- -+--+ ++--+ "
    "--++- +-++- +---- -++++ "
    "-+--+ --++- +---- +---- ";
constexpr const char* kBlocks28 =
    "+------ ++----+ +-+--+- +--++-- "
    "--++++- +------ -++--++ +-+--+- "
    "-+-++-+ +--++-- +------ --++++- "
    "-++--++ -+-++-+ ++----+ +------ ";

bool positive(int m, int row, int col) {
  if (m == 12) {
    constexpr bool square[5] = {true, true, false, false, true};
    const int i = row / 2, j = col / 2;
    if (i == j) return row % 2 == 0 && col % 2 == 0;
    const bool same = i == 0 || j == 0 || square[(j - i + 5) % 5];
    return same != (row % 2 == 1 && col % 2 == 1);
  }
  const int p = m / 4, block = row / p * 4 + col / p;
  return (m == 20 ? kBlocks20 : kBlocks28)[block * (p + 1) + (col % p - row % p + p) % p] == '+';
}

template <class A>
struct Transform {
  int64_t n, steps;  // n = m * steps, steps a power of two
  int m;
  bool transpose;
  A sign[kLargest][kLargest];

  Transform(int64_t size, bool transposed) : n(size), steps(1), transpose(transposed) {
    int64_t rest = size;
    while (rest % 2 == 0 && rest != 12 && rest != 20 && rest != 28) {
      rest /= 2;
      steps *= 2;
    }
    m = int(rest);
    for (int i = 0; m > 1 && i < m; ++i) {
      for (int j = 0; j < m; ++j) {
        sign[i][j] = (transposed ? positive(m, j, i) : positive(m, i, j)) ? A(1) : A(-1);
      }
    }
  }

  // x[i], x[i + h] -> their sum and difference, for growing h.
  static void butterflies(A* x, int64_t size) {
    int64_t h = 1;
    for (; h < size && h < 16; h *= 2) {
      for (int64_t i = 0; i < size; i += 2 * h) {
        for (int64_t j = i; j < i + h; ++j) {
          const A a = x[j], b = x[j + h];
          x[j] = a + b;
          x[j + h] = a - b;
        }
      }
    }
    for (; h < size; h *= 2) {
      for (int64_t i = 0; i < size; i += 2 * h) {
        A* __restrict lower = x + i;
        A* __restrict upper = x + i + h;
        for (int64_t j = 0; j < h; ++j) {
          const A a = lower[j], b = upper[j];
          lower[j] = a + b;
          upper[j] = a - b;
        }
      }
    }
  }

  // y[i] = sum over j of sign[i][j] x[j], each of them `steps` elements.
  void combine(const A* __restrict x, A* __restrict y) const {
    for (int i = 0; i < m; ++i) {
      A* __restrict to = y + i * steps;
      for (int64_t s = 0; s < steps; ++s) to[s] = 0;
      for (int j = 0; j < m; ++j) {
        const A* __restrict from = x + j * steps;
        const A by = sign[i][j];
        for (int64_t s = 0; s < steps; ++s) to[s] += by * from[s];
      }
    }
  }

  // `work` holds two rows.
  template <class T>
  void run_row(const T* in, A scale, A* work, T* out) const {
    for (int64_t i = 0; i < n; ++i) work[i] = widen<A>(in[i]);
    for (int i = 0; i < m; ++i) butterflies(work + i * steps, steps);
    if (m > 1) {
      combine(work, work + n);
      work += n;
    }
    for (int64_t i = 0; i < n; ++i) out[i] = narrow<T>(work[i] * scale);
  }
};

template <class T>
void hadamard(const KernelCall& call) {
  using A = std::conditional_t<is_half<T>, float, T>;
  const auto& p = call.as<HadamardParams>();
  const View& x = call.in[0];
  const int64_t n = x.shape.back();
  if (x.size() == 0) return;
  const Transform<A> transform(n, p.transpose);
  parallel_for(x.size() / n, larger(1, kTask / n), [&](int64_t begin, int64_t end) {
    ScratchBytes work(2 * n, sizeof(A));
    for (int64_t r = begin; r < end; ++r) {
      transform.run_row(x.as<const T>() + r * n, A(p.scale), static_cast<A*>(work.data()),
                        call.out[0].as<T>() + r * n);
    }
  });
}

}  // namespace

void register_hadamard(KernelTable& table) {
  table.add("hadamard_transform", float16, {.run = hadamard<float16_t>, .contiguous = 1});
  table.add("hadamard_transform", bfloat16, {.run = hadamard<bfloat16_t>, .contiguous = 1});
  table.add("hadamard_transform", float32, {.run = hadamard<float>, .contiguous = 1});
  table.add("hadamard_transform", float64, {.run = hadamard<double>, .contiguous = 1});
}

}  // namespace olivine::cpu::OLIVINE_ISA
