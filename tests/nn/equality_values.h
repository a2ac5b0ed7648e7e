// The language of the cases of tools/nn_cases, as far as it calls the library: literals, lists,
// names and calls, evaluated to values.
#pragma once

#include <olivine/nn.h>
#include <olivine/olivine.h>
#include <olivine/optimizers.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace equality {

namespace nn = olivine::nn;
namespace optim = olivine::optimizers;
using olivine::array;

struct Value;
class Args;
using List = std::vector<Value>;
using Function = std::function<Value(Args&)>;
using ArrayFunction = std::function<array(const array&)>;  // a schedule or an initializer

struct Layer {
  std::shared_ptr<nn::Module> module;
  Function call;
  std::map<std::string, Function> methods;
};

// What a case needs that the library does not have.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Value {
  std::variant<std::monostate, bool, int, double, std::string, List, array, olivine::Dtype, Layer,
               Function, ArrayFunction, std::shared_ptr<optim::Optimizer>>
      held;
  template <class T>
  bool is() const {
    return std::holds_alternative<T>(held);
  }
  template <class T>
  const T& as() const& {
    if (!is<T>()) throw Unsupported("a value of another type");
    return std::get<T>(held);
  }
  template <class T>
  T as() && {
    if (!is<T>()) throw Unsupported("a value of another type");
    return std::get<T>(std::move(held));
  }
  double number() const { return is<int>() ? as<int>() : as<double>(); }
  bool none() const { return is<std::monostate>(); }
};

// Arguments, read in the order of the parameters, by position or by name.
class Args {
 public:
  List positional;
  std::map<std::string, Value> named;

  // The next parameter; none if it was not given.
  Value next(const char* name);
  int integer(const char* name) { return next(name).as<int>(); }
  int integer(const char* name, int missing) { return or_else(name, missing); }
  double real(const char* name, double missing);
  bool truth(const char* name, bool missing) { return or_else(name, missing); }
  std::string text(const char* name, std::string missing) {
    return or_else(name, std::move(missing));
  }
  array arr(const char* name) { return next(name).as<array>(); }
  std::optional<array> maybe_array(const char* name);
  std::optional<int> maybe_integer(const char* name);
  nn::PerAxis per_axis(const char* name);
  nn::PerAxis per_axis(const char* name, int missing);
  nn::Reduction reduction(nn::Reduction missing);
  // A function of one array.
  std::function<array(const array&)> function(const char* name);
  // Raises Unsupported if something was not read.
  void done() const;

 private:
  template <class T>
  T or_else(const char* name, T missing) {
    Value v = next(name);
    return v.none() ? missing : v.as<T>();
  }
  size_t at_ = 0;
  size_t used_ = 0;
};

using Scope = std::map<std::string, Value>;
// Raises Unsupported for what the language, or the library, lacks.
Value evaluate(const std::string& text, const Scope& scope);

// "nn.Linear", "nn.losses.mse_loss", "optim.Adam", …
std::map<std::string, Function>& registry();

array call(const Function& f, const array& x);

}  // namespace equality
