// Modules as text: nested as in Python, and as a table of parameters.
#include <cxxabi.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iomanip>
#include <sstream>
#include <typeinfo>

#include "core/error.h"
#include "layers.h"
#include "walk.h"

namespace olivine::nn {

std::string number(double v) {
  double size = std::abs(v);
  bool fixed = v == 0 || (size >= 1e-4 && size < 1e16);
  char digits[64];
  auto form = fixed ? std::chars_format::fixed : std::chars_format::scientific;
  std::string text(digits, std::to_chars(digits, digits + sizeof digits, v, form).ptr);
  return fixed && text.find('.') == std::string::npos ? text + ".0" : text;
}

std::string Module::kind() const {
  int status = 0;
  char* demangled = abi::__cxa_demangle(typeid(*this).name(), nullptr, nullptr, &status);
  std::string name = status == 0 ? demangled : typeid(*this).name();
  std::free(demangled);
  // Without namespaces and functions around it; template arguments have colons of their own.
  size_t until = name.find('<');
  size_t colons = name.rfind("::", until);
  return colons == std::string::npos ? name : name.substr(colons + 2);
}

std::string Module::to_string() const {
  std::string text = kind() + '(' + extra_repr();
  auto children = const_cast<Module*>(this)->children();
  for (const auto& [name, child] : children) {
    text += "\n  (" + name + "): ";
    for (char c : child->to_string()) {
      text += c;
      if (c == '\n') text += "  ";
    }
  }
  return text + (children.empty() ? ")" : "\n)");
}

std::ostream& operator<<(std::ostream& os, const Module& module) {
  return os << module.to_string();
}

std::string Module::summary() const {
  struct Row {
    std::string name, shape, dtype;
    bool frozen;
  };
  std::vector<Row> rows;
  size_t names = 4, shapes = 5;
  Walk::parameters(const_cast<Module&>(*this), [&](const Place& at, array& value) {
    rows.push_back({at.path(), message(value.shape()), message(value.dtype()), at.frozen});
    names = std::max(names, rows.back().name.size());
    shapes = std::max(shapes, rows.back().shape.size());
  });
  std::ostringstream os;
  os << std::left;
  auto line = [&](const std::string& name, const std::string& shape, const std::string& rest) {
    os << std::setw(static_cast<int>(names) + 2) << name << std::setw(static_cast<int>(shapes) + 2)
       << shape << rest << '\n';
  };
  line("name", "shape", "dtype");
  for (const Row& row : rows) line(row.name, row.shape, row.dtype + (row.frozen ? " frozen" : ""));
  os << num_parameters() << " parameters, " << num_trainable_parameters() << " trained\n";
  return os.str();
}

}  // namespace olivine::nn
