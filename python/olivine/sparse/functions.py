"""Making sparse matrices, and functions of them beside their methods."""

from __future__ import annotations

from typing import Any

import olivine.core as mx

from .base import Sparse, as_array, checked_shape, known
from .bsr import BSR
from .coo import COO
from .csr import CSR


def from_dense(x: mx.array, nnz: int | None = None) -> Any:
    """The nonzeros of a dense matrix, as a CSR whose data has gradients to `x`.

    `nnz` bounds their number, as `compile` and `vmap` need, and what is left over is padding; more
    nonzeros are an error, here or in the product that meets them. Without, `x` is evaluated.
    """
    if x.ndim != 2:
        raise ValueError(f"[from_dense] expected a matrix; got shape {x.shape}")
    flags = mx.stop_gradient(x) != 0
    count = known(mx.sum(flags))
    nnz = count if nnz is None else nnz
    if nnz is None or (count is not None and count > nnz):
        what = "at least the count of nonzeros" if count is not None else "given in a trace"
        raise ValueError(f"[from_dense] expected nnz to be {what}; got {nnz}")
    columns = x.shape[1]
    order = mx.argsort(mx.where(flags, 0, 1).flatten())[:nnz].astype(mx.int32)
    counts = mx.cumsum(mx.sum(flags.astype(mx.int32), axis=1))
    indptr = mx.concatenate([mx.zeros((1,), dtype=mx.int32), counts])
    return CSR.of(x.shape, x.flatten()[order], order % max(columns, 1), indptr)


def from_scipy(matrix: Any) -> Any:
    """From a sparse matrix or array of SciPy: BSR and COO stay what they are, others become CSR."""
    kind = matrix.format
    if kind == "bsr":
        return BSR(matrix.data, matrix.indices, matrix.indptr, matrix.shape)
    if kind == "coo":
        return COO(matrix.data, matrix.row, matrix.col, matrix.shape)
    csr = matrix.tocsr()
    return CSR(csr.data, csr.indices, csr.indptr, csr.shape)


def diag(values: mx.array, k: int = 0) -> Any:
    """A square CSR with `values` on its `k`-th diagonal."""
    values = as_array(values)
    if values.ndim != 1:
        raise ValueError(f"[diag] expected values of one axis; got shape {values.shape}")
    n = values.shape[0] + abs(k)
    starts = mx.clip(mx.arange(n + 1) - max(-k, 0), 0, values.shape[0]).astype(mx.int32)
    columns = mx.arange(values.shape[0], dtype=mx.int32) + max(k, 0)
    return CSR.of((n, n), values, columns, starts)


def eye(n: int, m: int | None = None, dtype: mx.Dtype = mx.float32) -> Any:
    """The identity as a CSR of shape (n, m)."""
    shape = checked_shape((n, n if m is None else m))
    count = min(shape)
    starts = mx.minimum(mx.arange(shape[0] + 1, dtype=mx.int32), count)
    return CSR.of(shape, mx.ones((count,), dtype=dtype), mx.arange(count, dtype=mx.int32), starts)


def random(
    shape: tuple[int, int],
    density: float = 0.01,
    dtype: mx.Dtype = mx.float32,
    key: mx.array | None = None,
) -> Any:
    """A COO of `round(density * rows * columns)` places, drawn evenly, with values in [0, 1)."""
    rows, columns = checked_shape(shape)
    if not 0 <= density <= 1:
        raise ValueError(f"[random] expected a density in [0, 1]; got {density}")
    if key is None:
        key = mx.random.randint(0, 2**31 - 1, (2,)).astype(mx.uint32)
    first, second = mx.random.split(key)
    count = round(density * rows * columns)
    places = _distinct(count, rows * columns, first)
    data = mx.random.uniform(shape=(count,), dtype=dtype, key=second)
    width = max(columns, 1)
    row, column = (x.astype(mx.int32) for x in (places // width, places % width))
    return COO.of((rows, columns), data, row, column)


def _distinct(count: int, size: int, key: mx.array) -> mx.array:
    """`count` different positions below `size`, in order."""
    import numpy as np

    seed = [int(word) for word in np.array(key).ravel()]
    generator = np.random.default_rng(seed)
    if count > size // 4:
        drawn = generator.permutation(size)[:count]
    else:
        drawn = np.unique(generator.integers(0, max(size, 1), count))
        while drawn.size < count:
            more = generator.integers(0, size, count - drawn.size)
            drawn = np.union1d(drawn, more)
    return mx.array(np.sort(drawn))


def softmax(a: Sparse) -> Any:
    """Softmax over the nonzeros of each row, as in graph attention."""
    return a.to_csr().softmax()


def sampled_matmul(pattern: Sparse, a: mx.array, b: mx.array) -> Any:
    """`a @ b.T` at the nonzeros of `pattern`, as a matrix of its class (a COO becomes a CSR).

    Args:
        a: shape (rows, N), or (rows,).
        b: shape (columns, N), or (columns,).
    """
    own = pattern if isinstance(pattern, BSR) else pattern.to_csr()
    block = own.data.shape[1:] or (1, 1)
    data = mx.sampled_matmul(a, b, own.indices, own.indptr, *block)
    return own.with_data(data.reshape(own.data.shape))


def concatenate(matrices: list[Sparse], axis: int = 0) -> Any:
    """Sparse matrices below (axis 0) or beside (axis 1) each other, as a COO."""
    if not matrices or axis not in (0, 1):
        raise ValueError("[concatenate] expected matrices, and axis 0 or 1; got others")
    other = {m.shape[1 - axis] for m in matrices}
    if len(other) > 1:
        shapes = [m.shape for m in matrices]
        raise ValueError(f"[concatenate] expected shapes that fit along axis {axis}; got {shapes}")
    data, places, offset = [], ([], []), 0
    for m in (m.to_coo() for m in matrices):
        data.append(m.data)
        for k, x in enumerate((m.rows, m.columns)):
            places[k].append(x + offset if k == axis else x)
        offset += m.shape[axis]
    shape = (offset, other.pop()) if axis == 0 else (other.pop(), offset)
    return COO.of(shape, mx.concatenate(data), *(mx.concatenate(x) for x in places))
