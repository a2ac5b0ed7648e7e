// Matrix products of every instruction set, dtype and layout against three plain loops.
#include "backends/cpu/gemm/gemm.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "backends/cpu/gemm/kernels.h"
#include "backends/cpu/gemm/reference.h"
#include "core/error.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu {
namespace {

template <class T>
struct Traits {
  using Wide = std::conditional_t<(sizeof(T) > 4), T, double>;
  static constexpr double kEps = sizeof(T) == 2   ? (std::is_same_v<T, float16_t> ? 1e-3 : 8e-3)
                                 : sizeof(T) == 4 ? 1.2e-7
                                                  : 2.3e-16;
};
template <>
struct Traits<double> {
  using Wide = long double;
  static constexpr double kEps = 2.3e-16;
};
template <>
struct Traits<complex64_t> {
  using Wide = std::complex<double>;
  static constexpr double kEps = 1.2e-7;
};
template <>
struct Traits<complex128_t> {
  using Wide = std::complex<long double>;
  static constexpr double kEps = 2.3e-16;
};

template <class T>
double distance(T a, T b) {
  using Wide = typename Traits<T>::Wide;
  return static_cast<double>(std::abs(reference::widen<Wide>(a) - reference::widen<Wide>(b)));
}

template <class T>
std::vector<T> random_values(size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> real(-1, 1);
  std::vector<T> v(n);
  for (T& x : v) {
    if constexpr (std::is_same_v<T, complex64_t> || std::is_same_v<T, complex128_t>) {
      x = T(real(engine), real(engine));
    } else {
      x = reference::narrow<T>(real(engine));
    }
  }
  return v;
}

enum class Layout { rows, columns, every_other, reversed, broadcast };
constexpr Layout kLayouts[] = {Layout::rows, Layout::columns, Layout::every_other, Layout::reversed,
                               Layout::broadcast};

// A rows x cols matrix laid out within `storage`, which fits any layout.
template <class T>
Matrix lay_out(const std::vector<T>& storage, Layout layout, int64_t rows, int64_t cols) {
  const T* p = storage.data();
  switch (layout) {
    case Layout::rows:
      return {p, cols + 3, 1};
    case Layout::columns:
      return {p, 1, rows + 1};
    case Layout::every_other:
      return {p, 2 * cols + 1, 2};
    case Layout::reversed:
      return {p + (rows * cols - (rows * cols > 0)), -cols, -1};
    case Layout::broadcast:
      return {p, 0, 1};
  }
  return {};
}
int64_t storage_size(int64_t rows, int64_t cols) { return (rows + 3) * (2 * cols + 4) + 8; }

template <class T>
void expect_product(GemmArgs args, Isa isa) {
  constexpr T marker{};
  const size_t size = static_cast<size_t>(args.m * args.c_row_stride);
  std::vector<T> got(size, marker), expected(size, marker);
  args.dtype = dtype_of<T>;
  args.c = got.data();
  gemm(args, isa);
  args.c = expected.data();
  reference_gemm<T, typename Traits<T>::Wide>(args);
  const double scale = std::abs(args.alpha) * std::sqrt(static_cast<double>(args.k)) + 1;
  for (size_t i = 0; i < size; ++i) {
    ASSERT_LE(distance(got[i], expected[i]), 16 * scale * Traits<T>::kEps)
        << "element " << i << " of " << args.m << " x " << args.n << " x " << args.k << " on "
        << isa_name(isa);
  }
}

template <class T>
class GemmTyped : public testing::Test {};
using Types = testing::Types<float16_t, bfloat16_t, float, double, complex64_t, complex128_t>;
TYPED_TEST_SUITE(GemmTyped, Types);

TYPED_TEST(GemmTyped, agrees_for_all_small_sizes) {
  for (Isa isa : available_isas()) {
    for (int64_t m = 1; m <= 70; m = m < 14 ? m + 1 : m + 11) {
      for (int64_t n = 1; n <= 70; n = n < 10 ? n + 3 : n + 7) {
        for (int64_t k : {0, 1, 2, 3, 7, 16, 17, 31, 64, 70}) {
          auto a = random_values<TypeParam>(m * k + 1, 1),
               b = random_values<TypeParam>(k * n + 1, 2);
          expect_product<TypeParam>({.m = m,
                                     .n = n,
                                     .k = k,
                                     .a = {a.data(), k, 1},
                                     .b = {b.data(), n, 1},
                                     .c_row_stride = n},
                                    isa);
          if (this->HasFatalFailure()) return;
        }
      }
    }
  }
}

TYPED_TEST(GemmTyped, agrees_for_all_layouts) {
  for (Isa isa : available_isas()) {
    for (auto [m, n, k] : {std::array<int64_t, 3>{37, 45, 53},
                           {1, 67, 129},
                           {65, 1, 40},
                           {130, 70, 9},
                           {1, 1, 33}}) {
      auto a = random_values<TypeParam>(storage_size(m, k), 1);
      auto b = random_values<TypeParam>(storage_size(k, n), 2);
      auto c = random_values<TypeParam>(storage_size(m, n), 3);
      for (Layout la : kLayouts) {
        for (Layout lb : kLayouts) {
          for (Layout lc : kLayouts) {
            expect_product<TypeParam>({.m = m,
                                       .n = n,
                                       .k = k,
                                       .a = lay_out(a, la, m, k),
                                       .b = lay_out(b, lb, k, n),
                                       .c_row_stride = n + 2,
                                       .addend = lay_out(c, lc, m, n),
                                       .alpha = 0.5,
                                       .beta = -2},
                                      isa);
            if (this->HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

// Several blocks along every dimension, with and without an addend.
TYPED_TEST(GemmTyped, agrees_across_blocks) {
  for (Isa isa : available_isas()) {
    for (auto [m, n, k] : {std::array<int64_t, 3>{2060, 19, 30},
                           {13, 2100, 30},
                           {13, 35, 4000},
                           {140, 290, 400},
                           {50, 700, 1000},
                           {1000, 40, 130},
                           {1, 5000, 300},
                           {3000, 1, 70},
                           {1, 3, 20000}}) {
      auto a = random_values<TypeParam>(m * k, 1), b = random_values<TypeParam>(k * n, 2);
      auto bias = random_values<TypeParam>(n, 3);
      GemmArgs args{
          .m = m, .n = n, .k = k, .a = {a.data(), k, 1}, .b = {b.data(), 1, k}, .c_row_stride = n};
      expect_product<TypeParam>(args, isa);
      args.b = {b.data(), n, 1};
      expect_product<TypeParam>(args, isa);
      args.addend = {bias.data(), 0, 1};
      expect_product<TypeParam>(args, isa);
      if (this->HasFatalFailure()) return;
    }
  }
}

TYPED_TEST(GemmTyped, batches_with_broadcast_operands) {
  const int64_t m = 25, n = 39, k = 11, outer = 3, inner = 4;
  auto a = random_values<TypeParam>(outer * inner * m * k, 1);
  auto b = random_values<TypeParam>(outer * k * n, 2);
  for (Isa isa : available_isas()) {
    for (bool shared : {false, true}) {
      std::vector<TypeParam> c(outer * inner * m * n);
      GemmArgs args{.dtype = dtype_of<TypeParam>,
                    .m = m,
                    .n = n,
                    .k = k,
                    .a = {a.data(), k, 1},
                    .b = {b.data(), n, 1},
                    .c = c.data(),
                    .c_row_stride = n,
                    .batch = {outer, inner},
                    .a_batch = {inner * m * k, m * k},
                    .b_batch = {shared ? 0 : k * n, 0},
                    .c_batch = {inner * m * n, m * n}};
      gemm(args, isa);
      for (int64_t i = 0; i < outer * inner; ++i) {
        std::vector<TypeParam> expected(m * n);
        GemmArgs one = args;
        one.a.data = a.data() + i * m * k;
        one.b.data = b.data() + (shared ? 0 : i / inner * k * n);
        one.c = expected.data();
        reference_gemm<TypeParam, typename Traits<TypeParam>::Wide>(one);
        for (int64_t j = 0; j < m * n; ++j) {
          ASSERT_LE(distance(c[i * m * n + j], expected[j]), 40 * Traits<TypeParam>::kEps);
        }
      }
    }
  }
}

TYPED_TEST(GemmTyped, results_do_not_depend_on_threads) {
  const int threads = thread_count();
  for (Isa isa : available_isas()) {
    for (auto [m, n, k, transposed] : {std::array<int64_t, 4>{300, 333, 450, 0},
                                       {100, 333, 450, 1},
                                       {1, 3000, 900, 0},
                                       {2500, 1, 800, 0},
                                       {64, 64, 4000, 0},
                                       {1500, 70, 90, 0},
                                       {1500, 70, 90, 1}}) {
      auto a = random_values<TypeParam>(m * k, 1), b = random_values<TypeParam>(k * n, 2);
      std::vector<TypeParam> one(m * n), other(m * n);
      GemmArgs args{.dtype = dtype_of<TypeParam>,
                    .m = m,
                    .n = n,
                    .k = k,
                    .a = {a.data(), k, 1},
                    .b = {b.data(), transposed ? 1 : n, transposed ? k : 1},
                    .c = one.data(),
                    .c_row_stride = n};
      set_thread_count(1);
      gemm(args, isa);
      for (int count : {2, 3, 7, 64}) {
        set_thread_count(count);
        std::fill(other.begin(), other.end(), TypeParam{});
        args.c = other.data();
        gemm(args, isa);
        EXPECT_EQ(std::memcmp(one.data(), other.data(), one.size() * sizeof(TypeParam)), 0);
      }
    }
  }
  set_thread_count(threads);
}

TEST(Gemm, propagates_infinities_and_nan) {
  const float inf = std::numeric_limits<float>::infinity();
  for (Isa isa : available_isas()) {
    for (int64_t n : {1, 3, 40}) {
      std::vector<float> a = {0, 1, inf, 1, std::nanf(""), 1}, b(2 * n, 1), c(3 * n);
      b[0] = inf;
      gemm({.m = 3,
            .n = n,
            .k = 2,
            .a = {a.data(), 2, 1},
            .b = {b.data(), n, 1},
            .c = c.data(),
            .c_row_stride = n},
           isa);
      EXPECT_TRUE(std::isnan(c[0]));  // 0 * inf
      EXPECT_EQ(c[n], inf);
      EXPECT_TRUE(std::isnan(c[2 * n]));
      if (n > 1) {
        EXPECT_EQ(c[1], 1);
      }
    }
  }
}

TEST(Gemm, keeps_subnormals) {
  for (Isa isa : available_isas()) {
    auto half = float16_t::from_bits;
    std::vector<float16_t> a = {half(1), half(0x3c00)}, b = {half(0x3c00), half(2)};
    float16_t c;
    gemm({.dtype = float16,
          .m = 1,
          .n = 1,
          .k = 2,
          .a = {a.data(), 2, 1},
          .b = {b.data(), 1, 1},
          .c = &c,
          .c_row_stride = 1},
         isa);
    EXPECT_EQ(c.bits, 3);
    std::vector<bfloat16_t> d(2, bfloat16_t::from_bits(1)), e(2, bfloat16_t::from_bits(0x3f80)),
        f(4);
    gemm({.dtype = bfloat16,
          .m = 2,
          .n = 2,
          .k = 1,
          .a = {d.data(), 1, 1},
          .b = {e.data(), 2, 1},
          .c = f.data(),
          .c_row_stride = 2},
         isa);
    EXPECT_EQ(f[3].bits, 1);
  }
}

TEST(Gemm, rounds_halves_to_even_and_overflows_to_infinity) {
  for (Isa isa : available_isas()) {
    // 2048 + 1 and 2050 + 1 lie halfway; 65504 + 16 is the first sum that rounds to infinity.
    const auto half = [](uint16_t bits) { return float16_t::from_bits(bits); };
    std::vector<float16_t> a = {half(0x6800), half(0x6801), half(0x7bff)}, one = {half(0x3c00)};
    std::vector<float16_t> add = {half(0x3c00), half(0x3c00), half(0x4c00)}, c(3);
    gemm({.dtype = float16,
          .m = 3,
          .n = 1,
          .k = 1,
          .a = {a.data(), 1, 1},
          .b = {one.data(), 1, 1},
          .c = c.data(),
          .c_row_stride = 1,
          .addend = {add.data(), 1, 1}},
         isa);
    EXPECT_EQ(c[0].bits, 0x6800);
    EXPECT_EQ(c[1].bits, 0x6802);
    EXPECT_EQ(c[2].bits, 0x7c00);
  }
}

TEST(Gemm, writes_only_its_columns) {
  for (Isa isa : available_isas()) {
    std::vector<float> a(50 * 50, 1), b(50 * 33, 1), c(50 * 40, -7);
    gemm({.m = 50,
          .n = 33,
          .k = 50,
          .a = {a.data(), 50, 1},
          .b = {b.data(), 33, 1},
          .c = c.data(),
          .c_row_stride = 40},
         isa);
    for (int64_t i = 0; i < 50; ++i) {
      EXPECT_EQ(c[i * 40 + 32], 50);
      EXPECT_EQ(c[i * 40 + 33], -7);
    }
  }
}

// The last elements of the operands are the last ones of their pages.
TYPED_TEST(GemmTyped, reads_nothing_past_the_operands) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), size = sizeof(TypeParam);
  const auto mapped = [&] {
    void* p = mmap(nullptr, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(static_cast<char*>(p) + 2 * page, page, PROT_NONE);
    return static_cast<char*>(p);
  };
  char *a = mapped(), *b = mapped(), *c = mapped();
  const auto last = [&](char* p, int64_t n) {
    return reinterpret_cast<TypeParam*>(p + 2 * page - static_cast<size_t>(n) * size);
  };
  for (Isa isa : available_isas()) {
    for (int64_t m : {2, 8, 13}) {
      for (int64_t n : {2, 8, 19}) {
        for (int64_t k : {1, 8, 13}) {
          for (bool flip : {false, true}) {
            gemm({.dtype = dtype_of<TypeParam>,
                  .m = m,
                  .n = n,
                  .k = k,
                  .a = {last(a, m * k), flip ? 1 : k, flip ? m : 1},
                  .b = {last(b, k * n), flip ? 1 : n, flip ? k : 1},
                  .c = last(c, m * n),
                  .c_row_stride = n},
                 isa);
          }
        }
      }
    }
  }
  for (char* p : {a, b, c}) munmap(p, 3 * page);
}

TEST(Gemm, adds_to_c_in_place) {
  std::vector<float> a(40 * 900, 1), b(900 * 50, 1), c(40 * 50, 4);
  gemm({.m = 40,
        .n = 50,
        .k = 900,
        .a = {a.data(), 900, 1},
        .b = {b.data(), 50, 1},
        .c = c.data(),
        .c_row_stride = 50,
        .addend = {c.data(), 50, 1},
        .beta = 0.25});
  for (float x : c) EXPECT_EQ(x, 901);
}

TEST(Gemm, subtracts_from_c_or_another_addend) {
  for (Isa isa : available_isas()) {
    for (const double alpha : {1.0, -1.0}) {
      for (int64_t k : {100, 900}) {
        for (int64_t n : {1, 8, 33, 70, 300}) {
          for (const bool in_place : {false, true}) {
            constexpr int64_t m = 25;
            std::vector<float> a(static_cast<size_t>(m * k), 1), b(static_cast<size_t>(k * n), 2);
            std::vector<float> c(static_cast<size_t>(m * n), 4), other = c;
            gemm({.m = m,
                  .n = n,
                  .k = k,
                  .a = {a.data(), k, 1},
                  .b = {b.data(), n, 1},
                  .c = c.data(),
                  .c_row_stride = n,
                  .addend = {in_place ? c.data() : other.data(), n, 1},
                  .alpha = alpha},
                 isa);
            for (float x : c) ASSERT_EQ(x, 4 + alpha * 2 * static_cast<double>(k));
          }
        }
      }
    }
  }
}

// Threads pack panels that are neighbours.
TEST(Gemm, packing_writes_nothing_past_a_panel) {
  constexpr float kMark = 12345;
  for (Isa isa : available_isas()) {
    const GemmKernels& kernels = gemm_kernels_for(float32, isa);
    for (int64_t k = 1; k <= 70; ++k) {
      for (int64_t width = 1; width <= kernels.mr; ++width) {
        for (const bool contiguous : {false, true}) {
          const std::vector<float> src = random_values<float>(static_cast<size_t>(k * 40), 1);
          const int64_t size = k * width;
          std::vector<float> dst(static_cast<size_t>(size + 64), kMark);
          kernels.pack_a({.src = src.data(),
                          .line_stride = contiguous ? k : 1,
                          .k_stride = contiguous ? 1 : 40,
                          .width = width,
                          .packed_width = width,
                          .k = k,
                          .dst = dst.data()});
          for (int64_t i = 0; i < size; ++i) {
            const int64_t p = i / width, line = i % width;
            ASSERT_EQ(dst[static_cast<size_t>(i)],
                      src[static_cast<size_t>(contiguous ? line * k + p : p * 40 + line)]);
          }
          for (size_t i = static_cast<size_t>(size); i < dst.size(); ++i) {
            ASSERT_EQ(dst[i], kMark) << k << " steps of " << width;
          }
        }
      }
    }
  }
}

TEST(Gemm, rejects_other_dtypes) {
  EXPECT_THROW(gemm({.dtype = int32}), TypeError);
  EXPECT_THROW(gemm({.m = -1}), std::invalid_argument);
}

}  // namespace
}  // namespace olivine::cpu
