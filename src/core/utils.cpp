// Limits of dtypes, scopes of streams, and devices as text.
#include "olivine/utils.h"

#include <unistd.h>

#include <cfloat>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <unordered_set>

#include "core/error.h"
#include "core/node.h"
#include "olivine/memory.h"
#include "runtime/allocator.h"

namespace olivine {

finfo::finfo(Dtype t) : dtype(t), bits(static_cast<int>(8 * real_type(t).size())) {
  if (!is_inexact(t)) fail("[finfo] expected a floating dtype; got ", t);
  Dtype real = real_type(t);
  max = real == float16    ? 65504.0
        : real == bfloat16 ? 0x1.FEp127
        : real == float64  ? DBL_MAX
                           : FLT_MAX;
  min = -max;
  eps = real == float16    ? 0x1p-10
        : real == bfloat16 ? 0x1p-7
        : real == float64  ? DBL_EPSILON
                           : FLT_EPSILON;
  smallest_normal = real == float16 ? 0x1p-14 : real == float64 ? DBL_MIN : FLT_MIN;
}

iinfo::iinfo(Dtype t) : dtype(t), min(0), max(0) {
  if (!is_integer(t)) fail("[iinfo] expected an integer dtype; got ", t);
  auto width = static_cast<int>(8 * t.size());
  max = ~uint64_t{0} >> (64 - width);
  if (is_unsigned(t)) return;
  max >>= 1;
  min = -static_cast<int64_t>(max) - 1;
}

Dtype result_type(const std::vector<array>& arrays) {
  if (arrays.empty()) fail("[result_type] expected at least one array; got none");
  Dtype t = arrays[0].dtype();
  for (const array& a : arrays) t = promote_types(t, a.dtype());
  return t;
}

bool isdtype(Dtype t, std::string_view kind) {
  if (kind == "bool") return t == bool_;
  if (kind == "signed integer") return is_signed_integer(t);
  if (kind == "unsigned integer") return is_unsigned(t);
  if (kind == "integral") return is_integer(t);
  if (kind == "real floating") return is_floating(t);
  if (kind == "complex floating") return is_complexfloating(t);
  if (kind == "numeric") return is_integer(t) || is_inexact(t);
  fail("[isdtype] expected a kind of the array API standard; got ", kind);
}

StreamContext::StreamContext(StreamOrDevice s)
    : device_(default_device()), stream_(default_stream(to_stream(s).device)) {
  Stream target = to_stream(s);
  set_default_device(target.device);
  set_default_stream(target);
}
StreamContext::~StreamContext() {
  set_default_stream(stream_);
  set_default_device(device_);
}

namespace env {
int get_var(const char* name, int default_value) {
  const char* text = std::getenv(name);
  int value = default_value;
  if (text) std::from_chars(text, text + std::strlen(text), value);
  return value;
}
std::string get_var(const char* name, const char* default_value) {
  const char* text = std::getenv(name);
  return text ? text : default_value;
}
}  // namespace env

std::ostream& operator<<(std::ostream& os, Device d) {
  return os << "Device(" << (d.type == Device::cpu ? "cpu" : "gpu") << ", " << d.index << ')';
}
std::ostream& operator<<(std::ostream& os, Stream s) {
  return os << "Stream(" << s.device << ", " << s.index << ')';
}

std::ostream& operator<<(std::ostream& os, Dtype::Kind k) {
  return os << "buifcV"[static_cast<int>(k)];
}

int normalize_axis_index(int axis, int ndim, const std::string& prefix) {
  if (axis < -ndim || axis >= ndim) {
    fail<std::out_of_range>(prefix, "expected an axis in [", -ndim, ", ", ndim, "); got ", axis);
  }
  return axis < 0 ? axis + ndim : axis;
}

void size_too_large(std::string_view op) {
  fail("[", op.empty() ? "shape" : op, "] expected sizes of at most 63 bits; got a larger one");
}

bool is_main_thread() { return getpid() == gettid(); }

size_t set_wired_limit(size_t limit) {
  static std::atomic<size_t> current{0};
  return current.exchange(limit);
}

size_t get_array_buffer_size(const std::vector<array>& arrays) {
  eval(arrays);
  std::unordered_set<const Buffer*> seen;
  size_t bytes = 0;
  for (const array& a : arrays) {
    const Buffer* b = a.node()->buffer.get();
    if (b && seen.insert(b).second) bytes += b->bytes;
  }
  return bytes;
}

}  // namespace olivine
