// Describing graphs: values and ops, without the nodes that only serve the machinery.
#include "olivine/graph_utils.h"

#include "core/error.h"
#include "transforms/graph.h"

namespace olivine {
namespace {

class Describer {
 public:
  explicit Describer(NodeNamer& namer) : namer_(namer) {}

  GraphDescription describe(const std::vector<array>& outputs) {
    apply_edits();
    std::lock_guard lock(graph_lock());  // else an evaluation might take nodes apart meanwhile
    for (const array& a : outputs) {
      visit(a.node());
      while (!stack_.empty()) step();
    }
    for (const array& a : outputs) values()[number_.at(a.node())].output = true;
    return std::move(graph_);
  }

 private:
  std::vector<GraphDescription::Value>& values() { return graph_.values; }

  // Nodes that mean the same as their input: a transformation's marks.
  static bool is_mark(const Node* n) { return n->op == &output_op || n->op == &identity_op; }

  void visit(Node* n) {
    if (number_.count(n) || open_.count(n)) return;
    open_.emplace(n, 0);
    stack_.push_back(n);
  }

  void step() {
    Node* n = stack_.back();
    size_t& next = open_.at(n);
    if (!n->done() && next < n->inputs.size()) return visit(n->inputs[next++]);
    stack_.pop_back();
    open_.erase(n);
    finish(n);
  }

  void finish(Node* n) {
    if (!n->done() && is_mark(n)) {
      bool output = n->op == &output_op;
      number_[n] = number_.at(n->inputs[0]) + (output ? n->params.as<OutputParams>().index : 0);
      name(number_[n], n);
      return;
    }
    number_[n] = static_cast<int>(values().size());
    bool input = n->done() || !n->op;
    if (n->tuple) {
      for (const TupleOutput& o : *n->tuple) add({"", o.spec.shape, o.spec.dtype});
    } else {
      add({"", n->shape, n->dtype, input, false, n->done() ? scalar_text(n) : ""});
      name(number_[n], n);
    }
    if (input) return;
    GraphDescription::Operation op{shown_name(*n->op, n->params), {}, {}};
    for (Node* in : n->inputs) op.inputs.push_back(number_.at(in));
    for (int i = number_[n]; i < static_cast<int>(values().size()); ++i) op.outputs.push_back(i);
    graph_.operations.push_back(std::move(op));
  }

  void add(GraphDescription::Value v) { values().push_back(std::move(v)); }
  void name(int value, Node* n) {
    auto it = namer_.names.find(reinterpret_cast<uintptr_t>(n));
    if (it != namer_.names.end()) values()[value].name = it->second;
  }
  static std::string scalar_text(Node* n) {
    if (!n->shape.empty() || n->tuple || is_complexfloating(n->dtype)) return "";
    array a = share(n);
    if (n->dtype == bool_) return a.item<bool>() ? "true" : "false";
    if (is_floating(n->dtype)) return message(a.item<double>());
    return is_unsigned(n->dtype) ? message(a.item<uint64_t>()) : message(a.item<int64_t>());
  }

  NodeNamer& namer_;
  GraphDescription graph_;
  std::unordered_map<Node*, int> number_;   // of the value that a node means
  std::unordered_map<Node*, size_t> open_;  // on the stack: its next input
  std::vector<Node*> stack_;
};

// A, B … Z, AA, AB …
std::string letters(uint64_t i) {
  std::string s;
  for (++i; i > 0; i = (i - 1) / 26) s.insert(0, 1, static_cast<char>('A' + (i - 1) % 26));
  return s;
}

std::string spec(const GraphDescription::Value& v) { return message(v.shape, " ", v.dtype); }

std::string escaped(const std::string& s) {
  std::string out;
  for (char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

const std::string& NodeNamer::get_name(const array& x) {
  auto [it, fresh] = names.try_emplace(x.id());
  if (fresh) it->second = letters(given_++);
  return it->second;
}
void NodeNamer::set_name(const array& x, std::string n) { names[x.id()] = std::move(n); }

GraphDescription describe_graph(NodeNamer& namer, const std::vector<array>& outputs) {
  return Describer(namer).describe(outputs);
}

namespace {

// Gives every value a name that is not taken.
void name_all(GraphDescription& g) {
  std::unordered_map<std::string, int> taken;
  for (auto& v : g.values) {
    if (!v.name.empty()) ++taken[v.name];
  }
  uint64_t given = 0;
  for (auto& v : g.values) {
    while (v.name.empty()) {
      std::string name = letters(given++);
      if (taken.emplace(name, 1).second) v.name = name;
    }
  }
}

}  // namespace

void print_graph(std::ostream& os, NodeNamer namer, const std::vector<array>& outputs) {
  GraphDescription g = describe_graph(namer, outputs);
  name_all(g);
  auto list = [&](const std::vector<int>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      const auto& v = g.values[values[i]];
      os << (i ? ", " : "") << v.name << " " << spec(v);
    }
  };
  std::vector<int> inputs, results;
  for (size_t i = 0; i < g.values.size(); ++i) {
    if (g.values[i].input) inputs.push_back(static_cast<int>(i));
    if (g.values[i].output) results.push_back(static_cast<int>(i));
  }
  os << "Inputs: ";
  list(inputs);
  os << "\nOutputs: ";
  list(results);
  os << "\n";
  for (const auto& op : g.operations) {
    os << op.name << ": ";
    list(op.inputs);
    os << " -> ";
    list(op.outputs);
    os << "\n";
  }
}

void export_to_dot(std::ostream& os, NodeNamer namer, const std::vector<array>& outputs) {
  GraphDescription g = describe_graph(namer, outputs);
  os << "digraph {\n  node [fontname=\"Helvetica\", fontsize=11];\n"
        "  edge [fontname=\"Helvetica\", fontsize=9];\n";
  std::vector<std::string> from(g.values.size());
  std::vector<bool> of_many(g.values.size());  // made by an op of several outputs
  for (size_t i = 0; i < g.values.size(); ++i) {
    const auto& v = g.values[i];
    if (!v.input) continue;
    from[i] = message("v", i);
    std::string name = !v.name.empty() ? v.name : v.text;
    os << "  " << from[i] << " [shape=ellipse, " << (v.output ? "style=bold, " : "") << "label=\""
       << escaped(name) << (name.empty() ? "" : "\\n") << spec(v) << "\"];\n";
  }
  for (size_t k = 0; k < g.operations.size(); ++k) {
    const auto& op = g.operations[k];
    bool single = op.outputs.size() == 1;
    os << "  op" << k << " [shape=box, label=\"" << escaped(op.name);
    if (single) {
      const auto& v = g.values[op.outputs[0]];
      if (!v.name.empty() && !v.output) os << "\\n" << escaped(v.name);
      os << "\\n" << spec(v);
    }
    os << "\"];\n";
    for (int i : op.outputs) {
      from[i] = message("op", k);
      of_many[i] = !single;
    }
    for (int i : op.inputs) {
      os << "  " << from[i] << " -> op" << k;
      if (of_many[i]) os << " [label=\"" << spec(g.values[i]) << "\"]";
      os << ";\n";
    }
  }
  size_t number = 0;
  for (size_t i = 0; i < g.values.size(); ++i) {
    const auto& v = g.values[i];
    if (!v.output || v.input) continue;  // an input that is given out has no edge to itself
    std::string name = v.name.empty() ? message("output ", ++number) : v.name;
    os << "  out" << i << " [shape=ellipse, style=bold, label=\"" << escaped(name) << "\\n"
       << spec(v) << "\"];\n  " << from[i] << " -> out" << i << ";\n";
  }
  os << "}\n";
}

}  // namespace olivine
