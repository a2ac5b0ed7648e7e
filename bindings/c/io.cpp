// The C API of files.
#include "olivine/c/io.h"

#include "io.h"

using namespace olivine;
using c::get;
using c::guarded;

namespace {

void set_loaded(olivine_map_string_to_array* arrays, olivine_map_string_to_string* metadata,
                SafetensorsLoad loaded) {
  if (!arrays || !metadata) fail("[result] expected pointers to handles; got null");
  c::set(arrays, std::move(loaded.first));
  c::set(metadata, std::move(loaded.second));
}

}  // namespace

int olivine_load_reader(olivine_array* res, olivine_io_reader in_stream, const olivine_stream s) {
  return guarded([&] { c::set(res, load(get(in_stream), get(s))); });
}
int olivine_load(olivine_array* res, const char* file, const olivine_stream s) {
  return guarded([&] { c::set(res, load(c::name(file, "load"), get(s))); });
}
int olivine_save_writer(olivine_io_writer out_stream, const olivine_array a) {
  return guarded([&] { save(get(out_stream), get(a)); });
}
int olivine_save(const char* file, const olivine_array a) {
  return guarded([&] { save(c::name(file, "save"), get(a)); });
}

int olivine_load_safetensors_reader(olivine_map_string_to_array* res_0,
                                    olivine_map_string_to_string* res_1,
                                    olivine_io_reader in_stream, const olivine_stream s) {
  return guarded([&] { set_loaded(res_0, res_1, load_safetensors(get(in_stream), get(s))); });
}
int olivine_load_safetensors(olivine_map_string_to_array* res_0,
                             olivine_map_string_to_string* res_1, const char* file,
                             const olivine_stream s) {
  return guarded([&] {
    set_loaded(res_0, res_1, load_safetensors(c::name(file, "load_safetensors"), get(s)));
  });
}
int olivine_save_safetensors_writer(olivine_io_writer in_stream,
                                    const olivine_map_string_to_array param,
                                    const olivine_map_string_to_string metadata) {
  return guarded([&] { save_safetensors(get(in_stream), get(param), get(metadata)); });
}
int olivine_save_safetensors(const char* file, const olivine_map_string_to_array param,
                             const olivine_map_string_to_string metadata) {
  return guarded(
      [&] { save_safetensors(c::name(file, "save_safetensors"), get(param), get(metadata)); });
}

int olivine_load_gguf(olivine_io_gguf* gguf, const char* file, const olivine_stream s) {
  return guarded([&] { c::set(gguf, load_gguf(c::name(file, "load_gguf"), get(s))); });
}
int olivine_save_gguf(const char* file, olivine_io_gguf gguf) {
  return guarded([&] {
    const GGUFLoad& contents = get(gguf);
    save_gguf(c::name(file, "save_gguf"), contents.first, contents.second);
  });
}
