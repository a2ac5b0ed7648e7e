// Whether bytes are UTF-8, as names in files must be.
#pragma once

#include <string_view>

namespace olivine {

bool is_utf8(std::string_view s);

}  // namespace olivine
