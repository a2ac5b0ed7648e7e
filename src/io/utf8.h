// Text in files: whether bytes are UTF-8, and errors that quote what a file says.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "core/error.h"
#include "olivine/export.h"

namespace olivine {

bool is_utf8(std::string_view s);

// The text as one line that can be printed: control characters and what is not UTF-8 as \xNN, and
// no more than 1000 bytes.
OLIVINE_API std::string one_line(std::string_view s);

// An error about a file, whose text may be anything.
template <class... Args>
[[noreturn]] void fail_in_file(const Args&... args) {
  throw std::runtime_error(one_line(message(args...)));
}

}  // namespace olivine
