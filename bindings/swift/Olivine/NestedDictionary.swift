// A dictionary whose items are values, arrays or dictionaries of items.

public struct NestedDictionary<Key: Hashable, Element>: CustomStringConvertible {
  private var contents: [Key: NestedItem<Key, Element>]

  public init() { contents = [:] }
  public init(values: [Key: NestedItem<Key, Element>]) { contents = values }
  /// The items of a dictionary; none of another item.
  public init(item: NestedItem<Key, Element>) {
    switch item {
    case .dictionary(let items): contents = items
    case .none: contents = [:]
    default:
      report("[NestedDictionary] expected a dictionary; got \(item)")
      contents = [:]
    }
  }

  public subscript(key: Key) -> NestedItem<Key, Element>? {
    get { contents[key] }
    set { contents[key] = newValue }
  }
  /// The value of a key; nil if it has none, or items.
  public subscript(unwrapping key: Key) -> Element? {
    get {
      if case .value(let element)? = contents[key] { return element }
      return nil
    }
    set { contents[key] = newValue.map { .value($0) } }
  }

  public var keys: Dictionary<Key, NestedItem<Key, Element>>.Keys { contents.keys }
  public var values: Dictionary<Key, NestedItem<Key, Element>>.Values { contents.values }
  public var isEmpty: Bool { contents.isEmpty }
  public var count: Int { contents.count }

  public func asItem() -> NestedItem<Key, Element> { .dictionary(contents) }
  public func asDictionary() -> [Key: Any?] { contents.mapValues { $0.unwrap() } }
  public var description: String { asItem().description }

  public func mapValues<Result>(
    transform: (Element) throws -> Result
  ) rethrows -> NestedDictionary<Key, Result> {
    NestedDictionary<Key, Result>(item: try asItem().mapValues(transform))
  }

  /// Over this and the values at the same places of another; nil where that has none.
  public func mapValues<E2, R1, R2>(
    _ dictionary1: NestedDictionary<Key, E2>, transform: (Element, E2?) throws -> (R1, R2?)
  ) rethrows -> (NestedDictionary<Key, R1>, NestedDictionary<Key, R2>) {
    let (a, b) = try asItem().mapValues(dictionary1.asItem(), transform)
    return (NestedDictionary<Key, R1>(item: a), NestedDictionary<Key, R2>(item: b))
  }

  /// Over this and the values at the same places of another; nil where that has none.
  public func mapValues<E2, R1>(
    _ dictionary1: NestedDictionary<Key, E2>, transform: (Element, E2?) -> R1
  ) -> NestedDictionary<Key, R1> {
    let (a, _) = asItem().mapValues(dictionary1.asItem()) { x, y -> (R1, Never?) in
      (transform(x, y), nil)
    }
    return NestedDictionary<Key, R1>(item: a)
  }

  /// Over this and the values at the same places of two others; nil where they have none.
  public func mapValues<E2, E3, R1, R2, R3>(
    _ dictionary1: NestedDictionary<Key, E2>, _ dictionary2: NestedDictionary<Key, E3>,
    transform: (Element, E2?, E3?) throws -> (R1, R2?, R3?)
  ) rethrows -> (
    NestedDictionary<Key, R1>, NestedDictionary<Key, R2>, NestedDictionary<Key, R3>
  ) {
    let (a, b, c) = try asItem().mapValues(dictionary1.asItem(), dictionary2.asItem(), transform)
    return (
      NestedDictionary<Key, R1>(item: a), NestedDictionary<Key, R2>(item: b),
      NestedDictionary<Key, R3>(item: c)
    )
  }

  /// Over this and the values at the same places of two others; nil where they have none.
  public func mapValues<E2, E3, R1, R2>(
    _ dictionary1: NestedDictionary<Key, E2>, _ dictionary2: NestedDictionary<Key, E3>,
    transform: (Element, E2?, E3?) -> (R1, R2?)
  ) -> (NestedDictionary<Key, R1>, NestedDictionary<Key, R2>) {
    let (a, b, _) = asItem().mapValues(dictionary1.asItem(), dictionary2.asItem()) {
      x, y, z -> (R1, R2?, Never?) in
      let (first, second) = transform(x, y, z)
      return (first, second, nil)
    }
    return (NestedDictionary<Key, R1>(item: a), NestedDictionary<Key, R2>(item: b))
  }

  /// Over the values in the order of `flattened`.
  public func reduce<R>(_ initialValue: R, _ reducer: (R, Element) throws -> R) rethrows -> R {
    try asItem().reduce(initialValue, reducer)
  }

  /// Without the values for which `transform` gives nil.
  public func compactMapValues<Result>(
    transform: (Element) throws -> Result?
  ) rethrows -> NestedDictionary<Key, Result> {
    NestedDictionary<Key, Result>(item: try asItem().compactMapValues(transform))
  }

  /// Over the values and their paths, whose parts are joined by dots.
  public func mapValues<Result>(
    transform: (String, Element) throws -> Result
  ) rethrows -> NestedDictionary<Key, Result> {
    NestedDictionary<Key, Result>(item: try asItem().mapValues(prefix: nil, transform))
  }

  /// The values with their paths, whose parts are joined by dots; keys in their order as text.
  public func flattened(prefix: String? = nil) -> [(String, Element)] {
    asItem().flattened(prefix: prefix)
  }

  /// The tree of values with paths; parts of paths that are numbers make arrays.
  public static func unflattened(_ flat: some Collection<(String, Element)>) -> Self
  where Key == String {
    flat.isEmpty ? Self() : Self(item: NestedItem.unflattened(flat))
  }

  /// The tree of values with paths; parts of paths that are numbers make arrays.
  public static func unflattened(_ flat: [String: Element]) -> Self where Key == String {
    unflattened(flat.map { ($0.key, $0.value) })
  }

  /// The values in the order of `flattened`.
  public func flattenedValues() -> [Element] { asItem().flattenedValues() }

  /// The same tree with other values, in the order of `flattenedValues`.
  public func replacingValues(with values: some Collection<Element>) -> Self {
    let expected = flattenedValues().count
    guard values.count == expected else {
      report("[replacingValues] expected \(expected) values; got \(values.count)")
      return self
    }
    var next = values.makeIterator()
    return Self(item: asItem().replacing(&next))
  }
}

extension NestedDictionary: Equatable where Element: Equatable {}
extension NestedDictionary: Sendable where Element: Sendable, Key: Sendable {}

extension NestedDictionary: Collection {
  public typealias CollectionElement = Dictionary<Key, NestedItem<Key, Element>>.Element
  public typealias Index = Dictionary<Key, NestedItem<Key, Element>>.Index

  public var startIndex: Index { contents.startIndex }
  public var endIndex: Index { contents.endIndex }
  public subscript(position: Index) -> CollectionElement { contents[position] }
  public func index(after i: Index) -> Index { contents.index(after: i) }
}
