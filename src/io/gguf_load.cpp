// Reading GGUF: a header of counts, metadata, tensor descriptions, then the tensors' bytes.
//
// Every count and length is compared with the bytes that are left before anything of its size is
// allocated; tensors lie within the file, aligned and without overlaps.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md describes the format.
#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_set>

#include "core/error.h"
#include "core/node.h"
#include "io/file.h"
#include "io/gguf.h"
#include "io/utf8.h"

namespace olivine::gguf {
namespace {

constexpr uint64_t kMaxKey = 65535;  // bytes of a name
constexpr uint32_t kMaxDims = 8;

constexpr Dtype kValueDtypes[] = {uint8, int8,  uint16, int16,  uint32, int32,  float32,
                                  bool_, bool_, bool_,  uint64, int64,  float64};

// Reads the header in order, through a window of bytes.
class Header {
 public:
  explicit Header(const ByteSource& source) : source_(source) {}

  template <class... Args>
  [[noreturn]] void malformed(const Args&... args) const {
    fail_in_file("[load_gguf] ", source_.name, ": ", args...);
  }
  uint64_t at() const { return at_; }
  uint64_t left() const { return source_.size - at_; }

  void bytes(void* out, uint64_t n, const char* what) {
    if (n > left()) malformed("the file ends within ", what, " at byte ", at_);
    if (n > kWindow) {
      source_.read(at_, out, n);
    } else {
      if (at_ < begin_ || at_ + n > begin_ + window_.size()) {
        begin_ = at_;
        window_.resize(std::min<uint64_t>(kWindow, left()));
        source_.read(at_, window_.data(), window_.size());
      }
      if (n > 0) std::memcpy(out, window_.data() + (at_ - begin_), n);
    }
    at_ += n;
  }
  template <class T>
  T number(const char* what) {
    T v;
    bytes(&v, sizeof v, what);
    return v;
  }
  std::string string(const char* what, uint64_t limit = UINT64_MAX) {
    auto n = number<uint64_t>(what);
    if (n > limit || n > left()) {
      malformed("expected ", what, " of at most ", std::min(limit, left()), " bytes; got ", n);
    }
    std::string s(n, '\0');
    bytes(s.data(), n, what);
    return s;
  }
  std::string name(const char* what) {
    std::string s = string(what, kMaxKey);
    if (!is_utf8(s)) malformed("expected ", what, " in UTF-8 before byte ", at_);
    return s;
  }
  // A number of things that each take at least `least` bytes.
  uint64_t count(const char* what, uint64_t least) {
    auto n = number<uint64_t>(what);
    if (n > left() / least) malformed("expected at most ", left() / least, " ", what, "; got ", n);
    return n;
  }

 private:
  static constexpr uint64_t kWindow = 1 << 16;
  const ByteSource& source_;
  uint64_t at_ = 0, begin_ = 0;
  std::vector<char> window_;
};

struct Tensor {
  std::string name;
  const Type* type;
  Shape shape;
  uint64_t offset, bytes;  // from the start of the data
};

array numbers(Header& in, Dtype dtype, Shape shape, uint64_t count, const std::string& key) {
  BufferRef buffer = allocate(count * dtype.size());
  in.bytes(buffer->data, count * dtype.size(), "metadata");
  if (dtype == bool_) {
    auto* p = static_cast<unsigned char*>(buffer->data);
    for (uint64_t i = 0; i < count; ++i) {
      if (p[i] > 1) in.malformed("metadata '", key, "': expected bools of 0 or 1; got ", int(p[i]));
    }
  }
  return make_done(std::move(buffer), std::move(shape), dtype);
}

uint32_t value_type(Header& in, const std::string& key) {
  auto type = in.number<uint32_t>("metadata");
  if (type > uint32_t(Value::f64)) {
    in.malformed("metadata '", key, "': expected a type of 0 to 12; got ", type);
  }
  return type;
}

GGUFMetaData list(Header& in, const std::string& key) {
  uint32_t type = value_type(in, key);
  if (Value(type) == Value::list) {
    in.malformed("metadata '", key, "': lists within lists are not supported");
  }
  if (Value(type) != Value::string) {
    Dtype dtype = kValueDtypes[type];
    uint64_t n = in.count("elements of a list", dtype.size());
    return numbers(in, dtype, {int64_t(n)}, n, key);
  }
  std::vector<std::string> strings;
  uint64_t n = in.count("strings of a list", 8);
  strings.reserve(n);
  for (uint64_t i = 0; i < n; ++i) strings.push_back(in.string("a string of a list"));
  return strings;
}

GGUFMetaData value(Header& in, const std::string& key) {
  uint32_t type = value_type(in, key);
  if (Value(type) == Value::string) return in.string("a metadata string");
  if (Value(type) == Value::list) return list(in, key);
  return numbers(in, kValueDtypes[type], {}, 1, key);
}

GGUFMetadataMap read_metadata(Header& in, uint64_t count) {
  GGUFMetadataMap metadata;
  for (uint64_t i = 0; i < count; ++i) {
    std::string key = in.name("a metadata key");
    if (metadata.contains(key)) in.malformed("expected distinct keys; got '", key, "' twice");
    GGUFMetaData v = value(in, key);
    metadata.emplace(std::move(key), std::move(v));
  }
  return metadata;
}

uint64_t alignment_of(const Header& in, const GGUFMetadataMap& metadata) {
  auto found = metadata.find("general.alignment");
  if (found == metadata.end()) return 32;
  const array* a = std::get_if<array>(&found->second);
  if (!a || a->dtype() != uint32 || a->ndim() != 0) {
    in.malformed("expected general.alignment as uint32");
  }
  uint32_t v = *a->data<uint32_t>();
  if (!std::has_single_bit(v)) {
    in.malformed("expected general.alignment to be a power of two; got ", v);
  }
  return v;
}

// Sets shape (GGUF lists the fastest axis first) and size in bytes.
void read_shape(Header& in, Tensor& t) {
  auto dims = in.number<uint32_t>("a tensor's description");
  if (dims > kMaxDims) {
    in.malformed("tensor '", t.name, "': expected at most ", kMaxDims, " axes; got ", dims);
  }
  t.shape.resize(dims);
  for (uint32_t i = 0; i < dims; ++i) {
    auto d = in.number<uint64_t>("a tensor's description");
    if (d > uint64_t{INT64_MAX}) {
      in.malformed("tensor '", t.name, "': expected sizes below 2^63; got ", d);
    }
    t.shape[dims - 1 - i] = int64_t(d);
  }
}

void check_type(const Header& in, Tensor& t, uint32_t id) {
  t.type = find_type(id);
  if (!t.type) in.malformed("tensor '", t.name, "': expected a known type; got number ", id);
  if (t.type->form == Form::unreadable) {
    in.malformed("tensor '", t.name, "': type ", t.type->name, " is not supported");
  }
  int64_t last = t.shape.empty() ? 1 : t.shape.back();
  if (last % t.type->values != 0) {
    in.malformed("tensor '", t.name, "': expected a last axis of a multiple of ", t.type->values,
                 " for ", t.type->name, "; got ", last);
  }
  // In the widest dtype, so that what is decoded fits as well.
  uint64_t widest = 0;
  if (!storage_size(t.shape, 8, widest)) {
    in.malformed("tensor '", t.name, "': its size does not fit in 64 bits");
  }
  t.bytes = widest / 8 / t.type->values * t.type->bytes;
}

std::vector<Tensor> read_tensors(Header& in, uint64_t count) {
  std::vector<Tensor> tensors;
  std::unordered_set<std::string> names;
  tensors.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    Tensor t;
    t.name = in.name("a tensor's name");
    if (!names.insert(t.name).second) {
      in.malformed("expected distinct names; got '", t.name, "' twice");
    }
    read_shape(in, t);
    check_type(in, t, in.number<uint32_t>("a tensor's description"));
    t.offset = in.number<uint64_t>("a tensor's description");
    tensors.push_back(std::move(t));
  }
  return tensors;
}

void check_layout(const Header& in, const std::vector<Tensor>& tensors, uint64_t alignment,
                  uint64_t size) {
  std::vector<const Tensor*> sorted;
  for (const Tensor& t : tensors) {
    if (t.offset % alignment != 0) {
      in.malformed("tensor '", t.name, "': expected an offset aligned to ", alignment, "; got ",
                   t.offset);
    }
    if (t.offset > size || t.bytes > size - t.offset) {
      in.malformed("tensor '", t.name, "': expected ", t.bytes, " bytes at offset ", t.offset,
                   "; the file has ", size, " bytes of data");
    }
    if (t.bytes > 0) sorted.push_back(&t);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Tensor* a, const Tensor* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i - 1]->offset + sorted[i - 1]->bytes > sorted[i]->offset) {
      in.malformed("tensors '", sorted[i - 1]->name, "' and '", sorted[i]->name, "' overlap");
    }
  }
}

// The arrays of a tensor: one, or the three of a quantized weight.
void add_arrays(const Header& in, const Tensor& t, std::shared_ptr<const ByteSource> source,
                uint64_t data, GGUFPacking packing, NamedArrays& arrays) {
  Extent e{std::move(source), data + t.offset, t.bytes, nullptr, {}};
  std::vector<std::string> names{t.name};
  const Form form = t.type->form;
  const bool lossless = packing == GGUFPacking::lossless;
  if (form == Form::packed || (form == Form::packable && lossless)) {
    const Packing& p = lossless ? t.type->kept : t.type->packing;
    const QuantFormat& f = p.format;
    e.codec = &p.codec;
    constexpr std::string_view kWeight = ".weight";
    std::string prefix =
        t.name.ends_with(kWeight) ? t.name.substr(0, t.name.size() - kWeight.size()) : t.name;
    names.push_back(prefix + ".scales");
    if (f.has_biases()) names.push_back(prefix + ".biases");
    Shape weight = t.shape, scales = t.shape;
    weight.back() = weight.back() / 32 * f.bits;
    scales.back() = f.scale_columns(scales.back() / f.group_size);
    e.outs = {{weight, uint32}};
    e.outs.resize(names.size(), {scales, f.nested() ? uint8 : float16});
  } else if (form == Form::plain) {
    e.outs = {{t.shape, t.type->dtype}};
  } else {
    e.codec = lossless ? &t.type->exact : &t.type->codec;
    e.outs = {{t.shape, lossless ? float32 : t.type->dtype}};
  }
  Arrays loaded = load_extent(std::move(e));
  for (size_t i = 0; i < names.size(); ++i) {
    if (!arrays.emplace(names[i], loaded[i]).second) {
      in.malformed("tensor '", t.name, "': another one is called '", names[i], "'");
    }
  }
}

}  // namespace
}  // namespace olivine::gguf

namespace olivine {

GGUFLoad load_gguf(const ByteSource& source, GGUFPacking packing) {
  using namespace gguf;
  Header in(source);
  char magic[4];
  in.bytes(magic, 4, "the header");
  if (std::memcmp(magic, "GGUF", 4) != 0) in.malformed("expected a GGUF file; got another kind");
  auto version = in.number<uint32_t>("the header");
  if (version != 0 && (version & 0xffff) == 0) {
    in.malformed("expected a little-endian file; got a big-endian one");
  }
  if (version != 2 && version != 3) in.malformed("expected version 2 or 3; got ", version);
  // The shortest tensor has a name of no bytes and no axes; the shortest value is one byte.
  uint64_t tensor_count = in.count("tensors", 8 + 4 + 4 + 8);
  uint64_t value_count = in.count("metadata values", 8 + 4 + 1);
  GGUFMetadataMap metadata = read_metadata(in, value_count);
  uint64_t alignment = alignment_of(in, metadata);
  if (tensor_count > in.left() / 24) {
    in.malformed("expected at most ", in.left() / 24, " tensors; got ", tensor_count);
  }
  std::vector<Tensor> tensors = read_tensors(in, tensor_count);
  uint64_t data = (in.at() + alignment - 1) / alignment * alignment;
  check_layout(in, tensors, alignment, data < source.size ? source.size - data : 0);

  auto shared = std::make_shared<const ByteSource>(source);
  NamedArrays arrays;
  for (const Tensor& t : tensors) add_arrays(in, t, shared, data, packing, arrays);
  return {std::move(arrays), std::move(metadata)};
}

GGUFLoad load_gguf(const std::string& path, GGUFPacking packing) {
  return load_gguf(open_source(path), packing);
}

}  // namespace olivine
