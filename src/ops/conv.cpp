// Convolutions: the bilinear op `conv`, and `conv_weight`, its transpose in the weights.
//
// The transpose in the input is again a convolution: of the cotangent, dilated by the stride, with
// the weights of each group transposed and read backwards. So the two ops are closed under
// derivatives of every order.
#include "olivine/ops/conv.h"

#include <algorithm>

#include "core/checks.h"
#include "core/error.h"
#include "core/node.h"
#include "core/op.h"
#include "core/size.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/shape.h"
#include "ops/conv_params.h"
#include "ops/multilinear.h"

namespace olivine {
namespace {

Shape spatial(const array& a) { return Shape(a.shape().begin() + 1, a.shape().end() - 1); }
// (first, middle…, last).
Shape around(int64_t first, const Shape& middle, int64_t last) {
  Shape out{first};
  for (int64_t d : middle) out.push_back(d);
  out.push_back(last);
  return out;
}

// ---- Nodes. All checks are done by then.

Shape conv_shape(const ConvParams& p, const array& x, const Shape& kernel, int64_t channels) {
  Shape out = x.shape();
  const Shape in = spatial(x);
  for (size_t d = 0; d < in.size(); ++d) {
    const int64_t free = conv_extent(in[d], p.input_dilation[d]) + p.low[d] + p.high[d] -
                         conv_extent(kernel[d], p.kernel_dilation[d]);
    out[d + 1] = free / p.stride[d] + 1;
  }
  out.back() = channels;
  return out;
}
Shape conv_shape(const ConvParams& p, const array& x, const array& w) {
  return conv_shape(p, x, spatial(w), w.shape(0));
}
Shape weight_shape(const ConvParams& p, const array& x, const array& ct) {
  return around(ct.shape(-1), p.kernel, x.shape(-1) / p.groups);
}

extern const Op conv_op;
extern const Op conv_weight_op;

array conv(const array& x, const array& w, ConvParams p, StreamOrDevice s = {}) {
  p.kernel = {};
  Shape shape = conv_shape(p, x, w);
  return make_node(conv_op, make_params(std::move(p)), {x, w}, shape, x.dtype(), s);
}

// Sums over all positions, so that 16-bit values are added up in float32.
array conv_weight(const array& x, const array& ct, ConvParams p, const Shape& kernel) {
  p.kernel = kernel;
  const Dtype dtype = x.dtype(), wide = dtype.size() < 4 ? float32 : dtype;
  Shape shape = weight_shape(p, x, ct);
  return astype(make_node(conv_weight_op, make_params(std::move(p)),
                          {astype(x, wide), astype(ct, wide)}, shape, wide),
                dtype);
}

// (g O', kernel…, C') to (g C', kernel…, O').
array transposed_weights(const array& w, int64_t groups) {
  const int64_t out = w.shape(0) / groups, in = w.shape(-1);
  Shape split = w.shape();
  split[0] = out;
  split.insert(split.begin(), groups);
  array t = swapaxes(reshape(w, split), 1, -1);
  return reshape(t, around(groups * in, spatial(w), out));
}

// The transpose in x, whose spatial sizes are `in`.
array conv_input(const array& ct, const array& w, const ConvParams& p, const Shape& in) {
  note_size_read(ct, "the sizes of a convolution's input");
  const Shape out = spatial(ct), kernel = spatial(w);
  if (std::find(in.begin(), in.end(), 0) != in.end()) {
    return zeros(around(ct.shape(0), in, w.shape(-1) * p.groups), ct.dtype());
  }
  ConvParams q = p;
  q.stride = p.input_dilation;
  q.input_dilation = p.stride;
  q.flip = !p.flip;
  for (size_t d = 0; d < in.size(); ++d) {
    q.low[d] = conv_extent(kernel[d], p.kernel_dilation[d]) - 1 - p.low[d];
    q.high[d] =
        conv_extent(in[d], p.input_dilation[d]) - conv_extent(out[d], p.stride[d]) + p.low[d];
  }
  return conv(ct, transposed_weights(w, p.groups), q);
}

// ---- conv

MaybeArrays vjp_conv(const VjpCall& c) {
  const auto& p = c.params.as<ConvParams>();
  const array &x = c.in[0], &w = c.in[1], &ct = c.ct[0];
  MaybeArrays g(2);
  if (c.wanted[0]) g[0] = conv_input(ct, w, p, spatial(x));
  if (c.wanted[1]) g[1] = conv_weight(x, ct, p, spatial(w));
  return g;
}

// A batch becomes part of another axis. Channels are (groups, channels of a group), and the batch
// goes before both where every element has groups of its own, between them where they share.
//   before: (B, …, C) to (…, B C), and back;  between: (B, …, g C') to (…, g B C'), and back.
array batch_into_channels(const array& batched, int64_t between) {
  const int64_t b = batched.shape(0), c = batched.shape(-1);
  Shape shape(batched.shape().begin() + 1, batched.shape().end() - 1);
  array a = unflatten(moveaxis(batched, 0, -2), -1, {between, c / between});
  shape.push_back(b * c);
  return reshape(swapaxes(a, -3, -2), shape);
}
array batch_from_channels(const array& merged, int64_t between, int64_t b) {
  array a = unflatten(merged, -1, {between, b, merged.shape(-1) / (between * b)});
  return moveaxis(flatten(swapaxes(a, -3, -2), -2, -1), -2, 0);
}
// The same for the first axis of weights.
array batch_into_first(const array& batched, int64_t between) {
  const int64_t b = batched.shape(0), o = batched.shape(1);
  Shape rest(batched.shape().begin() + 2, batched.shape().end());
  array a = swapaxes(unflatten(batched, 1, {between, o / between}), 0, 1);
  rest.insert(rest.begin(), b * o);
  return reshape(a, rest);
}
array batch_from_first(const array& merged, int64_t between, int64_t b) {
  array a = unflatten(merged, 0, {between, b, merged.shape(0) / (between * b)});
  return flatten(swapaxes(a, 0, 1), 1, 2);
}

VmapResult vmap_conv(const VmapCall& c) {
  ConvParams p = c.params.as<ConvParams>();
  const int64_t b = c.batch, groups = p.groups;
  auto first = [&](size_t i) { return moveaxis(c.in[i], c.axes[i], 0); };
  if (c.axes[1] < 0) {
    array x = first(0);
    const int64_t n = x.shape(1);
    return {{unflatten(conv(flatten(x, 0, 1), c.in[1], p), 0, {b, n})}, {0}};
  }
  if (c.axes[0] < 0) {
    array out = conv(c.in[0], batch_into_first(first(1), groups), p);
    return {{batch_from_channels(out, groups, b)}, {0}};
  }
  p.groups *= b;
  note_size_read(c.in[0], "the size of a batch");
  array out = conv(batch_into_channels(first(0), 1), batch_into_first(first(1), 1), p);
  return {{batch_from_channels(out, 1, b)}, {0}};
}

void check_operands(const char* op, const array& x, const array& w, int64_t groups);
void check_sizes(const char* op, const array& x, const Shape& kernel, const ConvParams& p);

void check_conv_params(const CheckCall& c, const ConvParams& p) {
  expect_inputs(c, 2);
  require(c, is_floating(c.in[0].dtype()), "floating point operands");
  expect_one_dtype(c, 0, 2);
  expect_ndim(c, 0, 3, 5);
  const size_t rank = c.in[0].shape().size() - 2;
  for (const Shape* list : {&p.stride, &p.kernel_dilation, &p.input_dilation}) {
    require(c, list->size() == rank, "one value per spatial axis");
    for (int64_t v : *list) require(c, v >= 1, "strides and dilations >= 1");
  }
  require(c, p.low.size() == rank && p.high.size() == rank, "one value per spatial axis");
}
void check_conv(const CheckCall& c) {
  const auto& p = c.params.as<ConvParams>();
  check_conv_params(c, p);
  check_operands(c.op.name, c.in[0], c.in[1], p.groups);
  check_sizes(c.op.name, c.in[0], spatial(c.in[1]), p);
}
void check_conv_weight(const CheckCall& c) {
  const auto& p = c.params.as<ConvParams>();
  check_conv_params(c, p);
  const array &x = c.in[0], &ct = c.in[1];
  require(c, p.kernel.size() == p.stride.size(), "one size of the kernel per spatial axis");
  require(c, p.groups >= 1 && x.shape(-1) % p.groups == 0 && ct.shape(-1) % p.groups == 0,
          "channels that divide into the groups");
  check_sizes(c.op.name, x, p.kernel, p);
  expect_ndim(c, 1, x.ndim(), x.ndim());
  expect_shape(c, 1, conv_shape(p, x, p.kernel, ct.shape(-1)));
}

const Op conv_op{.name = "conv",
                 .infer =
                     [](const ParamsRef& p, std::span<const array> in) {
                       return std::vector<OutSpec>{
                           {conv_shape(p.as<ConvParams>(), in[0], in[1]), in[0].dtype()}};
                     },
                 .vjp = vjp_conv,
                 .jvp = jvp_multilinear,
                 .vmap = vmap_conv,
                 .params = &params_type<ConvParams>,
                 .check = check_conv,
                 .any_size = true};

// ---- conv_weight

MaybeArrays vjp_conv_weight(const VjpCall& c) {
  const auto& p = c.params.as<ConvParams>();
  const array &x = c.in[0], &ct = c.in[1], &w = c.ct[0];
  MaybeArrays g(2);
  if (c.wanted[0]) g[0] = conv_input(ct, w, p, spatial(x));
  if (c.wanted[1]) g[1] = conv(x, w, p);
  return g;
}

VmapResult vmap_conv_weight(const VmapCall& c) {
  ConvParams p = c.params.as<ConvParams>();
  const int64_t b = c.batch, groups = p.groups;
  auto first = [&](size_t i) { return moveaxis(c.in[i], c.axes[i], 0); };
  if (c.axes[1] < 0) {
    array w = conv_weight(batch_into_channels(first(0), groups), c.in[1], p, p.kernel);
    return {{batch_from_channels(w, 1, b)}, {0}};
  }
  if (c.axes[0] < 0) {
    array w = conv_weight(c.in[0], batch_into_channels(first(1), groups), p, p.kernel);
    return {{batch_from_first(w, groups, b)}, {0}};
  }
  p.groups *= b;
  array w =
      conv_weight(batch_into_channels(first(0), 1), batch_into_channels(first(1), 1), p, p.kernel);
  return {{batch_from_first(w, 1, b)}, {0}};
}

const Op conv_weight_op{.name = "conv_weight",
                        .infer =
                            [](const ParamsRef& p, std::span<const array> in) {
                              return std::vector<OutSpec>{
                                  {weight_shape(p.as<ConvParams>(), in[0], in[1]), in[0].dtype()}};
                            },
                        .vjp = vjp_conv_weight,
                        .jvp = jvp_multilinear,
                        .vmap = vmap_conv_weight,
                        .params = &params_type<ConvParams>,
                        .check = check_conv_weight};

// ---- Checks

// One value for all spatial axes, or one each.
Shape per_axis(const char* op, const char* what, const std::vector<int>& values, size_t rank,
               int otherwise, int least) {
  if (values.size() > 1 && values.size() != rank) {
    fail("[", op, "] expected 1 or ", rank, " values of ", what, "; got ", values.size());
  }
  Shape out;
  for (size_t d = 0; d < rank; ++d) {
    out.push_back(values.empty() ? otherwise : values[values.size() == 1 ? 0 : d]);
    if (out.back() < least) {
      fail("[", op, "] expected ", what, " >= ", least, "; got ", out.back());
    }
  }
  return out;
}

void check_operands(const char* op, const array& x, const array& w, int64_t groups) {
  if (x.ndim() < 3 || x.ndim() > 5) {
    fail("[", op, "] expected an input (N, one to three spatial axes, C); got shape ", x.shape());
  }
  if (w.ndim() != x.ndim()) {
    fail("[", op, "] expected weights of ", x.ndim(), " axes, as the input has; got shape ",
         w.shape());
  }
  if (groups < 1) fail("[", op, "] expected groups >= 1; got ", groups);
  if (x.shape(-1) % groups != 0 || x.shape(-1) / groups != w.shape(-1)) {
    fail("[", op, "] expected weights for ", x.shape(-1), " channels in ", groups,
         " groups; got shapes ", x.shape(), " and ", w.shape());
  }
  if (w.shape(0) % groups != 0) {
    fail("[", op, "] expected output channels that divide into ", groups, " groups; got ",
         w.shape(0));
  }
}

void check_sizes(const char* op, const array& x, const Shape& kernel, const ConvParams& p) {
  const Shape in = spatial(x);
  for (size_t d = 0; d < in.size(); ++d) {
    checked_mul(std::max<int64_t>(kernel[d], 1), p.kernel_dilation[d], op);
    int64_t padded = checked_mul(std::max<int64_t>(in[d], 1), p.input_dilation[d], op);
    padded = checked_add(checked_add(padded, p.low[d], op), p.high[d], op);
    const int64_t size = conv_extent(in[d], p.input_dilation[d]) + p.low[d] + p.high[d];
    const int64_t needed = conv_extent(kernel[d], p.kernel_dilation[d]);
    if (kernel[d] < 1 || size < needed) {
      fail("[", op, "] expected a kernel of 1 to ", size, " elements along spatial axis ", d,
           " (dilated, of the padded input); got ", needed, ", with an input of shape ", x.shape(),
           " and a kernel of ", kernel);
    }
  }
}

array checked_conv(const char* op, const array& input, const array& weight, const ConvParams& p,
                   StreamOrDevice s) {
  const Dtype dtype = promote_types(input.dtype(), weight.dtype());
  if (!is_floating(dtype)) fail("[", op, "] expected floating point operands; got ", dtype);
  check_sizes(op, input, spatial(weight), p);
  return conv(astype(input, dtype, s), astype(weight, dtype, s), p, s);
}

array conv_over(const char* op, const array& input, const array& weight,
                const std::vector<int>& stride, const std::vector<int>& low,
                const std::vector<int>& high, const std::vector<int>& kernel_dilation,
                const std::vector<int>& input_dilation, int groups, bool flip, StreamOrDevice s) {
  check_operands(op, input, weight, groups);
  const size_t rank = static_cast<size_t>(input.ndim()) - 2;
  ConvParams p;
  p.stride = per_axis(op, "stride", stride, rank, 1, 1);
  p.low = per_axis(op, "padding", low, rank, 0, INT32_MIN);
  p.high = per_axis(op, "padding", high, rank, 0, INT32_MIN);
  p.kernel_dilation = per_axis(op, "dilation of the kernel", kernel_dilation, rank, 1, 1);
  p.input_dilation = per_axis(op, "dilation of the input", input_dilation, rank, 1, 1);
  p.groups = groups;
  p.flip = flip;
  return checked_conv(op, input, weight, p, s);
}

void expect_rank(const char* op, const array& input, int rank) {
  if (input.ndim() != rank + 2) {
    fail("[", op, "] expected an input of ", rank + 2, " axes; got shape ", input.shape());
  }
}

array conv_rank(const char* op, int rank, const array& input, const array& weight,
                const std::vector<int>& stride, const std::vector<int>& padding,
                const std::vector<int>& dilation, int groups, StreamOrDevice s) {
  expect_rank(op, input, rank);
  return conv_over(op, input, weight, stride, padding, padding, dilation, {}, groups, false, s);
}

// The input is dilated by the stride, and padded so that every product with the kernel counts.
array transpose_rank(const char* op, int rank, const array& input, const array& weight,
                     const std::vector<int>& stride, const std::vector<int>& padding,
                     const std::vector<int>& dilation, const std::vector<int>& output_padding,
                     int groups, StreamOrDevice s) {
  expect_rank(op, input, rank);
  check_operands(op, input, weight, groups);
  const size_t n = static_cast<size_t>(rank);
  ConvParams p;
  p.stride = Shape(n, 1);
  p.input_dilation = per_axis(op, "stride", stride, n, 1, 1);
  p.kernel_dilation = per_axis(op, "dilation", dilation, n, 1, 1);
  p.groups = groups;
  p.flip = true;
  const Shape pad = per_axis(op, "padding", padding, n, 0, INT32_MIN);
  const Shape more = per_axis(op, "output_padding", output_padding, n, 0, 0);
  const Shape kernel = spatial(weight);
  note_size_read(weight, "the sizes of a kernel");
  for (size_t d = 0; d < n; ++d) {
    checked_mul(std::max<int64_t>(kernel[d], 1), p.kernel_dilation[d], op);
    const int64_t reach = conv_extent(kernel[d], p.kernel_dilation[d]) - 1;
    p.low.push_back(reach - pad[d]);
    p.high.push_back(reach - pad[d] + more[d]);
  }
  return checked_conv(op, input, weight, p, s);
}

using Two = std::pair<int, int>;
using Three = std::tuple<int, int, int>;
std::vector<int> list(const Two& v) { return {v.first, v.second}; }
std::vector<int> list(const Three& v) { return {std::get<0>(v), std::get<1>(v), std::get<2>(v)}; }

}  // namespace

array conv_general(const array& input, const array& weight, const std::vector<int>& stride,
                   const std::vector<int>& padding_lo, const std::vector<int>& padding_hi,
                   const std::vector<int>& kernel_dilation, const std::vector<int>& input_dilation,
                   int groups, bool flip, StreamOrDevice s) {
  return conv_over("conv_general", input, weight, stride, padding_lo, padding_hi, kernel_dilation,
                   input_dilation, groups, flip, s);
}
array conv1d(const array& input, const array& weight, int stride, int padding, int dilation,
             int groups, StreamOrDevice s) {
  return conv_rank("conv1d", 1, input, weight, {stride}, {padding}, {dilation}, groups, s);
}
array conv2d(const array& input, const array& weight, const Two& stride, const Two& padding,
             const Two& dilation, int groups, StreamOrDevice s) {
  return conv_rank("conv2d", 2, input, weight, list(stride), list(padding), list(dilation), groups,
                   s);
}
array conv3d(const array& input, const array& weight, const Three& stride, const Three& padding,
             const Three& dilation, int groups, StreamOrDevice s) {
  return conv_rank("conv3d", 3, input, weight, list(stride), list(padding), list(dilation), groups,
                   s);
}
array conv_transpose1d(const array& input, const array& weight, int stride, int padding,
                       int dilation, int output_padding, int groups, StreamOrDevice s) {
  return transpose_rank("conv_transpose1d", 1, input, weight, {stride}, {padding}, {dilation},
                        {output_padding}, groups, s);
}
array conv_transpose2d(const array& input, const array& weight, const Two& stride,
                       const Two& padding, const Two& dilation, const Two& output_padding,
                       int groups, StreamOrDevice s) {
  return transpose_rank("conv_transpose2d", 2, input, weight, list(stride), list(padding),
                        list(dilation), list(output_padding), groups, s);
}
array conv_transpose3d(const array& input, const array& weight, const Three& stride,
                       const Three& padding, const Three& dilation, const Three& output_padding,
                       int groups, StreamOrDevice s) {
  return transpose_rank("conv_transpose3d", 3, input, weight, list(stride), list(padding),
                        list(dilation), list(output_padding), groups, s);
}

array convolve(const array& a, const array& v, const std::string& mode, StreamOrDevice s) {
  if (a.ndim() != 1 || v.ndim() != 1) {
    fail("[convolve] expected operands of one axis; got shapes ", a.shape(), " and ", v.shape());
  }
  if (a.size() == 0 || v.size() == 0) {
    fail("[convolve] expected operands of at least one element; got shapes ", a.shape(), " and ",
         v.shape());
  }
  const bool swap = a.size() < v.size();
  const array &x = swap ? v : a, &w = swap ? a : v;
  const int64_t n = w.size();
  ConvParams p{{1}, {n - 1}, {n - 1}, {1}, {1}, 1, true, {}};
  if (mode == "same") {
    p.low[0] = n / 2;
    p.high[0] = n - 1 - n / 2;
  } else if (mode == "valid") {
    p.low[0] = p.high[0] = 0;
  } else if (mode != "full") {
    fail("[convolve] expected mode 'full', 'same' or 'valid'; got '", mode, "'");
  }
  array out =
      checked_conv("convolve", reshape(x, {1, x.size(), 1}, s), reshape(w, {1, n, 1}, s), p, s);
  return reshape(out, {out.size()}, s);
}

}  // namespace olivine
