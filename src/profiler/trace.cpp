// A profile as JSON: a trace in the format of chrome://tracing, which Perfetto reads too, and all
// figures in one object.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <unordered_map>

#include "core/error.h"
#include "io/utf8.h"
#include "profiler/recorded.h"

namespace olivine::profiler {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : is_utf8(text) ? text : one_line(text)) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      snprintf(code, sizeof(code), "\\u%04x", c);
      out += code;
    } else {
      out += c;
    }
  }
  return out + '"';
}
std::string number(double v) {
  char text[32];
  snprintf(text, sizeof(text), "%.15g", v);
  return text;
}
std::string microseconds(uint64_t ns) {
  char text[32];
  snprintf(text, sizeof(text), "%.3f", static_cast<double>(ns) / 1e3);
  return text;
}

// "name": value pairs between braces.
class Object {
 public:
  Object& raw(const char* name, const std::string& value) {
    text_ += (text_.empty() ? "{" : ", ") + quoted(name) + ": " + value;
    return *this;
  }
  Object& text(const char* name, const std::string& value) { return raw(name, quoted(value)); }
  Object& value(const char* name, double v) { return raw(name, number(v)); }
  std::string str() const { return text_.empty() ? "{}" : text_ + "}"; }

 private:
  std::string text_;
};

class Trace {
 public:
  Trace(const Recorded& r, std::ostream& out) : r_(r), out_(out), pid_(std::to_string(getpid())) {}

  void write() {
    out_ << "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [\n";
    write_name("process_name", 0, r_.title);
    for (const Thread& t : r_.threads) {
      write_name("thread_name", t.id, t.name);
      for (const Event& e : t.events) {
        if (e.kind == Event::resident) write_counter("process memory", e);
        if (is_span(e)) write_span(t, e);
      }
    }
    write_live();
    out_ << "\n]}\n";
  }

 private:
  Object event(const char* kind, uint64_t thread, const std::string& name) {
    Object o;
    o.text("ph", kind).raw("pid", pid_).raw("tid", std::to_string(thread)).text("name", name);
    return o;
  }
  void put(const Object& o) {
    out_ << (first_ ? "" : ",\n") << o.str();
    first_ = false;
  }

  void write_name(const char* what, uint64_t thread, const std::string& name) {
    put(event("M", thread, what).raw("args", Object().text("name", name).str()));
  }
  void write_counter(const char* name, const Event& e) {
    Object bytes;
    bytes.value("bytes", static_cast<double>(e.bytes));
    put(event("C", 0, name).raw("ts", microseconds(e.end)).raw("args", bytes.str()));
  }
  void write_span(const Thread& t, const Event& e) {
    const std::string phase = kPhaseNames[e.kind];
    Object o = event("X", t.id, is_step(e) ? described(e).first : phase);
    o.text("cat", phase);
    o.raw("ts", microseconds(e.begin)).raw("dur", microseconds(e.end - e.begin));
    put(o.raw("args", is_step(e) ? arguments(e) : "{}"));
  }

  // Name and arguments of a step, made once for all alike.
  const std::pair<std::string, Object>& described(const Event& e) {
    auto [it, fresh] = described_.try_emplace(e.what);
    if (!fresh) return it->second;
    auto& [name, args] = it->second;
    auto step = r_.steps.find(e.what);
    if (step == r_.steps.end()) {
      name = "unknown step";
      return it->second;
    }
    const StepDescription& s = step->second;
    name = step_name(s);
    args.text("kind", s.kind).text("inputs", shapes(s));
    args.text("dtype", std::string(olivine::name(s.key)));
    if (double flops = operations(s)) args.value("FLOP", flops);
    if (double bytes = moved(s)) args.value("bytes", bytes);
    std::string ops;
    for (const auto& p : s.parts) ops += (ops.empty() ? "" : " ") + std::string(op_name(p.op));
    if (s.kind == "fused") args.text("ops", ops);
    return it->second;
  }
  std::string arguments(const Event& e) {
    Object args = described(e).second;
    const Place& p = r_.place(e.location);
    args.value("stream", e.stream);
    if (!p.file.empty()) {
      args.text("line", message(p.file.substr(p.file.rfind('/') + 1), ":", p.line));
      args.text("function", p.function);
    }
    if (!p.layer.empty()) args.text("layer", p.layer);
    return args.str();
  }

  // Bytes of live arrays, where they change.
  void write_live() {
    std::vector<const Event*> spans;
    for (const Thread& t : r_.threads) {
      for (const Event& e : t.events) {
        if (is_span(e)) spans.push_back(&e);
      }
    }
    std::ranges::stable_sort(spans, {}, &Event::end);
    int64_t last = -1;
    for (const Event* e : spans) {
      if (e->bytes != last) write_counter("live arrays", *e);
      last = e->bytes;
    }
  }

  const Recorded& r_;
  std::ostream& out_;
  const std::string pid_;
  bool first_ = true;
  std::unordered_map<uint32_t, std::pair<std::string, Object>> described_;
};

std::string as_json(const Row& row) {
  return Object()
      .text("name", row.name)
      .value("count", row.count)
      .value("seconds", row.seconds)
      .value("bytes", row.bytes)
      .value("flops", row.flops)
      .str();
}

template <class Range, class F>
std::string list_of(const Range& range, F f) {
  std::string text;
  for (const auto& item : range) text += (text.empty() ? "[" : ",\n  ") + f(item);
  return text.empty() ? "[]" : text + "]";
}

}  // namespace

void Profile::save_trace(const std::string& path) const {
  std::ofstream out(path, std::ios::binary);
  if (out) Trace(*recorded_, out).write();
  out.close();
  if (!out) {
    fail<std::runtime_error>("[profiler] expected a file to write to; got ", one_line(path));
  }
}

std::string Profile::json() const {
  const Recorded& r = *recorded_;
  auto phases_of = [&](const Thread& t) {
    Object phases;
    for (int p = 0; p < kPhases; ++p) phases.value(r.phase_name(t, p).c_str(), t.seconds[p]);
    return phases.str();
  };
  Object all;
  all.text("title", r.title).value("wall", wall()).value("attributed", attributed());
  all.value("flops", flops()).value("bytes", bytes());
  all.value("peak_memory", static_cast<double>(peak_memory()));
  all.value("dropped", static_cast<double>(dropped()));
  all.raw("threads", list_of(r.threads, [&](const Thread& t) {
            return Object().text("name", t.name).raw("phases", phases_of(t)).str();
          }));
  Object groups;
  for (const char* by : {"op", "kernel", "shape", "line", "layer", "stream"}) {
    groups.raw(by, list_of(rows(by), as_json));
  }
  return all.raw("rows", groups.str()).str() + "\n";
}

}  // namespace olivine::profiler
