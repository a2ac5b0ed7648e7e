// Runs cases of tools/nn_cases in C++: each file FOLDER/*.in.safetensors has one, with its values,
// and what came of it goes to *.out.safetensors under the names that tools/nn_cases/run.py uses.
// tests/nn/test_cpp_equality.py writes the files and compares.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "equality_values.h"

namespace equality {
namespace {

struct Case {
  std::map<std::string, std::string> about;
  nn::Tree values;
  olivine::Dtype dtype = olivine::float32;
  nn::Tree found;
  olivine::Metadata texts;

  // "a,b" as a list.
  std::vector<std::string> listed(const std::string& key) {
    std::vector<std::string> names;
    std::istringstream text(about[key]);
    for (std::string name; std::getline(text, name, ',');) names.push_back(name);
    return names;
  }
  array cast(const array& x) const { return x.dtype() == olivine::float32 ? astype(x, dtype) : x; }
  array input(const std::string& name) const { return cast(values.at(name)); }
  void put(const std::string& prefix, const nn::Tree& tree) {
    for (const auto& [name, value] : tree) found.set(prefix + name, value);
  }
};

std::string names_of(const nn::Tree& tree) {
  std::string text;
  for (const auto& item : tree) text += (text.empty() ? "" : "\n") + item.first;
  return text;
}

void put_texts(Case& c, const nn::Module& m) {
  c.texts["repr"] = m.to_string();
  c.texts["parameters"] = names_of(m.parameters());
  c.texts["trainable"] = names_of(m.trainable_parameters());
}

// Gives a layer the case's parameters: all floating ones, by name.
void fill(const Case& c, nn::Module& m, const std::string& prefix) {
  nn::Tree pairs;
  for (const auto& [name, value] : m.parameters()) {
    if (value.dtype() == olivine::float32) pairs.set(name, c.values.at(prefix + name));
  }
  m.update(pairs);
}

std::vector<array> outputs(const Value& v) {
  if (v.is<array>()) return {v.as<array>()};
  std::vector<array> all;
  for (const Value& item : v.as<List>()) {
    for (const array& x : outputs(item)) all.push_back(x);
  }
  return all;
}

// A layer and the arrays that it is differentiated by.
struct Subject : nn::Module {
  std::shared_ptr<nn::Module> layer;
  std::vector<std::string> names;
  std::vector<array> inputs;
  void fields(nn::Fields& f) override {
    if (layer) f("p", *layer);
    for (size_t i = 0; i < names.size(); ++i) f(names[i], inputs[i]);
  }
};

// Outputs and gradients of their sum, weighted by the case's cotangents.
void differentiate(Case& c, const std::optional<Layer>& layer) {
  Scope scope;
  Subject subject;
  if (layer) {
    subject.layer = layer->module;
    scope["layer"] = {*layer};
    // Integers have no gradients.
    for (auto& [path, module] : layer->module->named_modules()) {
      if (auto* w = dynamic_cast<nn::Weighted*>(module); w && w->scales) {
        w->freeze({"weight", "scales", "biases"}, false);
      }
    }
  }
  for (const std::string& name : c.listed("fixed")) scope[name] = {c.input(name)};
  for (const std::string& name : c.listed("floats")) {
    subject.names.push_back(name);
    subject.inputs.push_back(c.input(name));
  }
  auto call = [&]() -> std::vector<array> {
    for (size_t i = 0; i < subject.names.size(); ++i) scope[subject.names[i]] = {subject.inputs[i]};
    olivine::random::seed(2);
    std::vector<array> out = outputs(evaluate(c.about["call"], scope));
    array total(0.f);
    for (size_t i = 0; i < out.size(); ++i) {
      array weight = c.values.at("cotangent." + std::to_string(i));
      total = total + sum(astype(out[i], olivine::float32) * weight);
    }
    out.insert(out.begin(), total);
    return out;
  };
  bool any = !subject.trainable_parameters().empty();
  nn::Tree gradients;
  std::vector<array> out;
  if (any) {
    std::tie(out, gradients) = nn::value_and_grad_once(subject, call);
  } else {
    out = call();
  }
  for (size_t i = 1; i < out.size(); ++i) c.found.set("out." + std::to_string(i - 1), out[i]);
  c.put("grad.", gradients);
}

void run_layer(Case& c) {
  bool quantized = c.about["family"] == "quantized";
  Scope scope;
  scope["given"] = {Function([&](Args& a) {
    Value v = a.next("layer");
    fill(c, *v.as<Layer>().module, "p.source.");
    return v;
  })};
  olivine::random::seed(1);
  Layer layer = evaluate(c.about["make"], scope).as<Layer>();
  if (quantized) {
    c.put("quantized.", layer.module->parameters());
  } else {
    fill(c, *layer.module, "p.");
  }
  layer.module->set_dtype(c.dtype);
  layer.module->train(c.about["training"] == "1");
  put_texts(c, *layer.module);
  differentiate(c, layer);
  nn::Tree trained = layer.module->trainable_parameters();
  for (const auto& [name, value] : layer.module->parameters()) {
    if (!trained.contains(name) && !quantized) c.found.set("state." + name, value);
  }
}

void run_new(Case& c) {
  olivine::random::seed(4);
  Layer layer = evaluate(c.about["make"], {}).as<Layer>();
  put_texts(c, *layer.module);
  c.put("initial.", layer.module->parameters());
}

std::shared_ptr<optim::Optimizer> optimizer_of(const std::string& text) {
  using Shared = std::shared_ptr<optim::Optimizer>;
  if (!text.starts_with("optim.MultiOptimizer(")) return evaluate(text, {}).as<Shared>();
  // The filters are Python; the cases have these.
  size_t end = text.find("], [lambda");
  std::string list = text.substr(21, end + 1 - 21);
  std::vector<Shared> optimizers;
  for (const Value& v : evaluate(list, {}).as<List>()) optimizers.push_back(v.as<Shared>());
  std::string filters = text.substr(end + 3);
  std::vector<optim::MultiOptimizer::Filter> picks;
  if (filters == "[lambda n, g: g.ndim == 2])") {
    picks.push_back([](const std::string&, const array& g) { return g.ndim() == 2; });
  } else if (filters == "[lambda n, g: g.ndim >= 2])") {
    picks.push_back([](const std::string&, const array& g) { return g.ndim() >= 2; });
  } else if (filters == "[lambda n, g: 'layers' in n, lambda n, g: n.endswith('bias')])") {
    picks.push_back([](const std::string& n, const array&) { return n.find("layers") != n.npos; });
    picks.push_back([](const std::string& n, const array&) { return n.ends_with("bias"); });
  } else {
    throw Unsupported("the filters " + filters);
  }
  return std::make_shared<optim::MultiOptimizer>(optimizers, picks);
}

void run_optimizer(Case& c) {
  auto optimizer = optimizer_of(c.about["make"]);
  std::vector<std::string> names = c.listed("floats");
  nn::Tree parameters;
  for (const std::string& name : names) parameters.set(name, c.input(name));
  optimizer->init(parameters);
  const std::string& call = c.about["call"];
  for (int step = 0; step < 5; ++step) {
    nn::Tree gradients;
    for (const std::string& name : names) {
      gradients.set(name, c.input(name + '.' + std::to_string(step)));
    }
    if (!call.empty()) {
      double limit = call.find("1e6") != call.npos ? 1e6 : 0.5;
      gradients = optim::clip_grad_norm(gradients, limit).first;
    }
    parameters = optimizer->apply_gradients(gradients, parameters);
    nn::eval(parameters);
    if (step == 0 || step == 4) c.put("step " + std::to_string(step + 1) + '.', parameters);
  }
  c.put("state.", optimizer->state());
}

void run_schedule(Case& c) {
  auto schedule = evaluate(c.about["make"], {}).as<optim::Schedule>();
  for (int step = 0; step < 12; ++step) {
    c.found.set("step " + std::to_string(step), schedule(array(step)));
  }
}

void run_initializer(Case& c) {
  olivine::random::seed(3);
  // Settings of Python's call are arguments of C++'s initializers.
  std::string make = c.about["make"], call = c.about["call"];
  Scope scope{{"init", evaluate(make, {})}};
  if (call.find("gain=") != call.npos || call.find("mode=") != call.npos) {
    double gain = call.find("gain=2.0") != call.npos   ? 2
                  : call.find("gain=0.5") != call.npos ? 0.5
                                                       : 1;
    auto fan = call.find("fan_out") != call.npos ? nn::init::Fan::out : nn::init::Fan::in;
    olivine::Dtype t = olivine::float32;
    scope["init"] = {make == "nn.init.glorot_normal()"    ? nn::init::glorot_normal(t, gain)
                     : make == "nn.init.glorot_uniform()" ? nn::init::glorot_uniform(t, gain)
                     : make == "nn.init.he_normal()"      ? nn::init::he_normal(t, fan, gain)
                                                          : nn::init::he_uniform(t, fan, gain)};
    call = call.substr(0, call.find("))") + 2) + ')';
  }
  c.found.set("exact", evaluate(call, scope).as<array>());
}

// ---- Whole training loops.
struct Trained : nn::Module {
  nn::Sequential layers;
  std::shared_ptr<nn::TransformerEncoder> encoder;
  array operator()(const array& x) { return layers(x); }
  void fields(nn::Fields& f) override {
    layers.fields(f);
    f("encoder", encoder);
  }
};

Trained trained_model(const std::string& name) {
  // As in Python, where it is made for all models, and draws its weights first.
  auto encoder =
      std::make_shared<nn::TransformerEncoder>(2, 8, 2, nn::TransformerOptions{.dropout = 0.1});
  Trained m;
  // Braces: the layers draw their weights from left to right.
  if (name == "mlp") {
    m.layers = {nn::Linear(6, 16), nn::GELU(), nn::Dropout(0.2), nn::LayerNorm(16),
                nn::Linear(16, 4)};
  } else if (name == "cnn") {
    m.layers = {nn::Conv2d(2, 6, 3, {.padding = 1, .bias = false}),
                nn::BatchNorm(6),
                nn::ReLU(),
                nn::MaxPool2d(2),
                nn::Conv2d(6, 8, 3, {.groups = 2}),
                nn::SiLU(),
                nn::AvgPool2d(2),
                nn::Dropout2d(0.1),
                [](const array& x) {
                  return reshape(x, {x.shape(0), -1});
                },
                nn::Linear(8, 4)};
  } else if (name == "gru") {
    m.layers = {nn::Embedding(12, 8), nn::GRU(8, 10), nn::RMSNorm(10),
                [](const array& x) { return take(x, -1, 1); }, nn::Linear(10, 4)};
  } else {
    m.layers = {nn::Embedding(12, 8), [encoder](const array& x) { return (*encoder)(x); },
                [](const array& x) { return mean(x, 1); }, nn::Linear(8, 4)};
    m.encoder = encoder;
  }
  return m;
}

void run_training(Case& c) {
  std::string call = c.about["call"];
  olivine::random::seed(8);
  Trained model = trained_model(call.substr(0, call.find(' ')));
  auto optimizer = optimizer_of(c.about["make"]);
  optimizer->init(model.trainable_parameters());
  auto loss_and_grad = nn::value_and_grad(model, [&](const array& x, const array& y) {
    return nn::losses::cross_entropy(model(x), y,
                                     {.label_smoothing = 0.1, .reduction = nn::Reduction::mean});
  });
  auto eager = [&](const array& x, const array& y) -> std::vector<array> {
    auto [loss, grads] = loss_and_grad(x, y);
    auto [clipped, norm] = optim::clip_grad_norm(grads, 1.0);
    optimizer->update(model, clipped);
    return {loss, norm};
  };
  auto compiled = nn::compile(eager, model, *optimizer);
  bool is_compiled = call.ends_with("compiled");
  std::vector<float> found;
  for (int i = 0; i < 12; ++i) {
    array x = c.values.at("x." + std::to_string(i)), y = c.values.at("y." + std::to_string(i));
    for (const array& v : is_compiled ? compiled(x, y) : eager(x, y)) {
      found.push_back(v.item<float>());
    }
    nn::eval(model, *optimizer);
  }
  c.found.set("losses and norms", array(found, {12, 2}));
  c.put("p.", model.parameters());
  c.put("state.", optimizer->state());
  model.eval();
  c.found.set("evaluation", model(c.values.at("x.11")));
}

void run(Case& c) {
  const std::string& kind = c.about["kind"];
  if (kind == "layer") return run_layer(c);
  if (kind == "function") return differentiate(c, std::nullopt);
  if (kind == "optimizer") return run_optimizer(c);
  if (kind == "schedule") return run_schedule(c);
  if (kind == "initializer") return run_initializer(c);
  if (kind == "new") return run_new(c);
  if (kind == "training") return run_training(c);
  throw Unsupported("cases of kind " + kind);
}

void run_file(const std::filesystem::path& file) {
  auto [values, metadata] = olivine::load_safetensors(file.string());
  Case c{{metadata.begin(), metadata.end()}, nn::Tree(values), olivine::float32, {}, {}};
  if (c.about["dtype"] == "bfloat16") c.dtype = olivine::bfloat16;
  try {
    run(c);
    nn::eval(c.found);
  } catch (const Unsupported& e) {
    c.found = {};
    c.texts = {{"unsupported", e.what()}};
  } catch (const std::exception& e) {
    c.found = {};
    c.texts = {{"error", e.what()}};
  }
  std::string out = file.string();
  out.replace(out.rfind(".in."), 4, ".out.");
  olivine::save_safetensors(out, c.found.named(), c.texts);
}

}  // namespace
}  // namespace equality

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: olivine_nn_equality FOLDER\n");
    return 2;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    if (entry.path().string().ends_with(".in.safetensors")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) equality::run_file(file);
}
