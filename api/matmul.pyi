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
