// A program written for MLX's C++ interface: it includes MLX's headers and names mlx::core only.
#include <mlx/array.h>
#include <mlx/backend/metal/metal.h>
#include <mlx/compile.h>
#include <mlx/einsum.h>
#include <mlx/fast.h>
#include <mlx/linalg.h>
#include <mlx/mlx.h>
#include <mlx/ops.h>
#include <mlx/random.h>
#include <mlx/transforms.h>
#include <mlx/version.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <sstream>

namespace mx = mlx::core;

static int failures = 0;

static void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  ++failures;
}
static bool near(const mx::array& a, const mx::array& b) {
  return mx::allclose(a, b, 1e-4, 1e-5).item<bool>();
}

static void make_arrays() {
  float data[] = {1, 2, 3, 4, 5, 6};
  mx::array a(data, {2, 3});
  mx::array halves(data, {2, 3}, mx::float16);
  mx::array b({1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}, {2, 3});
  std::vector<int> list = {1, 2, 3};
  mx::array c(list.begin(), {3});
  expect(mx::array_equal(a, b).item<bool>(), "arrays from pointers and lists agree");
  expect(halves.dtype() == mx::float16 && near(mx::astype(halves, mx::float32), a), "conversion");
  expect(c.dtype() == mx::int32 && c.size() == 3 && c.strides(0) == 1, "from an iterator");
  float total = 0;
  for (mx::array row : a) total += mx::sum(row).item<float>();
  expect(total == 21, "rows of an array");
  static bool freed = false;
  {
    mx::array owned(new float[4]{1, 2, 3, 4}, {4}, mx::float32, [](void* p) {
      delete[] static_cast<float*>(p);
      freed = true;
    });
    expect(mx::sum(owned).item<float>() == 10, "memory of somebody else");
  }
  expect(freed, "the deleter is called");
  mx::array mask({true, false, true, false, true, true}, {2, 3});
  mx::array filled = mx::masked_scatter(a, mask, mx::array({10.0f, 20.0f, 30.0f, 40.0f}));
  expect(
      mx::array_equal(filled, mx::array({10.f, 2.f, 20.f, 4.f, 30.f, 40.f}, {2, 3})).item<bool>(),
      "masked_scatter");
  expect(mx::number_of_elements(a, {0, 1}, false).item<int>() == 6, "number_of_elements");
}

static void regress() {
  int examples = 200, features = 5;
  auto target = mx::random::normal({features}, mx::random::key(1));
  auto x = mx::random::normal({examples, features}, mx::random::key(2));
  auto y = mx::matmul(x, target);
  auto loss = [&](const mx::array& w) {
    return mx::mean(mx::square(mx::matmul(x, w) - y), /* keepdims */ false);
  };
  auto step = mx::value_and_grad(std::function<mx::array(const mx::array&)>(loss));
  mx::array w = mx::zeros({features});
  for (int i = 0; i < 300; ++i) {
    auto [value, gradient] = step(w);
    w = w - 0.1f * gradient;
    mx::eval(w);
  }
  expect(near(w, target), "gradient descent finds the weights");
}

static void transform() {
  mx::array x = mx::linspace(0.1, 1.0, 8);
  auto slope = mx::grad([](const mx::array& v) { return mx::sum(mx::sin(v)); });
  expect(near(slope(x), mx::cos(x)), "grad");
  auto rows = mx::vmap([](const mx::array& v) { return mx::softmax(v); });
  mx::array m = mx::reshape(x, {2, 4});
  expect(near(rows(m), mx::softmax(m, 1)), "vmap");
  auto products = mx::vmap([](const mx::array& a, const mx::array& b) { return mx::inner(a, b); });
  expect(near(products(m, m), mx::sum(mx::square(m), 1)), "vmap of two");
  auto fused = mx::compile([](const std::vector<mx::array>& in) {
    return std::vector<mx::array>{mx::tanh(in[0]) * in[1] + in[0]};
  });
  expect(near(fused({x, x})[0], mx::tanh(x) * x + x), "compile");
  auto [out, tangent] = mx::jvp([](const mx::array& v) { return mx::exp(v); }, x, mx::ones_like(x));
  expect(near(out, tangent), "jvp");
  auto twice = mx::custom_vjp(
      [](const std::vector<mx::array>& in) { return std::vector<mx::array>{in[0] * 2}; },
      [](const auto&, const auto& ct, const auto&) { return std::vector<mx::array>{ct[0] * 7}; });
  expect(near(mx::vjp(twice, {x}, {mx::ones_like(x)}).second[0], mx::full({8}, 7.0f)),
         "custom_vjp");
}

static void compute() {
  auto a = mx::random::uniform({4, 4}, mx::random::key(3)) + 4 * mx::eye(4);
  expect(near(mx::matmul(mx::linalg::inv(a), a), mx::eye(4)), "inv");
  auto [q, r] = mx::linalg::qr(a);
  expect(near(mx::matmul(q, r), a), "qr");
  expect(near(mx::fft::irfft(mx::fft::rfft(a)), a), "rfft");
  expect(near(mx::einsum("ij,kj->ik", {a, a}), mx::matmul(a, mx::transpose(a))), "einsum");
  auto normed = mx::fast::rms_norm(a, mx::ones({4}), 1e-5f);
  auto plain = a * mx::rsqrt(mx::mean(mx::square(a), -1, true) + 1e-5f);
  expect(near(normed, plain), "rms_norm");
  mx::random::KeySequence keys(7);
  expect(!mx::array_equal(keys.next(), keys.next()).item<bool>(), "keys differ");
}

static void save_and_load() {
  auto path = std::filesystem::temp_directory_path() / "olivine_mlx_program.safetensors";
  mx::array a = mx::arange(6, mx::float32);
  mx::save_safetensors(path.string(), {{"a", a}}, {{"by", "a test"}});
  auto [arrays, metadata] =
      mx::load_safetensors(path.string(), mx::default_stream(mx::Device::cpu));
  expect(near(arrays.at("a"), a) && metadata.at("by") == "a test", "safetensors");
  std::filesystem::remove(path);
}

static void look_around() {
  std::ostringstream text;
  text << mx::array({1, 2}, {2}) << ' ' << mx::float32 << ' ' << mx::Device(mx::Device::cpu) << ' '
       << mx::Shape{2, 3};
  expect(text.str().find("(2,3)") != std::string::npos, "printing");
  expect(mx::finfo(mx::float32).bits == 32 && mx::iinfo(mx::int8).max == 127, "limits");
  expect(mx::issubdtype(mx::float16, mx::floating), "categories");
  expect(!mx::metal::is_available() && MLX_VERSION_NUMERIC > 0 && mx::version()[0], "version");
  std::unordered_map<std::string, std::variant<std::string, size_t>> facts = mx::device_info();
  expect(std::holds_alternative<std::string>(facts.at("architecture")), "device_info");
  mx::Stream stream = mx::new_stream(mx::Device::cpu);
  {
    mx::StreamContext inside(stream);
    expect(mx::default_stream(mx::Device::cpu) == stream, "StreamContext");
  }
  mx::synchronize(stream);
  mx::set_compile_mode(mx::CompileMode::enabled);
  expect(mx::get_active_memory() <= mx::get_memory_limit(), "memory");
  switch (mx::array(1.0f).dtype()) {
    case mx::Dtype::Val::float32:
      break;
    default:
      expect(false, "a dtype can be switched on");
  }
}

int main() {
  make_arrays();
  regress();
  transform();
  compute();
  save_and_load();
  look_around();
  std::printf(failures ? "%d failures\n" : "all is well\n", failures);
  return failures != 0;
}
