// Finds the weights of a linear function from noisy examples, by gradient descent in one compiled
// step.
//   linear_regression [STEPS]
#include <olivine/olivine.h>

#include <cstdio>
#include <cstdlib>

using namespace olivine;

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 200;
  const int examples = 1000, features = 8;
  random::seed(0);
  array truth = random::normal({features});
  array x = random::normal({examples, features});
  array y = matmul(x, truth) + 0.01f * random::normal({examples});

  // (weights) -> the loss; a step is its gradient, and weights moved against it.
  auto loss = [&](const std::vector<array>& w) {
    return std::vector<array>{mean(square(matmul(x, w[0]) - y))};
  };
  auto step = compile([&](const std::vector<array>& w) {
    auto [value, gradient] = value_and_grad(loss)(w);
    return std::vector<array>{w[0] - 0.1f * gradient[0], value[0]};
  });

  array weights = zeros({features});
  for (int i = 1; i <= steps; ++i) {
    auto out = step({weights});
    weights = out[0];
    eval(out);
    if (i % 50 == 0) std::printf("step %3d  loss %.6f\n", i, out[1].item<float>());
  }
  std::printf("largest error of a weight %.4f\n", max(abs(weights - truth)).item<float>());
}
