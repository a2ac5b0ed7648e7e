// Suggestions by edit distance, and by what NumPy, PyTorch and JAX call the same thing.
#include "suggest.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include <nanobind/stl/string.h>

#include "core/error.h"

namespace olivine::python {
namespace {

struct Synonym {
  std::string_view theirs, ours;
};
constexpr Synonym kSynonyms[] = {
    {"dim", "axis"},
    {"dims", "axis"},
    {"axes", "axis"},
    {"axis", "axes"},
    {"keepdim", "keepdims"},
    {"other", "b"},
    {"input", "a"},
    {"size", "shape"},
    {"cat", "concatenate"},
    {"concat", "concatenate"},
    {"hstack", "concatenate"},
    {"vstack", "concatenate"},
    {"permute", "transpose"},
    {"unsqueeze", "expand_dims"},
    {"mul", "multiply"},
    {"sub", "subtract"},
    {"div", "divide"},
    {"neg", "negative"},
    {"mod", "remainder"},
    {"fmod", "remainder"},
    {"clamp", "clip"},
    {"ndarray", "array"},
    {"tensor", "array"},
    {"Tensor", "array"},
    {"as_tensor", "asarray"},
    {"bool", "bool_"},
    {"float", "float32"},
    {"half", "float16"},
    {"double", "float64"},
    {"int", "int32"},
    {"long", "int64"},
    {"gather", "take_along_axis"},
    {"scatter", "put_along_axis"},
    {"index_select", "take"},
    {"bmm", "matmul"},
    {"mm", "matmul"},
    {"dot", "matmul"},
    {"jit", "compile"},
    {"no_grad", "stop_gradient"},
    {"detach", "stop_gradient"},
    {"numel", "size"},
    {"randn", "normal"},
    {"rand", "uniform"},
    {"multinomial", "categorical"},
    {"PRNGKey", "key"},
    {"manual_seed", "seed"},
    {"choice", "categorical"},
    {"shuffle", "permutation"},
};

constexpr size_t kLongest = 48;  // longer names are nobody's

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Insertions, deletions, replacements and swaps of neighbours that lead from a to b (the restricted
// Damerau-Levenshtein distance).
size_t distance(std::string_view a, std::string_view b) {
  if (a.size() > kLongest || b.size() > kLongest) return kLongest;
  std::array<std::array<size_t, kLongest + 1>, 3> rows;  // by i modulo 3
  for (size_t j = 0; j <= b.size(); ++j) rows[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    auto &now = rows[i % 3], &last = rows[(i + 2) % 3], &before = rows[(i + 1) % 3];
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = std::min(now[j], before[j - 2] + 1);
      }
    }
  }
  return rows[a.size() % 3][b.size()];
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::string suggestion(std::string_view wrong, const std::vector<std::string>& names) {
  auto text = [](std::string_view name) { return message("; did you mean '", name, "'?"); };
  for (const Synonym& s : kSynonyms) {
    if (s.theirs == wrong && contains(names, s.ours)) return text(s.ours);
  }
  // One slip per three letters, and letter case for free.
  size_t limit = wrong.size() / 3 + 1;
  std::string plain = lower(wrong);
  std::optional<std::string> best;
  for (const std::string& name : names) {
    size_t d = distance(plain, lower(name));
    if (d < limit && d < name.size()) {
      limit = d;
      best = name;
      if (d == 0) break;
    }
  }
  return best ? text(*best) : "";
}

void suggest_names(nb::module_ module) {
  std::string path = nb::cast<std::string>(module.attr("__name__"));
  nb::object get = nb::cpp_function([module, path](const std::string& name) -> nb::object {
    std::string hint;
    if (!name.starts_with("_")) {
      std::vector<std::string> names;
      for (nb::handle known : nb::borrow<nb::dict>(module.attr("__dict__")).keys()) {
        std::string text = nb::cast<std::string>(known);
        if (!text.starts_with("_")) names.push_back(text);
      }
      hint = suggestion(name, names);
    }
    std::string text = message("module '", path, "' has no attribute '", name, "'", hint);
    nb::object error = nb::handle(PyExc_AttributeError)(text);
    // Python adds a suggestion of its own unless it finds another object's name here.
    error.attr("name") = name;
    error.attr("obj") = nb::none();
    PyErr_SetObject(PyExc_AttributeError, error.ptr());
    throw nb::python_error();
  });
  module.attr("__getattr__") = get;
}

}  // namespace olivine::python
