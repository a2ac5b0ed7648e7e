// Functions of arrays as files: traced once per signature, run anywhere without their source.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

#include "olivine/array.h"
#include "olivine/io.h"

namespace olivine {

using Args = std::vector<array>;
using Kwargs = std::unordered_map<std::string, array>;

// A parameter of an op, as an export callback sees it.
using StateT = std::variant<bool, int64_t, double, Dtype, std::string, std::vector<int64_t>>;
// One part of a graph: "type" says which ("inputs", "keyword_inputs", "outputs", "constants", then
// one "primitive" per op, in order), and what else there is.
using ExportCallbackInput =
    std::unordered_map<std::string, std::variant<std::vector<std::tuple<std::string, Shape, Dtype>>,
                                                 std::vector<std::pair<std::string, array>>,
                                                 std::vector<std::pair<std::string, std::string>>,
                                                 std::vector<StateT>, std::string>>;
using ExportCallback = std::function<void(const ExportCallbackInput&)>;

using FunctionOfArgs = std::function<std::vector<array>(const Args&)>;
using FunctionOfKwargs = std::function<std::vector<array>(const Kwargs&)>;
using FunctionOfBoth = std::function<std::vector<array>(const Args&, const Kwargs&)>;

// Traces a function for several signatures. `close` writes all of them into one file, in one step.
class OLIVINE_API FunctionExporter {
 public:
  void operator()(const std::initializer_list<array>& args) { (*this)(Args(args), {}); }
  void operator()(const Args& args) { (*this)(args, {}); }
  void operator()(const Kwargs& kwargs) { (*this)({}, kwargs); }
  void operator()(const Args& args, const Kwargs& kwargs);
  void close();
  // Drops what was traced: the file stays as it is.
  void abandon();

  struct State;
  explicit FunctionExporter(std::unique_ptr<State> state);
  ~FunctionExporter();  // closes
  FunctionExporter(const FunctionExporter&) = delete;
  FunctionExporter& operator=(const FunctionExporter&) = delete;
  FunctionExporter(FunctionExporter&& other);

 private:
  std::unique_ptr<State> state_;
};

// `shapeless`: the function is to work for inputs of other sizes too; an error if it does not.
OLIVINE_API FunctionExporter exporter(const std::string& file, const FunctionOfArgs& fun,
                                      bool shapeless = false, const std::string& metadata = "");
OLIVINE_API FunctionExporter exporter(const std::string& file, const FunctionOfKwargs& fun,
                                      bool shapeless = false, const std::string& metadata = "");
OLIVINE_API FunctionExporter exporter(const std::string& file, const FunctionOfBoth& fun,
                                      bool shapeless = false, const std::string& metadata = "");
OLIVINE_API FunctionExporter exporter(const ExportCallback& callback, const FunctionOfArgs& fun,
                                      bool shapeless = false);
OLIVINE_API FunctionExporter exporter(const ExportCallback& callback, const FunctionOfKwargs& fun,
                                      bool shapeless = false);
OLIVINE_API FunctionExporter exporter(const ExportCallback& callback, const FunctionOfBoth& fun,
                                      bool shapeless = false);

// An exporter that is called once.
OLIVINE_API void export_function(const std::string& file, const FunctionOfArgs& fun,
                                 const Args& args, bool shapeless = false,
                                 const std::string& metadata = "");
OLIVINE_API void export_function(const std::string& file, const FunctionOfKwargs& fun,
                                 const Kwargs& kwargs, bool shapeless = false,
                                 const std::string& metadata = "");
OLIVINE_API void export_function(const std::string& file, const FunctionOfBoth& fun,
                                 const Args& args, const Kwargs& kwargs, bool shapeless = false,
                                 const std::string& metadata = "");
OLIVINE_API void export_function(const ExportCallback& callback, const FunctionOfArgs& fun,
                                 const Args& args, bool shapeless = false);
OLIVINE_API void export_function(const ExportCallback& callback, const FunctionOfKwargs& fun,
                                 const Kwargs& kwargs, bool shapeless = false);
OLIVINE_API void export_function(const ExportCallback& callback, const FunctionOfBoth& fun,
                                 const Args& args, const Kwargs& kwargs, bool shapeless = false);

// What a file holds. Calls are lazy and compose with every transformation.
class OLIVINE_API ImportedFunction {
 public:
  std::vector<array> operator()(const std::initializer_list<array>& args) const {
    return (*this)(Args(args), {});
  }
  std::vector<array> operator()(const Args& args) const { return (*this)(args, {}); }
  std::vector<array> operator()(const Kwargs& kwargs) const { return (*this)({}, kwargs); }
  std::vector<array> operator()(const Args& args, const Kwargs& kwargs) const;
  const std::string& metadata() const;

  struct State;
  explicit ImportedFunction(std::shared_ptr<const State> state) : state_(std::move(state)) {}

 private:
  std::shared_ptr<const State> state_;
};

OLIVINE_API ImportedFunction import_function(const std::string& file);
OLIVINE_API ImportedFunction import_function(const ByteSource& source);

}  // namespace olivine
