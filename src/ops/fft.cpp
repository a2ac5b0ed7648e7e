// Fourier transforms: one linear op, whose transpose is again a transform, and what is made of it.
#include "olivine/ops/fft.h"

#include <algorithm>
#include <cmath>

#include "core/checks.h"
#include "core/error.h"
#include "core/node.h"
#include "core/op.h"
#include "core/size.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/shape.h"
#include "ops/batching.h"
#include "ops/fft_params.h"

namespace olivine {
namespace {

Dtype complex_type(Dtype t) { return t == float64 || t == complex128 ? complex128 : complex64; }

// ---- The record

OutSpec out_of(const FftParams& p, const array& a) {
  Shape shape = a.shape();
  int64_t& last = shape[p.axes.back()];
  if (p.kind == FftKind::to_half) last = last / 2 + 1;
  if (p.kind == FftKind::from_half) last = p.n;
  return {shape, p.kind == FftKind::from_half ? real_type(a.dtype()) : complex_type(a.dtype())};
}
std::vector<OutSpec> infer_fft(const ParamsRef& params, std::span<const array> in) {
  return {out_of(params.as<FftParams>(), in[0])};
}

extern const Op fft_op;

array transform(const array& a, const FftParams& p, StreamOrDevice s = {}) {
  OutSpec out = out_of(p, a);
  return make_node(fft_op, make_params(p), {a}, out.shape, out.dtype, s);
}

// Of n values with a symmetric spectrum only n / 2 + 1 are kept: `inner` for those that stand for
// two, and 1 for the first and, if n is even, the last one. Along `axis`, for broadcasting.
array half_weights(int64_t n, double inner, int axis, int ndim, Dtype dtype) {
  const int64_t count = n / 2 + 1;
  const Dtype real = real_type(dtype);
  array k = arange(int64_t{0}, count, int64_t{1}, int64);
  array single = equal(remainder(multiply(k, array(int64_t{2})), array(n)), array(int64_t{0}));
  array w = where(single, array(1.0, real), array(inner, real));
  Shape shape(ndim, 1);
  shape[axis] = count;
  return astype(reshape(w, shape), dtype);
}

// Cotangents of complex arrays are conjugated (elementwise_convert.cpp), so that the cotangent of a
// transform is the adjoint one.
MaybeArrays vjp_fft(const VjpCall& c) {
  FftParams p = c.params.as<FftParams>();
  const array &in = c.in[0], &ct = c.ct[0];
  const int axis = p.axes.back();
  p.inverse = !p.inverse;
  switch (p.kind) {
    case FftKind::complex:
      return {transform(ct, p)};
    case FftKind::to_half:
      p.kind = FftKind::from_half;
      p.n = in.shape()[axis];
      return {transform(multiply(ct, half_weights(p.n, 0.5, axis, in.ndim(), ct.dtype())), p)};
    case FftKind::from_half:
      p.kind = FftKind::to_half;
      return {multiply(transform(ct, p), half_weights(p.n, 2, axis, in.ndim(), in.dtype()))};
  }
  return {};
}

VmapResult vmap_fft(const VmapCall& c) {
  FftParams p = c.params.as<FftParams>();
  for (int& axis : p.axes) ++axis;
  return {{transform(batch_first(c, 0), p)}, {0}};
}

void check_fft(const CheckCall& c) {
  expect_inputs(c, 1);
  const auto& p = c.params.as<FftParams>();
  const array& a = c.in[0];
  require(c, p.kind <= FftKind::from_half && !p.axes.empty(), "a known kind and an axis");
  require(c, p.inverse == (p.kind == FftKind::from_half) || p.kind == FftKind::complex,
          "the direction of its kind");
  expect_axes(c, p.axes, a.ndim(), false);
  require(c, p.kind == FftKind::to_half ? is_floating(a.dtype()) : is_complexfloating(a.dtype()),
          "real input for to_half, complex input else");
  for (int axis : p.axes) require(c, a.shape()[axis] > 0, "elements along each axis");
  if (p.kind == FftKind::from_half) {
    require(c, p.n > 0 && p.n / 2 + 1 == a.shape()[p.axes.back()], "n / 2 + 1 elements");
  }
}

const Op fft_op{.name = "fft",
                .infer = infer_fft,
                .vjp = vjp_fft,
                .jvp = jvp_linear,
                .vmap = vmap_fft,
                .params = &params_type<FftParams>,
                .check = check_fft};

// ---- Checks

// Cut or zero-padded to n elements along an axis.
array resized(const array& a, int axis, int64_t n, StreamOrDevice s) {
  const int64_t size = a.shape()[axis];
  if (n < size) {
    Shape stop = a.shape();
    stop[axis] = n;
    return slice(a, Shape(stop.size(), 0), stop, s);
  }
  if (n > size)
    return pad(a, {axis}, Shape{0}, Shape{n - size}, array(0, a.dtype()), "constant", s);
  return a;
}

struct Kind {
  const char* op;
  FftKind kind;
  bool inverse;
};

std::vector<int> checked_axes(const Kind& k, const array& a, const std::optional<Shape>& n,
                              const std::optional<std::vector<int>>& axes) {
  if (a.ndim() == 0) fail("[", k.op, "] expected at least one axis; got a scalar");
  std::vector<int> out;
  if (!axes) {
    if (n) fail("[", k.op, "] expected axes along with the sizes ", *n, "; got none");
    for (int i = 0; i < a.ndim(); ++i) out.push_back(i);
    return out;
  }
  normalize_axes(*axes, a.ndim(), k.op);
  for (int axis : *axes) out.push_back(normalize_axis(axis, a.ndim(), k.op));
  if (n && n->size() != out.size()) {
    fail("[", k.op, "] expected one size per axis; got ", n->size(), " sizes and ", out.size(),
         " axes");
  }
  return out;
}

double scale_of(fft::Norm norm, bool inverse, double count) {
  if (norm.value == fft::FFTNorm::Ortho) return 1 / std::sqrt(count);
  return (norm.value == fft::FFTNorm::Backward) == inverse ? 1 / count : 1;
}

array transform_axes(const Kind& k, const array& a, const std::optional<Shape>& n,
                     const std::optional<std::vector<int>>& axes, fft::Norm norm,
                     StreamOrDevice s) {
  const std::vector<int> along = checked_axes(k, a, n, axes);
  if (along.empty()) return a;
  const Dtype complex = complex_type(a.dtype());
  const bool real_input = k.kind == FftKind::to_half;
  array x = real_input && is_complexfloating(a.dtype()) ? real(a, s) : a;
  x = astype(x, real_input ? real_type(complex) : complex, s);
  FftParams p{{}, k.kind, k.inverse, 0, 1};
  double count = 1;
  for (size_t i = 0; i < along.size(); ++i) {
    const int axis = along[i];
    const bool half = k.kind == FftKind::from_half && i + 1 == along.size();
    int64_t size = n ? (*n)[i] : half ? 2 * (x.shape()[axis] - 1) : x.shape()[axis];
    if (size < 1) {
      fail("[", k.op, "] expected at least one element to transform along axis ", axis, "; got ",
           size);
    }
    if (half) p.n = size;
    x = resized(x, axis, half ? size / 2 + 1 : size, s);
    count *= static_cast<double>(size);
    p.axes.push_back(axis);
  }
  p.scale = scale_of(norm, k.inverse, count);
  return transform(x, p, s);
}

}  // namespace

namespace fft {

Norm::Norm(const std::string& name) {
  if (name == "backward") {
    value = FFTNorm::Backward;
  } else if (name == "ortho") {
    value = FFTNorm::Ortho;
  } else if (name == "forward") {
    value = FFTNorm::Forward;
  } else {
    fail("[fft] expected norm 'backward', 'ortho' or 'forward'; got '", name, "'");
  }
}

#define OLIVINE_FFT(one, two, many, kind, inverse)                                              \
  array one(const array& a, int n, int axis, Norm norm, StreamOrDevice s) {                     \
    return transform_axes({#one, kind, inverse}, a, Shape{n}, std::vector<int>{axis}, norm, s); \
  }                                                                                             \
  array one(const array& a, int axis, Norm norm, StreamOrDevice s) {                            \
    return transform_axes({#one, kind, inverse}, a, {}, std::vector<int>{axis}, norm, s);       \
  }                                                                                             \
  array two##_over(const array& a, const std::optional<Shape>& n,                               \
                   const std::optional<std::vector<int>>& axes, Norm norm, StreamOrDevice s) {  \
    return transform_axes({#two, kind, inverse}, a, n, axes, norm, s);                          \
  }                                                                                             \
  array many##_over(const array& a, const std::optional<Shape>& n,                              \
                    const std::optional<std::vector<int>>& axes, Norm norm, StreamOrDevice s) { \
    return transform_axes({#many, kind, inverse}, a, n, axes, norm, s);                         \
  }
OLIVINE_FFT(fft, fft2, fftn, FftKind::complex, false)
OLIVINE_FFT(ifft, ifft2, ifftn, FftKind::complex, true)
OLIVINE_FFT(rfft, rfft2, rfftn, FftKind::to_half, false)
OLIVINE_FFT(irfft, irfft2, irfftn, FftKind::from_half, true)
#undef OLIVINE_FFT

// ---- Frequencies

namespace {

// k / (n d) for k in [0, positive), then in [negative, 0).
array frequencies(const char* op, int n, double d, int64_t positive, int64_t negative) {
  if (n < 1) fail("[", op, "] expected n >= 1; got ", n);
  if (d == 0) fail("[", op, "] expected a sample spacing other than 0; got 0");
  const double step = 1 / (n * d);
  BufferRef buffer = allocate(static_cast<size_t>(positive - negative) * sizeof(float));
  auto* out = static_cast<float*>(buffer->data);
  auto add = [&](int64_t from, int64_t to) {
    for (int64_t k = from; k < to; ++k) *out++ = static_cast<float>(static_cast<double>(k) * step);
  };
  add(0, positive);
  add(negative, 0);
  return make_done(std::move(buffer), Shape{positive - negative}, float32);
}

array shift(const char* op, const array& a, const std::vector<int>& axes, bool back,
            StreamOrDevice s) {
  Shape by;
  std::vector<int> along;
  for (int axis : axes) {
    along.push_back(normalize_axis(axis, a.ndim(), op));
    const int64_t n = a.shape()[along.back()];
    by.push_back(back ? n - n / 2 : n / 2);
  }
  return roll(a, by, along, s);
}
std::vector<int> all_axes(const array& a) {
  std::vector<int> axes;
  for (int i = 0; i < a.ndim(); ++i) axes.push_back(i);
  return axes;
}

}  // namespace

array fftfreq(int n, double d, StreamOrDevice) {
  return frequencies("fftfreq", n, d, (int64_t{n} + 1) / 2, -(n / 2));
}
array rfftfreq(int n, double d, StreamOrDevice) {
  return frequencies("rfftfreq", n, d, n / 2 + 1, 0);
}

array fftshift(const array& a, const std::vector<int>& axes, StreamOrDevice s) {
  return shift("fftshift", a, axes, false, s);
}
array fftshift(const array& a, StreamOrDevice s) { return fftshift(a, all_axes(a), s); }
array ifftshift(const array& a, const std::vector<int>& axes, StreamOrDevice s) {
  return shift("ifftshift", a, axes, true, s);
}
array ifftshift(const array& a, StreamOrDevice s) { return ifftshift(a, all_axes(a), s); }

// ---- Short-time transforms

namespace {

struct Frames {
  int64_t size, hop;
  array window;  // of `size` elements
};

Frames checked_frames(const char* op, int64_t n_fft, const std::optional<int>& hop_length,
                      const std::optional<int>& win_length, const std::optional<array>& window,
                      Dtype dtype, StreamOrDevice s) {
  if (n_fft < 1) fail("[", op, "] expected n_fft >= 1; got ", n_fft);
  const int64_t hop = hop_length ? *hop_length : std::max<int64_t>(1, n_fft / 4);
  if (hop < 1) fail("[", op, "] expected hop_length >= 1; got ", hop);
  const int64_t length = win_length ? *win_length : window ? window->size() : n_fft;
  array w = window ? *window : ones({std::max<int64_t>(length, 0)}, dtype, s);
  if (w.ndim() != 1) fail("[", op, "] expected a window of one axis; got shape ", w.shape());
  if (length < 1 || length > n_fft || w.size() > n_fft || w.size() < 1) {
    fail("[", op, "] expected a window of 1 to n_fft = ", n_fft, " elements; got ",
         window ? w.size() : length);
  }
  const int64_t missing = n_fft - w.size();
  w = pad(w, {0}, Shape{missing / 2}, Shape{missing - missing / 2}, array(0, w.dtype()), "constant",
          s);
  return {n_fft, hop, astype(is_complexfloating(w.dtype()) ? real(w, s) : w, dtype, s)};
}

// Adds frames (…, count, size) up where they overlap: (…, length).
array overlap_add(const array& frames, int64_t hop, int64_t length, StreamOrDevice s) {
  const int64_t count = frames.shape(-2), size = frames.shape(-1);
  const Dtype index = length <= INT32_MAX ? int32 : int64;
  array at = add(
      expand_dims(multiply(arange(int64_t{0}, count, int64_t{1}, index, s), array(hop, index), s),
                  1, s),
      arange(int64_t{0}, size, int64_t{1}, index, s), s);
  Shape flat(frames.shape().begin(), frames.shape().end() - 2), out = flat;
  flat.push_back(checked_mul(count, size, "istft"));
  out.push_back(length);
  return scatter_add_axis(zeros(out, frames.dtype(), s), broadcast_to(flatten(at, s), flat, s),
                          reshape(frames, flat, s), -1, s);
}

}  // namespace

array stft(const array& x, int n_fft, const std::optional<int>& hop_length,
           const std::optional<int>& win_length, const std::optional<array>& window, bool center,
           const std::string& pad_mode, Norm norm, const std::optional<bool>& onesided,
           StreamOrDevice s) {
  if (x.ndim() == 0) fail("[stft] expected at least one axis; got a scalar");
  const bool half = onesided.value_or(!is_complexfloating(x.dtype()));
  const Dtype complex = complex_type(x.dtype()), real_dtype = real_type(complex);
  const Frames f = checked_frames("stft", n_fft, hop_length, win_length, window, real_dtype, s);
  array a = is_complexfloating(x.dtype()) && half ? real(x, s) : x;
  a = astype(a, is_complexfloating(a.dtype()) ? complex : real_dtype, s);
  if (center) {
    if (a.shape(-1) == 0) fail("[stft] expected a signal of at least one element; got ", a.shape());
    a = pad(a, {-1}, Shape{n_fft / 2}, Shape{n_fft / 2}, array(0, a.dtype()), pad_mode, s);
  }
  const int64_t length = a.shape(-1);
  if (length < f.size) {
    fail("[stft] expected a signal of at least n_fft = ", f.size, " elements; got ", length);
  }
  Shape shape(a.shape().begin(), a.shape().end() - 1);
  Strides strides;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t stride = length;
    for (size_t j = i + 1; j < shape.size(); ++j) stride *= shape[j];
    strides.push_back(stride);
  }
  shape.push_back(1 + (length - f.size) / f.hop);
  strides.push_back(f.hop);
  shape.push_back(f.size);
  strides.push_back(1);
  const array frames = multiply(as_strided(a, shape, strides, 0, s), f.window, s);
  return swapaxes(half ? rfft(frames, -1, norm, s) : fft(frames, -1, norm, s), -1, -2, s);
}

array istft(const array& stft_matrix, const std::optional<int>& n_fft,
            const std::optional<int>& hop_length, const std::optional<int>& win_length,
            const std::optional<array>& window, bool center, Norm norm,
            const std::optional<bool>& onesided, const std::optional<int>& length,
            StreamOrDevice s) {
  if (stft_matrix.ndim() < 2) {
    fail("[istft] expected axes (…, freq, frames); got shape ", stft_matrix.shape());
  }
  if (length && *length < 0) fail("[istft] expected length >= 0; got ", *length);
  const int64_t rows = stft_matrix.shape(-2), count = stft_matrix.shape(-1);
  const bool half = onesided.value_or(!(n_fft && rows == *n_fft && rows > 1));
  const int64_t size = n_fft ? *n_fft : half ? 2 * (rows - 1) : rows;
  const Dtype dtype = real_type(complex_type(stft_matrix.dtype()));
  const Frames f = checked_frames("istft", size, hop_length, win_length, window, dtype, s);
  if (rows != (half ? size / 2 + 1 : size)) {
    fail("[istft] expected ", half ? size / 2 + 1 : size, " frequencies for n_fft = ", size,
         "; got ", rows);
  }
  if (count < 1) fail("[istft] expected at least one frame; got shape ", stft_matrix.shape());
  const array spectra = swapaxes(stft_matrix, -1, -2, s);
  const array frames = half ? irfft(spectra, static_cast<int>(size), -1, norm, s)
                            : real(ifft(spectra, -1, norm, s), s);
  const int64_t total = checked_add(checked_mul(count - 1, f.hop, "istft"), size, "istft");
  array sum = overlap_add(multiply(frames, f.window, s), f.hop, total, s);
  const array weight =
      overlap_add(broadcast_to(square(f.window, s), {count, size}, s), f.hop, total, s);
  // Where no window reaches, the sum is zero already.
  const array none = less_equal(weight, array(1e-10, dtype), s);
  sum = divide(sum, where(none, ones_like(weight, s), weight, s), s);
  const int64_t cut = center ? size / 2 : 0;
  const int64_t kept = length ? *length : std::max<int64_t>(0, total - 2 * cut);
  Shape start(sum.shape().size(), 0), stop = sum.shape();
  start.back() = std::min(cut, total);
  stop.back() = std::min(total, start.back() + kept);
  return resized(slice(sum, start, stop, s), sum.ndim() - 1, kept, s);
}

}  // namespace fft
}  // namespace olivine
