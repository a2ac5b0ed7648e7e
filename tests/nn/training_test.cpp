// Checkpoints, quantization in place, layers with state, and optimizers. On the public interface.
#include <gtest/gtest.h>
#include <olivine/nn.h>
#include <olivine/olivine.h>
#include <olivine/optimizers.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "support.h"

namespace olivine::nn {
namespace {

namespace optim = olivine::optimizers;

// A model with everything that changes in training: parameters, statistics, random masks.
struct Trainer {
  Sequential model{Linear(3, 8), BatchNorm(8), gelu, Dropout(0.3), Linear(8, 2)};
  optim::AdamW optimizer{optim::cosine_decay(0.01, 50), {.bias_correction = true}};

  std::vector<float> train(int steps) {
    auto loss_and_grad = value_and_grad(model, [&](const array& x, const array& y) {
      return losses::cross_entropy(model(x), y, {.reduction = Reduction::mean});
    });
    auto step = compile(
        [&](const array& x, const array& y) {
          auto [loss, grads] = loss_and_grad(x, y);
          optimizer.update(model, optim::clip_grad_norm(grads, 1.0).first);
          return loss;
        },
        model, optimizer);
    array x = reshape(sin(arange(0.0, 18.0)), {6, 3}), y({0, 1, 1, 0, 1, 0}, {6});
    std::vector<float> found;
    for (int i = 0; i < steps; ++i) found.push_back(step(x, y).item<float>());
    return found;
  }
  Parts parts() { return {{"model", &model}, {"optimizer", &optimizer}}; }
};

struct Files : testing::Test {
  std::string folder =
      testing::TempDir() + "olivine_nn_training_" + std::to_string(::getpid()) + "/";
  std::string file = folder + "run.safetensors";
  void SetUp() override { std::filesystem::create_directories(folder); }
  void TearDown() override { std::filesystem::remove_all(folder); }
};
using Checkpoint = Files;

TEST_F(Checkpoint, TrainingGoesOnWithTheSameBits) {
  random::seed(5);
  Trainer run;
  run.train(7);
  save_checkpoint(file, run.parts(), {{"step", "7"}});
  std::vector<float> expected = run.train(9);
  random::seed(99);
  Trainer other;
  EXPECT_EQ(load_checkpoint(file, other.parts()).at("step"), "7");
  EXPECT_EQ(other.train(9), expected);
  EXPECT_TRUE(same(run.model.state(), other.model.state()));
  EXPECT_TRUE(same(run.optimizer.state(), other.optimizer.state()));
}

TEST_F(Checkpoint, OneThatDoesNotFitChangesNothing) {
  Trainer run;
  run.train(2);
  save_checkpoint(file, run.parts());
  Sequential other{Linear(3, 9), BatchNorm(9), gelu, Dropout(0.3), Linear(9, 2)};
  Tree before = other.state();
  optim::AdamW optimizer(0.1);
  array key = random::state();
  EXPECT_EQ(error_of([&] {
              load_checkpoint(file, {{"optimizer", &optimizer}, {"model", &other}});
            }),
            "[Module.set_state] expected shape (9, 3) for layers.0.weight; got (8, 3)");
  EXPECT_TRUE(same(other.state(), before));
  EXPECT_EQ(optimizer.step().item<int>(), 0);
  EXPECT_TRUE(array_equal(random::state(), key).item<bool>());
  EXPECT_NE(error_of([&] {
              load_checkpoint(file, {{"model", &run.model}});
            }).find("got 14 others"),
            std::string::npos);
}

TEST_F(Checkpoint, FilesThatAreNoneAreRefused) {
  Trainer run;
  run.model.save_weights(file);
  EXPECT_NE(error_of([&] { load_checkpoint(file, run.parts()); }).find("random keys"),
            std::string::npos);
  std::ofstream(file) << "no safetensors file";
  EXPECT_THROW(load_checkpoint(file, run.parts()), std::exception);
  EXPECT_THROW(load_checkpoint(folder + "none.safetensors", run.parts()), std::exception);
  EXPECT_THROW(save_checkpoint(file, {{"a.b", &run.model}}), std::invalid_argument);
  EXPECT_THROW(save_checkpoint(file, {{"a", &run.model}, {"a", &run.optimizer}}),
               std::invalid_argument);
}

// ---- Layers with state.
TEST(BatchNorm, StatisticsAreParametersThatNeverTrain) {
  BatchNorm norm(4);
  EXPECT_EQ(norm.parameters().size(), 4u);
  EXPECT_EQ(norm.trainable_parameters().size(), 2u);
  Sequential model{norm};
  model.freeze().unfreeze();
  EXPECT_EQ(model.trainable_parameters().size(), 2u);
}

TEST(BatchNorm, ACompiledStepMovesTheStatistics) {
  Trainer run;
  array before = run.model.state()["layers.1.running_mean"];
  run.train(1);
  EXPECT_FALSE(array_equal(before, run.model.state()["layers.1.running_mean"]).item<bool>());
}

TEST(Dropout, ACompiledFunctionDrawsAnewAndEvaluationDoesNot) {
  Dropout dropout(0.5);
  auto call = compile([&](const array& x) { return dropout(x); }, dropout);
  array x = ones({64});
  array first = call(x), second = call(x);
  EXPECT_FALSE(array_equal(first, second).item<bool>());
  dropout.eval();
  EXPECT_TRUE(array_equal(call(x), x).item<bool>());
}

// ---- Packed weights.
struct Tiny : Module {
  Embedding table{16, 64};
  Linear middle{64, 64}, last{64, 64, false};
  array operator()(const array& x) const { return last(relu(middle(table(x)))); }
  void fields(Fields& f) override { f("table", table)("middle", middle)("last", last); }
};

TEST(Quantize, PacksAModelInPlace) {
  random::seed(0);
  Tiny model;
  array x({3, 5}, {2});
  array exact = model(x);
  Tiny chosen = model;
  quantize(model, {.bits = 8});
  EXPECT_EQ(model.to_string(),
            "Tiny(\n  (table): QuantizedEmbedding(16, 64, group_size=64, bits=8, mode=affine)\n"
            "  (middle): QuantizedLinear(input_dims=64, output_dims=64, bias=True, group_size=64, "
            "bits=8, mode=affine)\n"
            "  (last): QuantizedLinear(input_dims=64, output_dims=64, bias=False, group_size=64, "
            "bits=8, mode=affine)\n)");
  EXPECT_TRUE(allclose(model(x), exact, 0.05, 0.01).item<bool>());
  EXPECT_FALSE(array_equal(model(x), exact).item<bool>());
  EXPECT_EQ(model.trainable_parameters().size(), 1u);  // the bias
  EXPECT_TRUE(model.parameters().contains("middle.scales"));

  quantize(chosen, [](const std::string& path, Module&) {
    return path == "last" ? std::optional<Quantization>({.mode = "mxfp8"}) : std::nullopt;
  });
  EXPECT_EQ(chosen.last.weight.dtype(), uint32);
  EXPECT_EQ(chosen.middle.weight.dtype(), float32);
}

TEST(Quantize, SettingsThatDoNotFitAreRefused) {
  Tiny model;
  EXPECT_EQ(error_of([&] { quantize(model, {.mode = "int4"}); }),
            "[quantize] expected mode to be one of affine, mxfp4, nvfp4, mxfp8; got int4");
  EXPECT_THROW(quantize(model.middle, {.mode = "nvfp4", .quantize_input = true}),
               std::invalid_argument);  // it has a bias
}

TEST(QQLinear, TrainsInFullAndEvaluatesPacked) {
  QQLinear layer(64, 32);
  EXPECT_EQ(layer.trainable_parameters().size(), 1u);
  layer.eval();
  EXPECT_TRUE(layer.parameters().contains("scales"));
  layer.train();
  EXPECT_EQ(layer.weight.dtype(), bfloat16);
  EXPECT_FALSE(layer.parameters().contains("scales"));
}

// ---- Memory.
TEST(Memory, AStepLeavesNothingBehind) {
  Trainer run;
  run.train(3);
  size_t before = get_active_memory();
  run.train(300);
  EXPECT_LE(get_active_memory(), before + 4096);
}

// ---- Recomputation.
TEST(CheckpointedLayer, HasTheSameGradients) {
  random::seed(1);
  TransformerEncoder plain(2, 8, 2, {.mlp_dims = 16});
  TransformerEncoder recomputed = plain;
  recomputed.checkpoint = true;
  array x = random::normal({1, 5, 8});
  auto gradients = [&](TransformerEncoder& model) {
    return value_and_grad(model, [&](const array& in) { return sum(square(model(in))); })(x).second;
  };
  EXPECT_TRUE(same(gradients(plain), gradients(recomputed)));
}

// ---- Optimizers.
TEST(Optimizer, StateHasTheNamesOfPython) {
  Sequential model{Linear(2, 3)};
  optim::Adam optimizer(0.1);
  optimizer.init(model.trainable_parameters());
  std::string names;
  for (const auto& item : optimizer.state()) names += item.first + ' ';
  EXPECT_EQ(names,
            "learning_rate step layers.0.bias.m layers.0.bias.v layers.0.weight.m "
            "layers.0.weight.v ");
}

TEST(Optimizer, TheRateCanBeSet) {
  Tree p{{"x", array(1.f)}}, g{{"x", array(1.f)}};
  optim::SGD optimizer(0.5);
  EXPECT_EQ(optimizer.apply_gradients(g, p)["x"].item<float>(), 0.5f);
  optimizer.set_learning_rate(0.25);
  EXPECT_EQ(optimizer.apply_gradients(g, p)["x"].item<float>(), 0.75f);
  EXPECT_EQ(optimizer.step().item<int>(), 2);
}

TEST(Optimizer, OfSeveralEachHasItsOwnParameters) {
  auto first = std::make_shared<optim::SGD>(1.0), second = std::make_shared<optim::SGD>(0.5);
  optim::MultiOptimizer optimizer({first, second},
                                  {[](const std::string& n, const array&) { return n == "a"; }});
  Tree p{{"a", array(1.f)}, {"b", array(1.f)}}, g{{"a", array(1.f)}, {"b", array(1.f)}};
  Tree next = optimizer.apply_gradients(g, p);
  EXPECT_EQ(next["a"].item<float>(), 0.f);
  EXPECT_EQ(next["b"].item<float>(), 0.5f);
  EXPECT_TRUE(optimizer.state().contains("states.1.b.v"));
  Tree state = optimizer.state();
  optimizer.set_state(state);
  EXPECT_TRUE(same(optimizer.state(), state));
  EXPECT_THROW(optim::MultiOptimizer({first}, {nullptr}), std::invalid_argument);
}

TEST(Optimizer, ForeignStateIsRefused) {
  optim::SGD optimizer(0.1);
  EXPECT_EQ(error_of([&] {
              optimizer.set_state({{"momentum", array(1.f)}});
            }),
            "[Optimizer.set_state] expected names of this optimizer's state; got momentum");
  EXPECT_EQ(error_of([&] {
              optimizer.set_state({{"step", array(uint64_t{1})}});
            }),
            "[Optimizer.set_state] expected an array for learning_rate; got none");
  EXPECT_EQ(error_of([] { optim::SGD(0.1, {.nesterov = true}); }),
            "[SGD] expected momentum above 0 and no dampening with nesterov; got momentum 0 and "
            "dampening 0");
  EXPECT_THROW(optim::RMSprop(0.1, {.eps = 0}), std::invalid_argument);
  EXPECT_THROW(optim::Adafactor({.relative_step = false}), std::invalid_argument);
}

// ---- Settings that layers refuse.
TEST(Layers, RefuseSettingsAndShapesThatDoNotFit) {
  EXPECT_EQ(error_of([] { Dropout(1.0); }), "[Dropout] expected 0 <= p < 1; got 1");
  EXPECT_EQ(error_of([] { Conv2d(3, 4, 3, {.groups = 2}); }),
            "[Conv2d] expected in_channels divisible by groups; got 3 and 2");
  EXPECT_EQ(error_of([] {
              Conv2d(3, 4, {3, 3, 3});
            }),
            "[Conv2d] expected kernel_size to be one integer or 2; got 3");
  EXPECT_EQ(
      error_of([] {
        MaxPool2d{2}(ones({4, 4, 1}));
      }),
      "[MaxPool2d] expected 4 dimensions, batch first and channels last; got shape (4, 4, 1)");
  EXPECT_EQ(error_of([] { MultiHeadAttention(8, 3); }),
            "[MultiHeadAttention] expected dims divisible by num_heads; got 8 and 3");
  EXPECT_EQ(error_of([] { GELU("exact"); }),
            "[GELU] expected approx to be one of none, precise, tanh, fast; got exact");
  EXPECT_EQ(error_of([] {
              losses::cross_entropy(ones({2, 3}), zeros({4}, int32));
            }),
            "[cross_entropy] expected targets of shape (2,) or (2, 3); got (4,)");
  EXPECT_EQ(error_of([] { Linear(0, 3); }), "[Linear] expected at least one input; got 0");
  EXPECT_THROW(Upsample(0.0), std::invalid_argument);
  EXPECT_THROW(LSTM(2, 3)(ones({2})), std::invalid_argument);
}

}  // namespace
}  // namespace olivine::nn
