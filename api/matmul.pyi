"""Matrix products."""


def matmul(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """Matrix product ``a @ b``.

    Leading axes broadcast. A 1-d ``a`` acts as a row vector and a 1-d ``b`` as a column vector;
    their axis is dropped from the result.

    Args:
        a: shape ``(..., M, K)`` or ``(K,)``; floating point or complex.
        b: shape ``(..., K, N)`` or ``(K,)``.

    Returns:
        shape ``(..., M, N)``, of the promoted dtype; sums are kept in float32 or wider.

    Raises:
        ValueError: the inner sizes differ, an operand is 0-d, or the dtype is integer.
    """


def addmm(
    c: array,
    a: array,
    b: array,
    /,
    alpha: float = 1.0,
    beta: float = 1.0,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """``alpha * (a @ b) + beta * c`` in one pass; ``c`` broadcasts to the product's shape."""


def inner(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """Sum of products over the last axes of ``a`` and ``b``, which must have one size."""


def vecdot(
    a: array, b: array, /, *, axis: int = -1, stream: StreamOrDevice = None
) -> array:
    """Sum of ``conj(a) * b`` over ``axis`` of each operand; the other axes broadcast.

    Raises:
        ValueError: an operand is 0-d, or the sizes along ``axis`` differ.
        IndexError: the axis is out of range.
    """


def outer(a: array, b: array, /, *, stream: StreamOrDevice = None) -> array:
    """All products of an element of ``a`` and one of ``b``: shape ``(a.size, b.size)``."""


def kron(a: array, b: array, *, stream: StreamOrDevice = None) -> array:
    """Kronecker product: every element of ``a`` times all of ``b``.

    The shorter shape is padded with ones in front; axis ``i`` of the result has size
    ``a.shape[i] * b.shape[i]``.
    """


@manual
@c("tensordot_axis", axes="int")
def tensordot(
    a: array,
    b: array,
    /,
    axes: int | list[Sequence[int]] = 2,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Sum of products over paired axes.

    An int ``axes`` pairs the last ``axes`` axes of ``a`` with the first of ``b``; a pair of lists
    names the axes of each. The result has the remaining axes of ``a``, then those of ``b``.
    """


def gather_mm(
    a: array,
    b: array,
    /,
    lhs_indices: array | None = None,
    rhs_indices: array | None = None,
    *,
    sorted_indices: bool = False,
    stream: StreamOrDevice = None,
) -> array:
    """Products of matrices that indices select.

    The matrices of ``a`` (and of ``b``) are counted over all leading axes; result ``p`` is
    ``a[lhs_indices[p]] @ b[rhs_indices[p]]``. Without indices of one operand, all its matrices take
    part in order. ``sorted_indices`` is a hint that changes no result.

    Args:
        a: shape ``(..., M, K)``; floating point.
        b: shape ``(..., K, N)``.
        lhs_indices, rhs_indices: integers that broadcast together; negative ones count from the end.

    Returns:
        shape ``(*indices.shape, M, N)``.

    Raises:
        ValueError: inner sizes differ, or dtypes do not fit.
        IndexError: an index is out of range.
    """


def block_masked_mm(
    a: array,
    b: array,
    /,
    block_size: int = 64,
    mask_out: array | None = None,
    mask_lhs: array | None = None,
    mask_rhs: array | None = None,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Matrix product with masked operands and result, ``mask_out * ((mask_lhs * a) @ (mask_rhs * b))``.

    A mask has one entry per square block of ``block_size`` rows and columns (the last ones may be
    cut), and the leading axes of what it masks or ones. Bool masks select; others multiply, and have
    gradients.

    Args:
        a: shape ``(..., M, K)``; floating point.
        b: shape ``(..., K, N)``.
        mask_out: shape ``(..., ceil(M / block_size), ceil(N / block_size))``.
        mask_lhs: shape ``(..., ceil(M / block_size), ceil(K / block_size))``.
        mask_rhs: shape ``(..., ceil(K / block_size), ceil(N / block_size))``.

    Raises:
        ValueError: shapes or dtypes do not fit.
    """


def segmented_mm(a: array, b: array, /, segments: array, *, stream: StreamOrDevice = None) -> array:
    """Products of ranges of the inner axis: ``a[:, begin:end] @ b[begin:end]``.

    Args:
        a: shape ``(M, K)``; floating point.
        b: shape ``(K, N)``.
        segments: shape ``(..., 2)``; integers, pairs of begin and end. An empty or reversed range
            gives zeros.

    Returns:
        shape ``(..., M, N)``.

    Raises:
        ValueError: shapes or dtypes do not fit.
        IndexError: a range leaves ``[0, K]``.
    """


def hadamard_transform(
    a: array, scale: float | None = None, stream: StreamOrDevice = None
) -> array:
    """Product of the last axis with a Hadamard matrix, times ``scale``.

    Sizes are ``m * 2**k`` with ``m`` 1, 12, 20 or 28. The matrix is Sylvester's for powers of two,
    and a fixed one of order ``m`` in Kronecker product with it otherwise.

    Args:
        a: real; integers become float32.
        scale: ``1 / sqrt(size)`` unless given, which makes the matrix orthogonal.

    Raises:
        ValueError: there is no matrix of that size.
    """


@no_python
@c(axes_a="ints", axes_b="ints")
def tensordot(
    a: array,
    b: array,
    axes_a: Sequence[int],
    axes_b: Sequence[int],
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Sum of products over pairs of axes; what remains of ``a``, then of ``b``, is the result's."""
