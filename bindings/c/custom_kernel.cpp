// The C API of Metal, of CUDA, and of kernels given as source text.
#include "olivine/c/custom_kernel.h"

#include "handles.h"
#include "olivine/c/cuda.h"
#include "olivine/c/metal.h"
#include "olivine/fast.h"

using namespace olivine;
using c::get;
using c::guarded;
using c::made;

namespace {

[[noreturn]] void no_metal() {
  fail<std::runtime_error>("[metal] expected a build with Metal; got one for CPUs");
}

struct Config {
  std::vector<Shape> shapes;
  std::vector<Dtype> dtypes;
  std::tuple<int, int, int> grid{1, 1, 1}, threadgroup{1, 1, 1};
  std::vector<std::pair<std::string, fast::TemplateArg>> arguments;
  std::optional<float> init_value;
  bool verbose = false;
};

// What a call of either kind of kernel needs. CUDA's is made at the call, as only a device with
// CUDA could make it.
struct Kernel {
  std::function<fast::CustomKernelFunction()> make;
};

Config& config_of(void* ctx) {
  if (!ctx) fail("[kernel_config] expected a configuration; got an empty handle");
  return *static_cast<Config*>(ctx);
}
std::tuple<int, int, int> sizes(int a, int b, int c, const char* what) {
  if (a < 1 || b < 1 || c < 1) {
    fail("[kernel_config] expected sizes of the ", what, " of at least 1; got ", a, ", ", b, ", ",
         c);
  }
  return {a, b, c};
}

int add_output(void* ctx, const int* shape, size_t size, olivine_dtype dtype) {
  return guarded([&] {
    Config& config = config_of(ctx);
    c::expect_values(shape, size, "kernel_config");
    Shape sizes = size ? Shape(shape, shape + size) : Shape();
    for (int64_t d : sizes) {
      if (d < 0) fail("[kernel_config] expected sizes of at least 0; got ", sizes);
    }
    Dtype t = get(dtype);
    config.shapes.push_back(std::move(sizes));
    config.dtypes.push_back(t);
  });
}
void add_argument(void* ctx, const char* name, fast::TemplateArg value) {
  Config& config = config_of(ctx);
  std::string text = c::name(name, "kernel_config");
  for (auto& [other, ignored] : config.arguments) {
    if (other == text) {
      fail("[kernel_config] expected another template argument than before; got '", text, "'");
    }
  }
  config.arguments.emplace_back(std::move(text), value);
}

int apply(olivine_vector_array* outputs, void* kernel, olivine_vector_array inputs, void* config,
          olivine_stream stream) {
  return guarded([&] {
    if (!kernel) fail("[custom_kernel] expected a kernel; got an empty handle");
    const Config& c = config_of(config);
    fast::CustomKernelFunction run = static_cast<const Kernel*>(kernel)->make();
    c::set(outputs, run(get(inputs), c.shapes, c.dtypes, c.grid, c.threadgroup, c.arguments,
                        c.init_value, c.verbose, get(stream)));
  });
}

}  // namespace

int olivine_metal_is_available(bool* res) {
  return guarded([&] { c::store(res, false); });
}
int olivine_metal_start_capture(const char*) { return guarded(no_metal); }
int olivine_metal_stop_capture(void) { return guarded(no_metal); }
int olivine_cuda_is_available(bool* res) {
  return guarded([&] { c::store(res, false); });
}

#define OLIVINE_C_KERNEL(KERNEL)                                                                   \
  KERNEL##_config KERNEL##_config_new(void) {                                                      \
    return made<KERNEL##_config>([] { return new Config(); });                                     \
  }                                                                                                \
  void KERNEL##_config_free(KERNEL##_config cls) { delete static_cast<Config*>(cls.ctx); }         \
  int KERNEL##_config_add_output_arg(KERNEL##_config cls, const int* shape, size_t size,           \
                                     olivine_dtype dtype) {                                        \
    return add_output(cls.ctx, shape, size, dtype);                                                \
  }                                                                                                \
  int KERNEL##_config_set_grid(KERNEL##_config cls, int grid1, int grid2, int grid3) {             \
    return guarded([&] { config_of(cls.ctx).grid = sizes(grid1, grid2, grid3, "grid"); });         \
  }                                                                                                \
  int KERNEL##_config_set_thread_group(KERNEL##_config cls, int thread1, int thread2,              \
                                       int thread3) {                                              \
    return guarded([&] {                                                                           \
      config_of(cls.ctx).threadgroup = sizes(thread1, thread2, thread3, "thread group");           \
    });                                                                                            \
  }                                                                                                \
  int KERNEL##_config_set_init_value(KERNEL##_config cls, float value) {                           \
    return guarded([&] { config_of(cls.ctx).init_value = value; });                                \
  }                                                                                                \
  int KERNEL##_config_set_verbose(KERNEL##_config cls, bool verbose) {                             \
    return guarded([&] { config_of(cls.ctx).verbose = verbose; });                                 \
  }                                                                                                \
  int KERNEL##_config_add_template_arg_dtype(KERNEL##_config cls, const char* name,                \
                                             olivine_dtype dtype) {                                \
    return guarded([&] { add_argument(cls.ctx, name, get(dtype)); });                              \
  }                                                                                                \
  int KERNEL##_config_add_template_arg_int(KERNEL##_config cls, const char* name, int value) {     \
    return guarded([&] { add_argument(cls.ctx, name, value); });                                   \
  }                                                                                                \
  int KERNEL##_config_add_template_arg_bool(KERNEL##_config cls, const char* name, bool value) {   \
    return guarded([&] { add_argument(cls.ctx, name, value); });                                   \
  }                                                                                                \
  void KERNEL##_free(KERNEL cls) { delete static_cast<Kernel*>(cls.ctx); }                         \
  int KERNEL##_apply(olivine_vector_array* outputs, KERNEL cls, const olivine_vector_array inputs, \
                     const KERNEL##_config config, const olivine_stream stream) {                  \
    return apply(outputs, cls.ctx, inputs, config.ctx, stream);                                    \
  }
OLIVINE_C_KERNEL(olivine_fast_metal_kernel)
OLIVINE_C_KERNEL(olivine_fast_cuda_kernel)
#undef OLIVINE_C_KERNEL

olivine_fast_metal_kernel olivine_fast_metal_kernel_new(const char* name,
                                                        const olivine_vector_string input_names,
                                                        const olivine_vector_string output_names,
                                                        const char* source, const char* header,
                                                        bool ensure_row_contiguous,
                                                        bool atomic_outputs) {
  return made<olivine_fast_metal_kernel>([&] {
    auto run = fast::metal_kernel(c::name(name, "custom_kernel"), get(input_names),
                                  get(output_names), c::name(source, "custom_kernel"),
                                  c::text(header), ensure_row_contiguous, atomic_outputs);
    return new Kernel{[run] { return run; }};
  });
}
olivine_fast_cuda_kernel olivine_fast_cuda_kernel_new(const char* name,
                                                      const olivine_vector_string input_names,
                                                      const olivine_vector_string output_names,
                                                      const char* source, const char* header,
                                                      bool ensure_row_contiguous,
                                                      int shared_memory) {
  return made<olivine_fast_cuda_kernel>([&] {
    return new Kernel{[name = c::name(name, "custom_kernel"), inputs = get(input_names),
                       outputs = get(output_names), source = c::name(source, "custom_kernel"),
                       header = c::text(header), ensure_row_contiguous, shared_memory] {
      return fast::cuda_kernel(name, inputs, outputs, source, header, ensure_row_contiguous,
                               shared_memory);
    }};
  });
}
