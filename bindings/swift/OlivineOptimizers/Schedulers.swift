// Learning-rate schedules: functions from the step to the rate, to set an optimizer's learningRate
// by.
import Foundation
import Olivine
import OlivineNN

/// `initial * decayRate ** step`.
public func exponentialDecay(_ initial: Float, decayRate: Float) -> (Int) -> Float {
  { step in Float(exact(initial) * Foundation.pow(exact(decayRate), Double(step))) }
}

/// `initial`, multiplied by `decayRate` after every `stepSize` steps.
public func stepDecay(_ initial: Float, decayRate: Float, stepSize: Int) -> (Int) -> Float {
  if stepSize < 1 { report("[stepDecay] expected stepSize of at least 1; got \(stepSize)") }
  return { step in
    Float(exact(initial) * Foundation.pow(exact(decayRate), Double(step / max(stepSize, 1))))
  }
}

/// From `initial` down to `end` along half a cosine wave, then constant.
public func cosineDecay(_ initial: Float, decaySteps: Int, end: Float = 0.0) -> (Int) -> Float {
  if decaySteps < 1 { report("[cosineDecay] expected decaySteps of at least 1; got \(decaySteps)") }
  return { step in
    let position = Double(min(step, decaySteps)) / Double(max(decaySteps, 1))
    let decay = 0.5 * (1 + Foundation.cos(Double.pi * position))
    return Float(exact(end) + decay * (exact(initial) - exact(end)))
  }
}

/// From `initial` to `end` along a straight line of `steps` steps, then constant.
public func linearSchedule(_ initial: Float, end: Float, steps: Int) -> (Int) -> Float {
  if steps < 1 { report("[linearSchedule] expected steps of at least 1; got \(steps)") }
  let slope = (exact(end) - exact(initial)) / Double(max(steps, 1))
  return { step in Float(slope * Double(min(step, steps)) + exact(initial)) }
}

/// One schedule after the other; each but the first starts, from its step 0, at a boundary.
public func joinSchedules(
  _ schedules: [(Int) -> Float], boundaries: [Int]
) -> (Int) -> Float {
  if schedules.isEmpty || boundaries.count != schedules.count - 1 {
    report(
      "[joinSchedules] expected a schedule and one boundary less than schedules; "
        + "got \(schedules.count) and \(boundaries.count)")
  }
  return { step in
    var rate = schedules.first?(step) ?? 0
    for (later, boundary) in zip(schedules.dropFirst(), boundaries) where step >= boundary {
      rate = later(step - boundary)
    }
    return rate
  }
}
