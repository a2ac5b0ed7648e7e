"""Indexing by arrays: reading and replacing elements at positions that are data.

Negative indices count from the end. An index out of bounds raises IndexError when the result is
computed.
"""


@c("slice_dynamic")
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


@c("slice_update_dynamic")
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


@c(axis="int")
def take_along_axis(
    a: array, /, indices: array, axis: int | None = -1, *, stream: StreamOrDevice = None
) -> array:
    """One element per index: ``out[i, j] = a[i, indices[i, j]]`` for the last of two axes.

    ``a`` and ``indices`` have equally many axes and broadcast along all but ``axis``; with
    ``axis=None`` both are flattened.

    Raises:
        IndexError: an index is out of bounds.
    """


@c(axis="int")
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


@no_python
def slice(
    a: array,
    start: Sequence[int],
    stop: Sequence[int],
    strides: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The elements ``start``, ``start + stride``, … before ``stop`` along every axis.

    Negative values count from the end; a negative stride takes elements backwards, and a ``stop`` of
    ``-size - 1`` then includes the first one.

    Raises:
        ValueError: not one value per axis, or a stride is 0.
    """


@no_python
def slice_update(
    src: array,
    update: array,
    start: Sequence[int],
    stop: Sequence[int],
    strides: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``src`` with a slice replaced by ``update``, which broadcasts to it."""


@no_python
def slice_update_add(
    src: array,
    update: array,
    start: Sequence[int],
    stop: Sequence[int],
    strides: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``src`` with ``update`` added to a slice."""


@no_python
def slice_update_prod(
    src: array,
    update: array,
    start: Sequence[int],
    stop: Sequence[int],
    strides: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``src`` with a slice multiplied by ``update``."""


@no_python
def slice_update_max(
    src: array,
    update: array,
    start: Sequence[int],
    stop: Sequence[int],
    strides: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``src`` with a slice replaced by the larger of itself and ``update``."""


@no_python
def slice_update_min(
    src: array,
    update: array,
    start: Sequence[int],
    stop: Sequence[int],
    strides: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``src`` with a slice replaced by the smaller of itself and ``update``."""


@no_python
@c()
@c("gather_single", indices="array", axes="int")
def gather(
    a: array,
    indices: list[array],
    axes: Sequence[int],
    slice_sizes: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Blocks of ``slice_sizes`` at the positions that ``indices`` give along ``axes``.

    Returns:
        the axes of the broadcast indices, then one per axis of ``a``.

    Raises:
        ValueError: the indices are not integers, or their number is not that of the axes.
        IndexError: a block does not lie inside ``a`` (when the result is computed).
    """


@no_python
@c()
@c("scatter_single", indices="array", axes="int")
def scatter(
    a: array,
    indices: list[array],
    updates: array,
    axes: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``a`` with blocks of ``updates`` written at the positions that ``indices`` give along ``axes``.

    Of several updates to one element the last one stays.

    Args:
        updates: the axes of the broadcast indices, then one per axis of ``a``.
    """


@no_python
@c()
@c("scatter_add_single", indices="array", axes="int")
def scatter_add(
    a: array,
    indices: list[array],
    updates: array,
    axes: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``a`` with blocks of ``updates`` added; arguments as for ``scatter``."""


@no_python
@c()
@c("scatter_prod_single", indices="array", axes="int")
def scatter_prod(
    a: array,
    indices: list[array],
    updates: array,
    axes: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``a`` with blocks multiplied by ``updates``; arguments as for ``scatter``."""


@no_python
@c()
@c("scatter_max_single", indices="array", axes="int")
def scatter_max(
    a: array,
    indices: list[array],
    updates: array,
    axes: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``a`` with the larger of blocks and ``updates``; arguments as for ``scatter``."""


@no_python
@c()
@c("scatter_min_single", indices="array", axes="int")
def scatter_min(
    a: array,
    indices: list[array],
    updates: array,
    axes: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``a`` with the smaller of blocks and ``updates``; arguments as for ``scatter``."""


@no_python
@c(axis="int")
def scatter_add_axis(
    a: array, indices: array, values: array, axis: int, *, stream: StreamOrDevice = None
) -> array:
    """``a`` with ``values`` added to the elements that ``take_along_axis`` would read."""


@no_python
def masked_scatter(
    a: array, mask: array, src: array, *, stream: StreamOrDevice = None
) -> array:
    """``a`` with the elements where ``mask`` is true replaced by those of ``src``, in their order."""
