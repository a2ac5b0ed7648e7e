// <mlx/primitives.h> by Olivine: what subclasses of Primitive need, and MLX's own primitives. Each
// of these consists of Olivine's ops (olivine/function_primitive.h): an array of one is the array
// that the function in its line gives, with everything that belongs to it. Inputs have MLX's order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "mlx/namespace.h"
#include "mlx/primitive_macros.h"
#include "mlx/primitive_parts.h"
#include "olivine/compile_impl.h"
#include "olivine/olivine.h"

namespace olivine {

// ---- Elementwise.
OLIVINE_UNARY(Abs, 1, abs(in[0], s))
OLIVINE_UNARY(Add, 2, add(in[0], in[1], s))
OLIVINE_UNARY(ArcCos, 1, arccos(in[0], s))
OLIVINE_UNARY(ArcCosh, 1, arccosh(in[0], s))
OLIVINE_UNARY(ArcSin, 1, arcsin(in[0], s))
OLIVINE_UNARY(ArcSinh, 1, arcsinh(in[0], s))
OLIVINE_UNARY(ArcTan, 1, arctan(in[0], s))
OLIVINE_UNARY(ArcTan2, 2, arctan2(in[0], in[1], s))
OLIVINE_UNARY(ArcTanh, 1, arctanh(in[0], s))
OLIVINE_UNARY_WITH(AsType, 1, (Dtype dtype), astype(in[0], dtype, s))
class BitwiseBinary : public UnaryFunctionPrimitive {
 public:
  enum Op { And, Or, Xor, LeftShift, RightShift };
  OLIVINE_UNARY_CONSTRUCTOR(BitwiseBinary, 2, (Op op),
                            op == And         ? bitwise_and(in[0], in[1], s)
                            : op == Or        ? bitwise_or(in[0], in[1], s)
                            : op == Xor       ? bitwise_xor(in[0], in[1], s)
                            : op == LeftShift ? left_shift(in[0], in[1], s)
                                              : right_shift(in[0], in[1], s))
};
OLIVINE_UNARY(BitwiseInvert, 1, bitwise_invert(in[0], s))
OLIVINE_UNARY(Ceil, 1, ceil(in[0], s))
OLIVINE_UNARY(Conjugate, 1, conjugate(in[0], s))
OLIVINE_UNARY(Cos, 1, cos(in[0], s))
OLIVINE_UNARY(Cosh, 1, cosh(in[0], s))
OLIVINE_UNARY(Divide, 2, divide(in[0], in[1], s))
OLIVINE_SEVERAL(DivMod, 2, divmod(in[0], in[1], s))
OLIVINE_UNARY(Select, 3, where(in[0], in[1], in[2], s))
OLIVINE_UNARY(Remainder, 2, remainder(in[0], in[1], s))
OLIVINE_UNARY_WITH(Equal, 2, (bool equal_nan = false),
                   equal_nan ? logical_or(equal(in[0], in[1], s),
                                          logical_and(isnan(in[0], s), isnan(in[1], s), s), s)
                             : equal(in[0], in[1], s))
OLIVINE_UNARY(Erf, 1, erf(in[0], s))
OLIVINE_UNARY(ErfInv, 1, erfinv(in[0], s))
OLIVINE_UNARY(Exp, 1, exp(in[0], s))
OLIVINE_UNARY(Expm1, 1, expm1(in[0], s))
OLIVINE_UNARY(Floor, 1, floor(in[0], s))
OLIVINE_UNARY(FloorDivide, 2, floor_divide(in[0], in[1], s))
OLIVINE_UNARY(Greater, 2, greater(in[0], in[1], s))
OLIVINE_UNARY(GreaterEqual, 2, greater_equal(in[0], in[1], s))
OLIVINE_UNARY(Imag, 1, imag(in[0], s))
OLIVINE_UNARY(Less, 2, less(in[0], in[1], s))
OLIVINE_UNARY(LessEqual, 2, less_equal(in[0], in[1], s))
class Log : public UnaryFunctionPrimitive {
 public:
  enum Base { two, ten, e };
  OLIVINE_UNARY_CONSTRUCTOR(Log, 1, (Base base),
                            base == two   ? log2(in[0], s)
                            : base == ten ? log10(in[0], s)
                                          : log(in[0], s))
};
OLIVINE_UNARY(Log1p, 1, log1p(in[0], s))
OLIVINE_UNARY(LogicalNot, 1, logical_not(in[0], s))
OLIVINE_UNARY(LogicalAnd, 2, logical_and(in[0], in[1], s))
OLIVINE_UNARY(LogicalOr, 2, logical_or(in[0], in[1], s))
OLIVINE_UNARY(LogAddExp, 2, logaddexp(in[0], in[1], s))
OLIVINE_UNARY(Maximum, 2, maximum(in[0], in[1], s))
OLIVINE_UNARY(Minimum, 2, minimum(in[0], in[1], s))
OLIVINE_UNARY(Multiply, 2, multiply(in[0], in[1], s))
OLIVINE_UNARY(Negative, 1, negative(in[0], s))
OLIVINE_UNARY(NotEqual, 2, not_equal(in[0], in[1], s))
OLIVINE_UNARY(Power, 2, power(in[0], in[1], s))
OLIVINE_UNARY(Real, 1, real(in[0], s))
OLIVINE_UNARY(Round, 1, round(in[0], s))
OLIVINE_UNARY(Sigmoid, 1, sigmoid(in[0], s))
OLIVINE_UNARY(Sign, 1, sign(in[0], s))
OLIVINE_UNARY(Sin, 1, sin(in[0], s))
OLIVINE_UNARY(Sinh, 1, sinh(in[0], s))
OLIVINE_UNARY(Square, 1, square(in[0], s))
OLIVINE_UNARY_WITH(Sqrt, 1, (bool recip = false), recip ? rsqrt(in[0], s) : sqrt(in[0], s))
OLIVINE_UNARY(Subtract, 2, subtract(in[0], in[1], s))
OLIVINE_UNARY(Tan, 1, tan(in[0], s))
OLIVINE_UNARY(Tanh, 1, tanh(in[0], s))

// ---- Of one array: creation, shapes.
OLIVINE_UNARY_WITH(Arange, 0, (double start, double stop, double step),
                   asked.empty() ? arange(start, stop, step, s)
                                 : arange(start, stop, step, asked[0].second, s))
OLIVINE_UNARY(Full, 1, asked.empty() ? in[0] : full(asked[0].first, in[0], asked[0].second, s))
// A key of two uint32, or several keys, which share the shape among them.
OLIVINE_UNARY_WITH(RandomBits, 1, (const Shape& shape, int width),
                   primitive_parts::random_bits(in[0], shape, width, s))
OLIVINE_UNARY_WITH(AsStrided, 1, (Shape shape, Strides strides, size_t offset),
                   as_strided(in[0], shape, strides, static_cast<int64_t>(offset), s))
// The first input, broadcast with the others.
OLIVINE_UNARY_WITH(BroadcastAxes, OLIVINE_AT_LEAST(1), (std::vector<int> ignore_axes = {}),
                   primitive_parts::broadcast_axes(in, ignore_axes, s))
OLIVINE_UNARY_WITH(Broadcast, OLIVINE_AT_LEAST(1), (const Shape& shape),
                   broadcast_to(in[0], shape, s))
OLIVINE_UNARY_WITH(Contiguous, 1, (bool allow_col_major), contiguous(in[0], allow_col_major, s))
OLIVINE_UNARY(Copy, 1, copy(in[0], s))
OLIVINE_UNARY_WITH(ExpandDims, 1, (std::vector<int> axes), expand_dims(in[0], axes, s))
OLIVINE_UNARY_WITH(Flatten, 1, (int start_axis, int end_axis),
                   flatten(in[0], start_axis, end_axis, s))
OLIVINE_UNARY_WITH(NumberOfElements, 1, (std::vector<int> axes, bool inverted, Dtype dtype),
                   number_of_elements(in[0], axes, inverted, dtype, s))
OLIVINE_UNARY_WITH(Reshape, 1, (const Shape& shape), reshape(in[0], shape, s))
OLIVINE_UNARY(StopGradient, 1, stop_gradient(in[0], s))
OLIVINE_UNARY_WITH(Squeeze, 1, (std::vector<int> axes), squeeze(in[0], axes, s))
OLIVINE_UNARY_WITH(Transpose, 1, (const std::vector<int>& axes), transpose(in[0], axes, s))
OLIVINE_UNARY_WITH(View, 1, (Dtype dtype), view(in[0], dtype, s))
OLIVINE_UNARY_WITH(Unflatten, 1, (int axis, Shape shape), unflatten(in[0], axis, shape, s))

// ---- Joining and cutting.
OLIVINE_UNARY_WITH(Concatenate, OLIVINE_AT_LEAST(1), (int axis), concatenate(in, axis, s))
// As many inputs as outputs are asked for, then what they wait for.
OLIVINE_SEVERAL(Depends, OLIVINE_AT_LEAST(1), primitive_parts::after(in, asked))
// An array and the value to pad with.
OLIVINE_UNARY_WITH(Pad, 2,
                   (const std::vector<int>& axes, const Shape& low_pad_size,
                    const Shape& high_pad_size),
                   pad(in[0], axes, low_pad_size, high_pad_size, in[1], "constant", s))
OLIVINE_UNARY_WITH(Slice, 1,
                   (const Shape& start_indices, const Shape& end_indices, const Shape& strides),
                   slice(in[0], start_indices, end_indices, strides, s))
// An array and its update.
class SliceUpdate : public UnaryFunctionPrimitive {
 public:
  enum ReduceType { Max, Min, Sum, Prod, None };
  OLIVINE_UNARY_CONSTRUCTOR(
      SliceUpdate, 2,
      (ReduceType reduce_type, const Shape& start_indices, const Shape& end_indices,
       const Shape& strides),
      reduce_type == Max   ? slice_update_max(in[0], in[1], start_indices, end_indices, strides, s)
      : reduce_type == Min ? slice_update_min(in[0], in[1], start_indices, end_indices, strides, s)
      : reduce_type == Sum ? slice_update_add(in[0], in[1], start_indices, end_indices, strides, s)
      : reduce_type == Prod
          ? slice_update_prod(in[0], in[1], start_indices, end_indices, strides, s)
          : slice_update(in[0], in[1], start_indices, end_indices, strides, s))
};
// An array and where the slice starts; an array, its update and where that starts.
OLIVINE_UNARY_WITH(DynamicSlice, 2, (std::vector<int> axes, Shape slice_size),
                   slice(in[0], in[1], axes, slice_size, s))
OLIVINE_UNARY_WITH(DynamicSliceUpdate, 3, (std::vector<int> axes),
                   slice_update(in[0], in[1], in[2], axes, s))
OLIVINE_SEVERAL_WITH(Split, 1, (const Shape& indices, int axis), split(in[0], indices, axis, s))

// ---- Gathering and scattering: an array, indices and, last, updates.
OLIVINE_UNARY_WITH(Gather, OLIVINE_AT_LEAST(1), (std::vector<int> axes, Shape slice_sizes),
                   gather(in[0], primitive_parts::from(in, 1, in.size()), axes, slice_sizes, s))
OLIVINE_UNARY_WITH(GatherAxis, 2, (int axis), take_along_axis(in[0], in[1], axis, s))
class Scatter : public UnaryFunctionPrimitive {
 public:
  enum ReduceType { Max, Min, Sum, Prod, None };
  OLIVINE_UNARY_CONSTRUCTOR(
      Scatter, OLIVINE_AT_LEAST(2), (ReduceType reduce_type, const std::vector<int>& axes),
      reduce_type == Max    ? scatter_max(in[0], indices(in), in.back(), axes, s)
      : reduce_type == Min  ? scatter_min(in[0], indices(in), in.back(), axes, s)
      : reduce_type == Sum  ? scatter_add(in[0], indices(in), in.back(), axes, s)
      : reduce_type == Prod ? scatter_prod(in[0], indices(in), in.back(), axes, s)
                            : scatter(in[0], indices(in), in.back(), axes, s))

 private:
  static std::vector<array> indices(const std::vector<array>& in) {
    return primitive_parts::from(in, 1, in.size() - 1);
  }
};
class ScatterAxis : public UnaryFunctionPrimitive {
 public:
  enum ReduceType { Sum, None };
  OLIVINE_UNARY_CONSTRUCTOR(ScatterAxis, 3, (ReduceType reduce_type, int axis),
                            reduce_type == Sum ? scatter_add_axis(in[0], in[1], in[2], axis, s)
                                               : put_along_axis(in[0], in[1], in[2], axis, s))
};
// An array, a mask, and the values for where it is true.
OLIVINE_UNARY(MaskedScatter, 3, masked_scatter(in[0], in[1], in[2], s))

// ---- Along axes.
class ArgReduce : public UnaryFunctionPrimitive {
 public:
  enum ReduceType { ArgMin, ArgMax };
  OLIVINE_UNARY_CONSTRUCTOR(ArgReduce, 1, (ReduceType reduce_type, int axis),
                            reduce_type == ArgMin ? argmin(in[0], axis, true, s)
                                                  : argmax(in[0], axis, true, s))
};
OLIVINE_UNARY_WITH(ArgPartition, 1, (int kth, int axis), argpartition(in[0], kth, axis, s))
OLIVINE_UNARY_WITH(ArgSort, 1, (int axis), argsort(in[0], axis, s))
OLIVINE_UNARY_WITH(FFT, 1,
                   (const std::vector<size_t>& axes, bool inverse, bool real, bool odd_out = false),
                   primitive_parts::fourier(in[0], axes, inverse, real, odd_out, s))
OLIVINE_UNARY_WITH(Hadamard, 1, (float scale), hadamard_transform(in[0], scale, s))
OLIVINE_UNARY(LogSumExp, 1, logsumexp(in[0], -1, true, s))
OLIVINE_UNARY_WITH(Partition, 1, (int kth, int axis), partition(in[0], kth, axis, s))
// Axes stay, with size 1.
class Reduce : public UnaryFunctionPrimitive {
 public:
  enum ReduceType { And, Or, Sum, Prod, Min, Max };
  OLIVINE_UNARY_CONSTRUCTOR(Reduce, 1, (ReduceType reduce_type, const std::vector<int>& axes),
                            reduce_type == And    ? all(in[0], axes, true, s)
                            : reduce_type == Or   ? any(in[0], axes, true, s)
                            : reduce_type == Sum  ? sum(in[0], axes, true, s)
                            : reduce_type == Prod ? prod(in[0], axes, true, s)
                            : reduce_type == Min  ? min(in[0], axes, true, s)
                                                  : max(in[0], axes, true, s))
};
class Scan : public UnaryFunctionPrimitive {
 public:
  enum ReduceType { Max, Min, Sum, Prod, LogAddExp };
  OLIVINE_UNARY_CONSTRUCTOR(Scan, 1,
                            (ReduceType reduce_type, int axis, bool reverse, bool inclusive),
                            reduce_type == Max   ? cummax(in[0], axis, reverse, inclusive, s)
                            : reduce_type == Min ? cummin(in[0], axis, reverse, inclusive, s)
                            : reduce_type == Sum
                                ? cumsum(in[0], axis, reverse, inclusive, std::nullopt, s)
                            : reduce_type == Prod
                                ? cumprod(in[0], axis, reverse, inclusive, std::nullopt, s)
                                : logcumsumexp(in[0], axis, reverse, inclusive, s))
};
// A rising sequence and the values to look for.
OLIVINE_UNARY_WITH(SearchSorted, 2, (bool right),
                   searchsorted(in[0], in[1], right ? "right" : "left", s))
OLIVINE_UNARY_WITH(Softmax, 1, (bool precise), softmax(in[0], -1, precise, s))
OLIVINE_UNARY_WITH(Sort, 1, (int axis), sort(in[0], axis, s))

// ---- Products.
OLIVINE_UNARY(Matmul, 2, matmul(in[0], in[1], s))
// a, b, c: alpha a b + beta c.
OLIVINE_UNARY_WITH(AddMM, 3, (float alpha, float beta), addmm(in[2], in[0], in[1], alpha, beta, s))
// a, b, then the mask of the result, then those of a and b.
OLIVINE_UNARY_WITH(BlockMaskedMM, OLIVINE_BETWEEN(2, 5), (int block_size),
                   primitive_parts::masked_product(in, block_size, s))
// a, b and the indices of both.
OLIVINE_UNARY_WITH(GatherMM, 4, (bool left_sorted = false, bool right_sorted = false),
                   gather_mm(in[0], in[1], in[2], in[3], left_sorted || right_sorted, s))
// a, b and segments.
OLIVINE_UNARY(SegmentedMM, 3, segmented_mm(in[0], in[1], in[2], s))
// An input and a weight.
OLIVINE_UNARY_WITH(Convolution, 2,
                   (const std::vector<int>& kernel_strides, const std::vector<int>& padding_lo,
                    const std::vector<int>& padding_hi, const std::vector<int>& kernel_dilation,
                    const std::vector<int>& input_dilation, int groups = 1, bool flip = false),
                   conv_general(in[0], in[1], kernel_strides, padding_lo, padding_hi,
                                kernel_dilation, input_dilation, groups, flip, s))
// x, w, scales and, in mode affine, biases.
OLIVINE_UNARY_WITH(QuantizedMatmul, (mode == QuantizationMode::Affine ? 4 : 3),
                   (int group_size, int bits, QuantizationMode mode, bool transpose),
                   quantized_matmul(in[0], in[1], in[2], primitive_parts::at(in, 3), transpose,
                                    group_size, bits, quantization_mode_to_string(mode), s))
// For what follows, the order of inputs is in mlx/primitive_parts.h.
OLIVINE_UNARY_WITH(QQMatmul, OLIVINE_BETWEEN(2, 5),
                   (int group_size, int bits, QuantizationMode mode),
                   primitive_parts::quantized_product(in, group_size, bits, mode, s))
OLIVINE_UNARY_WITH(GatherQMM,
                   OLIVINE_BETWEEN((mode == QuantizationMode::Affine ? 6 : 5),
                                   (mode == QuantizationMode::Affine ? 7 : 6)),
                   (int group_size, int bits, QuantizationMode mode, bool transpose,
                    bool left_sorted = false, bool right_sorted = false),
                   primitive_parts::gathered_product(in, group_size, bits, mode, transpose,
                                                     left_sorted || right_sorted, s))
OLIVINE_UNARY_WITH(GatherQQMM, OLIVINE_BETWEEN(4, 7),
                   (int group_size, int bits, QuantizationMode mode, bool left_sorted = false,
                    bool right_sorted = false),
                   primitive_parts::gathered_quantized_product(in, group_size, bits, mode,
                                                               left_sorted || right_sorted, s))

// ---- Linear algebra.
OLIVINE_SEVERAL(QRF, 1, primitive_parts::pair(linalg::qr(in[0], s)))
OLIVINE_SEVERAL_WITH(SVD, 1, (bool compute_uv), linalg::svd(in[0], compute_uv, s))
OLIVINE_UNARY_WITH(Inverse, 1, (bool tri, bool upper),
                   tri ? linalg::tri_inv(in[0], upper, s) : linalg::inv(in[0], s))
OLIVINE_UNARY_WITH(Cholesky, 1, (bool upper), linalg::cholesky(in[0], upper, s))
OLIVINE_SEVERAL_WITH(Eig, 1, (bool compute_eigenvectors),
                     compute_eigenvectors ? primitive_parts::pair(linalg::eig(in[0], s))
                                          : std::vector<array>{linalg::eigvals(in[0], s)})
OLIVINE_SEVERAL_WITH(Eigh, 1, (std::string uplo, bool compute_eigenvectors),
                     compute_eigenvectors ? primitive_parts::pair(linalg::eigh(in[0], uplo, s))
                                          : std::vector<array>{linalg::eigvalsh(in[0], uplo, s)})
// Both factors in one matrix, pivots, and the order of the rows.
OLIVINE_SEVERAL(LUF, 1, primitive_parts::factors(in[0], s))

// ---- Functions with rules of the user's, and traces.
// Arguments, then the outputs that were computed of them.
class CustomTransforms : public FunctionPrimitive {
 public:
  explicit CustomTransforms(Stream s, int num_outputs, decltype(CustomRules::vjp) vjp,
                            decltype(CustomRules::jvp) jvp, decltype(CustomRules::vmap) vmap)
      : FunctionPrimitive(
            s, "CustomTransforms", PrimitiveFunction::Arity(num_outputs, PrimitiveFunction::any),
            [num_outputs, rules = CustomRules{std::move(vjp), std::move(jvp), std::move(vmap)}](
                const std::vector<array>& in, const ArraySpecs&) {
              return primitive_parts::with_rules(in, num_outputs, rules);
            }) {}
};
// `outputs` for other inputs in the places of `inputs`; the tape lists what lies between.
class Compiled : public FunctionPrimitive {
 public:
  explicit Compiled(Stream s, std::vector<array> inputs, std::vector<array> outputs,
                    std::vector<array> tape, std::unordered_set<std::uintptr_t> /*constant_ids*/)
      : FunctionPrimitive(s, "Compiled", static_cast<int>(inputs.size()),
                          [inputs, outputs = std::move(outputs), tape = std::move(tape)](
                              const std::vector<array>& in, const ArraySpecs&) {
                            return detail::compile_replace(tape, inputs, outputs, in, false);
                          }) {}
};

// Reads its output, which has no inputs, when that is evaluated.
class Load : public UnaryPrimitive {
 public:
  explicit Load(Stream stream, std::shared_ptr<io::Reader> reader, size_t offset,
                bool swap_endianness = false)
      : UnaryPrimitive(stream),
        reader_(std::move(reader)),
        offset_(offset),
        swap_endianness_(swap_endianness) {}
  const char* name() const override { return "Load"; }
  using UnaryPrimitive::eval_cpu;
  void eval_cpu(const std::vector<array>&, array& out) override {
    out.set_data(allocator::malloc(out.nbytes()));
    char* bytes = out.data<char>();
    reader_->read(bytes, out.nbytes(), offset_);
    if (!swap_endianness_) return;
    bool complex = is_complexfloating(out.dtype());
    size_t word = complex ? out.itemsize() / 2 : out.itemsize();
    for (size_t i = 0; i < out.nbytes(); i += word) std::reverse(bytes + i, bytes + i + word);
  }

 private:
  std::shared_ptr<io::Reader> reader_;
  size_t offset_;
  bool swap_endianness_;
};

}  // namespace olivine
