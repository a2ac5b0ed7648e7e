// quantize and dequantize, and the checks that every function of packed weights makes.
#include "olivine/ops/quantized.h"

#include <algorithm>
#include <iterator>

#include "core/checks.h"
#include "core/error.h"
#include "core/op.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"
#include "olivine/transforms.h"
#include "ops/batching.h"
#include "ops/quantized_format.h"

namespace olivine {

namespace {
// In the order of QuantMode.
constexpr const char* kModes[] = {"affine",    "mxfp4", "mxfp8",      "nvfp4",
                                  "symmetric", "k",     "k_symmetric"};
}  // namespace

const char* mode_name(const QuantFormat& f) { return kModes[static_cast<int>(f.mode)]; }

void check_format(const CheckCall& c, const QuantFormat& f) {
  require(c, f.mode <= QuantMode::k_symmetric, "a known mode");
  quant_format(mode_name(f), f.group_size, f.bits, c.op.name);
}

namespace {

constexpr double kSmallestScale = 1e-7;  // of affine groups, as in MLX

array group(const array& a, int size) { return unflatten(a, -1, {a.shape(-1) / size, size}); }
array ungroup(const array& a) { return flatten(a, -2, -1); }

// ---- quantize

// Scales and biases of affine groups as functions of the weights, for derivatives.
Arrays affine_scales(const array& w, const QuantFormat& f) {
  array x = group(w, f.group_size);
  array low = min(x, -1), high = max(x, -1);
  const double steps = (1 << f.bits) - 1;
  array span = divide(subtract(high, low), array(steps, w.dtype()));
  array scale = maximum(span, array(kSmallestScale, w.dtype()));
  if (f.bits == 1) return {scale, low};
  // The larger end of the range is met exactly, and zero where a code allows it.
  array below = greater(abs(low), abs(high));
  array edge = where(below, low, high);
  scale = where(below, scale, negative(scale));
  array code = stop_gradient(round(divide(edge, scale)));
  array zero(0.0, w.dtype()), off = not_equal(code, zero);
  array rounded = divide(edge, where(off, code, array(1.0, w.dtype())));
  return {where(off, rounded, scale), where(off, edge, zero)};
}

// One global scale, or one per matrix of `w`.
void check_global_input(const CheckCall& c, size_t input, const QuantFormat& f, const array& w) {
  require(c, f.mode == QuantMode::nvfp4, "a global scale for mode nvfp4 only");
  expect_dtype(c, input, float32);
  expect_ndim(c, input, 1, 1);
  int64_t matrices = 1;
  for (int i = 0; i < w.ndim() - 2; ++i) matrices *= w.shape(i);
  require(c, c.in[input].size() == 1 || c.in[input].size() == matrices,
          "a global scale, or one per matrix");
}

std::vector<OutSpec> infer_quantize(const ParamsRef& params, std::span<const array> in) {
  const QuantFormat& f = params.as<QuantizeParams>().format;
  Shape words = in[0].shape(), groups = in[0].shape();
  words.back() = f.words(words.back());
  groups.back() /= f.group_size;
  if (!f.affine()) return {{words, uint32}, {groups, uint8}};
  return {{words, uint32}, {groups, in[0].dtype()}, {groups, in[0].dtype()}};
}

// Codes are integers; scales and biases of affine groups follow the weights.
MaybeArrays vjp_quantize(const VjpCall& c) {
  const QuantFormat f = c.params.as<QuantizeParams>().format;
  MaybeArrays g(c.in.size());
  if (!f.affine() || !c.wanted[0]) return g;
  ArrayFn fn = [&](const Arrays& x) { return affine_scales(x[0], f); };
  g[0] = vjp(fn, {c.in[0]}, {c.ct[1], c.ct[2]}).second[0];
  return g;
}
MaybeArrays jvp_quantize(const JvpCall& c) {
  const QuantFormat f = c.params.as<QuantizeParams>().format;
  MaybeArrays t(c.out.size());
  if (!f.affine() || !c.tangent[0]) return t;
  ArrayFn fn = [&](const Arrays& x) { return affine_scales(x[0], f); };
  Arrays tangents = jvp(fn, {c.in[0]}, {*c.tangent[0]}).second;
  t[1] = tangents[0];
  t[2] = tangents[1];
  return t;
}
// Rows are independent, so a batch is more rows; of global scales there is one per matrix.
Arrays batched_rows(const VmapCall& c, bool has_global) {
  const size_t rows = c.in.size() - (has_global ? 1 : 0);
  Arrays in;
  for (size_t i = 0; i < rows; ++i) in.push_back(batch_first(c, i));
  if (!has_global) return in;
  int64_t matrices = 1;
  for (int i = 1; i < in[0].ndim() - 2; ++i) matrices *= in[0].shape(i);
  array scales = batch_first(c, rows);
  in.push_back(flatten(broadcast_to(scales, {c.batch, matrices})));
  return in;
}
VmapResult vmap_quantize(const VmapCall& c) {
  Arrays out = emit(c.op, c.params, batched_rows(c, c.params.as<QuantizeParams>().has_global));
  return {out, std::vector<int>(out.size(), 0)};
}

void check_quantize(const CheckCall& c) {
  const auto& p = c.params.as<QuantizeParams>();
  check_format(c, p.format);
  require(c, p.format.mode <= QuantMode::nvfp4, "a mode that weights can be brought to");
  expect_inputs(c, p.has_global ? 2 : 1);
  const array& w = c.in[0];
  expect_ndim(c, 0, 2);
  require(c, is_floating(w.dtype()) && w.dtype() != float64, "weights of float32 or narrower");
  require(c, w.shape(-1) % p.format.group_size == 0, "a last axis of whole groups");
  if (p.has_global) check_global_input(c, 1, p.format, w);
}

const Op quantize_op{.name = "quantize",
                     .infer = infer_quantize,
                     .vjp = vjp_quantize,
                     .jvp = jvp_quantize,
                     .vmap = vmap_quantize,
                     .params = &params_type<QuantizeParams>,
                     .check = check_quantize,
                     .any_size = true};

// ---- dequantize

Packed packed_of(const QuantizeParams& p, std::span<const array> in) {
  Packed packed{in[0], in[1], std::nullopt, std::nullopt, p.format};
  if (p.format.has_biases()) packed.biases = in[2];
  if (p.has_global) packed.global = in[2];
  return packed;
}

std::vector<OutSpec> infer_dequantize(const ParamsRef& params, std::span<const array> in) {
  const auto& p = params.as<DequantizeParams>();
  Shape shape = in[0].shape();
  shape.back() = p.base.format.values(shape.back());
  return {{shape, p.dtype}};
}

Op dequantize_record() {
  Op op =
      fused("dequantize", infer_dequantize, [](const ParamsRef& params, std::span<const array> in) {
        const auto& p = params.as<DequantizeParams>();
        return Arrays{dequantize_composite(packed_of(p.base, in), p.dtype)};
      });
  op.key = KernelKey::output;
  op.params = &params_type<DequantizeParams>;
  op.check = [](const CheckCall& c) {
    const auto& p = c.params.as<DequantizeParams>();
    check_weights(c, 0, p.base.format, p.base.has_global);
    expect_inputs(c, 2 + size_t(p.base.format.has_biases()) + size_t(p.base.has_global));
    require(c, is_floating(p.dtype), "a floating point dtype");
  };
  op.any_size = true;
  op.vmap = [](const VmapCall& c) {
    return VmapResult{
        emit(c.op, c.params, batched_rows(c, c.params.as<DequantizeParams>().base.has_global)),
        {0}};
  };
  return op;
}
const Op dequantize_op = dequantize_record();

array e2m1_values(Dtype dtype) {
  array table({0.0F, 0.5F, 1.0F, 1.5F, 2.0F, 3.0F, 4.0F, 6.0F, -0.0F, -0.5F, -1.0F, -1.5F, -2.0F,
               -3.0F, -4.0F, -6.0F});
  return astype(table, dtype);
}

// Powers of two from their biased exponents, in float32.
array e8m0_values(const array& scales) {
  array bits = left_shift(astype(scales, uint32), array(uint32_t{23}));
  array least(uint32_t{0x00400000});  // 2^-127
  return view(where(equal(scales, array(uint32_t{0}, uint8)), least, bits), float32);
}

int default_group_size(QuantMode mode) {
  return mode == QuantMode::affine ? 64 : mode == QuantMode::nvfp4 ? 16 : 32;
}
int default_bits(QuantMode mode) { return mode == QuantMode::mxfp8 ? 8 : 4; }

// The sizes that GGUF's types have.
void check_stored_format(const QuantFormat& f, const char* op) {
  const bool known = f.mode == QuantMode::symmetric
                         ? f.group_size == 32 && (f.bits == 4 || f.bits == 5 || f.bits == 8)
                     : f.mode == QuantMode::k ? f.group_size == (f.bits == 2 ? 16 : 32) &&
                                                    (f.bits == 2 || f.bits == 4 || f.bits == 5)
                                              : f.group_size == 16 && (f.bits == 3 || f.bits == 6);
  if (!known) {
    fail("[", op, "] expected the group_size and bits of a type of GGUF for mode ", mode_name(f),
         "; got ", f.group_size, " and ", f.bits);
  }
}

// Scales of bytes times their float16 factors.
array nested_values(const array& blocks, const QuantFormat& f) {
  const int size = f.block_bytes();
  array b = unflatten(blocks, -1, {blocks.shape(-1) / size, size});
  Shape low(b.shape().size(), 0), high = b.shape();
  high.back() = 2;
  array factor = view(slice(b, low, high), float16);
  low.back() = 2;
  high.back() = size;
  array bytes = view(slice(b, low, high), int8);
  return ungroup(multiply(astype(bytes, float32), astype(factor, float32)));
}

}  // namespace

// ---- shared

void check_weights(const CheckCall& c, size_t first, const QuantFormat& f, bool has_global) {
  check_format(c, f);
  expect_inputs(c, first + 2 + size_t(f.has_biases()) + size_t(has_global), SIZE_MAX);
  require(c, f.mode == QuantMode::nvfp4 || !has_global, "a global scale for mode nvfp4 only");
  const array &w = c.in[first], &scales = c.in[first + 1];
  std::optional<array> biases;
  if (f.has_biases()) biases = c.in[first + 2];
  check_packed(w, scales, biases, std::nullopt, f, c.op.name, {});
  if (f.has_biases()) expect_dtype(c, first + 2, scales.dtype());
  if (has_global) check_global_input(c, first + 2, f, w);
}

QuantFormat quant_format(const std::string& mode, std::optional<int> group_size,
                         std::optional<int> bits, const char* op) {
  const auto* known = std::find(std::begin(kModes), std::end(kModes), mode);
  if (known == std::end(kModes)) {
    fail("[", op, "] expected mode affine, mxfp4, mxfp8 or nvfp4; got '", mode, "'");
  }
  QuantFormat f;
  f.mode = static_cast<QuantMode>(known - kModes);
  f.group_size = group_size.value_or(default_group_size(f.mode));
  f.bits = bits.value_or(default_bits(f.mode));
  if (f.mode >= QuantMode::symmetric) {
    check_stored_format(f, op);
    return f;
  }
  if (!f.affine()) {
    if (f.group_size != default_group_size(f.mode) || f.bits != default_bits(f.mode)) {
      fail("[", op, "] expected group_size ", default_group_size(f.mode), " and bits ",
           default_bits(f.mode), " for mode ", mode, "; got ", f.group_size, " and ", f.bits);
    }
    return f;
  }
  if (f.group_size != 32 && f.group_size != 64 && f.group_size != 128) {
    fail("[", op, "] expected group_size 32, 64 or 128; got ", f.group_size);
  }
  if (f.bits < 1 || f.bits > 8 || f.bits == 7) {
    fail("[", op, "] expected bits 1, 2, 3, 4, 5, 6 or 8; got ", f.bits);
  }
  return f;
}

Arrays Packed::inputs() const {
  Arrays in{w, scales};
  if (biases) in.push_back(*biases);
  if (global) in.push_back(*global);
  return in;
}

std::optional<array> check_global(const std::optional<array>& scale, QuantFormat format,
                                  int64_t count, const char* op) {
  if (!scale) return std::nullopt;
  if (format.mode != QuantMode::nvfp4) {
    fail("[", op, "] expected a global scale for mode nvfp4 only; got one");
  }
  if (scale->dtype() != float32) {
    fail("[", op, "] expected a global scale of float32; got ", scale->dtype());
  }
  if (scale->size() != 1 && (scale->ndim() != 1 || scale->size() != count)) {
    fail("[", op, "] expected a global scale of one element",
         count > 1 ? ", or one per matrix" : "", "; got shape ", scale->shape());
  }
  return flatten(*scale);
}

Packed check_packed(const array& w, const array& scales, const std::optional<array>& biases,
                    const std::optional<array>& global, QuantFormat format, const char* op,
                    StreamOrDevice s) {
  if (w.dtype() != uint32) fail("[", op, "] expected packed weights of uint32; got ", w.dtype());
  if (w.ndim() < 2) {
    fail("[", op, "] expected packed weights of at least two axes; got shape ", w.shape());
  }
  if (format.has_biases() != biases.has_value()) {
    fail("[", op, "] expected biases for mode affine and for no other; got ",
         biases ? "some" : "none");
  }
  Shape groups = w.shape();
  groups.back() = format.values(w.shape(-1)) / format.group_size;
  const bool whole = format.words(groups.back() * format.group_size) == w.shape(-1) &&
                     (!format.nested() || groups.back() % format.groups_in_block() == 0);
  groups.back() = format.scale_columns(groups.back());
  if (!whole || scales.shape() != groups || (biases && biases->shape() != groups)) {
    fail("[", op, "] expected scales", biases ? " and biases" : "", " of one entry per group of ",
         format.group_size, " codes of ", format.bits, " bits in words of shape ", w.shape(),
         "; got ", scales.shape(), biases ? " and " : "",
         biases ? message(biases->shape()) : std::string());
  }
  Packed p{w, scales, biases, std::nullopt, format};
  p.global = check_global(
      global, format, element_count(w.shape()) == 0 ? 1 : w.size() / w.shape(-1) / w.shape(-2), op);
  if (!format.float_scales()) {
    if (scales.dtype() != uint8) fail("[", op, "] expected scales of uint8; got ", scales.dtype());
    if (biases && biases->dtype() != uint8) {
      fail("[", op, "] expected biases of uint8; got ", biases->dtype());
    }
    return p;
  }
  if (!biases) {
    if (!is_inexact(scales.dtype()) || is_complexfloating(scales.dtype()) ||
        scales.dtype() == float64) {
      fail("[", op, "] expected scales of float32 or narrower; got ", scales.dtype());
    }
    return p;
  }
  Dtype dtype = promote_types(scales.dtype(), biases->dtype());
  if (!is_inexact(dtype) || is_complexfloating(dtype)) {
    fail("[", op, "] expected floating point scales and biases; got ", scales.dtype(), " and ",
         biases->dtype());
  }
  p.scales = astype(scales, dtype, s);
  p.biases = astype(*biases, dtype, s);
  return p;
}

array sum_groups(const array& a, int group_size) { return sum(group(a, group_size), -1); }

array unpack_codes(const array& w, int bits) {
  // The fewest words that hold a whole number of codes.
  const int words = 32 % bits == 0 ? 1 : bits, codes = words * 32 / bits;
  std::vector<int> first, second;
  std::vector<uint32_t> down, up;
  for (int i = 0; i < codes; ++i) {
    first.push_back(i * bits / 32);
    second.push_back(std::min(first.back() + 1, words - 1));
    down.push_back(i * bits % 32);
    up.push_back(32 - down.back());  // by 32: nothing is left
  }
  auto table = [&](const auto& v) { return array(v, {codes}); };
  array units = unflatten(w, -1, {w.shape(-1) / words, words});
  array low = right_shift(take(units, table(first), -1), table(down));
  array high = left_shift(take(units, table(second), -1), table(up));
  array all = words == 1 ? low : bitwise_or(low, high);
  return ungroup(bitwise_and(all, array((uint32_t{1} << bits) - 1)));
}

array dequantize_composite(const Packed& p, Dtype dtype) {
  const QuantFormat& f = p.format;
  array codes = unpack_codes(p.w, f.bits);
  if (f.mode >= QuantMode::symmetric) {
    array q = subtract(astype(codes, float32), array(float(f.offset())));
    array scales = f.nested() ? nested_values(p.scales, f) : astype(p.scales, float32);
    array values = multiply(group(q, f.group_size), expand_dims(scales, -1));
    if (p.biases) values = add(values, expand_dims(nested_values(*p.biases, f), -1));
    return astype(ungroup(values), dtype);
  }
  if (f.affine()) {
    array q = group(astype(codes, p.scales.dtype()), f.group_size);
    array values = add(multiply(q, expand_dims(p.scales, -1)), expand_dims(*p.biases, -1));
    return astype(ungroup(values), dtype);
  }
  array values = f.bits == 8 ? from_fp8(astype(codes, uint8), float32)
                             : take(e2m1_values(float32), astype(codes, int32));
  array scales = f.mode == QuantMode::nvfp4 ? from_fp8(p.scales, float32) : e8m0_values(p.scales);
  if (p.global) {
    array by = divide(*p.global, array(kLargestNvfp4));
    if (by.size() == 1) {
      by = reshape(by, {1});
    } else {  // one per matrix
      Shape lead(scales.shape().begin(), scales.shape().end() - 2);
      lead.push_back(1);
      lead.push_back(1);
      by = reshape(by, lead);
    }
    scales = multiply(scales, by);
  }
  values = multiply(group(values, f.group_size), expand_dims(scales, -1));
  return astype(ungroup(values), dtype);
}

array dequantize_packed(const Packed& p, Dtype dtype, StreamOrDevice s) {
  const Dtype computed = p.format.affine() ? p.scales.dtype() : dtype == float64 ? float32 : dtype;
  DequantizeParams params{{p.format, p.global.has_value()}, computed};
  ParamsRef ref = make_params(params);
  Arrays in = p.inputs();
  Shape shape = infer_dequantize(ref, in)[0].shape;
  return astype(make_node(dequantize_op, ref, in, shape, computed, s), dtype, s);
}

std::vector<array> quantize_format(const array& w, QuantFormat format,
                                   const std::optional<array>& global, const char* op,
                                   StreamOrDevice s) {
  if (!is_inexact(w.dtype()) || is_complexfloating(w.dtype())) {
    fail("[", op, "] expected floating point weights; got ", w.dtype());
  }
  if (w.ndim() < 2) {
    fail("[", op, "] expected weights of at least two axes; got shape ", w.shape());
  }
  if (w.shape(-1) % format.group_size != 0) {
    fail("[", op, "] expected a last axis divisible by the group size ", format.group_size,
         "; got shape ", w.shape());
  }
  const int64_t count = w.size() == 0 ? 1 : w.size() / w.shape(-1) / w.shape(-2);
  std::optional<array> checked = check_global(global, format, count, op);
  // Codes are found in float32 at most.
  Arrays in{w.dtype() == float64 ? astype(w, float32, s) : w};
  if (checked) in.push_back(*checked);
  ParamsRef params = make_params(QuantizeParams{format, checked.has_value()});
  Arrays out = make_nodes(quantize_op, params, in, infer_quantize(params, in), s);
  for (size_t i = 1; format.affine() && i < out.size(); ++i) out[i] = astype(out[i], w.dtype(), s);
  return out;
}

// ---- public functions

std::vector<array> quantize(const array& w, std::optional<int> group_size, std::optional<int> bits,
                            const std::string& mode, const std::optional<array>& global_scale,
                            StreamOrDevice s) {
  QuantFormat format = quant_format(mode, group_size, bits, "quantize");
  if (format.mode > QuantMode::nvfp4) {
    fail("[quantize] expected mode affine, mxfp4, mxfp8 or nvfp4; got '", mode, "'");
  }
  return quantize_format(w, format, global_scale, "quantize", s);
}

array dequantize(const array& w, const array& scales, const std::optional<array>& biases,
                 std::optional<int> group_size, std::optional<int> bits, const std::string& mode,
                 const std::optional<array>& global_scale, std::optional<Dtype> dtype,
                 StreamOrDevice s) {
  QuantFormat format = quant_format(mode, group_size, bits, "dequantize");
  if (dtype && (!is_inexact(*dtype) || is_complexfloating(*dtype))) {
    fail("[dequantize] expected a floating point dtype; got ", *dtype);
  }
  Packed p = check_packed(w, scales, biases, global_scale, format, "dequantize", s);
  return dequantize_packed(p,
                           dtype.value_or(format.affine()    ? p.scales.dtype()
                                          : format.integer() ? float32
                                                             : bfloat16),
                           s);
}

}  // namespace olivine
