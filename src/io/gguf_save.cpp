// Writing GGUF version 3: metadata and tensors in the order of their names.
#include <algorithm>
#include <bit>
#include <map>

#include "core/error.h"
#include "io/file.h"
#include "io/gguf.h"

namespace olivine {
namespace {

using gguf::Value;

class Writer {
 public:
  explicit Writer(const ByteSink& sink) : sink_(sink) {}
  template <class T>
  void number(T v) {
    bytes(&v, sizeof v);
  }
  void type(Value v) { number(static_cast<uint32_t>(v)); }
  void string(const std::string& s) {
    number(uint64_t{s.size()});
    bytes(s.data(), s.size());
  }
  void bytes(const void* p, size_t n) {
    if (n > 0) sink_(p, n);
    at_ += n;
  }
  void align(uint64_t alignment) {
    std::string zeros((alignment - at_ % alignment) % alignment, '\0');
    bytes(zeros.data(), zeros.size());
  }

 private:
  const ByteSink& sink_;
  uint64_t at_ = 0;
};

Value value_of(const std::string& key, Dtype t) {
  switch (t.val()) {
    case Dtype::Val::bool_:
      return Value::boolean;
    case Dtype::Val::uint8:
      return Value::u8;
    case Dtype::Val::uint16:
      return Value::u16;
    case Dtype::Val::uint32:
      return Value::u32;
    case Dtype::Val::uint64:
      return Value::u64;
    case Dtype::Val::int8:
      return Value::i8;
    case Dtype::Val::int16:
      return Value::i16;
    case Dtype::Val::int32:
      return Value::i32;
    case Dtype::Val::int64:
      return Value::i64;
    case Dtype::Val::float32:
      return Value::f32;
    case Dtype::Val::float64:
      return Value::f64;
    default:
      break;
  }
  fail("[save_gguf] metadata '", key, "': expected bool, integers, float32 or float64; got ", t);
}

uint32_t tensor_type(const std::string& name, Dtype t) {
  constexpr std::pair<Dtype, uint32_t> kTypes[] = {
      {float32, 0}, {float16, 1}, {bfloat16, 30}, {float64, 28},
      {int8, 24},   {int16, 25},  {int32, 26},    {int64, 27},
  };
  for (auto [dtype, id] : kTypes) {
    if (dtype == t) return id;
  }
  fail("[save_gguf] array '", name,
       "': expected float16, bfloat16, float32, float64 or int8 to "
       "int64; got ",
       t);
}

void write_value(Writer& out, const std::string& key, const GGUFMetaData& v) {
  out.string(key);
  if (auto* s = std::get_if<std::string>(&v)) {
    out.type(Value::string);
    out.string(*s);
  } else if (auto* strings = std::get_if<std::vector<std::string>>(&v)) {
    out.type(Value::list);
    out.type(Value::string);
    out.number(uint64_t{strings->size()});
    for (const std::string& s : *strings) out.string(s);
  } else {
    array a = contiguous_for_saving(std::get<array>(v));
    if (a.ndim() == 1) {
      out.type(Value::list);
      out.type(value_of(key, a.dtype()));
      out.number(static_cast<uint64_t>(a.size()));
    } else {
      out.type(value_of(key, a.dtype()));
    }
    out.bytes(a.data(), a.nbytes());
  }
}

// Everything that could be refused, before the first byte is written.
void check(const std::map<std::string, array>& arrays,
           const std::map<std::string, GGUFMetaData>& metadata) {
  for (auto& [key, v] : metadata) {
    if (key.size() > 65535) fail("[save_gguf] expected keys of at most 65535 bytes");
    if (std::holds_alternative<std::monostate>(v)) {
      fail("[save_gguf] metadata '", key, "': expected a value");
    }
    if (auto* a = std::get_if<array>(&v)) {
      value_of(key, a->dtype());
      if (a->ndim() > 1) {
        fail("[save_gguf] metadata '", key, "': expected at most one axis; got shape ", a->shape());
      }
    }
  }
  for (auto& [name, a] : arrays) {
    tensor_type(name, a.dtype());
    if (name.size() > 65535) fail("[save_gguf] expected names of at most 65535 bytes");
    if (a.ndim() > 8) {
      fail("[save_gguf] array '", name, "': expected at most 8 axes; got shape ", a.shape());
    }
  }
}

uint64_t alignment_of(const std::map<std::string, GGUFMetaData>& metadata) {
  auto found = metadata.find("general.alignment");
  if (found == metadata.end()) return 32;
  auto* a = std::get_if<array>(&found->second);
  uint32_t v = a && a->dtype() == uint32 && a->ndim() == 0 ? a->item<uint32_t>() : 0;
  if (!std::has_single_bit(v) || v > 1 << 20) {
    fail("[save_gguf] expected general.alignment as a uint32 power of two up to 2^20");
  }
  return v;
}

}  // namespace

void write_gguf(const ByteSink& sink, const NamedArrays& arrays, const GGUFMetadataMap& metadata) {
  std::map<std::string, array> tensors(arrays.begin(), arrays.end());
  std::map<std::string, GGUFMetaData> values(metadata.begin(), metadata.end());
  check(tensors, values);
  uint64_t alignment = alignment_of(values);
  std::vector<array> all;
  for (auto& [name, a] : tensors) all.push_back(a);
  eval(all);

  Writer out(sink);
  out.bytes("GGUF", 4);
  out.number(uint32_t{3});
  out.number(uint64_t{tensors.size()});
  out.number(uint64_t{values.size()});
  for (auto& [key, v] : values) write_value(out, key, v);
  uint64_t offset = 0;
  for (auto& [name, a] : tensors) {
    out.string(name);
    out.number(static_cast<uint32_t>(a.ndim()));
    for (int i = a.ndim(); i-- > 0;) out.number(static_cast<uint64_t>(a.shape(i)));
    out.number(tensor_type(name, a.dtype()));
    out.number(offset);
    offset += (a.nbytes() + alignment - 1) / alignment * alignment;
  }
  for (const array& a : all) {
    out.align(alignment);
    array c = contiguous_for_saving(a);
    out.bytes(c.data(), c.nbytes());
  }
  out.align(alignment);
}

void save_gguf(const std::string& path, const NamedArrays& arrays,
               const GGUFMetadataMap& metadata) {
  save_atomically(path, [&](const ByteSink& sink) { write_gguf(sink, arrays, metadata); });
}

}  // namespace olivine
