// What a backend provides. Backends know no graph: a kernel sees plain views and an op's
// parameters.
//
// A backend is a table (op, dtype) -> kernel, a runner of fused elementwise programs, and a copy.
// A missing kernel falls back to the op's composite, or raises one uniform error.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/params.h"
#include "olivine/dtype.h"
#include "olivine/export.h"
#include "olivine/view.h"

namespace olivine {

struct Buffer;
// Short inside; programs may know a primitive of MLX's by the name.
using View = MemoryView;

// Outputs are allocated row-contiguous by the caller and never overlap an input, except where the
// kernel's `donates` allows: then out[0].data may equal in[i].data, elements at equal positions.
struct KernelCall {
  std::span<const View> in;
  std::span<const View> out;
  const void* params;  // the op's parameter struct, or null

  template <class P>
  const P& as() const {
    return *static_cast<const P*>(params);
  }
};
using KernelFn = void (*)(const KernelCall&);
// Brings the memory of its outputs along: out[i] becomes a buffer that begins with the elements in
// row-major order (`call.out` has no addresses). in[i] holds the memory of call.in[i]; where it is
// unique() it may become an output's.
using MakeFn = void (*)(const KernelCall& call, std::span<Ref<Buffer>> in,
                        std::span<Ref<Buffer>> out);

struct Kernel {
  KernelFn run = nullptr;
  // Bit i: input i must be row-contiguous (the evaluator copies it first if it is not).
  uint32_t contiguous = 0;
  // Bit i: out[0] may be written over a dying row-contiguous input i of the same size and itemsize.
  uint32_t donates = 0;
  // Instead of `run`.
  MakeFn make = nullptr;
};

// A fused elementwise region: instructions over values. Value v < leaves.size() is a leaf; value
// leaves + i is the result of instruction i. All have the region's shape after broadcasting.
struct Instr {
  int op;     // op id
  Dtype key;  // dtype that selects the loop (that of the last operand)
  Dtype out;  // dtype of the result
  uint8_t arity;
  uint16_t src[3];
};
struct Program {
  std::vector<Dtype> leaves;
  std::vector<Instr> code;
  std::vector<uint16_t> outputs;  // values to store; out[i] is outputs[i]
};
// A program made ready to run (registers assigned, loops looked up). Immutable, shareable.
struct PreparedProgram {
  virtual ~PreparedProgram() = default;
  // `in` are the leaves broadcast to `shape` (stride 0 allowed); `out` are row-contiguous, of
  // `shape`, and may alias a leaf that is row-contiguous, of that size and itemsize.
  virtual void run(std::span<const View> in, std::span<const View> out) const = 0;
};

class OLIVINE_API Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  // nullptr: none for this op and dtype.
  virtual const Kernel* kernel(int op, Dtype key) const = 0;
  // Whether the op has elementwise loops for this dtype (so that it can join a region).
  virtual bool fuses(int op, Dtype key) const = 0;
  // How many operands those loops take; 0: there are none.
  virtual int arity(int op, Dtype key) const = 0;
  virtual std::unique_ptr<PreparedProgram> prepare(const Program& program) const = 0;
  // One elementwise op at once; `in` already broadcast to out's shape.
  virtual void run_elementwise(int op, Dtype key, std::span<const View> in,
                               const View& out) const = 0;
  // Copies any layout to row-contiguous `out`, same dtype.
  virtual void copy(const View& in, const View& out) const = 0;
};

OLIVINE_API const Backend& cpu_backend();

}  // namespace olivine
