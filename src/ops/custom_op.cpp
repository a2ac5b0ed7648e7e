// Ops from functions: a primitive whose kernel and rules are those of a record.
#include "olivine/custom_op.h"

#include <memory>

#include "core/checks.h"
#include "core/error.h"
#include "core/layout.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/shape.h"
#include "olivine/primitive.h"
#include "ops/broadcasting.h"

namespace olivine {
namespace {

using Arrays = std::vector<array>;
using MaybeArrays = OpRecord::MaybeArrays;

struct NamedRecord {
  std::string name;
  OpRecord rules;
  bool elementwise() const { return !rules.outputs; }
};

MemoryView view_of(const array& a) {
  // Kernels write through the views of outputs only.
  return {const_cast<void*>(a.data()), a.dtype(), a.shape(), a.strides()};
}

class RecordPrimitive final : public Primitive {
 public:
  RecordPrimitive(std::shared_ptr<const NamedRecord> record, Stream s)
      : Primitive(s), record_(std::move(record)) {}

  const char* name() const override { return record_->name.c_str(); }
  bool is_equivalent(const Primitive& other) const override {
    return record_ == static_cast<const RecordPrimitive&>(other).record_;
  }

  void eval_cpu(const Arrays& inputs, Arrays& outputs) override {
    const OpRecord& rules = record_->rules;
    Arrays rows;  // inputs in row-major order
    rows.reserve(inputs.size());
    for (const array& a : inputs) {
      bool as_is = rules.strided || a.is_row_contiguous();
      if (!as_is) rows.push_back(contiguous(a));
    }
    std::vector<MemoryView> in, out;
    auto row = rows.begin();
    for (const array& a : inputs) {
      bool as_is = rules.strided || a.is_row_contiguous();
      in.push_back(view_of(as_is ? a : *row++));
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (i > 0 || !reuse(inputs, outputs[0])) {
        outputs[i].set_data(allocator::malloc(outputs[i].nbytes()));
      }
      out.push_back(view_of(outputs[i]));
    }
    rules.cpu({in, out});
  }

  Arrays vjp(const Arrays& primals, const Arrays& cotangents, const std::vector<int>& argnums,
             const Arrays& outputs) override {
    const OpRecord& rules = record_->rules;
    Arrays result;
    if (rules.vjp) {
      MaybeArrays all = rules.vjp(primals, cotangents, outputs);
      expect_count("vjp", "cotangents", primals.size(), all.size());
      for (int i : argnums) result.push_back(all[i] ? *all[i] : zeros_like(primals[i]));
      return result;
    }
    if (!rules.derivative) return Primitive::vjp(primals, cotangents, argnums, outputs);
    for (int i : argnums) {
      // The gradient of a real loss points uphill: the adjoint of the derivative.
      bool complex =
          is_complexfloating(primals[i].dtype()) && is_complexfloating(outputs[0].dtype());
      array ct = complex ? conjugate(cotangents[0]) : cotangents[0];
      auto d = rules.derivative(i, ct, primals, outputs[0]);
      result.push_back(!d ? zeros_like(primals[i]) : complex ? conjugate(*d) : *d);
    }
    return result;
  }

  Arrays jvp(const Arrays& primals, const Arrays& tangents,
             const std::vector<int>& argnums) override {
    const OpRecord& rules = record_->rules;
    if (!rules.jvp && !rules.derivative) return Primitive::jvp(primals, tangents, argnums);
    Arrays outputs = call(primals);
    MaybeArrays all(primals.size());
    for (size_t k = 0; k < argnums.size(); ++k) all[argnums[k]] = tangents[k];
    MaybeArrays result;
    if (rules.jvp) {
      result = rules.jvp(primals, all, outputs);
      expect_count("jvp", "tangents", outputs.size(), result.size());
    } else {
      result.resize(1);
      for (int i : argnums) {
        auto d = rules.derivative(i, *all[i], primals, outputs[0]);
        if (d) result[0] = result[0] ? add(*result[0], *d) : *d;
      }
    }
    Arrays values;
    for (size_t i = 0; i < outputs.size(); ++i) {
      values.push_back(result[i] ? *result[i] : zeros_like(outputs[i]));
    }
    return values;
  }

  std::pair<Arrays, std::vector<int>> vmap(const Arrays& inputs,
                                           const std::vector<int>& axes) override {
    if (record_->rules.vmap) return record_->rules.vmap(inputs, axes);
    if (!record_->elementwise()) return Primitive::vmap(inputs, axes);
    // All inputs have one shape without the batch axis, so broadcasting does the rest.
    Arrays in;
    for (size_t i = 0; i < inputs.size(); ++i) {
      in.push_back(axes[i] > 0 ? moveaxis(inputs[i], axes[i], 0) : inputs[i]);
    }
    return {call(in), {0}};
  }

  std::vector<Shape> output_shapes(const Arrays& inputs) override {
    std::vector<Shape> shapes;
    for (auto& [shape, dtype] : specs(inputs)) shapes.push_back(shape);
    return shapes;
  }

  // The op on inputs that need not have one shape.
  Arrays call(Arrays inputs) {
    if (record_->elementwise()) {
      if (inputs.empty()) fail("[", name(), "] expected at least one input; got none");
      inputs = broadcast_arrays(inputs);
    }
    std::vector<Shape> shapes;
    std::vector<Dtype> dtypes;
    for (auto& [shape, dtype] : specs(inputs)) {
      shapes.push_back(shape);
      dtypes.push_back(dtype);
    }
    auto self = std::make_shared<RecordPrimitive>(record_, stream());
    return array::make_arrays(std::move(shapes), dtypes, self, inputs);
  }

 private:
  std::vector<std::pair<Shape, Dtype>> specs(const Arrays& inputs) const {
    if (!record_->elementwise()) return record_->rules.outputs(inputs);
    return {{inputs[0].shape(), inputs.back().dtype()}};
  }

  // Gives output 0 the memory of an input that nobody else needs, if the record allows it.
  bool reuse(const Arrays& inputs, array& out) const {
    if (!record_->rules.in_place) return false;
    for (const array& a : inputs) {
      bool fits = a.dtype() == out.dtype() && a.shape() == out.shape() && a.is_row_contiguous();
      if (!fits || a.offset() != 0 || !a.is_donatable()) continue;
      out.copy_shared_buffer(a);
      return true;
    }
    return false;
  }

  void expect_count(const char* rule, const char* what, size_t expected, size_t got) const {
    if (expected == got) return;
    fail("[", name(), "] expected its ", rule, " to return ", expected, ' ', what, "; got ", got);
  }

  std::shared_ptr<const NamedRecord> record_;
};

}  // namespace

ArrayFn custom_op(std::string name, OpRecord record) {
  if (name.empty()) fail("[custom_op] expected a name; got none");
  if (!record.cpu) fail("[custom_op] expected a kernel for '", name, "'; got none");
  if (record.derivative && record.outputs) {
    fail("[custom_op] expected vjp and jvp of '", name,
         "', as it is not elementwise; got a derivative");
  }
  auto shared =
      std::make_shared<const NamedRecord>(NamedRecord{std::move(name), std::move(record)});
  return [shared](const Arrays& inputs) {
    return RecordPrimitive(shared, to_stream({})).call(inputs);
  };
}

}  // namespace olivine
