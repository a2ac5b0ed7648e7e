// Sequential.
#include "olivine/nn/containers.h"

namespace olivine::nn {

array Sequential::operator()(const array& x) {
  array y = x;
  for (AnyLayer& layer : layers) y = layer(y);
  return y;
}

void Sequential::fields(Fields& f) {
  for (size_t i = 0; i < layers.size(); ++i) {
    if (Module* module = layers[i].module()) f.item("layers", static_cast<int>(i), *module);
  }
}

}  // namespace olivine::nn
