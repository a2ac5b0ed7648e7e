// Linear layers.
#include "olivine/nn/linear.h"

#include <cmath>

#include "core/error.h"
#include "layers.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/shape.h"

namespace olivine::nn {

Linear::Linear(int input_dims, int output_dims, bool with_bias)
    : Weighted(uniform_weight("Linear", input_dims, {output_dims, input_dims})) {
  if (with_bias) bias = uniform_weight("Linear", input_dims, {output_dims});
}

array Linear::operator()(const array& x) const {
  if (packing) return bias ? multiplied(x) + *bias : multiplied(x);
  return bias ? addmm(*bias, x, transpose(weight)) : matmul(x, transpose(weight));
}

void Linear::fields(Fields& f) {
  f("weight", weight)("scales", scales)("biases", biases)("bias", bias);
}

std::string Linear::extra_repr() const {
  bool quantized_input = packing && packing->quantize_input;
  return message("input_dims=", width(), ", output_dims=", weight.shape(0),
                 quantized_input ? "" : ", bias=", quantized_input ? "" : truth(bias.has_value()),
                 packing_repr());
}

Bilinear::Bilinear(int input1_dims, int input2_dims, int output_dims, bool with_bias)
    : weight(uniform_weight("Bilinear", input1_dims, {output_dims, input2_dims, input1_dims})) {
  if (with_bias) bias = uniform_weight("Bilinear", input1_dims, {output_dims});
}

array Bilinear::operator()(const array& given1, const array& given2) const {
  ShapeElem outputs = weight.shape(0), inputs2 = weight.shape(1), inputs1 = weight.shape(2);
  Shape shape = given1.shape();
  array x1 = reshape(given1, {-1, inputs1});
  array x2 = reshape(given2, {-1, 1, inputs2});
  // First all outputs' products with x1, then one small product with x2 per row.
  array rows =
      reshape(matmul(x1, transpose(reshape(weight, {-1, inputs1}))), {-1, outputs, inputs2});
  shape[shape.size() - 1] = outputs;
  array y = reshape(matmul(x2, swapaxes(rows, -2, -1)), shape);
  return bias ? y + *bias : y;
}

void Bilinear::fields(Fields& f) { f("weight", weight)("bias", bias); }

std::string Bilinear::extra_repr() const {
  return message("input1_dims=", weight.shape(2), ", input2_dims=", weight.shape(1),
                 ", output_dims=", weight.shape(0), ", bias=", truth(bias.has_value()));
}

}  // namespace olivine::nn
