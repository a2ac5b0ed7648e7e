// Functions written to files, and read back.
import COlivine
import Foundation

/// What writes a function to a file: call it with example arguments, named ones by their names.
public func exportFunction(
  to url: URL, shapeless: Bool = false, _ f: @escaping ([NDArray]) -> [NDArray]
) -> FunctionExporterSingle {
  FunctionExporterSingle(url: url, shapeless: shapeless, f)
}

/// Writes a function to a file for all the arguments that `build` calls the exporter with.
public func exportFunctions(
  to url: URL, shapeless: Bool = false, _ f: @escaping ([NDArray]) -> [NDArray],
  build: (FunctionExporterMultiple) throws -> Void
) throws {
  try build(try FunctionExporterMultiple(url: url, shapeless: shapeless, f))
}

@dynamicCallable public final class FunctionExporterSingle {
  private let url: URL
  private let shapeless: Bool
  private let f: ArrayFunction

  init(url: URL, shapeless: Bool, _ f: @escaping ArrayFunction) {
    self.url = url
    self.shapeless = shapeless
    self.f = f
  }

  public func dynamicallyCall(withKeywordArguments args: KeyValuePairs<String, NDArray>) throws {
    try FunctionExporterMultiple(url: url, shapeless: shapeless, f)
      .dynamicallyCall(withKeywordArguments: args)
  }
}

@dynamicCallable public final class FunctionExporterMultiple {
  private var ctx = olivine_function_exporter()

  init(url: URL, shapeless: Bool, _ f: @escaping ArrayFunction) throws {
    let closure = Closure(f)
    ctx = olivine_function_exporter_new(url.path, closure.ctx, shapeless)
    if ctx.ctx == nil { throw MLXError.caught(lastError) }
  }
  deinit { olivine_function_exporter_free(ctx) }

  public func dynamicallyCall(withKeywordArguments args: KeyValuePairs<String, NDArray>) throws {
    try withError {
      withArguments(args) { plain, named in
        checked(olivine_function_exporter_apply_kwargs(ctx, plain, named))
      }
    }
  }
}

/// The function that a file holds.
public func importFunction(from url: URL) throws -> ImportedFunction {
  try ImportedFunction(url: url)
}

@dynamicCallable public final class ImportedFunction {
  private var ctx = olivine_imported_function()

  public init(url: URL) throws {
    ctx = olivine_imported_function_new(url.path)
    if ctx.ctx == nil { throw MLXError.caught(lastError) }
  }
  deinit { olivine_imported_function_free(ctx) }

  public func dynamicallyCall(
    withKeywordArguments args: KeyValuePairs<String, NDArray>
  ) throws -> [NDArray] {
    try withError {
      withArguments(args) { plain, named in
        madeVector { r in olivine_imported_function_apply_kwargs(r, ctx, plain, named) }
      }
    }
  }
}

/// The arguments without names as a vector, the others as a map.
private func withArguments<R>(
  _ args: KeyValuePairs<String, NDArray>,
  _ body: (olivine_vector_array, olivine_map_string_to_array) -> R
) -> R {
  let named = olivine_map_string_to_array_new()
  defer { olivine_map_string_to_array_free(named) }
  for (name, array) in args where !name.isEmpty {
    checked(olivine_map_string_to_array_insert(named, name, array.ctx))
  }
  return withVector(args.filter { $0.key.isEmpty }.map { $0.value }) { body($0, named) }
}

/// Writes the graph of arrays that are not computed yet for Graphviz: boxes are ops, ellipses are
/// inputs and outputs, with names where `names` has one.
public func exportToDot(
  _ outputs: [NDArray], names: [(NDArray, String)] = [], to url: URL
) throws {
  guard let file = fopen(url.path, "w") else {
    throw LoadSaveError.unableToOpen(url, String(cString: strerror(errno)))
  }
  let namer = olivine_node_namer_new()
  defer { olivine_node_namer_free(namer) }
  for (array, name) in names { checked(olivine_node_namer_set_name(namer, array.ctx, name)) }
  let status = withVector(outputs) { outputs in olivine_export_to_dot(file, namer, outputs) }
  let closed = fclose(file)
  try thrown { status }
  if closed != 0 { throw LoadSaveError.unableToOpen(url, String(cString: strerror(errno))) }
}
