// Arrays in files: safetensors, NumPy's npy and npz, GGUF. Loading validates before it allocates
// and reads large files when their arrays are evaluated; saving swaps a complete file in, so that a
// crash at any moment leaves the old file or the new one.
#pragma once

#include <functional>
#include <ios>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

using NamedArrays = std::unordered_map<std::string, array>;
using Metadata = std::unordered_map<std::string, std::string>;

// Reads bytes [offset, offset + size) of a source of known size into `out`.
struct ByteSource {
  uint64_t size = 0;
  std::string name;  // for errors
  std::function<void(uint64_t offset, void* out, size_t size)> read;
  // `read` may be called later and from any thread, so arrays may be read when they are evaluated.
  bool lasting = false;
};
namespace io {
// MLX's interfaces of streams that a program brings along.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual bool is_open() const = 0;
  virtual bool good() const = 0;
  virtual size_t tell() = 0;
  virtual void seek(int64_t off, std::ios_base::seekdir way = std::ios_base::beg) = 0;
  virtual void read(char* data, size_t n) = 0;
  virtual void read(char* data, size_t n, size_t offset) = 0;
  virtual std::string label() const = 0;
};
class Writer {
 public:
  virtual ~Writer() = default;
  virtual void open() {}
  virtual bool is_open() const = 0;
  virtual bool good() const = 0;
  virtual size_t tell() = 0;
  virtual void seek(int64_t off, std::ios_base::seekdir way = std::ios_base::beg) = 0;
  virtual void write(const char* data, size_t n) = 0;
  virtual std::string label() const = 0;
};
}  // namespace io
using ByteSink = std::function<void(const void* data, size_t size)>;

OLIVINE_API std::pair<NamedArrays, Metadata> load_safetensors(const std::string& path);
OLIVINE_API std::pair<NamedArrays, Metadata> load_safetensors(const ByteSource& source);
OLIVINE_API void save_safetensors(const std::string& path, const NamedArrays& arrays,
                                  const Metadata& metadata = {});
OLIVINE_API void write_safetensors(const ByteSink& sink, const NamedArrays& arrays,
                                   const Metadata& metadata = {});

// One array in NumPy's format, versions 1 to 3; what follows it is ignored. `end` is set to the
// first byte after it.
OLIVINE_API array load(const std::string& path);
OLIVINE_API array load_npy(const ByteSource& source, uint64_t* end = nullptr);
OLIVINE_API void save(const std::string& path, const array& a);
OLIVINE_API void write_npy(const ByteSink& sink, const array& a);

using GGUFMetaData = std::variant<std::monostate, array, std::string, std::vector<std::string>>;
using GGUFMetadataMap = std::unordered_map<std::string, GGUFMetaData>;
using GGUFLoad = std::pair<NamedArrays, GGUFMetadataMap>;

// GGUF versions 2 and 3. Numbers of the metadata are arrays without axes, lists of them have one.
// Quantized tensors become, as in MLX, words, scales and biases like quantize()'s (Q4_0, Q4_1,
// Q8_0), or float16. With `lossless` these, Q5_0, Q5_1 and Q2_K to Q6_K are packed as they are, in
// the modes symmetric, k and k_symmetric where quantize() has none, and the others become float32.
enum class GGUFPacking { mlx, lossless };
OLIVINE_API GGUFLoad load_gguf(const std::string& path, GGUFPacking packing = GGUFPacking::mlx);
OLIVINE_API GGUFLoad load_gguf(const ByteSource& source, GGUFPacking packing = GGUFPacking::mlx);
OLIVINE_API void save_gguf(const std::string& path, const NamedArrays& arrays,
                           const GGUFMetadataMap& metadata = {});
OLIVINE_API void write_gguf(const ByteSink& sink, const NamedArrays& arrays,
                            const GGUFMetadataMap& metadata = {});

// Calls `write` with a sink; then, in one step, `path` has exactly what was written (also after a
// loss of power: file and folder are synced). When `write` throws, `path` is as it was.
OLIVINE_API void save_atomically(const std::string& path,
                                 const std::function<void(const ByteSink&)>& write);

// ---- MLX's other forms: through its streams, and with a stream of work. Reading needs no device,
// so that the latter changes nothing.
using SafetensorsLoad = std::pair<NamedArrays, Metadata>;
OLIVINE_API array load(std::shared_ptr<io::Reader> in, StreamOrDevice s = {});
inline array load(const std::string& path, StreamOrDevice) { return load(path); }
OLIVINE_API void save(std::shared_ptr<io::Writer> out, const array& a);
OLIVINE_API SafetensorsLoad load_safetensors(std::shared_ptr<io::Reader> in, StreamOrDevice s = {});
inline SafetensorsLoad load_safetensors(const std::string& path, StreamOrDevice) {
  return load_safetensors(path);
}
OLIVINE_API void save_safetensors(std::shared_ptr<io::Writer> out, const NamedArrays& arrays,
                                  const Metadata& metadata = {});
inline GGUFLoad load_gguf(const std::string& path, StreamOrDevice) { return load_gguf(path); }

}  // namespace olivine
