// The name under which the special functions stand, as MLXLinalg for linear algebra.

/// Special functions: the gamma family, Bessel functions, error functions and their like.
public enum Special {
}
