// What is known of an imported function inside the library: its signatures and their graphs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "olivine/export_function.h"
#include "transforms/traced.h"

namespace olivine {

struct ImportedSignature {
  size_t positional;               // that many placeholders first, then
  std::vector<std::string> names;  // one for each of these
  bool any_size;
  std::shared_ptr<const TracedGraph> graph;
};
std::vector<ImportedSignature> signatures(const ImportedFunction::State& f);
// import_function before it becomes a function.
std::shared_ptr<const ImportedFunction::State> read_function(const ByteSource& source);

}  // namespace olivine
