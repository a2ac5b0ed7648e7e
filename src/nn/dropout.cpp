// Dropout.
#include "olivine/nn/dropout.h"

#include "core/error.h"
#include "layers.h"
#include "olivine/ops/random.h"
#include "weak.h"

namespace olivine::nn {

Dropout::Dropout(double p) : keep_(1 - p) {
  if (!(p >= 0 && p < 1)) fail("[Dropout] expected 0 <= p < 1; got ", p);
}

std::string Dropout::extra_repr() const { return "p=" + number(1 - keep_); }

array Dropout::operator()(const array& x) const {
  if (keep_ == 1 || !training()) return x;
  array mask = random::bernoulli(array(keep_), mask_shape(x));
  return mask * x * (1 / keep_);
}

// One value for the last `axes` axes but the channels.
static Shape channels(const char* op, const array& x, int axes) {
  if (x.ndim() != axes && x.ndim() != axes + 1) {
    fail("[", op, "] expected ", axes, " or ", axes + 1, " dimensions; got shape ", x.shape());
  }
  Shape shape = x.shape();
  for (int i = x.ndim() - axes; i + 1 < x.ndim(); ++i) shape[static_cast<size_t>(i)] = 1;
  return shape;
}

Shape Dropout2d::mask_shape(const array& x) const { return channels("Dropout2d", x, 3); }
Shape Dropout3d::mask_shape(const array& x) const { return channels("Dropout3d", x, 4); }

}  // namespace olivine::nn
