"""Constants, ranges and masks. Constants take no memory until something writes to them."""


@c(dtype="dtype")
def full(
    shape: int | Sequence[int],
    vals: scalar | array,
    dtype: Dtype | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``vals`` broadcast to ``shape``, by default in the dtype of ``vals``."""


@c(dtype="dtype")
def full_like(
    a: array,
    vals: scalar | array,
    dtype: Dtype | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``vals`` broadcast to the shape of ``a``, by default in its dtype."""


def zeros(
    shape: int | Sequence[int], dtype: Dtype | None = float32, *, stream: StreamOrDevice = None
) -> array:
    """Zeros."""


@c(dtype=None)
def zeros_like(a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array:
    """Zeros in the shape of ``a``, by default in its dtype."""


def ones(
    shape: int | Sequence[int], dtype: Dtype | None = float32, *, stream: StreamOrDevice = None
) -> array:
    """Ones."""


@c(dtype=None)
def ones_like(a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array:
    """Ones in the shape of ``a``, by default in its dtype."""


def empty(
    shape: int | Sequence[int], dtype: Dtype | None = float32, *, stream: StreamOrDevice = None
) -> array:
    """An array whose values mean nothing yet."""


def empty_like(a: array, /, dtype: Dtype | None = None, *, stream: StreamOrDevice = None) -> array:
    """An array in the shape of ``a`` whose values mean nothing yet."""


@overload
@manual
@c(stop="double", step="double", dtype="dtype")
def arange(
    start: int | float,
    stop: None | int | float,
    step: None | int | float = None,
    dtype: Dtype | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``start``, ``start + step``, … up to but without ``stop``.

    Element ``i`` is ``start + i * step``, computed in double precision (or 64-bit integers) and then
    cast.

    Args:
        start: 0 by default.
        step: 1 by default.
        dtype: by default int32 for integers (int64 where a bound needs it), else float32.

    Raises:
        ValueError: the step is 0, a bound is not finite, or the dtype is bool.
    """


@overload
@manual
def arange(
    stop: int | float,
    step: None | int | float = None,
    dtype: Dtype | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array: ...


@c(num="int", endpoint=None)
def linspace(
    start: scalar,
    stop: scalar,
    num: int | None = 50,
    endpoint: bool = True,
    dtype: Dtype | None = float32,
    stream: StreamOrDevice = None,
) -> array:
    """``num`` evenly spaced values from ``start`` to ``stop``, which is the last if ``endpoint``."""


@c(m="int")
def eye(
    n: int,
    m: int | None = None,
    k: int = 0,
    dtype: Dtype | None = float32,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``n`` by ``m`` (``n`` by default) zeros with ones on the ``k``-th diagonal."""


def identity(n: int, dtype: Dtype | None = float32, *, stream: StreamOrDevice = None) -> array:
    """The ``n`` by ``n`` identity matrix."""


@c(m="int", dtype="dtype")
def tri(
    n: int,
    m: int | None = None,
    k: int = 0,
    dtype: Dtype | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``n`` by ``m`` ones at and below the ``k``-th diagonal, zeros above; float32 by default."""


def tril(x: array, k: int = 0, *, stream: StreamOrDevice = None) -> array:
    """The last two axes with zeros above the ``k``-th diagonal."""


def triu(x: array, k: int = 0, *, stream: StreamOrDevice = None) -> array:
    """The last two axes with zeros below the ``k``-th diagonal."""


def bartlett(M: int, *, stream: StreamOrDevice = None) -> array:
    """The Bartlett (triangular) window of ``M`` points."""


def blackman(M: int, *, stream: StreamOrDevice = None) -> array:
    """The Blackman window ``0.42 - 0.5 cos(2 pi i / (M - 1)) + 0.08 cos(4 pi i / (M - 1))``."""


def hamming(M: int, *, stream: StreamOrDevice = None) -> array:
    """The Hamming window ``0.54 - 0.46 cos(2 pi i / (M - 1))``."""


def hanning(M: int, *, stream: StreamOrDevice = None) -> array:
    """The Hann window ``0.5 - 0.5 cos(2 pi i / (M - 1))``."""
