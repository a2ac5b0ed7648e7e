// Computing arrays now.
import COlivine

/// Computes arrays now.
public func eval(_ arrays: NDArray...) { eval(arrays) }
/// Computes arrays now.
public func eval(_ arrays: some Collection<NDArray>) {
  withVector(arrays) { checked(olivine_eval($0)) }
}
/// Starts computing arrays, and does not wait.
public func asyncEval(_ arrays: some Collection<NDArray>) {
  withVector(arrays) { checked(olivine_async_eval($0)) }
}
/// Computes the arrays of values now: arrays, collections and tuples of them, Evaluatables.
public func eval(_ values: Any...) { eval(collected(values)) }
/// Computes the arrays of values now.
public func eval(_ values: some Sequence<Any>) { eval(collected(values)) }
/// Computes the arrays of values now, and throws what goes wrong.
public func checkedEval(_ values: Any...) throws { try withError { eval(collected(values)) } }
/// Computes the arrays of values now, and throws what goes wrong.
public func checkedEval(_ values: some Sequence<Any>) throws {
  try withError { eval(collected(values)) }
}
/// Starts computing the arrays of values, and does not wait.
public func asyncEval(_ values: Any...) { asyncEval(collected(values)) }
/// Starts computing the arrays of values, and does not wait.
public func asyncEval(_ values: some Sequence<Any>) { asyncEval(collected(values)) }

private func collected(_ values: some Sequence<Any>) -> [NDArray] {
  var arrays: [NDArray] = []
  for value in values { collect(value, &arrays) }
  return arrays
}

private func collect(_ value: Any, _ into: inout [NDArray]) {
  switch value {
  case let value as NDArray: into.append(value)
  case let value as Evaluatable: into.append(contentsOf: value.innerState())
  case let value as Updatable: into.append(contentsOf: value.innerState())
  case let value as NestedDictionary<String, NDArray>:
    into.append(contentsOf: value.flattenedValues())
  case let value as [String: NDArray]: into.append(contentsOf: value.values)
  default: collectParts(of: value, &into)
  }
}

// Tuples, optionals, and collections of Any.
private func collectParts(of value: Any, _ into: inout [NDArray]) {
  let mirror = Mirror(reflecting: value)
  switch mirror.displayStyle {
  case .tuple, .optional, .collection, .dictionary, .set:
    for child in mirror.children { collect(child.value, &into) }
  default:
    report("[eval] expected arrays, or collections of them; got \(type(of: value))")
  }
}
