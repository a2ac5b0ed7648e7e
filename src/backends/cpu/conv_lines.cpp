// Copies lines of images into scratch memory, converted and with zeros around them.
#include "backends/cpu/conv_lines.h"

#include <algorithm>
#include <cstring>
#include "backends/cpu/workspace.h"

namespace olivine::cpu {
namespace {

constexpr int64_t kAlign = 16;    // elements
constexpr int64_t kPage = 4096;   // lines that far apart would fall on the same sets of a cache
constexpr int64_t kOutside = -1;  // no such line: zeros are read

// Elements from one line to the next. Kernels read whole vectors, so there is room for one more.
int64_t pitch(const ConvCall& call, const ConvAxis& w, const ConvSource& source,
              const ConvRows& rows) {
  const int64_t used =
      ConvLines::positions(w, rows.right - rows.left) * source.elements(call.kernels) +
      call.kernels.nr;
  const int64_t pitch = (used + kAlign - 1) / kAlign * kAlign;
  return pitch * call.packed() % kPage == 0 ? pitch + kAlign : pitch;
}

// The line of x that a row reads for tap (a, b), counted over the batch.
int64_t line_of(const ConvPhase& p, int64_t row, int64_t a, int64_t b) {
  const ConvAxis &d = p[0], &h = p[1];
  const int64_t jh = row % h.count, jd = row / h.count % d.count, n = row / (h.count * d.count);
  const int64_t z = d.base[a] + jd * d.stride, y = h.base[b] + jh * h.stride;
  if (z < 0 || z >= d.in || y < 0 || y >= h.in) return kOutside;
  return (n * d.in + z) * h.in + y;
}

}  // namespace

int64_t result_position(const ConvPhase& p, int64_t row, int64_t jw) {
  const ConvAxis &d = p[0], &h = p[1], &w = p[2];
  const int64_t jh = row % h.count, jd = row / h.count % d.count, n = row / (h.count * d.count);
  const int64_t line = (n * d.out + d.first + d.step * jd) * h.out + h.first + h.step * jh;
  return line * w.out + w.first + w.step * jw;
}

ConvLines::ConvLines(const ConvCall& call, const ConvPhase& p, const ConvSource& source,
                     const ConvRows& rows)
    : call_(call), source_(source), begin_(rows.begin), taps_{p[0].taps, p[1].taps} {
  const int64_t step = pitch(call, p[2], source, rows);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    for (int64_t a = 0; a < taps_[0]; ++a) {
      for (int64_t b = 0; b < taps_[1]; ++b) at_.push_back(line_of(p, r, a, b));
    }
  }
  int64_t first = INT64_MAX, last = -1;
  for (int64_t line : at_) {
    if (line == kOutside) continue;
    first = std::min(first, line);
    last = std::max(last, line);
  }
  // Slot 0 holds zeros.
  std::vector<int64_t> slots(static_cast<size_t>(std::max<int64_t>(0, last - first + 1)), 0);
  std::vector<int64_t> lines;
  for (int64_t& line : at_) {
    if (line == kOutside) {
      line = 0;
      continue;
    }
    int64_t& slot = slots[static_cast<size_t>(line - first)];
    if (slot == 0) {
      lines.push_back(line);
      slot = static_cast<int64_t>(lines.size());
    }
    line = slot * step;
  }
  const int64_t size = call.packed(), line_bytes = step * size;
  memory_ = std::make_unique<ScratchBytes>((static_cast<int64_t>(lines.size()) + 1) * step,
                                           static_cast<size_t>(size));
  if (source.index) {
    const int64_t most = positions(p[2], rows.right - rows.left) * source.count + call.kernels.nr;
    narrow_ = std::make_unique<ScratchBytes>(most, static_cast<size_t>(size));
  }
  char* to = static_cast<char*>(memory_->data());
  std::memset(to, 0, static_cast<size_t>(line_bytes));
  const char* x = call.x + source.first * call.item();
  for (int64_t line : lines) {
    to += line_bytes;
    fill(p[2], rows, x + line * p[2].in * call.g.channels * call.item(), to);
  }
}

int64_t ConvLines::workspace(const ConvCall& call, const ConvPhase& p, const ConvSource& source,
                             int64_t rows, int64_t width) {
  const ConvAxis &d = p[0], &h = p[1];
  // Of each image that the rows are of, the lines from the first to the last that a tap reads.
  const int64_t images = (rows + h.count - 1) / h.count + (rows > 1);
  const int64_t of_image =
      (rows - 1) * h.stride + (images * (h.taps > 0 ? h.base[h.taps - 1] - h.base[0] + 1 : 0));
  const int64_t lines =
      std::min({of_image * d.taps, rows * d.taps * h.taps, call.g.batch * d.in * h.in});
  const int64_t step = pitch(call, p[2], source, {0, rows, 0, width});
  const size_t size = static_cast<size_t>(call.packed());
  const int64_t narrow = source.index ? positions(p[2], width) * source.count + call.kernels.nr : 0;
  return counted_scratch((lines + 1) * step, size) + (narrow ? counted_scratch(narrow, size) : 0);
}

void ConvLines::fill(const ConvAxis& w, const ConvRows& rows, const char* line, char* to) const {
  const int64_t count = positions(w, rows.right - rows.left);
  const int64_t first = w.base[0] + rows.left * w.stride;
  const int64_t before = std::clamp<int64_t>(-first, 0, count);
  const int64_t inside = std::clamp<int64_t>(w.in - first - before, 0, count - before);
  const int64_t position = source_.elements(call_.kernels) * call_.packed();
  std::memset(to, 0, static_cast<size_t>(before * position));
  to += before * position;
  if (inside > 0) copy(line + (first + before) * call_.g.channels * call_.item(), inside, to);
  std::memset(to + inside * position, 0, static_cast<size_t>((count - before - inside) * position));
}

// `count` positions.
void ConvLines::copy(const char* from, int64_t count, char* to) const {
  const bool whole = source_.count == call_.g.channels;
  const int64_t width = whole ? count * source_.count : source_.count;
  void* dense = narrow_ ? narrow_->data() : to;
  if (whole && call_.packed() == call_.item()) {
    std::memcpy(dense, from, static_cast<size_t>(width * call_.packed()));
  } else {
    call_.kernels.pack_a({.src = from,
                          .line_stride = 1,
                          .k_stride = call_.g.channels,
                          .width = width,
                          .packed_width = width,
                          .k = whole ? 1 : count,
                          .dst = dense});
  }
  if (!narrow_) return;
  call_.kernels.spread({.src = dense,
                        .positions = count,
                        .span = source_.count,
                        .index = source_.index,
                        .vectors = source_.vectors,
                        .dst = to});
}

}  // namespace olivine::cpu
