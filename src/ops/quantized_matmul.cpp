// Products with packed weights: quantized_matmul, gather_qmm, and qqmm and gather_qqmm, which
// quantize x as well.
//
// A product is linear in x and, in affine mode, in scales and biases together. Their cotangents are
// those of the dense weights, summed over groups (times the codes, for scales).

#include "core/checks.h"
#include "core/error.h"
#include "core/op.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/quantized.h"
#include "olivine/ops/shape.h"
#include "ops/batching.h"
#include "ops/matmul_indices.h"
#include "ops/quantized_format.h"

namespace olivine {
namespace {

using Params = QuantizedMatmulParams;

// The inputs of both ops: x, w, scales[, biases][, global scale][, indices of x, of w].
size_t weight_inputs(const Params& p) { return 2 + p.format.has_biases() + p.has_global; }

Packed packed_of(const Params& p, std::span<const array> in) {
  Packed packed{in[1], in[2], std::nullopt, std::nullopt, p.format};
  if (p.format.has_biases()) packed.biases = in[3];
  if (p.has_global) packed.global = in[3];
  return packed;
}

Arrays with_inputs(const array& x, const Packed& w, std::initializer_list<array> rest = {}) {
  Arrays in = w.inputs();
  in.insert(in.begin(), x);
  in.insert(in.end(), rest);
  return in;
}

int64_t output_columns(const Params& p, const array& w) {
  return p.transpose ? w.shape(-2) : p.format.values(w.shape(-1));
}

ParamsRef flipped(Params p) {
  p.transpose = !p.transpose;
  return make_params(p);
}

// Cotangents of scales and biases from that of the dense weights.
void affine_cotangents(const VjpCall& c, const array& dense, MaybeArrays& g) {
  const QuantFormat& f = c.params.as<Params>().format;
  if (c.wanted[2]) {
    array codes = astype(unpack_codes(c.in[1], f.bits), dense.dtype());
    if (f.offset() > 0) codes = subtract(codes, array(f.offset(), dense.dtype()));
    g[2] = astype(sum_groups(multiply(dense, codes), f.group_size), c.in[2].dtype());
  }
  if (f.affine() && c.wanted[3]) {
    g[3] = astype(sum_groups(dense, f.group_size), c.in[3].dtype());
  }
}
bool wants_scales(const VjpCall& c) {
  const QuantFormat& f = c.params.as<Params>().format;
  return f.float_scales() && (c.wanted[2] || (f.affine() && c.wanted[3]));
}

// Linear in x, and in scales and biases together.
MaybeArrays jvp_linear_parts(const JvpCall& c) {
  MaybeArray t;
  auto accumulate = [&](const Arrays& in) {
    array term = emit(c.op, c.params, in)[0];
    t = t ? add(*t, term) : term;
  };
  Arrays in(c.in.begin(), c.in.end());
  if (c.tangent[0]) {
    in[0] = *c.tangent[0];
    accumulate(in);
    in[0] = c.in[0];
  }
  const QuantFormat& f = c.params.as<Params>().format;
  if (f.float_scales() && (c.tangent[2] || (f.affine() && c.tangent[3]))) {
    for (size_t i = 2; i < (f.affine() ? 4u : 3u); ++i) {
      in[i] = c.tangent[i] ? *c.tangent[i] : zeros_like(c.in[i]);
    }
    accumulate(in);
  }
  return {t};
}

// Whether scales need no conversion for products in `dtype`: kernels widen them in registers.
bool keeps_scales(const QuantFormat& f, Dtype scales, Dtype dtype) {
  if (f.mode == QuantMode::symmetric) return is_floating(scales) && scales != float64;
  return dtype == float32 && (scales == float16 || scales == bfloat16);
}

// x, packed weights and, for a gather, flat indices into the matrices of both.
template <bool kGather>
void check_product(const CheckCall& c) {
  const auto& p = c.params.as<Params>();
  const int axes = kGather ? 3 : 2;
  check_weights(c, 1, p.format, p.has_global);
  expect_inputs(c, 1 + weight_inputs(p) + (kGather ? 2 : 0));
  expect_ndim(c, 0, axes, axes);
  expect_ndim(c, 1, axes, axes);
  require(c, is_floating(c.in[0].dtype()), "a floating point x");
  if (p.format.float_scales()) {
    const Dtype x = c.in[0].dtype(), scales = c.in[2].dtype();
    require(c, scales == x || keeps_scales(p.format, scales, x), "scales of the dtype of x");
  }
  const int64_t inner = p.transpose ? p.format.values(c.in[1].shape(-1)) : c.in[1].shape(-2);
  require(c, c.in[0].shape(-1) == inner, "operands of one inner size");
  for (size_t i = c.in.size() - 2; kGather && i < c.in.size(); ++i) {
    expect_dtype(c, i, int64);
    expect_ndim(c, i, 1, 1);
    expect_shape(c, i, c.in.back().shape());
  }
  if (kGather && p.has_global) {
    require(c, c.in[3].size() == c.in[1].shape(0), "one global scale per matrix");
  }
}

// ---- quantized_matmul: both operands are matrices.

std::vector<OutSpec> infer_qmm(const ParamsRef& params, std::span<const array> in) {
  return {{{in[0].shape(0), output_columns(params.as<Params>(), in[1])}, in[0].dtype()}};
}

MaybeArrays vjp_qmm(const VjpCall& c) {
  const auto& p = c.params.as<Params>();
  MaybeArrays g(c.in.size());
  const array &x = c.in[0], &ct = c.ct[0];
  if (c.wanted[0]) g[0] = emit(c.op, flipped(p), with_inputs(ct, packed_of(p, c.in)))[0];
  if (wants_scales(c)) {
    array dense = p.transpose ? matmul(transpose(ct), x) : matmul(transpose(x), ct);
    affine_cotangents(c, dense, g);
  }
  return g;
}

array gather_product(const Params& p, const array& x, const Packed& w, const array& i,
                     const array& j);

VmapResult vmap_qmm(const VmapCall& c) {
  const auto& p = c.params.as<Params>();
  bool shared = true;
  for (size_t i = 1; i < c.in.size(); ++i) shared &= c.axes[i] < 0;
  if (shared) {  // more rows of x
    Arrays in(c.in.begin(), c.in.end());
    array x = batch_first(c, 0);
    in[0] = flatten(x, 0, 1);
    array out = emit(c.op, c.params, in)[0];
    return {{unflatten(out, 0, {c.batch, x.shape(1)})}, {0}};
  }
  Packed w = packed_of(p, c.in);
  w.w = batch_first(c, 1);
  w.scales = batch_first(c, 2);
  if (w.biases) w.biases = batch_first(c, 3);
  if (w.global) w.global = flatten(batch_first(c, 3));
  array x = c.axes[0] < 0 ? expand_dims(c.in[0], 0) : batch_first(c, 0);
  array j = arange(0, c.batch, 1, int64);
  return {{gather_product(p, x, w, c.axes[0] < 0 ? zeros_like(j) : j, j)}, {0}};
}

// With affine scales and biases in the dtype of the product.
Packed widened(Packed w, Dtype dtype) {
  if (w.format.affine()) {
    w.scales = astype(w.scales, dtype);
    w.biases = astype(*w.biases, dtype);
  }
  return w;
}

Arrays qmm_composite(const ParamsRef& params, std::span<const array> in) {
  const auto& p = params.as<Params>();
  array w = dequantize_composite(widened(packed_of(p, in), in[0].dtype()), in[0].dtype());
  return {matmul(in[0], p.transpose ? transpose(w) : w)};
}

const Op qmm_op{.name = "quantized_matmul",
                .infer = infer_qmm,
                .vjp = vjp_qmm,
                .jvp = jvp_linear_parts,
                .vmap = vmap_qmm,
                .composite = qmm_composite,
                .params = &params_type<Params>,
                .check = check_product<false>,
                .any_size = true};

// ---- gather_qmm: flat indices into the matrices of x and of w.

std::vector<OutSpec> infer_gather(const ParamsRef& params, std::span<const array> in) {
  return {{{in.back().size(), in[0].shape(1), output_columns(params.as<Params>(), in[1])},
           in[0].dtype()}};
}

MaybeArrays vjp_gather(const VjpCall& c) {
  const auto& p = c.params.as<Params>();
  MaybeArrays g(c.in.size());
  const array &x = c.in[0], &ct = c.ct[0];
  const array &i = c.in[c.in.size() - 2], &j = c.in.back();
  array each = arange(0, i.size(), 1, int64);
  if (c.wanted[0]) {
    Arrays in = with_inputs(ct, packed_of(p, c.in), {each, j});
    array products = emit(c.op, flipped(p), in)[0];
    g[0] = scatter_add(zeros_like(x), i, expand_dims(products, 1), 0);
  }
  if (wants_scales(c)) {
    array left = p.transpose ? ct : x, right = p.transpose ? x : ct;
    const array &of_left = p.transpose ? each : i, &of_right = p.transpose ? i : each;
    affine_cotangents(
        c, gather_sum(swapaxes(left, 1, 2), right, of_left, of_right, j, c.in[1].shape(0)), g);
  }
  return g;
}

VmapResult vmap_gather(const VmapCall& c) {
  const auto& p = c.params.as<Params>();
  const size_t weights = weight_inputs(p), first = c.in.size() - 2;
  auto [x, i] = batched_operand(c, 0, first);
  Arrays in{x};
  bool shared = true;
  for (size_t k = 1; k <= weights; ++k) shared &= c.axes[k] < 0;
  for (size_t k = 1; k <= weights; ++k) {
    in.push_back(shared ? c.in[k] : flatten(batch_first(c, k), 0, 1));
  }
  const int64_t matrices_of_w = in[1].shape(0) / c.batch;
  in.push_back(i);
  in.push_back(batched_index(c, first + 1, shared ? 0 : matrices_of_w));
  array out = emit(c.op, c.params, in)[0];
  return {{unflatten(out, 0, {c.batch, out.shape(0) / c.batch})}, {0}};
}

Arrays gather_composite(const ParamsRef& params, std::span<const array> in) {
  const auto& p = params.as<Params>();
  array w = dequantize_composite(widened(packed_of(p, in), in[0].dtype()), in[0].dtype());
  return {gather_mm(in[0], p.transpose ? swapaxes(w, 1, 2) : w, in[in.size() - 2], in.back())};
}

const Op gather_qmm_op{.name = "gather_qmm",
                       .infer = infer_gather,
                       .vjp = vjp_gather,
                       .jvp = jvp_linear_parts,
                       .vmap = vmap_gather,
                       .composite = gather_composite,
                       .params = &params_type<Params>,
                       .check = check_product<true>,
                       .any_size = true};

array gather_product(const Params& p, const array& x, const Packed& w, const array& i,
                     const array& j) {
  return emit(gather_qmm_op, make_params(p), with_inputs(x, w, {i, j}))[0];
}

// ---- x rounded to a format, as if the rounding were the identity to derivatives.

struct RoundParams {
  QuantizeParams base;
  auto fields() const { return std::tie(base.format, base.has_global); }
};
const Op round_op{
    .name = "quantize_values",
    .infer =
        [](const ParamsRef&, std::span<const array> in) {
          return std::vector<OutSpec>{{in[0].shape(), in[0].dtype()}};
        },
    .vjp =
        [](const VjpCall& c) {
          MaybeArrays g(c.in.size());
          g[0] = c.ct[0];
          return g;
        },
    .jvp = [](const JvpCall& c) { return MaybeArrays{c.tangent[0]}; },
    .vmap = vmap_composite,
    .composite =
        [](const ParamsRef& params, std::span<const array> in) {
          const auto& p = params.as<RoundParams>().base;
          std::optional<array> global;
          if (p.has_global) global = in[1];
          Arrays q = quantize_format(in[0], p.format, global, "quantize", {});
          Packed packed{q[0], q[1], std::nullopt, global, p.format};
          if (q.size() > 2) packed.biases = q[2];
          return Arrays{dequantize_packed(packed, in[0].dtype())};
        },
    .params = &params_type<RoundParams>,
    .check =
        [](const CheckCall& c) {
          const auto& p = c.params.as<RoundParams>().base;
          check_format(c, p.format);
          require(c, p.format.mode <= QuantMode::nvfp4, "a mode that values can be brought to");
          expect_inputs(c, p.has_global ? 2 : 1);
          expect_ndim(c, 0, 2);
          require(c, is_floating(c.in[0].dtype()), "a floating point input");
          require(c, c.in[0].shape(-1) % p.format.group_size == 0, "a last axis of whole groups");
          if (p.has_global) {
            require(c, p.format.mode == QuantMode::nvfp4, "a global scale for mode nvfp4 only");
            expect_dtype(c, 1, float32);
            expect_ndim(c, 1, 1, 1);
          }
        },
    .any_size = true};

array rounded(const array& x, QuantFormat f, const std::optional<array>& global, const char* op,
              StreamOrDevice s) {
  if (x.shape(-1) % f.group_size != 0) {
    fail("[", op, "] expected a last axis divisible by the group size ", f.group_size,
         "; got shape ", x.shape());
  }
  const int64_t count = x.size() == 0 || x.ndim() < 2 ? 1 : x.size() / x.shape(-1) / x.shape(-2);
  Arrays in{x.ndim() == 1 ? expand_dims(x, 0, s) : x};
  if (auto checked = check_global(global, f, count, op)) in.push_back(*checked);
  ParamsRef params = make_params(RoundParams{{f, in.size() > 1}});
  array out = make_node(round_op, params, in, in[0].shape(), x.dtype(), s);
  return x.ndim() == 1 ? squeeze(out, 0, s) : out;
}

// ---- checks

// Casts x to the dtype of the product, and affine scales and biases where kernels do not.
array match_dtypes(const array& x, Packed& w, const char* op, StreamOrDevice s) {
  if (is_complexfloating(x.dtype())) fail("[", op, "] expected a real x; got ", x.dtype());
  Dtype dtype = is_inexact(x.dtype()) ? x.dtype() : float32;
  if (w.format.affine()) {
    dtype = promote_types(x.dtype(), w.scales.dtype());
    if (!keeps_scales(w.format, w.scales.dtype(), dtype)) {
      w.scales = astype(w.scales, dtype, s);
      w.biases = astype(*w.biases, dtype, s);
    }
  }
  return astype(x, dtype, s);
}

void check_inner(const array& x, const Packed& w, bool transpose, const char* op) {
  const int64_t inner = transpose ? w.format.values(w.w.shape(-1)) : w.w.shape(-2);
  if (x.shape(-1) != inner) {
    fail("[", op, "] expected a last axis of x of size ", inner, "; got shape ", x.shape());
  }
}

// One product per pair of indices.
array gather_node(const Params& p, const array& x, Packed w, const Arrays& index,
                  StreamOrDevice s) {
  Shape shape = index[0].shape();
  shape.push_back(x.shape(-2));
  shape.push_back(output_columns(p, w.w));
  w.w = matrices(w.w, s);
  w.scales = matrices(w.scales, s);
  if (w.biases) w.biases = matrices(*w.biases, s);
  if (w.global) w.global = broadcast_to(*w.global, {w.w.shape(0)}, s);
  Arrays in = with_inputs(matrices(x, s), w, {flatten(index[0], s), flatten(index[1], s)});
  ParamsRef params = make_params(p);
  Shape product = infer_gather(params, in)[0].shape;
  return reshape(make_node(gather_qmm_op, params, in, product, x.dtype(), s), shape, s);
}

// x of any rank with packed matrices of any leading axes.
array multiply_packed(const array& given, Packed w, bool transpose, const char* op,
                      StreamOrDevice s) {
  if (given.ndim() == 0) fail("[", op, "] expected x of at least one axis; got a 0-d array");
  array x = match_dtypes(given, w, op, s);
  check_inner(x, w, transpose, op);
  Params p{w.format, transpose, w.global.has_value()};
  if (w.w.ndim() == 2) {
    Shape shape = x.shape();
    shape.back() = output_columns(p, w.w);
    array rows = x.ndim() == 1 ? expand_dims(x, 0, s) : x.ndim() == 2 ? x : flatten(x, 0, -2, s);
    Arrays in = with_inputs(rows, w);
    ParamsRef params = make_params(p);
    Shape product = infer_qmm(params, in)[0].shape;
    return reshape(make_node(qmm_op, params, in, product, x.dtype(), s), shape, s);
  }
  array rows = x.ndim() == 1 ? expand_dims(x, 0, s) : x;
  // Both operands' leading axes broadcast, as indices of their matrices.
  array out =
      gather_node(p, rows, w, gather_indices(rows, w.w, std::nullopt, std::nullopt, op, s), s);
  return x.ndim() == 1 ? squeeze(out, -2, s) : out;
}

array gather_packed(const array& given, Packed w, const std::optional<array>& lhs,
                    const std::optional<array>& rhs, bool transpose, const char* op,
                    StreamOrDevice s) {
  if (!lhs && !rhs) return multiply_packed(given, w, transpose, op, s);
  if (given.ndim() < 2) {
    fail("[", op, "] expected x of at least two axes; got shape ", given.shape());
  }
  array x = match_dtypes(given, w, op, s);
  check_inner(x, w, transpose, op);
  return gather_node({w.format, transpose, w.global.has_value()}, x, w,
                     gather_indices(x, w.w, lhs, rhs, op, s), s);
}

array multiply_dense(const array& x, const array& w, const std::optional<array>& lhs,
                     const std::optional<array>& rhs, StreamOrDevice s) {
  array t = swapaxes(w, -1, -2, s);
  return lhs || rhs ? gather_mm(x, t, lhs, rhs, false, s) : matmul(x, t, s);
}

array multiply_rounded(const array& x, const array& w, const std::optional<array>& scales,
                       const std::optional<array>& lhs, const std::optional<array>& rhs,
                       QuantFormat f, const std::optional<array>& global_x,
                       const std::optional<array>& global_w, const char* op, StreamOrDevice s) {
  if (global_x.has_value() != global_w.has_value()) {
    fail("[", op, "] expected global scales of both x and w, or of neither; got one");
  }
  if (f.integer()) fail("[", op, "] expected mode mxfp4, mxfp8 or nvfp4; got ", mode_name(f));
  if (!is_inexact(x.dtype()) || is_complexfloating(x.dtype()) || x.ndim() == 0) {
    fail("[", op, "] expected a floating point x of at least one axis; got ", x.dtype(), " ",
         x.shape());
  }
  array left = rounded(x, f, global_x, op, s);
  if (scales) {
    Packed packed = check_packed(w, *scales, std::nullopt, global_w, f, op, s);
    return gather_packed(left, packed, lhs, rhs, true, op, s);
  }
  if (w.dtype() == uint32) fail("[", op, "] expected scales for packed weights; got none");
  if (!is_inexact(w.dtype()) || is_complexfloating(w.dtype()) || w.ndim() < 2) {
    fail("[", op, "] expected floating point weights of at least two axes; got ", w.dtype(), " ",
         w.shape());
  }
  if (x.shape(-1) != w.shape(-1)) {
    fail("[", op, "] expected last axes of one size; got shapes ", x.shape(), " and ", w.shape());
  }
  array right = rounded(w, f, global_w, op, s);
  return astype(multiply_dense(left, right, lhs, rhs, s), x.dtype(), s);
}

}  // namespace

array quantized_matmul(const array& x, const array& w, const array& scales,
                       const std::optional<array>& biases, bool transpose,
                       std::optional<int> group_size, std::optional<int> bits,
                       const std::string& mode, StreamOrDevice s) {
  const char* op = "quantized_matmul";
  QuantFormat f = quant_format(mode, group_size, bits, op);
  return multiply_packed(x, check_packed(w, scales, biases, std::nullopt, f, op, s), transpose, op,
                         s);
}

array qqmm(const array& x, const array& w, const std::optional<array>& w_scales,
           std::optional<int> group_size, std::optional<int> bits, const std::string& mode,
           const std::optional<array>& global_scale_x, const std::optional<array>& global_scale_w,
           StreamOrDevice s) {
  if (w.ndim() != 2) fail("[qqmm] expected a matrix w; got shape ", w.shape());
  return multiply_rounded(x, w, w_scales, std::nullopt, std::nullopt,
                          quant_format(mode, group_size, bits, "qqmm"), global_scale_x,
                          global_scale_w, "qqmm", s);
}

array gather_qmm(const array& x, const array& w, const array& scales,
                 const std::optional<array>& biases, std::optional<array> lhs_indices,
                 std::optional<array> rhs_indices, bool transpose, std::optional<int> group_size,
                 std::optional<int> bits, const std::string& mode,
                 const std::optional<array>& global_scale, bool, StreamOrDevice s) {
  const char* op = "gather_qmm";
  QuantFormat f = quant_format(mode, group_size, bits, op);
  return gather_packed(x, check_packed(w, scales, biases, global_scale, f, op, s), lhs_indices,
                       rhs_indices, transpose, op, s);
}

array gather_qqmm(const array& x, const array& w, const std::optional<array>& scales_w,
                  const std::optional<array>& lhs_indices, const std::optional<array>& rhs_indices,
                  std::optional<int> group_size, std::optional<int> bits, const std::string& mode,
                  const std::optional<array>& global_scale_x,
                  const std::optional<array>& global_scale_w, bool, StreamOrDevice s) {
  return multiply_rounded(x, w, scales_w, lhs_indices, rhs_indices,
                          quant_format(mode, group_size, bits, "gather_qqmm"), global_scale_x,
                          global_scale_w, "gather_qqmm", s);
}

}  // namespace olivine
