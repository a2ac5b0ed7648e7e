// Files through streams that a program brings along.
#include "core/error.h"
#include "olivine/io.h"

namespace olivine {
namespace {

ByteSource source_of(const std::shared_ptr<io::Reader>& in, const char* op) {
  if (!in || !in->is_open() || !in->good()) {
    fail("[", op, "] expected an open stream; got ", in ? in->label() : "none");
  }
  size_t here = in->tell();
  in->seek(0, std::ios_base::end);
  size_t end = in->tell();
  in->seek(static_cast<int64_t>(here));
  auto read = [in, here](uint64_t offset, void* out, size_t size) {
    in->read(static_cast<char*>(out), size, here + offset);
  };
  return {.size = end - here, .name = in->label(), .read = read, .lasting = false};
}

ByteSink sink_of(const std::shared_ptr<io::Writer>& out, const char* op) {
  if (out) out->open();
  if (!out || !out->is_open() || !out->good()) {
    fail("[", op, "] expected an open stream; got ", out ? out->label() : "none");
  }
  return [out](const void* data, size_t size) { out->write(static_cast<const char*>(data), size); };
}

}  // namespace

array load(std::shared_ptr<io::Reader> in, StreamOrDevice) {
  return load_npy(source_of(in, "load"));
}
void save(std::shared_ptr<io::Writer> out, const array& a) { write_npy(sink_of(out, "save"), a); }

SafetensorsLoad load_safetensors(std::shared_ptr<io::Reader> in, StreamOrDevice) {
  return load_safetensors(source_of(in, "load_safetensors"));
}
void save_safetensors(std::shared_ptr<io::Writer> out, const NamedArrays& arrays,
                      const Metadata& metadata) {
  write_safetensors(sink_of(out, "save_safetensors"), arrays, metadata);
}

}  // namespace olivine
