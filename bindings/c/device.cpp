// The C API of devices, streams and memory.
#include "olivine/c/device.h"

#include "handles.h"
#include "runtime/allocator.h"

using namespace olivine;
using c::get;
using c::guarded;
using c::made;

namespace {

Device get(olivine_device d) { return d.ctx ? *static_cast<Device*>(d.ctx) : default_device(); }
Stream stream_of(olivine_stream s) { return to_stream(c::get(s)); }
void set(olivine_device* res, Device d) {
  if (res->ctx) {
    *static_cast<Device*>(res->ctx) = d;
  } else {
    res->ctx = new Device(d);
  }
}
void set(olivine_stream* res, Stream s) {
  if (res->ctx) {
    *static_cast<Stream*>(res->ctx) = s;
  } else {
    res->ctx = new Stream(s);
  }
}
Device::Type type_of(olivine_device_type t) { return t == OLIVINE_GPU ? Device::gpu : Device::cpu; }

}  // namespace

olivine_device olivine_device_new(void) { return {nullptr}; }
olivine_device olivine_device_new_type(olivine_device_type type, int index) {
  return made<olivine_device>([&] { return new Device(type_of(type), index); });
}
int olivine_device_free(olivine_device dev) {
  delete static_cast<Device*>(dev.ctx);
  return 0;
}
bool olivine_device_equal(olivine_device lhs, olivine_device rhs) { return get(lhs) == get(rhs); }
int olivine_device_get_index(int* index, olivine_device dev) {
  return guarded([&] { *index = get(dev).index; });
}
int olivine_device_get_type(olivine_device_type* type, olivine_device dev) {
  return guarded([&] { *type = get(dev).type == Device::gpu ? OLIVINE_GPU : OLIVINE_CPU; });
}
int olivine_get_default_device(olivine_device* dev) {
  return guarded([&] { set(dev, default_device()); });
}
int olivine_set_default_device(olivine_device dev) {
  return guarded([&] { set_default_device(get(dev)); });
}
int olivine_device_is_available(bool* avail, olivine_device dev) {
  return guarded([&] { *avail = is_available(get(dev)); });
}
int olivine_device_count(int* count, olivine_device_type type) {
  return guarded([&] { *count = device_count(type_of(type)); });
}

olivine_stream olivine_stream_new(void) { return {nullptr}; }
olivine_stream olivine_stream_new_device(olivine_device dev) {
  return made<olivine_stream>([&] { return new Stream(new_stream(get(dev))); });
}
int olivine_stream_free(olivine_stream stream) {
  delete static_cast<Stream*>(stream.ctx);
  return 0;
}
bool olivine_stream_equal(olivine_stream lhs, olivine_stream rhs) {
  bool equal = false;
  guarded([&] { equal = stream_of(lhs) == stream_of(rhs); });
  return equal;
}
int olivine_stream_get_device(olivine_device* dev, olivine_stream stream) {
  return guarded([&] { set(dev, stream_of(stream).device); });
}
int olivine_stream_get_index(int* index, olivine_stream stream) {
  return guarded([&] { *index = stream_of(stream).index; });
}
int olivine_synchronize(olivine_stream stream) {
  return guarded([&] { synchronize(stream_of(stream)); });
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

int olivine_clear_cache(void) {
  return guarded([] { clear_cache(); });
}
int olivine_get_active_memory(size_t* res) {
  return guarded([&] { *res = get_active_memory(); });
}
int olivine_get_cache_memory(size_t* res) {
  return guarded([&] { *res = get_cache_memory(); });
}
int olivine_get_memory_limit(size_t* res) {
  return guarded([&] { *res = get_memory_limit(); });
}
int olivine_get_peak_memory(size_t* res) {
  return guarded([&] { *res = get_peak_memory(); });
}
int olivine_reset_peak_memory(void) {
  return guarded([] { reset_peak_memory(); });
}
int olivine_set_cache_limit(size_t* res, size_t limit) {
  return guarded([&] { *res = set_cache_limit(limit); });
}
int olivine_set_memory_limit(size_t* res, size_t limit) {
  return guarded([&] { *res = set_memory_limit(limit); });
}
