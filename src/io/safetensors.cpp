// The safetensors format: an 8-byte header size, a JSON header, then the tensors' bytes.
//
// Every rule of the format is checked before anything of the header's sizes is allocated: the
// header is at most 100 MB of JSON, offsets follow each other without holes or overlaps and end
// with the file, and each tensor has as many bytes as its shape and dtype say.
// https://github.com/huggingface/safetensors describes it.
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/error.h"
#include "core/node.h"
#include "core/size.h"
#include "io/extent.h"
#include "io/file.h"

namespace olivine {
namespace {

using Json = nlohmann::json;
constexpr uint64_t kMaxHeader = 100'000'000;

constexpr std::pair<const char*, Dtype> kDtypes[] = {
    {"BOOL", bool_},    {"U8", uint8},    {"I8", int8},     {"U16", uint16},    {"I16", int16},
    {"U32", uint32},    {"I32", int32},   {"U64", uint64},  {"I64", int64},     {"F16", float16},
    {"BF16", bfloat16}, {"F32", float32}, {"F64", float64}, {"C64", complex64},
};

template <class... Args>
[[noreturn]] void malformed(const ByteSource& source, const Args&... args) {
  fail<std::runtime_error>("[load_safetensors] ", source.name, ": ", args...);
}

struct Tensor {
  std::string name;
  Dtype dtype = bool_;
  Shape shape;
  uint64_t begin = 0, end = 0;
};

// The header as JSON, refusing names that occur twice.
Json parse_header(const ByteSource& source, const std::string& text) {
  std::set<std::string> names;
  std::string twice;
  auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1 &&
        !names.insert(parsed.get<std::string>()).second) {
      twice = parsed.get<std::string>();
    }
    return depth <= 3;  // deeper values are malformed anyway
  };
  Json header = Json::parse(text, check, false);
  if (header.is_discarded() || !header.is_object()) {
    malformed(source, "expected a JSON object as header");
  }
  if (!twice.empty()) malformed(source, "expected distinct names; got '", twice, "' twice");
  return header;
}

uint64_t natural(const ByteSource& source, const std::string& name, const Json& v) {
  if (!v.is_number_unsigned()) {
    malformed(source, "tensor '", name, "': expected integers >= 0; got ", v.dump());
  }
  return v.get<uint64_t>();
}

Tensor parse_tensor(const ByteSource& source, const std::string& name, const Json& v) {
  Tensor t;
  t.name = name;
  bool complete = v.is_object() && v.size() == 3 && v.contains("dtype") && v.contains("shape") &&
                  v.contains("data_offsets") && v["dtype"].is_string() && v["shape"].is_array() &&
                  v["data_offsets"].is_array() && v["data_offsets"].size() == 2;
  if (!complete) {
    malformed(source, "tensor '", name, "': expected dtype, shape and data_offsets");
  }
  std::string dtype = v["dtype"].get<std::string>();
  auto found = std::find_if(std::begin(kDtypes), std::end(kDtypes),
                            [&](const auto& d) { return dtype == d.first; });
  if (found == std::end(kDtypes)) malformed(source, "tensor '", name, "': unknown dtype ", dtype);
  t.dtype = found->second;
  uint64_t bytes = t.dtype.size();
  for (const Json& d : v["shape"]) {
    uint64_t size = natural(source, name, d);
    if (size > uint64_t{INT64_MAX} || __builtin_mul_overflow(bytes, size, &bytes)) {
      malformed(source, "tensor '", name, "': its size does not fit in 64 bits");
    }
    t.shape.push_back(static_cast<int64_t>(size));
  }
  t.begin = natural(source, name, v["data_offsets"][0]);
  t.end = natural(source, name, v["data_offsets"][1]);
  if (t.end < t.begin || t.end - t.begin != bytes) {
    malformed(source, "tensor '", name, "': expected ", bytes, " bytes; got offsets ", t.begin,
              " to ", t.end);
  }
  return t;
}

Metadata parse_metadata(const ByteSource& source, const Json& v) {
  if (!v.is_object()) malformed(source, "expected __metadata__ to be an object");
  Metadata m;
  for (auto& [key, value] : v.items()) {
    if (!value.is_string()) malformed(source, "metadata '", key, "': expected a string");
    m[key] = value.get<std::string>();
  }
  return m;
}

// Sorted by offset; the bytes are covered exactly once.
void check_layout(const ByteSource& source, std::vector<Tensor>& tensors, uint64_t size) {
  std::sort(tensors.begin(), tensors.end(), [](const Tensor& a, const Tensor& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t at = 0;
  for (const Tensor& t : tensors) {
    if (t.begin != at) {
      malformed(source, "tensor '", t.name, "': expected offset ", at, "; got ", t.begin);
    }
    at = t.end;
  }
  if (at != size) malformed(source, "expected ", at, " bytes of data; got ", size);
}

const char* format_name(Dtype t) {
  for (auto& [name, dtype] : kDtypes) {
    if (dtype == t) return name;
  }
  fail("[save_safetensors] expected a dtype of the format; got ", t);
}

}  // namespace

std::pair<NamedArrays, Metadata> load_safetensors(const ByteSource& source) {
  uint64_t header_size = 0;
  if (source.size < 8) malformed(source, "expected at least 8 bytes; got ", source.size);
  source.read(0, &header_size, 8);
  if (header_size > kMaxHeader || header_size > source.size - 8) {
    malformed(source, "expected a header of at most ", std::min(kMaxHeader, source.size - 8),
              " bytes; got ", header_size);
  }
  std::string text(header_size, '\0');
  source.read(8, text.data(), header_size);
  if (text.empty() || text[0] != '{') malformed(source, "expected a header that begins with {");
  Json header = parse_header(source, text);

  Metadata metadata;
  std::vector<Tensor> tensors;
  for (auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      metadata = parse_metadata(source, value);
    } else {
      tensors.push_back(parse_tensor(source, name, value));
    }
  }
  check_layout(source, tensors, source.size - 8 - header_size);
  auto shared = std::make_shared<const ByteSource>(source);
  NamedArrays arrays;
  for (const Tensor& t : tensors) {
    Extent e{shared,
             8 + header_size + t.begin,
             t.end - t.begin,
             storage_codec(t.dtype, false),
             {{t.shape, t.dtype}}};
    arrays.emplace(t.name, load_extent(std::move(e))[0]);
  }
  return {std::move(arrays), std::move(metadata)};
}

std::pair<NamedArrays, Metadata> load_safetensors(const std::string& path) {
  return load_safetensors(open_source(path));
}

void write_safetensors(const ByteSink& sink, const NamedArrays& arrays, const Metadata& metadata) {
  std::vector<std::pair<std::string, array>> sorted(arrays.begin(), arrays.end());
  // Wide dtypes first keeps every tensor aligned; names make the file reproducible.
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::pair(-int(a.second.itemsize()), a.first) <
           std::pair(-int(b.second.itemsize()), b.first);
  });
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  std::vector<array> all;
  for (auto& [name, a] : sorted) {
    if (name == "__metadata__") fail("[save_safetensors] expected another name than ", name);
    all.push_back(a);
    uint64_t end = offset + a.nbytes();
    header[name] = {{"dtype", format_name(a.dtype())},
                    {"shape", std::vector<int64_t>(a.shape().begin(), a.shape().end())},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  eval(all);
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception&) {
    fail("[save_safetensors] expected names and metadata in UTF-8");
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > kMaxHeader) {
    fail("[save_safetensors] expected a header of at most ", kMaxHeader, " bytes; got ",
         text.size());
  }
  uint64_t size = text.size();
  sink(&size, 8);
  sink(text.data(), text.size());
  for (const array& a : all) {
    array c = contiguous_for_saving(a);
    sink(c.data(), c.nbytes());
  }
}

void save_safetensors(const std::string& path, const NamedArrays& arrays,
                      const Metadata& metadata) {
  save_atomically(path, [&](const ByteSink& sink) { write_safetensors(sink, arrays, metadata); });
}

}  // namespace olivine
