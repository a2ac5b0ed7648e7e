"""Products and structures of sparse matrices that are given as arrays.

A sparse matrix is three arrays: the nonzeros ``data`` row by row, the column of each in ``indices``
and, for each row, the number of nonzeros before it in ``indptr`` (one element more than rows). That
is CSR; in BSR ``data`` has shape ``(nnz, R, C)`` and rows and columns are those of blocks. Nonzeros
past ``indptr[-1]`` are padding, which nothing reads. ``olivine.sparse`` has classes made of these.
"""


def csr_matmul(
    data: array, indices: array, indptr: array, dense: array, *, stream: StreamOrDevice = None
) -> array:
    """Product of a sparse matrix and a dense vector or matrix.

    Args:
        data: shape ``(nnz,)``, or ``(nnz, R, C)`` in blocks; floating point or complex.
        indices: shape ``(nnz,)``; integers.
        indptr: shape ``(rows + 1,)``; integers that rise.
        dense: shape ``(K,)`` or ``(K, N)``, with ``K`` columns of the sparse matrix.

    Returns:
        shape ``(M,)`` or ``(M, N)`` with ``M = rows * R``, of the promoted dtype. Sums are kept in
        float32 or wider and run over the nonzeros in order, for any number of threads.

    Raises:
        ValueError: shapes or dtypes do not fit, or, when computed, ``indptr`` falls or passes nnz.
        IndexError: an index is out of range, when it is computed.
    """


def csr_matmul_transposed(
    data: array,
    indices: array,
    indptr: array,
    dense: array,
    columns: int,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """Product of the transpose of a sparse matrix and a dense vector or matrix.

    Args:
        data, indices, indptr: the sparse matrix, as in ``csr_matmul``, of ``M`` rows.
        dense: shape ``(M,)`` or ``(M, N)``.
        columns: how many columns the sparse matrix has.

    Returns:
        shape ``(columns,)`` or ``(columns, N)``.

    Raises:
        ValueError, IndexError: as ``csr_matmul``.
    """


def sampled_matmul(
    a: array,
    b: array,
    indices: array,
    indptr: array,
    block_rows: int = 1,
    block_columns: int = 1,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The elements of ``a @ b.T`` at the nonzeros of a sparse matrix.

    Args:
        a: shape ``(M, N)``, or ``(M,)`` for one column; floating point or complex.
        b: shape ``(K, N)`` or ``(K,)``.
        indices, indptr: where the nonzeros are, as in ``csr_matmul``.
        block_rows, block_columns: the size of blocks.

    Returns:
        shape ``(nnz,)``, or ``(nnz, block_rows, block_columns)`` for blocks of more than one
        element; zero in padding.

    Raises:
        ValueError, IndexError: as ``csr_matmul``.
    """


def csr_transpose(
    indices: array, indptr: array, columns: int, *, stream: StreamOrDevice = None
) -> tuple[array, array, array]:
    """Structure of the transpose of a sparse matrix of ``columns`` columns.

    Returns:
        ``order``, shape ``(nnz,)``, so that ``data[order]`` are its nonzeros; its ``indices``, shape
        ``(nnz,)``, which rise in every row; its ``indptr``, shape ``(columns + 1,)``.

    Raises:
        ValueError, IndexError: as ``csr_matmul``.
    """


def csr_pattern(
    indices_a: array,
    indptr_a: array,
    indices_b: array,
    indptr_b: array,
    columns: int,
    nnz: int | None = None,
    *,
    stream: StreamOrDevice = None,
) -> tuple[array, array]:
    """Structure of the product of two sparse matrices, the second of ``columns`` columns.

    Args:
        nnz: a bound of the number of nonzeros, for traces; without, the operands are evaluated.

    Returns:
        ``indices``, which rise in every row and have zeros after them up to ``nnz``, and ``indptr``.

    Raises:
        ValueError: as ``csr_matmul``, or there are more nonzeros than ``nnz``.
        IndexError: as ``csr_matmul``.
    """


def csr_csr_matmul(
    data_a: array,
    indices_a: array,
    indptr_a: array,
    data_b: array,
    indices_b: array,
    indptr_b: array,
    indices: array,
    indptr: array,
    columns: int,
    *,
    stream: StreamOrDevice = None,
) -> array:
    """The elements of a product of two sparse matrices at the nonzeros of a third.

    Args:
        data_a, indices_a, indptr_a: shape ``(M, K)``, as in ``csr_matmul`` but not in blocks.
        data_b, indices_b, indptr_b: shape ``(K, columns)``.
        indices, indptr: where to compute the product, such as ``csr_pattern`` gives.

    Returns:
        shape ``indices.shape``; zero in padding.

    Raises:
        ValueError, IndexError: as ``csr_matmul``.
    """
