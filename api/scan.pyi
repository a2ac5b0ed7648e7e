"""Scans: running sums, products and extremes along an axis."""


@method
@alias("cumulative_sum")
@c(axis="int", dtype=None)
def cumsum(
    a: array,
    /,
    axis: int | None = None,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    dtype: Dtype | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Running sum along an axis.

    Args:
        a: any dtype; ``bool`` counts in ``int32``.
        axis: ``None``: of the flattened array.
        reverse: run from the end to the start.
        inclusive: whether an element counts towards its own result; without it, the first result
            is 0.
        dtype: convert ``a`` to this dtype first.

    Returns:
        the shape of ``a`` (1-d without ``axis``).

    Raises:
        IndexError: the axis is out of range.
    """


@method
@alias("cumulative_prod")
@c(axis="int", dtype=None)
def cumprod(
    a: array,
    /,
    axis: int | None = None,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    dtype: Dtype | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """Running product along an axis; arguments as for ``cumsum``.

    The gradient is right where elements are zero, too.
    """


@method
@c(axis="int")
def cummax(
    a: array,
    /,
    axis: int | None = None,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    stream: StreamOrDevice = None,
) -> array:
    """Running maximum along an axis; NaN stays.

    Without ``inclusive`` the first result is the lowest value of the dtype.
    """


@method
@c(axis="int")
def cummin(
    a: array,
    /,
    axis: int | None = None,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    stream: StreamOrDevice = None,
) -> array:
    """Running minimum along an axis; NaN stays.

    Without ``inclusive`` the first result is the highest value of the dtype.
    """


@method
@c(axis="int")
def logcumsumexp(
    a: array,
    /,
    axis: int | None = None,
    *,
    reverse: bool = False,
    inclusive: bool = True,
    stream: StreamOrDevice = None,
) -> array:
    """Running ``log(sum(exp(a)))`` along an axis, without overflow; integers give ``float32``."""


def diff(a: array, /, n: int = 1, axis: int = -1, *, stream: StreamOrDevice = None) -> array:
    """Differences of neighbours along an axis, taken ``n`` times; of bools, whether they differ.

    The axis gets shorter by ``n``, down to 0. Unsigned integers wrap around.

    Raises:
        ValueError: ``n`` is negative, or the axis is out of range.
    """
