// `primitive`: the one op record behind all ops of the user's, whose rules call theirs.
#include "ops/primitive_params.h"

#include <stdexcept>
#include <utility>

#include "core/error.h"
#include "core/location.h"
#include "core/node.h"

namespace olivine {

Primitive::~Primitive() = default;

namespace {

// What the rules of the base class throw: the user's class has none.
struct NoRule : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

[[noreturn]] void no_gpu(const Primitive& p) {
  fail<std::runtime_error>("[", p.name(),
                           "] expected a device of this build, the cpu; got the gpu");
}

}  // namespace

void Primitive::eval_gpu(const Arrays&, Arrays&) { no_gpu(*this); }
Arrays Primitive::jvp(const Arrays&, const Arrays&, const std::vector<int>&) {
  fail<NoRule>("[jvp] ", name(), " has no derivative");
}
Arrays Primitive::vjp(const Arrays&, const Arrays&, const std::vector<int>&, const Arrays&) {
  fail<NoRule>("[vjp] ", name(), " has no derivative");
}
std::pair<Arrays, std::vector<int>> Primitive::vmap(const Arrays&, const std::vector<int>&) {
  fail<NoRule>("[vmap] ", name(), " has no batching rule");
}
bool Primitive::is_equivalent(const Primitive& other) const { return this == &other; }
std::vector<Shape> Primitive::output_shapes(const Arrays&) {
  fail<NoRule>("[", name(), "] expected inputs of the shapes that it was made for, as it has no ",
               "output_shapes; got others");
}
std::optional<Arrays> Primitive::composite(const Arrays&, const ArraySpecs&) {
  return std::nullopt;
}

void UnaryPrimitive::eval_gpu(const Arrays&, array&) { no_gpu(*this); }
void UnaryPrimitive::eval_cpu(const Arrays& inputs, Arrays& outputs) {
  eval_cpu(inputs, outputs[0]);
}
void UnaryPrimitive::eval_gpu(const Arrays& inputs, Arrays& outputs) {
  eval_gpu(inputs, outputs[0]);
}

// ---- Running it.
namespace {

// What is behind an output after eval_cpu.
PrimitiveValue value_of(const Primitive& p, const array& a, const OutSpec& spec, size_t index) {
  Node* n = a.node();
  if (!n->done() || !n->buffer) {
    fail<std::runtime_error>("[", p.name(), "] expected eval_cpu to give output ", index,
                             " memory with set_data; got none");
  }
  if (n->shape != spec.shape || n->dtype != spec.dtype) {
    fail<std::runtime_error>("[", p.name(), "] expected output ", index, " of shape ", spec.shape,
                             " and dtype ", spec.dtype, "; got ", n->shape, " and ", n->dtype);
  }
  return {n->buffer, {n->shape, n->strides, n->offset}, n->dtype};
}

}  // namespace

std::vector<PrimitiveValue> run_primitive(const PrimitiveParams& params,
                                          std::span<PrimitiveValue> in,
                                          std::span<const OutSpec> out) {
  Primitive& p = *params.made.primitive;
  Arrays inputs, outputs;
  inputs.reserve(in.size());
  for (PrimitiveValue& v : in) {
    const Layout& l = v.layout;
    inputs.push_back(make_done(std::move(v.buffer), l.shape, l.strides, l.offset, v.dtype));
  }
  for (const OutSpec& spec : out) outputs.push_back(array(spec.shape, spec.dtype, nullptr, {}));
  try {
    p.eval_cpu(inputs, outputs);
    if (outputs.size() != out.size()) {
      fail<std::runtime_error>("[", p.name(), "] expected eval_cpu to keep its ", out.size(),
                               " outputs; got ", outputs.size());
    }
    std::vector<PrimitiveValue> values;
    for (size_t i = 0; i < out.size(); ++i) {
      values.push_back(value_of(p, outputs[i], out[i], i));
    }
    return values;
  } catch (...) {
    for (size_t i = 0; i < in.size(); ++i) in[i].buffer = inputs[i].node()->buffer;
    throw;
  }
}

// ---- Its rules.
namespace {

using Params = PrimitiveParams;

Primitive& primitive_of(const ParamsRef& p) { return *p.as<Params>().made.primitive; }
const char* label_primitive(const ParamsRef& p) { return primitive_of(p).name(); }

std::vector<OutSpec> infer_primitive(const ParamsRef& p, std::span<const array> in) {
  const auto& made = p.as<Params>().made;
  bool known = in.size() == made.in.size();
  for (size_t i = 0; known && i < in.size(); ++i) known = in[i].shape() == made.in[i].shape;
  if (known) return made.out;
  std::vector<Shape> shapes = made.primitive->output_shapes(Arrays(in.begin(), in.end()));
  if (shapes.size() != made.out.size()) {
    fail("[", made.primitive->name(), "] expected output_shapes to give ", made.out.size(),
         " shapes; got ", shapes.size());
  }
  std::vector<OutSpec> specs;
  for (size_t i = 0; i < shapes.size(); ++i) specs.push_back({shapes[i], made.out[i].dtype});
  return specs;
}

[[noreturn]] void wrong_count(const Primitive& p, const char* rule, const char* what,
                              size_t expected, size_t got) {
  fail("[", p.name(), "] expected its ", rule, " to return ", expected, ' ', what, "; got ", got);
}

MaybeArrays vjp_primitive(const VjpCall& c) {
  Primitive& p = primitive_of(c.params);
  std::vector<int> argnums;
  for (size_t i = 0; i < c.in.size(); ++i) {
    if (c.wanted[i]) argnums.push_back(static_cast<int>(i));
  }
  MaybeArrays grads(c.in.size());
  if (argnums.empty()) return grads;
  LocationScope rules_of_the_user(0);  // whose lines they name
  Arrays result = p.vjp(Arrays(c.in.begin(), c.in.end()), Arrays(c.ct.begin(), c.ct.end()), argnums,
                        Arrays(c.out.begin(), c.out.end()));
  if (result.size() != argnums.size()) {
    wrong_count(p, "vjp", "cotangents", argnums.size(), result.size());
  }
  for (size_t i = 0; i < argnums.size(); ++i) {
    const Shape& shape = c.in[argnums[i]].shape();
    if (result[i].shape() != shape) {
      fail("[", p.name(), "] expected its vjp to return a cotangent of shape ", shape,
           " for input ", argnums[i], "; got ", result[i].shape());
    }
    grads[argnums[i]] = std::move(result[i]);
  }
  return grads;
}

MaybeArrays jvp_primitive(const JvpCall& c) {
  Primitive& p = primitive_of(c.params);
  Arrays tangents;
  std::vector<int> argnums;
  for (size_t i = 0; i < c.in.size(); ++i) {
    if (!c.tangent[i]) continue;
    tangents.push_back(*c.tangent[i]);
    argnums.push_back(static_cast<int>(i));
  }
  LocationScope rules_of_the_user(0);  // whose lines they name
  Arrays result = p.jvp(Arrays(c.in.begin(), c.in.end()), tangents, argnums);
  if (result.size() != c.out.size()) {
    wrong_count(p, "jvp", "tangents", c.out.size(), result.size());
  }
  MaybeArrays out;
  for (size_t i = 0; i < result.size(); ++i) {
    if (result[i].shape() != c.out[i].shape()) {
      fail("[", p.name(), "] expected its jvp to return a tangent of shape ", c.out[i].shape(),
           " for output ", i, "; got ", result[i].shape());
    }
    out.emplace_back(std::move(result[i]));
  }
  return out;
}

VmapResult vmap_primitive(const VmapCall& c) {
  const auto& made = c.params.as<Params>().made;
  LocationScope rules_of_the_user(0);  // whose lines they name
  std::pair<Arrays, std::vector<int>> result;
  try {
    result = made.primitive->vmap(Arrays(c.in.begin(), c.in.end()),
                                  std::vector<int>(c.axes.begin(), c.axes.end()));
  } catch (const NoRule&) {
    return vmap_per_element(c);
  }
  auto& [out, axes] = result;
  if (out.size() != made.out.size() || axes.size() != out.size()) {
    wrong_count(*made.primitive, "vmap", "outputs with an axis each", made.out.size(),
                std::min(out.size(), axes.size()));
  }
  for (size_t i = 0; i < out.size(); ++i) {
    if (axes[i] < -1 || axes[i] >= out[i].ndim()) {
      fail("[", made.primitive->name(), "] expected its vmap to return an axis of output ", i,
           ", which has ", out[i].ndim(), "; got ", axes[i]);
    }
  }
  return {std::move(out), std::move(axes)};
}

// Its parameters belong to no file, so it is not exported.
const Op primitive_op{.name = "primitive",
                      .label = label_primitive,
                      .key = KernelKey::output,
                      .infer = infer_primitive,
                      .vjp = vjp_primitive,
                      .jvp = jvp_primitive,
                      .vmap = vmap_primitive};

// The outputs of a primitive that consists of other ops; nothing if it does not.
std::optional<Arrays> composite_of(Primitive& p, const Arrays& inputs, const ArraySpecs& asked) {
  std::optional<Arrays> made = p.composite(inputs, asked);
  if (!made) return made;
  if (made->size() != asked.size()) {
    wrong_count(p, "composite", "outputs", asked.size(), made->size());
  }
  expect_asked(p.name(), *made, asked);
  return made;
}

}  // namespace

const Op& primitive_record() { return primitive_op; }

ParamsRef primitive_params(const std::shared_ptr<Primitive>& p, const Arrays& inputs,
                           std::vector<OutSpec> out) {
  std::vector<OutSpec> in;
  for (const array& a : inputs) in.push_back({a.shape(), a.dtype()});
  return make_params(Params{{p, std::move(in), std::move(out)}});
}

void expect_asked(std::string_view name, const Arrays& made, const ArraySpecs& asked) {
  for (size_t i = 0; i < asked.size(); ++i) {
    const array& a = made[i];
    const auto& [shape, dtype] = asked[i];
    if (a.shape() != shape || a.dtype() != dtype) {
      fail("[", name, "] expected output ", i, " to be asked for with shape ", a.shape(),
           " and dtype ", a.dtype(), "; got ", shape, " and ", dtype);
    }
  }
}

// ---- Arrays of primitives.
array::array(Shape shape, Dtype t, std::shared_ptr<Primitive> primitive, Arrays inputs)
    : node_(nullptr) {
  if (!primitive) {
    if (!inputs.empty()) fail("[array] expected a primitive for the inputs; got none");
    *this = make_placeholder(std::move(shape), t);
    node_->tracer = false;
    return;
  }
  if (auto made = composite_of(*primitive, inputs, {{shape, t}})) {
    *this = std::move((*made)[0]);
    return;
  }
  StreamOrDevice s = primitive->stream();
  ParamsRef params = primitive_params(primitive, inputs, {{shape, t}});
  *this = make_node(primitive_op, std::move(params), inputs, std::move(shape), t, s);
}

Arrays array::make_arrays(std::vector<Shape> shapes, const std::vector<Dtype>& dtypes,
                          const std::shared_ptr<Primitive>& primitive, const Arrays& inputs) {
  if (!primitive) fail("[make_arrays] expected a primitive; got none");
  if (shapes.size() != dtypes.size()) {
    fail("[make_arrays] expected one dtype per shape (", shapes.size(), "); got ", dtypes.size());
  }
  if (shapes.empty()) return {};
  ArraySpecs asked;
  for (size_t i = 0; i < shapes.size(); ++i) asked.emplace_back(shapes[i], dtypes[i]);
  if (auto made = composite_of(*primitive, inputs, asked)) return std::move(*made);
  if (shapes.size() == 1) return {array(std::move(shapes[0]), dtypes[0], primitive, inputs)};
  std::vector<OutSpec> out;
  for (size_t i = 0; i < shapes.size(); ++i) out.push_back({std::move(shapes[i]), dtypes[i]});
  return make_nodes(primitive_op, primitive_params(primitive, inputs, out), inputs, out,
                    primitive->stream());
}

}  // namespace olivine
