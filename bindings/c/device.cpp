// The C API of devices, streams and memory.
#include "olivine/c/device.h"

#include "handles.h"
#include "olivine/memory.h"
#include "olivine/utils.h"

using namespace olivine;
using c::guarded;
using c::made;
using c::set;
using c::store;

namespace {

Device get(olivine_device d) { return d.ctx ? *c::pointer(d) : default_device(); }
Stream stream_of(olivine_stream s) { return to_stream(c::get(s)); }
Device::Type type_of(olivine_device_type t) {
  if (t != OLIVINE_CPU && t != OLIVINE_GPU) {
    fail("[device] expected OLIVINE_CPU or OLIVINE_GPU; got ", static_cast<int>(t));
  }
  return t == OLIVINE_GPU ? Device::gpu : Device::cpu;
}
const DeviceFact* find(olivine_device_info info, const char* key) {
  std::string wanted = c::name(key, "device_info");
  for (const DeviceFact& fact : c::get(info)) {
    if (fact.first == wanted) return &fact;
  }
  return nullptr;
}
// The value of a key as one of the two types that values have.
template <class T>
const T& fact_of(olivine_device_info info, const char* key) {
  const DeviceFact* fact = find(info, key);
  if (!fact) fail<std::out_of_range>("[device_info] expected a key that is there; got ", key);
  const T* value = std::get_if<T>(&fact->second);
  if (!value) fail<TypeError>("[device_info] expected a value of the other type for ", key);
  return *value;
}
template <class T>
std::string shown(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

}  // namespace

olivine_device olivine_device_new(void) { return {nullptr}; }
olivine_device olivine_device_new_type(olivine_device_type type, int index) {
  return made<olivine_device>([&] { return new Device(type_of(type), index); });
}
int olivine_device_free(olivine_device dev) { return c::release(dev); }
int olivine_device_set(olivine_device* dev, const olivine_device src) {
  return guarded([&] { set(dev, get(src)); });
}
int olivine_device_tostring(olivine_string* str, olivine_device dev) {
  return guarded([&] { set(str, shown(get(dev))); });
}
bool olivine_device_equal(olivine_device lhs, olivine_device rhs) {
  return c::value_of<bool>([&] { return get(lhs) == get(rhs); });
}
int olivine_device_get_index(int* index, olivine_device dev) {
  return guarded([&] { store(index, get(dev).index); });
}
int olivine_device_get_type(olivine_device_type* type, olivine_device dev) {
  return guarded([&] { store(type, get(dev).type == Device::gpu ? OLIVINE_GPU : OLIVINE_CPU); });
}
int olivine_get_default_device(olivine_device* dev) {
  return guarded([&] { set(dev, default_device()); });
}
int olivine_set_default_device(olivine_device dev) {
  return guarded([&] { set_default_device(get(dev)); });
}
int olivine_device_is_available(bool* avail, olivine_device dev) {
  return guarded([&] { store(avail, is_available(get(dev))); });
}
int olivine_device_count(int* count, olivine_device_type type) {
  return guarded([&] { store(count, device_count(type_of(type))); });
}

olivine_device_info olivine_device_info_new(void) {
  return made<olivine_device_info>([] { return new DeviceInfo; });
}
int olivine_device_info_get(olivine_device_info* info, olivine_device dev) {
  return guarded([&] { set(info, device_info(get(dev))); });
}
int olivine_device_info_free(olivine_device_info info) { return c::release(info); }
int olivine_device_info_has_key(bool* exists, olivine_device_info info, const char* key) {
  return guarded([&] { store(exists, find(info, key) != nullptr); });
}
int olivine_device_info_is_string(bool* is_string, olivine_device_info info, const char* key) {
  return guarded([&] {
    const DeviceFact* fact = find(info, key);
    store(is_string, fact && std::holds_alternative<std::string>(fact->second));
  });
}
int olivine_device_info_get_string(const char** value, olivine_device_info info, const char* key) {
  return guarded([&] { store(value, fact_of<std::string>(info, key).c_str()); });
}
int olivine_device_info_get_size(size_t* value, olivine_device_info info, const char* key) {
  return guarded([&] { store(value, static_cast<size_t>(fact_of<int64_t>(info, key))); });
}
int olivine_device_info_get_keys(olivine_vector_string* keys, olivine_device_info info) {
  return guarded([&] {
    std::vector<std::string> names;
    for (const DeviceFact& fact : c::get(info)) names.push_back(fact.first);
    set(keys, std::move(names));
  });
}

olivine_stream olivine_stream_new(void) { return {nullptr}; }
olivine_stream olivine_stream_new_device(olivine_device dev) {
  return made<olivine_stream>([&] { return new Stream(new_stream(get(dev))); });
}
int olivine_stream_set(olivine_stream* stream, const olivine_stream src) {
  return guarded([&] { set(stream, stream_of(src)); });
}
int olivine_stream_free(olivine_stream stream) { return c::release(stream); }
int olivine_stream_tostring(olivine_string* str, olivine_stream stream) {
  return guarded([&] { set(str, shown(stream_of(stream))); });
}
bool olivine_stream_equal(olivine_stream lhs, olivine_stream rhs) {
  return c::value_of<bool>([&] { return stream_of(lhs) == stream_of(rhs); });
}
int olivine_stream_get_device(olivine_device* dev, olivine_stream stream) {
  return guarded([&] { set(dev, stream_of(stream).device); });
}
int olivine_stream_get_index(int* index, olivine_stream stream) {
  return guarded([&] { store(index, stream_of(stream).index); });
}
int olivine_synchronize(olivine_stream stream) {
  return guarded([&] { synchronize(stream_of(stream)); });
}
int olivine_clear_streams(void) {
  return guarded([] { clear_streams(); });
}
int olivine_get_default_stream(olivine_stream* stream, olivine_device dev) {
  return guarded([&] { set(stream, default_stream(get(dev))); });
}
int olivine_set_default_stream(olivine_stream stream) {
  return guarded([&] { set_default_stream(stream_of(stream)); });
}
olivine_stream olivine_default_cpu_stream_new(void) {
  return made<olivine_stream>([] { return new Stream(default_stream(Device::cpu)); });
}
olivine_stream olivine_default_gpu_stream_new(void) {
  return made<olivine_stream>([] { return new Stream(default_stream(Device::gpu)); });
}

int olivine_clear_cache(void) {
  return guarded([] { clear_cache(); });
}
int olivine_reset_peak_memory(void) {
  return guarded([] { reset_peak_memory(); });
}
#define OLIVINE_C_MEMORY(NAME)                         \
  int olivine_get_##NAME(size_t* res) {                \
    return guarded([&] { store(res, get_##NAME()); }); \
  }
OLIVINE_C_MEMORY(active_memory)
OLIVINE_C_MEMORY(cache_memory)
OLIVINE_C_MEMORY(memory_limit)
OLIVINE_C_MEMORY(peak_memory)
// A null pointer is found before the limit changes.
#define OLIVINE_C_LIMIT(NAME)                         \
  int olivine_set_##NAME(size_t* res, size_t limit) { \
    return guarded([&] {                              \
      store(res, size_t{0});                          \
      *res = set_##NAME(limit);                       \
    });                                               \
  }
OLIVINE_C_LIMIT(cache_limit)
OLIVINE_C_LIMIT(memory_limit)
OLIVINE_C_LIMIT(wired_limit)
int olivine_get_array_buffer_size(size_t* res, const olivine_vector_array arrays) {
  return guarded([&] { store(res, get_array_buffer_size(c::get(arrays))); });
}
