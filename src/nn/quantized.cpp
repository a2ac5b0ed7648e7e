// Packed weights of layers, and the quantization of models.
#include "olivine/nn/quantized.h"

#include "core/error.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/quantized.h"
#include "olivine/ops/shape.h"

namespace olivine::nn {

// With the mode's own group size and bits where others are not given.
static Quantization settings(Quantization how) {
  struct Defaults {
    const char* mode;
    int group_size, bits;
  };
  for (auto [mode, group_size, bits] : {Defaults{"affine", 64, 4}, Defaults{"mxfp4", 32, 4},
                                        Defaults{"nvfp4", 16, 4}, Defaults{"mxfp8", 32, 8}}) {
    if (how.mode != mode) continue;
    how.group_size = how.group_size.value_or(group_size);
    how.bits = how.bits.value_or(bits);
    return how;
  }
  fail("[quantize] expected mode to be one of affine, mxfp4, nvfp4, mxfp8; got ", how.mode);
}

void Weighted::pack() {
  std::vector<array> parts =
      olivine::quantize(weight, packing->group_size, packing->bits, packing->mode);
  weight = parts[0];
  scales = parts[1];
  if (parts.size() > 2) biases = parts[2];
}

bool Weighted::quantize_weight(const Quantization& how) {
  if (packing) return false;
  packing = settings(how);
  if (packing->quantize_input) {
    if (!training()) pack();
    return true;
  }
  pack();
  freeze({"weight", "scales", "biases"}, false);
  return true;
}

bool Linear::quantize_weight(const Quantization& how) {
  if (how.quantize_input) {
    if (how.mode != "nvfp4" && how.mode != "mxfp8") {
      fail("[QQLinear] expected mode to be one of nvfp4, mxfp8; got ", how.mode);
    }
    if (bias) fail("[QQLinear] expected a layer without bias; got one with");
  }
  return Weighted::quantize_weight(how);
}

void Weighted::on_training(bool mode) {
  if (!packing || !packing->quantize_input) return;
  if (!mode && !scales) {
    pack();
  } else if (mode && scales) {
    weight = dequantize(weight, *scales, std::nullopt, packing->group_size, packing->bits,
                        packing->mode);
    scales.reset();
  }
}

array Weighted::multiplied(const array& x) const {
  if (!packing) return matmul(x, transpose(weight));
  if (packing->quantize_input) {
    return qqmm(x, weight, scales, packing->group_size, packing->bits, packing->mode);
  }
  return quantized_matmul(x, weight, *scales, biases, true, packing->group_size, packing->bits,
                          packing->mode);
}

int64_t Weighted::width() const {
  return scales ? weight.shape(-1) * 32 / *packing->bits : weight.shape(-1);
}

std::string Weighted::packing_repr() const {
  if (!packing) return "";
  return message(", group_size=", *packing->group_size, ", bits=", *packing->bits,
                 ", mode=", packing->mode);
}

std::string Weighted::kind() const {
  std::string own = Module::kind();
  if (!packing || own.starts_with("Quantized") || own.starts_with("QQ")) return own;
  return (packing->quantize_input ? "QQ" : "Quantized") + own;
}

QuantizedLinear::QuantizedLinear(int input_dims, int output_dims, bool with_bias,
                                 const Quantization& how)
    : Linear(input_dims, output_dims, false) {
  quantize_weight(how);
  if (with_bias) bias = zeros({output_dims});
  freeze();
}

Linear QuantizedLinear::from_linear(const Linear& linear, const Quantization& how) {
  Linear layer = linear;
  layer.quantize_weight(how);
  return layer;
}

QuantizedEmbedding::QuantizedEmbedding(int num_embeddings, int dims, const Quantization& how)
    : Embedding(num_embeddings, dims) {
  quantize_weight(how);
}

Embedding QuantizedEmbedding::from_embedding(const Embedding& embedding, const Quantization& how) {
  Embedding layer = embedding;
  layer.quantize_weight(how);
  return layer;
}

QQLinear::QQLinear(int input_dims, int output_dims, const Quantization& how)
    : Linear(input_dims, output_dims, false) {
  Quantization both = how;
  both.quantize_input = true;
  quantize_weight(both);
}

void quantize(Module& model, const Quantization& how) {
  for (auto& [path, module] : model.named_modules()) module->quantize_weight(how);
}

void quantize(
    Module& model,
    const std::function<std::optional<Quantization>(const std::string&, Module&)>& choose) {
  for (auto& [path, module] : model.named_modules()) {
    if (!dynamic_cast<Weighted*>(module)) continue;
    if (std::optional<Quantization> how = choose(path, *module)) module->quantize_weight(*how);
  }
}

}  // namespace olivine::nn
