// Loss functions; `reduction` says whether each returns all losses, their mean or their sum.
#pragma once

#include <optional>

#include "olivine/array.h"

namespace olivine::nn {

enum class Reduction { none, mean, sum };

namespace losses {

struct CrossEntropyOptions {
  std::optional<array> weights = std::nullopt;  // multiply the losses before the reduction
  int axis = -1;
  double label_smoothing = 0;
  Reduction reduction = Reduction::none;
};
// Of the softmax of logits along an axis. Targets are class indices (the shape of logits without
// the axis) or probabilities (the shape of logits).
OLIVINE_API array cross_entropy(const array& logits, const array& targets,
                                const CrossEntropyOptions& options = {});

struct BinaryCrossEntropyOptions {
  std::optional<array> weights = std::nullopt;
  bool with_logits = true;
  Reduction reduction = Reduction::mean;
};
// Of yes-or-no predictions, given as logits, or as probabilities (whose logarithms are clipped at
// -100).
OLIVINE_API array binary_cross_entropy(const array& inputs, const array& targets,
                                       const BinaryCrossEntropyOptions& options = {});

// |predictions - targets|, and its square.
OLIVINE_API array l1_loss(const array& predictions, const array& targets,
                          Reduction reduction = Reduction::mean);
OLIVINE_API array mse_loss(const array& predictions, const array& targets,
                           Reduction reduction = Reduction::mean);
// Minus the log-probability, taken from `inputs`, of each target class.
OLIVINE_API array nll_loss(const array& inputs, const array& targets, int axis = -1,
                           Reduction reduction = Reduction::none);
// Minus the log-density of the targets under a Gaussian of mean `inputs` and variance `vars`, which
// is clipped below at eps; `full` includes the constant log(2 pi) / 2.
OLIVINE_API array gaussian_nll_loss(const array& inputs, const array& targets, const array& vars,
                                    bool full = false, double eps = 1e-6,
                                    Reduction reduction = Reduction::mean);
// Divergence of inputs from targets, both log-probabilities along the axis.
OLIVINE_API array kl_div_loss(const array& inputs, const array& targets, int axis = -1,
                              Reduction reduction = Reduction::none);
// Quadratic for differences below beta, linear above.
OLIVINE_API array smooth_l1_loss(const array& predictions, const array& targets, double beta = 1,
                                 Reduction reduction = Reduction::mean);

struct TripletOptions {
  int axis = -1;
  int p = 2;
  double margin = 1, eps = 1e-6;
  Reduction reduction = Reduction::none;
};
// By how much anchors are not nearer (in the p-norm) to positives than to negatives.
OLIVINE_API array triplet_loss(const array& anchors, const array& positives, const array& negatives,
                               const TripletOptions& options = {});
// max(1 - inputs * targets, 0) for targets of -1 and 1.
OLIVINE_API array hinge_loss(const array& inputs, const array& targets,
                             Reduction reduction = Reduction::none);
// delta times smooth_l1_loss: quadratic up to delta, linear above.
OLIVINE_API array huber_loss(const array& inputs, const array& targets, double delta = 1,
                             Reduction reduction = Reduction::none);
// The logarithm of the hyperbolic cosine of the difference, without overflow.
OLIVINE_API array log_cosh_loss(const array& inputs, const array& targets,
                                Reduction reduction = Reduction::none);
// The cosine of the angle between x1 and x2; eps bounds the product of the norms below.
OLIVINE_API array cosine_similarity_loss(const array& x1, const array& x2, int axis = 1,
                                         double eps = 1e-8, Reduction reduction = Reduction::none);
// max(0, -targets * (inputs1 - inputs2) + margin): a target of 1 ranks the first higher.
OLIVINE_API array margin_ranking_loss(const array& inputs1, const array& inputs2,
                                      const array& targets, double margin = 0,
                                      Reduction reduction = Reduction::none);

}  // namespace losses
}  // namespace olivine::nn
