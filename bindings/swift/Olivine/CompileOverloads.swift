// Compiled functions of one to eight arguments and one to four results.

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray) -> (NDArray, NDArray)
) -> @Sendable (NDArray) -> (NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0))
    return [r.0, r.1]
  }
  return { x0 in
    let r = function([x0])
    return (at(r, 0), at(r, 1))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray) -> (NDArray, NDArray, NDArray)
) -> @Sendable (NDArray) -> (NDArray, NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0))
    return [r.0, r.1, r.2]
  }
  return { x0 in
    let r = function([x0])
    return (at(r, 0), at(r, 1), at(r, 2))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray) -> (NDArray, NDArray, NDArray, NDArray)
) -> @Sendable (NDArray) -> (NDArray, NDArray, NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0))
    return [r.0, r.1, r.2, r.3]
  }
  return { x0 in
    let r = function([x0])
    return (at(r, 0), at(r, 1), at(r, 2), at(r, 3))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray) -> (NDArray, NDArray)
) -> @Sendable (NDArray, NDArray) -> (NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1))
    return [r.0, r.1]
  }
  return { x0, x1 in
    let r = function([x0, x1])
    return (at(r, 0), at(r, 1))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray) -> (NDArray, NDArray, NDArray)
) -> @Sendable (NDArray, NDArray) -> (NDArray, NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1))
    return [r.0, r.1, r.2]
  }
  return { x0, x1 in
    let r = function([x0, x1])
    return (at(r, 0), at(r, 1), at(r, 2))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray) -> (NDArray, NDArray, NDArray, NDArray)
) -> @Sendable (NDArray, NDArray) -> (NDArray, NDArray, NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1))
    return [r.0, r.1, r.2, r.3]
  }
  return { x0, x1 in
    let r = function([x0, x1])
    return (at(r, 0), at(r, 1), at(r, 2), at(r, 3))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray) -> (NDArray, NDArray)
) -> @Sendable (NDArray, NDArray, NDArray) -> (NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2))
    return [r.0, r.1]
  }
  return { x0, x1, x2 in
    let r = function([x0, x1, x2])
    return (at(r, 0), at(r, 1))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray)
) -> @Sendable (NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2))
    return [r.0, r.1, r.2]
  }
  return { x0, x1, x2 in
    let r = function([x0, x1, x2])
    return (at(r, 0), at(r, 1), at(r, 2))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray, NDArray)
) -> @Sendable (NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2))
    return [r.0, r.1, r.2, r.3]
  }
  return { x0, x1, x2 in
    let r = function([x0, x1, x2])
    return (at(r, 0), at(r, 1), at(r, 2), at(r, 3))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray, NDArray) -> NDArray
) -> @Sendable (NDArray, NDArray, NDArray, NDArray) -> NDArray {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    [f(at(a, 0), at(a, 1), at(a, 2), at(a, 3))]
  }
  return { at(function([$0, $1, $2, $3]), 0) }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray)
) -> @Sendable (NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3))
    return [r.0, r.1]
  }
  return { x0, x1, x2, x3 in
    let r = function([x0, x1, x2, x3])
    return (at(r, 0), at(r, 1))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray)
) -> @Sendable (NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3))
    return [r.0, r.1, r.2]
  }
  return { x0, x1, x2, x3 in
    let r = function([x0, x1, x2, x3])
    return (at(r, 0), at(r, 1), at(r, 2))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray, NDArray)
) -> @Sendable (NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3))
    return [r.0, r.1, r.2, r.3]
  }
  return { x0, x1, x2, x3 in
    let r = function([x0, x1, x2, x3])
    return (at(r, 0), at(r, 1), at(r, 2), at(r, 3))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray, NDArray, NDArray) -> NDArray
) -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray) -> NDArray {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    [f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4))]
  }
  return { at(function([$0, $1, $2, $3, $4]), 0) }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray)
) -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4))
    return [r.0, r.1]
  }
  return { x0, x1, x2, x3, x4 in
    let r = function([x0, x1, x2, x3, x4])
    return (at(r, 0), at(r, 1))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray)
) -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4))
    return [r.0, r.1, r.2]
  }
  return { x0, x1, x2, x3, x4 in
    let r = function([x0, x1, x2, x3, x4])
    return (at(r, 0), at(r, 1), at(r, 2))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f:
    @escaping (NDArray, NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray, NDArray)
) -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray, NDArray)
{
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4))
    return [r.0, r.1, r.2, r.3]
  }
  return { x0, x1, x2, x3, x4 in
    let r = function([x0, x1, x2, x3, x4])
    return (at(r, 0), at(r, 1), at(r, 2), at(r, 3))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> NDArray
) -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> NDArray {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    [f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4), at(a, 5))]
  }
  return { at(function([$0, $1, $2, $3, $4, $5]), 0) }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray)
) -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray) {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4), at(a, 5))
    return [r.0, r.1]
  }
  return { x0, x1, x2, x3, x4, x5 in
    let r = function([x0, x1, x2, x3, x4, x5])
    return (at(r, 0), at(r, 1))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f:
    @escaping (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray)
) -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray, NDArray)
{
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4), at(a, 5))
    return [r.0, r.1, r.2]
  }
  return { x0, x1, x2, x3, x4, x5 in
    let r = function([x0, x1, x2, x3, x4, x5])
    return (at(r, 0), at(r, 1), at(r, 2))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f:
    @escaping (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (
      NDArray, NDArray, NDArray, NDArray
    )
)
  -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (
    NDArray, NDArray, NDArray, NDArray
  )
{
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4), at(a, 5))
    return [r.0, r.1, r.2, r.3]
  }
  return { x0, x1, x2, x3, x4, x5 in
    let r = function([x0, x1, x2, x3, x4, x5])
    return (at(r, 0), at(r, 1), at(r, 2), at(r, 3))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> NDArray
) -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> NDArray {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    [f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4), at(a, 5), at(a, 6))]
  }
  return { at(function([$0, $1, $2, $3, $4, $5, $6]), 0) }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f:
    @escaping (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray)
) -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (NDArray, NDArray)
{
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4), at(a, 5), at(a, 6))
    return [r.0, r.1]
  }
  return { x0, x1, x2, x3, x4, x5, x6 in
    let r = function([x0, x1, x2, x3, x4, x5, x6])
    return (at(r, 0), at(r, 1))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f:
    @escaping (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (
      NDArray, NDArray, NDArray
    )
)
  -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (
    NDArray, NDArray, NDArray
  )
{
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4), at(a, 5), at(a, 6))
    return [r.0, r.1, r.2]
  }
  return { x0, x1, x2, x3, x4, x5, x6 in
    let r = function([x0, x1, x2, x3, x4, x5, x6])
    return (at(r, 0), at(r, 1), at(r, 2))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f:
    @escaping (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (
      NDArray, NDArray, NDArray, NDArray
    )
)
  -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (
    NDArray, NDArray, NDArray, NDArray
  )
{
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4), at(a, 5), at(a, 6))
    return [r.0, r.1, r.2, r.3]
  }
  return { x0, x1, x2, x3, x4, x5, x6 in
    let r = function([x0, x1, x2, x3, x4, x5, x6])
    return (at(r, 0), at(r, 1), at(r, 2), at(r, 3))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f: @escaping (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> NDArray
) -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> NDArray {
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    [f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4), at(a, 5), at(a, 6), at(a, 7))]
  }
  return { at(function([$0, $1, $2, $3, $4, $5, $6, $7]), 0) }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f:
    @escaping (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (
      NDArray, NDArray
    )
)
  -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (
    NDArray, NDArray
  )
{
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4), at(a, 5), at(a, 6), at(a, 7))
    return [r.0, r.1]
  }
  return { x0, x1, x2, x3, x4, x5, x6, x7 in
    let r = function([x0, x1, x2, x3, x4, x5, x6, x7])
    return (at(r, 0), at(r, 1))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f:
    @escaping (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (
      NDArray, NDArray, NDArray
    )
)
  -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (
    NDArray, NDArray, NDArray
  )
{
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4), at(a, 5), at(a, 6), at(a, 7))
    return [r.0, r.1, r.2]
  }
  return { x0, x1, x2, x3, x4, x5, x6, x7 in
    let r = function([x0, x1, x2, x3, x4, x5, x6, x7])
    return (at(r, 0), at(r, 1), at(r, 2))
  }
}

/// `f`, compiled.
public func compile(
  inputs: [any Updatable] = [], outputs: [any Updatable] = [], shapeless: Bool = false,
  _ f:
    @escaping (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (
      NDArray, NDArray, NDArray, NDArray
    )
)
  -> @Sendable (NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray, NDArray) -> (
    NDArray, NDArray, NDArray, NDArray
  )
{
  let function = CompiledFunction(inputs: inputs, outputs: outputs, shapeless: shapeless) { a in
    let r = f(at(a, 0), at(a, 1), at(a, 2), at(a, 3), at(a, 4), at(a, 5), at(a, 6), at(a, 7))
    return [r.0, r.1, r.2, r.3]
  }
  return { x0, x1, x2, x3, x4, x5, x6, x7 in
    let r = function([x0, x1, x2, x3, x4, x5, x6, x7])
    return (at(r, 0), at(r, 1), at(r, 2), at(r, 3))
  }
}
