// Fused ops: one pass over memory for what would take several.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

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
OLIVINE_API array scaled_dot_product_attention(const array& queries, const array& keys,
                                               const array& values, double scale,
                                               const std::string& mask_mode = "",
                                               const std::optional<array>& mask = std::nullopt,
                                               const std::optional<array>& sinks = std::nullopt,
                                               bool force_fused = false, StreamOrDevice s = {});

// logsumexp(logits) - logits[target] over the last axis, in float32 or wider.
OLIVINE_API array cross_entropy(const array& logits, const array& targets, StreamOrDevice s = {});
// Gated delta rule (Yang, Kautz and Hatamizadeh, 2024): the outputs (B, T, Hv, Dv) and the last
// state (B, Hv, Dv, Dk) of a linear attention whose state decays and is corrected in every step.
OLIVINE_API std::vector<array> gated_delta_update(
    const array& queries, const array& keys, const array& values, const array& gates,
    const array& beta, const std::optional<array>& initial_state = std::nullopt,
    const std::optional<array>& mask = std::nullopt, StreamOrDevice s = {});

// Kernels given as source text. Without the device that runs them, making or calling one raises
// std::runtime_error.
enum class MathMode { Safe = 0, Relaxed = 1, Fast = 2 };
struct CompileOptions {
  // The options as one number.
  using Data = int;
  CompileOptions() = default;
  CompileOptions(MathMode mode) : math_mode(mode) {}
  CompileOptions(Data data) : math_mode(static_cast<MathMode>(data)) {}

  MathMode math_mode = MathMode::Safe;
  Data serialize() const { return static_cast<Data>(math_mode); }
  bool operator==(const CompileOptions&) const = default;
};
using TemplateArg = std::variant<int, bool, Dtype>;
using ScalarArg = std::variant<bool, int, float>;
using CustomKernelFunction = std::function<std::vector<array>(
    const std::vector<array>& inputs, const std::vector<Shape>& output_shapes,
    const std::vector<Dtype>& output_dtypes, std::tuple<int, int, int> grid,
    std::tuple<int, int, int> threadgroup,
    std::vector<std::pair<std::string, TemplateArg>> template_args, std::optional<float> init_value,
    bool verbose, StreamOrDevice s)>;
OLIVINE_API CustomKernelFunction
metal_kernel(const std::string& name, const std::vector<std::string>& input_names,
             const std::vector<std::string>& output_names, const std::string& source,
             const std::string& header = "", bool ensure_row_contiguous = true,
             bool atomic_outputs = false, const CompileOptions& options = {});
OLIVINE_API CustomKernelFunction cuda_kernel(
    const std::string& name, const std::vector<std::string>& input_names,
    const std::vector<std::string>& output_names, const std::string& source,
    const std::string& header = "", bool ensure_row_contiguous = true, int shared_memory = 0);
OLIVINE_API std::vector<array> precompiled_cuda_kernel(
    const std::string& name, const std::string& compiled_source, const std::vector<array>& inputs,
    const std::vector<Shape>& output_shapes, const std::vector<Dtype>& output_dtypes,
    const std::vector<ScalarArg>& scalars, std::tuple<int, int, int> grid,
    std::tuple<int, int, int> threadgroup, int shared_memory = 0,
    std::optional<float> init_value = std::nullopt, bool ensure_row_contiguous = false,
    StreamOrDevice s = {});

}  // namespace olivine::fast
