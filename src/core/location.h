// Where in the user's program an op was made: a small number captured per node, named in errors.
#pragma once

#include <cstdint>
#include <string>

#include "olivine/export.h"

namespace olivine {

// A binding installs how to capture (must be cheap) and how to describe ("train.py:12 in step").
OLIVINE_API void set_location_hooks(uint32_t (*capture)(), std::string (*describe)(uint32_t));
uint32_t capture_location();
std::string describe_location(uint32_t location);

}  // namespace olivine
