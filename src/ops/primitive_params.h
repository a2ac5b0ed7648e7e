// The parameters of `primitive`, the op behind every op of the user's.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <typeinfo>
#include <vector>

#include "core/layout.h"
#include "core/op.h"
#include "olivine/primitive.h"
#include "runtime/allocator.h"

namespace olivine {

// A primitive with the inputs that it was made for: for these its outputs are known.
struct PrimitiveParams {
  struct Made {
    std::shared_ptr<Primitive> primitive;
    std::vector<OutSpec> in, out;

    bool operator==(const Made& o) const {
      return primitive && o.primitive && typeid(*primitive) == typeid(*o.primitive) &&
             same(in, o.in) && same(out, o.out) && primitive->is_equivalent(*o.primitive);
    }

   private:
    static bool same(const std::vector<OutSpec>& a, const std::vector<OutSpec>& b) {
      return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                        [](const OutSpec& x, const OutSpec& y) {
                          return x.shape == y.shape && x.dtype == y.dtype;
                        });
    }
  };
  Made made;
  auto fields() const { return std::tie(made); }
};

// A value in memory, on its way into a primitive or out of it.
struct PrimitiveValue {
  BufferRef buffer;
  Layout layout;
  Dtype dtype;
};
// Calls the primitive. An input whose buffer nobody else refers to may become an output's; when the
// call throws, `in` has its buffers back.
std::vector<PrimitiveValue> run_primitive(const PrimitiveParams& p, std::span<PrimitiveValue> in,
                                          std::span<const OutSpec> out);
// The record of all of them, and the parameters of one.
const Op& primitive_record();
ParamsRef primitive_params(const std::shared_ptr<Primitive>& p, const Arrays& inputs,
                           std::vector<OutSpec> out);
// Throws unless what other ops gave has the shapes and dtypes that were asked for.
void expect_asked(std::string_view name, const Arrays& made, const ArraySpecs& asked);

}  // namespace olivine
