"""Indexing by arrays: reading and replacing elements at positions that are data.

Negative indices count from the end. An index out of bounds raises IndexError when the result is
computed.
"""


def slice(
    a: array,
    start_indices: array,
    axes: Sequence[int],
    slice_size: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """A block of ``slice_size`` whose position along ``axes`` is the value of ``start_indices``.

    Args:
        start_indices: one integer per entry of ``axes``; other axes start at 0.
        slice_size: the size of the block along every axis of ``a``.

    Raises:
        IndexError: the block does not lie inside ``a``.
    """


def slice_update(
    a: array,
    update: array,
    start_indices: array,
    axes: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``a`` with the block at ``start_indices`` replaced by ``update``, which has its size.

    Raises:
        IndexError: the block does not lie inside ``a``.
    """


def take(
    a: array, /, indices: int | array, axis: int | None = None, *, stream: StreamOrDevice = None
) -> array:
    """The slices of ``a`` across ``axis`` at ``indices``, or elements of the flattened array.

    Returns:
        shape ``a.shape[:axis] + indices.shape + a.shape[axis + 1:]``.

    Raises:
        IndexError: an index is out of bounds.
        ValueError: the indices are not integers.
    """


def take_along_axis(
    a: array, /, indices: array, axis: int | None = -1, *, stream: StreamOrDevice = None
) -> array:
    """One element per index: ``out[i, j] = a[i, indices[i, j]]`` for the last of two axes.

    ``a`` and ``indices`` have equally many axes and broadcast along all but ``axis``; with
    ``axis=None`` both are flattened.

    Raises:
        IndexError: an index is out of bounds.
    """


def put_along_axis(
    a: array,
    /,
    indices: array,
    values: array,
    axis: int | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``a`` with the elements that ``take_along_axis`` would read replaced by ``values``.

    Of several values for one element the last one stays. With ``axis=None`` the indices are into
    the flattened array. ``values`` broadcast to the shape of the indices.

    Raises:
        IndexError: an index is out of bounds.
    """
