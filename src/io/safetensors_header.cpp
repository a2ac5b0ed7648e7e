// Parsing a safetensors header: one pass over the JSON text, straight into tensors and metadata.
//
// A parser of its own rather than the JSON library, since what is accepted should be exactly what
// the format's reference library accepts: JSON as RFC 8259 has it, at most 127 levels deep, numbers
// within float64, fields that are not known ignored, fields that are known given once.
#include <cerrno>
#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "io/safetensors.h"
#include "io/utf8.h"

namespace olivine::safetensors {
namespace {

constexpr int kMaxDepth = 127;

class Parser {
 public:
  Parser(std::string_view text, std::vector<Tensor>& tensors, Metadata& metadata)
      : text_(text), tensors_(tensors), metadata_(metadata) {}

  void parse() {
    if (!is_utf8(text_)) error("expected a header in UTF-8");
    bool has_metadata = false;
    object([&](std::string key) {
      if (key != "__metadata__") {
        tensors_.emplace_back();
        tensors_.back().name = std::move(key);
        return tensor(tensors_.back());
      }
      if (has_metadata) error("expected __metadata__ once");
      has_metadata = true;
      if (!null()) object([&](std::string name) { metadata_[name] = string(); });
    });
    space();
    if (at_ != text_.size()) error("expected the end of the header at byte ", at_);
  }

 private:
  template <class... Args>
  [[noreturn]] void error(const Args&... args) const {
    throw HeaderError(message(args...));
  }
  [[noreturn]] void expected(const char* what) const {
    error("expected ", what, " at byte ", at_, " of the header");
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool accept(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    char what[] = {'\'', c, '\'', '\0'};
    if (!accept(c)) expected(what);
  }
  bool word(std::string_view w) {
    space();
    if (text_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return true;
  }
  bool null() { return word("null"); }

  // Items between brackets, separated by commas.
  template <class Item>
  void items(char open, char close, Item item) {
    expect(open);
    if (++depth_ > kMaxDepth) error("expected at most ", kMaxDepth, " levels in the header");
    if (!accept(close)) {
      do {
        item();
      } while (accept(','));
      expect(close);
    }
    --depth_;
  }
  template <class Field>
  void object(Field field) {
    items('{', '}', [&] {
      std::string key = string();
      expect(':');
      field(std::move(key));
    });
  }

  void tensor(Tensor& t) {
    constexpr const char* kFields[] = {"dtype", "shape", "data_offsets"};
    int seen = 0;
    auto field = [&](int i) {
      if (seen & 1 << i) error("tensor '", t.name, "': expected ", kFields[i], " once");
      seen |= 1 << i;
      if (i == 0) t.format = dtype();
      if (i == 1) shape(t);
      if (i == 2) offsets(t);
    };
    space();
    if (peek() == '[') {  // the fields in order, without names
      int i = 0;
      items('[', ']',
            [&] { i < 3 ? field(i++) : error("tensor '", t.name, "': too many fields"); });
    } else {
      object([&](const std::string& key) {
        for (int i = 0; i < 3; ++i) {
          if (key == kFields[i]) return field(i);
        }
        skip();
      });
    }
    if (seen != 7) error("tensor '", t.name, "': expected dtype, shape and data_offsets");
  }

  // "F32", or {"F32": null}, which the reference library takes for the same.
  std::string dtype() {
    space();
    if (peek() != '{') return string();
    std::string name;
    int n = 0;
    object([&](std::string key) {
      if (n++ > 0 || !null()) expected("a dtype");
      name = std::move(key);
    });
    if (n != 1) expected("a dtype");
    return name;
  }
  void shape(Tensor& t) {
    items('[', ']', [&] {
      uint64_t d = natural();
      if (d > uint64_t{INT64_MAX}) {
        error("tensor '", t.name, "': expected sizes below 2^63; got ", d);
      }
      t.shape.push_back(static_cast<int64_t>(d));
    });
  }
  void offsets(Tensor& t) {
    int i = 0;
    items('[', ']', [&] {
      uint64_t v = natural();
      if (i == 0) t.begin = v;
      if (i == 1) t.end = v;
      ++i;
    });
    if (i != 2) error("tensor '", t.name, "': expected two data_offsets; got ", i);
  }

  uint64_t natural() {
    space();
    size_t start = at_;
    std::string_view n = number();
    uint64_t v = 0;
    for (char c : n) {
      bool fits = c >= '0' && c <= '9' && !__builtin_mul_overflow(v, uint64_t{10}, &v) &&
                  !__builtin_add_overflow(v, static_cast<uint64_t>(c - '0'), &v);
      if (!fits) {
        error("expected an integer of 0 to 2^64 - 1 at byte ", start, " of the header; got ",
              n.substr(0, 40));
      }
    }
    return v;
  }

  bool digits() {
    size_t start = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > start;
  }
  std::string_view number() {
    size_t start = at_;
    if (peek() == '-') ++at_;
    size_t integer = at_;
    bool valid = digits() && (text_[integer] != '0' || at_ == integer + 1);
    bool simple = at_ - start < 19;
    if (valid && peek() == '.') {
      ++at_;
      valid = digits();
      simple = false;
    }
    if (valid && (peek() == 'e' || peek() == 'E')) {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      valid = digits();
      simple = false;
    }
    if (!valid) expected("a number");
    std::string_view text = text_.substr(start, at_ - start);
    if (!simple && std::isinf(std::strtod(std::string(text).c_str(), nullptr))) {
      expected("a number that float64 holds");
    }
    return text;
  }

  std::string string() {
    if (!accept('"')) expected("a string");
    std::string s;
    while (true) {
      size_t start = at_;
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
             static_cast<unsigned char>(text_[at_]) >= 0x20) {
        ++at_;
      }
      s.append(text_.substr(start, at_ - start));
      if (at_ >= text_.size()) expected("the end of a string");
      char c = text_[at_++];
      if (c == '"') return s;
      if (c != '\\') expected("an escape for a control character");
      escape(s);
    }
  }
  void escape(std::string& s) {
    constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeaning = "\"\\/\b\f\n\r\t";
    char c = peek();
    ++at_;
    if (c != 'u') {
      size_t i = kEscapes.find(c);
      if (i == std::string_view::npos || c == '\0') expected("an escape");
      s += kMeaning[i];
      return;
    }
    uint32_t code = hex();
    if (code >= 0xdc00 && code < 0xe000) expected("a surrogate pair");
    if (code >= 0xd800 && code < 0xdc00) {
      if (text_.substr(at_, 2) != "\\u") expected("a surrogate pair");
      at_ += 2;
      uint32_t low = hex();
      if (low < 0xdc00 || low >= 0xe000) expected("a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(s, code);
  }
  uint32_t hex() {
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      char c = peek();
      int v = c >= '0' && c <= '9'   ? c - '0'
              : c >= 'a' && c <= 'f' ? c - 'a' + 10
              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                     : -1;
      if (v < 0) expected("four hexadecimal digits");
      code = code << 4 | static_cast<uint32_t>(v);
    }
    return code;
  }
  static void append_utf8(std::string& s, uint32_t code) {
    auto put = [&](uint32_t byte) { s += static_cast<char>(byte); };
    auto more = [&](int shift) { put(0x80 | (code >> shift & 0x3f)); };
    if (code < 0x80) return put(code);
    if (code < 0x800) {
      put(0xc0 | code >> 6);
    } else if (code < 0x10000) {
      put(0xe0 | code >> 12);
      more(6);
    } else {
      put(0xf0 | code >> 18);
      more(12);
      more(6);
    }
    more(0);
  }

  // Any value.
  void skip() {
    space();
    char c = peek();
    if (c == '{') {
      object([&](const std::string&) { skip(); });
    } else if (c == '[') {
      items('[', ']', [&] { skip(); });
    } else if (c == '"') {
      string();
    } else if (!null() && !word("true") && !word("false")) {
      number();
    }
  }

  std::string_view text_;
  std::vector<Tensor>& tensors_;
  Metadata& metadata_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

void parse_header(std::string_view text, std::vector<Tensor>& tensors, Metadata& metadata) {
  Parser(text, tensors, metadata).parse();
}

}  // namespace olivine::safetensors
