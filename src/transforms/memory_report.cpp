// From a plan's footprint to the values at its peak, a table and a picture.
#include "transforms/memory_report.h"

#include <algorithm>
#include <cstdio>

#include "core/error.h"
#include "core/location.h"
#include "runtime/counted_bytes.h"

namespace olivine {
namespace {

using Value = MemoryPlan::Value;

std::string task_name(const Task& t) {
  if (t.kind == Task::Kind::copy) return "copy";
  std::string name = t.op >= 0 ? op_name(t.op) : "eval";
  return t.kind == Task::Kind::fused ? name + " (fused)" : name;
}

// A value where it is written: the task, and which output.
struct Written {
  int32_t task;
  const Operand* out;
};

class Report {
 public:
  Report(const PlannedGraph& planned, const Plan& plan)
      : planned_(planned),
        plan_(plan),
        leaves_(leaf_memory(planned, plan)),
        footprint_(footprint_of(plan, leaves_)),
        written_(plan.slots.size()) {
    for (size_t t = 0; t < plan.tasks.size(); ++t) {
      for (const Operand& o : plan.tasks[t].out) {
        written_[o.slot].push_back({static_cast<int32_t>(t), &o});
      }
    }
  }

  MemoryPlan make() {
    MemoryPlan m;
    m.arguments = input_bytes(planned_);
    m.constants = constant_bytes(plan_);
    for (size_t i = 0; i < planned_.donated.size(); ++i) {
      if (planned_.donated[i])
        m.donated += counted_bytes(planned_.traced->placeholders[i].nbytes());
    }
    m.results = static_cast<size_t>(std::max<int64_t>(footprint_.left, 0));
    m.temporaries = plan_.arena_bytes ? counted_bytes(plan_.arena_bytes) : 0;
    m.recomputed = static_cast<size_t>(plan_.recomputed);
    const int64_t base = static_cast<int64_t>(m.arguments + m.constants);
    m.peak = static_cast<size_t>(base + std::max<int64_t>(footprint_.peak, 0));
    for (size_t w : footprint_.workspace) m.workspace = std::max(m.workspace, w);
    add_steps(m, base);
    if (!m.steps.empty()) m.peak_step = static_cast<size_t>(footprint_.peak_task);
    find_values(m);
    return m;
  }

 private:
  void add_steps(MemoryPlan& m, int64_t base) const {
    std::vector<int64_t> change(plan_.tasks.size() + 1, 0);
    for (const Slot& s : plan_.slots) {
      if (s.kind != Slot::Kind::temp || s.first < 0) continue;
      change[s.first] += static_cast<int64_t>(s.bytes);
      change[s.last + 1] -= static_cast<int64_t>(s.bytes);
    }
    int64_t temps = 0;
    for (size_t t = 0; t < plan_.tasks.size(); ++t) {
      temps += change[t];
      const Task& task = plan_.tasks[t];
      const int64_t active = base + footprint_.held[t];
      const int64_t live = active - static_cast<int64_t>(m.temporaries) + temps;
      m.steps.push_back({task_name(task), describe_location(task.location),
                         static_cast<size_t>(active), static_cast<size_t>(live)});
    }
  }

  // What a slot holds at a step, if anything that is still read.
  const Written* at(int32_t slot, int32_t step) const {
    const Slot& s = plan_.slots[slot];
    const Written* found = nullptr;
    if (s.kind == Slot::Kind::temp && (step < s.first || step > s.last)) return nullptr;
    if (s.kind == Slot::Kind::bound && !s.kept && step > s.last) return nullptr;
    for (const Written& w : written_[slot]) {
      if (w.task <= step) found = &w;
    }
    return found;
  }

  void find_values(MemoryPlan& m) const {
    auto add = [&](std::string op, const Shape& shape, Dtype dtype, size_t bytes,
                   std::string line) {
      if (bytes > 0) m.at_peak.push_back({std::move(op), shape, dtype, bytes, std::move(line)});
    };
    const int32_t step = static_cast<int32_t>(m.peak_step);
    for (const array& a : planned_.traced->placeholders) {
      add("argument", a.shape(), a.dtype(), counted_bytes(a.nbytes()), {});
    }
    for (size_t s = 0; s < plan_.slots.size(); ++s) {
      const Slot& slot = plan_.slots[s];
      if (slot.kind == Slot::Kind::leaf) {
        const LeafSource& source = plan_.sources[slot.leaf];
        if (source.constant) add("constant", {}, uint8, source.constant->bytes, {});
        continue;
      }
      const Written* w = plan_.tasks.empty() ? nullptr : at(static_cast<int32_t>(s), step);
      if (!w) continue;
      const Task& t = plan_.tasks[w->task];
      const bool taken = slot.donor >= 0 && leaves_[plan_.slots[slot.donor].leaf].donated;
      const View& v = w->out->view;
      const size_t bytes = static_cast<size_t>(v.size()) * v.dtype.size();
      add(task_name(t), v.shape, v.dtype, taken ? 0 : bytes, describe_location(t.location));
    }
    if (!plan_.tasks.empty()) {
      const size_t own = footprint_.workspace[m.peak_step];
      add("workspace", {}, uint8, own, describe_location(plan_.tasks[step].location));
    }
    std::ranges::stable_sort(m.at_peak, std::greater(), &Value::bytes);
  }

  const PlannedGraph& planned_;
  const Plan& plan_;
  std::vector<LeafMemory> leaves_;
  Footprint footprint_;
  std::vector<std::vector<Written>> written_;  // by slot
};

// ---- Text.
std::string human(size_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  char text[32];
  snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

std::string padded(std::string s, size_t width, bool right = false) {
  const size_t missing = s.size() < width ? width - s.size() : 0;
  return right ? std::string(missing, ' ') + s : s + std::string(missing, ' ');
}

// The most of `f` in each of `columns` parts of the steps.
template <class F>
std::vector<size_t> sampled(const MemoryPlan& m, size_t columns, F&& f) {
  std::vector<size_t> most;
  const size_t n = m.steps.size();
  for (size_t c = 0; c < std::min(columns, n); ++c) {
    size_t& top = most.emplace_back(0);
    const size_t parts = std::min(columns, n);
    for (size_t i = c * n / parts; i < (c + 1) * n / parts; ++i) top = std::max(top, f(m.steps[i]));
  }
  return most;
}

std::string picture(const MemoryPlan& m) {
  constexpr size_t kColumns = 64, kRows = 6;
  constexpr const char* kBlocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const std::vector<size_t> live = sampled(m, kColumns, [](auto& s) { return s.live; });
  std::string text;
  for (size_t row = kRows; row-- > 0;) {
    text += row + 1 == kRows ? padded(human(m.peak), 10, true) : std::string(10, ' ');
    text += " ";
    for (size_t bytes : live) {
      const double eighths = 8.0 * kRows * static_cast<double>(bytes) /
                             static_cast<double>(std::max<size_t>(m.peak, 1));
      const double here = std::clamp(eighths - 8.0 * static_cast<double>(row), 0.0, 8.0);
      text += kBlocks[static_cast<int>(here + 0.5)];
    }
    text += "\n";
  }
  return text;
}

std::string escaped(const std::string& s) {
  std::string out;
  for (char c : s) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

}  // namespace

MemoryPlan describe_memory(const PlannedGraph& planned, const Plan& plan) {
  return Report(planned, plan).make();
}

std::string MemoryPlan::text(size_t rows) const {
  std::string s = "peak         " + padded(human(peak), 10, true);
  if (!steps.empty()) {
    s += message("  at step ", peak_step + 1, " of ", steps.size(), ", ", steps[peak_step].op);
  }
  s += "\narguments    " + padded(human(arguments), 10, true);
  if (donated) s += "  of which " + human(donated) + " are given up";
  if (constants) s += "\nconstants    " + padded(human(constants), 10, true);
  s += "\nresults      " + padded(human(results), 10, true);
  s += "\ntemporaries  " + padded(human(temporaries), 10, true);
  s += "\nworkspace    " + padded(human(workspace), 10, true);
  if (recomputed) s += message("\nrecomputed   ", recomputed, " steps");
  s += "\n\nLargest at the peak:\n";
  for (size_t i = 0; i < std::min(rows, at_peak.size()); ++i) {
    const Value& v = at_peak[i];
    const bool sized = v.op != "workspace" && v.op != "constant";
    s += padded(human(v.bytes), 10, true) + "  " + padded(v.op, 20) + " " +
         padded(sized ? message(v.dtype, " ", v.shape) : std::string(), 26);
    while (s.back() == ' ') s.pop_back();
    s += (v.line.empty() ? "" : "  " + v.line) + "\n";
  }
  if (at_peak.size() > rows) s += message("            and ", at_peak.size() - rows, " more\n");
  if (!steps.empty()) s += "\nLive bytes over the steps:\n" + picture(*this);
  return s;
}

std::string MemoryPlan::svg() const {
  constexpr double kWidth = 640, kHeight = 240, kLeft = 70, kTop = 20, kBottom = 30;
  const double all = kWidth + kLeft + 20, high = kHeight + kTop + kBottom;
  std::string s =
      message("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", all, " ", high,
              "\" font-family=\"sans-serif\" font-size=\"11\">\n<title>Memory over ", steps.size(),
              " steps, peak ", human(peak), "</title>\n");
  const double n = static_cast<double>(std::max<size_t>(steps.size(), 1));
  auto y = [&](size_t bytes) {
    return kTop + kHeight * (1 - static_cast<double>(bytes) /
                                     static_cast<double>(std::max<size_t>(peak, 1)));
  };
  auto area = [&](const char* color, auto&& of) {
    s += message("<path fill=\"", color, "\" d=\"M", kLeft, " ", kTop + kHeight);
    for (size_t i = 0; i < steps.size(); ++i) {
      const double from = kLeft + kWidth * static_cast<double>(i) / n, to = from + kWidth / n;
      s += message(" L", from, " ", y(of(steps[i])), " L", to, " ", y(of(steps[i])));
    }
    s += message(" L", kLeft + kWidth, " ", kTop + kHeight, " Z\"/>\n");
  };
  area("#d8d8d8", [](const Step& step) { return step.active; });
  area("#5b8c3a", [](const Step& step) { return step.live; });
  const size_t base = arguments + constants - donated;
  area("#35507a", [&](const Step& step) { return std::min(base, step.live); });
  for (int k = 0; k <= 4; ++k) {
    const size_t bytes = peak / 4 * static_cast<size_t>(k);
    s += message("<text x=\"", kLeft - 6, "\" y=\"", y(bytes) + 4, "\" text-anchor=\"end\">",
                 human(bytes), "</text>\n");
  }
  const std::string top = steps.empty() ? std::string() : escaped(steps[peak_step].op);
  s += message("<text x=\"", kLeft, "\" y=\"", kTop + kHeight + 20,
               "\">blue: arguments; green: values still read; grey: reserved. Peak at step ",
               peak_step + 1, " of ", steps.size(), " (", top, ")</text>\n</svg>\n");
  return s;
}

}  // namespace olivine
