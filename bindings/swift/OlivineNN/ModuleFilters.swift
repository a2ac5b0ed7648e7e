// Filters and maps for walks over the properties of modules.
import Olivine

extension Module {
  /// Whether a property of this name can be a parameter.
  public static func parameterIsValid(_ key: String) -> Bool { !key.hasPrefix("_") }

  /// All properties.
  public static let filterAll: @Sendable (Module, String, ModuleItem) -> Bool = { _, _, _ in true }

  /// Modules, and the arrays and dictionaries that may hold some.
  public static let filterValidChild: @Sendable (Module, String, ModuleItem) -> Bool = {
    _, key, item in
    switch item {
    case .array, .dictionary, .value(.module): return parameterIsValid(key)
    default: return false
    }
  }

  /// Parameters, and what may hold some.
  public static let filterValidParameters: @Sendable (Module, String, ModuleItem) -> Bool = {
    _, key, item in
    switch item {
    case .array, .dictionary, .value(.module), .value(.parameters): return parameterIsValid(key)
    default: return false
    }
  }

  /// Parameters of the module itself.
  public static let filterLocalParameters: @Sendable (Module, String, ModuleItem) -> Bool = {
    _, key, item in
    switch item {
    case .array, .dictionary, .value(.parameters): return parameterIsValid(key)
    default: return false
    }
  }

  /// Parameters that are not frozen, and what may hold some.
  public static let filterTrainableParameters: @Sendable (Module, String, ModuleItem) -> Bool = {
    module, key, item in
    filterValidParameters(module, key, item) && !module.noGrad().contains(key)
  }

  /// What is neither an array nor a module.
  public static let filterOther: @Sendable (Module, String, ModuleItem) -> Bool = { _, _, item in
    switch item {
    case .array, .dictionary, .value(.other): return true
    default: return false
    }
  }

  /// Maps arrays; leaves the rest out.
  public static func mapParameters<Result>(
    map: @escaping (NDArray) -> Result? = { $0 as? Result }
  ) -> (ModuleItem) -> Result? {
    { item in
      if case .value(.parameters(let array)) = item { return map(array) }
      return nil
    }
  }

  /// Maps modules; leaves the rest out.
  public static func mapModule<Result>(
    map: @escaping (Module) -> Result? = { $0 as? Result }
  ) -> (ModuleItem) -> Result? {
    { item in
      if case .value(.module(let module)) = item { return map(module) }
      return nil
    }
  }

  /// Maps what is neither an array nor a module; leaves the rest out.
  public static func mapOther<Result>(
    map: @escaping (Any) -> Result? = { $0 as? Result }
  ) -> (ModuleItem) -> Result? {
    { item in
      if case .value(.other(let value)) = item { return map(value) }
      return nil
    }
  }

  /// Values that are no modules.
  public static let isLeafDefault: @Sendable (Module, String, ModuleItem) -> Bool = { _, _, item in
    switch item {
    case .none, .value(.none), .value(.parameters), .value(.other): return true
    case .value(.module), .array, .dictionary: return false
    }
  }

  /// Modules.
  public static let isLeafModule: @Sendable (Module, String, ModuleItem) -> Bool = { _, _, item in
    if case .value(.module) = item { return true }
    return false
  }

  /// Modules without modules inside.
  public static let isLeafModuleNoChildren: @Sendable (Module, String, ModuleItem) -> Bool = {
    _, _, item in
    if case .value(.module(let module)) = item {
      return module.children().flattenedValues().isEmpty
    }
    return false
  }
}
