"""BSR: dense blocks of one size, row of blocks by row of blocks."""

from __future__ import annotations

from typing import Any

import olivine.core as mx

from .base import Sparse, check_range, checked_shape
from .csr import checked_structure, row_numbers


class BSR(Sparse):
    """A sparse matrix of dense blocks.

    Args:
        data: shape `(blocks, R, C)`.
        indices: shape `(blocks,)`; the column of each block, counted in blocks.
        indptr: shape `(rows / R + 1,)`; how many blocks come before each row of blocks.
        shape: of the matrix, in elements; without, as large as the indices say.

    Raises:
        ValueError: shapes do not fit, or `indptr` is none.
        IndexError: a column is out of range.
    """

    __slots__ = ()
    _fields = ("data", "indices", "indptr")

    def __new__(
        cls, data: Any, indices: Any, indptr: Any, shape: tuple[int, int] | None = None
    ) -> Any:
        if cls.shape is not None and shape is None:  # a tree function rebuilds one
            return cls._make((data, indices, indptr))
        data = mx.array(data) if not isinstance(data, mx.array) else data
        if data.ndim != 3 or data.shape[1] == 0 or data.shape[2] == 0:
            raise ValueError(f"[BSR] expected data of shape (blocks, R, C); got {data.shape}")
        _, r, c = data.shape
        indices, indptr = checked_structure(indices, indptr, data.shape[0], "BSR")
        if shape is None:
            columns = 1 + int(mx.max(indices).item()) if indices.size else 0
            shape = (r * (indptr.shape[0] - 1), c * columns)
        shape = checked_shape(shape)
        if shape[0] != r * (indptr.shape[0] - 1) or shape[1] % c:
            raise ValueError(
                f"[BSR] expected a shape of {indptr.shape[0] - 1} rows of blocks of {r} x {c}; "
                f"got {shape}"
            )
        return cls.of(shape, data, check_range(indices, shape[1] // c, "indices"), indptr)

    @property
    def indices(self) -> mx.array:
        return tuple.__getitem__(self, 1)

    @property
    def indptr(self) -> mx.array:
        return tuple.__getitem__(self, 2)

    @property
    def block_shape(self) -> tuple[int, int]:
        return self.data.shape[1:]

    def to_coo(self) -> Any:
        from .coo import COO

        n, r, c = self.data.shape
        used = (mx.arange(n) < self.indptr[-1])[:, None, None]
        data = mx.where(used, self.data, mx.zeros_like(self.data))
        rows = row_numbers(self.indptr, n)[:, None, None] * r + mx.arange(r)[:, None]
        columns = self.indices[:, None, None] * c + mx.arange(c)
        places = (mx.broadcast_to(x, self.data.shape).flatten() for x in (rows, columns))
        return COO.of(self.shape, data.flatten(), *places)

    def to_csr(self) -> Any:
        """As CSR; zeros inside blocks stay stored."""
        return self.to_coo().to_csr()

    @property
    def T(self) -> Any:  # noqa: N802
        _, _, c = self.data.shape
        structure = mx.csr_transpose(self.indices, self.indptr, self.shape[1] // c)
        order, indices, indptr = structure
        return self.of(self.shape[::-1], self.data[order].swapaxes(1, 2), indices, indptr)

    def matmul(self, other: Any, nnz: int | None = None) -> Any:
        if isinstance(other, Sparse):
            return self.to_csr().matmul(other, nnz)
        dense = other if isinstance(other, mx.array) else mx.array(other)
        if dense.ndim == 0 or dense.shape[0] != self.shape[1]:
            raise ValueError(
                f"[matmul] expected operands of one inner size; got {self.shape} and {dense.shape}"
            )
        return mx.csr_matmul(*self, dense)

    def __rmatmul__(self, other: Any) -> Any:
        if not hasattr(other, "__array__"):
            return NotImplemented
        left = other if isinstance(other, mx.array) else mx.array(other)
        return mx.csr_matmul_transposed(*self, left.T, self.shape[1]).T


BSR.kind = BSR
