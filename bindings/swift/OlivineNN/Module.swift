// Module, the base class of layers and models: parameters and sub-modules are its properties.
import Olivine

public typealias ModuleParameters = NestedDictionary<String, NDArray>
public typealias ModuleChildren = NestedDictionary<String, Module>
public typealias ModuleItems = NestedDictionary<String, ModuleValue>
public typealias ModuleItem = NestedItem<String, ModuleValue>

/// A layer of one input and one result.
public protocol UnaryLayer: Module {
  func callAsFunction(_ x: NDArray) -> NDArray
}

/// A layer or model. Properties that are arrays are parameters, and those that are modules are
/// children, alone or in arrays and dictionaries; names that start with an underscore are neither.
/// ``ParameterInfo`` and ``ModuleInfo`` give a property another name.
open class Module {
  /// Whether layers such as dropout behave as in training.
  public private(set) var training = true
  private var frozen = Set<String>()

  public init() {}

  /// All properties by name.
  open func items() -> ModuleItems {
    var items: [String: ModuleItem] = [:]
    forEachProperty { child in
      if let (name, item) = ModuleValue.fromMirror(child) { items[name] = item }
    }
    return ModuleItems(values: items)
  }

  /// The properties, those of base classes first.
  func forEachProperty(_ body: (Mirror.Child) -> Void) {
    var mirrors: [Mirror] = []
    var next: Mirror? = Mirror(reflecting: self)
    while let mirror = next, mirror.subjectType != Module.self {
      mirrors.append(mirror)
      next = mirror.superclassMirror
    }
    for mirror in mirrors.reversed() { mirror.children.forEach(body) }
  }

  /// What the description shows between the parentheses of this module.
  open func describeExtra(_ indent: Int) -> String { "" }

  // Reading

  /// The tree of the properties that `filter` accepts; what `isLeaf` accepts is mapped.
  open func filterMap<Result>(
    filter: (Module, String, ModuleItem) -> Bool,
    map: (ModuleItem) -> Result? = { $0 as? Result },
    isLeaf: (Module, String, ModuleItem) -> Bool = Module.isLeafDefault
  ) -> NestedDictionary<String, Result> {
    func walk(_ key: String, _ item: ModuleItem) -> NestedItem<String, Result> {
      if isLeaf(self, key, item) { return map(item).map { .value($0) } ?? .none }
      switch item {
      case .none: return .none
      case .value(.module(let module)):
        return module.filterMap(filter: filter, map: map, isLeaf: isLeaf).asItem()
      case .value: return map(item).map { .value($0) } ?? .none
      case .array(let items):
        return .array(items.enumerated().map { i, item in kept("\(key).\(i)", item) ?? .none })
      case .dictionary(let items):
        var result: [String: NestedItem<String, Result>] = [:]
        for (inner, item) in items { result[inner] = kept("\(key).\(inner)", item) }
        return .dictionary(result)
      }
    }
    func kept(_ key: String, _ item: ModuleItem) -> NestedItem<String, Result>? {
      filter(self, key, item) ? walk(key, item) : nil
    }

    var result = NestedDictionary<String, Result>()
    for (key, item) in items() {
      guard let item = kept(key, item) else { continue }
      if case .none = item { continue }
      result[key] = item
    }
    return result
  }

  /// The tree of all parameters, mapped.
  open func mapParameters<Result>(
    map: @escaping (NDArray) -> Result? = { $0 as? Result },
    isLeaf: (Module, String, ModuleItem) -> Bool = Module.isLeafDefault
  ) -> NestedDictionary<String, Result> {
    filterMap(
      filter: Self.filterValidParameters, map: Self.mapParameters(map: map), isLeaf: isLeaf)
  }

  /// The tree of all parameters.
  open func parameters() -> ModuleParameters {
    filterMap(filter: Self.filterValidParameters, map: Self.mapParameters())
  }

  /// The tree of the parameters that are not frozen.
  open func trainableParameters() -> ModuleParameters {
    filterMap(filter: Self.filterTrainableParameters, map: Self.mapParameters())
  }

  /// The tree of direct sub-modules.
  open func children() -> ModuleChildren {
    filterMap(filter: Self.filterValidChild, map: Self.mapModule(), isLeaf: Self.isLeafModule)
  }

  /// The tree of those sub-modules that have no sub-module themselves.
  open func leafModules() -> ModuleChildren {
    filterMap(
      filter: Self.filterValidChild, map: Self.mapModule(), isLeaf: Self.isLeafModuleNoChildren)
  }

  /// Calls `visitor` with the dotted name (that of this module is empty) of each module.
  open func visit(modules visitor: (String, Module) throws -> Void) rethrows {
    for (name, module) in namedModules() { try visitor(name, module) }
  }

  /// This module and every one below it.
  open func modules() -> [Module] { namedModules().map { $0.1 } }

  /// This module (named "") and every one below it, each before those below it.
  open func namedModules() -> [(String, Module)] {
    [("", self)]
      + children().flattened().flatMap { name, child in
        child.namedModules().map { ($0.0.isEmpty ? name : "\(name).\($0.0)", $0.1) }
      }
  }

  // Frozen parameters and training mode

  /// Leaves parameters out of training: all, or those named by `keys`.
  public func freeze(recursive: Bool = true, keys: [String]? = nil) {
    attempt { try freeze(recursive: recursive, keys: keys, strict: false) }
  }

  /// Leaves parameters out of training; with `strict`, throws for a key that no module has.
  open func freeze(recursive: Bool = true, keys: [String]? = nil, strict: Bool = false) throws {
    if strict { try check(keys, recursive) }
    if recursive {
      for child in children().flattenedValues() {
        try child.freeze(recursive: true, keys: keys, strict: false)
      }
    }
    let own: ModuleParameters = filterMap(
      filter: Self.filterLocalParameters, map: Self.mapParameters())
    frozen.formUnion(keys ?? own.flattened().map { $0.0 })
    didSetNoGrad(frozen)
  }

  /// Undoes ``freeze(recursive:keys:)`` for all parameters or those named by `keys`.
  public func unfreeze(recursive: Bool = true, keys: [String]? = nil) {
    attempt { try unfreeze(recursive: recursive, keys: keys, strict: false) }
  }

  /// Undoes a freeze; with `strict`, throws for a key that no module has.
  open func unfreeze(recursive: Bool = true, keys: [String]? = nil, strict: Bool = false) throws {
    if strict { try check(keys, recursive) }
    if recursive {
      for child in children().flattenedValues() {
        try child.unfreeze(recursive: true, keys: keys, strict: false)
      }
    }
    if let keys { frozen.subtract(keys) } else { frozen.removeAll() }
    didSetNoGrad(frozen)
  }

  private func check(_ keys: [String]?, _ recursive: Bool) throws {
    let modules = recursive ? modules() : [self]
    for key in keys ?? [] where !modules.contains(where: { $0.items()[key] != nil }) {
      throw UpdateError.keyNotFound(path: [key], modules: [name(of: self)])
    }
  }

  /// The names of the frozen parameters of this module itself.
  open func noGrad() -> Set<String> { frozen }

  /// Called when frozen parameters may have changed.
  open func didSetNoGrad(_ noGrad: Set<String>) {}

  /// Sets this module and every one below it to training mode, or out of it.
  public func train(_ mode: Bool = true) {
    for module in modules() {
      module.training = mode
      module.didSetTrain(mode)
    }
  }

  /// Called when the training mode is set.
  open func didSetTrain(_ mode: Bool) {}

  // Writing: the bodies are in ModuleUpdate.swift

  /// What of a tree of new parameters or modules is checked.
  public struct VerifyUpdate: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// The module must have every name of the tree.
    public static let noUnusedKeys = VerifyUpdate(rawValue: 1 << 0)
    /// The tree must have every name of the module.
    public static let allModelKeysSet = VerifyUpdate(rawValue: 1 << 1)
    /// New arrays must have the shapes of the old ones.
    public static let shapeMismatch = VerifyUpdate(rawValue: 1 << 2)
    public static let all = VerifyUpdate(rawValue: -1)
    public static let none = VerifyUpdate([])
  }

  /// Replaces parameters by those of a tree, which need not name all of them.
  @discardableResult
  public func update(parameters: ModuleParameters) -> Self {
    attempt { try update(parameters: parameters, verify: .none) }
    return self
  }

  /// Replaces parameters by those of a tree, and throws what `verify` finds: then none is replaced.
  @discardableResult
  open func update(
    parameters: ModuleParameters, verify: VerifyUpdate, path: [String] = [],
    modulePath: [String] = []
  ) throws -> Self {
    let update = ParameterUpdate(
      module: self, verify: verify, modulePath: modulePath + [name(of: self)])
    try update(parameters, path)
    return self
  }

  /// Called for a parameter that the tree lacks; throws if `verify` wants all of them.
  open func updateMissing(
    parameter: String, verify: VerifyUpdate, path: [String], modulePath: [String]
  ) throws {
    if verify.contains(.allModelKeysSet) {
      throw UpdateError.keyNotFound(path: path, modules: modulePath)
    }
  }

  /// Replaces each parameter `p` by `map(p)`; `filter` picks other properties.
  @discardableResult
  open func apply(
    filter: (Module, String, ModuleItem) -> Bool = Module.filterValidParameters,
    map: @escaping (NDArray) -> NDArray
  ) -> Self {
    update(parameters: filterMap(filter: filter, map: Self.mapParameters(map: map)))
  }

  /// Replaces sub-modules by those of a tree, which need not name all of them.
  @discardableResult
  public func update(modules: ModuleChildren) -> Self {
    attempt { try update(modules: modules, verify: .none) }
    return self
  }

  /// Replaces sub-modules, each a property with ``ModuleInfo``, and throws what `verify` finds:
  /// then none is replaced.
  @discardableResult
  open func update(
    modules: ModuleChildren, verify: VerifyUpdate, path: [String] = [], modulePath: [String] = []
  ) throws -> Self {
    let update = ModuleUpdate(
      module: self, verify: verify, modulePath: modulePath + [name(of: self)])
    try update(modules, path)
    return self
  }

  /// Sets the property with ``ModuleInfo`` of this name.
  open func updateModule(key: String, _ value: Any) throws {
    var setter: TypeErasedSetterProvider?
    var plain = false
    forEachProperty { child in
      guard let label = child.label else { return }
      if let info = child.value as? TypeErasedSetterProvider {
        if info.name(label) == key { setter = info }
      } else if label == key {
        plain = true
      }
    }
    guard let setter else {
      throw plain ? UpdateError.needModuleInfo(key) : UpdateError.unableToSet(key)
    }
    guard setter.set(value) else { throw UpdateError.unableToCast(key) }
  }
}

extension Module: IndentedDescription {
  public func description(indent: Int) -> String {
    let head = "\(name(of: self))(\(describeExtra(indent))"
    let children = children().flattened()
    if children.isEmpty { return head + ")" }
    let space = String(repeating: " ", count: indent + 2)
    let lines = children.map { "\n\(space)(\($0.0)): \($0.1.description(indent: indent + 2))" }
    return head + lines.joined() + "\n" + String(repeating: " ", count: indent) + ")"
  }
}

extension Module: Updatable, Evaluatable {
  /// All arrays among the properties, parameters or not.
  public func innerState() -> [NDArray] {
    filterMap(filter: Self.filterAll, map: Self.mapParameters()).flattenedValues()
  }
}

func name(of module: Module) -> String { String(describing: type(of: module)) }

/// Hands what `body` throws to the handler of errors.
func attempt(_ body: () throws -> Void) {
  do { try body() } catch { report(error.localizedDescription) }
}
