// What the quantized functions share: checks of their arguments, and packed weights as one value.
#pragma once

#include <optional>
#include <string>

#include "core/op.h"
#include "ops/quantized_params.h"

namespace olivine {

// The format of a mode with its defaults, checked.
QuantFormat quant_format(const std::string& mode, std::optional<int> group_size,
                         std::optional<int> bits, const char* op);

// As in Python.
const char* mode_name(const QuantFormat& f);

// Packed weights with everything that belongs to them.
struct Packed {
  array w, scales;
  std::optional<array> biases, global;
  QuantFormat format;

  // Inputs of an op, in this order.
  Arrays inputs() const;
};
// Checks words, scales and biases against each other. `dtype`: what affine scales and biases become
// (default: their common dtype).
Packed check_packed(const array& w, const array& scales, const std::optional<array>& biases,
                    const std::optional<array>& global, QuantFormat format, const char* op,
                    StreamOrDevice s);
// A global scale as float32, one per matrix: of size 1 or `count`.
std::optional<array> check_global(const std::optional<array>& scale, QuantFormat format,
                                  int64_t count, const char* op);

// Of records (core/op.h check): the format; the packed weights from input `first` on; and a global
// scale for matrices like `w`.
void check_format(const CheckCall& c, const QuantFormat& f);
void check_weights(const CheckCall& c, size_t first, const QuantFormat& f, bool has_global);

// Codes as uint32, shape (..., values of a row).
array unpack_codes(const array& w, int bits);
// The values in `dtype`, from ops alone.
array dequantize_composite(const Packed& p, Dtype dtype);
array dequantize_packed(const Packed& p, Dtype dtype, StreamOrDevice s = {});
std::vector<array> quantize_format(const array& w, QuantFormat format,
                                   const std::optional<array>& global, const char* op,
                                   StreamOrDevice s);
// Sums over groups of the last axis: (..., groups * size) -> (..., groups).
array sum_groups(const array& a, int group_size);

}  // namespace olivine
