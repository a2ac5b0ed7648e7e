"""Sorting and searching. NaN counts as largest; complex numbers compare by real part first."""


def sort(a: array, /, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array:
    """The elements in rising order along an axis (``None``: of the flattened array).

    Raises:
        IndexError: the axis is out of range.
    """


def argsort(a: array, /, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array:
    """The indices that sort along an axis, as ``uint32``; equal elements keep their order."""


def partition(
    a: array,
    /,
    kth: int,
    axis: None | int = -1,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The elements arranged around the one that sorting would put at ``kth``.

    Those before it are not larger, those after it are not smaller; otherwise their order is
    unspecified.

    Raises:
        ValueError: ``kth`` is out of range (negative values count from the end).
    """


def argpartition(
    a: array,
    /,
    kth: int,
    axis: None | int = -1,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The indices that ``partition`` along an axis, as ``uint32``."""


def topk(a: array, /, k: int, axis: None | int = -1, *, stream: StreamOrDevice = None) -> array:
    """The ``k`` largest elements along an axis, in no particular order.

    Raises:
        ValueError: the axis has fewer than ``k`` elements.
    """


def searchsorted(
    sorted_sequence: array,
    values: array,
    /,
    side: str = "left",
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Where to insert values into a sorted sequence so that it stays sorted, as ``uint32``.

    Args:
        sorted_sequence: 1-d, in rising order.
        values: any shape, which the result has too.
        side: ``"left"``: before equal elements; ``"right"``: after them.
    """


@manual
@c(res="vector")
def unique(
    a: array,
    /,
    size: int,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    fill_value: scalar | array | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array | tuple[array, ...]:
    """The first ``size`` distinct elements of the flattened array in rising order.

    The shape is fixed by ``size``, so that it does not depend on values: where there are fewer
    distinct elements, ``fill_value`` (the smallest element without it) takes the place of the rest.
    NaNs differ from each other.

    Args:
        return_index: also where each first occurs in the flattened array, ``uint32``.
        return_inverse: also the position of each element of ``a`` in the result, ``uint32``, of the
            shape of ``a``; that of an element beyond ``size`` is ``size - 1``.
        return_counts: also how often each occurs, ``int32``; 0 for a fill value.

    Raises:
        ValueError: ``size`` is negative, or ``a`` is empty and there is no ``fill_value``.
    """
