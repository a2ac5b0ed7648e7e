// Einstein summation over any number of arrays.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// Sum of products over the labelled axes that the output lacks: "ij,jk->ik", "...ij->...ji".
OLIVINE_API array einsum(const std::string& subscripts, const std::vector<array>& operands,
                         StreamOrDevice s = {});
// The order in which einsum contracts (positions in the shrinking list of operands; each result is
// appended to it), and a text about its cost.
OLIVINE_API std::pair<std::vector<std::vector<int>>, std::string> einsum_path(
    const std::string& subscripts, const std::vector<array>& operands);

}  // namespace olivine
