// Arrays in files: safetensors and NumPy's npy. Loading validates before it allocates; saving swaps
// a complete file in, so that a crash at any moment leaves the old file or the new one.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <utility>

#include "olivine/array.h"

namespace olivine {

using NamedArrays = std::unordered_map<std::string, array>;
using Metadata = std::unordered_map<std::string, std::string>;

// Reads bytes [offset, offset + size) of a source of known size into `out`.
struct ByteSource {
  uint64_t size = 0;
  std::string name;  // for errors
  std::function<void(uint64_t offset, void* out, size_t size)> read;
};
using ByteSink = std::function<void(const void* data, size_t size)>;

OLIVINE_API std::pair<NamedArrays, Metadata> load_safetensors(const std::string& path);
OLIVINE_API std::pair<NamedArrays, Metadata> load_safetensors(const ByteSource& source);
OLIVINE_API void save_safetensors(const std::string& path, const NamedArrays& arrays,
                                  const Metadata& metadata = {});
OLIVINE_API void write_safetensors(const ByteSink& sink, const NamedArrays& arrays,
                                   const Metadata& metadata = {});

// One array in NumPy's format, versions 1 to 3.
OLIVINE_API array load(const std::string& path);
OLIVINE_API array load_npy(const ByteSource& source);
OLIVINE_API void save(const std::string& path, const array& a);
OLIVINE_API void write_npy(const ByteSink& sink, const array& a);

// Calls `write` with a sink; then, in one step, `path` has exactly what was written (also after a
// loss of power: file and folder are synced). When `write` throws, `path` is as it was.
OLIVINE_API void save_atomically(const std::string& path,
                                 const std::function<void(const ByteSink&)>& write);

}  // namespace olivine
