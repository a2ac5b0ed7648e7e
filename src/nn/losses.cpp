// Loss functions.
#include "olivine/nn/losses.h"

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "weak.h"

namespace olivine::nn::losses {
namespace {

array reduced(const array& loss, Reduction reduction) {
  if (reduction == Reduction::mean) return mean(loss);
  return reduction == Reduction::sum ? sum(loss) : loss;
}

void check_same_shape(const char* op, const array& a, const array& b) {
  if (a.shape() != b.shape()) {
    fail("[", op, "] expected equal shapes; got ", a.shape(), " and ", b.shape());
  }
}

array picked(const array& x, const array& indices, int axis) {
  return squeeze(take_along_axis(x, expand_dims(indices, axis), axis), axis);
}

}  // namespace

array cross_entropy(const array& given, const array& targets, const CrossEntropyOptions& o) {
  if (!(o.label_smoothing >= 0 && o.label_smoothing < 1)) {
    fail("[cross_entropy] expected 0 <= label_smoothing < 1; got ", o.label_smoothing);
  }
  int axis = o.axis < 0 ? o.axis + given.ndim() : o.axis;
  if (axis < 0 || axis >= given.ndim()) {
    fail<std::out_of_range>("[cross_entropy] expected an axis of logits of shape ", given.shape(),
                            "; got ", o.axis);
  }
  Shape without_axis = given.shape();
  without_axis.erase(without_axis.begin() + axis);
  bool as_probabilities = targets.shape() == given.shape();
  if (!as_probabilities && targets.shape() != without_axis) {
    fail("[cross_entropy] expected targets of shape ", without_axis, " or ", given.shape(),
         "; got ", targets.shape());
  }

  array logits = given;
  // Counted from the largest logit, as in MLX; it matters if the targets do not sum to 1.
  if (as_probabilities) logits = logits - stop_gradient(max(logits, axis, true));
  array score = as_probabilities ? sum(logits * targets, axis) : picked(logits, targets, axis);
  array log_total = logsumexp(logits, axis);
  if (o.label_smoothing > 0) {
    score = (1 - o.label_smoothing) * score + o.label_smoothing * mean(logits, axis);
  }
  array loss = log_total - score;
  if (o.weights) {
    check_same_shape("cross_entropy", *o.weights, loss);
    loss = loss * *o.weights;
  }
  return reduced(loss, o.reduction);
}

array binary_cross_entropy(const array& inputs, const array& targets,
                           const BinaryCrossEntropyOptions& o) {
  check_same_shape("binary_cross_entropy", inputs, targets);
  auto of_probabilities = [&] {
    array log_yes = maximum(log(inputs), -100);
    array log_no = maximum(log(1 - inputs), -100);
    return -(log_yes * targets + log_no * (1 - targets));
  };
  array loss =
      o.with_logits ? logaddexp(weak(0.0, inputs), inputs) - inputs * targets : of_probabilities();
  if (o.weights) {
    check_same_shape("binary_cross_entropy", *o.weights, loss);
    loss = loss * *o.weights;
  }
  return reduced(loss, o.reduction);
}

array l1_loss(const array& predictions, const array& targets, Reduction reduction) {
  check_same_shape("l1_loss", predictions, targets);
  return reduced(abs(predictions - targets), reduction);
}

array mse_loss(const array& predictions, const array& targets, Reduction reduction) {
  check_same_shape("mse_loss", predictions, targets);
  return reduced(square(predictions - targets), reduction);
}

array nll_loss(const array& inputs, const array& targets, int axis, Reduction reduction) {
  return reduced(-picked(inputs, targets, axis), reduction);
}

array gaussian_nll_loss(const array& inputs, const array& targets, const array& given, bool full,
                        double eps, Reduction reduction) {
  check_same_shape("gaussian_nll_loss", inputs, targets);
  check_same_shape("gaussian_nll_loss", inputs, given);
  array vars = maximum(given, eps);
  array loss = 0.5 * (log(vars) + square(targets - inputs) / vars);
  if (full) loss = loss + 0.5 * std::log(2 * std::numbers::pi);
  return reduced(loss, reduction);
}

array kl_div_loss(const array& inputs, const array& targets, int axis, Reduction reduction) {
  return reduced(sum(exp(targets) * (targets - inputs), axis), reduction);
}

array smooth_l1_loss(const array& predictions, const array& targets, double beta,
                     Reduction reduction) {
  check_same_shape("smooth_l1_loss", predictions, targets);
  array difference = abs(predictions - targets);
  // The minimum keeps the square, and so the gradient, finite for an infinite difference.
  array near = 0.5 * square(minimum(difference, beta)) / beta;
  return reduced(where(difference < beta, near, difference - 0.5 * beta), reduction);
}

array triplet_loss(const array& anchors, const array& positives, const array& negatives,
                   const TripletOptions& o) {
  auto distance = [&](const array& other) {
    array apart = abs(anchors - other);
    array total = sum(power(apart, weak(o.p, apart)), o.axis) + o.eps;
    return power(total, weak(1.0 / o.p, total));
  };
  array loss = maximum(distance(positives) - distance(negatives) + o.margin, 0);
  return reduced(loss, o.reduction);
}

array hinge_loss(const array& inputs, const array& targets, Reduction reduction) {
  return reduced(maximum(1 - inputs * targets, 0), reduction);
}

array huber_loss(const array& inputs, const array& targets, double delta, Reduction reduction) {
  array difference = abs(inputs - targets);
  array loss = where(difference < delta, 0.5 * square(minimum(difference, delta)),
                     delta * (difference - 0.5 * delta));
  return reduced(loss, reduction);
}

array log_cosh_loss(const array& inputs, const array& targets, Reduction reduction) {
  array errors = inputs - targets;
  return reduced(logaddexp(errors, -errors) - std::log(2), reduction);
}

array cosine_similarity_loss(const array& x1, const array& x2, int axis, double eps,
                             Reduction reduction) {
  auto norm = [&](const array& x) { return sqrt(sum(square(x), axis)); };
  return reduced(sum(x1 * x2, axis) / maximum(norm(x1) * norm(x2), eps), reduction);
}

array margin_ranking_loss(const array& inputs1, const array& inputs2, const array& targets,
                          double margin, Reduction reduction) {
  check_same_shape("margin_ranking_loss", inputs1, inputs2);
  check_same_shape("margin_ranking_loss", inputs1, targets);
  return reduced(maximum(margin - targets * (inputs1 - inputs2), 0), reduction);
}

}  // namespace olivine::nn::losses
