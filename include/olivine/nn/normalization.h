// Normalization layers: over the features (layer, RMS), groups, instances or the batch.
#pragma once

#include <optional>
#include <string>

#include "olivine/nn/module.h"

namespace olivine::nn {

// Every channel of every example of (batch, ..., dims) over its spatial axes (Ulyanov et al.,
// 2016).
struct OLIVINE_API InstanceNorm : Module {
  int dims;
  double eps;
  std::optional<array> weight, bias;

  explicit InstanceNorm(int dims, double eps = 1e-5, bool affine = false);
  array operator()(const array& x) const;
  void fields(Fields& f) override { f("weight", weight)("bias", bias); }
  std::string extra_repr() const override;
};

// The last axis to mean 0 and variance 1, scaled and shifted (Ba et al., 2016).
struct OLIVINE_API LayerNorm : Module {
  int dims;
  double eps;
  std::optional<array> weight, bias;

  explicit LayerNorm(int dims, double eps = 1e-5, bool affine = true, bool bias = true);
  array operator()(const array& x) const;
  void fields(Fields& f) override { f("weight", weight)("bias", bias); }
  std::string extra_repr() const override;
};

// The last axis divided by its root mean square, scaled (Zhang and Sennrich, 2019).
struct OLIVINE_API RMSNorm : Module {
  double eps;
  array weight;

  explicit RMSNorm(int dims, double eps = 1e-5);
  array operator()(const array& x) const;
  void fields(Fields& f) override { f("weight", weight); }
  std::string extra_repr() const override;
};

// Groups of channels of every example (Wu and He, 2018): dims / num_groups neighbouring channels
// with pytorch_compatible, as in the paper; otherwise channel c is in group c % num_groups.
struct OLIVINE_API GroupNorm : Module {
  int num_groups, dims;
  double eps;
  bool pytorch_compatible;
  std::optional<array> weight, bias;

  GroupNorm(int num_groups, int dims, double eps = 1e-5, bool affine = true,
            bool pytorch_compatible = false);
  array operator()(const array& x) const;
  void fields(Fields& f) override { f("bias", bias)("weight", weight); }
  std::string extra_repr() const override;
};

// Every channel over the batch and the spatial axes (Ioffe and Szegedy, 2015). Training uses the
// batch's own statistics and updates the running ones, which evaluation uses.
struct OLIVINE_API BatchNorm : Module {
  int num_features;
  double eps, momentum;
  std::optional<array> weight, bias, running_mean, running_var;

  explicit BatchNorm(int num_features, double eps = 1e-5, double momentum = 0.1, bool affine = true,
                     bool track_running_stats = true);
  array operator()(const array& x);
  void fields(Fields& f) override;
  std::string extra_repr() const override;

 protected:
  // The running statistics never become trainable.
  void on_unfrozen() override;
};

}  // namespace olivine::nn
