// How trees of new parameters and modules replace those of a module.
import Foundation
import Olivine

/// What is wrong with a tree of new parameters or modules.
public enum UpdateError: Error {
  case unableToCollectModulesFromContainer(path: [String], modules: [String])
  case mismatchedContainers(base: String, key: String)
  case mismatchedSize(path: [String], modules: [String], expectedShape: [Int], actualShape: [Int])
  case keyNotFound(path: [String], modules: [String])
  case needModuleInfo(String)
  case unableToSet(String)
  case unableToCast(String)
  case unhandledKeys(path: [String], modules: [String], keys: [String])
  case settingArrayWithModule(path: [String], modules: [String])
  case incompatibleItems(path: [String], modules: [String], item: String, value: String)
  case unexpectedStructure(key: String, item: String)
}

extension UpdateError: LocalizedError {
  public var errorDescription: String? {
    func place(_ path: [String], _ modules: [String]) -> String {
      let top = path.isEmpty ? "the top" : path.joined(separator: ".")
      return "\(top) of \(modules.joined(separator: "."))"
    }
    switch self {
    case .unableToCollectModulesFromContainer(let path, let modules):
      return "[update] expected a container of modules at \(place(path, modules)); got other values"
    case .mismatchedContainers(let base, let key):
      return "[update] expected the module's own nesting at \(base); got another at \(key)"
    case .mismatchedSize(let path, let modules, let expected, let actual):
      return "[update] expected shape \(expected) at \(place(path, modules)); got \(actual)"
    case .keyNotFound(let path, let modules):
      return "[update] expected a value for \(place(path, modules)); got none"
    case .needModuleInfo(let key):
      return "[update] expected @ModuleInfo on a property to replace; got \(key) without"
    case .unableToSet(let key):
      return "[update] expected a property that the module has; got \(key)"
    case .unableToCast(let key):
      return "[update] expected a module of the type of \(key); got one of another"
    case .unhandledKeys(let path, let modules, let keys):
      return "[update] expected names that the module has at \(place(path, modules)); got "
        + keys.joined(separator: ", ")
    case .settingArrayWithModule(let path, let modules):
      return "[update] expected parameters for the module \(place(path, modules)); got an array"
    case .incompatibleItems(let path, let modules, let item, let value):
      return "[update] expected \(item) at \(place(path, modules)); got \(value)"
    case .unexpectedStructure(let key, let item):
      return "[update] expected a module or a container at \(key); got \(item)"
    }
  }
}

private func kind<T>(_ item: NestedItem<String, T>) -> String {
  switch item {
  case .none: return "nothing"
  case .array: return "an array of items"
  case .dictionary: return "a dictionary of items"
  case .value(let value as ModuleValue):
    switch value {
    case .none: return "nothing"
    case .parameters: return "a parameter"
    case .module(let module): return "a module \(name(of: module))"
    case .other(let value): return "a \(type(of: value))"
    }
  case .value(let value): return "a \(type(of: value))"
  }
}

/// What the parameters of a module hold at a moment.
private struct ParameterState {
  private var held: [(parameter: NDArray, value: NDArray)] = []

  init(of module: Module) {
    for item in module.items().values { add(item) }
  }

  private mutating func add(_ item: ModuleItem) {
    switch item {
    case .value(.parameters(let array)):
      if array.isSet { held.append((array, alias(of: array))) }
    case .value(.module(let child)): for item in child.items().values { add(item) }
    case .array(let items): for item in items { add(item) }
    case .dictionary(let items): for item in items.values { add(item) }
    case .none, .value(.none), .value(.other): break
    }
  }

  func restore() {
    for (parameter, value) in held { parameter._updateInternal(value) }
  }
}

/// Puts the arrays of a tree into those of a module.
struct ParameterUpdate {
  let module: Module
  let verify: Module.VerifyUpdate
  let modulePath: [String]

  func callAsFunction(_ tree: ModuleParameters, _ path: [String]) throws {
    // Modules below may have updates of their own: whoever begins takes back what others have done.
    let before = path.isEmpty ? ParameterState(of: module) : nil
    do {
      try update(tree, path)
    } catch {
      before?.restore()
      throw error
    }
  }

  private func update(_ tree: ModuleParameters, _ path: [String]) throws {
    let items = module.items()
    // In order, so that the first error is always the same.
    for (key, item) in items.sorted(by: { $0.key < $1.key })
    where Module.parameterIsValid(key) || tree[key] != nil {
      try update(key, item, tree[key] ?? .none, path + [key])
    }
    try checkUnused(Set(tree.keys).subtracting(items.keys), path)
  }

  private func checkUnused(_ keys: Set<String>, _ path: [String]) throws {
    if verify.contains(.noUnusedKeys) && !keys.isEmpty {
      throw UpdateError.unhandledKeys(path: path, modules: modulePath, keys: keys.sorted())
    }
  }

  private func update(
    _ key: String, _ item: ModuleItem, _ new: NestedItem<String, NDArray>, _ path: [String]
  ) throws {
    switch (item, new) {
    case (.value(.parameters(let array)), .value(let value)):
      if verify.contains(.shapeMismatch) && array.shape != value.shape {
        throw UpdateError.mismatchedSize(
          path: path, modules: modulePath, expectedShape: array.shape, actualShape: value.shape)
      }
      array._updateInternal(value)
    case (.value(.parameters), .none):
      try module.updateMissing(
        parameter: key, verify: verify, path: path, modulePath: modulePath)
    case (.value(.module(let child)), .dictionary(let inner)):
      let tree = ModuleParameters(values: inner)
      try child.update(parameters: tree, verify: verify, path: path, modulePath: modulePath)
    case (.value(.module(let child)), .none):
      if verify.contains(.allModelKeysSet) {
        let tree = ModuleParameters()
        try child.update(parameters: tree, verify: verify, path: path, modulePath: modulePath)
      }
    case (.value(.module), .value):
      throw UpdateError.settingArrayWithModule(path: path, modules: modulePath)
    case (.array(let items), .array(let values)):
      for (i, item) in items.enumerated() {
        try update("\(key).\(i)", item, i < values.count ? values[i] : .none, path + ["\(i)"])
      }
      let extra = values.indices.dropFirst(items.count).map { "\($0)" }
      try checkUnused(Set(extra), path)
    case (.dictionary(let items), .dictionary(let values)):
      for (inner, item) in items.sorted(by: { $0.key < $1.key }) {
        try update("\(key).\(inner)", item, values[inner] ?? .none, path + [inner])
      }
      try checkUnused(Set(values.keys).subtracting(items.keys), path)
    case (.array(let items), .none):
      try update(key, .array(items), .array([]), path)
    case (.dictionary(let items), .none):
      try update(key, .dictionary(items), .dictionary([:]), path)
    case (_, .none): break
    case (.value(.none), _), (.value(.other), _), (.none, _):
      // A bias that this module does not have, for example.
      if !new.flattenedValues().isEmpty { try checkUnused([key], Array(path.dropLast())) }
    default:
      if new.flattenedValues().isEmpty { return }
      throw UpdateError.incompatibleItems(
        path: path, modules: modulePath, item: kind(item), value: kind(new))
    }
  }
}

/// Puts the modules of a tree in place of those of a module.
struct ModuleUpdate {
  let module: Module
  let verify: Module.VerifyUpdate
  let modulePath: [String]

  func callAsFunction(_ tree: ModuleChildren, _ path: [String]) throws {
    // As for parameters: whoever begins takes back what modules below have done.
    let before = path.isEmpty ? restorers(of: module) : []
    do {
      try update(tree, path)
    } catch {
      for restore in before { restore() }
      throw error
    }
  }

  private func restorers(of module: Module) -> [() -> Void] {
    var all: [() -> Void] = []
    for each in module.modules() {
      each.forEachProperty { child in
        if let info = child.value as? TypeErasedSetterProvider { all.append(info.restorer()) }
      }
    }
    return all
  }

  private func update(_ tree: ModuleChildren, _ path: [String]) throws {
    let items = module.items()
    for (key, new) in tree.sorted(by: { $0.key < $1.key }) {
      guard let item = items[key] else {
        if verify.contains(.noUnusedKeys) {
          throw UpdateError.unhandledKeys(path: path, modules: modulePath, keys: [key])
        }
        continue
      }
      if let value = try replaced(item, new, path + [key]) {
        try module.updateModule(key: key, value)
      }
    }
    if verify.contains(.allModelKeysSet) {
      for (key, child) in module.children()
      where tree[key] == nil && !child.flattenedValues().isEmpty {
        throw UpdateError.keyNotFound(path: path + [key], modules: modulePath)
      }
    }
  }

  /// The value that a property gets; nil if it stays, as it does if only inner modules change.
  private func replaced(
    _ item: ModuleItem, _ new: NestedItem<String, Module>, _ path: [String]
  ) throws -> Any? {
    switch (item, new) {
    case (_, .none): return nil
    case (.value(.module), .value(let module)): return module
    case (.value(.none), .value(let module)): return module
    case (.value(.module(let child)), .dictionary(let inner)):
      let tree = ModuleChildren(values: inner)
      try child.update(modules: tree, verify: verify, path: path, modulePath: modulePath)
      return nil
    case (.array(let items), .array(let values)):
      if values.count > items.count && verify.contains(.noUnusedKeys) {
        let extra = values.indices.dropFirst(items.count).map { "\($0)" }
        throw UpdateError.unhandledKeys(path: path, modules: modulePath, keys: extra)
      }
      var changed = false
      let result = try items.enumerated().map { i, item -> Any in
        let new = i < values.count ? values[i] : .none
        if let value = try replaced(item, new, path + ["\(i)"]) {
          changed = true
          return value
        }
        return try kept(item, path)
      }
      return changed ? result : nil
    case (.dictionary(let items), .dictionary(let values)):
      if let extra = values.keys.first(where: { items[$0] == nil }),
        verify.contains(.noUnusedKeys)
      {
        throw UpdateError.unhandledKeys(path: path, modules: modulePath, keys: [extra])
      }
      var changed = false
      var result: [String: Any] = [:]
      for (key, item) in items {
        if let value = try replaced(item, values[key] ?? .none, path + [key]) {
          changed = true
          result[key] = value
        } else {
          result[key] = try kept(item, path)
        }
      }
      return changed ? result : nil
    case (.array, _), (.dictionary, _):
      if new.flattenedValues().isEmpty { return nil }
      throw UpdateError.mismatchedContainers(
        base: path.joined(separator: "."), key: kind(new))
    default:
      if new.flattenedValues().isEmpty { return nil }
      throw UpdateError.unexpectedStructure(key: path.joined(separator: "."), item: kind(item))
    }
  }

  /// The value of an item that stays in a container of which another part is replaced.
  private func kept(_ item: ModuleItem, _ path: [String]) throws -> Any {
    switch item {
    case .value(.module(let module)): return module
    case .value(.parameters(let array)): return array
    case .value(.none): return Optional<Any>.none as Any
    case .array(let items): return try items.map { try kept($0, path) }
    case .dictionary(let items): return try items.mapValues { try kept($0, path) }
    case .none, .value(.other):
      throw UpdateError.unableToCollectModulesFromContainer(path: path, modules: modulePath)
    }
  }
}
