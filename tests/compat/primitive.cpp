// A custom primitive as MLX's users write them, with MLX's headers and names only: a blend
// a * x + b * y of any floating dtype, with every rule.
#include <mlx/allocator.h>
#include <mlx/backend/common/utils.h>
#include <mlx/backend/cpu/encoder.h>
#include <mlx/dtype_utils.h>
#include <mlx/event.h>
#include <mlx/mlx.h>
#include <mlx/primitives.h>
#include <mlx/scheduler.h>
#include <mlx/transforms_impl.h>
#include <mlx/utils.h>

#include <cstdio>
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
  return mx::allclose(mx::astype(a, mx::float32), mx::astype(b, mx::float32), 1e-2, 1e-2)
      .item<bool>();
}

template <typename T>
static void blend_values(const mx::array& x, const mx::array& y, mx::array& out, float a, float b,
                         mx::Stream stream) {
  auto& encoder = mx::cpu::get_command_encoder(stream);
  encoder.set_input_array(x);
  encoder.set_input_array(y);
  encoder.set_output_array(out);
  encoder.dispatch([px = x.data<T>(), py = y.data<T>(), to = out.data<T>(), size = out.size(),
                    shape = out.shape(), sx = x.strides(), sy = y.strides(), a, b]() {
    const T ta = static_cast<T>(a), tb = static_cast<T>(b);
    for (size_t i = 0; i < static_cast<size_t>(size); ++i) {
      auto ix = mx::elem_to_loc(i, shape, sx), iy = mx::elem_to_loc(i, shape, sy);
      to[i] = ta * px[ix] + tb * py[iy];
    }
  });
}

class Blend : public mx::Primitive {
 public:
  explicit Blend(mx::Stream stream, float a, float b) : mx::Primitive(stream), a_(a), b_(b) {}

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    auto& x = inputs[0];
    auto& y = inputs[1];
    auto& out = outputs[0];
    out.set_data(mx::allocator::malloc(out.nbytes()));
    mx::dispatch_float_types(out.dtype(), "Blend", [&](auto tag) {
      blend_values<MLX_GET_TYPE(tag)>(x, y, out, a_, b_, stream());
    });
  }
  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override {
    throw std::runtime_error("Blend has no GPU implementation.");
  }

  DEFINE_VMAP()
  DEFINE_GRADS()
  DEFINE_NAME(Blend)
  DEFINE_INPUT_OUTPUT_SHAPE()
  bool is_equivalent(const mx::Primitive& other) const override {
    const auto& o = static_cast<const Blend&>(other);
    return a_ == o.a_ && b_ == o.b_;
  }

 private:
  float a_, b_;
};

static mx::array blend(const mx::array& x, const mx::array& y, float a, float b,
                       mx::StreamOrDevice s = {}) {
  auto dtype = mx::promote_types(x.dtype(), y.dtype());
  dtype = mx::issubdtype(dtype, mx::floating) ? dtype : mx::float32;
  auto inputs = mx::broadcast_arrays({mx::astype(x, dtype, s), mx::astype(y, dtype, s)}, s);
  return mx::array(inputs[0].shape(), dtype, std::make_shared<Blend>(mx::to_stream(s), a, b),
                   inputs);
}

std::vector<mx::array> Blend::jvp(const std::vector<mx::array>&,
                                  const std::vector<mx::array>& tangents,
                                  const std::vector<int>& argnums) {
  if (argnums.size() == 1) {
    float scale = argnums[0] == 0 ? a_ : b_;
    return {mx::multiply(mx::array(scale, tangents[0].dtype()), tangents[0], stream())};
  }
  return {blend(tangents[0], tangents[1], a_, b_, stream())};
}
std::vector<mx::array> Blend::vjp(const std::vector<mx::array>&,
                                  const std::vector<mx::array>& cotangents,
                                  const std::vector<int>& argnums, const std::vector<mx::array>&) {
  std::vector<mx::array> grads;
  for (int i : argnums) {
    grads.push_back(
        mx::multiply(mx::array(i == 0 ? a_ : b_, cotangents[0].dtype()), cotangents[0], stream()));
  }
  return grads;
}
std::pair<std::vector<mx::array>, std::vector<int>> Blend::vmap(
    const std::vector<mx::array>& inputs, const std::vector<int>& axes) {
  auto x = axes[0] > 0 ? mx::moveaxis(inputs[0], axes[0], 0) : inputs[0];
  auto y = axes[1] > 0 ? mx::moveaxis(inputs[1], axes[1], 0) : inputs[1];
  return {{blend(x, y, a_, b_, stream())}, {0}};
}

static void differentiate() {
  auto x = mx::linspace(-1.0, 1.0, 6);
  auto y = mx::linspace(2.0, 3.0, 6);
  expect(near(blend(x, y, 2, 3), 2 * x + 3 * y), "values");
  for (auto dtype : {mx::float16, mx::bfloat16, mx::float32}) {
    expect(near(blend(mx::astype(x, dtype), mx::astype(y, dtype), 2, 3), 2 * x + 3 * y),
           "values of other dtypes");
  }
  auto f = [&](const std::vector<mx::array>& in) {
    return std::vector<mx::array>{mx::sum(blend(mx::square(in[0]), in[1], 2, 3))};
  };
  auto g = mx::grad(f, std::vector<int>{0, 1})({x, y});
  expect(near(g[0], 4 * x) && near(g[1], mx::full({6}, 3.0f)), "gradients");
  auto second = mx::grad([&](const mx::array& v) {
    return mx::sum(mx::grad([&](const mx::array& u) { return f({u, y})[0]; })(v));
  });
  expect(near(second(x), mx::full({6}, 4.0f)), "second derivative");
  auto [out, tangents] = mx::jvp(f, {x, y}, {mx::ones_like(x), mx::ones_like(y)});
  expect(near(tangents[0], mx::sum(4 * x + 3)), "tangents");
}

static void map_and_compile() {
  auto m = mx::reshape(mx::linspace(0.0, 1.0, 12), {3, 4});
  auto mapped =
      mx::vmap([](const mx::array& a, const mx::array& b) { return blend(a, b, 2, 3); }, 0, 1, 0);
  expect(near(mapped(m, mx::transpose(m)), 5 * m), "vmap");
  auto compiled = mx::compile([](const std::vector<mx::array>& in) {
    return std::vector<mx::array>{mx::exp(blend(in[0], in[1], 1, -1)) + blend(in[0], in[1], 1, -1)};
  });
  expect(near(compiled({m, 2 * m})[0], mx::exp(-m) - m), "compile");
  expect(near(blend(mx::transpose(m), mx::ones({4, 3}), 1, 1), mx::transpose(m) + 1), "strides");
}

static void look_inside() {
  auto x = mx::linspace(0.0, 1.0, 4);
  auto y = blend(x, x, 1, 1);
  expect(y.has_primitive() && std::string(y.primitive().name()) == "Blend", "primitive");
  expect(y.inputs().size() == 2 && y.status() == mx::array::Status::unscheduled, "inputs");
  mx::eval(y);
  expect(y.status() == mx::array::Status::available && y.flags().row_contiguous, "status");
  expect(y.data_size() == 4 && y.buffer_size() >= 16, "memory");
  mx::Stream stream = mx::new_stream(mx::Device::cpu);
  expect(!x.event().valid(), "no event");
  mx::Event done(stream);
  x.attach_event(done);
  done.signal(stream);
  x.wait();
  expect(done.is_signaled() && !x.event().valid(), "an event that came");
  x.detach_event();
  bool ran = false;
  mx::scheduler::enqueue(stream, [&] { ran = true; });
  mx::synchronize(stream);
  expect(ran, "tasks on streams");
  std::ostringstream text;
  mx::get_global_formatter().capitalize_bool = false;
  text << mx::array(true);
  mx::get_global_formatter().capitalize_bool = true;
  expect(text.str().find("true") != std::string::npos, "formatting");
  expect(mx::env::get_var("OLIVINE_SURELY_NOT_SET", 3) == 3, "environment");
  expect(mx::operator<(mx::complex64_t(1, 2), mx::complex64_t(2, 0)), "order of complex numbers");
  expect(mx::env::bfs_max_width() > 0 && !mx::env::residency_debug(), "settings");
  mx::array::unsafe_weak_copy(x).eval();
  mx::float16_t half = 0;
  std::vector<bool> bits{true};
  half = bits[0];
  expect(static_cast<float>(half) == 1, "a bit as a half");
  expect(mx::is_complex<mx::complex64_t> && !mx::is_complex<float>, "kinds of types");
  std::allocator<float> memory;
  mx::SmallVector<float> numbers(size_t{2}, 3.0f, memory);
  expect(numbers.size() == 2 && numbers[1] == 3, "a vector with an allocator");
  {
    mx::detail::InExportTracing exporting;
    expect(mx::detail::in_export_tracing(), "an export");
    mx::detail::RetainGraph retain;
    auto kept = mx::exp(x);
    kept.eval();
    expect(kept.has_primitive() && mx::detail::retain_graph(), "a graph that is kept");
  }
  expect(!mx::detail::retain_graph(), "it ends");
  bool traced = false;
  mx::vmap([&](const mx::array& v) {
    traced = mx::detail::in_tracing();
    return v;
  })(x);
  expect(traced && !mx::detail::in_tracing(), "a trace that runs");
  bool derived = false;
  mx::grad([&](const mx::array& v) {
    derived = mx::detail::in_grad_tracing();
    return mx::sum(v);
  })(x);
  expect(derived && !mx::detail::in_grad_tracing(), "a derivative that is taken");
  ThreadPool pool(2);
  expect(pool.enqueue([](int a) { return a + 1; }, 4).get() == 5, "threads");
}

int main() {
  differentiate();
  map_and_compile();
  look_inside();
  std::printf(failures ? "%d failures\n" : "all is well\n", failures);
  return failures != 0;
}
