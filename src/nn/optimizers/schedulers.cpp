// Learning-rate schedules: functions from the step to the rate.
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "nn/weak.h"
#include "olivine/optimizers.h"

namespace olivine::optimizers {

Schedule exponential_decay(double init, double decay_rate) {
  return [=](const array& step) { return init * power(weak(decay_rate, step), step); };
}

Schedule step_decay(double init, double decay_rate, int step_size) {
  return [=](const array& step) {
    array count = floor_divide(step, weak(step_size, step));
    return init * power(weak(decay_rate, count), count);
  };
}

Schedule cosine_decay(double init, int decay_steps, double end) {
  return [=](const array& step) {
    array position = minimum(step, decay_steps);
    array decay = 0.5 * (1.0 + cos((std::numbers::pi / decay_steps) * position));
    return end + decay * (init - end);
  };
}

Schedule linear_schedule(double init, double end, int steps) {
  if (steps < 1) fail("[linear_schedule] expected steps of at least 1; got ", steps);
  return [=](const array& step) { return (end - init) / steps * minimum(step, steps) + init; };
}

Schedule join_schedules(std::vector<Schedule> schedules, std::vector<int> boundaries) {
  if (schedules.empty()) fail("[join_schedules] expected at least one schedule; got none");
  if (boundaries.size() != schedules.size() - 1) {
    fail("[join_schedules] expected ", schedules.size() - 1, " boundaries; got ",
         boundaries.size());
  }
  return [=](const array& step) {
    array rate = schedules[0](step);
    for (size_t i = 0; i < boundaries.size(); ++i) {
      array later = schedules[i + 1](step - boundaries[i]);
      rate = where(step < boundaries[i], rate, later);
    }
    return rate;
  };
}

}  // namespace olivine::optimizers
