// Activations.
#include "olivine/nn/activations.h"

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "weak.h"

namespace olivine::nn {

// Computes a 16-bit x in float32, so that only the result is rounded, and not every step.
template <class F>
static array rounded_once(const array& x, const F& function) {
  if (x.dtype() != bfloat16 && x.dtype() != float16) return function(x);
  return astype(function(astype(x, float32)), x.dtype());
}

array sigmoid(const array& x) { return olivine::sigmoid(x); }
array tanh(const array& x) { return olivine::tanh(x); }
array relu(const array& x) { return maximum(x, 0); }
array relu2(const array& x) { return square(maximum(x, 0)); }
array relu6(const array& x) { return minimum(maximum(x, 0), 6.0); }
array leaky_relu(const array& x, double negative_slope) { return maximum(negative_slope * x, x); }
array prelu(const array& x, const array& alpha) { return maximum(x, 0) + alpha * minimum(x, 0); }

array elu(const array& given, double alpha) {
  return rounded_once(given, [&](const array& x) {
    // The inner where keeps exp, and so the gradient, finite for large x.
    array positive = x > 0;
    return where(positive, x, alpha * expm1(where(positive, weak(0, x), x)));
  });
}
array celu(const array& given, double alpha) {
  return rounded_once(given, [&](const array& x) {
    array positive = x > 0;
    return where(positive, x, alpha * expm1(where(positive, weak(0, x), x) / alpha));
  });
}
array selu(const array& given) {
  return rounded_once(given, [](const array& x) { return 1.0507 * elu(x, 1.67326); });
}
array gelu(const array& given) {
  return rounded_once(
      given, [](const array& x) { return x * (0.5 * (1 + erf(x * (1 / std::sqrt(2.0))))); });
}
array gelu_approx(const array& given) {
  return rounded_once(given, [](const array& x) {
    double scale = std::sqrt(2 / std::numbers::pi);
    return 0.5 * x * (1 + olivine::tanh(scale * (x + 0.044715 * x * x * x)));
  });
}
array gelu_fast_approx(const array& given) {
  return rounded_once(given, [](const array& x) { return x * olivine::sigmoid(1.702 * x); });
}
array silu(const array& given) {
  return rounded_once(given, [](const array& x) { return x * olivine::sigmoid(x); });
}
array mish(const array& given) {
  return rounded_once(given, [](const array& x) { return x * olivine::tanh(softplus(x)); });
}
array glu(const array& x, int axis) {
  std::vector<array> halves = split(x, 2, axis);
  return halves[0] * olivine::sigmoid(halves[1]);
}
array hardswish(const array& given) {
  return rounded_once(given, [](const array& x) { return x * relu6(x + 3) / 6; });
}
array hard_tanh(const array& x, double min_val, double max_val) {
  return minimum(maximum(x, min_val), max_val);
}
array hard_shrink(const array& x, double lambd) { return where(abs(x) > lambd, x, weak(0, x)); }
array softshrink(const array& x, double lambd) {
  return where(abs(x) > lambd, x - sign(x) * lambd, weak(0, x));
}
array softplus(const array& x) { return logaddexp(x, weak(0, x)); }
array softsign(const array& given) {
  return rounded_once(given, [](const array& x) { return x / (1 + abs(x)); });
}
array softmax(const array& x, int axis) { return olivine::softmax(x, axis); }
array softmin(const array& x, int axis) { return olivine::softmax(-x, axis); }
array log_softmax(const array& given, int axis) {
  return rounded_once(given, [&](const array& x) { return x - logsumexp(x, axis, true); });
}
array log_sigmoid(const array& given) {
  return rounded_once(given, [](const array& x) { return -softplus(-x); });
}
array step(const array& x, double threshold) { return where(x >= threshold, array(1), array(0)); }

// ---- Layers.
array Sigmoid::operator()(const array& x) const { return nn::sigmoid(x); }
array Tanh::operator()(const array& x) const { return nn::tanh(x); }
array ReLU::operator()(const array& x) const { return relu(x); }
array ReLU2::operator()(const array& x) const { return relu2(x); }
array ReLU6::operator()(const array& x) const { return relu6(x); }
array SELU::operator()(const array& x) const { return selu(x); }
array SiLU::operator()(const array& x) const { return silu(x); }
array Mish::operator()(const array& x) const { return mish(x); }
array Hardswish::operator()(const array& x) const { return hardswish(x); }
array HardTanh::operator()(const array& x) const { return hard_tanh(x); }
array Softmax::operator()(const array& x) const { return nn::softmax(x); }
array Softmin::operator()(const array& x) const { return nn::softmin(x); }
array LogSoftmax::operator()(const array& x) const { return log_softmax(x); }
array LogSigmoid::operator()(const array& x) const { return log_sigmoid(x); }
array Softplus::operator()(const array& x) const { return softplus(x); }
array Softsign::operator()(const array& x) const { return softsign(x); }
array LeakyReLU::operator()(const array& x) const { return leaky_relu(x, negative_slope); }
PReLU::PReLU(int num_parameters, double init) : weight(full({num_parameters}, array(init))) {}
array PReLU::operator()(const array& x) const { return prelu(x, weight); }
void PReLU::fields(Fields& f) { f("weight", weight); }
array ELU::operator()(const array& x) const { return elu(x, alpha); }
array CELU::operator()(const array& x) const { return celu(x, alpha); }
array GLU::operator()(const array& x) const { return glu(x, axis); }
array HardShrink::operator()(const array& x) const { return hard_shrink(x, lambd); }
array Softshrink::operator()(const array& x) const { return softshrink(x, lambd); }
array Step::operator()(const array& x) const { return step(x, threshold); }

GELU::GELU(const std::string& approx) {
  if (approx == "none") {
    function_ = gelu;
  } else if (approx == "precise" || approx == "tanh") {
    function_ = gelu_approx;
  } else if (approx == "fast") {
    function_ = gelu_fast_approx;
  } else {
    fail("[GELU] expected approx to be one of none, precise, tanh, fast; got ", approx);
  }
}

}  // namespace olivine::nn
