// <mlx/fast_primitives.h> by Olivine: MLX's fused primitives. One that is given a fallback is what
// that function computes; without one it is Olivine's fused op. Inputs have MLX's order.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <typeinfo>
#include <utility>
#include <vector>

#include "mlx/backend/common/metal_kernel.h"
#include "mlx/primitives.h"
#include "olivine/fast.h"

namespace olivine::fast {

using Fallback = std::function<std::vector<array>(std::vector<array>)>;

class Custom : public FunctionPrimitive {
 public:
  explicit Custom(Stream stream, Fallback fallback)
      : Custom(stream, "Custom", std::move(fallback), nullptr) {
    is_of_mlx_ = false;
  }
  // A subclass of the user's has a kernel (eval_cpu) of its own; the fallback gives it its rules.
  std::optional<std::vector<array>> composite(const std::vector<array>& inputs,
                                              const ArraySpecs& asked) override {
    if (!is_of_mlx_ && typeid(*this) != typeid(Custom)) return std::nullopt;
    return FunctionPrimitive::composite(inputs, asked);
  }

 protected:
  Custom(Stream stream, std::string name, Fallback fallback, Fallback fused)
      : FunctionPrimitive(
            stream, name, PrimitiveFunction::Arity(0, PrimitiveFunction::any),
            [name, fallback = std::move(fallback), fused = std::move(fused)](
                const std::vector<array>& in, const ArraySpecs&) {
              if (fallback) return fallback(in);
              if (fused) return fused(in);
              throw std::invalid_argument("[" + name + "] expected a fallback; got none");
            }) {}
  // Checks the number of inputs, which MLX's classes take from their callers.
  static Fallback of(const char* name, size_t least, size_t most, Fallback fused) {
    return [=](const std::vector<array>& in) {
      if (in.size() < least || in.size() > most) {
        throw std::invalid_argument("[" + std::string(name) + "] expected " +
                                    std::to_string(least) + " to " + std::to_string(most) +
                                    " inputs; got " + std::to_string(in.size()));
      }
      return fused(in);
    };
  }
  // The cotangents of all inputs but the last `outputs`, which are those of what `fused` gives.
  static Fallback pullback(Fallback fused, size_t outputs = 1) {
    return [=](const std::vector<array>& in) {
      size_t arguments = in.size() - outputs;
      return olivine::vjp(fused, primitive_parts::from(in, 0, arguments),
                          primitive_parts::from(in, arguments, in.size()))
          .second;
    };
  }

 private:
  bool is_of_mlx_ = true;  // one of those below
};

// x and its weight.
class RMSNorm : public Custom {
 public:
  RMSNorm(Stream stream, Fallback fallback, float eps)
      : Custom(stream, "RMSNorm", std::move(fallback), of("RMSNorm", 2, 2, fused(eps))) {}
  static Fallback fused(float eps) {
    return [eps](const std::vector<array>& in) {
      return std::vector<array>{rms_norm(in[0], in[1], eps)};
    };
  }
};
// x, its weight and the cotangent of the result.
class RMSNormVJP : public Custom {
 public:
  RMSNormVJP(Stream stream, Fallback fallback, float eps)
      : Custom(stream, "RMSNormVJP", std::move(fallback),
               of("RMSNormVJP", 3, 3, pullback(RMSNorm::fused(eps)))) {}
};
// Logits and targets.
class CrossEntropy : public Custom {
 public:
  CrossEntropy(Stream stream, Fallback fallback)
      : Custom(stream, "CrossEntropy", std::move(fallback), of("CrossEntropy", 2, 2, fused)) {}
  static std::vector<array> fused(const std::vector<array>& in) {
    return {cross_entropy(in[0], in[1])};
  }
};
// Logits, targets and the cotangent of the losses: the cotangent of the logits.
class CrossEntropyVJP : public Custom {
 public:
  CrossEntropyVJP(Stream stream, Fallback fallback)
      : Custom(stream, "CrossEntropyVJP", std::move(fallback),
               of("CrossEntropyVJP", 3, 3, [](const std::vector<array>& in) {
                 auto loss = [&](const std::vector<array>& logits) {
                   return std::vector<array>{cross_entropy(logits[0], in[1])};
                 };
                 return olivine::vjp(loss, {in[0]}, {in[2]}).second;
               })) {}
};
// x, weight and bias.
class LayerNorm : public Custom {
 public:
  LayerNorm(Stream stream, Fallback fallback, float eps)
      : Custom(stream, "LayerNorm", std::move(fallback), of("LayerNorm", 3, 3, fused(eps))) {}
  static Fallback fused(float eps) {
    return [eps](const std::vector<array>& in) {
      return std::vector<array>{layer_norm(in[0], in[1], in[2], eps)};
    };
  }
};
// x, weight, bias and the cotangent of the result.
class LayerNormVJP : public Custom {
 public:
  LayerNormVJP(Stream stream, Fallback fallback, float eps)
      : Custom(stream, "LayerNormVJP", std::move(fallback),
               of("LayerNormVJP", 4, 4, pullback(LayerNorm::fused(eps)))) {}
};
// x, the offset and frequencies or none; backward it turns the other way, as a cotangent is turned.
class RoPE : public Custom {
 public:
  RoPE(Stream stream, Fallback fallback, int dims, bool traditional, float base, float scale,
       bool forward)
      : Custom(stream, "RoPE", std::move(fallback),
               of("RoPE", 2, 3, fused(dims, traditional, base, scale, forward))) {}
  static Fallback fused(int dims, bool traditional, float base, float scale, bool forward) {
    return [=](const std::vector<array>& in) {
      std::optional<array> freqs = primitive_parts::at(in, 2);
      std::optional<double> over = freqs ? std::nullopt : std::optional<double>(base);
      auto turn = [&](const std::vector<array>& x) {
        return std::vector<array>{rope(x[0], dims, traditional, over, scale, in[1], freqs)};
      };
      // A rotation is linear, so that its transpose is the same anywhere.
      return forward ? turn({in[0]}) : olivine::vjp(turn, {zeros_like(in[0])}, {in[0]}).second;
    };
  }
};
// Queries, keys, values, a mask or none, then sinks if `has_sinks`.
class ScaledDotProductAttention : public Custom {
 public:
  ScaledDotProductAttention(Stream stream, Fallback fallback, float scale, bool do_causal,
                            bool has_sinks, bool output_logsumexp, bool force_fused)
      : Custom(stream, "ScaledDotProductAttention", std::move(fallback),
               // Nothing of Olivine's gives the sums of exponentials.
               output_logsumexp
                   ? nullptr
                   : of("ScaledDotProductAttention", has_sinks ? 4 : 3, has_sinks ? 5 : 4,
                        fused(scale, do_causal, has_sinks, force_fused))) {}
  static Fallback fused(float scale, bool do_causal, bool has_sinks, bool force_fused) {
    return [=](const std::vector<array>& in) {
      size_t end = in.size() - (has_sinks ? 1 : 0);
      std::optional<array> mask = end > 3 ? primitive_parts::at(in, 3) : std::nullopt;
      return std::vector<array>{scaled_dot_product_attention(
          in[0], in[1], in[2], scale, do_causal ? "causal" : "", mask,
          has_sinks ? std::optional<array>(in.back()) : std::nullopt, force_fused)};
    };
  }
};
// MLX's inputs for this one hold what its kernel kept; the fallback says what it makes of them.
class ScaledDotProductAttentionVJP : public Custom {
 public:
  ScaledDotProductAttentionVJP(Stream stream, Fallback fallback, float /*scale*/,
                               bool /*do_causal*/, bool /*has_sinks*/)
      : Custom(stream, "ScaledDotProductAttentionVJP", std::move(fallback), nullptr) {}
};
class ConvertFP8 : public FunctionPrimitive {
 public:
  explicit ConvertFP8(Stream s, bool to_bytes)
      : FunctionPrimitive(
            s, "ConvertFP8", 1, [=](const std::vector<array>& in, const ArraySpecs& asked) {
              Dtype dtype = asked.empty() ? bfloat16 : asked[0].second;
              return std::vector<array>{to_bytes ? to_fp8(in[0], s) : from_fp8(in[0], dtype, s)};
            }) {}
};
// Queries, keys, values, gates, beta, then the state and the mask where there are such.
class GatedDeltaUpdate : public Custom {
 public:
  GatedDeltaUpdate(Stream stream, Fallback fallback)
      : Custom(stream, "GatedDeltaUpdate", std::move(fallback),
               of("GatedDeltaUpdate", 5, 7, fused)) {}
  static std::vector<array> fused(const std::vector<array>& in) {
    return gated_delta_update(in[0], in[1], in[2], in[3], in[4], primitive_parts::at(in, 5),
                              primitive_parts::at(in, 6));
  }
};
// The first five or six of these, then the cotangents of the outputs and of the last state.
class GatedDeltaUpdateVJP : public Custom {
 public:
  GatedDeltaUpdateVJP(Stream stream, Fallback fallback)
      : Custom(stream, "GatedDeltaUpdateVJP", std::move(fallback),
               of("GatedDeltaUpdateVJP", 7, 8, pullback(GatedDeltaUpdate::fused, 2))) {}
};
// A matrix, or packed words, scales and biases, if there are such.
class Quantize : public Custom {
 public:
  explicit Quantize(Stream stream, Fallback fallback, int group_size, int bits,
                    QuantizationMode mode, bool dequantize)
      : Custom(stream, "Quantize", std::move(fallback),
               of("Quantize", dequantize ? 2 : 1, dequantize ? 3 : 1,
                  fused(group_size, bits, quantization_mode_to_string(mode), dequantize))) {}
  static Fallback fused(int group_size, int bits, std::string mode, bool dequantize) {
    return [=](const std::vector<array>& in) {
      if (!dequantize) return olivine::quantize(in[0], group_size, bits, mode);
      return std::vector<array>{
          olivine::dequantize(in[0], in[1], primitive_parts::at(in, 2), group_size, bits, mode)};
    };
  }
};

// A kernel given as source text; as of metal_kernel and cuda_kernel, evaluating one raises an error
// where the device is missing.
class CustomKernel : public Primitive {
 public:
  CustomKernel(Stream stream, std::string name, std::string source, std::tuple<int, int, int> grid,
               std::tuple<int, int, int> threadgroup,
               std::vector<std::tuple<bool, bool, bool>> shape_infos, bool ensure_row_contiguous,
               std::optional<float> init_value, std::vector<ScalarArg> scalar_arguments,
               bool is_precompiled, int shared_memory, CompileOptions::Data compile_options = {})
      : Primitive(stream),
        name_(std::move(name)),
        source_(std::move(source)),
        launch_(grid, threadgroup, shared_memory),
        inputs_(std::move(shape_infos), std::move(scalar_arguments), ensure_row_contiguous),
        init_value_(init_value),
        is_precompiled_(is_precompiled),
        compile_options_(compile_options) {}
  const char* name() const override { return "CustomKernel"; }
  void eval_cpu(const std::vector<array>&, std::vector<array>&) override {
    throw std::runtime_error("[CustomKernel] expected a device that runs kernel '" + name_ +
                             "'; got the cpu");
  }
  bool is_equivalent(const Primitive& other) const override {
    const auto& o = static_cast<const CustomKernel&>(other);
    return name_ == o.name_ && source_ == o.source_ && launch_ == o.launch_ &&
           inputs_ == o.inputs_ && init_value_ == o.init_value_ &&
           is_precompiled_ == o.is_precompiled_ && compile_options_ == o.compile_options_;
  }

 private:
  std::string name_, source_;
  std::tuple<std::tuple<int, int, int>, std::tuple<int, int, int>, int> launch_;
  std::tuple<std::vector<std::tuple<bool, bool, bool>>, std::vector<ScalarArg>, bool> inputs_;
  std::optional<float> init_value_;
  bool is_precompiled_;
  CompileOptions::Data compile_options_;
};

}  // namespace olivine::fast
