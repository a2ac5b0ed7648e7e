// Linear-algebra functions of which an argument chooses the C++ overload or the number of results.
#include "olivine/ops/linalg.h"
#include "arguments.h"
#include "convert.h"

namespace olivine::python::hand {

PyObject* linalg_norm(Arguments& in) {
  const array& a = in.ref(0);
  std::optional<std::vector<int>> axis;
  if (const MaybeInts given = in.maybe_ints(2); given.value) {
    axis = std::vector<int>(given.value->values);
  }
  const bool keepdims = in.boolean(3);
  const StreamOrDevice s = in.stream(4);
  if (in.none(1)) return to_python(linalg::norm(a, axis, keepdims, s));
  if (PyUnicode_Check(in.raw(1))) {
    return to_python(linalg::norm(a, in.string(1), axis, keepdims, s));
  }
  return to_python(linalg::norm(a, in.number(1), axis, keepdims, s));
}
PyObject* matrix_norm(Arguments& in) { return linalg_norm(in); }

PyObject* linalg_svd(Arguments& in) {
  const bool vectors = in.boolean(1, true);
  std::vector<array> out = linalg::svd(in.ref(0), vectors, in.stream(2));
  return vectors ? to_tuple(out) : to_python(out[0]);
}

}  // namespace olivine::python::hand
