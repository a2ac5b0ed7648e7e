// Kernels given as source text: there is no device here that could compile them, and that is said
// where MLX without such a device says it.
#include <stdexcept>

#include "core/error.h"
#include "olivine/fast.h"

namespace olivine::fast {

CustomKernelFunction metal_kernel(const std::string& name,
                                  const std::vector<std::string>& input_names,
                                  const std::vector<std::string>& output_names, const std::string&,
                                  const std::string&, bool, bool, const CompileOptions&) {
  if (output_names.empty()) fail("[metal_kernel] expected at least one output name; got none");
  size_t inputs = input_names.size(), outputs = output_names.size();
  return [=](const std::vector<array>& in, const std::vector<Shape>& shapes,
             const std::vector<Dtype>& dtypes, auto&&...) -> std::vector<array> {
    if (in.size() != inputs) {
      fail("[metal_kernel] expected ", inputs, " inputs of '", name, "'; got ", in.size());
    }
    if (shapes.size() != outputs || dtypes.size() != outputs) {
      fail("[metal_kernel] expected shapes and dtypes of ", outputs, " outputs of '", name,
           "'; got ", shapes.size(), " and ", dtypes.size());
    }
    fail<std::runtime_error>(
        "[metal_kernel] expected a device that runs Metal; got a build for "
        "CPUs, which cannot run '",
        name, "'");
  };
}

CustomKernelFunction cuda_kernel(const std::string& name, const std::vector<std::string>&,
                                 const std::vector<std::string>&, const std::string&,
                                 const std::string&, bool, int) {
  fail<std::runtime_error>(
      "[cuda_kernel] expected a device that runs CUDA; got a build for CPUs, "
      "which cannot make '",
      name, "'");
}

std::vector<array> precompiled_cuda_kernel(const std::string& name, const std::string&,
                                           const std::vector<array>&, const std::vector<Shape>&,
                                           const std::vector<Dtype>&, const std::vector<ScalarArg>&,
                                           std::tuple<int, int, int>, std::tuple<int, int, int>,
                                           int, std::optional<float>, bool, StreamOrDevice) {
  fail<std::runtime_error>(
      "[precompiled_cuda_kernel] expected a device that runs CUDA; got a "
      "build for CPUs, which cannot run '",
      name, "'");
}

}  // namespace olivine::fast
