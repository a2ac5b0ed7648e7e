// A profile as text for a terminal, and numbers as people read them.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/error.h"
#include "profiler/recorded.h"

namespace olivine::profiler {
namespace {

template <class... Args>
std::string formatted(const char* format, Args... args) {
  char text[64];
  snprintf(text, sizeof(text), format, args...);
  return text;
}

bool starts_a_character(char c) { return (c & 0xC0) != 0x80; }
size_t width_of(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(text, starts_a_character));
}
std::string right(const std::string& text, size_t width) {
  size_t own = width_of(text);
  return std::string(own < width ? width - own : 0, ' ') + text;
}
// At the left, cut where it is longer.
std::string left(std::string text, size_t width) {
  if (width_of(text) > width) {
    size_t end = 0, kept = 0;
    while (kept < width || !starts_a_character(text[end])) kept += starts_a_character(text[end++]);
    while (!starts_a_character(text[--end])) {
    }
    text = text.substr(0, end) + "…";
  }
  return text + std::string(width - std::min(width, width_of(text)), ' ');
}

std::string with_commas(double count) {
  std::string text = formatted("%.0f", count);
  for (size_t at = text.size(); at > 3; text.insert(at, 1, ',')) at -= 3;
  return text;
}
std::string calls(const Row& row) {
  bool whole = row.count >= 10 || row.count == std::floor(row.count);
  return whole ? with_commas(row.count) : formatted("%.1f", row.count);
}

std::string line_of(const Row& row, size_t width, double wall, const Limits* limits) {
  std::string text = left(row.name, width) + " " + right(calls(row), 8) + " " +
                     right(duration(row.seconds), 9) + " " + right(percent(row.seconds / wall), 7);
  text += " " + right(row.flops > 0 ? amount(row.flops_per_second(), "") : "–", 9);
  text += " " + right(row.bytes > 0 ? amount(row.bytes_per_second(), "") : "–", 9);
  if (limits) text += " " + right(percent(row.share(*limits)), 9);
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

}  // namespace

std::string amount(double value, const std::string& unit) {
  constexpr const char* kPrefixes[] = {"", "k", "M", "G", "T", "P"};
  int p = 0;
  for (; p < 5 && std::abs(value) >= 1000; ++p) value /= 1000;
  bool whole = p == 0 && value == std::floor(value);
  int digits = std::abs(value) >= 100 || whole ? 0 : std::abs(value) < 10 && p > 0 ? 2 : 1;
  return formatted("%.*f ", digits, value) + kPrefixes[p] + unit;
}

std::string duration(double seconds) {
  if (seconds >= 1) return formatted("%.3g s", seconds);
  if (seconds >= 1e-3) return formatted("%.3g ms", seconds * 1e3);
  if (seconds >= 1e-6) return formatted("%.3g us", seconds * 1e6);
  return formatted("%.0f ns", seconds * 1e9);
}

std::string percent(double part) { return formatted("%.1f %%", 100 * part); }

std::vector<std::string> Profile::summary() const {
  auto all = phases();
  std::ranges::stable_sort(all, std::greater(), &std::pair<std::string, double>::second);
  std::string shown;
  for (const auto& [name, seconds] : all) {
    if (seconds / wall() < 0.0005) continue;
    shown += (shown.empty() ? "" : ", ") + name + " " + percent(seconds / wall());
  }
  std::vector<std::string> lines = {
      duration(wall()) + ", " + percent(attributed()) + " attributed: " + shown,
      amount(flops(), "FLOP") + " (" + amount(flops() / wall(), "FLOP/s") + "), " +
          amount(bytes(), "B") + " read and written, peak of live arrays " +
          amount(static_cast<double>(peak_memory()), "B")};
  if (dropped()) {
    lines.push_back(with_commas(static_cast<double>(dropped())) +
                    " events beyond the limit were not recorded");
  }
  return lines;
}

std::string Profile::table(const std::string& by, size_t count, bool limits) const {
  std::vector<Row> all = rows(by);
  std::vector<std::string> lines = summary();
  Limits bounds;
  if (limits) {
    bounds = measure_limits();
    lines.push_back("this machine, measured: " + amount(bounds.flops, "FLOP/s") + " in products, " +
                    amount(bounds.bandwidth, "B/s") + " in sweeps");
  }
  size_t shown = std::min(count, all.size()), width = 12;
  for (size_t i = 0; i < shown; ++i) width = std::max(width, width_of(all[i].name));
  width = std::min<size_t>(width, 48);
  lines.push_back("");
  lines.push_back(left(by, width) + "    calls      time   share    FLOP/s       B/s" +
                  (limits ? "  of limit" : ""));
  for (size_t i = 0; i < shown; ++i) {
    lines.push_back(line_of(all[i], width, wall(), limits ? &bounds : nullptr));
  }
  if (shown < all.size()) {
    double rest = 0;
    for (size_t i = shown; i < all.size(); ++i) rest += all[i].seconds;
    lines.push_back(message("and ", all.size() - shown, " more, ", duration(rest)));
  }
  std::string text;
  for (const std::string& line : lines) text += (&line == &lines[0] ? "" : "\n") + line;
  return text;
}

}  // namespace olivine::profiler
