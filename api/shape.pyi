"""Shapes: views of the same elements, joining, splitting, padding and repeating."""


def reshape(a: array, /, shape: Sequence[int], *, stream: StreamOrDevice = None) -> array:
    """The same elements in row-major order under another shape.

    One size may be -1: it follows from the others. No copy where the strides allow it.

    Raises:
        ValueError: the number of elements differs, or the -1 is not determined.
    """


@method
def flatten(
    a: array, /, start_axis: int = 0, end_axis: int = -1, *, stream: StreamOrDevice = None
) -> array:
    """Merges the axes ``start_axis`` to ``end_axis`` (inclusive) into one.

    Axes beyond the ends are clipped; a scalar becomes an array of one element.
    """


def unflatten(
    a: array, /, axis: int, shape: Sequence[int], *, stream: StreamOrDevice = None
) -> array:
    """Splits one axis into axes of the given sizes, one of which may be -1."""


@method
def squeeze(
    a: array, /, axis: None | int | Sequence[int] = None, *, stream: StreamOrDevice = None
) -> array:
    """Removes axes of size 1: the given ones, or all of them.

    Raises:
        ValueError: a given axis has another size.
    """


def expand_dims(
    a: array, /, axis: int | Sequence[int], *, stream: StreamOrDevice = None
) -> array:
    """Inserts axes of size 1; ``axis`` gives their positions in the result."""


@alias("permute_dims")
def transpose(
    a: array, /, axes: Sequence[int] | None = None, *, stream: StreamOrDevice = None
) -> array:
    """Permutes the axes: axis ``i`` of the result is axis ``axes[i]`` of ``a``; reversed by default.

    No copy is made.
    """


def matrix_transpose(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """Swaps the last two axes."""


@method
def swapaxes(a: array, /, axis1: int, axis2: int, *, stream: StreamOrDevice = None) -> array:
    """Swaps two axes."""


@method
def moveaxis(
    a: array, /, source: int, destination: int, *, stream: StreamOrDevice = None
) -> array:
    """Moves one axis to another position; the others keep their order."""


def broadcast_to(
    a: scalar | array, /, shape: Sequence[int], *, stream: StreamOrDevice = None
) -> array:
    """Repeats axes of size 1, and new leading axes, to reach ``shape``, without a copy.

    Raises:
        ValueError: an axis of another size would have to change.
    """


def broadcast_arrays(*arrays: array, stream: StreamOrDevice = None) -> tuple[array, ...]:
    """Broadcasts all arrays to their common shape."""


@manual
def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int]:
    """The shape that arrays of these shapes broadcast to.

    Raises:
        ValueError: two sizes differ and neither is 1, or no shape is given.
    """


@no_python
@c(res="ints")
def broadcast_shapes(a: Sequence[int], b: Sequence[int]) -> Sequence[int]:
    """The shape that two arrays of these shapes broadcast to."""


@c(strides="int64s", offset="size_t")
def as_strided(
    a: array,
    /,
    shape: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    offset: int = 0,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Reads the row-major elements of ``a`` with any strides, counted in elements from ``offset``.

    Elements may be read more than once; gradients then add up.

    Args:
        shape: of the result; that of ``a`` by default.
        strides: one per axis of the result; row-major by default.

    Raises:
        ValueError: an element outside ``a`` would be read.
    """


@method
def view(a: scalar | array, dtype: Dtype, stream: StreamOrDevice = None) -> array:
    """The bytes of ``a`` read as another dtype.

    With another item size the last axis grows or shrinks by the ratio.

    Raises:
        ValueError: the last axis does not hold whole elements of ``dtype``.
    """


@alias("concat")
def concatenate(
    arrays: list[array], axis: int | None = 0, *, stream: StreamOrDevice = None
) -> array:
    """Joins arrays along an existing axis; with ``axis=None`` all are flattened first.

    Returns:
        an array of the promoted dtype.

    Raises:
        ValueError: no arrays, or shapes that differ along another axis.
    """


def stack(
    arrays: list[array], axis: int | None = 0, *, stream: StreamOrDevice = None
) -> array:
    """Joins arrays of one shape along a new axis."""


def unstack(
    x: array, /, *, axis: int = 0, stream: StreamOrDevice = None
) -> tuple[array, ...]:
    """The slices across one axis, each without that axis."""


@method
@c(indices_or_sections="int")
@c("split_sections", indices_or_sections="ints")
def split(
    a: array,
    /,
    indices_or_sections: int | Sequence[int],
    axis: int = 0,
    *,
    stream: StreamOrDevice = None,
) -> list[array]:
    """Cuts an axis into equal parts (an int), or before the given indices.

    Raises:
        ValueError: the axis does not divide into that many equal parts.
    """


@manual
def pad(
    a: array,
    pad_width: int | tuple[int] | tuple[int, int] | list[tuple[int, int]],
    mode: Literal['constant', 'edge', 'reflect', 'symmetric'] = 'constant',
    constant_values: scalar | array = 0,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Adds elements before and after along each axis.

    Args:
        pad_width: one width for all ends, one ``(before, after)`` for all axes, or one per axis.
        mode: "constant" adds ``constant_values``; "edge" repeats the outermost element; "reflect"
            mirrors at it and "symmetric" mirrors including it, as often as the width needs.
        constant_values: cast to the dtype of ``a``; an array broadcasts to the result's shape.

    Raises:
        ValueError: a negative width, an unknown mode, or no element to repeat.
    """


def tile(a: array, reps: int | Sequence[int], /, *, stream: StreamOrDevice = None) -> array:
    """Repeats the whole array ``reps[i]`` times along axis ``i``, counted from the last."""


@no_python
def repeat(
    array: array, repeats: int, axis: int | None = None, *, stream: StreamOrDevice = None
) -> array:
    """Repeats every element ``repeats`` times along an axis, or of the flattened array."""


def roll(
    a: array,
    /,
    shift: int | tuple[int],
    axis: None | int | tuple[int] = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Shifts elements along axes; those pushed out come back at the other end.

    Without an axis the flattened array is shifted and the shape restored.
    """


def flip(
    a: array, /, axis: None | int | Sequence[int] = None, *, stream: StreamOrDevice = None
) -> array:
    """Reverses the order of elements along axes, all of them by default, without a copy."""


def contiguous(
    a: array, /, allow_col_major: bool = False, *, stream: StreamOrDevice = None
) -> array:
    """The same values in row-major memory; column-major is kept if ``allow_col_major``."""


def stop_gradient(a: array, /, *, stream: StreamOrDevice = None) -> array:
    """The same values as a constant: no gradient passes."""


@manual
@c(res="vector")
def depends(
    inputs: array | Sequence[array], dependencies: array | Sequence[array]
) -> array | list[array]:
    """The inputs, computed only after all ``dependencies`` are."""


@manual
@c(arys="array", res="array")
def atleast_1d(*arys: array, stream: StreamOrDevice = None) -> array | list[array]:
    """Each array with at least one axis; a list for several arrays."""


@manual
@c(arys="array", res="array")
def atleast_2d(*arys: array, stream: StreamOrDevice = None) -> array | list[array]:
    """Each array with at least two axes (added in front); a list for several arrays."""


@manual
@c(arys="array", res="array")
def atleast_3d(*arys: array, stream: StreamOrDevice = None) -> array | list[array]:
    """Each array with at least three axes; a list for several arrays.

    Shape ``(n,)`` becomes ``(1, n, 1)`` and ``(m, n)`` becomes ``(m, n, 1)``.
    """


@method
def diagonal(
    a: array, offset: int = 0, axis1: int = 0, axis2: int = 1, stream: StreamOrDevice = None
) -> array:
    """The diagonals of the planes that two axes span, as a new last axis, without a copy.

    A positive ``offset`` lies above the main diagonal.
    """


@method
def diag(a: array, /, k: int = 0, *, stream: StreamOrDevice = None) -> array:
    """The ``k``-th diagonal of a matrix, or a matrix with a 1-D ``a`` on that diagonal.

    Raises:
        ValueError: ``a`` has neither one nor two axes.
    """


@c(dtype="dtype")
def trace(
    a: array,
    /,
    offset: int = 0,
    axis1: int = 0,
    axis2: int = 1,
    dtype: Dtype | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Sum along the diagonals of the planes that two axes span, in ``dtype`` if given."""


def meshgrid(
    *arrays: array,
    sparse: bool | None = False,
    indexing: str | None = 'xy',
    stream: StreamOrDevice = None,
) -> tuple[array, ...]:
    """Coordinate grids of 1-D arrays.

    Args:
        sparse: keep size 1 along the axes an array does not vary along.
        indexing: "ij" gives axis ``i`` to array ``i``; "xy" swaps the first two.
    """


@no_python
def pad(
    a: array,
    axes: Sequence[int],
    low_pad_size: Sequence[int],
    high_pad_size: Sequence[int],
    pad_value: array,
    mode: str = "constant",
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Adds elements at both ends of axes.

    Args:
        low_pad_size, high_pad_size: how many, one per entry of ``axes``.
        pad_value: cast to the dtype of ``a``.
        mode: "constant", "edge", "reflect" or "symmetric".
    """


@no_python
@cpp("pad")
def pad_symmetric(
    a: array,
    pad_width: int,
    pad_value: array,
    mode: str = "constant",
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Adds ``pad_width`` elements at both ends of every axis."""


@no_python
def copy(a: array, *, stream: StreamOrDevice = None) -> array:
    """The same values under a new array."""


@no_python
@c(axes="ints")
def number_of_elements(
    a: array,
    axes: Sequence[int],
    inverted: bool,
    dtype: Dtype = int32,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The product of the sizes of some axes, or one divided by it, as an array without axes."""
