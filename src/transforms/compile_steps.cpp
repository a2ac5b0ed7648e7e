// The steps of compiling for callers that do them one by one, on arrays.
#include <cstring>
#include <functional>
#include <optional>
#include <unordered_set>

#include "core/error.h"
#include "olivine/compile_impl.h"
#include "transforms/traced.h"

namespace olivine::detail {
namespace {

// What an array is of: an op and which of its outputs, or without an op itself. Two handles of one
// output of several may be two nodes.
struct Place {
  std::uintptr_t maker;
  int output;
  bool operator==(const Place&) const = default;
};
struct PlaceHash {
  size_t operator()(const Place& p) const {
    return std::hash<std::uintptr_t>()(p.maker) * 31 + static_cast<size_t>(p.output);
  }
};
Place place_of(const array& a) {
  std::uintptr_t maker = a.primitive_id();
  return maker ? Place{maker, a.sibling_position()} : Place{a.id(), 0};
}
using Values = std::unordered_map<Place, array, PlaceHash>;

// An op as it stands in the graph.
struct Made {
  const Op* op = nullptr;  // null: the array is there, or a placeholder
  ParamsRef params;
  Arrays in;
  std::vector<OutSpec> specs;
  bool is_tuple = false;
  uint16_t stream = 0;
};
Made made_by(const array& a) {
  Made m;
  std::lock_guard lock(graph_lock());
  Node* n = a.node();
  if (!n->op) return m;
  if (n->op == &output_op) n = n->inputs[0];
  m.op = n->op;
  m.params = n->params;
  for (Node* in : n->inputs) m.in.push_back(share(in));
  m.is_tuple = n->tuple != nullptr;
  m.stream = n->stream;
  if (m.is_tuple) {
    for (const TupleOutput& o : *n->tuple) m.specs.push_back(o.spec);
  } else {
    m.specs.push_back({n->shape, n->dtype});
  }
  return m;
}

// All outputs of the op on these inputs.
Arrays remade(const Made& m, const Arrays& in, bool any_size) {
  std::vector<OutSpec> specs = m.specs;
  if (any_size) {
    check_op(*m.op, m.params, in);
    specs = m.op->infer(m.params, in);
  }
  Stream stream(m.stream, Device());
  if (m.is_tuple) return make_nodes(*m.op, m.params, in, std::move(specs), stream);
  return {make_node(*m.op, m.params, in, specs[0].shape, specs[0].dtype, stream)};
}

// Puts all outputs of an op where those of `a` are.
void put(Values& values, const array& a, const Arrays& outputs) {
  std::uintptr_t maker = place_of(a).maker;
  for (size_t i = 0; i < outputs.size(); ++i) {
    values.insert_or_assign(Place{maker, static_cast<int>(i)}, outputs[i]);
  }
}

const array& value_of(const Values& values, const array& a) {
  auto it = values.find(place_of(a));
  return it == values.end() ? a : it->second;
}

ParentsMap parents_of(const Arrays& tape) {
  ParentsMap parents;
  for (const array& a : tape) {
    Arrays in = a.inputs();
    for (size_t i = 0; i < in.size(); ++i) {
      parents[in[i].id()].emplace_back(a, static_cast<int>(i));
    }
  }
  return parents;
}

// Operands before results; ends at `stops`.
Arrays in_order(const Arrays& outputs, const std::unordered_set<Place, PlaceHash>& stops,
                const std::unordered_set<Place, PlaceHash>& forbidden) {
  struct Visit {
    array a;
    Arrays in;
    size_t next = 0;
  };
  Arrays order;
  std::unordered_set<std::uintptr_t> seen;  // by op: of several outputs, one stands for all
  std::vector<Visit> stack;
  auto enter = [&](const array& a) {
    Place p = place_of(a);
    bool stop = stops.contains(p);
    if (!stop && forbidden.contains(p)) {
      fail(
          "[compile] expected a function of the trace's inputs alone; got one that reads an input "
          "of shape ",
          a.shape(), " it was not given");
    }
    if (seen.insert(p.maker).second) stack.push_back({a, stop ? Arrays() : a.inputs()});
  };
  for (const array& out : outputs) {
    enter(out);
    while (!stack.empty()) {
      Visit& top = stack.back();
      if (top.next < top.in.size()) {
        array in = top.in[top.next++];
        enter(in);  // may move `top`
        continue;
      }
      order.push_back(top.a);
      stack.pop_back();
    }
  }
  return order;
}

std::unordered_set<Place, PlaceHash> places(const Arrays& arrays) {
  std::unordered_set<Place, PlaceHash> set;
  for (const array& a : arrays) set.insert(place_of(a));
  return set;
}

bool same_specs(const std::vector<OutSpec>& a, const std::vector<OutSpec>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const OutSpec& x, const OutSpec& y) {
    return x.shape == y.shape && x.dtype == y.dtype;
  });
}

bool is_scalar_constant(const array& a) {
  const Node* n = a.node();
  return n->done() && !n->op && n->shape.empty() && n->dtype.size() <= 16;
}

// One representative for what is equal.
class Merge {
 public:
  // The array that the scalar is equal to, itself if it is the first.
  const array& scalar(const array& a) {
    for (const array& s : scalars_) {
      if (s.dtype() == a.dtype() &&
          std::memcmp(s.node()->data(), a.node()->data(), a.itemsize()) == 0) {
        return s;
      }
    }
    return scalars_.emplace_back(a);
  }
  // The outputs of an op on these inputs; null if it is the first of its kind.
  const Arrays* find(const Made& m, const Arrays& in) const {
    auto [begin, end] = ops_.equal_range(hash(m, in));
    for (auto it = begin; it != end; ++it) {
      const auto& [made, inputs, outputs] = it->second;
      bool same = made.op == m.op && made.params == m.params && same_specs(made.specs, m.specs);
      if (same &&
          std::equal(in.begin(), in.end(), inputs.begin(), inputs.end(),
                     [](const array& x, const array& y) { return place_of(x) == place_of(y); })) {
        return &outputs;
      }
    }
    return nullptr;
  }
  void add(const Made& m, const Arrays& in, const Arrays& outputs) {
    ops_.emplace(hash(m, in), std::tuple(m, in, outputs));
  }

 private:
  static size_t hash(const Made& m, const Arrays& in) {
    size_t h = std::hash<const void*>()(m.op);
    for (const array& a : in) h = h * 1000003 + PlaceHash()(place_of(a));
    return h;
  }
  std::vector<array> scalars_;
  std::unordered_multimap<size_t, std::tuple<Made, Arrays, Arrays>> ops_;
};

}  // namespace

std::tuple<Arrays, Arrays, std::shared_ptr<void>> compile_trace(const ArrayFnWithExtra& fn,
                                                                const Arrays& inputs,
                                                                bool shapeless) {
  Tracing tracing;
  std::optional<ShapelessTrace> running;
  if (shapeless) running.emplace();
  Arrays placeholders;
  for (const array& a : inputs) placeholders.push_back(make_placeholder(a.shape(), a.dtype()));
  auto [outputs, extra] = fn(placeholders);
  return {std::move(placeholders), std::move(outputs), std::move(extra)};
}

std::pair<Arrays, ParentsMap> compile_dfs(const Arrays& inputs, Arrays& outputs,
                                          const Arrays& original_inputs) {
  Arrays tape = in_order(outputs, places(inputs), places(original_inputs));
  ParentsMap parents = parents_of(tape);
  return {std::move(tape), std::move(parents)};
}

void compile_simplify(Arrays& tape, ParentsMap& parents_map, Arrays& outputs, int passes) {
  if (passes < 1) return;
  Merge merge;
  Values values;
  Arrays kept;
  for (const array& a : tape) {
    if (is_scalar_constant(a)) {
      const array& one = merge.scalar(a);
      if (one.id() == a.id()) kept.push_back(a);
      put(values, a, {one});
      continue;
    }
    Made m = made_by(a);
    if (!m.op) {
      kept.push_back(a);
      continue;
    }
    Arrays in;
    bool changed = false;
    for (const array& operand : m.in) {
      in.push_back(value_of(values, operand));
      changed |= !(place_of(in.back()) == place_of(operand));
    }
    const Arrays* equal = m.op->opaque ? nullptr : merge.find(m, in);
    if (equal) {
      put(values, a, *equal);
      continue;
    }
    Arrays made = changed ? remade(m, in, false) : a.outputs();
    if (!m.op->opaque) merge.add(m, in, made);
    kept.push_back(made[static_cast<size_t>(a.sibling_position())]);
    put(values, a, made);
  }
  for (array& out : outputs) out = value_of(values, out);
  parents_map = parents_of(kept);
  tape = std::move(kept);
}

Arrays compile_replace(const Arrays& tape, const Arrays& trace_inputs, const Arrays& trace_outputs,
                       const Arrays& inputs, bool shapeless) {
  if (trace_inputs.size() != inputs.size()) {
    fail("[compile_replace] expected one input per input of the trace (", trace_inputs.size(),
         "); got ", inputs.size());
  }
  Values values;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const array& t = trace_inputs[i];
    bool fits = t.dtype() == inputs[i].dtype() &&
                (shapeless ? t.ndim() == inputs[i].ndim() : t.shape() == inputs[i].shape());
    if (!fits) {
      fail("[compile_replace] expected an input like the trace's, of shape ", t.shape(),
           " and dtype ", t.dtype(), "; got ", inputs[i].shape(), " and ", inputs[i].dtype());
    }
    values.insert_or_assign(place_of(t), inputs[i]);
  }
  for (const array& a : tape) {
    if (values.contains(place_of(a))) continue;
    Made m = made_by(a);
    if (!m.op) continue;
    Arrays in;
    bool changed = false;
    for (const array& operand : m.in) {
      in.push_back(value_of(values, operand));
      changed |= in.back().id() != operand.id();
    }
    if (changed) put(values, a, remade(m, in, shapeless));
  }
  Arrays out;
  for (const array& a : trace_outputs) out.push_back(value_of(values, a));
  return out;
}

void compile_validate_shapeless(const Arrays& tape) {
  for (const array& a : tape) {
    Made m = made_by(a);
    if (m.op && !m.op->any_size) {
      fail("[compile] expected ops that mean the same for all sizes; got ",
           shown_name(*m.op, m.params), ", whose parameters are sizes");
    }
  }
}

bool compile_available_for_device(const Device& device) { return is_available(device); }

}  // namespace olivine::detail
