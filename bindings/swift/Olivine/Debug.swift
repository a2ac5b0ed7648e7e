// Finding what made the first NaN or infinity.
import COlivine

/// Looks for NaN (`nan`) and infinities (`inf`) in what every op computes from now on.
///
/// An evaluation then fails at the first one that an op makes of operands without one; the error
/// names the op and the index of the element. With both false nothing is looked at.
public func setDebugNonfinite(nan: Bool = true, inf: Bool = true) {
  checked(olivine_set_debug_nonfinite(nan, inf))
}

/// Looks for NaN and infinities in what is evaluated inside `body`, and for nothing after it.
public func debugNonfinite<R>(
  nan: Bool = true, inf: Bool = true, _ body: () throws -> R
) rethrows -> R {
  setDebugNonfinite(nan: nan, inf: inf)
  defer { setDebugNonfinite(nan: false, inf: false) }
  return try body()
}
