// Arrays as text: nested brackets, long axes shortened to their ends, like NumPy.
#include <cmath>
#include <cstring>
#include <sstream>

#include "core/error.h"
#include "core/node.h"
#include "olivine/print.h"

namespace olivine {
namespace {

constexpr int64_t kEdge = 3;  // elements shown at each end of a longer axis, as MLX does

std::atomic<int> print_precision{-1};

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
      os << (load<uint8_t>(p) ? "True" : "False");
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

void set_print_precision(int digits) { print_precision.store(digits); }
int get_print_precision() { return print_precision.load(); }

std::string to_string(const array& a) {
  a.eval();
  std::ostringstream os;
  if (int digits = get_print_precision(); digits >= 0) {
    os.precision(digits);
    os << std::fixed;
  }
  os << "array(";
  Printer(os, a).put(0, static_cast<const char*>(a.data()));
  os << ", dtype=" << a.dtype() << ')';
  return os.str();
}

std::ostream& operator<<(std::ostream& os, const array& a) { return os << to_string(a); }

}  // namespace olivine
