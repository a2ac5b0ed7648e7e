// What an op is: one constant record with its rules. Ops know no backend; transforms know no op.
//
// A record is made by one of the constructors at the end of this file, which derive what they can:
//   elementwise   author writes the local derivative        -> jvp, vjp, vmap, fusion, donation
//   structural    author writes shape, transpose, batching  -> jvp; `view` makes it free of copies
//   reduction     author writes its derivative              -> vmap by axis shift
//   fused         author writes its composite               -> every rule, unless a better one is
//   given general       author writes what the op needs; absent rules give one uniform error
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/layout.h"
#include "core/params.h"
#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

using Arrays = std::vector<array>;
using MaybeArray = std::optional<array>;
using MaybeArrays = std::vector<MaybeArray>;

struct OutSpec {
  Shape shape;
  Dtype dtype;
};

struct Op;

// Arguments of the rules. `in`/`out` are the op's inputs and outputs as arrays.
struct VjpCall {
  const Op& op;
  const ParamsRef& params;
  std::span<const array> in;
  std::span<const array> out;
  std::span<const array> ct;     // one cotangent per output, never missing
  std::span<const bool> wanted;  // per input: whether its cotangent is needed
};
struct JvpCall {
  const Op& op;
  const ParamsRef& params;
  std::span<const array> in;
  std::span<const array> out;
  std::span<const MaybeArray> tangent;  // missing means zero; at least one is present
};
struct VmapCall {
  const Op& op;
  const ParamsRef& params;
  std::span<const array> in;  // with the batch axis where `axes` says
  std::span<const int> axes;  // -1: not batched; at least one is
  int64_t batch;
};
struct VmapResult {
  Arrays out;
  std::vector<int> axes;  // of each output; -1: not batched
};

struct CheckCall {
  const Op& op;
  const ParamsRef& params;
  std::span<const array> in;
};

enum class OpKind : uint8_t { elementwise, structural, reduction, general };
// Which dtype selects the kernel.
enum class KernelKey : uint8_t { first_input, last_input, output };

struct Op {
  const char* name;
  // Of an op whose parameters say what it is (a user's): the name to show; null: `name`.
  const char* (*label)(const ParamsRef&) = nullptr;
  OpKind kind = OpKind::general;
  KernelKey key = KernelKey::first_input;

  // Shapes and dtypes of the outputs for these inputs (used when transforms emit the op anew).
  std::vector<OutSpec> (*infer)(const ParamsRef&, std::span<const array> in) = nullptr;
  // Cotangents of the inputs (nullopt: zero or not wanted).
  MaybeArrays (*vjp)(const VjpCall&) = nullptr;
  // Tangents of the outputs (nullopt: zero).
  MaybeArrays (*jvp)(const JvpCall&) = nullptr;
  // Absent: the transform runs the op once per batch element and stacks.
  VmapResult (*vmap)(const VmapCall&) = nullptr;
  // Elementwise: d(out)/d(in[arg]) * v, one rule for both modes. nullopt: zero derivative.
  MaybeArray (*linear)(int arg, const array& v, std::span<const array> in,
                       const array& out) = nullptr;
  // Structural: where the output's elements already lie in the input's buffer; false: only a
  // row-contiguous input will do (the evaluator then copies, and asks again).
  bool (*view)(const ParamsRef&, const Layout& in, const OutSpec& out, Layout& result) = nullptr;
  // For backends without a kernel: the op in terms of others. Also the tests' reference.
  Arrays (*composite)(const ParamsRef&, std::span<const array> in) = nullptr;
  // Gradients stop here.
  bool stops_gradient = false;
  // Same inputs give other outputs or other effects: never merged or folded.
  bool opaque = false;
  // The type of the parameters (&params_type<P>; null: none), by which export writes them.
  const ParamsType* params = nullptr;
  // Throws unless these inputs and parameters, whoever made them up, may reach rules and kernels;
  // helpers are in core/checks.h. Elementwise ops need none. Else absent: the op can't be exported.
  void (*check)(const CheckCall&) = nullptr;
  // No parameter is a size, so the op means the same for inputs of other sizes: shapeless traces
  // hold such ops only.
  bool any_size = false;

  // A small integer for kernel tables, given on first use.
  int id() const {
    int i = id_.value.load(std::memory_order_acquire);
    return i >= 0 ? i : assign_id();
  }

  // Also lists all records (all_ops): a record enters when it is made, wherever it is defined.
  struct Id {
    mutable std::atomic<int> value{-1};
    Id* next = nullptr;
    Id() { enter(); }
    Id(const Id&) { enter(); }  // a copy is another op
    ~Id() { leave(); }

   private:
    OLIVINE_API void enter();
    OLIVINE_API void leave();
  };
  Id id_{};

 private:
  OLIVINE_API int assign_id() const;
};

// The id of a name: kernels are registered under names before any op is used.
OLIVINE_API int op_id(std::string_view name);
OLIVINE_API const char* op_name(int id);
// All records, sorted by name.
OLIVINE_API std::vector<const Op*> all_ops();

// The name of the op with these parameters, for people.
inline const char* shown_name(const Op& op, const ParamsRef& params) {
  return op.label ? op.label(params) : op.name;
}

// Whether nodes of this op can be written to files and read from them.
inline bool can_be_exported(const Op& op) {
  return op.infer && (op.check || op.kind == OpKind::elementwise);
}

// ---- Making nodes. All checks are done by then; `shape` and `dtype` are those of the output.
OLIVINE_API array make_node(const Op& op, ParamsRef params, std::span<const array> in, Shape shape,
                            Dtype dtype, StreamOrDevice s = {});
inline array make_node(const Op& op, ParamsRef params, std::initializer_list<array> in, Shape shape,
                       Dtype dtype, StreamOrDevice s = {}) {
  return make_node(op, std::move(params), std::span<const array>(in.begin(), in.size()),
                   std::move(shape), dtype, s);
}
// An op of several outputs.
OLIVINE_API Arrays make_nodes(const Op& op, ParamsRef params, std::span<const array> in,
                              std::vector<OutSpec> outs, StreamOrDevice s = {});
// An elementwise node: broadcasts the inputs' shapes; the inputs already have the kernel's dtype.
OLIVINE_API array make_elementwise(const Op& op, std::span<const array> in, Dtype dtype,
                                   StreamOrDevice s = {});
inline array make_elementwise(const Op& op, std::initializer_list<array> in, Dtype dtype,
                              StreamOrDevice s = {}) {
  return make_elementwise(op, std::span<const array>(in.begin(), in.size()), dtype, s);
}
// The op anew on other inputs, its outputs inferred.
OLIVINE_API Arrays emit(const Op& op, const ParamsRef& params, std::span<const array> in);

// ---- Constructors of records.
// `out`: dtype of the result given that of the inputs (default: that of the last input).
using OutDtype = Dtype (*)(Dtype in);
struct ElementwiseRules {
  MaybeArray (*linear)(int arg, const array& v, std::span<const array> in, const array& out) =
      nullptr;  // absent: derivative zero (comparisons, rounding, integer ops)
  OutDtype out = nullptr;
};
OLIVINE_API std::vector<OutSpec> infer_elementwise(const ParamsRef&, std::span<const array> in);
OLIVINE_API std::vector<OutSpec> infer_elementwise_bool(const ParamsRef&, std::span<const array>);
OLIVINE_API std::vector<OutSpec> infer_elementwise_real(const ParamsRef&, std::span<const array>);
OLIVINE_API MaybeArrays vjp_elementwise(const VjpCall&);
OLIVINE_API MaybeArrays jvp_elementwise(const JvpCall&);
OLIVINE_API VmapResult vmap_elementwise(const VmapCall&);
// jvp of an op that is linear in all its array inputs: itself on the tangents, zeros where missing.
OLIVINE_API MaybeArrays jvp_linear(const JvpCall&);

using LinearRule = MaybeArray (*)(int, const array&, std::span<const array>, const array&);
using InferRule = std::vector<OutSpec> (*)(const ParamsRef&, std::span<const array>);

inline Op elementwise(const char* name, LinearRule linear, InferRule infer = infer_elementwise) {
  return Op{.name = name,
            .kind = OpKind::elementwise,
            .key = KernelKey::last_input,
            .infer = infer,
            .vjp = vjp_elementwise,
            .jvp = jvp_elementwise,
            .vmap = vmap_elementwise,
            .linear = linear,
            .any_size = true};
}

struct StructuralRules {
  InferRule infer;
  MaybeArrays (*transpose)(const VjpCall&);
  VmapResult (*vmap)(const VmapCall&);
  bool (*view)(const ParamsRef&, const Layout&, const OutSpec&, Layout&) = nullptr;
  const ParamsType* params = nullptr;
  void (*check)(const CheckCall&) = nullptr;
  bool any_size = false;
};
inline Op structural(const char* name, StructuralRules r) {
  return Op{.name = name,
            .kind = OpKind::structural,
            .infer = r.infer,
            .vjp = r.transpose,
            .jvp = jvp_linear,
            .vmap = r.vmap,
            .view = r.view,
            .params = r.params,
            .check = r.check,
            .any_size = r.any_size};
}

// Parameters of every reduction: the axes, normalized, sorted. The node keeps them as size 1
// (keepdims); the public function squeezes.
struct ReduceParams {
  SmallVector<int, 6> axes;
  auto fields() const { return std::tie(axes); }
};
OLIVINE_API VmapResult vmap_reduction(const VmapCall&);
OLIVINE_API void check_reduction(const CheckCall&);
struct ReductionRules {
  MaybeArrays (*vjp)(const VjpCall&) = nullptr;
  MaybeArrays (*jvp)(const JvpCall&) = nullptr;
  InferRule infer;
  void (*check)(const CheckCall&) = check_reduction;
};
inline Op reduction(const char* name, ReductionRules r) {
  return Op{.name = name,
            .kind = OpKind::reduction,
            .infer = r.infer,
            .vjp = r.vjp,
            .jvp = r.jvp,
            .vmap = vmap_reduction,
            .params = &params_type<ReduceParams>,
            .check = r.check,
            .any_size = true};
}

// A batching rule for ops that have no better one: once per element, results stacked.
OLIVINE_API VmapResult vmap_per_element(const VmapCall&);

// Fused ops: one kernel for what `composite` says in other ops. Their rules are those of the
// composite unless the author sets a better one.
OLIVINE_API MaybeArrays vjp_composite(const VjpCall&);
OLIVINE_API MaybeArrays jvp_composite(const JvpCall&);
OLIVINE_API VmapResult vmap_composite(const VmapCall&);
inline Op fused(const char* name, InferRule infer,
                Arrays (*composite)(const ParamsRef&, std::span<const array> in)) {
  return Op{.name = name,
            .infer = infer,
            .vjp = vjp_composite,
            .jvp = jvp_composite,
            .vmap = vmap_composite,
            .composite = composite};
}

}  // namespace olivine
