// Any bytes as an exported function: a reader that takes what it gets, and writes it as a file.
#include <algorithm>
#include <set>

#include "core/size.h"
#include "io/fuzz_functions.h"
#include "transforms/control.h"
#include "transforms/export_format.h"

namespace olivine::fuzz {
namespace {

using exported::Tag;
using Bytes = std::vector<unsigned char>;

constexpr size_t kMostNodes = 100, kMostTraces = 3, kMostConstants = 24, kMostInputs = 24;
constexpr size_t kMostOps = 48, kMostAxes = 6;
constexpr uint64_t kMostElements = 1024;               // of an input or a constant
constexpr uint64_t kManyElements = uint64_t{1} << 58;  // still, now and then
constexpr uint64_t kMostData = 4096;  // bytes; constants past them repeat an element

// What an op's parameters can't be made of: the rest of the file is lost too.
struct Unreadable {};

// Past the end there are zeros; a field of another kind is one that has been forgotten.
class AnyBytes final : public FieldReader {
 public:
  explicit AnyBytes(const Bytes& bytes) : bytes_(bytes) {}

  void seek(size_t at) { at_ = at; }
  size_t left() const { return bytes_.size() - std::min(at_, bytes_.size()); }
  uint8_t byte() { return left() > 0 ? bytes_[at_++] : 0; }
  uint64_t count() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      uint64_t b = byte();
      v |= (b & 0x7f) << shift;
      if (b < 0x80) break;
    }
    return v;
  }
  uint64_t below(uint64_t n) { return count() % n; }
  size_t length(size_t most) {
    uint64_t n = count();
    return static_cast<size_t>(n > most ? n % (most + 1) : n);
  }
  std::string name() {
    size_t n = length(std::min<size_t>(left(), 40));
    n = std::min(n, left());
    std::string s(bytes_.begin() + static_cast<ptrdiff_t>(at_),
                  bytes_.begin() + static_cast<ptrdiff_t>(at_ + n));
    at_ += n;
    return is_utf8(s) ? s : "other";
  }
  Dtype any_dtype() { return Dtype(static_cast<Dtype::Val>(byte() % Dtype::kCount)); }
  // `most`: elements, where they are to be few.
  OutSpec spec(uint64_t most = UINT64_MAX) {
    Dtype t = any_dtype();
    Shape shape(length(kMostAxes));
    uint64_t size = 1;
    for (int64_t& d : shape) {
      uint64_t n = count();
      if (n > most / size) n %= 4;
      if (n > most / size) n = 1;
      d = static_cast<int64_t>(n);
      if (most != UINT64_MAX) size *= std::max<uint64_t>(n, 1);
    }
    return {shape, t};
  }

  bool boolean() override { return byte() & 1; }
  int64_t integer() override {
    if (!found(Tag::integer)) return 1;
    uint64_t v = count();
    return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
  }
  double number() override {
    if (!found(Tag::number)) return 1;
    unsigned char b[8];
    for (unsigned char& x : b) x = byte();
    double v;
    std::memcpy(&v, b, 8);
    return v;
  }
  Dtype dtype() override { return found(Tag::dtype) ? any_dtype() : float32; }
  std::string text() override {
    if (!found(Tag::text)) return "";
    std::string s = name();
    auto plain = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
    return s.size() <= 32 && std::ranges::all_of(s, plain) ? s : "";
  }
  size_t list() override { return found(Tag::list) ? length(kMostInputs) : 1; }
  [[noreturn]] void out_of_range(int64_t) override { throw Unreadable(); }
  [[noreturn]] void bad_name() override { throw Unreadable(); }

 private:
  bool found(Tag t) {
    bool is = left() > 0 && bytes_[at_] == static_cast<uint8_t>(t);
    if (is) ++at_;
    return is;
  }

  const Bytes& bytes_;
  size_t at_ = 0;
};

class Repair {
 public:
  explicit Repair(const Bytes& input) : input_(input), in_(input) {}

  Bytes run() {
    in_.seek(exported::kPrefix);
    out_.name(in_.name());
    out_.name(in_.name());
    ops();
    constants();
    size_t n = in_.length(kMostTraces);
    out_.count(n);
    for (; n > 0; --n) trace();
    return file();
  }

 private:
  // A value that nodes may read: its shape and dtype, and its number in the new file.
  struct Value {
    array a;
    uint64_t number;
  };

  void ops() {
    static const std::vector<const Op*> known = [] {
      std::vector<const Op*> ops = all_ops();
      std::erase_if(ops, [](const Op* op) { return !can_be_exported(*op); });
      return ops;
    }();
    size_t n = in_.length(kMostOps);
    out_.count(n);
    for (; n > 0; --n) {
      std::string name = in_.name();
      auto it = std::ranges::find_if(known, [&](const Op* op) { return op->name == name; });
      size_t hash = std::hash<std::string>()(name);
      ops_.push_back(it != known.end() ? *it : known[hash % known.size()]);
      out_.name(ops_.back()->name);
    }
  }

  void constants() {
    size_t n = in_.length(kMostConstants);
    out_.count(n);
    for (; n > 0; --n) {
      OutSpec s = in_.spec(in_.left() % 16 == 0 ? kManyElements : kMostElements);
      bool repeated = in_.boolean() || data_ > kMostData;
      repeated |= element_count(s.shape) > static_cast<int64_t>(kMostElements);
      in_.count();
      out_.spec(s.shape, s.dtype);
      out_.byte(repeated);
      out_.count(data_);
      uint64_t bytes = s.dtype.size();
      for (int64_t d : s.shape) bytes *= repeated ? 1 : static_cast<uint64_t>(d);
      if (s.dtype == bool_) bools_.emplace_back(data_, bytes);
      data_ += exported::aligned(bytes);
      constants_.push_back(make_placeholder(s.shape, s.dtype));
    }
  }

  void trace() {
    bool any_size = in_.boolean();
    size_t positional = in_.length(kMostInputs);
    std::set<std::string> names;
    for (size_t n = in_.length(4); n > 0; --n) names.insert(in_.name());
    exported::Encoder inputs;
    values_.clear();
    for (size_t i = 0; i < positional + names.size(); ++i) {
      OutSpec s = in_.spec(in_.left() % 16 == 0 ? kManyElements : kMostElements);
      inputs.spec(s.shape, s.dtype);
      values_.push_back({make_placeholder(s.shape, s.dtype), i});
    }
    for (const array& a : constants_) values_.push_back({a, values_.size()});
    next_ = values_.size();

    nodes_ = {};
    uint64_t count = 0;
    for (size_t n = in_.length(kMostNodes); n > 0; --n) count += node(any_size);
    out_.byte(any_size);
    out_.count(positional);
    out_.count(names.size());
    for (const std::string& name : names) out_.name(name);
    out_.bytes += inputs.bytes;
    out_.count(count);
    out_.bytes += nodes_.bytes;
    size_t outputs = values_.empty() ? 0 : in_.length(kMostInputs);
    out_.count(outputs);
    for (; outputs > 0; --outputs) out_.count(values_[in_.below(values_.size())].number);
  }

  // Whether the node is one of the new file: what its op refuses mostly is left out, and its first
  // input stands for it.
  bool node(bool& any_size) {
    if (ops_.empty()) return false;
    const Op& op = *ops_[in_.below(ops_.size())];
    Arrays arrays;
    exported::Encoder bytes;
    size_t inputs = values_.empty() ? in_.length(0) : in_.length(kMostInputs);
    bytes.count(static_cast<uint64_t>(std::ranges::find(ops_, &op) - ops_.begin()));
    bytes.count(inputs);
    size_t instead = 0;
    for (; inputs > 0; --inputs) {
      size_t i = in_.below(values_.size());
      const Value& v = values_[i];
      if (arrays.empty()) instead = i;
      arrays.push_back(v.a);
      bytes.count(v.number);
    }
    ParamsRef params = op.params ? op.params->read(in_) : ParamsRef();
    if (op.params) op.params->write(params, bytes);
    std::vector<OutSpec> specs;
    for (size_t n = in_.length(kMostInputs); n > 0; --n) specs.push_back(in_.spec());
    bool wrong = false;
    try {
      check_op(op, params, arrays);
      specs = op.infer(params, arrays);
      for (const OutSpec& s : specs) element_count(s.shape, op.name);
    } catch (const std::exception&) {
      wrong = true;
    }
    if (wrong && in_.left() % 8 != 0) {
      if (!values_.empty()) values_.push_back(Value(values_[instead]));
      return false;
    }
    any_size &= op.any_size;
    bytes.count(specs.size());
    for (const OutSpec& s : specs) {
      bytes.spec(s.shape, s.dtype);
      values_.push_back({make_placeholder(s.shape, s.dtype), next_++});
    }
    nodes_.bytes += bytes.bytes;
    return true;
  }

  Bytes file() const {
    exported::Encoder all;
    uint32_t version[2] = {exported::kVersion, 0};
    uint64_t size = out_.bytes.size();
    all.raw(exported::kMagic, 8);
    all.raw(version, 8);
    all.raw(&size, 8);
    all.bytes += out_.bytes;
    all.bytes.resize(exported::aligned(all.bytes.size()), '\0');
    size_t start = all.bytes.size();
    // The old data is the end of the old file.
    size_t kept = std::min<size_t>(data_, input_.size());
    all.raw(input_.data() + input_.size() - kept, kept);
    all.bytes.resize(start + data_, '\0');
    for (auto [offset, n] : bools_) {
      for (size_t i = 0; i < n; ++i) all.bytes[start + offset + i] &= 1;
    }
    return Bytes(all.bytes.begin(), all.bytes.end());
  }

  const Bytes& input_;
  AnyBytes in_;
  exported::Encoder out_, nodes_;
  std::vector<const Op*> ops_;
  Arrays constants_;
  std::vector<Value> values_;
  std::vector<std::pair<uint64_t, uint64_t>> bools_;  // offset and size
  uint64_t data_ = 0, next_ = 0;
};

}  // namespace

void repair_function(Bytes& input) {
  try {
    input = Repair(input).run();
  } catch (const Unreadable&) {
  } catch (const BodyError&) {
    // Stays as it is: the importer is to refuse it.
  }
}

}  // namespace olivine::fuzz
