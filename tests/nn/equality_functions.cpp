// Activations, losses, initializers, optimizers and schedules by their names in the cases.
#include "equality_values.h"

namespace equality {

void add_layers(std::map<std::string, Function>& r);

namespace {

using Registry = std::map<std::string, Function>;

// f(x), and the layer that calls it.
template <class M>
void activation(Registry& r, const char* name, array (*f)(const array&), const char* layer, M) {
  if (f) {
    r[std::string("nn.") + name] = [f](Args& a) {
      array x = a.arr("x");
      a.done();
      return Value{f(x)};
    };
  }
  r[std::string("nn.") + layer] = [](Args&) {
    auto m = std::make_shared<M>();
    return Value{Layer{m, [m](Args& a) { return Value{(*m)(a.arr("x"))}; }, {}}};
  };
}

// f(x, number), and its layer.
template <class M>
void tunable(Registry& r, const char* name, array (*f)(const array&, double), const char* parameter,
             double missing, const char* layer) {
  r[std::string("nn.") + name] = [=](Args& a) {
    array x = a.arr("x");
    double v = a.real(parameter, missing);
    a.done();
    return Value{f(x, v)};
  };
  r[std::string("nn.") + layer] = [=](Args& a) {
    auto m = std::make_shared<M>(a.real(parameter, missing));
    return Value{Layer{m, [m](Args& c) { return Value{(*m)(c.arr("x"))}; }, {}}};
  };
}

void along(Registry& r, const char* name, array (*f)(const array&, int)) {
  r[std::string("nn.") + name] = [f](Args& a) {
    array x = a.arr("x");
    return Value{f(x, a.integer("axis", -1))};
  };
}

template <class M>
Value made(M m) {
  auto p = std::make_shared<M>(std::move(m));
  return {Layer{p, [p](Args& c) { return Value{(*p)(c.arr("x"))}; }, {}}};
}

void add_activations(Registry& r) {
  activation(r, "sigmoid", nn::sigmoid, "Sigmoid", nn::Sigmoid());
  activation(r, "tanh", nn::tanh, "Tanh", nn::Tanh());
  activation(r, "relu", nn::relu, "ReLU", nn::ReLU());
  activation(r, "relu2", nn::relu2, "ReLU2", nn::ReLU2());
  activation(r, "relu6", nn::relu6, "ReLU6", nn::ReLU6());
  activation(r, "selu", nn::selu, "SELU", nn::SELU());
  activation(r, "silu", nn::silu, "SiLU", nn::SiLU());
  activation(r, "mish", nn::mish, "Mish", nn::Mish());
  activation(r, "hardswish", nn::hardswish, "Hardswish", nn::Hardswish());
  activation(r, "log_sigmoid", nn::log_sigmoid, "LogSigmoid", nn::LogSigmoid());
  activation(r, "softplus", nn::softplus, "Softplus", nn::Softplus());
  activation(r, "softsign", nn::softsign, "Softsign", nn::Softsign());
  activation(r, "gelu", nn::gelu, "HardTanh", nn::HardTanh());
  activation(r, "gelu_approx", nn::gelu_approx, "Softmax", nn::Softmax());
  activation(r, "gelu_fast_approx", nn::gelu_fast_approx, "Softmin", nn::Softmin());
  activation(r, "", nullptr, "LogSoftmax", nn::LogSoftmax());
  tunable<nn::LeakyReLU>(r, "leaky_relu", nn::leaky_relu, "negative_slope", 0.01, "LeakyReLU");
  tunable<nn::ELU>(r, "elu", nn::elu, "alpha", 1, "ELU");
  tunable<nn::CELU>(r, "celu", nn::celu, "alpha", 1, "CELU");
  tunable<nn::HardShrink>(r, "hard_shrink", nn::hard_shrink, "lambd", 0.5, "HardShrink");
  tunable<nn::Softshrink>(r, "softshrink", nn::softshrink, "lambd", 0.5, "Softshrink");
  tunable<nn::Step>(r, "step", nn::step, "threshold", 0, "Step");
  along(r, "softmax", nn::softmax);
  along(r, "softmin", nn::softmin);
  along(r, "log_softmax", nn::log_softmax);
  along(r, "glu", nn::glu);
  r["nn.hard_tanh"] = [](Args& a) {
    array x = a.arr("x");
    double low = a.real("min_val", -1);
    return Value{nn::hard_tanh(x, low, a.real("max_val", 1))};
  };
  r["nn.prelu"] = [](Args& a) {
    array x = a.arr("x");
    return Value{nn::prelu(x, a.arr("alpha"))};
  };
  r["nn.GELU"] = [](Args& a) { return made(nn::GELU(a.text("approx", "none"))); };
  r["nn.GLU"] = [](Args& a) { return made(nn::GLU(a.integer("axis", -1))); };
  r["nn.PReLU"] = [](Args& a) {
    int count = a.integer("num_parameters", 1);
    return made(nn::PReLU(count, a.real("init", 0.25)));
  };
}

void add_losses(Registry& r) {
  using namespace nn::losses;
  constexpr auto kNone = nn::Reduction::none, kMean = nn::Reduction::mean;
  auto add = [&](const char* name, auto f) {
    r[std::string("nn.losses.") + name] = [f](Args& a) {
      array x = a.arr("0"), y = a.arr("1");
      Value v{f(x, y, a)};
      a.done();
      return v;
    };
  };
  using A = const array&;
  add("cross_entropy", [=](A x, A y, Args& a) {
    CrossEntropyOptions o;
    o.weights = a.maybe_array("weights");
    o.axis = a.integer("axis", -1);
    o.label_smoothing = a.real("label_smoothing", 0);
    o.reduction = a.reduction(kNone);
    return cross_entropy(x, y, o);
  });
  add("binary_cross_entropy", [=](A x, A y, Args& a) {
    BinaryCrossEntropyOptions o;
    o.weights = a.maybe_array("weights");
    o.with_logits = a.truth("with_logits", true);
    o.reduction = a.reduction(kMean);
    return binary_cross_entropy(x, y, o);
  });
  add("l1_loss", [=](A x, A y, Args& a) { return l1_loss(x, y, a.reduction(kMean)); });
  add("mse_loss", [=](A x, A y, Args& a) { return mse_loss(x, y, a.reduction(kMean)); });
  add("nll_loss", [=](A x, A y, Args& a) {
    int axis = a.integer("axis", -1);
    return nll_loss(x, y, axis, a.reduction(kNone));
  });
  add("gaussian_nll_loss", [=](A x, A y, Args& a) {
    array vars = a.arr("vars");
    bool full = a.truth("full", false);
    double eps = a.real("eps", 1e-6);
    return gaussian_nll_loss(x, y, vars, full, eps, a.reduction(kMean));
  });
  add("kl_div_loss", [=](A x, A y, Args& a) {
    int axis = a.integer("axis", -1);
    return kl_div_loss(x, y, axis, a.reduction(kNone));
  });
  add("smooth_l1_loss", [=](A x, A y, Args& a) {
    double beta = a.real("beta", 1);
    return smooth_l1_loss(x, y, beta, a.reduction(kMean));
  });
  add("triplet_loss", [=](A x, A y, Args& a) {
    array negatives = a.arr("negatives");
    TripletOptions o;
    o.axis = a.integer("axis", -1);
    o.p = a.integer("p", 2);
    o.margin = a.real("margin", 1);
    o.eps = a.real("eps", 1e-6);
    o.reduction = a.reduction(kNone);
    return triplet_loss(x, y, negatives, o);
  });
  add("hinge_loss", [=](A x, A y, Args& a) { return hinge_loss(x, y, a.reduction(kNone)); });
  add("huber_loss", [=](A x, A y, Args& a) {
    double delta = a.real("delta", 1);
    return huber_loss(x, y, delta, a.reduction(kNone));
  });
  add("log_cosh_loss", [=](A x, A y, Args& a) { return log_cosh_loss(x, y, a.reduction(kNone)); });
  add("cosine_similarity_loss", [=](A x, A y, Args& a) {
    int axis = a.integer("axis", 1);
    double eps = a.real("eps", 1e-8);
    return cosine_similarity_loss(x, y, axis, eps, a.reduction(kNone));
  });
  add("margin_ranking_loss", [=](A x, A y, Args& a) {
    array targets = a.arr("targets");
    double margin = a.real("margin", 0);
    return margin_ranking_loss(x, y, targets, margin, a.reduction(kNone));
  });
}

nn::Scales scales(Args& a) {
  Value v = a.next("scale_factor");
  std::vector<double> each;
  for (const Value& item : v.as<List>()) each.push_back(item.number());
  return each;
}

void add_functions(Registry& r) {
  r["nn.layers.upsample.upsample_nearest"] = [](Args& a) {
    array x = a.arr("x");
    return Value{nn::upsample_nearest(x, scales(a))};
  };
  r["nn.layers.upsample.upsample_linear"] = [](Args& a) {
    array x = a.arr("x");
    nn::Scales s = scales(a);
    return Value{nn::upsample_linear(x, s, a.truth("align_corners", false))};
  };
  r["nn.layers.upsample.upsample_cubic"] = [](Args& a) {
    array x = a.arr("x");
    return Value{nn::upsample_cubic(x, scales(a))};
  };
  r["nn.MultiHeadAttention.create_additive_causal_mask"] = [](Args& a) {
    int n = a.integer("N");
    return Value{nn::MultiHeadAttention::create_additive_causal_mask(
        n, a.next("dtype").as<olivine::Dtype>())};
  };
  r["mx.zeros"] = [](Args& a) {
    olivine::Shape shape;
    for (const Value& n : a.next("shape").as<List>()) shape.push_back(n.as<int>());
    return Value{olivine::zeros(shape)};
  };
  r["mx.ones_like"] = [](Args& a) { return Value{olivine::ones_like(a.arr("a"))}; };
  r["mx.zeros_like"] = [](Args& a) { return Value{olivine::zeros_like(a.arr("a"))}; };
  r["optim.clip_grad_norm"] = [](Args& a) {
    nn::Tree tree;
    for (const Value& v : a.next("grads").as<List>()) {
      tree.set(std::to_string(tree.size()), v.as<array>());
    }
    auto [clipped, norm] = optim::clip_grad_norm(tree, a.next("max_norm").number());
    List list;
    for (const auto& item : clipped) list.push_back({item.second});
    return Value{List{{list}, {norm}}};
  };
}

void add_initializers(Registry& r) {
  auto dtype = [](Args& a) {
    Value v = a.next("dtype");
    return v.none() ? olivine::float32 : v.as<olivine::Dtype>();
  };
  r["nn.init.constant"] = [=](Args& a) {
    double value = a.real("value", 0);
    return Value{nn::init::constant(value, dtype(a))};
  };
  r["nn.init.normal"] = [=](Args& a) {
    double mean = a.real("mean", 0), std = a.real("std", 1);
    return Value{nn::init::normal(mean, std, dtype(a))};
  };
  r["nn.init.uniform"] = [=](Args& a) {
    double low = a.real("low", 0), high = a.real("high", 1);
    return Value{nn::init::uniform(low, high, dtype(a))};
  };
  r["nn.init.identity"] = [=](Args& a) { return Value{nn::init::identity(dtype(a))}; };
  r["nn.init.glorot_normal"] = [=](Args& a) { return Value{nn::init::glorot_normal(dtype(a))}; };
  r["nn.init.glorot_uniform"] = [=](Args& a) { return Value{nn::init::glorot_uniform(dtype(a))}; };
  r["nn.init.he_normal"] = [=](Args& a) { return Value{nn::init::he_normal(dtype(a))}; };
  r["nn.init.he_uniform"] = [=](Args& a) { return Value{nn::init::he_uniform(dtype(a))}; };
  r["nn.init.sparse"] = [=](Args& a) {
    double sparsity = a.real("sparsity", 0), mean = a.real("mean", 0), std = a.real("std", 1);
    return Value{nn::init::sparse(sparsity, mean, std, dtype(a))};
  };
  r["nn.init.orthogonal"] = [=](Args& a) {
    double gain = a.real("gain", 1);
    return Value{nn::init::orthogonal(gain, dtype(a))};
  };
}

// ---- Optimizers.
optim::Rate rate_of(const Value& v) {
  if (v.is<optim::Schedule>()) return v.as<optim::Schedule>();
  return v.number();
}
optim::Betas betas(Args& a, optim::Betas missing) {
  Value v = a.next("betas");
  if (v.none()) return missing;
  return {v.as<List>()[0].number(), v.as<List>()[1].number()};
}
template <class O, class... Rest>
Value optimizer(Args& a, Rest&&... rest) {
  a.done();
  return {std::shared_ptr<optim::Optimizer>(std::make_shared<O>(std::forward<Rest>(rest)...))};
}

void add_optimizers(Registry& r) {
  r["optim.SGD"] = [](Args& a) {
    optim::Rate rate = rate_of(a.next("learning_rate"));
    optim::SGDOptions o;
    o.momentum = a.real("momentum", 0);
    o.weight_decay = a.real("weight_decay", 0);
    o.dampening = a.real("dampening", 0);
    o.nesterov = a.truth("nesterov", false);
    return optimizer<optim::SGD>(a, rate, o);
  };
  r["optim.Lion"] = [](Args& a) {
    optim::Rate rate = rate_of(a.next("learning_rate"));
    optim::LionOptions o;
    o.betas = betas(a, o.betas);
    o.weight_decay = a.real("weight_decay", 0);
    return optimizer<optim::Lion>(a, rate, o);
  };
  r["optim.Adam"] = [](Args& a) {
    optim::Rate rate = rate_of(a.next("learning_rate"));
    optim::AdamOptions o;
    o.betas = betas(a, o.betas);
    o.eps = a.real("eps", o.eps);
    o.bias_correction = a.truth("bias_correction", false);
    return optimizer<optim::Adam>(a, rate, o);
  };
  r["optim.AdamW"] = [](Args& a) {
    optim::Rate rate = rate_of(a.next("learning_rate"));
    optim::AdamWOptions o;
    o.betas = betas(a, o.betas);
    o.eps = a.real("eps", o.eps);
    o.weight_decay = a.real("weight_decay", o.weight_decay);
    o.bias_correction = a.truth("bias_correction", false);
    return optimizer<optim::AdamW>(a, rate, o);
  };
  r["optim.Adamax"] = [](Args& a) {
    optim::Rate rate = rate_of(a.next("learning_rate"));
    optim::AdamaxOptions o;
    o.betas = betas(a, o.betas);
    o.eps = a.real("eps", o.eps);
    return optimizer<optim::Adamax>(a, rate, o);
  };
  r["optim.RMSprop"] = [](Args& a) {
    optim::Rate rate = rate_of(a.next("learning_rate"));
    optim::RMSpropOptions o;
    o.alpha = a.real("alpha", o.alpha);
    o.eps = a.real("eps", o.eps);
    return optimizer<optim::RMSprop>(a, rate, o);
  };
  r["optim.Adagrad"] = [](Args& a) {
    optim::Rate rate = rate_of(a.next("learning_rate"));
    double eps = a.real("eps", 1e-8);
    return optimizer<optim::Adagrad>(a, rate, eps);
  };
  r["optim.AdaDelta"] = [](Args& a) {
    optim::Rate rate = rate_of(a.next("learning_rate"));
    optim::AdaDeltaOptions o;
    o.rho = a.real("rho", o.rho);
    o.eps = a.real("eps", o.eps);
    return optimizer<optim::AdaDelta>(a, rate, o);
  };
  r["optim.Adafactor"] = [](Args& a) {
    Value rate = a.next("learning_rate");
    optim::AdafactorOptions o;
    Value eps = a.next("eps");
    if (!eps.none()) o.eps = {eps.as<List>()[0].number(), eps.as<List>()[1].number()};
    o.clip_threshold = a.real("clip_threshold", o.clip_threshold);
    o.decay_rate = a.real("decay_rate", o.decay_rate);
    Value beta = a.next("beta_1");
    if (!beta.none()) o.beta_1 = beta.number();
    o.weight_decay = a.real("weight_decay", 0);
    o.scale_parameter = a.truth("scale_parameter", true);
    o.relative_step = a.truth("relative_step", true);
    o.warmup_init = a.truth("warmup_init", false);
    if (rate.none()) return optimizer<optim::Adafactor>(a, o);
    return optimizer<optim::Adafactor>(a, rate_of(rate), o);
  };
  r["optim.Muon"] = [](Args& a) {
    optim::Rate rate = rate_of(a.next("learning_rate"));
    optim::MuonOptions o;
    o.momentum = a.real("momentum", o.momentum);
    o.weight_decay = a.real("weight_decay", o.weight_decay);
    o.nesterov = a.truth("nesterov", true);
    o.ns_steps = a.integer("ns_steps", 5);
    return optimizer<optim::Muon>(a, rate, o);
  };
}

void add_schedules(Registry& r) {
  r["optim.cosine_decay"] = [](Args& a) {
    double init = a.real("init", 0);
    int steps = a.integer("decay_steps");
    return Value{optim::cosine_decay(init, steps, a.real("end", 0))};
  };
  r["optim.exponential_decay"] = [](Args& a) {
    double init = a.real("init", 0);
    return Value{optim::exponential_decay(init, a.real("decay_rate", 0))};
  };
  r["optim.step_decay"] = [](Args& a) {
    double init = a.real("init", 0), rate = a.real("decay_rate", 0);
    return Value{optim::step_decay(init, rate, a.integer("step_size"))};
  };
  r["optim.linear_schedule"] = [](Args& a) {
    double init = a.real("init", 0), end = a.real("end", 0);
    return Value{optim::linear_schedule(init, end, a.integer("steps"))};
  };
  r["optim.join_schedules"] = [](Args& a) {
    std::vector<optim::Schedule> schedules;
    for (const Value& v : a.next("schedules").as<List>())
      schedules.push_back(v.as<optim::Schedule>());
    std::vector<int> boundaries;
    for (const Value& v : a.next("boundaries").as<List>()) boundaries.push_back(v.as<int>());
    return Value{optim::join_schedules(schedules, boundaries)};
  };
}

}  // namespace

std::map<std::string, Function>& registry() {
  static Registry all = [] {
    Registry r;
    add_layers(r);
    add_activations(r);
    add_losses(r);
    add_functions(r);
    add_initializers(r);
    add_optimizers(r);
    add_schedules(r);
    return r;
  }();
  return all;
}

}  // namespace equality
