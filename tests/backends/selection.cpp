// Kernels that select by a mask, on every instruction set, against plain loops.
#include <gtest/gtest.h>

#include <random>

#include "backends/elementwise_support.h"
#include "core/layout.h"
#include "ops/selection_params.h"

namespace olivine::cpu {
namespace {

struct Data {
  Shape shape;
  Dtype dtype;
  std::vector<char> bytes;
  Data(Shape s, Dtype t, char value = 0x55) : shape(std::move(s)), dtype(t) {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    bytes.assign(static_cast<size_t>(n) * t.size() + 1, value);  // never without an address
  }
  View view() { return {bytes.data(), dtype, shape, row_major(shape)}; }
  size_t elements() const { return (bytes.size() - 1) / dtype.size(); }
};

Data random_mask(Shape shape, double density, unsigned seed) {
  Data mask(std::move(shape), bool_);
  std::mt19937 engine(seed);
  std::bernoulli_distribution hit(density);
  for (char& b : mask.bytes) b = hit(engine);
  return mask;
}

void run(Isa isa, const char* op, Dtype key, std::vector<View> in, View out, const void* params) {
  const Kernel* kernel = table_of(isa).kernel(op_id(op), key);
  ASSERT_TRUE(kernel);
  kernel->run({.in = in, .out = {&out, 1}, .params = params});
}

// Sizes below, at and beyond a vector, a block and the number of hits.
constexpr int64_t kLengths[] = {1, 7, 8, 9, 64, 100, 16384, 40003};
constexpr double kDensities[] = {0, 0.01, 0.3, 0.9, 1};
constexpr int64_t kRows = 2;

template <class F>
void for_masks(F&& f) {
  unsigned seed = 0;
  for (Isa isa : loop_isas()) {
    for (int64_t n : kLengths) {
      for (double density : kDensities) {
        Data mask = random_mask({kRows, n}, density, ++seed);
        for (int64_t size : {int64_t{0}, n / 3 + 1, n + 5}) f(isa, mask, n, size);
      }
    }
  }
}

TEST(Selection, PositionsAreThoseOfHitsInOrder) {
  for_masks([](Isa isa, Data& mask, int64_t n, int64_t size) {
    Data out({kRows, 1, size}, int32);
    NonzeroParams p{1, size, -7, false};
    run(isa, "nonzero", bool_, {mask.view()}, out.view(), &p);
    const auto* got = reinterpret_cast<const int32_t*>(out.bytes.data());
    for (int64_t row = 0; row < kRows; ++row) {
      int64_t m = 0;
      for (int64_t i = 0; i < n && m < size; ++i) {
        if (mask.bytes[size_t(row * n + i)]) ASSERT_EQ(got[row * size + m++], i) << isa_name(isa);
      }
      for (; m < size; ++m) ASSERT_EQ(got[row * size + m], -7) << isa_name(isa);
    }
    ASSERT_EQ(out.bytes.back(), 0x55);
  });
}

TEST(Selection, PositionsOfSeveralAxesAreCoordinates) {
  for (Isa isa : loop_isas()) {
    for (int64_t inner : {1, 3, 8, 700}) {
      Data mask = random_mask({5, 9, inner}, 0.4, unsigned(inner));
      int64_t size = 45 * inner;
      Data out({3, size}, int64);
      NonzeroParams p{0, size, 0, true};
      run(isa, "nonzero", bool_, {mask.view()}, out.view(), &p);
      const auto* got = reinterpret_cast<const int64_t*>(out.bytes.data());
      int64_t m = 0;
      for (int64_t i = 0; i < size; ++i) {
        if (!mask.bytes[size_t(i)]) continue;
        ASSERT_EQ(got[m], i / inner / 9);
        ASSERT_EQ(got[size + m], i / inner % 9);
        ASSERT_EQ(got[2 * size + m], i % inner);
        ++m;
      }
    }
  }
}

// What compress and expand move, element by element: `inner` of them at a hit.
void check_moves(Isa isa, Data& mask, int64_t n, int64_t size, Dtype t, int64_t inner) {
  Data in({kRows, n, inner}, t), packed({kRows, size, inner}, t), back({kRows, n, inner}, t);
  for (size_t i = 0; i + 1 < in.bytes.size(); ++i) in.bytes[i] = char(i * 37 + i / 251);
  CompressParams p{1, size};
  ExpandParams q{1};
  run(isa, "compress", t, {in.view(), mask.view()}, packed.view(), &p);
  run(isa, "expand", t, {packed.view(), mask.view()}, back.view(), &q);
  const size_t part = t.size() * size_t(inner);
  const std::vector<char> nothing(part, 0);
  for (int64_t row = 0; row < kRows; ++row) {
    int64_t m = 0;
    auto place = [&](Data& d, int64_t of, int64_t i) {
      return d.bytes.data() + size_t(row * of + i) * part;
    };
    for (int64_t i = 0; i < n; ++i) {
      const bool hit = mask.bytes[size_t(row * n + i)] && m < size;
      const char* want = hit ? place(in, n, i) : nothing.data();
      ASSERT_EQ(std::memcmp(place(back, n, i), want, part), 0) << isa_name(isa) << " " << name(t);
      if (hit) ASSERT_EQ(std::memcmp(place(packed, size, m++), want, part), 0) << isa_name(isa);
    }
    for (; m < size; ++m) ASSERT_EQ(std::memcmp(place(packed, size, m), nothing.data(), part), 0);
  }
  ASSERT_EQ(packed.bytes.back(), 0x55);
  ASSERT_EQ(back.bytes.back(), 0x55);
}

TEST(Selection, ElementsUnderAMaskComeOutInOrderAndGoBack) {
  for_masks([](Isa isa, Data& mask, int64_t n, int64_t size) {
    for (Dtype t : {uint8, bfloat16, float32, float64, complex128}) {
      check_moves(isa, mask, n, size, t, 1);
    }
    if (n < 1000) check_moves(isa, mask, n, size, float32, 3);
  });
}

}  // namespace
}  // namespace olivine::cpu
