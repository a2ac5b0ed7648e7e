// Small helpers around dtypes, streams and printing, under MLX's names.
#pragma once

#include <bit>
#include <concepts>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"
#include "olivine/print.h"

namespace olivine {

[[noreturn]] OLIVINE_API void size_too_large(std::string_view op);

// ---- Dtypes.
inline constexpr Dtype::Category complexfloating = Dtype::Category::complexfloating;
inline constexpr Dtype::Category floating = Dtype::Category::floating;
inline constexpr Dtype::Category inexact = Dtype::Category::inexact;
inline constexpr Dtype::Category signedinteger = Dtype::Category::signedinteger;
inline constexpr Dtype::Category unsignedinteger = Dtype::Category::unsignedinteger;
inline constexpr Dtype::Category integer = Dtype::Category::integer;
inline constexpr Dtype::Category number = Dtype::Category::number;
inline constexpr Dtype::Category generic = Dtype::Category::generic;

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
// Whether promotion ever leads from one dtype to the other.
inline bool can_cast(Dtype from, Dtype to) { return promote_types(from, to) == to; }
// Whether a dtype is of a kind of the array API standard: "bool", "signed integer",
// "unsigned integer", "integral", "real floating", "complex floating" or "numeric".
OLIVINE_API bool isdtype(Dtype t, std::string_view kind);

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
  StreamContext(StreamOrDevice s);
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
inline PrintOptions get_printoptions() { return {get_print_precision()}; }
// How elements of arrays are printed; `get_global_formatter` is what all arrays are printed by.
struct OLIVINE_API PrintFormatter {
  void print(std::ostream& os, bool v) const;
  void print(std::ostream& os, double v) const;
  void print(std::ostream& os, float v) const { print(os, static_cast<double>(v)); }
  void print(std::ostream& os, float16_t v) const { print(os, to_float(v)); }
  void print(std::ostream& os, bfloat16_t v) const { print(os, to_float(v)); }
  void print(std::ostream& os, complex64_t v) const;
  template <std::integral T>
  void print(std::ostream& os, T v) const {
    os << +v;
  }
  bool capitalize_bool = true;  // "True", as in Python
  PrintOptions format_options;
};
OLIVINE_API PrintFormatter& get_global_formatter();

OLIVINE_API std::ostream& operator<<(std::ostream& os, Device d);
OLIVINE_API std::ostream& operator<<(std::ostream& os, Stream s);
OLIVINE_API std::ostream& operator<<(std::ostream& os, Dtype t);
OLIVINE_API std::ostream& operator<<(std::ostream& os, Dtype::Kind k);
inline std::ostream& operator<<(std::ostream& os, float16_t x) { return os << to_float(x); }
inline std::ostream& operator<<(std::ostream& os, bfloat16_t x) { return os << to_float(x); }
// Shapes and lists as "(1,2,3)".
template <class Vec>
inline constexpr bool is_vector_v = false;
template <class T, class A>
inline constexpr bool is_vector_v<std::vector<T, A>> = true;
template <class T, uint32_t N>
inline constexpr bool is_vector_v<SmallVector<T, N>> = true;
template <class Vec, class = std::enable_if_t<is_vector_v<Vec>>>
std::ostream& operator<<(std::ostream& os, const Vec& v) {
  os << '(';
  for (size_t i = 0; i < v.size(); ++i) os << (i ? "," : "") << v[i];
  return os << ')';
}

// ---- Numbers.
// The axis counted from the front; the error for one that is out of range begins with `prefix`.
OLIVINE_API int normalize_axis_index(int axis, int ndim, const std::string& prefix = "");
// A size as an element of a shape, if it fits.
template <class T>
ShapeElem safe_cast(T dim, std::string_view op = "") {
  if (!std::in_range<ShapeElem>(dim)) size_too_large(op);
  return static_cast<ShapeElem>(dim);
}
template <std::floating_point T>
ShapeElem safe_cast(T dim, std::string_view op = "") {
  if (!(dim >= T(-0x1p63) && dim < T(0x1p63))) size_too_large(op);
  return static_cast<ShapeElem>(dim);
}
inline bool is_power_of_2(int n) { return n > 0 && std::has_single_bit(static_cast<unsigned>(n)); }
// The least power of two that is no less than n.
inline int next_power_of_2(int n) {
  return n <= 1 ? 1 : static_cast<int>(std::bit_ceil(static_cast<unsigned>(n)));
}
// Whether this is the thread that the program began with.
OLIVINE_API bool is_main_thread();

// Environment variables, with the value for one that is not set, or no number.
namespace env {
OLIVINE_API int get_var(const char* name, int default_value);
OLIVINE_API std::string get_var(const char* name, const char* default_value);
}  // namespace env

}  // namespace olivine
