"""Selecting by conditions and counts: where something is true, and how often an element stands.

How many there are depends on values. Without ``size`` they are computed first, and the result has
exactly its elements. In ``compile``, ``vmap`` and exported functions, where values are not known, give
``size``: the result then has that size whatever the values, hits beyond it are dropped, and
``fill_value`` stands in the place of missing ones. Hits are in row-major order. The gradient of an
element goes to where it was read.
"""


def nonzero(
    a: array,
    /,
    size: int | None = None,
    fill_value: int = 0,
    *,
    stream: StreamOrDevice = None,
) -> tuple[array, ...]:
    """Where the elements are not zero: one 1-d array of positions per axis.

    ``a[nonzero(a)]`` are the elements. Positions are ``int32`` (``int64`` where an axis has 2^31
    elements or more): signed, so that differences of positions are what they seem.

    Args:
        size: how many positions to return; None: all.
        fill_value: the position in the place of missing ones.

    Raises:
        ValueError: ``a`` is a scalar, ``size`` is negative, or there is none where ``compile``,
            ``vmap`` or ``export_function`` traces ``a``.
    """


def flatnonzero(
    a: array,
    /,
    size: int | None = None,
    fill_value: int = 0,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Where the elements of the flattened array are not zero; arguments as for ``nonzero``."""


def argwhere(
    a: array,
    /,
    size: int | None = None,
    fill_value: int = 0,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Where the elements are not zero, a row of positions for each; arguments as for ``nonzero``.

    Returns:
        shape ``(hits, a.ndim)``, or ``(size, a.ndim)``.
    """


def extract(
    condition: array,
    a: array,
    /,
    size: int | None = None,
    fill_value: scalar | array | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The parts of ``a`` where ``condition`` is not zero: ``a[condition]`` with a size.

    Args:
        condition: of the shape of ``a``, or of its leading axes.
        size: how many parts to return; None: all.
        fill_value: an element in the place of missing parts; None: 0.

    Returns:
        shape ``(hits,) + a.shape[condition.ndim:]``, ``size`` in the place of hits if given.

    Raises:
        ValueError: the condition has another shape, ``size`` is negative, or there is none where
            ``compile``, ``vmap`` or ``export_function`` traces ``condition``.
    """


def compress(
    condition: array,
    a: array,
    /,
    axis: int | None = None,
    size: int | None = None,
    fill_value: scalar | array | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The slices across ``axis`` whose condition is not zero; of the flattened array without one.

    Args:
        condition: 1-d; where it is shorter than the axis, the slices beyond it are left out.
        size: how many slices to return; None: all.
        fill_value: an element in the place of missing slices; None: 0.

    Raises:
        ValueError: the condition is longer than the axis, ``size`` is negative, or there is none where
            ``compile``, ``vmap`` or ``export_function`` traces ``condition``.
    """


@c("repeat_array")
def repeat(
    array: array,
    repeats: int | array,
    axis: int | None = None,
    total_repeat_length: int | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Repeats every element ``repeats`` times along an axis, or of the flattened array.

    Args:
        repeats: a number, or one for each element along the axis.
        total_repeat_length: the size of the axis in the result, which need not be the sum of
            ``repeats``: more is cut off, and the last element fills what is missing. None: the sum,
            which computes ``repeats`` first. ``compile``, ``vmap`` and exported functions that trace
            ``repeats`` need it.

    Raises:
        TypeError: ``repeats`` are not integers, or not one for each element.
        ValueError: one of ``repeats`` is negative (with ``total_repeat_length`` it counts as 0).
    """
