// MLX's own primitives by their names: each gives what the function of its name gives, and the
// arrays differentiate, batch and compile like it.
#include <mlx/compile_impl.h>
#include <mlx/fast_primitives.h>
#include <mlx/io/load.h>
#include <mlx/mlx.h>
#include <mlx/primitives.h>

#include <cstdio>
#include <cstring>
#include <numbers>

namespace mx = mlx::core;
using Arrays = std::vector<mx::array>;

static int failures = 0;

static void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what.c_str());
  ++failures;
}
static bool alike(const mx::array& a, const mx::array& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  bool exact = !mx::issubdtype(a.dtype(), mx::inexact);
  return (exact ? mx::array_equal(a, b) : mx::allclose(a, b, 1e-4, 1e-5, true)).item<bool>();
}
template <class F>
static void expect_error(F f, const std::string& what) {
  try {
    f();
  } catch (const std::exception& e) {
    expect(std::strstr(e.what(), "expected") != nullptr, what + ": " + e.what());
    return;
  }
  expect(false, what + " throws");
}

static const mx::Stream stream = mx::default_stream(mx::default_device());

// The primitive's arrays, and what it computes when it is called itself, are `expected`.
static void expect_arrays(const std::shared_ptr<mx::Primitive>& primitive, const Arrays& expected,
                          const Arrays& in) {
  std::string name = primitive->name();
  std::vector<mx::Shape> shapes;
  std::vector<mx::Dtype> dtypes;
  Arrays outputs;
  for (const mx::array& e : expected) {
    shapes.push_back(e.shape());
    dtypes.push_back(e.dtype());
    outputs.push_back(mx::array(e.shape(), e.dtype(), nullptr, {}));
  }
  try {
    Arrays made = mx::array::make_arrays(shapes, dtypes, primitive, in);
    expect(made.size() == expected.size(), name + " gives its outputs");
    primitive->eval_cpu(in, outputs);
    for (size_t i = 0; i < expected.size(); ++i) {
      expect(alike(made[i], expected[i]), name + " as an array");
      expect(alike(outputs[i], expected[i]), name + " by eval_cpu");
    }
  } catch (const std::exception& e) {
    expect(false, name + " throws nothing: " + e.what());
  }
}
template <class P, class... Parameters>
static void gives(const Arrays& expected, const Arrays& in, Parameters... parameters) {
  expect_arrays(std::make_shared<P>(stream, parameters...), expected, in);
}

static mx::array ramp(std::initializer_list<int64_t> shape, double from = 0.1, double to = 0.9) {
  mx::Shape s(shape.begin(), shape.end());
  int64_t n = 1;
  for (int64_t d : s) n *= d;
  return mx::reshape(mx::linspace(from, to, static_cast<int>(n)), s);
}

static void elementwise() {
  auto x = ramp({2, 3}), y = ramp({2, 3}, 0.5, 0.2);
  auto i = mx::array({5, 9, 12}), j = mx::array({3, 4, 2});
  gives<mx::Abs>({mx::abs(-x)}, {-x});
  gives<mx::Add>({x + y}, {x, y});
  gives<mx::ArcCos>({mx::arccos(x)}, {x});
  gives<mx::ArcCosh>({mx::arccosh(x + 1)}, {x + 1});
  gives<mx::ArcSin>({mx::arcsin(x)}, {x});
  gives<mx::ArcSinh>({mx::arcsinh(x)}, {x});
  gives<mx::ArcTan>({mx::arctan(x)}, {x});
  gives<mx::ArcTan2>({mx::arctan2(x, y)}, {x, y});
  gives<mx::ArcTanh>({mx::arctanh(x)}, {x});
  gives<mx::AsType>({mx::astype(4 * x, mx::int32)}, {4 * x}, mx::int32);
  using Bits = mx::BitwiseBinary;
  gives<Bits>({mx::array({1, 0, 0})}, {i, j}, Bits::And);
  gives<Bits>({mx::array({7, 13, 14})}, {i, j}, Bits::Or);
  gives<Bits>({mx::array({6, 13, 14})}, {i, j}, Bits::Xor);
  gives<Bits>({mx::array({40, 144, 48})}, {i, j}, Bits::LeftShift);
  gives<Bits>({mx::array({0, 0, 3})}, {i, j}, Bits::RightShift);
  gives<mx::BitwiseInvert>({mx::array({-6, -10, -13})}, {i});
  gives<mx::Ceil>({mx::ones({2, 3})}, {x});
  gives<mx::Floor>({mx::zeros({2, 3})}, {x});
  gives<mx::Round>({mx::round(x)}, {x});
  auto c = mx::array({mx::complex64_t(1, 2)});
  gives<mx::Conjugate>({mx::array({mx::complex64_t(1, -2)})}, {c});
  gives<mx::Real>({mx::array({1.0f})}, {c});
  gives<mx::Imag>({mx::array({2.0f})}, {c});
  gives<mx::Cos>({mx::cos(x)}, {x});
  gives<mx::Cosh>({mx::cosh(x)}, {x});
  gives<mx::Divide>({x / y}, {x, y});
  gives<mx::DivMod>({mx::array({1, 2, 6}), mx::array({2, 1, 0})}, {i, j});
  gives<mx::Select>({mx::minimum(x, y)}, {x < y, x, y});
  gives<mx::Remainder>({mx::array({2, 1, 0})}, {i, j});
  gives<mx::FloorDivide>({mx::array({1, 2, 6})}, {i, j});
  auto nan = mx::array({NAN, 1.0f});
  gives<mx::Equal>({mx::array({false, true})}, {nan, nan});
  gives<mx::Equal>({mx::array({true, true})}, {nan, nan}, true);
  gives<mx::NotEqual>({mx::array({true, false})}, {nan, nan});
  gives<mx::Greater>({x > y}, {x, y});
  gives<mx::GreaterEqual>({x >= y}, {x, y});
  gives<mx::Less>({x < y}, {x, y});
  gives<mx::LessEqual>({x <= y}, {x, y});
  gives<mx::Erf>({mx::erf(x)}, {x});
  gives<mx::ErfInv>({mx::erfinv(x)}, {x});
  gives<mx::Exp>({mx::exp(x)}, {x});
  gives<mx::Expm1>({mx::expm1(x)}, {x});
  gives<mx::Log>({mx::log(x)}, {x}, mx::Log::e);
  gives<mx::Log>({mx::log2(x)}, {x}, mx::Log::two);
  gives<mx::Log>({mx::log10(x)}, {x}, mx::Log::ten);
  gives<mx::Log1p>({mx::log1p(x)}, {x});
  auto t = mx::array({true, true, false}), f = mx::array({true, false, false});
  gives<mx::LogicalNot>({mx::array({false, false, true})}, {t});
  gives<mx::LogicalAnd>({f}, {t, f});
  gives<mx::LogicalOr>({t}, {t, f});
  gives<mx::LogAddExp>({mx::logaddexp(x, y)}, {x, y});
  gives<mx::Maximum>({mx::maximum(x, y)}, {x, y});
  gives<mx::Minimum>({mx::minimum(x, y)}, {x, y});
  gives<mx::Multiply>({x * y}, {x, y});
  gives<mx::Negative>({-x}, {x});
  gives<mx::Power>({mx::power(x, y)}, {x, y});
  gives<mx::Sigmoid>({mx::sigmoid(x)}, {x});
  gives<mx::Sign>({mx::array({-1, 0, 1})}, {mx::array({-7, 0, 2})});
  gives<mx::Sin>({mx::sin(x)}, {x});
  gives<mx::Sinh>({mx::sinh(x)}, {x});
  gives<mx::Square>({x * x}, {x});
  gives<mx::Sqrt>({mx::sqrt(x)}, {x});
  gives<mx::Sqrt>({mx::rsqrt(x)}, {x}, true);
  gives<mx::Subtract>({x - y}, {x, y});
  gives<mx::Tan>({mx::tan(x)}, {x});
  gives<mx::Tanh>({mx::tanh(x)}, {x});
}

static void shapes() {
  auto x = ramp({2, 3});
  gives<mx::Arange>({mx::array({1, 3, 5})}, {}, 1.0, 6.0, 2.0);
  gives<mx::Full>({mx::full({2, 2}, mx::array(3.0f))}, {mx::array(3.0f)});
  auto key = mx::random::key(7);
  gives<mx::RandomBits>({mx::random::bits({4}, 4, key)}, {key}, mx::Shape{4}, 4);
  auto other = mx::random::key(8), keys = mx::stack({key, other});
  auto drawn = mx::stack({mx::random::bits({6}, 2, key), mx::random::bits({6}, 2, other)});
  gives<mx::RandomBits>({mx::reshape(drawn, {2, 3, 2})}, {keys}, mx::Shape{2, 3, 2}, 2);
  auto uneven = std::make_shared<mx::RandomBits>(stream, mx::Shape{5}, 4);
  expect_error([&] { mx::array({5}, mx::uint32, uneven, {keys}); }, "5 numbers of 2 keys");
  gives<mx::AsStrided>({mx::slice(x, {0, 1}, {2, 3})}, {x}, mx::Shape{2, 2}, mx::Strides{3, 1},
                       size_t{1});
  gives<mx::BroadcastAxes>({mx::broadcast_to(mx::ones({3, 1}), {4, 3, 1})},
                           {mx::ones({3, 1}), mx::ones({4, 1, 5})}, std::vector<int>{-1});
  gives<mx::BroadcastAxes>({mx::ones({2, 3})}, {mx::ones({3}), x});
  gives<mx::Broadcast>({mx::broadcast_to(x, {4, 2, 3})}, {x}, mx::Shape{4, 2, 3});
  gives<mx::Contiguous>({mx::transpose(x)}, {mx::transpose(x)}, false);
  gives<mx::Copy>({x}, {x});
  gives<mx::ExpandDims>({mx::reshape(x, {1, 2, 1, 3})}, {x}, std::vector<int>{0, 2});
  gives<mx::Flatten>({mx::reshape(x, {6})}, {x}, 0, 1);
  gives<mx::NumberOfElements>({mx::array(6.0f)}, {x}, std::vector<int>{0, 1}, false, mx::float32);
  gives<mx::Reshape>({mx::reshape(x, {3, 2})}, {x}, mx::Shape{3, 2});
  gives<mx::StopGradient>({x}, {x});
  gives<mx::Squeeze>({x}, {mx::expand_dims(x, 1)}, std::vector<int>{1});
  gives<mx::Transpose>({mx::transpose(x)}, {x}, std::vector<int>{1, 0});
  gives<mx::Unflatten>({mx::reshape(x, {2, 3, 1})}, {x}, 1, mx::Shape{3, 1});
  gives<mx::View>({mx::view(x, mx::uint32)}, {x}, mx::uint32);
  gives<mx::Concatenate>({mx::concatenate({x, x}, 1)}, {x, x}, 1);
  gives<mx::Depends>({x}, {x, mx::exp(x)});
  gives<mx::Pad>({mx::pad(x, {{0, 1}, {2, 0}}, mx::array(7.0f))}, {x, mx::array(7.0f)},
                 std::vector<int>{0, 1}, mx::Shape{0, 2}, mx::Shape{1, 0});
  gives<mx::Split>({mx::slice(x, {0, 0}, {2, 1}), mx::slice(x, {0, 1}, {2, 3})}, {x}, mx::Shape{1},
                   1);
}

static void indices() {
  auto x = ramp({3, 4});
  mx::Shape low{0, 1}, high{3, 4}, step{2, 1};
  gives<mx::Slice>({mx::slice(x, low, high, step)}, {x}, low, high, step);
  auto u = mx::full({2, 3}, 2.0f);
  using Update = mx::SliceUpdate;
  gives<Update>({mx::slice_update(x, u, low, high, step)}, {x, u}, Update::None, low, high, step);
  gives<Update>({mx::slice_update_add(x, u, low, high, step)}, {x, u}, Update::Sum, low, high,
                step);
  gives<Update>({mx::slice_update_prod(x, u, low, high, step)}, {x, u}, Update::Prod, low, high,
                step);
  gives<Update>({mx::slice_update_max(x, u, low, high, step)}, {x, u}, Update::Max, low, high,
                step);
  gives<Update>({mx::slice_update_min(x, u, low, high, step)}, {x, u}, Update::Min, low, high,
                step);
  auto start = mx::array({1});
  gives<mx::DynamicSlice>({mx::slice(x, {1, 0}, {3, 4})}, {x, start}, std::vector<int>{0},
                          mx::Shape{2, 4});
  gives<mx::DynamicSliceUpdate>(
      {mx::slice_update(x, mx::ones({2, 4}), mx::Shape{1, 0}, mx::Shape{3, 4})},
      {x, mx::ones({2, 4}), start}, std::vector<int>{0});
  auto rows = mx::array({2, 0});
  gives<mx::Gather>({mx::gather(x, {rows}, {0}, {1, 4})}, {x, rows}, std::vector<int>{0},
                    mx::Shape{1, 4});
  auto along = mx::array({1, 0, 2}, {3, 1});
  gives<mx::GatherAxis>({mx::take_along_axis(x, along, 1)}, {x, along}, 1);
  auto v = mx::full({2, 1, 4}, 3.0f);
  using Scatter = mx::Scatter;
  gives<Scatter>({mx::scatter(x, {rows}, v, {0})}, {x, rows, v}, Scatter::None,
                 std::vector<int>{0});
  gives<Scatter>({mx::scatter_add(x, {rows}, v, {0})}, {x, rows, v}, Scatter::Sum,
                 std::vector<int>{0});
  gives<Scatter>({mx::scatter_prod(x, {rows}, v, {0})}, {x, rows, v}, Scatter::Prod,
                 std::vector<int>{0});
  gives<Scatter>({mx::scatter_max(x, {rows}, v, {0})}, {x, rows, v}, Scatter::Max,
                 std::vector<int>{0});
  gives<Scatter>({mx::scatter_min(x, {rows}, v, {0})}, {x, rows, v}, Scatter::Min,
                 std::vector<int>{0});
  auto w = mx::ones({3, 1});
  gives<mx::ScatterAxis>({mx::put_along_axis(x, along, w, 1)}, {x, along, w}, mx::ScatterAxis::None,
                         1);
  gives<mx::ScatterAxis>({mx::scatter_add_axis(x, along, w, 1)}, {x, along, w},
                         mx::ScatterAxis::Sum, 1);
  auto mask = mx::array({true, false, true});
  gives<mx::MaskedScatter>({mx::array({7.0f, 2.0f, 8.0f})},
                           {mx::array({1.0f, 2.0f, 3.0f}), mask, mx::array({7.0f, 8.0f})});
}

static void along_axes() {
  auto x = mx::array({3.0f, 1.0f, 2.0f, 6.0f, 5.0f, 4.0f}, {2, 3});
  using Arg = mx::ArgReduce;
  gives<Arg>({mx::array({0u, 0u}, {2, 1})}, {x}, Arg::ArgMax, 1);
  gives<Arg>({mx::array({1u, 2u}, {2, 1})}, {x}, Arg::ArgMin, 1);
  gives<mx::ArgSort>({mx::array({1u, 2u, 0u, 2u, 1u, 0u}, {2, 3})}, {x}, 1);
  gives<mx::Sort>({mx::array({1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}, {2, 3})}, {x}, 1);
  gives<mx::ArgPartition>({mx::argpartition(x, 1, 1)}, {x}, 1, 1);
  gives<mx::Partition>({mx::partition(x, 1, 1)}, {x}, 1, 1);
  auto wave = mx::reshape(mx::arange(0, 12), {3, 4});
  wave = mx::astype(wave, mx::float32);
  auto spectrum = mx::fft::fft(wave);
  std::vector<size_t> last{1}, both{0, 1};
  gives<mx::FFT>({spectrum}, {mx::astype(wave, mx::complex64)}, last, false, false);
  gives<mx::FFT>({mx::fft::ifft(spectrum)}, {spectrum}, last, true, false);
  gives<mx::FFT>({mx::fft::rfftn(wave, std::vector<int>{0, 1})}, {wave}, both, false, true);
  gives<mx::FFT>({wave}, {mx::fft::rfft(wave)}, last, true, true);
  auto odd = mx::slice(wave, {0, 0}, {3, 3});
  gives<mx::FFT>({odd}, {mx::fft::rfft(odd)}, last, true, true, true);
  gives<mx::Hadamard>({mx::hadamard_transform(wave, 0.5f)}, {wave}, 0.5f);
  gives<mx::LogSumExp>({mx::logsumexp(x, -1, true)}, {x});
  gives<mx::Softmax>({mx::softmax(x, -1)}, {x}, true);
  using Reduce = mx::Reduce;
  std::vector<int> rows{1};
  gives<Reduce>({mx::array({6.0f, 15.0f}, {2, 1})}, {x}, Reduce::Sum, rows);
  gives<Reduce>({mx::array({6.0f, 120.0f}, {2, 1})}, {x}, Reduce::Prod, rows);
  gives<Reduce>({mx::array({1.0f, 4.0f}, {2, 1})}, {x}, Reduce::Min, rows);
  gives<Reduce>({mx::array({3.0f, 6.0f}, {2, 1})}, {x}, Reduce::Max, rows);
  gives<Reduce>({mx::array({false, true}, {2, 1})}, {x > 1}, Reduce::And, rows);
  gives<Reduce>({mx::array({false, true}, {2, 1})}, {x > 3}, Reduce::Or, rows);
  using Scan = mx::Scan;
  gives<Scan>({mx::cumsum(x, 1, true, false)}, {x}, Scan::Sum, 1, true, false);
  gives<Scan>({mx::cumprod(x, 1)}, {x}, Scan::Prod, 1, false, true);
  gives<Scan>({mx::cummax(x, 1)}, {x}, Scan::Max, 1, false, true);
  gives<Scan>({mx::cummin(x, 1)}, {x}, Scan::Min, 1, false, true);
  gives<Scan>({mx::logcumsumexp(x, 1)}, {x}, Scan::LogAddExp, 1, false, true);
  auto rising = mx::array({1, 2, 2, 3});
  gives<mx::SearchSorted>({mx::array({3u})}, {rising, mx::array({2})}, true);
  gives<mx::SearchSorted>({mx::array({1u})}, {rising, mx::array({2})}, false);
}

static void products() {
  auto a = ramp({64, 64}), b = ramp({64, 64}, -1, 1), c = ramp({64, 64}, 2, 3);
  gives<mx::Matmul>({mx::matmul(a, b)}, {a, b});
  gives<mx::AddMM>({2 * mx::matmul(a, b) + 3 * c}, {a, b, c}, 2.0f, 3.0f);
  auto on = mx::array({true, false, true, true}, {2, 2});
  gives<mx::BlockMaskedMM>({mx::block_masked_mm(a, b, 32)}, {a, b}, 32);
  gives<mx::BlockMaskedMM>({mx::block_masked_mm(a, b, 32, on)}, {a, b, on}, 32);
  gives<mx::BlockMaskedMM>({mx::block_masked_mm(a, b, 32, std::nullopt, on, on)}, {a, b, on, on},
                           32);
  gives<mx::BlockMaskedMM>({mx::block_masked_mm(a, b, 32, on, on, on)}, {a, b, on, on, on}, 32);
  auto stack = mx::stack({a, b}), which = mx::array({1u, 0u});
  gives<mx::GatherMM>({mx::gather_mm(stack, stack, which, which)}, {stack, stack, which, which});
  auto parts = mx::array({0u, 16u, 16u, 64u}, {2, 2});
  gives<mx::SegmentedMM>({mx::segmented_mm(a, b, parts)}, {a, b, parts});
  auto image = ramp({1, 5, 5, 2}), kernel = ramp({3, 2, 2, 2});
  std::vector<int> one{1, 1}, none{0, 0};
  gives<mx::Convolution>({mx::conv2d(image, kernel, {1, 1}, {1, 0})}, {image, kernel}, one,
                         std::vector<int>{1, 0}, std::vector<int>{1, 0}, one, one);
}

static void quantized() {
  auto x = ramp({2, 64}, -1, 1), w = ramp({64, 64}, -1, 1);
  using Mode = mx::QuantizationMode;
  for (auto mode : {Mode::Affine, Mode::Mxfp4, Mode::Mxfp8, Mode::Nvfp4}) {
    expect(mx::string_to_quantization_mode(mx::quantization_mode_to_string(mode)) == mode, "modes");
  }
  expect_error([] { mx::string_to_quantization_mode("none", "op"); }, "an unknown mode");
  auto q = mx::quantize(w, 32, 4);
  gives<mx::QuantizedMatmul>({mx::quantized_matmul(x, q[0], q[1], q[2], true, 32, 4)},
                             {x, q[0], q[1], q[2]}, 32, 4, Mode::Affine, true);
  auto m = mx::quantize(w, 32, 4, "mxfp4");
  gives<mx::QuantizedMatmul>(
      {mx::quantized_matmul(x, m[0], m[1], std::nullopt, true, 32, 4, "mxfp4")}, {x, m[0], m[1]},
      32, 4, Mode::Mxfp4, true);
  auto n = mx::quantize(w, 16, 4, "nvfp4");
  gives<mx::QQMatmul>({mx::qqmm(x, n[0], n[1], 16, 4, "nvfp4")}, {x, n[0], n[1]}, 16, 4,
                      Mode::Nvfp4);
  auto left = mx::array({1u, 0u}), right = mx::array({0u, 0u});
  auto lhs = mx::expand_dims(x, 1);
  auto many = [](const mx::array& a) { return mx::expand_dims(a, 0); };
  gives<mx::GatherQMM>(
      {mx::gather_qmm(lhs, many(q[0]), many(q[1]), many(q[2]), left, right, true, 32, 4)},
      {lhs, many(q[0]), many(q[1]), many(q[2]), left, right}, 32, 4, Mode::Affine, true);
  gives<mx::GatherQQMM>({mx::gather_qqmm(lhs, many(n[0]), many(n[1]), left, right, 16, 4, "nvfp4")},
                        {lhs, many(n[0]), many(n[1]), left, right}, 16, 4, Mode::Nvfp4);
  namespace fast = mx::fast;
  gives<fast::Quantize>(q, {w}, nullptr, 32, 4, Mode::Affine, false);
  gives<fast::Quantize>({mx::dequantize(q[0], q[1], q[2], 32, 4)}, {q[0], q[1], q[2]}, nullptr, 32,
                        4, Mode::Affine, true);
  auto bytes = mx::to_fp8(x);
  gives<fast::ConvertFP8>({bytes}, {x}, true);
  gives<fast::ConvertFP8>({mx::from_fp8(bytes, mx::float32)}, {bytes}, false);
}

static void matrices() {
  auto g = mx::array({4.0f, 1.0f, 2.0f, 3.0f}, {2, 2});
  auto h = mx::array({4.0f, 1.0f, 1.0f, 3.0f}, {2, 2});
  namespace la = mx::linalg;
  auto [q, r] = la::qr(g);
  gives<mx::QRF>({q, r}, {g});
  gives<mx::SVD>(la::svd(g), {g}, true);
  gives<mx::SVD>(la::svd(g, false, stream), {g}, false);
  gives<mx::Inverse>({mx::array({0.3f, -0.1f, -0.2f, 0.4f}, {2, 2})}, {g}, false, false);
  gives<mx::Inverse>({la::tri_inv(g, true)}, {g}, true, true);
  gives<mx::Cholesky>({la::cholesky(h)}, {h}, false);
  auto [w, v] = la::eig(g);
  gives<mx::Eig>({w, v}, {g}, true);
  gives<mx::Eig>({la::eigvals(g)}, {g}, false);
  auto [l, u] = la::eigh(h);
  gives<mx::Eigh>({l, u}, {h}, std::string("L"), true);
  gives<mx::Eigh>({la::eigvalsh(h)}, {h}, std::string("L"), false);
  auto [both, pivots] = la::lu_factor(g);
  gives<mx::LUF>({both, pivots, la::lu(g)[0]}, {g});
}

static void fused() {
  namespace fast = mx::fast;
  auto x = ramp({2, 8}, -1, 1), w = ramp({8}, 1, 2), b = ramp({8});
  auto twice = [](Arrays in) { return Arrays{2 * in[0]}; };
  gives<fast::Custom>({2 * x}, {x}, twice);
  gives<fast::RMSNorm>({2 * x}, {x, w}, twice, 1e-5f);
  gives<fast::RMSNorm>({fast::rms_norm(x, w, 1e-5)}, {x, w}, nullptr, 1e-5f);
  gives<fast::LayerNorm>({fast::layer_norm(x, w, b, 1e-5)}, {x, w, b}, nullptr, 1e-5f);
  auto norm = [](const Arrays& in) { return Arrays{fast::rms_norm(in[0], in[1], 1e-5)}; };
  gives<fast::RMSNormVJP>(mx::vjp(norm, {x, w}, {x}).second, {x, w, x}, nullptr, 1e-5f);
  auto layer = [](const Arrays& in) { return Arrays{fast::layer_norm(in[0], in[1], in[2], 1e-5)}; };
  gives<fast::LayerNormVJP>(mx::vjp(layer, {x, w, b}, {x}).second, {x, w, b, x}, nullptr, 1e-5f);
  auto targets = mx::array({1, 5});
  gives<fast::CrossEntropy>({fast::cross_entropy(x, targets)}, {x, targets}, nullptr);
  auto eye = mx::take(mx::eye(8), targets, 0);
  gives<fast::CrossEntropyVJP>({mx::softmax(x, -1) - eye}, {x, targets, mx::ones({2})}, nullptr);
  auto q = ramp({1, 2, 4, 8});
  auto offset = mx::array(3);
  auto turned = fast::rope(q, 8, false, 10000.0, 1.0, 3);
  gives<fast::RoPE>({turned}, {q, offset}, nullptr, 8, false, 10000.0f, 1.0f, true);
  gives<fast::RoPE>({q}, {turned, offset}, nullptr, 8, false, 10000.0f, 1.0f, false);
  gives<fast::ScaledDotProductAttention>(
      {fast::scaled_dot_product_attention(q, q, q, 0.5, "causal")}, {q, q, q}, nullptr, 0.5f, true,
      false, false, false);
  expect_error(
      [&] {
        auto p = std::make_shared<fast::ScaledDotProductAttentionVJP>(stream, nullptr, 1.0f, false,
                                                                      false);
        mx::array(q.shape(), q.dtype(), p, {q});
      },
      "no fallback");
}

// A kernel of the user's for what a fallback says.
struct Doubling : mx::fast::Custom {
  using Custom::Custom;
  const char* name() const override { return "Doubling"; }
  void eval_cpu(const Arrays& in, Arrays& out) override {
    ++runs;
    out[0].set_data(mx::allocator::malloc(out[0].nbytes()));
    const float* from = in[0].data<float>();
    for (int64_t i = 0; i < in[0].size(); ++i) out[0].data<float>()[i] = 2 * from[i];
  }
  void eval_gpu(const Arrays&, Arrays&) override {}
  int runs = 0;
};

static void subclasses() {
  auto x = mx::array({1.0f, 2.0f, 3.0f});
  auto p = std::make_shared<Doubling>(stream, [](Arrays in) { return Arrays{2 * in[0]}; });
  auto f = [&](const mx::array& v) { return mx::array(v.shape(), v.dtype(), p, {v}); };
  expect(alike(f(x), 2 * x) && p->runs == 1, "a kernel beside a fallback");
  auto loss = [&](const mx::array& v) { return mx::sum(mx::square(f(v))); };
  expect(alike(mx::grad(loss)(x), 8 * x), "the fallback's derivative");
  expect(alike(mx::vmap(f)(x), 2 * x), "the fallback's batches");
}

static void functions_and_traces() {
  auto x = mx::array({1.0f, 2.0f, 3.0f});
  auto rules = std::make_shared<mx::CustomTransforms>(
      stream, 1,
      [](const Arrays& in, const Arrays& ct, const Arrays&) { return Arrays{ct[0] * 5 * in[0]}; },
      [](const Arrays&, const Arrays& t, const std::vector<int>&) { return Arrays{7 * t[0]}; },
      [](const Arrays& in, const std::vector<int>& axes) {
        return std::pair(Arrays{in[0] * 9}, std::vector<int>{axes[0]});
      });
  auto f = [&](const mx::array& v) {
    return mx::array(v.shape(), v.dtype(), rules, {v, mx::square(v)});
  };
  expect(alike(f(x), x * x), "CustomTransforms gives its outputs");
  expect(alike(mx::grad([&](const mx::array& v) { return mx::sum(f(v)); })(x), 5 * x), "its vjp");
  expect(alike(mx::jvp(f, x, mx::ones_like(x)).second, mx::full({3}, 7.0f)), "its jvp");
  expect(alike(mx::vmap(f)(x), 9 * x), "its vmap");

  auto a = mx::array({1.0f, 2.0f}), b = mx::array({3.0f, 4.0f});
  auto product = a * b, sum = product + mx::exp(a);
  Arrays outputs{sum, product};
  auto [tape, parents] = mx::detail::compile_dfs({a, b}, outputs, {});
  expect(tape.size() == 5, "a tape of two inputs and three ops");
  expect(parents[a.id()].size() == 2 && parents[product.id()].size() == 1, "who uses what");
  using Ids = std::unordered_set<std::uintptr_t>;
  auto compiled = std::make_shared<mx::Compiled>(stream, Arrays{a, b}, outputs, tape, Ids());
  Arrays again = mx::array::make_arrays({{2}, {2}}, {a.dtype(), a.dtype()}, compiled, {b, b});
  expect(alike(again[0], b * b + mx::exp(b)) && alike(again[1], b * b), "other inputs");
  expect_error([&] { mx::detail::compile_dfs({a}, outputs, {b}); }, "an input that is not given");

  auto y = mx::exp(a) + mx::exp(a);
  Arrays twice{y};
  auto [all, users] = mx::detail::compile_dfs({a}, twice, {});
  size_t before = all.size();
  mx::detail::compile_simplify(all, users, twice, 3);
  mx::detail::compile_validate_shapeless(all);
  auto other = mx::array({5.0f});
  Arrays resized = mx::detail::compile_replace(all, {a}, twice, {other}, true);
  expect(all.size() + 1 == before && users.size() == 2, "equal ops are one");
  expect(alike(twice[0], 2 * mx::exp(a)), "what they give");
  expect(alike(resized[0], 2 * mx::exp(other)), "other sizes");
  Arrays reshaped{mx::reshape(a, {1, 2})};
  auto fixed = mx::detail::compile_dfs({a}, reshaped, {}).first;
  expect_error([&] { mx::detail::compile_validate_shapeless(fixed); }, "an op with a size");
}

static void transformed() {
  auto x = ramp({3, 4}), y = ramp({3, 4}, 1, 2);
  auto f = [](const Arrays& in) {
    mx::array product(in[0].shape(), in[0].dtype(), std::make_shared<mx::Multiply>(stream), in);
    mx::array wave(product.shape(), product.dtype(), std::make_shared<mx::Sin>(stream), {product});
    return Arrays{wave};
  };
  auto loss = [&](const Arrays& in) { return mx::sum(f(in)[0]); };
  auto g = mx::grad(loss, std::vector<int>{0, 1})({x, y});
  expect(alike(g[0], y * mx::cos(x * y)) && alike(g[1], x * mx::cos(x * y)), "gradients");
  auto mapped = mx::vmap(f, {0, 1}, {0})({x, mx::transpose(y)});
  expect(alike(mapped[0], mx::sin(x * y)), "vmap");
  auto compiled = mx::compile(f, true);
  expect(alike(compiled({x, y})[0], mx::sin(x * y)), "compile");
  auto row = mx::take(x, 0, 0), column = mx::take(y, 0, 0);
  expect(alike(compiled({row, column})[0], mx::sin(row * column)), "compile for other shapes");
  mx::array s(x.shape(), x.dtype(), std::make_shared<mx::Sin>(stream), {x});
  expect(std::string(s.primitive().name()) == std::string(mx::sin(x).primitive().name()),
         "the graph has the op");

  mx::Multiply p(stream);
  mx::Primitive& rules = p;
  auto out = x * y;
  expect(alike(rules.vjp({x, y}, {x}, {1}, {out})[0], x * x), "a cotangent of the primitive");
  expect(alike(rules.jvp({x, y}, {x, y}, {0, 1})[0], 2 * x * y), "a tangent of it");
  auto [batch, axes] = rules.vmap({x, y}, {0, -1});
  expect(batch[0].shape() == mx::Shape{3, 3, 4} && axes[0] == 0, "its batches");
  expect(rules.output_shapes({x, y})[0] == x.shape(), "its shapes");
  expect(rules.is_equivalent(mx::Multiply(stream)), "two of a class");
  expect(!mx::Transpose(stream, {0, 1}).is_equivalent(mx::Transpose(stream, {1, 0})), "parameters");
  expect_error([&] { mx::array({7}, mx::float32, std::make_shared<mx::Sin>(stream), {x}); },
               "another shape");
  expect_error([&] { mx::array(x.shape(), mx::int32, std::make_shared<mx::Sin>(stream), {x}); },
               "another dtype");
  expect_error([&] { mx::array(x.shape(), mx::float32, std::make_shared<mx::Add>(stream), {x}); },
               "too few inputs");
}

// Eight bytes that count.
struct Counting : mx::io::Reader {
  bool is_open() const override { return true; }
  bool good() const override { return true; }
  size_t tell() override { return 0; }
  void seek(int64_t, std::ios_base::seekdir) override {}
  void read(char* data, size_t n) override { read(data, n, 0); }
  void read(char* data, size_t n, size_t offset) override {
    ++reads;
    for (size_t i = 0; i < n; ++i) data[i] = static_cast<char>(offset + i);
  }
  std::string label() const override { return "counting"; }
  int reads = 0;
};

static void loaded() {
  auto reader = std::make_shared<Counting>();
  mx::array a({3}, mx::uint8, std::make_shared<mx::Load>(stream, reader, 2), {});
  expect(reader->reads == 0, "Load waits");
  expect(alike(a, mx::astype(mx::array({2, 3, 4}), mx::uint8)) && reader->reads == 1, "Load");
  mx::array b({2}, mx::uint16, std::make_shared<mx::Load>(stream, reader, 0, true), {});
  expect(alike(b, mx::astype(mx::array({0x0001, 0x0203}), mx::uint16)), "Load of swapped bytes");
}

int main() {
  elementwise();
  shapes();
  indices();
  along_axes();
  products();
  quantized();
  matrices();
  fused();
  subclasses();
  functions_and_traces();
  transformed();
  loaded();
  std::printf(failures ? "%d failures\n" : "all is well\n", failures);
  return failures != 0;
}
