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
@c(res="vector", size="int")
def unique(
    a: array,
    /,
    size: int | None = None,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    fill_value: scalar | array | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array | tuple[array, ...]:
    """The distinct elements of the flattened array in rising order.

    With ``size`` the shape does not depend on values, as ``compile``, ``vmap`` and exported functions
    need: elements beyond it are left out, and ``fill_value`` (the smallest element without it) takes
    the place of missing ones. NaNs differ from each other.

    Args:
        size: how many elements to return; None: all, which computes ``a`` first.
        return_index: also where each first occurs in the flattened array, ``uint32``.
        return_inverse: also the position of each element of ``a`` in the result, ``uint32``, of the
            shape of ``a``; that of an element beyond ``size`` is ``size - 1``.
        return_counts: also how often each occurs, ``int32``; 0 for a fill value.

    Raises:
        ValueError: ``size`` is negative or missing where ``a`` is traced without values, or ``a`` is
            empty, ``size`` is not 0 and there is no ``fill_value``.
    """


@manual
@c()
def unique_all(
    x: array,
    /,
    *,
    size: int | None = None,
    fill_value: scalar | array | None = None,
    stream: StreamOrDevice = None,
) -> tuple[array, array, array, array]:
    """The distinct elements with all that ``unique`` can tell of them, as the array API names it.

    Returns:
        a named tuple: ``values``; ``indices``, where each first occurs in the flattened array;
        ``inverse_indices``, the position of each element of ``x`` among the values, of the shape of
        ``x``; and ``counts``. All but the values are ``int32``.
    """


@manual
@c()
def unique_counts(
    x: array,
    /,
    *,
    size: int | None = None,
    fill_value: scalar | array | None = None,
    stream: StreamOrDevice = None,
) -> tuple[array, array]:
    """A named tuple of the distinct elements, ``values``, and how often each occurs, ``counts``."""


@manual
@c()
def unique_inverse(
    x: array,
    /,
    *,
    size: int | None = None,
    fill_value: scalar | array | None = None,
    stream: StreamOrDevice = None,
) -> tuple[array, array]:
    """A named tuple: ``values``, the distinct elements; ``x`` is ``values[inverse_indices]``."""


def unique_values(
    x: array,
    /,
    *,
    size: int | None = None,
    fill_value: scalar | array | None = None,
    stream: StreamOrDevice = None,
) -> array:
    """The distinct elements in rising order; arguments as for ``unique``."""
