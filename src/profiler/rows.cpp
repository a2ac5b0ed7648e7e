// Steps added up by what they are: op, region, kernel, shape, source line, layer, stream.
#include <algorithm>
#include <functional>
#include <map>
#include <tuple>

#include "core/error.h"
#include "profiler/recorded.h"
#include "transforms/plan.h"

namespace olivine::profiler {
namespace {

const Place nowhere;
const StepDescription unknown_step = [] {
  StepDescription s;
  s.kind = "kernel";
  s.label = "unknown";
  return s;
}();

std::string line_name(const Place& p) {
  if (p.file.empty()) return "elsewhere";
  return message(p.file.substr(p.file.rfind('/') + 1), ":", p.line, " in ", p.function);
}
std::string layer_name(const Place& p) { return p.layer.empty() ? "outside of layers" : p.layer; }

void add(Row& sum, const Row& more, double part) {
  sum.count += more.count * part;
  sum.seconds += more.seconds * part;
  sum.bytes += more.bytes * part;
  sum.flops += more.flops * part;
}

class Rows {
 public:
  void add(std::string name, const Row& row, double part = 1) {
    auto [it, fresh] = rows_.try_emplace(name);
    if (fresh) it->second.name = std::move(name);
    profiler::add(it->second, row, part);
  }
  std::vector<Row> longest_first() {
    std::vector<Row> rows;
    for (auto& [_, row] : rows_) rows.push_back(std::move(row));
    std::ranges::stable_sort(rows, std::greater(), &Row::seconds);
    return rows;
  }

 private:
  std::map<std::string, Row> rows_;
};

using Name = std::string (*)(const Total&);
Name name_by(const std::string& by) {
  if (by == "op") return [](const Total& t) { return step_name(*t.step); };
  if (by == "kernel") return [](const Total& t) { return kernel_name(*t.step); };
  if (by == "shape") {
    return [](const Total& t) { return message(step_name(*t.step), " ", shapes(*t.step)); };
  }
  if (by == "stream") return [](const Total& t) { return message("stream ", t.stream); };
  return nullptr;
}

}  // namespace

std::vector<Total> add_up(const Recorded& r) {
  struct Sum {
    double count = 0, ns = 0;
  };
  std::map<std::tuple<uint32_t, uint32_t, uint16_t>, Sum> sums;
  for (const Thread& t : r.threads) {
    for (size_t i = 0; i < t.events.size(); ++i) {
      const Event& e = t.events[i];
      if (!is_step(e)) continue;
      Sum& sum = sums[{e.what, e.location, e.stream}];
      sum.count += 1;
      sum.ns += static_cast<double>(t.own[i]);
    }
  }
  std::vector<Total> found;
  for (const auto& [key, sum] : sums) {
    const auto& [what, location, stream] = key;
    auto it = r.steps.find(what);
    const StepDescription& step = it == r.steps.end() ? unknown_step : it->second;
    Row row{{}, sum.count, sum.ns / 1e9, sum.count * moved(step), sum.count * operations(step)};
    found.push_back({&step, &r.place(location), stream, std::move(row)});
  }
  return found;
}

const Place& Recorded::place(uint32_t location) const {
  auto it = places.find(location);
  return it == places.end() ? nowhere : it->second;
}

std::string step_name(const StepDescription& s) {
  std::string op = s.op < 0 ? std::string() : op_name(s.op);
  if (s.kind == "fused" && !s.parts.empty()) {
    std::vector<std::string> shown;
    for (const auto& p : s.parts) {
      std::string part = op_name(p.op);
      if (std::ranges::find(shown, part) == shown.end()) shown.push_back(part);
    }
    std::string text = "fused";
    for (size_t i = 0; i < std::min<size_t>(shown.size(), 4); ++i) text += " " + shown[i];
    if (shown.size() > 4) text += message(" and ", shown.size() - 4, " more");
    return text + message(" (", s.parts.size(), ")");
  }
  if (s.kind == "copy") return "copy for " + (s.label.empty() ? op : s.label);
  if (op == "compiled") return "compiled function";
  return s.label.empty() ? op : s.label;
}

std::string kernel_name(const StepDescription& s) {
  bool contains = s.kind == "plan" || s.kind == "loop" || s.kind == "branch";
  if (contains) return step_name(s) + " (between its steps)";
  if (s.kind == "fused") {
    return s.out.empty() ? "fused" : "fused " + std::string(name(s.out[0].dtype));
  }
  std::string what = s.kind == "copy" ? "copy" : s.label.empty() ? op_name(s.op) : s.label;
  return what + " " + std::string(name(s.key));
}

std::string shapes(const StepDescription& s) {
  std::string text;
  for (const auto& o : s.in) {
    std::string one;
    for (int64_t d : o.shape) one += (one.empty() ? "" : "x") + std::to_string(d);
    text += (text.empty() ? "" : ", ") + (one.empty() ? "scalar" : one);
  }
  return text;
}

double Row::share(const Limits& limits) const {
  if (seconds <= 0 || limits.flops <= 0 || limits.bandwidth <= 0) return 0;
  return std::max(flops_per_second() / limits.flops, bytes_per_second() / limits.bandwidth);
}

std::vector<Row> Profile::rows(const std::string& by) const {
  Name name = name_by(by);
  bool by_layer = by == "layer";
  if (!name && by != "line" && !by_layer) {
    fail("[profiler] expected by to be one of kernel, layer, line, op, shape, stream; got '", by,
         "'");
  }
  Rows rows;
  for (const Total& t : recorded_->totals) {
    if (name) {
      rows.add(name(t), t.row);
      continue;
    }
    auto named = by_layer ? layer_name : line_name;
    // A region belongs in equal parts to the places of its ops.
    bool shared = t.step->kind == "fused" && !t.step->parts.empty();
    if (!shared) rows.add(named(*t.place), t.row);
    if (!shared) continue;
    for (const auto& p : t.step->parts) {
      rows.add(named(recorded_->place(p.location)), t.row,
               1 / static_cast<double>(t.step->parts.size()));
    }
  }
  return rows.longest_first();
}

double Profile::flops() const {
  double sum = 0;
  for (const Total& t : recorded_->totals) sum += t.row.flops;
  return sum;
}
double Profile::bytes() const {
  double sum = 0;
  for (const Total& t : recorded_->totals) sum += t.row.bytes;
  return sum;
}

}  // namespace olivine::profiler
