"""BSR: dense blocks of one size, row of blocks by row of blocks."""

from __future__ import annotations

from typing import Any

import olivine.core as mx

from .compressed import Compressed, row_numbers


class BSR(Compressed):
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

    @classmethod
    def _block_shape(cls, data: mx.array) -> tuple[int, int]:
        if data.ndim != 3 or data.shape[1] == 0 or data.shape[2] == 0:
            raise ValueError(f"[BSR] expected data of shape (blocks, R, C); got {data.shape}")
        return data.shape[1:]

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


BSR.kind = BSR
