// What stands behind the handles of streams and of GGUF contents.
#pragma once

#include <memory>

#include "handles.h"
#include "olivine/c/io_types.h"
#include "olivine/io.h"

namespace olivine::c {

OLIVINE_C_HELD(olivine_io_gguf, GGUFLoad);

std::shared_ptr<io::Reader> get(olivine_io_reader io);
std::shared_ptr<io::Writer> get(olivine_io_writer io);
GGUFLoad& get(olivine_io_gguf io);

}  // namespace olivine::c
