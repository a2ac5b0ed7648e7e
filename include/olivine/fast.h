// Fused ops: one pass over memory for what would take several.
#pragma once

#include <optional>
#include <string>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine::fast {

// x / rms(x) over the last axis, times weight (Zhang and Sennrich, 2019).
OLIVINE_API array rms_norm(const array& x, const std::optional<array>& weight, double eps,
                           StreamOrDevice s = {});
// (x - mean) / std over the last axis, times weight plus bias (Ba, Kiros and Hinton, 2016).
OLIVINE_API array layer_norm(const array& x, const std::optional<array>& weight,
                             const std::optional<array>& bias, double eps, StreamOrDevice s = {});
// Rotary position embedding of the last axis' first `dims` (Su et al., 2021); axis -2 is time.
OLIVINE_API array rope(const array& x, int dims, bool traditional, std::optional<double> base,
                       double scale, int offset, const std::optional<array>& freqs = std::nullopt,
                       StreamOrDevice s = {});
OLIVINE_API array rope(const array& x, int dims, bool traditional, std::optional<double> base,
                       double scale, const array& offset,
                       const std::optional<array>& freqs = std::nullopt, StreamOrDevice s = {});
// softmax(scale * q @ k^T + mask) @ v, with fewer key heads than query heads allowed.
OLIVINE_API array scaled_dot_product_attention(
    const array& queries, const array& keys, const array& values, double scale,
    const std::string& mask_mode = "", const std::optional<array>& mask = std::nullopt,
    const std::optional<array>& sinks = std::nullopt, bool force_fused = false,
    StreamOrDevice s = {});

}  // namespace olivine::fast
