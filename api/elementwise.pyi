"""Element-wise functions: arithmetic, comparisons, logic, bits, conversions and real analysis."""


@method
def abs(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Absolute value.

    Keeps the dtype; complex numbers give their real modulus.
    """


def negative(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Elements with the opposite sign; unsigned integers wrap.

    ValueError for bool: use `logical_not`.
    """


def positive(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The array itself."""


def sign(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """-1, 0 or 1 by the sign of each element, in the same dtype.

    0 for NaN. Complex numbers give ``a / abs(a)``.
    """


@method
def reciprocal(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """``1 / a``.

    Integers and bool give float32; complex numbers are allowed.
    """


@method
def square(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """``a * a``."""


@method
def sqrt(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Square root; NaN below 0.

    Integers and bool give float32; complex numbers are allowed.
    """


@method
def rsqrt(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """``1 / sqrt(a)``.

    Integers and bool give float32; complex numbers are allowed.
    """


def floor(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Largest integer not above each element; integers are unchanged.

    ValueError for complex dtypes.
    """


def ceil(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Smallest integer not below each element; integers are unchanged.

    ValueError for complex dtypes.
    """


def trunc(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Each element without its fraction; integers are unchanged.

    ValueError for complex dtypes.
    """


@method
def round(a: array, /, decimals: int = 0, stream: StreamOrDevice = None) -> array:
    """Round to ``decimals`` places, halves to even.

    Negative ``decimals`` round to tens, hundreds and so on, of integers too. Keeps the dtype.
    """


@method
def exp(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """e raised to each element.

    Integers and bool give float32; complex numbers are allowed.
    """


def expm1(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """``exp(a) - 1``, exact for small ``a``.

    Integers and bool give float32. ValueError for complex dtypes.
    """


@method
def log(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Natural logarithm; NaN below 0.

    Integers and bool give float32; complex numbers are allowed.
    """


@method
def log2(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Logarithm to base 2; NaN below 0.

    Integers and bool give float32; complex numbers are allowed.
    """


@method
def log10(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Logarithm to base 10; NaN below 0.

    Integers and bool give float32; complex numbers are allowed.
    """


@method
def log1p(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """``log(1 + a)``, exact for small ``a``.

    Integers and bool give float32; complex numbers are allowed.
    """


@method
def sin(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Sine of angles in radians.

    Integers and bool give float32; complex numbers are allowed.
    """


@method
def cos(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Cosine of angles in radians.

    Integers and bool give float32; complex numbers are allowed.
    """


def tan(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Tangent of angles in radians.

    Integers and bool give float32; complex numbers are allowed.
    """


@alias("asin")
def arcsin(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse sine in radians; NaN outside [-1, 1].

    Integers and bool give float32; complex numbers are allowed.
    """


@alias("acos")
def arccos(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse cosine in radians; NaN outside [-1, 1].

    Integers and bool give float32; complex numbers are allowed.
    """


@alias("atan")
def arctan(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse tangent in radians, in [-pi/2, pi/2].

    Integers and bool give float32; complex numbers are allowed.
    """


@alias("atan2")
def arctan2(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Angle of the point ``(b, a)`` in radians, in [-pi, pi].

    Operands broadcast; integers give float32. ValueError for complex dtypes.
    """


def sinh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Hyperbolic sine.

    Integers and bool give float32; complex numbers are allowed.
    """


def cosh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Hyperbolic cosine.

    Integers and bool give float32; complex numbers are allowed.
    """


def tanh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Hyperbolic tangent.

    Integers and bool give float32; complex numbers are allowed.
    """


@alias("asinh")
def arcsinh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse hyperbolic sine.

    Integers and bool give float32; complex numbers are allowed.
    """


@alias("acosh")
def arccosh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse hyperbolic cosine; NaN below 1.

    Integers and bool give float32; complex numbers are allowed.
    """


@alias("atanh")
def arctanh(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse hyperbolic tangent; NaN outside [-1, 1].

    Integers and bool give float32; complex numbers are allowed.
    """


def degrees(a: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Angles in radians converted to degrees.

    Integers and bool give float32; complex numbers are allowed.
    """


def radians(a: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Angles in degrees converted to radians.

    Integers and bool give float32; complex numbers are allowed.
    """


def sigmoid(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Logistic function ``1 / (1 + exp(-a))``.

    Integers and bool give float32. ValueError for complex dtypes.
    """


def erf(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Error function.

    Integers and bool give float32. ValueError for complex dtypes.
    """


def erfinv(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Inverse of `erf`; infinite at -1 and 1, NaN beyond.

    Integers and bool give float32. ValueError for complex dtypes.
    """


def real(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Real parts; a real array is returned as it is."""


def imag(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Imaginary parts; zeros for a real array."""


@method
@alias("conjugate")
@cpp("conjugate")
@c("conjugate")
def conj(a: array, *, stream: StreamOrDevice = None) -> array:
    """Complex conjugate; a real array is returned as it is."""


def isnan(a: array, stream: StreamOrDevice = None) -> array:
    """Whether each element is NaN, as bool."""


def isinf(a: array, stream: StreamOrDevice = None) -> array:
    """Whether each element is infinite, as bool; for complex numbers, either part."""


def isfinite(a: array, stream: StreamOrDevice = None) -> array:
    """Whether each element is neither infinite nor NaN, as bool."""


def isposinf(a: array, stream: StreamOrDevice = None) -> array:
    """Whether each element is +infinity, as bool."""


def isneginf(a: array, stream: StreamOrDevice = None) -> array:
    """Whether each element is -infinity, as bool."""


def add(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """``a + b``; logical or for bool.

    Operands broadcast and are promoted to one dtype.
    """


def subtract(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """``a - b``; integers wrap, bool gives exclusive or.

    Operands broadcast and are promoted to one dtype.
    """


def multiply(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """``a * b``; integers wrap.

    Operands broadcast and are promoted to one dtype.
    """


def divide(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """``a / b``.

    Operands broadcast and are promoted to one dtype; integers divide to float32.
    """


def floor_divide(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """``floor(a / b)`` in the promoted dtype.

    Operands broadcast. Integer division by 0 gives 0. ValueError for complex dtypes.
    """


def remainder(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """What is left of ``a`` after `floor_divide`, with the sign of ``b``.

    Operands broadcast. An integer ``a % 0`` is ``a``. ValueError for complex dtypes.
    """


def divmod(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> list[array]:
    """``[floor_divide(a, b), remainder(a, b)]``."""


@alias("pow")
def power(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """``a`` raised to the power ``b``.

    Operands broadcast and are promoted to one dtype. Integer powers wrap; negative exponents give 0
    unless the base is 1 or -1.
    """


def maximum(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """The larger of two elements; NaN if either is NaN.

    Operands broadcast and are promoted to one dtype.
    """


def minimum(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """The smaller of two elements; NaN if either is NaN.

    Operands broadcast and are promoted to one dtype.
    """


def logaddexp(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """``log(exp(a) + exp(b))`` without overflow.

    Operands broadcast and are promoted to one dtype; integers give float32.
    """


def hypot(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """``sqrt(a * a + b * b)`` without overflow: the length of the vector ``(a, b)``.

    Infinite if one operand is, even beside NaN. Operands broadcast and are promoted to one real
    dtype; integers give float32. Source: Python array API standard, ``hypot``.
    """


def equal(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """``a == b``.

    The result is bool; operands broadcast and are promoted to one dtype.
    """


def not_equal(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """``a != b``.

    The result is bool; operands broadcast and are promoted to one dtype.
    """


def less(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """``a < b``; complex numbers compare by real, then imaginary part.

    The result is bool; operands broadcast and are promoted to one dtype.
    """


def less_equal(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """``a <= b``; complex numbers compare by real, then imaginary part.

    The result is bool; operands broadcast and are promoted to one dtype.
    """


def greater(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """``a > b``; complex numbers compare by real, then imaginary part.

    The result is bool; operands broadcast and are promoted to one dtype.
    """


def greater_equal(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """``a >= b``; complex numbers compare by real, then imaginary part.

    The result is bool; operands broadcast and are promoted to one dtype.
    """


def isclose(
    a: array,
    b: array,
    /,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    *,
    equal_nan: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """Whether ``|a - b| <= atol + rtol * |b|``, as bool.

    Infinities are close to equal ones; NaN is close to NaN only with ``equal_nan``.
    """


def allclose(
    a: array,
    b: array,
    /,
    rtol: float = 1e-05,
    atol: float = 1e-08,
    *,
    equal_nan: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """Whether `isclose` holds for all elements: a bool array of shape ``()``."""


def array_equal(
    a: scalar | array,
    b: scalar | array,
    equal_nan: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """Whether shapes and all elements are equal: a bool array of shape ``()``.

    NaN equals NaN only with ``equal_nan``.
    """


def logical_not(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Whether each element is zero, as bool."""


def logical_and(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """Whether both elements are nonzero, as bool. Operands broadcast."""


def logical_or(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """Whether one of two elements is nonzero, as bool. Operands broadcast."""


def logical_xor(a: scalar | array, b: scalar | array, /, *, stream: StreamOrDevice = None) -> array:
    """Whether exactly one of two elements is nonzero, as bool. Operands broadcast."""


def bitwise_and(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Bits set in both operands.

    Operands broadcast and are promoted to one dtype. ValueError unless integer or bool.
    """


def bitwise_or(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Bits set in at least one operand.

    Operands broadcast and are promoted to one dtype. ValueError unless integer or bool.
    """


def bitwise_xor(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Bits set in exactly one operand.

    Operands broadcast and are promoted to one dtype. ValueError unless integer or bool.
    """


def bitwise_invert(a: scalar | array, stream: StreamOrDevice = None) -> array:
    """All bits flipped; logical not for bool.

    ValueError unless integer or bool.
    """


@alias("bitwise_left_shift")
def left_shift(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Bits moved up by ``b`` places; 0 for shifts beyond the width.

    Operands broadcast and are promoted to one dtype, bool to uint8. ValueError unless integer
    or bool.
    """


@alias("bitwise_right_shift")
def right_shift(a: scalar | array, b: scalar | array, stream: StreamOrDevice = None) -> array:
    """Bits moved down by ``b`` places, keeping the sign.

    Shifts beyond the width give 0, or -1 for negative numbers. Operands broadcast and are promoted
    to one dtype, bool to uint8. ValueError unless integer or bool.
    """


@overload
def where(
    condition: scalar | array,
    x: scalar | array,
    y: scalar | array,
    /,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Elements of ``x`` where the condition is nonzero, else of ``y``.

    All three broadcast; ``x`` and ``y`` are promoted to one dtype. The condition alone gives the
    positions where it is nonzero: ``nonzero(condition, size, fill_value)``.
    """


@overload
@manual
def where(
    condition: array,
    /,
    *,
    size: int | None = None,
    fill_value: int = 0,
    stream: StreamOrDevice = None,
) -> tuple[array, ...]: ...


def clip(
    a: array,
    /,
    a_min: scalar | array | None,
    a_max: scalar | array | None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Elements limited to ``[a_min, a_max]``; NaN stays NaN.

    Bounds broadcast; None means no bound. ValueError if both are None.
    """


def nan_to_num(
    a: scalar | array,
    nan: float = 0,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """NaN replaced by ``nan``, infinities by ``posinf`` and ``neginf``.

    Without the latter, by the largest and smallest numbers of the dtype.
    """


def astype(a: array, /, dtype: Dtype, *, stream: StreamOrDevice = None) -> array:
    """Elements converted to another dtype.

    Reals become integers by truncation; what does not fit wraps as in NumPy on x86. Complex numbers
    become real by dropping the imaginary part, numbers bool by comparing with 0.
    """
