// The fuzzer's parser of exported functions: what it runs of a file that was accepted, and how a
// mutated file becomes one whose numbers fit together.
#pragma once

#include <stdexcept>
#include <vector>

#include "olivine/io.h"

namespace olivine::fuzz {

// The file is right but asks for more work than a fuzzer has time for.
struct Skipped : std::exception {};

// Imports the function and calls every signature that it has, with inputs and in a way (as it is,
// compiled, differentiated, mapped, at other sizes) that follow from the bytes.
void run_function(const ByteSource& source);
// Reads any bytes as a function and writes that function, with lengths, offsets, and the ops'
// outputs as they must be, so that a mutation changes what is computed.
void repair_function(std::vector<unsigned char>& input);

}  // namespace olivine::fuzz
