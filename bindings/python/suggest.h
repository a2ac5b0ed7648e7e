// "Did you mean": the known name that a misspelt one stands for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "object.h"

namespace olivine::python {

// "; did you mean 'softmax'?" if one of the names, or what other libraries call it, is close to the
// wrong one; else nothing.
std::string suggestion(std::string_view wrong, const std::vector<std::string>& names);

// Gives a module an error for missing names that says which one may be meant.
void suggest_names(nb::module_ module);

}  // namespace olivine::python
