// Trains an MLP on handwritten digits for 100 steps. The file of examples/mlp_init.py holds the
// data and the first weights, so that this program's losses are those of the other languages'
// programs.
//
//   mlp mlp.safetensors
#include <olivine/nn.h>
#include <olivine/olivine.h>
#include <olivine/optimizers.h>

#include <cstdio>
#include <exception>

namespace nn = olivine::nn;
using olivine::array;

struct MLP : nn::Module {
  nn::Linear first{64, 128}, second{128, 128}, last{128, 10};

  array operator()(const array& x) const { return last(nn::relu(second(nn::relu(first(x))))); }
  void fields(nn::Fields& f) override { f("first", first)("second", second)("last", last); }
};

void train(const char* file) {
  auto saved = olivine::load_safetensors(file).first;
  MLP model;
  model.update({{"first.weight", saved.at("w1")},
                {"first.bias", saved.at("b1")},
                {"second.weight", saved.at("w2")},
                {"second.bias", saved.at("b2")},
                {"last.weight", saved.at("w3")},
                {"last.bias", saved.at("b3")}});
  olivine::optimizers::SGD optimizer(0.1);

  auto loss_and_grad = nn::value_and_grad(model, [&](const array& x, const array& y) {
    return nn::losses::cross_entropy(model(x), y, {.reduction = nn::Reduction::mean});
  });
  auto step = nn::compile(
      [&](const array& x, const array& y) {
        auto [loss, grads] = loss_and_grad(x, y);
        optimizer.update(model, grads);
        return loss;
      },
      model, optimizer);

  const int batch = 50, examples = 1500;
  for (int i = 0; i < 100; ++i) {
    int begin = i * batch % examples;
    array x = slice(saved.at("x"), {begin, 0}, {begin + batch, 64});
    array y = slice(saved.at("y"), {begin}, {begin + batch});
    array loss = step(x, y);
    std::printf("step %d loss %.9g\n", i + 1, loss.item<float>());
  }
}

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: mlp FILE, written by examples/mlp_init.py\n");
    return 2;
  }
  try {
    train(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mlp: %s\n", error.what());
    return 1;
  }
}
