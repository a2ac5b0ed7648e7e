// Products by tile registers, emulated, against three plain loops.
#include "backends/cpu/gemm/tiles.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "backends/cpu/gemm/reference.h"
#include "runtime/thread_pool.h"

#if OLIVINE_HAS_ISA_AMX
namespace olivine::cpu {
namespace emulated {
extern const TileKernels tile_kernels;
}
namespace {

std::vector<bfloat16_t> random_values(int64_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> real(-1, 1);
  std::vector<bfloat16_t> v(static_cast<size_t>(n));
  for (bfloat16_t& x : v) x = reference::narrow<bfloat16_t>(real(engine));
  return v;
}

bool has_avx512() {
  for (Isa isa : available_isas()) {
    if (isa == Isa::avx512) return true;
  }
  return false;
}

std::vector<bfloat16_t> product(GemmArgs args) {
  args.dtype = bfloat16;
  std::vector<bfloat16_t> c(static_cast<size_t>(args.m * args.c_row_stride),
                            reference::narrow<bfloat16_t>(-7.0f));
  args.c = c.data();
  const auto at = [](const void* p) { return static_cast<const char*>(p); };
  multiply_tiles({args,
                  gemm_kernels_for(bfloat16, Isa::avx512),
                  &emulated::tile_kernels,
                  {at(args.a.data), at(args.b.data), reinterpret_cast<char*>(c.data()),
                   at(args.addend.data)}});
  return c;
}

void expect_product(GemmArgs args) {
  const std::vector<bfloat16_t> got = product(args);
  std::vector<bfloat16_t> expected(got.size(), reference::narrow<bfloat16_t>(-7.0f));
  args.dtype = bfloat16;
  args.c = expected.data();
  reference_gemm<bfloat16_t, double>(args);
  for (size_t i = 0; i < got.size(); ++i) {
    const double want = reference::widen<double>(expected[i]);
    ASSERT_NEAR(reference::widen<double>(got[i]), want, 0.008 * std::abs(want) + 0.002)
        << "element " << i << " of " << args.m << " x " << args.n << " x " << args.k;
  }
}

struct Size {
  int64_t m, n, k;
};
constexpr Size kSizes[] = {{1, 1, 1},      {8, 8, 32},     {16, 16, 32},  {17, 33, 31},
                           {31, 15, 65},   {48, 80, 64},   {33, 47, 100}, {270, 530, 40},
                           {20, 20, 1024}, {35, 50, 1025}, {40, 18, 2100}};

TEST(Tiles, agree_for_all_layouts) {
  if (!has_avx512()) GTEST_SKIP() << "packing needs AVX-512";
  for (auto [m, n, k] : kSizes) {
    const auto a = random_values(2 * m * k + 64, 1), b = random_values(2 * n * k + 64, 2);
    for (const Matrix& left : {Matrix{a.data(), k, 1}, Matrix{a.data(), 1, m},
                               Matrix{a.data(), 2 * k, 2}, Matrix{a.data(), 0, 1}}) {
      for (const Matrix& right : {Matrix{b.data(), n, 1}, Matrix{b.data(), 1, k},
                                  Matrix{b.data(), 2 * n, 2}, Matrix{b.data(), 1, 0}}) {
        expect_product({.m = m, .n = n, .k = k, .a = left, .b = right, .c_row_stride = n + 3});
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Tiles, scale_and_add) {
  if (!has_avx512()) GTEST_SKIP() << "packing needs AVX-512";
  for (auto [m, n, k] : kSizes) {
    const auto a = random_values(m * k, 1), b = random_values(n * k, 2),
               c = random_values(m * n, 3);
    GemmArgs args{.m = m, .n = n, .k = k, .c_row_stride = n, .alpha = 0.5, .beta = -2};
    args.a = {a.data(), k, 1};
    args.b = {b.data(), n, 1};
    args.addend = {c.data(), n, 1};
    expect_product(args);
    if (HasFatalFailure()) return;
  }
}

TEST(Tiles, do_not_depend_on_the_threads) {
  if (!has_avx512()) GTEST_SKIP() << "packing needs AVX-512";
  const int64_t m = 300, n = 200, k = 1100;
  const auto a = random_values(m * k, 1), b = random_values(n * k, 2);
  const GemmArgs args{
      .m = m, .n = n, .k = k, .a = {a.data(), k, 1}, .b = {b.data(), n, 1}, .c_row_stride = n};
  const int before = thread_count();
  set_thread_count(1);
  const auto one = product(args);
  for (int threads : {2, 3, 7, 16}) {
    set_thread_count(threads);
    const auto many = product(args);
    EXPECT_EQ(std::memcmp(one.data(), many.data(), one.size() * sizeof(one[0])), 0) << threads;
  }
  set_thread_count(before);
}

}  // namespace
}  // namespace olivine::cpu
#endif
