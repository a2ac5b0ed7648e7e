// Optimizers, learning-rate schedules and gradient clipping, with Python's formulas and defaults.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "olivine/array.h"
#include "olivine/nn/module.h"

namespace olivine::optimizers {

using nn::Tree;

// ---- Schedules: functions from the step, an array, to the rate.
using Schedule = std::function<array(const array& step)>;

// init * decay_rate^step.
OLIVINE_API Schedule exponential_decay(double init, double decay_rate);
// init, multiplied by decay_rate after every step_size steps.
OLIVINE_API Schedule step_decay(double init, double decay_rate, int step_size);
// From init down to end along half a cosine wave, then constant.
OLIVINE_API Schedule cosine_decay(double init, int decay_steps, double end = 0);
// From init to end along a straight line of `steps` steps, then constant.
OLIVINE_API Schedule linear_schedule(double init, double end, int steps);
// One after the other; each but the first starts, from its step 0, at a boundary.
OLIVINE_API Schedule join_schedules(std::vector<Schedule> schedules, std::vector<int> boundaries);

// A learning rate: a number, or a schedule.
class Rate {
 public:
  Rate(double value) : value_(value) {}
  Rate(Schedule schedule) : schedule_(std::move(schedule)) {}
  template <class F>
  requires std::is_invocable_r_v<array, F, const array&> Rate(F f) : schedule_(std::move(f)) {}

  double value() const { return value_; }
  const Schedule& schedule() const { return schedule_; }  // empty: constant

 private:
  double value_ = 0;
  Schedule schedule_;
};

// ---- The base class. All that an optimizer remembers is its state: "step", "learning_rate", and
// for every parameter a few arrays, such as "layers.0.weight.m".
class OLIVINE_API Optimizer : public nn::Stateful {
 public:
  // Replaces the model's parameters by those one step on.
  void update(nn::Module& model, const Tree& gradients);
  // Makes the state for these parameters; otherwise the first step does it. Parameters that have
  // state keep it.
  virtual void init(const Tree& parameters);
  // The new values of the parameters that have gradients.
  virtual Tree apply_gradients(const Tree& gradients, const Tree& parameters);

  // What is remembered of one parameter; and its new value, replacing entries of `state`.
  virtual void init_single(const array& parameter, Tree& state) = 0;
  virtual array apply_single(const array& gradient, const array& parameter, Tree& state) = 0;

  // How many steps were taken.
  array step() const { return scalars_.at("step"); }
  // The rate of the last step; setting it has no effect where there is a schedule.
  virtual array learning_rate() const;
  virtual void set_learning_rate(const array& rate);
  void set_learning_rate(double rate) { set_learning_rate(array(rate)); }

  Tree state() const override;
  void set_state(const Tree& state) override;
  void slots(std::vector<array*>& out) override;
  void signature(std::string& out) const override;

 protected:
  Optimizer();
  explicit Optimizer(const Rate& learning_rate);
  const array& scalar(const std::string& name) const { return scalars_.at(name); }
  // The learning rate in the gradient's dtype.
  array rate_for(const array& gradient) const;

 private:
  std::map<std::string, array> scalars_;
  std::map<std::string, Schedule> schedules_;
  std::map<std::string, Tree> per_parameter_;  // their addresses stay while others are added
};

struct Betas {
  double first, second;
};

// ---- Gradient descent.
struct SGDOptions {
  double momentum = 0, weight_decay = 0, dampening = 0;
  bool nesterov = false;
};
// Stochastic gradient descent with momentum, weight decay, dampening and Nesterov's form.
class OLIVINE_API SGD : public Optimizer {
 public:
  explicit SGD(Rate learning_rate, SGDOptions options = {});
  void init_single(const array& parameter, Tree& state) override;
  array apply_single(const array& gradient, const array& parameter, Tree& state) override;

 private:
  SGDOptions options_;
};

struct LionOptions {
  Betas betas{0.9, 0.99};
  double weight_decay = 0;
};
// Steps of one size along the sign of an average of gradients (Chen et al., 2023).
class OLIVINE_API Lion : public Optimizer {
 public:
  explicit Lion(Rate learning_rate, LionOptions options = {});
  void init_single(const array& parameter, Tree& state) override;
  array apply_single(const array& gradient, const array& parameter, Tree& state) override;

 private:
  LionOptions options_;
};

// ---- Adam and its relatives.
struct AdamOptions {
  Betas betas{0.9, 0.999};
  double eps = 1e-8;
  bool bias_correction = false;
};
// Adam (Kingma and Ba, 2015); the paper's bias correction is off by default, as in MLX.
class OLIVINE_API Adam : public Optimizer {
 public:
  explicit Adam(Rate learning_rate, AdamOptions options = {});
  void init_single(const array& parameter, Tree& state) override;
  array apply_single(const array& gradient, const array& parameter, Tree& state) override;

 protected:
  AdamOptions options_;
};

struct AdamWOptions {
  Betas betas{0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.01;
  bool bias_correction = false;
};
// Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
class OLIVINE_API AdamW : public Adam {
 public:
  explicit AdamW(Rate learning_rate, AdamWOptions options = {});
  array apply_single(const array& gradient, const array& parameter, Tree& state) override;

 private:
  double weight_decay_;
};

struct AdamaxOptions {
  Betas betas{0.9, 0.999};
  double eps = 1e-8;
};
// Adam with the largest recent gradient in place of the mean square (Kingma and Ba, section 7).
class OLIVINE_API Adamax : public Adam {
 public:
  explicit Adamax(Rate learning_rate, AdamaxOptions options = {});
  array apply_single(const array& gradient, const array& parameter, Tree& state) override;
};

// ---- A step size per element.
struct RMSpropOptions {
  double alpha = 0.99, eps = 1e-8;
};
// Divides by the root of the mean square, an average of weight alpha (Tieleman and Hinton, 2012).
class OLIVINE_API RMSprop : public Optimizer {
 public:
  explicit RMSprop(Rate learning_rate, RMSpropOptions options = {});
  void init_single(const array& parameter, Tree& state) override;
  array apply_single(const array& gradient, const array& parameter, Tree& state) override;

 private:
  RMSpropOptions options_;
};

// Divides by the root of the sum of all squares so far (Duchi et al., 2011).
class OLIVINE_API Adagrad : public Optimizer {
 public:
  explicit Adagrad(Rate learning_rate, double eps = 1e-8);
  void init_single(const array& parameter, Tree& state) override;
  array apply_single(const array& gradient, const array& parameter, Tree& state) override;

 private:
  double eps_;
};

struct AdaDeltaOptions {
  double rho = 0.9, eps = 1e-6;
};
// Steps in the units of the parameters (Zeiler, 2012).
class OLIVINE_API AdaDelta : public Optimizer {
 public:
  explicit AdaDelta(Rate learning_rate, AdaDeltaOptions options = {});
  void init_single(const array& parameter, Tree& state) override;
  array apply_single(const array& gradient, const array& parameter, Tree& state) override;

 private:
  AdaDeltaOptions options_;
};

struct AdafactorOptions {
  std::pair<double, double> eps{1e-30, 1e-3};
  double clip_threshold = 1, decay_rate = -0.8;
  std::optional<double> beta_1 = std::nullopt;
  double weight_decay = 0;
  bool scale_parameter = true, relative_step = true, warmup_init = false;
};
// Adam's step with the mean square of a matrix kept as the product of a row and a column (Shazeer
// and Stern, 2018). Without relative_step, a learning rate is needed.
class OLIVINE_API Adafactor : public Optimizer {
 public:
  explicit Adafactor(AdafactorOptions options = {});
  explicit Adafactor(Rate learning_rate, AdafactorOptions options = {});
  void init_single(const array& parameter, Tree& state) override;
  array apply_single(const array& gradient, const array& parameter, Tree& state) override;

 private:
  array rate_of(const array& parameter) const;
  array normalized(const array& gradient, Tree& state) const;
  AdafactorOptions options_;
};

struct MuonOptions {
  double momentum = 0.95, weight_decay = 0.01;
  bool nesterov = true;
  int ns_steps = 5;
};
// SGD with momentum; updates of matrices are replaced by the nearest orthogonal matrix (Jordan et
// al., 2024).
class OLIVINE_API Muon : public Optimizer {
 public:
  explicit Muon(Rate learning_rate, MuonOptions options = {});
  void init_single(const array& parameter, Tree& state) override;
  array apply_single(const array& gradient, const array& parameter, Tree& state) override;

 private:
  MuonOptions options_;
};

// ---- Several optimizers, each for the parameters that its filter picks first; the last has no
// filter and takes the rest.
class OLIVINE_API MultiOptimizer : public Optimizer {
 public:
  using Filter = std::function<bool(const std::string& name, const array& gradient)>;
  MultiOptimizer(std::vector<std::shared_ptr<Optimizer>> optimizers, std::vector<Filter> filters);

  void init(const Tree& parameters) override;
  Tree apply_gradients(const Tree& gradients, const Tree& parameters) override;
  // The first optimizer's; setting it sets that of all.
  array learning_rate() const override;
  void set_learning_rate(const array& rate) override;
  using Optimizer::set_learning_rate;
  // Names begin with "states.0.", "states.1.", …
  Tree state() const override;
  void set_state(const Tree& state) override;
  void slots(std::vector<array*>& out) override;
  void signature(std::string& out) const override;

  void init_single(const array&, Tree&) override {}
  array apply_single(const array&, const array& parameter, Tree&) override { return parameter; }

 private:
  std::vector<Tree> split(const Tree& tree) const;
  std::vector<std::shared_ptr<Optimizer>> optimizers_;
  std::vector<Filter> filters_;
};

// The gradients scaled so that their norm as one vector is at most max_norm, and the norm before.
OLIVINE_API std::pair<Tree, array> clip_grad_norm(const Tree& gradients, double max_norm);

}  // namespace olivine::optimizers
