// Ops of the user's own: a class with a CPU kernel and, where there are any, its rules.
//
//   struct Cube : olivine::UnaryPrimitive {
//     using UnaryPrimitive::UnaryPrimitive;
//     const char* name() const override { return "Cube"; }
//     void eval_cpu(const std::vector<array>& in, array& out) override;   // set_data, then fill
//     std::vector<array> vjp(…) override;
//   };
//   array y(x.shape(), x.dtype(), std::make_shared<Cube>(to_stream(s)), {x});
//
// The array is lazy like every other, and every transformation takes it. Where a rule is missing,
// vmap runs the op once per element, and a derivative is the error that other ops give. custom_op.h
// makes the same of functions, function_primitive.h of functions that consist of other ops.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "olivine/allocator.h"
#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// Shapes and dtypes of arrays that are not there yet.
using ArraySpecs = std::vector<std::pair<Shape, Dtype>>;

class OLIVINE_API Primitive {
 public:
  explicit Primitive(Stream stream) : stream_(stream) {}
  virtual ~Primitive();
  Primitive(const Primitive&) = delete;
  Primitive(Primitive&&) = delete;
  Primitive& operator=(const Primitive&) = delete;
  Primitive& operator=(Primitive&&) = delete;

  const Device& device() { return stream_.device; }
  const Stream& stream() { return stream_; }

  // Computes the outputs: gives each memory (set_data, or copy_shared_buffer from an input that
  // is_donatable) and fills it before returning. The inputs are computed, of any strides. Called
  // from any thread. One that throws must not have written into memory of an input.
  virtual void eval_cpu(const std::vector<array>& inputs, std::vector<array>& outputs) = 0;
  // For devices that this build has not; never called here.
  virtual void eval_gpu(const std::vector<array>& inputs, std::vector<array>& outputs);

  // Tangents of the outputs; `tangents` are those of the primals `argnums`.
  virtual std::vector<array> jvp(const std::vector<array>& primals,
                                 const std::vector<array>& tangents,
                                 const std::vector<int>& argnums);
  // Cotangents of the primals `argnums`, in that order.
  virtual std::vector<array> vjp(const std::vector<array>& primals,
                                 const std::vector<array>& cotangents,
                                 const std::vector<int>& argnums,
                                 const std::vector<array>& outputs);
  // Outputs for inputs with a batch axis where `axes` says (-1: none), and the outputs' batch axes.
  virtual std::pair<std::vector<array>, std::vector<int>> vmap(const std::vector<array>& inputs,
                                                               const std::vector<int>& axes);

  virtual const char* name() const = 0;
  // Whether another of the same class computes the same; compiled functions compute it once then.
  virtual bool is_equivalent(const Primitive& other) const;
  // For inputs of other shapes than those it was made with.
  virtual std::vector<Shape> output_shapes(const std::vector<array>& inputs);
  // Of a primitive that consists of other ops: the arrays that these give for outputs of shapes and
  // dtypes as asked. An array of it is then one of these, and the graph holds their ops instead of
  // the primitive. Nothing, as by default: eval_cpu computes the outputs.
  virtual std::optional<std::vector<array>> composite(const std::vector<array>& inputs,
                                                      const ArraySpecs& asked);

 private:
  Stream stream_;
};

// A primitive of one output.
class OLIVINE_API UnaryPrimitive : public Primitive {
 public:
  explicit UnaryPrimitive(Stream stream) : Primitive(stream) {}

  virtual void eval_cpu(const std::vector<array>& inputs, array& output) = 0;
  virtual void eval_gpu(const std::vector<array>& inputs, array& output);
  void eval_cpu(const std::vector<array>& inputs, std::vector<array>& outputs) final;
  void eval_gpu(const std::vector<array>& inputs, std::vector<array>& outputs) final;
};

}  // namespace olivine
