// Loops and branches that are part of the graph.
//
// Their functions are called once, while a function here runs: to trace what they do. A carry is
// what one step hands to the next; it keeps its shapes and dtypes.
import COlivine

/// Steps along the first axis of `xs`: a function of the carry and a slice of each of the xs gives
/// the next carry and what is to be stacked.
///
/// - Parameters:
///   - length: the number of steps where there are no xs
///   - reverse: from the last slice to the first
///   - checkpoint: the gradient keeps every so many-th carry; 0: all; -1: about the square root of
///     the length
/// - Returns: the last carry, and the stacked results
public func scan(
  _ body: @escaping (_ carry: [NDArray], _ x: [NDArray]) -> ([NDArray], [NDArray]),
  initial: [NDArray], xs: [NDArray] = [], length: Int = 0, reverse: Bool = false,
  checkpoint: Int = 0
) -> ([NDArray], [NDArray]) {
  let count = initial.count
  let closure = Closure { inputs in
    let (carry, ys) = body(Array(inputs.prefix(count)), Array(inputs.dropFirst(count)))
    return carry + ys
  }
  return withVector(initial) { initial in
    withVector(xs) { xs in
      madeVectors { carry, ys in
        olivine_scan(
          carry, ys, closure.ctx, initial, xs, Int64(length), reverse, Int64(checkpoint))
      }
    }
  }
}

/// The carry after a step for each index of a range.
public func foriLoop(
  _ range: Range<Int>, initial: [NDArray], checkpoint: Int = 0,
  _ body: @escaping (_ index: NDArray, _ carry: [NDArray]) -> [NDArray]
) -> [NDArray] {
  let closure = Closure { body(at($0, 0), Array($0.dropFirst())) }
  return withVector(initial) { initial in
    madeVector { r in
      olivine_fori_loop(
        r, Int64(range.lowerBound), Int64(range.upperBound), closure.ctx, initial,
        Int64(checkpoint))
    }
  }
}

/// The carry after steps as long as a condition of it, one bool, is true.
///
/// - Parameter maxSteps: the most steps, which gives the loop a gradient; 0: any number
public func whileLoop(
  _ condition: @escaping ([NDArray]) -> NDArray, initial: [NDArray], maxSteps: Int = 0,
  _ body: @escaping ([NDArray]) -> [NDArray]
) -> [NDArray] {
  let test = Closure { [condition($0)] }
  let step = Closure(body)
  return withVector(initial) { initial in
    madeVector { r in olivine_while_loop(r, test.ctx, step.ctx, initial, Int64(maxSteps)) }
  }
}

/// What one of two functions makes of the operands; only that one runs.
public func cond(
  _ predicate: NDArray, _ ifTrue: @escaping ([NDArray]) -> [NDArray],
  _ ifFalse: @escaping ([NDArray]) -> [NDArray], operands: [NDArray] = []
) -> [NDArray] {
  let first = Closure(ifTrue)
  let second = Closure(ifFalse)
  return withVector(operands) { operands in
    madeVector { r in olivine_cond(r, predicate.ctx, first.ctx, second.ctx, operands) }
  }
}

/// What branch number `index`, or the nearest, makes of the operands.
public func switchBranch(
  _ index: NDArray, _ branches: [([NDArray]) -> [NDArray]], operands: [NDArray] = []
) -> [NDArray] {
  let closures = branches.map { Closure($0) }
  let handles = closures.map { $0.ctx }
  return withExtendedLifetime(closures) {
    withVector(operands) { operands in
      madeVector { r in olivine_switch(r, index.ctx, handles, handles.count, operands) }
    }
  }
}

/// What `f` makes of every slice of the xs, stacked.
///
/// - Parameter batchSize: so many slices at once; 0: one after another
public func mapSlices(
  _ f: @escaping ([NDArray]) -> [NDArray], over xs: [NDArray], batchSize: Int = 0
) -> [NDArray] {
  let closure = Closure(f)
  return withVector(xs) { xs in
    madeVector { r in olivine_map(r, closure.ctx, xs, Int64(batchSize)) }
  }
}
