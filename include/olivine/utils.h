// Small helpers around dtypes, streams and printing, under MLX's names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"
#include "olivine/print.h"

namespace olivine {

// ---- Dtypes.
inline constexpr Dtype::Category complexfloating = Dtype::Category::complexfloating;
inline constexpr Dtype::Category floating = Dtype::Category::floating;
inline constexpr Dtype::Category inexact = Dtype::Category::inexact;
inline constexpr Dtype::Category signedinteger = Dtype::Category::signedinteger;
inline constexpr Dtype::Category unsignedinteger = Dtype::Category::unsignedinteger;
inline constexpr Dtype::Category integer = Dtype::Category::integer;
inline constexpr Dtype::Category number = Dtype::Category::number;
inline constexpr Dtype::Category generic = Dtype::Category::generic;

using ShapeElem = int64_t;
constexpr size_t size_of(Dtype t) { return t.size(); }
// TypeToDtype<float>() converts to float32.
template <class T>
struct TypeToDtype {
  constexpr operator Dtype() const { return dtype_of<T>; }
};

// Limits of a floating or complex dtype.
struct OLIVINE_API finfo {
  explicit finfo(Dtype t);
  Dtype dtype;
  int bits;  // of a real number
  double min, max, eps, smallest_normal;
};
// Limits of an integer dtype.
struct OLIVINE_API iinfo {
  explicit iinfo(Dtype t);
  Dtype dtype;
  int64_t min;
  uint64_t max;
};

// The dtype of an operation on all of them.
OLIVINE_API Dtype result_type(const std::vector<array>& arrays);
inline Dtype result_type(const array& a, const array& b) {
  return promote_types(a.dtype(), b.dtype());
}
inline Dtype result_type(const array& a, const array& b, const array& c) {
  return promote_types(result_type(a, b), c.dtype());
}

// ---- Streams. One stream serves all threads, so that a thread's own is a stream like any other.
using ThreadLocalStream = Stream;
inline std::vector<Stream> get_streams() { return streams(); }
inline Stream new_thread_unsafe_stream(Device d) { return new_stream(d); }
inline ThreadLocalStream new_thread_local_stream(Device d) { return new_stream(d); }
inline Stream stream_from_thread_local_stream(ThreadLocalStream s) { return s; }
inline std::optional<Stream> peek_default_stream(Device d) { return default_stream(d); }
inline void clear_streams() { synchronize(); }

// Makes a stream, or a device, the default until the end of the scope.
class OLIVINE_API StreamContext {
 public:
  explicit StreamContext(StreamOrDevice s);
  ~StreamContext();
  StreamContext(const StreamContext&) = delete;
  StreamContext& operator=(const StreamContext&) = delete;

 private:
  Device device_;
  Stream stream_;
};

// ---- Printing.
struct PrintOptions {
  int precision = -1;  // digits after the point; -1 for the shortest usual form
};
inline void set_printoptions(PrintOptions options) { set_print_precision(options.precision); }

OLIVINE_API std::ostream& operator<<(std::ostream& os, Device d);
OLIVINE_API std::ostream& operator<<(std::ostream& os, Stream s);

}  // namespace olivine
