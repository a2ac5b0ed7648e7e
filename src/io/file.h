// Reading files as byte sources.
#pragma once

#include "olivine/io.h"

namespace olivine {

// The file open for reading as long as the source lives. Throws if it cannot be opened.
ByteSource open_source(const std::string& path);

// Row-contiguous bytes of an array, computed if need be.
array contiguous_for_saving(const array& a);

}  // namespace olivine
