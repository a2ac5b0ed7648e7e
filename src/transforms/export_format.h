// The file format of exported functions, version 1: its layout, and how its pieces are written.
//
//   bytes     magic "OLVNFUNC", u32 version, u32 0, u64 size of the header    (little-endian)
//   header    metadata and producer (texts); names of the ops that occur; constants (dtype, shape,
//             whether one element stands for all, offset); traces
//   data      at the next multiple of 64: the constants' elements, each at a multiple of 64
//
// A trace is a flag (holds for any sizes), its inputs (positional, then named ones in order), its
// nodes and its outputs. Values are numbered: inputs, the file's constants, then the outputs of the
// nodes, each of which reads values of smaller numbers only. A node is an op, its inputs, its
// parameters field by field, and the shapes and dtypes of its outputs.
//
// In the header, counts and numbers are variable-length integers of 7 bits per byte, low bits
// first; texts and lists begin with their length.
#pragma once

#include <cstring>
#include <string>

#include "core/fields.h"
#include "core/op.h"
#include "io/utf8.h"

namespace olivine::exported {

constexpr char kMagic[] = "OLVNFUNC";
constexpr uint32_t kVersion = 1;
constexpr size_t kPrefix = 24;  // magic, version, zero, size of the header
constexpr uint64_t kAlign = 64;
constexpr size_t kMaxRank = 32;

constexpr uint64_t aligned(uint64_t n) { return (n + kAlign - 1) / kAlign * kAlign; }

// What comes before each field of a parameter struct.
enum class Tag : uint8_t { no, yes, integer, number, dtype, text, list };

static_assert(Dtype::kCount == 15,
              "the numbers of dtypes are part of the format: add new ones last");

class Encoder final : public FieldWriter {
 public:
  std::string bytes;

  void count(uint64_t v) {
    for (; v >= 0x80; v >>= 7) byte(static_cast<uint8_t>(v | 0x80));
    byte(static_cast<uint8_t>(v));
  }
  void byte(uint8_t v) { bytes.push_back(static_cast<char>(v)); }
  void raw(const void* p, size_t n) { bytes.append(static_cast<const char*>(p), n); }
  void name(const std::string& s) {
    count(s.size());
    bytes += s;
  }
  void spec(const Shape& shape, Dtype t) {
    byte(static_cast<uint8_t>(t.index()));
    count(shape.size());
    for (int64_t d : shape) count(static_cast<uint64_t>(d));
  }

  void boolean(bool v) override { tag(v ? Tag::yes : Tag::no); }
  void integer(int64_t v) override {
    tag(Tag::integer);
    count((static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63));  // small if near 0
  }
  void number(double v) override {
    tag(Tag::number);
    raw(&v, sizeof(v));
  }
  void dtype(Dtype v) override {
    tag(Tag::dtype);
    byte(static_cast<uint8_t>(v.index()));
  }
  void text(const std::string& v) override {
    tag(Tag::text);
    name(v);
  }
  void list(size_t length) override {
    tag(Tag::list);
    count(length);
  }

 private:
  void tag(Tag t) { byte(static_cast<uint8_t>(t)); }
};

// Reads what an Encoder wrote. Anything else is one error, told with the position.
class Decoder final : public FieldReader {
 public:
  Decoder(const std::string& source, std::string_view bytes) : source_(source), bytes_(bytes) {}

  template <class... Args>
  [[noreturn]] void malformed(const Args&... args) const {
    fail_in_file("[import_function] ", source_, ": ", args...);
  }
  size_t left() const { return bytes_.size() - at_; }
  uint64_t count() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      uint64_t b = byte();
      v |= (b & 0x7f) << shift;
      if (shift == 63 && b > 1) break;
      if (b < 0x80) return v;
    }
    malformed("expected a number of 64 bits at byte ", at_, " of the header");
  }
  // A number of things of at least one byte each.
  size_t length(const char* what) {
    uint64_t n = count();
    if (n > left()) malformed("expected at most ", left(), " ", what, "; got ", n);
    return n;
  }
  uint8_t byte() { return static_cast<uint8_t>(*take(1)); }
  std::string name() {
    size_t n = length("bytes of text");
    std::string s(take(n), n);
    if (!is_utf8(s)) malformed("expected texts in UTF-8");
    return s;
  }
  OutSpec spec() {
    Dtype t = read_dtype();
    size_t rank = length("axes");
    if (rank > kMaxRank) malformed("expected at most ", kMaxRank, " axes; got ", rank);
    Shape shape;
    uint64_t size = t.size();
    for (size_t i = 0; i < rank; ++i) {
      uint64_t d = count();
      if (d > INT64_MAX || __builtin_mul_overflow(size, std::max<uint64_t>(d, 1), &size) ||
          size > INT64_MAX) {
        malformed("the size of an array does not fit in 64 bits");
      }
      shape.push_back(static_cast<int64_t>(d));
    }
    return {shape, t};
  }

  bool boolean() override {
    uint8_t b = byte();
    if (b > 1) wrong_field("a bool");
    return b == 1;
  }
  int64_t integer() override {
    expect(Tag::integer, "an integer");
    uint64_t v = count();
    return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
  }
  double number() override {
    expect(Tag::number, "a number");
    double v;
    std::memcpy(&v, take(sizeof(v)), sizeof(v));
    return v;
  }
  Dtype dtype() override {
    expect(Tag::dtype, "a dtype");
    return read_dtype();
  }
  std::string text() override {
    expect(Tag::text, "a text");
    return name();
  }
  size_t list() override {
    expect(Tag::list, "a list");
    return length("items");
  }
  [[noreturn]] void out_of_range(int64_t v) override {
    malformed("expected a parameter within its type; got ", v);
  }
  [[noreturn]] void bad_name() override {
    malformed("expected a function's name among an op's parameters");
  }

 private:
  const char* take(size_t n) {
    if (n > left()) malformed("the header ends too early");
    const char* p = bytes_.data() + at_;
    at_ += n;
    return p;
  }
  Dtype read_dtype() {
    uint8_t t = byte();
    if (t >= Dtype::kCount) malformed("expected a dtype; got number ", int(t));
    return Dtype(static_cast<Dtype::Val>(t));
  }
  void expect(Tag tag, const char* what) {
    if (byte() != static_cast<uint8_t>(tag)) wrong_field(what);
  }
  [[noreturn]] void wrong_field(const char* what) {
    malformed("expected ", what, " among an op's parameters at byte ", at_, " of the header");
  }

  const std::string& source_;
  std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace olivine::exported
