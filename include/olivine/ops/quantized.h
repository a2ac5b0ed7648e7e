// Quantized weights: packing, products with packed weights, and 8-bit floats.
//
// Defaults of a mode: affine group_size 64, bits 4; mxfp4 32, 4; mxfp8 32, 8; nvfp4 16, 4.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// Packed words, scales and, if affine, biases of a matrix whose rows are quantized in groups.
OLIVINE_API std::vector<array> quantize(const array& w,
                                        std::optional<int> group_size = std::nullopt,
                                        std::optional<int> bits = std::nullopt,
                                        const std::string& mode = "affine",
                                        const std::optional<array>& global_scale = std::nullopt,
                                        StreamOrDevice s = {});
// The values that packed words stand for.
OLIVINE_API array dequantize(const array& w, const array& scales,
                             const std::optional<array>& biases = std::nullopt,
                             std::optional<int> group_size = std::nullopt,
                             std::optional<int> bits = std::nullopt,
                             const std::string& mode = "affine",
                             const std::optional<array>& global_scale = std::nullopt,
                             std::optional<Dtype> dtype = std::nullopt, StreamOrDevice s = {});
// x @ w^T (or x @ w) with packed w.
OLIVINE_API array quantized_matmul(const array& x, const array& w, const array& scales,
                                   const std::optional<array>& biases = std::nullopt,
                                   bool transpose = true,
                                   std::optional<int> group_size = std::nullopt,
                                   std::optional<int> bits = std::nullopt,
                                   const std::string& mode = "affine", StreamOrDevice s = {});
// The same, x quantized on the way; w is packed if it has scales, else quantized too.
OLIVINE_API array qqmm(const array& x, const array& w,
                       const std::optional<array>& w_scales = std::nullopt,
                       std::optional<int> group_size = std::nullopt,
                       std::optional<int> bits = std::nullopt, const std::string& mode = "nvfp4",
                       const std::optional<array>& global_scale_x = std::nullopt,
                       const std::optional<array>& global_scale_w = std::nullopt,
                       StreamOrDevice s = {});
// One product per pair of indices into the matrices of x and of w.
OLIVINE_API array gather_qmm(const array& x, const array& w, const array& scales,
                             const std::optional<array>& biases = std::nullopt,
                             std::optional<array> lhs_indices = std::nullopt,
                             std::optional<array> rhs_indices = std::nullopt, bool transpose = true,
                             std::optional<int> group_size = std::nullopt,
                             std::optional<int> bits = std::nullopt,
                             const std::string& mode = "affine",
                             const std::optional<array>& global_scale = std::nullopt,
                             bool sorted_indices = false, StreamOrDevice s = {});
OLIVINE_API array gather_qqmm(const array& x, const array& w,
                              const std::optional<array>& scales_w = std::nullopt,
                              const std::optional<array>& lhs_indices = std::nullopt,
                              const std::optional<array>& rhs_indices = std::nullopt,
                              std::optional<int> group_size = std::nullopt,
                              std::optional<int> bits = std::nullopt,
                              const std::string& mode = "nvfp4",
                              const std::optional<array>& global_scale_x = std::nullopt,
                              const std::optional<array>& global_scale_w = std::nullopt,
                              bool sorted_indices = false, StreamOrDevice s = {});

// Bytes of e4m3 floats and back; to_fp8 rounds to nearest even and saturates at 448.
OLIVINE_API array to_fp8(const array& x, StreamOrDevice s = {});
OLIVINE_API array from_fp8(const array& x, Dtype dtype = bfloat16, StreamOrDevice s = {});

}  // namespace olivine
