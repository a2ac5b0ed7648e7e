"""Reductions: sums, products, extremes and moments along axes."""


@method
def sum(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Sum along axes.

    float16 and bfloat16 are summed in float32 and rounded once. Sums of floats are made as a tree,
    so their error grows with the logarithm of the number of elements, and do not depend on the
    number of threads.

    Args:
        a: any dtype.
        axis: the axes to sum along; ``None``: all of them.
        keepdims: leave the axes in the result with size 1.

    Returns:
        the dtype of ``a``, but ``int32`` for ``bool``, ``int8`` and ``int16`` and ``uint32`` for
        ``uint8`` and ``uint16``. 0 where there are no elements.

    Raises:
        IndexError: an axis is out of range.
        ValueError: an axis is named twice.
    """


@method
def prod(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Product along axes; dtypes as for ``sum``, 1 where there are no elements."""


@method
def max(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Largest element along axes.

    NaN if one of them is NaN. Complex numbers compare by real part, then by imaginary part.
    Elements that tie share the gradient equally.

    Raises:
        ValueError: an axis has no elements.
    """


@method
def min(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Smallest element along axes; otherwise as ``max``."""


def minmax(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> tuple[array, array]:
    """The smallest and the largest element along axes, as ``(min(a), max(a))``."""


@method
def all(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Whether all elements along axes are nonzero (NaN is); true where there are none."""


@method
def any(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Whether any element along axes is nonzero (NaN is); false where there are none."""


def count_nonzero(
    a: array,
    /,
    *,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """How many elements along axes are nonzero, as ``int32``."""


@method
def mean(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Arithmetic mean along axes.

    float16 and bfloat16 are averaged in float32, integers as ``float32``. NaN where there are no
    elements.
    """


@c(axis="ints")
def median(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Middle element along axes, or the mean of the two middle ones.

    NaN if an element is NaN. Integers give ``float32``.

    Raises:
        ValueError: an axis has no elements.
    """


@method
@c(correction=None)
def var(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    ddof: int = 0,
    *,
    correction: int | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Variance along axes: the mean squared distance from the mean.

    Args:
        a: any dtype; the result of complex input is real.
        axis: the axes to reduce; ``None``: all of them.
        keepdims: leave the axes in the result with size 1.
        ddof: the sum of ``n`` squares is divided by ``n - ddof``.
        correction: another name for ``ddof``, which it overrides.
    """


@method
@c(correction=None)
def std(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    ddof: int = 0,
    *,
    correction: int | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Standard deviation along axes: the square root of ``var``, with the same arguments."""


@method
def argmax(
    a: array,
    /,
    axis: None | int = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Index of the first largest element along an axis, as ``uint32``.

    The first NaN counts as largest. Without ``axis``: the index into the flattened array.

    Raises:
        ValueError: the axis has no elements.
    """


@method
def argmin(
    a: array,
    /,
    axis: None | int = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Index of the first smallest element along an axis; otherwise as ``argmax``."""


@method
def logsumexp(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    keepdims: bool = False,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``log(sum(exp(a)))`` along axes, without overflow; integers give ``float32``.

    Raises:
        ValueError: an axis has no elements.
    """


def softmax(
    a: array,
    /,
    axis: None | int | Sequence[int] = None,
    *,
    precise: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """``exp(a) / sum(exp(a))`` along axes, without overflow; integers give ``float32``.

    Args:
        a: the logits.
        axis: the axes whose elements sum to one; ``None``: all of them.
        precise: accepted for compatibility; 16-bit floats are always computed in float32.
    """
