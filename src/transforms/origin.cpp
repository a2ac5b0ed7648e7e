// How the operands of an op came to be: the ops above it, to a small depth.
#include "transforms/origin.h"

#include "core/error.h"
#include "core/location.h"
#include "transforms/graph.h"

namespace olivine {
namespace {

constexpr int kMaxLines = 8, kMaxDepth = 3;

struct Line {
  int depth;
  std::string text;
  uint32_t location;
};

bool is_made(const Node* n) { return n->op && (n->op == &output_op || !n->inputs.empty()); }

// The first node above that is more than another name for a value.
const Node* behind_names(const Node* n) {
  while (n->op == &output_op) n = n->inputs[0];
  while (n->op == &identity_op) n = n->inputs[0];
  return n;
}

void add(const Node* n, int depth, std::vector<Line>& lines) {
  if (lines.size() >= kMaxLines) return;
  const Shape& shape = n->shape;
  const Dtype dtype = n->dtype;
  n = behind_names(n);
  std::string name = n->op ? shown_name(*n->op, n->params) : n->placeholder ? "input" : "array";
  lines.push_back({depth, message(name, " ", shape, " ", dtype), n->op ? n->location : 0});
  if (!n->op || depth + 1 >= kMaxDepth) return;
  for (const Node* in : n->inputs) add(in, depth + 1, lines);
}

}  // namespace

std::string describe_origin(const Node* n) {
  std::vector<Line> lines;
  {
    std::lock_guard lock(graph_lock());
    bool any = false;
    for (const Node* in : n->inputs) any |= is_made(behind_names(in));
    if (!any) return {};
    for (const Node* in : n->inputs) add(in, 0, lines);
  }
  std::string text;
  bool located = false;
  for (const Line& line : lines) {
    text += text.empty() ? "\n  from " : "\n       ";
    text += std::string(2 * static_cast<size_t>(line.depth), ' ') + line.text;
    std::string where = describe_location(line.location);
    if (!where.empty()) text += ", made at " + where;
    located |= !where.empty();
  }
  // Names alone tell little beside a line of the program. Without a binding they are all there is.
  return located || !captures_locations() ? text : std::string();
}

}  // namespace olivine
