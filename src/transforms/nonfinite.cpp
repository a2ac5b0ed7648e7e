// Finding the op that made the first NaN or infinity.
//
// What a task wrote is scanned as integers: a float is not finite if all bits of its exponent are
// set. Only when something is found is it asked who made it. A kernel did if none of its operands
// has the like. In a fused region every value belongs to one position, so the region is computed
// again there, one element and one instruction at a time, and the chain followed upwards from the
// result to the first instruction whose operands are better than its result.
#include "transforms/nonfinite.h"

#include <bit>
#include <cstring>

#include "core/error.h"
#include "core/location.h"
#include "olivine/parallel.h"

namespace olivine {
namespace {

constexpr int64_t kNone = INT64_MAX;

// The exponent's bits of each float format, and how many numbers an element has.
struct Format {
  int bytes = 0;  // of a number; 0: integers, which are finite
  int numbers = 1;
  uint64_t exponent = 0, fraction = 0;
};
Format format_of(Dtype t) {
  switch (t.val()) {
    case Dtype::Val::float16:
      return {2, 1, 0x7c00, 0x03ff};
    case Dtype::Val::bfloat16:
      return {2, 1, 0x7f80, 0x007f};
    case Dtype::Val::float32:
    case Dtype::Val::complex64:
      return {4, t == complex64 ? 2 : 1, 0x7f800000, 0x007fffff};
    case Dtype::Val::float64:
    case Dtype::Val::complex128:
      return {8, t == complex128 ? 2 : 1, 0x7ff0000000000000, 0x000fffffffffffff};
    default:
      return {};
  }
}

template <class U>
int64_t scan(const U* p, int64_t begin, int64_t end, const Format& f, int wanted) {
  const U exponent = static_cast<U>(f.exponent), fraction = static_cast<U>(f.fraction);
  constexpr int64_t kBlock = 4096;
  for (int64_t b = begin; b < end; b += kBlock) {
    int64_t e = std::min(end, b + kBlock);
    U any = 0;  // a loop without branches, which the compiler turns into vector code
    for (int64_t i = b; i < e; ++i) any |= static_cast<U>((p[i] & exponent) == exponent);
    if (!any) continue;
    for (int64_t i = b; i < e; ++i) {
      if ((p[i] & exponent) != exponent) continue;
      if (wanted & (p[i] & fraction ? kNaN : kInf)) return i;
    }
  }
  return kNone;
}

// The first number at or after number `from` of row-major memory that is as wanted.
int64_t first_number(const void* data, int64_t from, int64_t count, const Format& f, int wanted) {
  std::atomic<int64_t> first{kNone};
  parallel_for(count - from, 1 << 18, [&](int64_t begin, int64_t end) {
    if (first.load(std::memory_order_relaxed) < begin + from) return;
    begin += from, end += from;
    int64_t found = f.bytes == 2 ? scan(static_cast<const uint16_t*>(data), begin, end, f, wanted)
                    : f.bytes == 4
                        ? scan(static_cast<const uint32_t*>(data), begin, end, f, wanted)
                        : scan(static_cast<const uint64_t*>(data), begin, end, f, wanted);
    int64_t seen = first.load(std::memory_order_relaxed);
    while (found < seen && !first.compare_exchange_weak(seen, found)) {
    }
  });
  return first;
}

// An element that is not finite.
struct Found {
  int64_t element = kNone;  // in row-major order
  int kind = 0;
  bool negative = false;
  explicit operator bool() const { return element != kNone; }
};

Found describe(const void* data, int64_t number, const Format& f) {
  uint64_t bits = 0;
  std::memcpy(&bits, static_cast<const char*>(data) + number * f.bytes, f.bytes);
  uint64_t sign = uint64_t{1} << (8 * f.bytes - 1);
  return {number / f.numbers, bits & f.fraction ? kNaN : kInf, (bits & sign) != 0};
}

Found first_in(const View& v, int wanted, int64_t from_element = 0) {
  Format f = format_of(v.dtype);
  if (!f.bytes || v.size() == 0) return {};
  BufferRef copy;
  const void* data = v.data;
  if (!is_row_contiguous(v.shape, v.strides)) {
    copy = allocate(static_cast<size_t>(v.size()) * v.dtype.size());
    cpu_backend().copy(v, {copy->data, v.dtype, v.shape, row_major(v.shape)});
    data = copy->data;
  }
  int64_t count = v.size() * f.numbers;
  int64_t number = first_number(data, from_element * f.numbers, count, f, wanted);
  return number == kNone ? Found{} : describe(data, number, f);
}

Shape index_of(int64_t element, const Shape& shape) {
  Shape index(shape);
  for (size_t d = shape.size(); d-- > 0;) {
    index[d] = element % shape[d];
    element /= shape[d];
  }
  return index;
}

const char* word(const Found& found) {
  return found.kind == kNaN ? "nan" : found.negative ? "-inf" : "inf";
}

[[noreturn]] void report(const std::string& op, const Found& found, const Shape& shape,
                         const std::string& of, uint32_t location) {
  std::string where = describe_location(location);
  fail<NonFiniteError>("[", op, "] expected finite values; got ", word(found), " at index ",
                       index_of(found.element, shape), " of its ", of, " of shape ", shape,
                       where.empty() ? "" : "\n  made at " + where);
}

// What an operand must not hold for a result of `kind` to be its op's own doing.
int worse(int kind) { return kind == kNaN ? kNaN : kNaN | kInf; }

void check_kernel(const Task& t, std::span<const View> in, const View& out, const Found& found) {
  for (size_t k = 0; k < in.size(); ++k) {
    Found from = first_in(in[k], worse(found.kind));
    if (!from) continue;
    if (from.kind == kInf) return;  // a mask, for example
    report(op_name(t.op), from, in[k].shape, message("input ", k), t.location);
  }
  report(op_name(t.op), found, out.shape, "result", t.location);
}

// ---- Fused regions, at one position.
class RegionAt {
 public:
  RegionAt(const Task& t, std::span<const View> in, const Shape& shape, int64_t element)
      : task_(t), program_(t.region->program), in_(in), shape_(shape), element_(element) {
    Shape index = index_of(element, shape);
    for (const View& v : in) {
      int64_t offset = 0;
      for (size_t d = 0; d < shape.size(); ++d) offset += index[d] * v.strides[d];
      values_.push_back(
          one(static_cast<char*>(v.data) + offset * int64_t(v.dtype.size()), v.dtype));
    }
    memory_.resize(program_.code.size());
    for (size_t i = 0; i < program_.code.size(); ++i) {
      const Instr& instr = program_.code[i];
      View operands[3];
      for (int k = 0; k < instr.arity; ++k) operands[k] = values_[instr.src[k]];
      values_.push_back(one(memory_[i].bytes, instr.out));
      cpu_backend().run_elementwise(instr.op, instr.key, {operands, instr.arity}, values_.back());
    }
  }

  // Follows what is not finite upwards from value `v` and reports who made it; true if it came
  // along as an infinity of the region's operands.
  bool comes_along(size_t v, int wanted) const {
    int32_t fault = made_by(v, wanted);
    if (fault < 0) return true;
    const RegionTrace::Step& step = task_.region->steps[fault];
    for (size_t k : operands_of(fault)) {
      if (k >= program_.leaves.size() || !is_nan(k)) continue;
      report(op_name(step.op), at(k), shape_, "operands", step.location);
    }
    report(op_name(step.op), at(program_.leaves.size() + fault), shape_, "result", step.location);
  }

 private:
  struct alignas(16) Element {
    char bytes[16];
  };
  static View one(void* data, Dtype t) { return {data, t, {}, {}}; }

  std::span<const uint16_t> operands_of(size_t instruction) const {
    const Instr& instr = program_.code[instruction];
    return {instr.src, instr.arity};
  }
  bool is_nan(size_t v) const { return bool(first_in(values_[v], kNaN)); }

  // The instruction that made value `v`, or what it is made of, not finite; -1: an operand's
  // infinity did.
  int32_t made_by(size_t v, int wanted) const {
    if (v < program_.leaves.size()) return -1;
    auto instruction = static_cast<int32_t>(v - program_.leaves.size());
    for (uint16_t k : operands_of(instruction)) {
      if (is_nan(k)) return k < program_.leaves.size() ? instruction : made_by(k, wanted);
    }
    bool infinite = false;
    for (uint16_t k : operands_of(instruction)) {
      if (!first_in(values_[k], kInf)) continue;
      infinite = true;
      int32_t fault = wanted & kInf ? made_by(k, wanted) : -1;
      if (fault >= 0) return fault;
    }
    return infinite && !is_nan(v) ? -1 : instruction;
  }
  Found at(size_t v) const {
    Found f = first_in(values_[v], kNaN | kInf);
    f.element = element_;
    return f;
  }

  const Task& task_;
  const Program& program_;
  std::span<const View> in_;
  const Shape& shape_;
  int64_t element_;
  std::vector<View> values_;
  std::vector<Element> memory_;
};

void check_region(const Task& t, std::span<const View> in, const View& out, size_t index,
                  Found found, int wanted) {
  constexpr int kMaxPositions = 4096;  // infinities that came along, as in a large mask
  for (int tries = 0; found && tries < kMaxPositions; ++tries) {
    RegionAt region(t, in, out.shape, found.element);
    if (!region.comes_along(t.region->program.outputs[index], wanted)) return;
    found = first_in(out, wanted, found.element + 1);
  }
}

}  // namespace

void check_finite(const Task& t, std::span<const View> in, std::span<const View> out, int wanted) {
  if (t.kind == Task::Kind::plan || t.kind == Task::Kind::copy) return;
  for (size_t i = 0; i < out.size(); ++i) {
    Found found = first_in(out[i], wanted);
    if (!found) continue;
    if (t.kind == Task::Kind::fused) {
      check_region(t, in, out[i], i, found, wanted);
    } else {
      check_kernel(t, in, out[i], found);
    }
  }
}

std::atomic<int> detail::nonfinite{0};

void set_debug_nonfinite(bool nan, bool inf) {
  detail::nonfinite.store((nan ? kNaN : 0) | (inf ? kInf : 0), std::memory_order_relaxed);
}

}  // namespace olivine
