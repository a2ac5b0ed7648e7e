// Trees of values: what parameters of models are.

/// A description of several lines whose inner ones are indented.
public protocol IndentedDescription: CustomStringConvertible {
  func description(indent: Int) -> String
}

extension IndentedDescription {
  public var description: String { description(indent: 0) }
}

/// The description of a value, indented if it can be.
public func indentedDescription(_ value: Any, _ indent: Int) -> String {
  if let value = value as? IndentedDescription { return value.description(indent: indent) }
  if let value = value as? NDArray { return "\(value.dtype) \(value.shape)" }
  return String(describing: value)
}

/// A value, or an array or dictionary of items.
public indirect enum NestedItem<Key: Hashable, Element>: IndentedDescription {
  case none
  case value(Element)
  case array([NestedItem<Key, Element>])
  case dictionary([Key: NestedItem<Key, Element>])

  /// The values without the items around them.
  public func unwrap() -> Any? {
    switch self {
    case .none: return nil
    case .value(let element): return element
    case .array(let items): return items.map { $0.unwrap() }
    case .dictionary(let items): return items.mapValues { $0.unwrap() }
    }
  }

  public func mapValues<Result>(
    _ transform: (Element) throws -> Result
  ) rethrows -> NestedItem<Key, Result> {
    switch self {
    case .none: return .none
    case .value(let element): return .value(try transform(element))
    case .array(let items): return .array(try items.map { try $0.mapValues(transform) })
    case .dictionary(let items):
      return .dictionary(try items.mapValues { try $0.mapValues(transform) })
    }
  }

  /// Over this and the values at the same places of another; nil where that has none.
  public func mapValues<E2, R1, R2>(
    _ item: NestedItem<Key, E2>, _ transform: (Element, E2?) throws -> (R1, R2?)
  ) rethrows -> (NestedItem<Key, R1>, NestedItem<Key, R2>) {
    let (a, b, _) = try mapValues(item, NestedItem<Key, Never>.none) {
      x, y, _ -> (R1, R2?, Never?) in
      let (first, second) = try transform(x, y)
      return (first, second, nil)
    }
    return (a, b)
  }

  /// Over this and the values at the same places of two others; nil where they have none.
  public func mapValues<E2, E3, R1, R2, R3>(
    _ item1: NestedItem<Key, E2>, _ item2: NestedItem<Key, E3>,
    _ transform: (Element, E2?, E3?) throws -> (R1, R2?, R3?)
  ) rethrows -> (NestedItem<Key, R1>, NestedItem<Key, R2>, NestedItem<Key, R3>) {
    switch self {
    case .none: return (.none, .none, .none)
    case .value(let element):
      let (a, b, c) = try transform(element, item1.element, item2.element)
      return (.value(a), b.map { .value($0) } ?? .none, c.map { .value($0) } ?? .none)
    case .array(let items):
      let parts = try items.enumerated().map { i, item in
        try item.mapValues(item1.part(i), item2.part(i), transform)
      }
      return (.array(parts.map { $0.0 }), .array(parts.map { $0.1 }), .array(parts.map { $0.2 }))
    case .dictionary(let items):
      var first: [Key: NestedItem<Key, R1>] = [:]
      var second: [Key: NestedItem<Key, R2>] = [:]
      var third: [Key: NestedItem<Key, R3>] = [:]
      for (key, item) in items {
        let (a, b, c) = try item.mapValues(item1.part(key), item2.part(key), transform)
        first[key] = a
        second[key] = b
        third[key] = c
      }
      return (.dictionary(first), .dictionary(second), .dictionary(third))
    }
  }

  private var element: Element? {
    if case .value(let element) = self { return element }
    return nil
  }
  private func part(_ i: Int) -> NestedItem {
    if case .array(let items) = self, i < items.count { return items[i] }
    return .none
  }
  private func part(_ key: Key) -> NestedItem {
    if case .dictionary(let items) = self { return items[key] ?? .none }
    return .none
  }

  /// Without the values for which `transform` gives nil.
  public func compactMapValues<Result>(
    _ transform: (Element) throws -> Result?
  ) rethrows -> NestedItem<Key, Result> {
    switch self {
    case .none: return .none
    case .value(let element): return try transform(element).map { .value($0) } ?? .none
    case .array(let items): return .array(try items.map { try $0.compactMapValues(transform) })
    case .dictionary(let items):
      let mapped = try items.mapValues { try $0.compactMapValues(transform) }
      return .dictionary(mapped.filter { !$0.value.isNone })
    }
  }

  var isNone: Bool {
    if case .none = self { return true }
    return false
  }

  /// Over the values and their paths, whose parts are joined by dots.
  public func mapValues<Result>(
    prefix: String? = nil, _ transform: (String, Element) throws -> Result
  ) rethrows -> NestedItem<Key, Result> {
    switch self {
    case .none: return .none
    case .value(let element): return .value(try transform(prefix ?? "", element))
    case .array(let items):
      return .array(
        try items.enumerated().map { i, item in
          try item.mapValues(prefix: joined(prefix, i), transform)
        })
    case .dictionary(let items):
      var mapped: [Key: NestedItem<Key, Result>] = [:]
      for (key, item) in items {
        mapped[key] = try item.mapValues(prefix: joined(prefix, key), transform)
      }
      return .dictionary(mapped)
    }
  }

  /// Over the values in the order of `flattened`.
  public func reduce<R>(_ initialValue: R, _ reducer: (R, Element) throws -> R) rethrows -> R {
    try flattenedValues().reduce(initialValue, reducer)
  }

  /// The values with their paths; keys in their order as text.
  public func flattened(prefix: String? = nil) -> [(String, Element)] {
    switch self {
    case .none: return []
    case .value(let element): return [(prefix ?? "", element)]
    case .array(let items):
      return items.enumerated().flatMap { i, item in item.flattened(prefix: joined(prefix, i)) }
    case .dictionary(let items):
      return ordered(items).flatMap { key, item in item.flattened(prefix: joined(prefix, key)) }
    }
  }

  /// The tree of values with paths; parts of paths that are numbers make arrays.
  public static func unflattened(
    _ tree: some Collection<(Key, Element)>
  ) -> NestedItem<Key, Element> where Key == String {
    if let only = tree.first, tree.count == 1, only.0.isEmpty { return .value(only.1) }
    var groups: [String: [(String, Element)]] = [:]
    for (path, element) in tree {
      let parts = path.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
      let rest = parts.count > 1 ? String(parts[1]) : ""
      groups[String(parts[0]), default: []].append((rest, element))
    }
    let places = groups.keys.compactMap { Int($0) }
    if !places.isEmpty && places.count == groups.count && places.allSatisfy({ $0 >= 0 }) {
      let count = (places.max() ?? -1) + 1
      // Places without a value stay empty; far-off numbers are names.
      if count <= 2 * places.count + 1024 {
        return .array((0..<count).map { groups[String($0)].map { unflattened($0) } ?? .none })
      }
    }
    return .dictionary(groups.mapValues { unflattened($0) })
  }

  /// The values in the order of `flattened`.
  public func flattenedValues() -> [Element] {
    switch self {
    case .none: return []
    case .value(let element): return [element]
    case .array(let items): return items.flatMap { $0.flattenedValues() }
    case .dictionary(let items): return ordered(items).flatMap { $0.1.flattenedValues() }
    }
  }

  public func description(indent: Int) -> String {
    let space = String(repeating: " ", count: indent)
    switch self {
    case .none: return "none"
    case .value(let element): return indentedDescription(element, indent)
    case .array(let items):
      let lines = items.map { "\(space)  \($0.description(indent: indent + 2))" }
      return items.isEmpty ? "[]" : "[\n\(lines.joined(separator: ",\n"))\n\(space)]"
    case .dictionary(let items):
      let lines = ordered(items).map { key, item in
        "\(space)  \(key): \(item.description(indent: indent + 2))"
      }
      return items.isEmpty ? "[:]" : "[\n\(lines.joined(separator: ",\n"))\n\(space)]"
    }
  }

  /// The same tree with other values, which are taken in the order of `flattenedValues`.
  func replacing(_ next: inout some IteratorProtocol<Element>) -> NestedItem {
    switch self {
    case .none: return .none
    case .value(let element): return .value(next.next() ?? element)
    case .array(let items):
      var replaced: [NestedItem] = []
      for item in items { replaced.append(item.replacing(&next)) }
      return .array(replaced)
    case .dictionary(let items):
      var replaced: [Key: NestedItem] = [:]
      for (key, item) in ordered(items) { replaced[key] = item.replacing(&next) }
      return .dictionary(replaced)
    }
  }
}

private func joined(_ prefix: String?, _ part: some Hashable) -> String {
  prefix.map { "\($0).\(part)" } ?? "\(part)"
}

private func ordered<Key, Value>(_ items: [Key: Value]) -> [(Key, Value)] {
  items.map { (String(describing: $0.key), $0) }.sorted { $0.0 < $1.0 }
    .map { ($0.1.key, $0.1.value) }
}

extension NestedItem: Equatable where Element: Equatable {}
extension NestedItem: Sendable where Element: Sendable, Key: Sendable {}
