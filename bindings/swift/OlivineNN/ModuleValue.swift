// What a property of a module is, and the wrappers that name properties and let them be set.
import Olivine

/// The value of a property.
public enum ModuleValue {
  case none
  case parameters(NDArray)
  case module(Module)
  case other(Any)

  /// The name and the value of a property as a mirror shows it.
  public static func fromMirror(_ c: Mirror.Child) -> (String, ModuleItem)? {
    guard let label = c.label, !label.hasPrefix("$") else { return nil }
    if let info = c.value as? PropertyInfo {
      return (info.name(label), info.content.map(item) ?? .value(.none))
    }
    return (label, item(c.value))
  }

  private static func item(_ value: Any) -> ModuleItem {
    if let array = value as? NDArray { return .value(.parameters(array)) }
    if let module = value as? Module { return .value(.module(module)) }
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .optional:
      return mirror.children.first.map { item($0.value) } ?? .value(.none)
    case .collection where value is [Any]:
      return container(mirror.children.lazy.map { $0.value }).map { .array($0) }
        ?? .value(.other(value))
    case .tuple:
      return container(mirror.children.lazy.map { $0.value }).map { .array($0) }
        ?? .value(.other(value))
    case .dictionary:
      guard let entries = value as? [String: Any],
        let items = container(entries.values)
      else { return .value(.other(value)) }
      return .dictionary(Dictionary(uniqueKeysWithValues: zip(entries.keys, items)))
    default: return .value(.other(value))
    }
  }

  /// The items of a container; nil if one of them is neither an array nor a module.
  private static func container(_ values: some Sequence<Any>) -> [ModuleItem]? {
    var items: [ModuleItem] = []
    for value in values {
      let item = item(value)
      if case .value(.other) = item { return nil }
      items.append(item)
    }
    return items
  }
}

/// A wrapper of a property.
protocol PropertyInfo {
  var key: String? { get }
  /// The value, if it is set.
  var content: Any? { get }
}

extension PropertyInfo {
  /// The name of a property whose storage has this label.
  func name(_ label: String) -> String {
    key ?? (label.hasPrefix("_") ? String(label.dropFirst()) : label)
  }
}

/// A property that can be set to a value of any type.
protocol TypeErasedSetterProvider: PropertyInfo {
  /// False if the property cannot have this value.
  func set(_ value: Any) -> Bool
  /// What sets it back to what it holds now.
  func restorer() -> () -> Void
}

/// A parameter, or a container of some, with a name of its own: `@ParameterInfo(key: "w1") var w`.
@propertyWrapper public class ParameterInfo<T>: PropertyInfo {
  private var value: T?
  let key: String?
  var content: Any? { value }

  public var wrappedValue: T {
    get { unwrapped(value, key) }
    set { value = newValue }
  }

  public init(wrappedValue defaultValue: T, key: String? = nil) {
    value = defaultValue
    self.key = key
  }
  public init(key: String? = nil) { self.key = key }
}

/// A sub-module, or a container of some, that can be replaced and have a name of its own:
/// `@ModuleInfo(key: "layers") var blocks: [Block]`.
@propertyWrapper public class ModuleInfo<T>: TypeErasedSetterProvider {
  private var value: T?
  let key: String?
  var content: Any? { value }

  func restorer() -> () -> Void {
    let held = value
    return { self.value = held }
  }

  public var wrappedValue: T {
    get { unwrapped(value, key) }
    set { value = newValue }
  }

  public init(wrappedValue defaultValue: T, key: String? = nil) {
    value = defaultValue
    self.key = key
  }
  public init(key: String? = nil) { self.key = key }

  func set(_ value: Any) -> Bool {
    if let typed = value as? T {
      self.value = typed
      return true
    }
    // Containers arrive as arrays, tuples among them.
    guard let parts = value as? [Any] else { return false }
    let tuple: Any
    switch parts.count {
    case 2: tuple = (parts[0], parts[1])
    case 3: tuple = (parts[0], parts[1], parts[2])
    case 4: tuple = (parts[0], parts[1], parts[2], parts[3])
    default: return false
    }
    guard let typed = tuple as? T else { return false }
    self.value = typed
    return true
  }
}

private func unwrapped<T>(_ value: T?, _ key: String?) -> T {
  if let value { return value }
  // An optional property that was never set is nil.
  if let none = Optional<Any>.none as? T { return none }
  fatalError("[Module] expected \(key ?? "the property"), a \(T.self), to be set before its use")
}
