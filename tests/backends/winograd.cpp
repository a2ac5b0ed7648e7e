// Winograd's transforms of every instruction set against the matrices that define them.
#include "backends/cpu/gemm/winograd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "backends/cpu/gemm/kernels.h"

namespace olivine::cpu {
namespace {

// Lavin and Gray, "Fast algorithms for convolutional neural networks" (2015), section 4.1.
constexpr float kInput[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
constexpr float kWeight[4][3] = {{1, 0, 0}, {.5f, .5f, .5f}, {.5f, -.5f, .5f}, {0, 0, 1}};
constexpr float kOutput[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};

// left x left' of a square matrix x of `n` rows, at row i and column j.
template <int n, class Row, class X>
float both_sides(const Row& left, int i, int j, X x) {
  float sum = 0;
  for (int a = 0; a < n; ++a) {
    for (int b = 0; b < n; ++b) sum += left[i][a] * x(a, b) * left[j][b];
  }
  return sum;
}

// Small even integers, whose transforms are exact.
std::vector<float> integers(size_t n) {
  std::mt19937 engine(1);
  std::uniform_int_distribution<int> draw(-8, 8);
  std::vector<float> v(n);
  for (float& x : v) x = static_cast<float>(4 * draw(engine));
  return v;
}

class Winograd : public testing::TestWithParam<Isa> {
 protected:
  const WinogradKernels& kernels() const { return *gemm_kernels_for(float32, GetParam()).winograd; }
};

TEST_P(Winograd, InputsOfTilesThatOverlap) {
  constexpr int64_t tiles = 3, channels = 21, width = 32, step = 35;
  constexpr int64_t plane = tiles * step + 5;
  constexpr int64_t line = (2 * tiles + 2) * channels + width;
  const std::vector<float> x = integers(4 * line);
  std::vector<float> out(kWinogradTerms * plane, -1);
  WinogradInputArgs args{{}, channels, tiles, width, out.data(), plane, step};
  for (int i = 0; i < 4; ++i) args.lines[i] = x.data() + i * line;
  kernels().input(args);
  for (int term = 0; term < kWinogradTerms; ++term) {
    for (int64_t t = 0; t < tiles; ++t) {
      for (int64_t c = 0; c < channels; ++c) {
        const auto at = [&](int a, int b) {
          return x[static_cast<size_t>(a * line + (2 * t + b) * channels + c)];
        };
        EXPECT_EQ(out[static_cast<size_t>(term * plane + t * step + c)],
                  both_sides<4>(kInput, term / 4, term % 4, at));
      }
    }
  }
}

TEST_P(Winograd, Weights) {
  constexpr int64_t count = 48, plane = 50;
  const std::vector<float> taps = integers(kWinogradTaps * count);
  std::vector<float> out(kWinogradTerms * plane, -1);
  kernels().weight({taps.data(), count, out.data(), plane});
  for (int term = 0; term < kWinogradTerms; ++term) {
    for (int64_t i = 0; i < count; ++i) {
      const auto at = [&](int a, int b) {
        return taps[static_cast<size_t>((3 * a + b) * count + i)];
      };
      EXPECT_EQ(out[static_cast<size_t>(term * plane + i)],
                both_sides<3>(kWeight, term / 4, term % 4, at));
    }
    EXPECT_EQ(out[static_cast<size_t>(term * plane + count)], -1);
  }
}

// An odd number of positions, channels that fill no vector, and with or without a second line.
TEST_P(Winograd, OutputsWithinTheImageAlone) {
  constexpr int64_t channels = 19, positions = 5, tile_step = 32, plane = 3 * tile_step + 7;
  constexpr int64_t step = channels + 2;
  const std::vector<float> terms = integers(kWinogradTerms * plane);
  for (int lines : {1, 2}) {
    std::vector<float> out(2 * (positions + 1) * step, -1);
    float* const second = out.data() + (positions + 1) * step;
    kernels().output({terms.data(),
                      plane,
                      tile_step,
                      channels,
                      positions,
                      {out.data(), lines == 2 ? second : nullptr},
                      step});
    for (int64_t i = 0; i < 2; ++i) {
      for (int64_t p = 0; p <= positions; ++p) {
        for (int64_t o = 0; o < step; ++o) {
          const auto at = [&](int a, int b) {
            return terms[static_cast<size_t>((4 * a + b) * plane + p / 2 * tile_step + o)];
          };
          const bool written = i < lines && p < positions && o < channels;
          const float want = written ? both_sides<4>(kOutput, static_cast<int>(i), p % 2, at) : -1;
          EXPECT_EQ(out[static_cast<size_t>((i * (positions + 1) + p) * step + o)], want);
        }
      }
    }
  }
}

// <transform(y), terms> is <y, output(terms)>, with zeros outside the image.
TEST_P(Winograd, CotangentsAreThoseOfOutputs) {
  constexpr int64_t channels = 19, positions = 5, step = 24, plane = 3 * step;
  constexpr int64_t line = positions * channels;
  const std::vector<float> y = integers(2 * line);
  for (int64_t lines : {1, 2}) {
    std::vector<float> out(kWinogradTerms * plane, -1);
    kernels().cotangent({{y.data(), lines == 2 ? y.data() + line : nullptr},
                         channels,
                         positions,
                         out.data(),
                         plane,
                         step});
    for (int term = 0; term < kWinogradTerms; ++term) {
      for (int64_t t = 0; t < 3; ++t) {
        for (int64_t o = 0; o < channels; ++o) {
          float want = 0;
          for (int64_t i = 0; i < lines; ++i) {
            for (int64_t p = 2 * t; p < std::min(2 * t + 2, positions); ++p) {
              want += kOutput[i][term / 4] * kOutput[p % 2][term % 4] *
                      y[static_cast<size_t>(i * line + p * channels + o)];
            }
          }
          EXPECT_EQ(out[static_cast<size_t>(term * plane + t * step + o)], want);
        }
      }
    }
  }
}

TEST_P(Winograd, GradientsAreThoseOfWeights) {
  constexpr int64_t count = 21, plane = 30;
  const std::vector<float> terms = integers(kWinogradTerms * plane);
  std::vector<float> taps(kWinogradTaps * count + 1, -1);
  kernels().gradient({terms.data(), plane, count, taps.data()});
  for (int tap = 0; tap < kWinogradTaps; ++tap) {
    for (int64_t i = 0; i < count; ++i) {
      float want = 0;
      for (int term = 0; term < kWinogradTerms; ++term) {
        want += kWeight[term / 4][tap / 3] * kWeight[term % 4][tap % 3] *
                terms[static_cast<size_t>(term * plane + i)];
      }
      EXPECT_EQ(taps[static_cast<size_t>(tap * count + i)], want);
    }
  }
  EXPECT_EQ(taps.back(), -1);
}

INSTANTIATE_TEST_SUITE_P(Isas, Winograd, testing::ValuesIn(available_isas()),
                         [](const auto& isa) { return std::string(isa_name(isa.param)); });

}  // namespace
}  // namespace olivine::cpu
