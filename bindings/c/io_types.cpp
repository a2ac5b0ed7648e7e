// The C API of streams that a program brings along, and of GGUF contents.
#include "olivine/c/io_types.h"

#include <algorithm>
#include <cstdio>

#include "io.h"

using namespace olivine;
using c::get;
using c::guarded;
using c::made;

namespace {

// A stream of the program's: C functions on a descriptor, which it owns.
class CStream {
 public:
  CStream(void* desc, const olivine_io_vtable& vtable) : desc_(desc), f_(vtable) {}
  CStream(const CStream&) = delete;
  ~CStream() {
    if (f_.free) f_.free(desc_);
  }
  void* descriptor() const { return desc_; }
  const olivine_io_vtable& functions() const { return f_; }

  bool is_open() const { return f_.is_open(desc_); }
  bool good() const { return f_.good(desc_); }
  std::string label() const {
    const char* text = f_.label ? f_.label(desc_) : nullptr;
    return text ? text : "a stream without a label";
  }
  size_t tell() const {
    if (!f_.tell) fail("[io] expected a stream that tells its position; got ", label());
    return f_.tell(desc_);
  }
  void seek(int64_t off, std::ios_base::seekdir way) const {
    if (!f_.seek) fail("[io] expected a stream with positions; got ", label());
    int whence = way == std::ios_base::beg   ? SEEK_SET
                 : way == std::ios_base::cur ? SEEK_CUR
                                             : SEEK_END;
    f_.seek(desc_, off, whence);
  }
  // To be called after each transfer: the functions have no other way to tell of a failure.
  void check(const char* done, size_t n) const {
    if (good()) return;
    fail<std::runtime_error>("[io] expected to ", done, " ", n, " bytes; got a failure of ",
                             label());
  }

 private:
  void* desc_;
  olivine_io_vtable f_;
};

class CReader final : public io::Reader {
 public:
  CReader(void* desc, const olivine_io_vtable& vtable) : stream(desc, vtable) {
    const olivine_io_vtable& f = stream.functions();
    if (!f.is_open || !f.good || !f.tell || !f.seek || (!f.read && !f.read_at_offset)) {
      fail("[io_reader] expected functions is_open, good, tell, seek and read; got null");
    }
  }
  bool is_open() const override { return stream.is_open(); }
  bool good() const override { return stream.good(); }
  size_t tell() override { return stream.tell(); }
  void seek(int64_t off, std::ios_base::seekdir way) override { stream.seek(off, way); }
  std::string label() const override { return stream.label(); }
  void read(char* data, size_t n) override {
    const olivine_io_vtable& f = stream.functions();
    if (!f.read) {
      size_t here = tell();
      read(data, n, here);
      return seek(static_cast<int64_t>(here + n), std::ios_base::beg);
    }
    f.read(stream.descriptor(), data, n);
    stream.check("read", n);
  }
  void read(char* data, size_t n, size_t offset) override {
    const olivine_io_vtable& f = stream.functions();
    if (!f.read_at_offset) {
      seek(static_cast<int64_t>(offset), std::ios_base::beg);
      return read(data, n);
    }
    f.read_at_offset(stream.descriptor(), data, n, offset);
    stream.check("read", n);
  }

  CStream stream;
};

class CWriter final : public io::Writer {
 public:
  CWriter(void* desc, const olivine_io_vtable& vtable) : stream(desc, vtable) {
    const olivine_io_vtable& f = stream.functions();
    if (!f.is_open || !f.good || !f.write) {
      fail("[io_writer] expected functions is_open, good and write; got null");
    }
  }
  bool is_open() const override { return stream.is_open(); }
  bool good() const override { return stream.good(); }
  size_t tell() override { return stream.tell(); }
  void seek(int64_t off, std::ios_base::seekdir way) override { stream.seek(off, way); }
  std::string label() const override { return stream.label(); }
  void write(const char* data, size_t n) override {
    stream.functions().write(stream.descriptor(), data, n);
    stream.check("write", n);
  }

  CStream stream;
};

}  // namespace

namespace olivine::c {
// Handles share their stream with the calls that use it.
OLIVINE_C_HELD(olivine_io_reader, std::shared_ptr<CReader>);
OLIVINE_C_HELD(olivine_io_writer, std::shared_ptr<CWriter>);

std::shared_ptr<io::Reader> get(olivine_io_reader io) { return filled(io); }
std::shared_ptr<io::Writer> get(olivine_io_writer io) { return filled(io); }
GGUFLoad& get(olivine_io_gguf io) {
  if (!io.ctx) fail("[io_gguf] expected GGUF contents; got an empty handle");
  return *pointer(io);
}
}  // namespace olivine::c

#define OLIVINE_C_STREAM(NAME, CLASS)                                                       \
  NAME NAME##_new(void* desc, olivine_io_vtable vtable) {                                   \
    return made<NAME>(                                                                      \
        [&] { return new std::shared_ptr<CLASS>(std::make_shared<CLASS>(desc, vtable)); }); \
  }                                                                                         \
  int NAME##_descriptor(void** desc_, NAME io) {                                            \
    return guarded([&] { c::store(desc_, c::filled(io)->stream.descriptor()); });           \
  }                                                                                         \
  int NAME##_tostring(olivine_string* str_, NAME io) {                                      \
    return guarded([&] { c::set(str_, c::filled(io)->label()); });                          \
  }                                                                                         \
  int NAME##_free(NAME io) { return c::release(io); }
OLIVINE_C_STREAM(olivine_io_reader, CReader)
OLIVINE_C_STREAM(olivine_io_writer, CWriter)
#undef OLIVINE_C_STREAM

// ---- GGUF
namespace {

using Strings = std::vector<std::string>;

std::string key_of(const char* key) { return c::name(key, "io_gguf"); }
template <class Map>
Strings sorted_keys(const Map& map) {
  Strings keys;
  for (auto& [key, value] : map) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  return keys;
}
// The metadata of that name, or null if it is of another kind or absent.
template <class T>
const T* find_metadata(olivine_io_gguf io, const char* key) {
  const GGUFMetadataMap& all = get(io).second;
  auto it = all.find(key_of(key));
  return it == all.end() ? nullptr : std::get_if<T>(&it->second);
}
template <class T, class Handle>
int get_metadata(Handle* res, olivine_io_gguf io, const char* key, const char* kind) {
  return guarded([&] {
    const T* found = find_metadata<T>(io, key);
    if (!found) {
      bool other = get(io).second.count(key) > 0;
      fail<std::out_of_range>("[io_gguf] expected metadata '", key, "' that is ", kind, "; got ",
                              other ? "another kind" : "none of that name");
    }
    c::set(res, *found);
  });
}
template <class T>
int has_metadata(bool* flag, olivine_io_gguf io, const char* key) {
  return guarded([&] { c::store(flag, find_metadata<T>(io, key) != nullptr); });
}

}  // namespace

olivine_io_gguf olivine_io_gguf_new(void) {
  return made<olivine_io_gguf>([] { return new GGUFLoad(); });
}
int olivine_io_gguf_free(olivine_io_gguf io) { return c::release(io); }
int olivine_io_gguf_get_keys(olivine_vector_string* keys, olivine_io_gguf io) {
  return guarded([&] { c::set(keys, sorted_keys(get(io).first)); });
}
int olivine_io_gguf_get_metadata_keys(olivine_vector_string* keys, olivine_io_gguf io) {
  return guarded([&] { c::set(keys, sorted_keys(get(io).second)); });
}
int olivine_io_gguf_get_array(olivine_array* arr, olivine_io_gguf io, const char* key) {
  return guarded([&] {
    const NamedArrays& all = get(io).first;
    auto it = all.find(key_of(key));
    if (it == all.end()) {
      fail<std::out_of_range>("[io_gguf] expected the name of an array; got '", key, "'");
    }
    c::set(arr, it->second);
  });
}
int olivine_io_gguf_get_metadata_array(olivine_array* arr, olivine_io_gguf io, const char* key) {
  return get_metadata<array>(arr, io, key, "an array");
}
int olivine_io_gguf_get_metadata_string(olivine_string* str, olivine_io_gguf io, const char* key) {
  return get_metadata<std::string>(str, io, key, "a string");
}
int olivine_io_gguf_get_metadata_vector_string(olivine_vector_string* vstr, olivine_io_gguf io,
                                               const char* key) {
  return get_metadata<Strings>(vstr, io, key, "a list of strings");
}
int olivine_io_gguf_has_metadata_array(bool* flag, olivine_io_gguf io, const char* key) {
  return has_metadata<array>(flag, io, key);
}
int olivine_io_gguf_has_metadata_string(bool* flag, olivine_io_gguf io, const char* key) {
  return has_metadata<std::string>(flag, io, key);
}
int olivine_io_gguf_has_metadata_vector_string(bool* flag, olivine_io_gguf io, const char* key) {
  return has_metadata<Strings>(flag, io, key);
}
int olivine_io_gguf_set_array(olivine_io_gguf io, const char* key, const olivine_array arr) {
  return guarded([&] { get(io).first.insert_or_assign(key_of(key), get(arr)); });
}
int olivine_io_gguf_set_metadata_array(olivine_io_gguf io, const char* key,
                                       const olivine_array marr) {
  return guarded([&] { get(io).second.insert_or_assign(key_of(key), get(marr)); });
}
int olivine_io_gguf_set_metadata_string(olivine_io_gguf io, const char* key, const char* mstr) {
  return guarded([&] { get(io).second.insert_or_assign(key_of(key), c::name(mstr, "io_gguf")); });
}
int olivine_io_gguf_set_metadata_vector_string(olivine_io_gguf io, const char* key,
                                               const olivine_vector_string mvstr) {
  return guarded([&] { get(io).second.insert_or_assign(key_of(key), Strings(get(mvstr))); });
}
