// Activations, each as a function and as a layer without parameters.
#pragma once

#include <string>

#include "olivine/nn/module.h"

namespace olivine::nn {

// ---- Functions. Those of several steps compute 16-bit inputs in float32 and round once.
OLIVINE_API array sigmoid(const array& x);
OLIVINE_API array tanh(const array& x);
OLIVINE_API array relu(const array& x);   // max(x, 0)
OLIVINE_API array relu2(const array& x);  // its square
OLIVINE_API array relu6(const array& x);  // min(max(x, 0), 6)
OLIVINE_API array leaky_relu(const array& x, double negative_slope = 0.01);
OLIVINE_API array prelu(const array& x, const array& alpha);  // the slope of negative x is learned
OLIVINE_API array elu(const array& x, double alpha = 1);
OLIVINE_API array celu(const array& x, double alpha = 1);
OLIVINE_API array selu(const array& x);
OLIVINE_API array gelu(const array& x);              // x * Phi(x), exact
OLIVINE_API array gelu_approx(const array& x);       // by a tanh
OLIVINE_API array gelu_fast_approx(const array& x);  // by a sigmoid
OLIVINE_API array silu(const array& x);
OLIVINE_API array mish(const array& x);
OLIVINE_API array glu(const array& x, int axis = -1);  // a half times the other's sigmoid
OLIVINE_API array hardswish(const array& x);
OLIVINE_API array hard_tanh(const array& x, double min_val = -1, double max_val = 1);
OLIVINE_API array hard_shrink(const array& x, double lambd = 0.5);
OLIVINE_API array softshrink(const array& x, double lambd = 0.5);
OLIVINE_API array softplus(const array& x);
OLIVINE_API array softsign(const array& x);
OLIVINE_API array softmax(const array& x, int axis = -1);
OLIVINE_API array softmin(const array& x, int axis = -1);
OLIVINE_API array log_softmax(const array& x, int axis = -1);
OLIVINE_API array log_sigmoid(const array& x);
OLIVINE_API array step(const array& x, double threshold = 0);  // 1 where x >= threshold, else 0

// ---- Layers.
struct OLIVINE_API Sigmoid : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API Tanh : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API ReLU : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API ReLU2 : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API ReLU6 : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API SELU : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API SiLU : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API Mish : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API Hardswish : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API HardTanh : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API Softmax : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API Softmin : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API LogSoftmax : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API LogSigmoid : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API Softplus : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API Softsign : Module {
  array operator()(const array& x) const;
};
struct OLIVINE_API LeakyReLU : Module {
  double negative_slope;
  explicit LeakyReLU(double negative_slope = 0.01) : negative_slope(negative_slope) {}
  array operator()(const array& x) const;
};
struct OLIVINE_API PReLU : Module {
  array weight;
  explicit PReLU(int num_parameters = 1, double init = 0.25);
  array operator()(const array& x) const;
  void fields(Fields& f) override;
};
struct OLIVINE_API ELU : Module {
  double alpha;
  explicit ELU(double alpha = 1) : alpha(alpha) {}
  array operator()(const array& x) const;
};
struct OLIVINE_API CELU : Module {
  double alpha;
  explicit CELU(double alpha = 1) : alpha(alpha) {}
  array operator()(const array& x) const;
};
// approx: "none", "precise" or "tanh" (gelu_approx), "fast" (gelu_fast_approx).
struct OLIVINE_API GELU : Module {
  explicit GELU(const std::string& approx = "none");
  array operator()(const array& x) const { return function_(x); }

 private:
  array (*function_)(const array&);
};
struct OLIVINE_API GLU : Module {
  int axis;
  explicit GLU(int axis = -1) : axis(axis) {}
  array operator()(const array& x) const;
};
struct OLIVINE_API HardShrink : Module {
  double lambd;
  explicit HardShrink(double lambd = 0.5) : lambd(lambd) {}
  array operator()(const array& x) const;
};
struct OLIVINE_API Softshrink : Module {
  double lambd;
  explicit Softshrink(double lambd = 0.5) : lambd(lambd) {}
  array operator()(const array& x) const;
};
struct OLIVINE_API Step : Module {
  double threshold;
  explicit Step(double threshold = 0) : threshold(threshold) {}
  array operator()(const array& x) const;
};

}  // namespace olivine::nn
