// An op of the user's own from functions: its record says what it computes, how it differentiates
// and how it batches. primitive.h does the same with a class.
//
//   auto cube = custom_op("cube", {
//       .cpu = [](OpMemory m) { for (int64_t i = 0; i < m.out[0].size(); ++i) … },
//       .derivative = [](int, const array& v, auto& in, auto&) { return 3 * square(in[0]) * v; }});
//   array y = cube({x})[0];
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "olivine/array.h"
#include "olivine/transforms.h"
#include "olivine/view.h"

namespace olivine {

// What a kernel reads and writes. Outputs are row-contiguous, and so are inputs unless the op is
// `strided`.
struct OpMemory {
  std::span<const MemoryView> in;
  std::span<const MemoryView> out;
};

// What an op is. Only `cpu` must be given.
struct OpRecord {
  using MaybeArray = std::optional<array>;
  using MaybeArrays = std::vector<MaybeArray>;

  // Computes the outputs. Called from any thread; parallel.h runs loops on all of them.
  std::function<void(const OpMemory&)> cpu = nullptr;

  // Shapes and dtypes of the outputs. Absent: the op is elementwise, with one output. Its inputs
  // are broadcast to one shape, which is the output's too, and its dtype is the last input's.
  std::function<std::vector<std::pair<Shape, Dtype>>(const std::vector<array>& in)> outputs =
      nullptr;

  // Of an elementwise op, d(out)/d(in[i]) * v: one rule for both modes. nullopt: zero.
  std::function<MaybeArray(int i, const array& v, const std::vector<array>& in, const array& out)>
      derivative = nullptr;
  // Cotangents of the inputs for those of the outputs. nullopt: zero.
  std::function<MaybeArrays(const std::vector<array>& in, const std::vector<array>& ct,
                            const std::vector<array>& out)>
      vjp = nullptr;
  // Tangents of the outputs for those of the inputs (nullopt: zero).
  std::function<MaybeArrays(const std::vector<array>& in, const MaybeArrays& tangents,
                            const std::vector<array>& out)>
      jvp = nullptr;
  // Outputs for inputs with a batch axis where `axes` says (-1: none), and the outputs' batch axes.
  // Absent: elementwise ops batch by themselves, others run once per element.
  std::function<std::pair<std::vector<array>, std::vector<int>>(const std::vector<array>& in,
                                                                const std::vector<int>& axes)>
      vmap = nullptr;

  // Whether the kernel reads inputs of any strides.
  bool strided = false;
  // Whether it may write output 0 over an input of the same shape and dtype that dies: it then
  // finds both at one address and must read each element before it writes it.
  bool in_place = false;
};

// The op as a function of its inputs. Calls of one such function are the same op: compiled
// functions compute what they have in common once.
OLIVINE_API ArrayFn custom_op(std::string name, OpRecord record);

}  // namespace olivine
