// The module tree: names, copies, freezing, loading, compiled steps. On the public interface alone.
#include <gtest/gtest.h>
#include <olivine/nn.h>
#include <olivine/olivine.h>
#include <olivine/optimizers.h>

#include <filesystem>
#include <sstream>

#include "support.h"

namespace olivine::nn {
namespace {

struct MLP : Module {
  Linear up{4, 8}, down{8, 2};
  array operator()(const array& x) const { return down(relu(up(x))); }
  void fields(Fields& f) override { f("up", up)("down", down); }
};

struct Stack : Module {
  std::vector<MLP> layers = std::vector<MLP>(2);
  std::optional<Linear> head;
  array scale = ones({3}), hidden = zeros({2});
  void fields(Fields& f) override {
    f("layers", layers)("head", head)("scale", scale)("_hidden", hidden);
  }
};

using Names = std::vector<std::string>;

TEST(Module, NamesAreThoseOfPython) {
  Stack stack;
  EXPECT_EQ(names(stack.parameters()),
            (Names{"layers.0.up.weight", "layers.0.up.bias", "layers.0.down.weight",
                   "layers.0.down.bias", "layers.1.up.weight", "layers.1.up.bias",
                   "layers.1.down.weight", "layers.1.down.bias", "scale"}));
  EXPECT_EQ(stack.num_parameters(), 2 * (4 * 8 + 8 + 8 * 2 + 2) + 3);
  EXPECT_EQ(names(stack.state()).back(), "_hidden");
  stack.head.emplace(2, 5, false);
  EXPECT_TRUE(stack.parameters().contains("head.weight"));
  EXPECT_FALSE(stack.parameters().contains("head.bias"));
  Names modules;
  for (auto& [name, module] : stack.named_modules()) modules.push_back(name + ':' + module->kind());
  EXPECT_EQ(modules,
            (Names{":Stack", "layers.0:MLP", "layers.0.up:Linear", "layers.0.down:Linear",
                   "layers.1:MLP", "layers.1.up:Linear", "layers.1.down:Linear", "head:Linear"}));
}

TEST(Module, ACopyIsAnotherModel) {
  Sequential model{Linear(3, 4), relu, MLP()};
  Sequential copy = model;
  Tree before = model.parameters();
  EXPECT_EQ(names(before),
            (Names{"layers.0.weight", "layers.0.bias", "layers.2.up.weight", "layers.2.up.bias",
                   "layers.2.down.weight", "layers.2.down.bias"}));
  copy.apply([](const array& p) { return p + array(1.f); });
  EXPECT_TRUE(same(model.parameters(), before));
  EXPECT_FALSE(same(copy.parameters(), before));
  EXPECT_EQ(copy(ones({2, 3})).shape(), (Shape{2, 2}));
}

TEST(Module, FrozenParametersAreNotTrained) {
  MLP model;
  model.up.freeze();
  EXPECT_EQ(names(model.trainable_parameters()), (Names{"down.weight", "down.bias"}));
  model.freeze();
  EXPECT_TRUE(model.trainable_parameters().empty());
  EXPECT_NE(error_of([&] {
              value_and_grad_once(model, [] { return std::vector<array>{array(1.f)}; });
            }).find("trainable parameters; got none in MLP"),
            std::string::npos);
  model.unfreeze({"bias"});
  EXPECT_EQ(names(model.trainable_parameters()), (Names{"up.bias", "down.bias"}));
  model.unfreeze().freeze({"up"}, false);  // a module's name in its own module
  EXPECT_EQ(names(model.trainable_parameters()), (Names{"down.weight", "down.bias"}));
  EXPECT_EQ(model.num_trainable_parameters(), 18);
  EXPECT_EQ(error_of([&] { model.freeze({"wieght"}, true, true); }),
            "[Module.freeze] expected a parameter of MLP or a module below it; got wieght");
  EXPECT_THROW(model.freeze({"weight"}, false, true), std::invalid_argument);
}

TEST(Module, TrainingModeReachesAllModules) {
  Stack stack;
  EXPECT_TRUE(stack.layers[1].down.training());
  stack.eval();
  EXPECT_FALSE(stack.layers[1].down.training());
  stack.train();
  EXPECT_TRUE(stack.layers[1].down.training());
}

TEST(Module, UpdateRefusesUnknownNamesOnlyIfStrict) {
  MLP model;
  Tree other{{"down.bias", ones({2})}, {"down.bais", ones({2})}};
  EXPECT_EQ(error_of([&] { model.update(other); }),
            "[Module.update] expected a name the model has; got down.bais");
  model.update(other, false);
  EXPECT_TRUE(array_equal(model.down.bias.value(), ones({2})).item<bool>());
}

TEST(Module, WeightsGoThroughFiles) {
  std::string file = ::testing::TempDir() + "olivine_module_test.safetensors";
  MLP model, other;
  model.save_weights(file);
  other.load_weights(file);
  EXPECT_TRUE(same(model.parameters(), other.parameters()));
  std::filesystem::remove(file);
  EXPECT_EQ(error_of([&] { model.save_weights("weights.npz"); }),
            "[Module.save_weights] expected a name ending in .safetensors; got weights.npz");
}

TEST(Module, StrictLoadingNamesWhatDoesNotFit) {
  MLP model;
  Tree before = model.parameters();
  Tree missing{{"up.weight", before["up.weight"]}, {"down.weight", before["down.weight"]}};
  EXPECT_EQ(error_of([&] { model.load_weights(missing); }),
            "[Module.load_weights] expected exactly the model's parameters; got 2 missing names: "
            "down.bias, up.bias");
  Tree extra = before;
  extra.set("up.scale", ones({8}));
  EXPECT_EQ(error_of([&] { model.load_weights(extra); }),
            "[Module.load_weights] expected exactly the model's parameters; got 1 names the model "
            "lacks: up.scale");
  Tree shape = before;
  shape.set("up.bias", ones({9}));
  EXPECT_EQ(error_of([&] { model.load_weights(shape); }),
            "[Module.load_weights] expected shape (8,) for up.bias; got (9,)");
  EXPECT_TRUE(same(model.parameters(), before));
  model.load_weights(extra, false);
}

TEST(Module, ShowsItselfAsInPython) {
  std::ostringstream os;
  os << MLP();
  EXPECT_EQ(os.str(),
            "MLP(\n  (up): Linear(input_dims=4, output_dims=8, bias=True)\n"
            "  (down): Linear(input_dims=8, output_dims=2, bias=True)\n)");
  MLP model;
  model.up.freeze();
  EXPECT_EQ(model.summary(),
            "name         shape   dtype\n"
            "up.weight    (8, 4)  float32 frozen\n"
            "up.bias      (8,)    float32 frozen\n"
            "down.weight  (2, 8)  float32\n"
            "down.bias    (2,)    float32\n"
            "58 parameters, 18 trained\n");
}

TEST(Module, SetDtypeCastsFloatsAndNumbersDoNotPromoteThem) {
  MLP model;
  model.set_dtype(bfloat16);
  EXPECT_EQ(model.up.weight.dtype(), bfloat16);
  EXPECT_EQ(model(ones({1, 4}, bfloat16)).dtype(), bfloat16);
  EXPECT_EQ(leaky_relu(ones({2}, float16)).dtype(), float16);
  EXPECT_EQ(losses::smooth_l1_loss(ones({2}, float16), zeros({2}, float16)).dtype(), float16);
}

// ---- Training.
array loss_of(MLP& model, const array& x, const array& y) { return losses::mse_loss(model(x), y); }

TEST(Training, GradientsAreThoseOfTheTrainableParameters) {
  MLP model;
  Tree before = model.parameters();
  auto loss_and_grad =
      value_and_grad(model, [&](const array& x, const array& y) { return loss_of(model, x, y); });
  array x = ones({3, 4}), y = zeros({3, 2});
  auto [loss, grads] = loss_and_grad(x, y);
  EXPECT_EQ(names(grads), names(before));
  // d/d(bias) of mean((z - y)^2) is the mean of 2 (z - y) / 2 over the rows.
  EXPECT_TRUE(allclose(grads["down.bias"], mean(model(x), 0), 1e-5).item<bool>());
  EXPECT_TRUE(same(model.parameters(), before));
  model.down.freeze();
  EXPECT_EQ(names(loss_and_grad(x, y).second), (Names{"up.weight", "up.bias"}));
}

TEST(Training, AFailedLossLeavesTheModelAsItWas) {
  MLP model;
  Tree before = model.parameters();
  auto failing = value_and_grad(model, [&](const array& x) { return sum(model(x)); });
  EXPECT_THROW(failing(ones({3, 5})), std::exception);
  EXPECT_TRUE(same(model.parameters(), before));
}

TEST(Training, ACompiledStepGivesTheBitsOfAnEagerOne) {
  random::seed(3);
  MLP eager;
  MLP compiled = eager;
  optimizers::Adam slow(0.01), fast(0.01);
  auto make = [](MLP& model, optimizers::Optimizer& optimizer) {
    return [&, loss_and_grad = value_and_grad(model, [&](const array& x, const array& y) {
                 return loss_of(model, x, y);
               })](const array& x, const array& y) {
      auto [loss, grads] = loss_and_grad(x, y);
      optimizer.update(model, grads);
      return loss;
    };
  };
  auto eager_step = make(eager, slow);
  auto compiled_step = compile(make(compiled, fast), compiled, fast);
  array x = random::normal({5, 4}), y = random::normal({5, 2});
  float first = 0, last = 0;
  for (int i = 0; i < 20; ++i) {
    float a = eager_step(x, y).item<float>(), b = compiled_step(x, y).item<float>();
    EXPECT_EQ(a, b) << i;
    (i == 0 ? first : last) = a;
  }
  EXPECT_LT(last, first);
  EXPECT_TRUE(same(eager.parameters(), compiled.parameters()));
  EXPECT_TRUE(same(slow.state(), fast.state()));
  EXPECT_EQ(fast.step().item<int>(), 20);
}

TEST(Training, ACompiledStepFollowsFreezingAndModes) {
  MLP model;
  optimizers::SGD optimizer(0.1);
  auto loss_and_grad = value_and_grad(model, [&](const array& x) { return sum(square(model(x))); });
  int traces = 0;
  auto step = compile(
      [&](const array& x) {
        ++traces;
        auto [loss, grads] = loss_and_grad(x);
        optimizer.update(model, grads);
        return loss;
      },
      model, optimizer);
  array x = ones({2, 4});
  step(x);
  step(x);
  step(x);
  EXPECT_EQ(traces, 2);  // the first also made the optimizer's state
  model.up.freeze();
  array before = model.up.weight, down = model.down.weight;
  step(x);
  EXPECT_EQ(traces, 3);
  EXPECT_TRUE(array_equal(before, model.up.weight).item<bool>());
  EXPECT_FALSE(array_equal(down, model.down.weight).item<bool>());
}

TEST(Training, AStepThatOverwritesParametersNeedsNoMoreMemory) {
  Linear model(256, 256, false);
  optimizers::SGD optimizer(0.1);
  optimizer.init(model.trainable_parameters());
  eval(model, optimizer);
  auto loss_and_grad = value_and_grad(model, [&](const array& x) { return sum(square(model(x))); });
  auto step = compile(
      [&](const array& x) {
        auto [loss, grads] = loss_and_grad(x);
        optimizer.update(model, grads);
        return loss;
      },
      model, optimizer);
  array x = ones({1, 256});
  step(x).eval();
  const void* memory = model.weight.data();
  step(x).eval();
  EXPECT_EQ(model.weight.data(), memory);
}

}  // namespace
}  // namespace olivine::nn
