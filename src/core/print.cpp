// Arrays as text: nested brackets, long axes shortened to their ends, like NumPy.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

#include "core/error.h"
#include "core/node.h"
#include "olivine/print.h"
#include "olivine/utils.h"

namespace olivine {
namespace {

constexpr int kMostDigits = 1100;  // no double has more after the point
constexpr int64_t kEdge = 3;       // elements shown at each end of a longer axis, as MLX does

// Both are set by anyone at any time.
int& print_precision() { return get_global_formatter().format_options.precision; }
const char* bool_text(bool v, bool capital) {
  return v ? (capital ? "True" : "true") : capital ? "False" : "false";
}

void put_float(std::ostream& os, double v) {
  if (std::isnan(v)) {
    os << "nan";
  } else if (std::isinf(v)) {
    os << (v < 0 ? "-inf" : "inf");
  } else {
    os << v;
  }
}

template <class T>
T load(const char* p) {
  T v;
  std::memcpy(&v, p, sizeof(T));
  return v;
}

template <class C>
void put_complex(std::ostream& os, C v) {
  put_float(os, v.real());
  if (!std::signbit(v.imag()) || std::isnan(v.imag())) os << '+';
  put_float(os, v.imag());
  os << 'j';
}

void put_element(std::ostream& os, const char* p, Dtype t) {
  switch (t.val()) {
    case Dtype::Val::bool_:
      get_global_formatter().print(os, load<uint8_t>(p) != 0);
      break;
    case Dtype::Val::uint8:
      os << int{load<uint8_t>(p)};
      break;
    case Dtype::Val::uint16:
      os << load<uint16_t>(p);
      break;
    case Dtype::Val::uint32:
      os << load<uint32_t>(p);
      break;
    case Dtype::Val::uint64:
      os << load<uint64_t>(p);
      break;
    case Dtype::Val::int8:
      os << int{load<int8_t>(p)};
      break;
    case Dtype::Val::int16:
      os << load<int16_t>(p);
      break;
    case Dtype::Val::int32:
      os << load<int32_t>(p);
      break;
    case Dtype::Val::int64:
      os << load<int64_t>(p);
      break;
    case Dtype::Val::float16:
      put_float(os, to_float(load<float16_t>(p)));
      break;
    case Dtype::Val::bfloat16:
      put_float(os, to_float(load<bfloat16_t>(p)));
      break;
    case Dtype::Val::float32:
      put_float(os, load<float>(p));
      break;
    case Dtype::Val::float64:
      put_float(os, load<double>(p));
      break;
    case Dtype::Val::complex64:
      put_complex(os, load<complex64_t>(p));
      break;
    case Dtype::Val::complex128:
      put_complex(os, load<complex128_t>(p));
      break;
  }
}

class Printer {
 public:
  Printer(std::ostream& os, const array& a) : os_(os), node_(*a.node()) {}

  void put(int axis, const char* p) {
    if (axis == static_cast<int>(node_.shape.size())) return put_element(os_, p, node_.dtype);
    int64_t n = node_.shape[axis];
    int64_t step = node_.strides[axis] * static_cast<int64_t>(node_.dtype.size());
    os_ << '[';
    for (int64_t i = 0; i < n; ++i) {
      if (i) separate(axis);
      if (n > 2 * kEdge && i == kEdge) {
        os_ << "...";
        separate(axis);
        i = n - kEdge;
      }
      put(axis + 1, p + i * step);
    }
    os_ << ']';
  }

 private:
  void separate(int axis) {
    bool innermost = axis + 1 == static_cast<int>(node_.shape.size());
    if (innermost) {
      os_ << ", ";
    } else {
      os_ << ",\n" << std::string(7 + axis, ' ');  // under the first bracket after "array("
    }
  }
  std::ostream& os_;
  const Node& node_;
};

}  // namespace

PrintFormatter& get_global_formatter() {
  static constinit PrintFormatter formatter;
  return formatter;
}
void set_print_precision(int digits) { std::atomic_ref(print_precision()).store(digits); }
int get_print_precision() { return std::atomic_ref(print_precision()).load(); }

void PrintFormatter::print(std::ostream& os, bool v) const {
  os << bool_text(v, std::atomic_ref(const_cast<bool&>(capitalize_bool)).load());
}
void PrintFormatter::print(std::ostream& os, double v) const {
  std::streamsize before = os.precision();
  if (format_options.precision >= 0) os.precision(std::min(format_options.precision, kMostDigits));
  put_float(os, v);
  os.precision(before);
}
void PrintFormatter::print(std::ostream& os, complex64_t v) const { put_complex(os, v); }

std::string to_string(const array& a) {
  a.eval();
  std::ostringstream os;
  if (int digits = get_print_precision(); digits >= 0) {
    os.precision(std::min(digits, kMostDigits));
    os << std::fixed;
  }
  os << "array(";
  Printer(os, a).put(0, static_cast<const char*>(a.data()));
  os << ", dtype=" << a.dtype() << ')';
  return os.str();
}

std::ostream& operator<<(std::ostream& os, const array& a) { return os << to_string(a); }

}  // namespace olivine
