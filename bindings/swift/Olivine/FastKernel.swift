// Metal kernels from source, which need Metal: making one is an error elsewhere.
import COlivine

public protocol KernelTemplateArg {}
extension Bool: KernelTemplateArg {}
extension Int: KernelTemplateArg {}
extension DType: KernelTemplateArg {}

extension MLXFast {
  public final class MLXFastKernel: @unchecked Sendable {
    public let outputNames: [String]
    private let ctx: olivine_fast_metal_kernel

    init(
      name: String, inputNames: [String], outputNames: [String], source: String, header: String,
      ensureRowContiguous: Bool, atomicOutputs: Bool
    ) {
      self.outputNames = outputNames
      ctx = withStrings(inputNames) { inputs in
        withStrings(outputNames) { outputs in
          olivine_fast_metal_kernel_new(
            name, inputs, outputs, source, header, ensureRowContiguous, atomicOutputs)
        }
      }
      if ctx.ctx == nil { report(lastError) }
    }
    deinit { olivine_fast_metal_kernel_free(ctx) }

    /// Runs the kernel.
    public func callAsFunction(
      _ inputs: [any ScalarOrArray], template: [(String, any KernelTemplateArg)]? = nil,
      grid: (Int, Int, Int), threadGroup: (Int, Int, Int), outputShapes: some Sequence<[Int]>,
      outputDTypes: some Sequence<DType>, initValue: Float? = nil, verbose: Bool = false,
      stream: StreamOrDevice = .default
    ) -> [NDArray] {
      let config = olivine_fast_metal_kernel_config_new()
      defer { olivine_fast_metal_kernel_config_free(config) }
      for (name, value) in template ?? [] { addTemplate(config, name, value) }
      checked(
        olivine_fast_metal_kernel_config_set_grid(config, grid.0.c, grid.1.c, grid.2.c))
      checked(
        olivine_fast_metal_kernel_config_set_thread_group(
          config, threadGroup.0.c, threadGroup.1.c, threadGroup.2.c))
      for (shape, dtype) in zip(outputShapes, outputDTypes) {
        let status = shape.withInts { sizes, n in
          olivine_fast_metal_kernel_config_add_output_arg(config, sizes, n, dtype.cmlxDtype)
        }
        checked(status)
      }
      if let initValue {
        checked(olivine_fast_metal_kernel_config_set_init_value(config, initValue))
      }
      checked(olivine_fast_metal_kernel_config_set_verbose(config, verbose))
      let arrays = inputs.map { $0.asMLXArray(dtype: nil) }
      return withVector(arrays) { inputs in
        madeVector { r in
          olivine_fast_metal_kernel_apply(r, ctx, inputs, config, stream.ctx)
        }
      }
    }

    private func addTemplate(
      _ config: olivine_fast_metal_kernel_config, _ name: String, _ value: any KernelTemplateArg
    ) {
      switch value {
      case let value as Bool:
        checked(olivine_fast_metal_kernel_config_add_template_arg_bool(config, name, value))
      case let value as Int:
        checked(olivine_fast_metal_kernel_config_add_template_arg_int(config, name, value.c))
      case let value as DType:
        checked(
          olivine_fast_metal_kernel_config_add_template_arg_dtype(config, name, value.cmlxDtype))
      default: report("[metal_kernel] expected a Bool, Int or DType for \(name); got \(value)")
      }
    }
  }

  /// A kernel of Metal source.
  public static func metalKernel(
    name: String, inputNames: some Sequence<String>, outputNames: some Sequence<String>,
    source: String, header: String = "", ensureRowContiguous: Bool = true,
    atomicOutputs: Bool = false
  ) -> MLXFastKernel {
    MLXFastKernel(
      name: name, inputNames: Array(inputNames), outputNames: Array(outputNames), source: source,
      header: header, ensureRowContiguous: ensureRowContiguous, atomicOutputs: atomicOutputs)
  }
}

/// A C vector of strings, for the time of a call.
func withStrings<R>(_ strings: [String], _ body: (olivine_vector_string) -> R) -> R {
  let vector = olivine_vector_string_new()
  defer { olivine_vector_string_free(vector) }
  for text in strings { checked(olivine_vector_string_append_value(vector, text)) }
  return body(vector)
}
