// Kernels given as source text: olivine.core.fast.metal_kernel and its like.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "arguments.h"
#include "convert.h"
#include "core/error.h"
#include "device.h"
#include "dtype.h"
#include "modules.h"
#include "olivine/fast.h"

namespace olivine::python {
namespace {

constexpr const char* kName = "metal_kernel";
using Triple = std::tuple<int, int, int>;
using Template = std::pair<std::string, fast::TemplateArg>;

struct MetalKernel {
  fast::CustomKernelFunction run;
};

std::vector<array> read_arrays(const std::vector<nb::object>& items) {
  std::vector<array> out;
  for (const nb::object& o : items) out.push_back(from_object(o.ptr(), std::nullopt));
  return out;
}

std::vector<Shape> read_shapes(const std::vector<std::vector<int64_t>>& shapes) {
  std::vector<Shape> out;
  for (const auto& s : shapes) out.emplace_back(s.begin(), s.end());
  return out;
}

std::vector<Dtype> read_dtypes(const std::vector<nb::object>& items) {
  std::vector<Dtype> out;
  for (const nb::object& o : items) {
    std::optional<Dtype> t = to_dtype(o.ptr());
    if (!t) fail<TypeError>("[", kName, "] expected Dtypes; got ", Py_TYPE(o.ptr())->tp_name);
    out.push_back(*t);
  }
  return out;
}

fast::TemplateArg read_template_value(nb::handle o) {
  if (std::optional<Dtype> t = to_dtype(o.ptr())) return *t;
  if (PyBool_Check(o.ptr())) return o.ptr() == Py_True;
  int value;
  if (nb::try_cast(o, value)) return value;
  fail<TypeError>("[", kName, "] expected a bool, an int or a Dtype as template argument; got ",
                  Py_TYPE(o.ptr())->tp_name);
}

std::vector<array> run_metal(
    MetalKernel& kernel, const std::vector<nb::object>& inputs,
    const std::vector<std::vector<int64_t>>& output_shapes,
    const std::vector<nb::object>& output_dtypes, Triple grid, Triple threadgroup,
    const std::optional<std::vector<std::tuple<std::string, nb::object>>>& arguments,
    std::optional<float> init_value, bool verbose, nb::object stream) {
  std::vector<Template> templates;
  if (arguments) {
    for (const auto& [name, value] : *arguments) {
      templates.emplace_back(name, read_template_value(value));
    }
  }
  StreamOrDevice s;
  if (!stream.is_none()) {
    std::optional<StreamOrDevice> given = to_stream_or_device(stream.ptr());
    if (!given) {
      fail<TypeError>("[", kName, "] expected a Stream, a Device or None for stream; got ",
                      Py_TYPE(stream.ptr())->tp_name);
    }
    s = *given;
  }
  return kernel.run(read_arrays(inputs), read_shapes(output_shapes), read_dtypes(output_dtypes),
                    grid, threadgroup, std::move(templates), init_value, verbose, s);
}

std::vector<std::string> names(Arguments& in, int i) {
  std::vector<std::string> out;
  if (PyUnicode_Check(in.raw(i)) || !nb::try_cast(nb::handle(in.raw(i)), out)) {
    in.mismatch(i, "a sequence of str");
  }
  return out;
}

void check_options(Arguments& in, int i) {
  if (in.none(i)) return;
  if (!PyDict_Check(in.raw(i))) in.mismatch(i, "a dict");
  for (auto [key, value] : nb::borrow<nb::dict>(in.raw(i))) {
    std::string name = nb::str(key).c_str();
    if (name != "math_mode" && name != "fast_math") {
      fail("[", in.function(), "] expected known compile options; got '", name, "'");
    }
  }
}

}  // namespace

void bind_custom_kernels(nb::module_& m) {
  nb::handle module = submodule(m.ptr(), "fast");
  nb::class_<MetalKernel>(module, "_MetalKernel")
      .def(
          "__call__",
          [](MetalKernel& kernel, const std::vector<nb::object>& inputs,
             const std::vector<std::vector<int64_t>>& output_shapes,
             const std::vector<nb::object>& output_dtypes, Triple grid, Triple threadgroup,
             const std::optional<std::vector<std::tuple<std::string, nb::object>>>& arguments,
             std::optional<float> init_value, bool verbose, nb::object stream) {
            return nb::steal(
                wrap_list(run_metal(kernel, inputs, output_shapes, output_dtypes, grid, threadgroup,
                                    arguments, init_value, verbose, std::move(stream))));
          },
          nb::kw_only(), nb::arg("inputs"), nb::arg("output_shapes"), nb::arg("output_dtypes"),
          nb::arg("grid"), nb::arg("threadgroup"), nb::arg("template") = nb::none(),
          nb::arg("init_value") = nb::none(), nb::arg("verbose") = false,
          nb::arg("stream") = nb::none());
}

namespace hand {

PyObject* fast_metal_kernel(Arguments& in) {
  check_options(in, 7);
  MetalKernel kernel{fast::metal_kernel(in.string(0), names(in, 1), names(in, 2), in.string(3),
                                        in.string(4), in.boolean(5, true), in.boolean(6))};
  return nb::cast(std::move(kernel)).release().ptr();
}
PyObject* fast_cuda_kernel(Arguments& in) {
  fast::cuda_kernel(in.string(0), names(in, 1), names(in, 2), in.string(3), in.string(4),
                    in.boolean(5, true), in.integer(6));
  return Py_NewRef(Py_None);
}
PyObject* fast_precompiled_cuda_kernel(Arguments& in) {
  return to_python(fast::precompiled_cuda_kernel(in.string(0), "", {}, {}, {}, {}, {}, {}));
}

}  // namespace hand
}  // namespace olivine::python
