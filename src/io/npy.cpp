// NumPy's npy format, versions 1.0 to 3.0, of both byte orders. Objects are never read.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#include <algorithm>
#include <cctype>
#include <cstring>
#include <string_view>

#include "core/error.h"
#include "core/node.h"
#include "core/size.h"
#include "io/extent.h"
#include "io/file.h"
#include "io/utf8.h"
#include "olivine/ops/shape.h"

namespace olivine {
namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr uint64_t kMaxHeader = 1 << 20;

template <class... Args>
[[noreturn]] void malformed(const ByteSource& source, const Args&... args) {
  fail_in_file("[load] ", source.name, ": ", args...);
}

struct Header {
  Dtype dtype = bool_;
  bool swapped = false;  // big-endian
  bool column_major = false;
  Shape shape;
};

// NumPy's names without byte order. It has no bfloat16; two raw bytes are what ml_dtypes writes.
constexpr std::pair<std::string_view, Dtype> kKinds[] = {
    {"b1", bool_},   {"u1", uint8},   {"i1", int8},      {"u2", uint16},      {"i2", int16},
    {"u4", uint32},  {"i4", int32},   {"u8", uint64},    {"i8", int64},       {"f2", float16},
    {"f4", float32}, {"f8", float64}, {"c8", complex64}, {"c16", complex128}, {"V2", bfloat16},
};

// Reads the header's Python dict literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3,
// 4)}.
class HeaderParser {
 public:
  HeaderParser(const ByteSource& source, std::string_view text) : source_(source), text_(text) {}

  Header parse() {
    Header h;
    int seen = 0;
    expect('{');
    while (!accept('}')) {
      std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !(seen & 1)) {
        set_dtype(h);
        seen |= 1;
      } else if (key == "fortran_order" && !(seen & 2)) {
        h.column_major = boolean();
        seen |= 2;
      } else if (key == "shape" && !(seen & 4)) {
        h.shape = shape();
        seen |= 4;
      } else {
        malformed(source_, "unexpected header entry '", key, "'");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (seen != 7 || at_ != text_.size()) {
      malformed(source_, "expected descr, fortran_order and shape in the header");
    }
    return h;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) malformed(source_, "expected '", c, "' at byte ", at_, " of the header");
  }
  std::string_view quoted() {
    skip_space();
    char quote = at_ < text_.size() ? text_[at_] : '\0';
    size_t end =
        quote == '\'' || quote == '"' ? text_.find(quote, at_ + 1) : std::string_view::npos;
    if (end == std::string_view::npos) malformed(source_, "expected a string in the header");
    std::string_view s = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return s;
  }
  bool boolean() {
    skip_space();
    for (auto [word, value] : {std::pair("True", true), std::pair("False", false)}) {
      if (text_.substr(at_, std::strlen(word)) == word) {
        at_ += std::strlen(word);
        return value;
      }
    }
    malformed(source_, "expected True or False in the header");
  }
  void set_dtype(Header& h) {
    if (accept('[')) malformed(source_, "structured dtypes are not supported");
    std::string_view descr = quoted();
    std::string_view kind = descr.substr(std::min<size_t>(descr.size(), 1));
    if (kind.substr(0, 1) == "O") malformed(source_, "arrays of Python objects are not supported");
    for (auto& [name, t] : kKinds) {
      if (kind != name) continue;
      bool ordered = descr[0] == '<' || descr[0] == '>' || descr[0] == '=';
      if (!ordered && !(descr[0] == '|' && (t.size() == 1 || t == bfloat16))) break;
      h.dtype = t;
      h.swapped = descr[0] == '>';
      return;
    }
    malformed(source_, "expected a dtype of bools, integers, floats or complex numbers; got '",
              descr.substr(0, 40), "'");
  }
  Shape shape() {
    Shape s;
    bool comma = false;
    expect('(');
    while (!accept(')')) {
      s.push_back(dimension());
      comma = accept(',');
      if (!comma) {
        expect(')');
        break;
      }
    }
    if (s.size() == 1 && !comma) malformed(source_, "expected a tuple as shape; got an int");
    return s;
  }
  int64_t dimension() {
    skip_space();
    uint64_t v = 0;
    size_t digits = 0;
    for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])); ++digits) {
      if (v > uint64_t{INT64_MAX} / 10 - 1) malformed(source_, "a dimension is too large");
      v = v * 10 + static_cast<uint64_t>(text_[at_++] - '0');
    }
    if (digits == 0) malformed(source_, "expected integers >= 0 in the shape");
    accept('L');  // Python 2 wrote long integers so
    return static_cast<int64_t>(v);
  }

  const ByteSource& source_;
  std::string_view text_;
  size_t at_ = 0;
};

std::string descr_of(Dtype t) {
  for (auto& [name, dtype] : kKinds) {
    if (dtype == t) return (t.size() == 1 ? '|' : '<') + std::string(name);
  }
  fail("[save] expected a dtype of the format; got ", t);
}

}  // namespace

array load_npy(const ByteSource& source, uint64_t* end) {
  unsigned char head[12];
  if (source.size < 10) malformed(source, "expected an npy file; got ", source.size, " bytes");
  source.read(0, head, 10);
  if (std::memcmp(head, kMagic, 6) != 0)
    malformed(source, "expected an npy file; got another kind");
  int version = head[6];
  if (version < 1 || version > 3) malformed(source, "expected version 1 to 3; got ", version);
  uint64_t start = version == 1 ? 10 : 12;
  if (source.size < start) malformed(source, "the file ends in its header");
  if (version > 1) source.read(10, head + 10, 2);
  uint64_t length = uint64_t(head[8] | head[9] << 8);
  if (version > 1) length |= uint64_t{head[10]} << 16 | uint64_t{head[11]} << 24;
  if (length > kMaxHeader || length > source.size - start) {
    malformed(source, "expected a header of at most ", std::min(kMaxHeader, source.size - start),
              " bytes; got ", length);
  }
  std::string text(length, '\0');
  source.read(start, text.data(), length);
  Header h = HeaderParser(source, text).parse();
  if (h.column_major) std::reverse(h.shape.begin(), h.shape.end());
  uint64_t bytes = 0;
  if (!storage_size(h.shape, h.dtype.size(), bytes)) {
    malformed(source, "its size does not fit in 64 bits");
  }
  uint64_t data = start + length;
  if (bytes > source.size - data) {
    malformed(source, "expected ", bytes, " bytes of data; got ", source.size - data);
  }
  if (end) *end = data + bytes;
  array a = load_extent({std::make_shared<const ByteSource>(source),
                         data,
                         bytes,
                         storage_codec(h.dtype, h.swapped),
                         {{h.shape, h.dtype}}})[0];
  return h.column_major ? transpose(a) : a;
}

array load(const std::string& path) { return load_npy(open_source(path)); }

void write_npy(const ByteSink& sink, const array& a) {
  array c = contiguous_for_saving(a);
  std::string header = "{'descr': '" + descr_of(a.dtype()) +
                       "', 'fortran_order': False, 'shape': " + message(a.shape()) + ", }";
  // Magic, version, length and header end on a multiple of 64, so that the data is aligned.
  bool wide = header.size() + 1 + 10 > 65535;
  size_t prefix = wide ? 12 : 10;
  size_t total = (prefix + header.size() + 1 + 63) / 64 * 64;
  header.resize(total - prefix - 1, ' ');
  header += '\n';
  std::string start(kMagic, 6);
  start += wide ? '\x02' : '\x01';
  start += '\0';
  for (size_t i = 0; i < (wide ? 4 : 2); ++i) start += static_cast<char>(header.size() >> (8 * i));
  sink(start.data(), start.size());
  sink(header.data(), header.size());
  sink(c.data(), c.nbytes());
}

void save(const std::string& path, const array& a) {
  save_atomically(path, [&](const ByteSink& sink) { write_npy(sink, a); });
}

}  // namespace olivine
