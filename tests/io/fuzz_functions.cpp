// Running mutated functions: inputs for their signatures, and a limit on the work.
#include "io/fuzz_functions.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <unordered_set>

#include "core/node.h"
#include "olivine/compile.h"
#include "olivine/ops/shape.h"
#include "olivine/transforms.h"
#include "runtime/interrupt.h"
#include "transforms/control.h"
#include "transforms/import.h"

namespace olivine::fuzz {
namespace {

// Of all values of a call together.
constexpr int64_t kMostElements = 1 << 12;
constexpr size_t kMostNodes = 4000;

// What follows from the bytes of a file: which of the ways to run it, and the inputs' values.
class Choices {
 public:
  explicit Choices(const ByteSource& source) {
    std::vector<unsigned char> bytes(source.size);
    if (source.size > 0) source.read(0, bytes.data(), bytes.size());
    for (unsigned char b : bytes) state_ = (state_ ^ b) * 0x100000001b3u;
    next();
  }
  uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1du >> 32;
  }
  uint64_t below(uint64_t n) { return next() % n; }

 private:
  uint64_t state_ = 0xcbf29ce484222325u;
};

// The number of elements, or more than kMostElements if they are too many.
int64_t few_elements(const Shape& shape) {
  int64_t size = 1;
  if (std::ranges::find(shape, 0) != shape.end()) return 0;
  for (int64_t d : shape) {
    if (__builtin_mul_overflow(size, d, &size) || size > kMostElements) return kMostElements + 1;
  }
  return size;
}

bool is_little_work(const Arrays& arrays);

// Of a loop or a branch.
bool is_little_control(const Node* n) {
  if (!is_loop(*n->op)) {
    return std::ranges::all_of(n->params.as<BranchParams>().branches,
                               [](const auto& b) { return is_little_work(b->traced->outputs); });
  }
  const auto& p = n->params.as<LoopParams>();
  bool ends = p.length <= 8 && !(p.until && p.length == 0);
  return ends && is_little_work(p.body->traced->outputs);
}

// Whether evaluating the arrays takes no time.
bool is_little_work(const Arrays& arrays) {
  std::vector<Node*> stack;
  std::unordered_set<Node*> seen;
  int64_t elements = 0;
  for (const array& a : arrays) stack.push_back(a.node());
  while (!stack.empty()) {
    Node* n = stack.back();
    stack.pop_back();
    if (!seen.insert(n).second) continue;
    if (n->tuple) {
      for (const TupleOutput& o : *n->tuple) elements += few_elements(o.spec.shape);
    } else {
      elements += few_elements(n->shape);
    }
    if (elements > kMostElements || seen.size() > kMostNodes) return false;
    if (n->done()) continue;
    if (n->op && is_control(*n->op) && !is_little_control(n)) return false;
    stack.insert(stack.end(), n->inputs.begin(), n->inputs.end());
  }
  return true;
}

// A file may ask for more work than there is time or memory for. It is begun, since sizes that
// overflow show there, and interrupted like a user's.
std::atomic<std::chrono::steady_clock::rep> deadline{0};

void evaluate_briefly(const Arrays& arrays) {
  using Clock = std::chrono::steady_clock;
  deadline = (Clock::now() + std::chrono::milliseconds(15)).time_since_epoch().count();
  set_interrupt_check([] { return Clock::now().time_since_epoch().count() > deadline; });
  try {
    eval(arrays);
  } catch (const Interrupted&) {
  } catch (const OutOfMemory&) {
  } catch (const std::invalid_argument&) {
  } catch (const std::runtime_error&) {
  }
  set_interrupt_check(nullptr);
}

// Reads every element where the strides say it is.
void read_all(const array& a) {
  if (a.size() == 0) return;
  const auto* data = static_cast<const unsigned char*>(a.data());
  std::vector<int64_t> at(a.shape().size(), 0);
  unsigned sum = 0;
  for (int64_t left = a.size(); left > 0; --left) {
    int64_t offset = 0;
    for (size_t d = 0; d < at.size(); ++d) offset += at[d] * a.strides()[d];
    const unsigned char* p = data + offset * static_cast<int64_t>(a.itemsize());
    for (size_t i = 0; i < a.itemsize(); ++i) sum += p[i];
    for (size_t d = at.size(); d-- > 0 && ++at[d] == a.shape()[d];) at[d] = 0;
  }
  volatile unsigned sink = sum;
  (void)sink;
}

// Small numbers, numbers near the ends of small axes, or any bits.
array make_input(const Shape& shape, Dtype t, Choices& choices) {
  int64_t size = few_elements(shape);
  if (size > kMostElements) return broadcast_to(array(1.0f, t), shape);
  uint64_t kind = choices.below(3);
  if (kind == 2) {
    std::vector<unsigned char> bits(static_cast<size_t>(size) * t.size() + 1);
    for (unsigned char& b : bits) b = static_cast<unsigned char>(choices.next());
    if (t == bool_) {
      for (unsigned char& b : bits) b &= 1;
    }
    return array(bits.data(), shape, t);
  }
  std::vector<float> values(static_cast<size_t>(size) + 1);
  for (float& v : values) {
    v = static_cast<float>(choices.below(kind == 0 ? 3 : 12)) - (kind == 0 ? 0.0f : 4.0f);
    if (kind == 1 && is_unsigned(t)) v += 4;
  }
  return array(values.begin(), shape, t);
}

Arrays ones_like_all(const Arrays& arrays) {
  Arrays ones;
  for (const array& a : arrays) ones.push_back(broadcast_to(array(1.0f, a.dtype()), a.shape()));
  return ones;
}

Arrays stacked_inputs(const ImportedSignature& s, Choices& choices) {
  Arrays inputs;
  for (const array& p : s.graph->placeholders) {
    Shape shape = p.shape();
    shape.insert(shape.begin(), 2);
    inputs.push_back(make_input(shape, p.dtype(), choices));
  }
  return inputs;
}

Arrays run_some_way(const ArrayFn& call, const ImportedSignature& s, Arrays inputs,
                    Choices& choices) {
  Arrays plain = call(inputs);
  if (!is_little_work(plain)) {
    if (choices.below(4) == 0) evaluate_briefly(plain);
    throw Skipped();
  }
  switch (choices.below(8)) {
    case 0:
      return CompiledFunction(call)(inputs);
    case 1: {
      auto [outputs, gradients] = vjp(call, inputs, ones_like_all(plain));
      outputs.insert(outputs.end(), gradients.begin(), gradients.end());
      return outputs;
    }
    case 2:
      return jvp(call, inputs, ones_like_all(inputs)).second;
    case 3:
      return vmap(call)(stacked_inputs(s, choices));
    default:
      return plain;
  }
}

}  // namespace

void run_function(const ByteSource& source) {
  auto state = read_function(source);
  ImportedFunction f(state);
  Choices choices(source);
  for (const ImportedSignature& s : signatures(*state)) {
    bool other_sizes = s.any_size && choices.below(2) == 0;
    Arrays inputs;
    for (const array& p : s.graph->placeholders) {
      Shape shape = p.shape();
      for (int64_t& d : shape) {
        if (other_sizes && d < kMostElements) d = (d + 1) % 7;
      }
      inputs.push_back(make_input(shape, p.dtype(), choices));
    }
    ArrayFn call = [&](const Arrays& in) {
      Kwargs named;
      for (size_t i = 0; i < s.names.size(); ++i) named.emplace(s.names[i], in[s.positional + i]);
      return f(Args(in.begin(), in.begin() + static_cast<ptrdiff_t>(s.positional)), named);
    };
    Arrays outputs = run_some_way(call, s, inputs, choices);
    if (!is_little_work(outputs)) throw Skipped();
    eval(outputs);
    for (const array& a : outputs) read_all(a);
  }
}

}  // namespace olivine::fuzz
