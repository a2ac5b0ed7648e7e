// Operators of Swift's own that arrays do not have, with what to write instead.

extension NDArray {
  @available(*, unavailable, message: "Use .! for each element.")
  public static prefix func ! (lhs: NDArray) -> NDArray { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .== for each element.")
  public static func == (lhs: NDArray, rhs: NDArray) -> NDArray { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .== for each element.")
  public static func == <T: ScalarOrArray>(lhs: NDArray, rhs: T) -> NDArray {
    fatalError("unavailable")
  }
  @available(*, unavailable, message: "Use .<= for each element.")
  public static func <= (lhs: NDArray, rhs: NDArray) -> NDArray { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .<= for each element.")
  public static func <= <T: ScalarOrArray>(lhs: NDArray, rhs: T) -> NDArray {
    fatalError("unavailable")
  }
  @available(*, unavailable, message: "Use .>= for each element.")
  public static func >= (lhs: NDArray, rhs: NDArray) -> NDArray { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .>= for each element.")
  public static func >= <T: ScalarOrArray>(lhs: NDArray, rhs: T) -> NDArray {
    fatalError("unavailable")
  }
  @available(*, unavailable, message: "Use .!= for each element.")
  public static func != (lhs: NDArray, rhs: NDArray) -> NDArray { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .!= for each element.")
  public static func != <T: ScalarOrArray>(lhs: NDArray, rhs: T) -> NDArray {
    fatalError("unavailable")
  }
  @available(*, unavailable, message: "Use .< for each element.")
  public static func < (lhs: NDArray, rhs: NDArray) -> NDArray { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .< for each element.")
  public static func < <T: ScalarOrArray>(lhs: NDArray, rhs: T) -> NDArray {
    fatalError("unavailable")
  }
  @available(*, unavailable, message: "Use .> for each element.")
  public static func > (lhs: NDArray, rhs: NDArray) -> NDArray { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .> for each element.")
  public static func > <T: ScalarOrArray>(lhs: NDArray, rhs: T) -> NDArray {
    fatalError("unavailable")
  }
  @available(*, unavailable, message: "Use .&& for each element.")
  public static func && (lhs: NDArray, rhs: NDArray) -> NDArray { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .|| for each element.")
  public static func || (lhs: NDArray, rhs: NDArray) -> NDArray { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .! for each element.")
  public static prefix func ! (lhs: NDArray) -> Bool { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .== for each element.")
  public static func == (lhs: NDArray, rhs: NDArray) -> Bool { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .== for each element.")
  public static func == <T: ScalarOrArray>(lhs: NDArray, rhs: T) -> Bool {
    fatalError("unavailable")
  }
  @available(*, unavailable, message: "Use .<= for each element.")
  public static func <= (lhs: NDArray, rhs: NDArray) -> Bool { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .<= for each element.")
  public static func <= <T: ScalarOrArray>(lhs: NDArray, rhs: T) -> Bool {
    fatalError("unavailable")
  }
  @available(*, unavailable, message: "Use .>= for each element.")
  public static func >= (lhs: NDArray, rhs: NDArray) -> Bool { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .>= for each element.")
  public static func >= <T: ScalarOrArray>(lhs: NDArray, rhs: T) -> Bool {
    fatalError("unavailable")
  }
  @available(*, unavailable, message: "Use .!= for each element.")
  public static func != (lhs: NDArray, rhs: NDArray) -> Bool { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .!= for each element.")
  public static func != <T: ScalarOrArray>(lhs: NDArray, rhs: T) -> Bool {
    fatalError("unavailable")
  }
  @available(*, unavailable, message: "Use .< for each element.")
  public static func < (lhs: NDArray, rhs: NDArray) -> Bool { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .< for each element.")
  public static func < <T: ScalarOrArray>(lhs: NDArray, rhs: T) -> Bool {
    fatalError("unavailable")
  }
  @available(*, unavailable, message: "Use .> for each element.")
  public static func > (lhs: NDArray, rhs: NDArray) -> Bool { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .> for each element.")
  public static func > <T: ScalarOrArray>(lhs: NDArray, rhs: T) -> Bool {
    fatalError("unavailable")
  }
  @available(*, unavailable, message: "Use .&& for each element.")
  public static func && (lhs: NDArray, rhs: NDArray) -> Bool { fatalError("unavailable") }
  @available(*, unavailable, message: "Use .|| for each element.")
  public static func || (lhs: NDArray, rhs: NDArray) -> Bool { fatalError("unavailable") }
}
