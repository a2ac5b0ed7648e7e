// The safetensors format: an 8-byte header size, a JSON header, then the tensors' bytes.
//
// Every rule of the format is checked before anything of the header's sizes is allocated: the
// header is at most 100 MB of JSON, offsets follow each other without holes or overlaps and end
// with the file, and each tensor has as many bytes as its shape and dtype say.
// https://github.com/huggingface/safetensors describes it.
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <vector>

#include "core/error.h"
#include "core/node.h"
#include "core/size.h"
#include "io/extent.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "io/utf8.h"

namespace olivine {

using safetensors::kDtypes;
using safetensors::Tensor;

namespace {

using Json = nlohmann::json;
constexpr uint64_t kMaxHeader = 100'000'000;

template <class... Args>
[[noreturn]] void malformed(const ByteSource& source, const Args&... args) {
  fail_in_file("[load_safetensors] ", source.name, ": ", args...);
}

// Sets the dtype; the bytes are those that shape and dtype need.
void check_tensor(const ByteSource& source, Tensor& t) {
  auto found = std::find_if(std::begin(kDtypes), std::end(kDtypes),
                            [&](const auto& d) { return t.format == d.name; });
  if (found == std::end(kDtypes)) {
    malformed(source, "tensor '", t.name, "': dtype ", t.format, " is not supported");
  }
  t.dtype = found->dtype;
  uint64_t bytes = 0;
  if (!storage_size(t.shape, t.dtype.size(), bytes)) {
    malformed(source, "tensor '", t.name, "': its size does not fit in 64 bits");
  }
  if (t.end < t.begin || t.end - t.begin != bytes) {
    malformed(source, "tensor '", t.name, "': expected ", bytes, " bytes; got offsets ", t.begin,
              " to ", t.end);
  }
}

// Sorted by offset, the tensors cover the bytes exactly once; names differ.
void check_layout(const ByteSource& source, std::vector<Tensor>& tensors, uint64_t size) {
  std::sort(tensors.begin(), tensors.end(), [](const Tensor& a, const Tensor& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::unordered_set<std::string_view> names;
  uint64_t at = 0;
  for (const Tensor& t : tensors) {
    if (!names.insert(t.name).second) {
      malformed(source, "expected distinct names; got '", t.name, "' twice");
    }
    if (t.begin != at) {
      malformed(source, "tensor '", t.name, "': expected offset ", at, "; got ", t.begin);
    }
    at = t.end;
  }
  if (at != size) malformed(source, "expected ", at, " bytes of data; got ", size);
}

const char* format_name(Dtype t) {
  for (auto& d : kDtypes) {
    if (d.dtype == t) return d.name;
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
  Metadata metadata;
  std::vector<Tensor> tensors;
  try {
    safetensors::parse_header(text, tensors, metadata);
  } catch (const safetensors::HeaderError& error) {
    malformed(source, error.what());
  }
  for (Tensor& t : tensors) check_tensor(source, t);
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
