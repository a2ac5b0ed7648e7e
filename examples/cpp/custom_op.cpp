// Ops of one's own: one from functions, one as a class. Every transformation takes them.
#include <olivine/olivine.h>

#include <cmath>
#include <iostream>

using namespace olivine;

// log(1 + exp(x)) of float32, elementwise: a kernel, and d(out)/dx * v made of other ops.
const ArrayFn softplus_op = custom_op(
    "softplus",
    {.cpu =
         [](const OpMemory& m) {
           const float* x = m.in[0].as<float>();
           float* y = m.out[0].as<float>();
           parallel_for(m.out[0].size(), 4096, [&](int64_t begin, int64_t end) {
             for (int64_t i = begin; i < end; ++i) {
               y[i] = std::fmax(x[i], 0.0f) + std::log1p(std::exp(-std::fabs(x[i])));
             }
           });
         },
     .derivative = [](int, const array& v, const std::vector<array>& in,
                      const array&) -> std::optional<array> { return v * sigmoid(in[0]); },
     .in_place = true});
array softplus(const array& x) { return softplus_op({astype(x, float32)})[0]; }

// alpha * x + y, as a class with parameters.
class Axpy : public UnaryPrimitive {
 public:
  Axpy(Stream s, float alpha) : UnaryPrimitive(s), alpha_(alpha) {}
  const char* name() const override { return "axpy"; }
  bool is_equivalent(const Primitive& other) const override {
    return alpha_ == static_cast<const Axpy&>(other).alpha_;
  }
  void eval_cpu(const std::vector<array>& in, array& out) override {
    out.set_data(allocator::malloc(out.nbytes()));
    array x = contiguous(in[0]), y = contiguous(in[1]);
    for (size_t i = 0; i < static_cast<size_t>(out.size()); ++i) {
      out.data<float>()[i] = alpha_ * x.data<float>()[i] + y.data<float>()[i];
    }
  }
  std::vector<array> vjp(const std::vector<array>&, const std::vector<array>& cotangents,
                         const std::vector<int>& argnums, const std::vector<array>&) override {
    std::vector<array> result;
    for (int i : argnums) result.push_back(i == 0 ? alpha_ * cotangents[0] : cotangents[0]);
    return result;
  }

 private:
  float alpha_;
};
array axpy(float alpha, const array& x, const array& y, StreamOrDevice s = {}) {
  auto op = std::make_shared<Axpy>(to_stream(s), alpha);
  return array(x.shape(), float32, op, {x, y});
}

int main() {
  array x = linspace(-2, 2, 5);
  auto slope = grad([](const array& v) { return sum(softplus(v)); });
  auto curvature = grad([&](const array& v) { return sum(slope(v)); });
  std::cout << "softplus   " << softplus(x) << "\n1st order  " << slope(x) << "\n2nd order  "
            << curvature(x) << '\n';
  array rows = reshape(arange(6.0, float32), {2, 3});
  std::cout << "mapped     " << vmap(UnaryFn(softplus))(rows) << '\n';
  auto f = [](const std::vector<array>& in) {
    return std::vector<array>{sum(axpy(3, in[0], square(in[1])))};
  };
  auto gradients = compile(grad(f, std::vector<int>{0, 1}))({x, x});
  std::cout << "axpy by x  " << gradients[0] << "\naxpy by y  " << gradients[1] << '\n';
}
