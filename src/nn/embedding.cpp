// Embedding.
#include "olivine/nn/embedding.h"

#include <cmath>

#include "core/error.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/quantized.h"
#include "olivine/ops/random.h"

namespace olivine::nn {

static array initial_table(int num_embeddings, int dims) {
  if (num_embeddings < 0 || dims < 1) {
    fail("[Embedding] expected num_embeddings >= 0 and dims >= 1; got ", num_embeddings, " and ",
         dims);
  }
  return random::normal({num_embeddings, dims}, float32, std::nullopt,
                        array(std::sqrt(1.0 / dims)));
}

Embedding::Embedding(int num_embeddings, int dims)
    : Weighted(initial_table(num_embeddings, dims)) {}

array Embedding::operator()(const array& x) const {
  if (!packing) return take(weight, x, 0);
  std::optional<array> offsets;
  if (biases) offsets = take(*biases, x, 0);
  return dequantize(take(weight, x, 0), take(*scales, x, 0), offsets, packing->group_size,
                    packing->bits, packing->mode);
}

void Embedding::fields(Fields& f) { f("weight", weight)("scales", scales)("biases", biases); }

std::string Embedding::extra_repr() const {
  return message(weight.shape(0), ", ", width(), packing_repr());
}

bool Embedding::quantize_weight(const Quantization& how) {
  if (how.quantize_input) {
    fail("[Embedding.quantize_weight] expected quantize_input=false; got true");
  }
  return Weighted::quantize_weight(how);
}

}  // namespace olivine::nn
