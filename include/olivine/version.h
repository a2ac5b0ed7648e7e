// The version, written once: the build, the package metadata and the code all read it here.
#pragma once

#define OLIVINE_VERSION_MAJOR 0
#define OLIVINE_VERSION_MINOR 1
#define OLIVINE_VERSION_PATCH 0
#define OLIVINE_VERSION "0.1.0"

namespace olivine {
inline const char* version() { return OLIVINE_VERSION; }
}  // namespace olivine
