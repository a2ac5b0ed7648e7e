// What some of MLX's primitives compute where no single function of Olivine's does.
#pragma once

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mlx/namespace.h"
#include "olivine/olivine.h"

namespace olivine {

enum class QuantizationMode { Affine, Mxfp4, Mxfp8, Nvfp4 };

inline std::string quantization_mode_to_string(QuantizationMode mode) {
  switch (mode) {
    case QuantizationMode::Affine:
      return "affine";
    case QuantizationMode::Mxfp4:
      return "mxfp4";
    case QuantizationMode::Mxfp8:
      return "mxfp8";
    case QuantizationMode::Nvfp4:
      break;
  }
  return "nvfp4";
}
inline QuantizationMode string_to_quantization_mode(const std::string& mode,
                                                    std::string_view error_tag = "") {
  for (auto m : {QuantizationMode::Affine, QuantizationMode::Mxfp4, QuantizationMode::Mxfp8,
                 QuantizationMode::Nvfp4}) {
    if (mode == quantization_mode_to_string(m)) return m;
  }
  std::string tag = error_tag.empty() ? std::string() : "[" + std::string(error_tag) + "] ";
  throw std::invalid_argument(tag + "expected mode 'affine', 'mxfp4', 'mxfp8' or 'nvfp4'; got '" +
                              mode + "'");
}

}  // namespace olivine

namespace olivine::primitive_parts {

using Arrays = std::vector<array>;

inline Arrays pair(std::pair<array, array> p) { return {std::move(p.first), std::move(p.second)}; }
inline Arrays from(const Arrays& in, size_t first, size_t end) {
  return Arrays(in.begin() + static_cast<std::ptrdiff_t>(first),
                in.begin() + static_cast<std::ptrdiff_t>(end));
}
// Input number `i`, if there is one.
inline std::optional<array> at(const Arrays& in, size_t i) {
  return i < in.size() ? std::optional<array>(in[i]) : std::nullopt;
}

// The first input, broadcast with the others along all axes but `ignored`.
inline array broadcast_axes(const Arrays& in, const std::vector<int>& ignored, Stream s) {
  std::vector<int> kept;  // from the end
  for (int axis : ignored) kept.push_back(axis < 0 ? axis : axis - in[0].ndim());
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  Shape shape;
  for (const array& a : in) {
    Shape rest;
    for (int i = 0; i < a.ndim(); ++i) {
      bool skip = std::find(kept.begin(), kept.end(), i - a.ndim()) != kept.end();
      if (!skip) rest.push_back(a.shape(i));
    }
    shape = broadcast_shapes(shape, rest);
  }
  auto ndim = static_cast<int>(shape.size() + kept.size());
  for (int axis : kept) {
    ShapeElem size = in[0].shape(axis);  // throws for an axis that there is not
    shape.insert(shape.begin() + (ndim + axis), size);
  }
  return broadcast_to(in[0], shape, s);
}

inline array fourier(const array& a, const std::vector<size_t>& axes, bool inverse, bool real,
                     bool odd, Stream s) {
  const fft::Norm norm = fft::FFTNorm::Backward;
  std::vector<int> over;
  for (size_t axis : axes) over.push_back(static_cast<int>(axis));
  if (!real) return inverse ? fft::ifftn(a, over, norm, s) : fft::fftn(a, over, norm, s);
  if (!inverse) return fft::rfftn(a, over, norm, s);
  Shape n;
  for (int axis : over) n.push_back(a.shape(axis));
  if (!n.empty()) n.back() = 2 * (n.back() - 1) + (odd ? 1 : 0);
  return fft::irfftn(a, n, over, norm, s);
}

// Inputs: a, b, then the mask of the result, then those of a and b; both or none of the latter.
inline array masked_product(const Arrays& in, int block_size, Stream s) {
  size_t operands = in.size() < 4 ? in.size() : in.size() - 2;
  bool has_out = operands == 3;
  return block_masked_mm(in[0], in[1], block_size, has_out ? at(in, 2) : std::nullopt,
                         at(in, operands), at(in, operands + 1), s);
}

// Of one key; or of several along leading axes, each of which draws its part of the result.
inline array random_bits(const array& keys, const Shape& shape, int width, Stream s) {
  if (keys.ndim() < 2) return random::bits(shape, width, keys, s);
  int64_t size = 1, count = keys.size() / 2;
  for (ShapeElem n : shape) size *= n;
  if (count == 0 || size % count != 0) {
    throw std::invalid_argument("[RandomBits] expected keys that share the result's " +
                                std::to_string(size) + " elements equally; got " +
                                std::to_string(count) + " keys");
  }
  UnaryFn part = [=](const array& key) { return random::bits({size / count}, width, key, s); };
  return reshape(olivine::vmap(part)(reshape(keys, {count, 2}, s)), shape, s);
}

// Inputs: x, w, the scales of packed weights, and two scales of all of x and w; each of these two
// groups may be missing.
inline array quantized_product(const Arrays& in, int group_size, int bits, QuantizationMode mode,
                               Stream s) {
  bool packed = in.size() % 2 == 1;
  size_t rest = packed ? 3 : 2;
  return qqmm(in[0], in[1], packed ? at(in, 2) : std::nullopt, group_size, bits,
              quantization_mode_to_string(mode), at(in, rest), at(in, rest + 1), s);
}

// Inputs: x, w, scales, in mode affine biases, the indices of both, and a scale of all of w or
// none.
inline array gathered_product(const Arrays& in, int group_size, int bits, QuantizationMode mode,
                              bool transpose, bool sorted, Stream s) {
  size_t rest = mode == QuantizationMode::Affine ? 4 : 3;
  return gather_qmm(in[0], in[1], in[2], rest == 4 ? at(in, 3) : std::nullopt, at(in, rest),
                    at(in, rest + 1), transpose, group_size, bits,
                    quantization_mode_to_string(mode), at(in, rest + 2), sorted, s);
}
// Inputs: as of quantized_product, with the indices of both before the last two scales.
inline array gathered_quantized_product(const Arrays& in, int group_size, int bits,
                                        QuantizationMode mode, bool sorted, Stream s) {
  bool packed = in.size() % 2 == 1;
  size_t rest = packed ? 3 : 2;
  return gather_qqmm(in[0], in[1], packed ? at(in, 2) : std::nullopt, at(in, rest),
                     at(in, rest + 1), group_size, bits, quantization_mode_to_string(mode),
                     at(in, rest + 2), at(in, rest + 3), sorted, s);
}

// Inputs: arguments, then the outputs that were computed of them, whose derivatives are `rules`'.
inline Arrays with_rules(const Arrays& in, int outputs, CustomRules rules) {
  if (outputs < 0 || static_cast<size_t>(outputs) > in.size()) {
    throw std::invalid_argument("[CustomTransforms] expected " + std::to_string(outputs) +
                                " outputs among the inputs; got " + std::to_string(in.size()));
  }
  size_t arguments = in.size() - static_cast<size_t>(outputs);
  if (!rules.vmap) {
    rules.vmap = [](const Arrays&, const std::vector<int>&) -> std::pair<Arrays, std::vector<int>> {
      throw std::invalid_argument("[CustomTransforms] expected a batching rule for vmap; got none");
    };
  }
  ArrayFn fn = [made = from(in, arguments, in.size())](const Arrays&) { return made; };
  return custom_function(fn, std::move(rules))(from(in, 0, arguments));
}

// Inputs: as many as outputs are asked for, then what they wait for.
inline Arrays after(const Arrays& in, const ArraySpecs& asked) {
  if (asked.empty() || asked.size() > in.size()) {
    throw std::invalid_argument("[Depends] expected 1 to " + std::to_string(in.size()) +
                                " outputs to be asked for; got " + std::to_string(asked.size()));
  }
  return depends(from(in, 0, asked.size()), from(in, asked.size(), in.size()));
}

inline Arrays factors(const array& a, Stream s) {
  auto [both, pivots] = linalg::lu_factor(a, s);
  return {both, pivots, linalg::lu(a, s)[0]};
}

}  // namespace olivine::primitive_parts
