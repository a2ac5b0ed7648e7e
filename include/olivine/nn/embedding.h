// Embedding: a table of learned vectors looked up by integer.
#pragma once

#include "olivine/nn/linear.h"

namespace olivine::nn {

// Row x of the weight, of shape (num_embeddings, dims), for every integer x.
struct OLIVINE_API Embedding : Weighted {
  Embedding(int num_embeddings, int dims);
  array operator()(const array& x) const;
  // x @ weight^T: the head of a model with tied embeddings.
  array as_linear(const array& x) const { return multiplied(x); }
  void fields(Fields& f) override;
  std::string extra_repr() const override;
  bool quantize_weight(const Quantization& how) override;
};

}  // namespace olivine::nn
