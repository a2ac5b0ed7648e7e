// Ops of the user's own: rules, batching, compilation, memory and errors, by finite differences
// where values are derivatives.
#include "olivine/primitive.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>

#include "olivine/custom_op.h"
#include "olivine/olivine.h"

namespace olivine {
namespace {

using Arrays = std::vector<array>;

// x^3, elementwise, in float64.
struct Cube : UnaryPrimitive {
  explicit Cube(Stream s) : UnaryPrimitive(s) {}
  static inline std::atomic<int> runs{0}, reused{0};

  const char* name() const override { return "Cube"; }
  bool is_equivalent(const Primitive&) const override { return true; }
  std::vector<Shape> output_shapes(const Arrays& in) override { return {in[0].shape()}; }

  void eval_cpu(const Arrays& in, array& out) override {
    ++runs;
    bool rows = in[0].flags().row_contiguous;
    if (rows && in[0].is_donatable()) {
      ++reused;
      out.copy_shared_buffer(in[0]);
    } else {
      out.set_data(allocator::malloc(out.nbytes()));
    }
    array x = rows ? in[0] : contiguous(in[0]);
    const double* from = x.data<double>();
    double* to = out.data<double>();
    for (int64_t i = 0; i < x.size(); ++i) to[i] = from[i] * from[i] * from[i];
  }
  Arrays vjp(const Arrays& primals, const Arrays& cotangents, const std::vector<int>&,
             const Arrays&) override {
    return {multiply(cotangents[0], multiply(array(3.0, float64), square(primals[0])))};
  }
  Arrays jvp(const Arrays& primals, const Arrays& tangents, const std::vector<int>&) override {
    return {multiply(tangents[0], multiply(array(3.0, float64), square(primals[0])))};
  }
};
array cube(const array& x) {
  return array(x.shape(), float64, std::make_shared<Cube>(to_stream({})), {x});
}

// The sum and the product of the two; without any rule.
struct SumAndProduct : Primitive {
  explicit SumAndProduct(Stream s) : Primitive(s) {}
  const char* name() const override { return "SumAndProduct"; }
  void eval_cpu(const Arrays& in, Arrays& out) override {
    const double *a = in[0].data<double>(), *b = in[1].data<double>();
    for (array& o : out) o.set_data(allocator::malloc(o.nbytes()));
    int64_t step_a = in[0].ndim() ? in[0].strides(0) : 0,
            step_b = in[1].ndim() ? in[1].strides(0) : 0;
    for (int64_t i = 0; i < out[0].size(); ++i) {
      out[0].data<double>()[i] = a[i * step_a] + b[i * step_b];
      out[1].data<double>()[i] = a[i * step_a] * b[i * step_b];
    }
  }
};
Arrays sum_and_product(const array& a, const array& b) {
  return array::make_arrays({a.shape(), a.shape()}, {float64, float64},
                            std::make_shared<SumAndProduct>(to_stream({})), {a, b});
}

array points(int n) { return linspace(-1.5, 1.5, n, float64); }
bool near(const array& a, const array& b, double tolerance = 1e-6) {
  return a.shape() == b.shape() && allclose(a, b, tolerance, tolerance).item<bool>();
}
// d f / d x of an elementwise f, by central differences.
array differences(const std::function<array(const array&)>& f, const array& x) {
  array h(1e-5, float64);
  return divide(subtract(f(add(x, h)), f(subtract(x, h))), multiply(array(2.0, float64), h));
}
array slope(const std::function<array(const array&)>& f, const array& x) {
  return grad([f](const array& v) { return sum(f(v)); })(x);
}
std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

TEST(Primitive, DifferentiatesToAnyOrder) {
  array x = points(7);
  EXPECT_TRUE(near(cube(x), power(x, array(3.0, float64))));
  EXPECT_TRUE(near(slope(cube, x), differences(cube, x)));
  auto first = [](const array& v) { return slope(cube, v); };
  EXPECT_TRUE(near(slope(first, x), differences(first, x)));
  auto [value, tangent] = jvp(UnaryFn(cube), x, ones_like(x));
  EXPECT_TRUE(near(tangent, differences(cube, x)) && near(value, cube(x)));
  auto through_op = [](const array& v) { return exp(cube(sin(v))); };
  EXPECT_TRUE(near(slope(through_op, x), differences(through_op, x)));
}

TEST(Primitive, WithoutABatchingRuleRunsOncePerElement) {
  array x = reshape(points(12), {3, 4});
  Cube::runs = 0;
  array y = vmap(UnaryFn(cube), 1, 1)(x);
  EXPECT_TRUE(near(y, cube(x)));
  EXPECT_GE(Cube::runs.load(), 4);
  auto slopes = vmap(UnaryFn([](const array& v) { return slope(cube, v); }));
  EXPECT_TRUE(near(slopes(x), differences(cube, x)));
  Arrays both = vmap([](const Arrays& in) { return sum_and_product(in[0], in[1]); },
                     {1, 0})({x, reshape(points(12), {4, 3})});
  EXPECT_TRUE(near(both[0], add(transpose(x), reshape(points(12), {4, 3}))));
  EXPECT_EQ(vmap(UnaryFn(cube))(zeros({0, 3}, float64)).shape(), (Shape{0, 3}));
}

TEST(Primitive, IsComputedOnceInCompiledFunctionsWhereEquivalent) {
  array x = points(5);
  auto f = compile([](const Arrays& in) { return Arrays{add(cube(in[0]), cube(in[0]))}; });
  f({x})[0].eval();
  Cube::runs = 0;
  EXPECT_TRUE(near(f({x})[0], multiply(array(2.0, float64), cube(x))));
  EXPECT_EQ(Cube::runs.load(), 2);  // one of them outside
  auto g = compile(grad([](const Arrays& in) { return Arrays{sum(cube(in[0]))}; }));
  EXPECT_TRUE(near(g({x})[0], differences(cube, x)));
}

TEST(Primitive, MayTakeTheMemoryOfADyingInput) {
  Cube::reused = 0;
  {
    array kept = points(1000);
    kept.eval();
    array y = cube(kept);
    y.eval();
    EXPECT_EQ(Cube::reused.load(), 0);
    EXPECT_TRUE(near(kept, points(1000)));
  }
  array x = points(1000);
  x.eval();
  array y = cube(x);
  x = array(0.0f);
  y.eval();
  EXPECT_EQ(Cube::reused.load(), 1);
  EXPECT_TRUE(near(y, power(points(1000), array(3.0, float64))));
  array chain = cube(cube(cube(points(10))));
  EXPECT_TRUE(near(chain, power(points(10), array(27.0, float64))));
}

TEST(Primitive, ReadsViewsAndFeedsFusedOps) {
  array x = reshape(points(12), {3, 4});
  EXPECT_TRUE(near(cube(transpose(x)), transpose(cube(x))));
  array y = add(cube(slice(x, {0, 1}, {3, 3})), array(1.0, float64));
  EXPECT_TRUE(near(y, add(slice(cube(x), {0, 1}, {3, 3}), array(1.0, float64))));
  EXPECT_EQ(cube(zeros({0}, float64)).size(), 0);
  Arrays both = sum_and_product(points(4), points(4));
  array only = both[1];
  both.clear();
  EXPECT_TRUE(near(only, square(points(4))));
}

TEST(Primitive, TellsTheGraph) {
  array x = points(3), y = cube(x);
  EXPECT_TRUE(y.has_primitive());
  EXPECT_STREQ(y.primitive().name(), "Cube");
  EXPECT_EQ(y.inputs().size(), 1u);
  EXPECT_EQ(y.inputs()[0].id(), x.id());
  EXPECT_EQ(y.status(), array::unscheduled);
  EXPECT_STREQ(exp(y).primitive().name(), "exp");
  Arrays both = sum_and_product(points(4), points(4));
  EXPECT_EQ(both[1].sibling_position(), 1);
  EXPECT_EQ(both[1].siblings().size(), 1u);
  EXPECT_TRUE(near(both[1].siblings()[0], both[0]));
  std::ostringstream graph;
  print_graph(graph, y);
  EXPECT_NE(graph.str().find("Cube"), std::string::npos);
  y.eval();
  EXPECT_FALSE(y.has_primitive());
  EXPECT_TRUE(y.inputs().empty());
}

TEST(Primitive, TakesWhatIsWrittenIntoItsGraph) {
  array x = points(3), y = cube(x), z = multiply(y, array(2.0, float64));
  const array& constant = y;
  y.inputs()[0] = add(x, x);
  EXPECT_TRUE(near(constant.inputs()[0], add(x, x)));
  EXPECT_TRUE(near(z, multiply(array(16.0, float64), multiply(x, square(x)))));
  array e = exp(x);
  e.primitive_ptr() = std::make_shared<Cube>(to_stream({}));
  EXPECT_STREQ(e.primitive().name(), "Cube");
  EXPECT_TRUE(near(e, cube(x)));
  array g = grad([&](const Arrays& in) {
    array d = exp(x);
    d.inputs()[0] = in[0];
    EXPECT_TRUE(d.has_primitive());  // a look at the graph
    return Arrays{sum(d)};
  })({x})[0];
  EXPECT_TRUE(near(g, exp(x)));
  array d = exp(x);
  std::vector<array>& inputs = d.inputs();
  d.eval();
  EXPECT_FALSE(d.has_primitive());
  EXPECT_TRUE(inputs.empty());
}

TEST(Primitive, RefusesWhatCannotBeWrittenAndGoesOn) {
  array x = points(3), y = cube(x), later = add(y, y);
  y.inputs()[0] = later;
  EXPECT_NE(error_of([&] { later.eval(); }).find("do not depend on this one"), std::string::npos);
  y.inputs()[0] = points(4);
  EXPECT_NE(error_of([&] { later.eval(); }).find("expected what gives shape"), std::string::npos);
  y.primitive_ptr() = nullptr;
  EXPECT_NE(error_of([&] { later.eval(); }).find("got none"), std::string::npos);
  EXPECT_TRUE(near(later, multiply(array(2.0, float64), multiply(x, square(x)))));
}

TEST(Primitive, MakesOneOpOfSiblings) {
  array a = points(4), b = exp(a);
  auto p = std::make_shared<SumAndProduct>(to_stream({}));
  array sum({4}, float64, p, {a, b}), product({4}, float64, p, {a, b});
  array user = add(sum, product);
  EXPECT_NE(error_of([&] { sum.set_siblings({product}, 2); }).find("position"), std::string::npos);
  EXPECT_NE(error_of([&] { sum.set_siblings({b}, 0); }).find("one primitive"), std::string::npos);
  sum.set_siblings({product}, 0);
  product.set_siblings({sum}, 1);
  EXPECT_EQ(sum.sibling_position(), 0);
  EXPECT_EQ(product.sibling_position(), 1);
  EXPECT_EQ(sum.primitive_id(), product.primitive_id());
  EXPECT_TRUE(near(user, add(add(a, b), multiply(a, b))));
  EXPECT_TRUE(near(product, multiply(a, b)));
}

TEST(Primitive, SchedulersOfTheirOwnSetTheStatus) {
  array a({2}, float64, nullptr, {});
  a.set_status(array::unscheduled);
  EXPECT_THROW(a.set_status(array::available), std::runtime_error);
  a.set_data(allocator::malloc(a.nbytes()));
  EXPECT_EQ(a.status(), array::available);
  a.set_status(array::evaluated);
  EXPECT_EQ(a.status(), array::evaluated);
  EXPECT_THROW(a.set_status(array::unscheduled), std::runtime_error);
  a.wait();
  EXPECT_EQ(a.status(), array::available);
}

TEST(Primitive, ErrorsNameIt) {
  array x = points(3);
  auto total = [](const Arrays& in) { return Arrays{sum(sum_and_product(in[0], in[0])[0])}; };
  EXPECT_EQ(error_of([&] { grad(total)({x}); }), "[vjp] SumAndProduct has no derivative");
  EXPECT_EQ(error_of([&] { jvp(total, {x}, {x}); }), "[jvp] SumAndProduct has no derivative");
  EXPECT_NE(error_of([&] {
              export_function("/nonexistent/f",
                              FunctionOfArgs([](const Args& in) { return Arrays{cube(in[0])}; }),
                              Args{x});
            }).find("expected ops that can be written to a file; got Cube"),
            std::string::npos);
  struct Lazy : UnaryPrimitive {
    using UnaryPrimitive::UnaryPrimitive;
    const char* name() const override { return "Lazy"; }
    void eval_cpu(const Arrays&, array&) override {}
  };
  array never({2}, float32, std::make_shared<Lazy>(to_stream({})), {x});
  EXPECT_NE(error_of([&] { never.eval(); }).find("[Lazy] expected eval_cpu to give output 0"),
            std::string::npos);
  struct Throws : UnaryPrimitive {
    using UnaryPrimitive::UnaryPrimitive;
    const char* name() const override { return "Throws"; }
    void eval_cpu(const Arrays&, array&) override { throw std::invalid_argument("no luck"); }
  };
  array input = exp(points(5));
  input.eval();
  array fails({5}, float64, std::make_shared<Throws>(to_stream({})), {input});
  input = array(0.0f);
  EXPECT_NE(error_of([&] { fails.eval(); }).find("no luck"), std::string::npos);
  EXPECT_NE(error_of([&] { fails.eval(); }).find("no luck"), std::string::npos);
  EXPECT_TRUE(near(fails.inputs()[0], exp(points(5))));
  EXPECT_NE(error_of([&] { array({2}, float32, nullptr, {x}); }).find("primitive"),
            std::string::npos);
  EXPECT_NE(error_of([] { array({2}, float32, nullptr, {}).eval(); }), "");
}

TEST(ArrayMemory, IsDescribedAndShared) {
  array a = reshape(arange(6.0), {2, 3});
  a.eval();
  EXPECT_TRUE(a.flags().row_contiguous && a.flags().contiguous && !a.flags().col_contiguous);
  array t = transpose(a);
  EXPECT_TRUE(!t.flags().row_contiguous && t.flags().contiguous && t.flags().col_contiguous);
  array s = slice(a, {0, 1}, {2, 3});
  EXPECT_FALSE(s.flags().contiguous);
  EXPECT_EQ(s.data_size(), 5u);
  EXPECT_EQ(s.offset(), 1);
  EXPECT_EQ(broadcast_to(array(1.0f), {4}).data_size(), 1u);
  array rows({3, 2}, float32, nullptr, {});
  rows.copy_shared_buffer(a, {1, 3}, {}, 6);
  EXPECT_TRUE(array_equal(rows, t).item<bool>());
  EXPECT_NE(error_of([&] {
              array far({3, 2}, float32, nullptr, {});
              far.copy_shared_buffer(a, {2, 3}, {}, 6);
            }).find("[copy_shared_buffer] expected memory"),
            std::string::npos);
  static float memory[4] = {1, 2, 3, 4};
  static int freed = 0;
  {
    array alien(allocator::Data(allocator::Buffer(memory), [](allocator::Buffer) { ++freed; }), {4},
                float32);
    EXPECT_EQ(sum(alien).item<float>(), 10);
    EXPECT_EQ(alien.buffer().ptr(), memory);
  }
  EXPECT_EQ(freed, 1);
  allocator::Buffer b = allocator::allocator().malloc(100);
  EXPECT_GE(allocator::allocator().size(b), 100u);
  allocator::allocator().free(b);
}

// ---- Ops from functions.

ArrayFn wave_op() {  // sin(a) * b
  return custom_op("wave", {.cpu =
                                [](const OpMemory& m) {
                                  const double *a = m.in[0].as<double>(), *b = m.in[1].as<double>();
                                  double* out = m.out[0].as<double>();
                                  parallel_for(m.out[0].size(), 1024,
                                               [&](int64_t begin, int64_t end) {
                                                 for (int64_t i = begin; i < end; ++i)
                                                   out[i] = std::sin(a[i]) * b[i];
                                               });
                                },
                            .derivative = [](int i, const array& v, const Arrays& in,
                                             const array&) -> std::optional<array> {
                              return multiply(v, i == 0 ? cos(in[0]) * in[1] : sin(in[0]));
                            },
                            .in_place = true});
}

TEST(CustomOp, OfElementsFollowsFromItsDerivative) {
  ArrayFn wave = wave_op();
  array x = points(5000), b = multiply(points(5000), array(2.0, float64));
  EXPECT_TRUE(near(wave({x, b})[0], sin(x) * b));
  auto of_x = [&](const array& v) { return wave({v, b})[0]; };
  auto of_b = [&](const array& v) { return wave({x, v})[0]; };
  EXPECT_TRUE(near(slope(of_x, x), differences(of_x, x)));
  EXPECT_TRUE(near(slope(of_b, b), differences(of_b, b)));
  auto first = [&](const array& v) { return slope(of_x, v); };
  EXPECT_TRUE(near(slope(first, x), differences(first, x)));
  EXPECT_TRUE(near(jvp(UnaryFn(of_x), x, ones_like(x)).second, differences(of_x, x)));
  // One number broadcasts, and its gradient sums.
  array c(0.5, float64);
  auto of_c = [&](const array& v) { return sum(wave({x, v})[0]); };
  EXPECT_TRUE(near(grad(of_c)(c), sum(sin(x))));
  array m = reshape(points(12), {3, 4});
  EXPECT_TRUE(
      near(vmap(wave, {1, -1}, {1})({m, points(3)})[0], sin(m) * expand_dims(points(3), 1)));
  EXPECT_TRUE(near(compile(wave)({x, b})[0], sin(x) * b));
}

TEST(CustomOp, OfOtherShapesHasItsOwnRules) {
  // The sum of each row, and its square.
  ArrayFn rows =
      custom_op("row_sums",
                {.cpu =
                     [](const OpMemory& m) {
                       int64_t n = m.in[0].shape[0], k = m.in[0].shape[1];
                       for (int64_t i = 0; i < n; ++i) {
                         double total = 0;
                         for (int64_t j = 0; j < k; ++j) total += m.in[0].as<double>()[i * k + j];
                         m.out[0].as<double>()[i] = total, m.out[1].as<double>()[i] = total * total;
                       }
                     },
                 .outputs =
                     [](const Arrays& in) {
                       if (in[0].ndim() != 2)
                         throw std::invalid_argument("[row_sums] expected a matrix");
                       std::pair<Shape, Dtype> spec{{in[0].shape(0)}, float64};
                       return std::vector{spec, spec};
                     },
                 .vjp =
                     [](const Arrays& in, const Arrays& ct, const Arrays& out) {
                       array g = ct[0] + multiply(array(2.0, float64), out[0]) * ct[1];
                       return OpRecord::MaybeArrays{broadcast_to(expand_dims(g, 1), in[0].shape())};
                     },
                 .jvp =
                     [](const Arrays&, const OpRecord::MaybeArrays& t, const Arrays& out) {
                       array d = sum(*t[0], 1);
                       return OpRecord::MaybeArrays{d, multiply(array(2.0, float64), out[0]) * d};
                     }});
  array m = reshape(points(12), {3, 4});
  array plain = sum(m, 1);
  EXPECT_TRUE(near(rows({m})[0], plain) && near(rows({m})[1], square(plain)));
  EXPECT_TRUE(near(rows({transpose(m)})[0], sum(m, 0)));
  auto f = [&](const array& v) { return sum(rows({v})[1]); };
  auto expected = grad([](const array& v) { return sum(square(sum(v, 1))); });
  EXPECT_TRUE(near(grad(f)(m), expected(m)));
  EXPECT_TRUE(near(slope([&](const array& v) { return grad(f)(v); }, m),
                   slope([&](const array& v) { return expected(v); }, m)));
  EXPECT_TRUE(near(jvp(rows, {m}, {ones_like(m)}).second[1], array(8.0, float64) * plain));
  array batch = reshape(points(24), {2, 3, 4});
  EXPECT_TRUE(near(vmap(rows)({batch})[0], sum(batch, 2)));
  EXPECT_EQ(error_of([&] { rows({points(3)}); }), "[row_sums] expected a matrix");
  EXPECT_NE(error_of([] { custom_op("none", {}); }), "");
}

// ---- Streams.

TEST(Event, OrdersStreams) {
  Stream a = new_stream(Device()), b = new_stream(Device());
  Event ready(a);
  EXPECT_FALSE(ready.is_signaled());
  std::atomic<int> order{0}, seen{-1};
  ready.wait(b);
  scheduler::enqueue(b, [&] { seen = order.load(); });
  scheduler::enqueue(a, [&] { order = 7; });
  ready.signal(a);
  ready.wait();
  synchronize(b);
  EXPECT_EQ(seen.load(), 7);
  Fence fence(a);
  uint32_t value = fence.update(a, cube(points(3)), false);
  fence.wait(b, points(3), value);
  synchronize(b);
  scheduler::enqueue(a, [] { throw std::runtime_error("oh"); });
  synchronize(a);
  EXPECT_EQ(error_of([&] { scheduler::check_error(a); }), "oh");
  EXPECT_EQ(error_of([&] { scheduler::check_error(a); }), "");
}

TEST(SmallVector, InsertsAndErasesRanges) {
  SmallVector<int> v{1, 2, 3};
  v.insert(v.begin() + 1, {7, 8});
  v.insert(v.end(), 2, 9);
  EXPECT_EQ(v, (SmallVector<int>{1, 7, 8, 2, 3, 9, 9}));
  v.erase(v.begin(), v.begin() + 3);
  v.pop_back(2);
  EXPECT_EQ(v, (SmallVector<int>{2, 3}));
  EXPECT_EQ(*v.rbegin(), 3);
  EXPECT_THROW(v.at(2), std::out_of_range);
}

TEST(Half, BehavesAsANumber) {
  float16_t a = 1.5f, b = 2;
  a += b;
  EXPECT_EQ(float(a * b), 7.0f);
  EXPECT_EQ(static_cast<bfloat16_t>(3).bits, to_bfloat16(3.0f).bits);
  EXPECT_TRUE(a > b && -a < 0.0f);
}

}  // namespace
}  // namespace olivine
