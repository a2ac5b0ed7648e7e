// Adafactor: an adaptive optimizer whose memory per matrix is one row and one column.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "nn/weak.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "olivine/optimizers.h"

namespace olivine::optimizers {

// Of large arrays of 16-bit floats too: the sum is divided before it can overflow.
static array root_mean_square(const array& x) {
  double count = static_cast<double>(std::max<int64_t>(x.size(), 1));
  return sqrt(sum(square(x / std::sqrt(count))));
}

Adafactor::Adafactor(AdafactorOptions options) : options_(options) {
  if (!options.relative_step) {
    fail("[Adafactor] expected learning_rate or relative_step=true; got neither");
  }
}
Adafactor::Adafactor(Rate learning_rate, AdafactorOptions options)
    : Optimizer(learning_rate), options_(options) {}

void Adafactor::init_single(const array& parameter, Tree& state) {
  if (parameter.ndim() >= 2) {
    Shape rows = parameter.shape(), columns = parameter.shape();
    rows.pop_back();
    columns.erase(columns.end() - 2);
    state.set("exp_avg_sq_row", zeros(rows, parameter.dtype()));
    state.set("exp_avg_sq_col", zeros(columns, parameter.dtype()));
  } else {
    state.set("exp_avg_sq", zeros_like(parameter));
  }
  if (options_.beta_1) state.set("exp_avg", zeros_like(parameter));
}

array Adafactor::rate_of(const array& parameter) const {
  auto relative = [&] {
    array slow = rsqrt(astype(step(), float32));
    return options_.warmup_init ? minimum(1e-6 * step(), slow) : minimum(slow, 1e-2);
  };
  array rate = astype(options_.relative_step ? relative() : learning_rate(), parameter.dtype());
  if (!options_.scale_parameter) return rate;
  return rate * maximum(root_mean_square(parameter), options_.eps.second);
}

array Adafactor::normalized(const array& gradient, Tree& state) const {
  array now = astype(step(), float32);
  array kept = astype(1 - power(now, weak(options_.decay_rate, now)), gradient.dtype());
  array square = olivine::square(gradient) + options_.eps.first;
  auto average = [&](const char* name, const array& value) {
    state.set(name, kept * state[name] + (1 - kept) * value);
    return state[name];
  };
  if (gradient.ndim() < 2) return gradient * rsqrt(average("exp_avg_sq", square));
  array rows = average("exp_avg_sq_row", mean(square, -1));
  array columns = average("exp_avg_sq_col", mean(square, -2));
  rows = rows / mean(rows, -1, true);
  return gradient * (expand_dims(rsqrt(rows), -1) * expand_dims(rsqrt(columns), -2));
}

array Adafactor::apply_single(const array& gradient, const array& given, Tree& state) {
  array rate = rate_of(given);
  array update = normalized(gradient, state);
  update = update / maximum(root_mean_square(update) / options_.clip_threshold, 1.0);
  update = rate * update;
  if (options_.beta_1) {
    update = *options_.beta_1 * state["exp_avg"] + (1 - *options_.beta_1) * update;
    state.set("exp_avg", update);
  }
  array parameter = options_.weight_decay != 0 ? given * (1 - options_.weight_decay * rate) : given;
  return parameter - update;
}

}  // namespace olivine::optimizers
