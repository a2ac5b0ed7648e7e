"""COO: each nonzero with its row and its column, in any order; those of one place add up."""

from __future__ import annotations

from typing import Any

import olivine.core as mx

from .base import Sparse, as_array, check_range, checked_shape, index_array, known


class COO(Sparse):
    """A sparse matrix as nonzeros with their rows and columns.

    Args:
        data: shape `(nnz,)`.
        rows, columns: shape `(nnz,)`; integers. Places may repeat: their values add up.
        shape: of the matrix; without, as large as the indices say.

    Raises:
        ValueError: the arrays differ in shape, or are not one-dimensional.
        IndexError: a row or column is out of range.
    """

    __slots__ = ()
    _fields = ("data", "rows", "columns")

    def __new__(
        cls, data: Any, rows: Any, columns: Any, shape: tuple[int, int] | None = None
    ) -> Any:
        if cls.shape is not None and shape is None:  # a tree function rebuilds one
            return cls._make((data, rows, columns))
        data = as_array(data)
        rows, columns = index_array(rows, "rows"), index_array(columns, "columns")
        if data.ndim != 1 or not data.shape == rows.shape == columns.shape:
            raise ValueError(
                "[COO] expected data, rows and columns of one shape (nnz,); "
                f"got {data.shape}, {rows.shape} and {columns.shape}"
            )
        if shape is None:
            shape = tuple(1 + int(mx.max(x).item()) if x.size else 0 for x in (rows, columns))
        shape = checked_shape(shape)
        rows = check_range(rows, shape[0], "rows")
        return cls.of(shape, data, rows, check_range(columns, shape[1], "columns"))

    @property
    def rows(self) -> mx.array:
        return tuple.__getitem__(self, 1)

    @property
    def columns(self) -> mx.array:
        return tuple.__getitem__(self, 2)

    @property
    def T(self) -> Any:  # noqa: N802
        return self.of(self.shape[::-1], self.data, self.columns, self.rows)

    def to_coo(self) -> Any:
        return self

    def matmul(self, other: Any, nnz: int | None = None) -> Any:
        if isinstance(other, Sparse):
            return self.to_csr().matmul(other, nnz)
        return self._by_rows().matmul(other)

    def _by_rows(self) -> Any:
        """A CSR with the same nonzeros, where places may repeat: cheaper than `to_csr`."""
        from .csr import CSR

        if self.nnz and known(self._rows_rise()):
            indptr = starts(self.rows, self.shape[0])
            return CSR.of(self.shape, self.data, self.columns, indptr)
        one_row = mx.array([0, self.nnz])
        order, _, indptr = mx.csr_transpose(self.rows, one_row, self.shape[0])
        return CSR.of(self.shape, self.data[order], self.columns[order], indptr)

    def _rows_rise(self) -> mx.array:
        """Whether the rows are in order, and in range."""
        inside = mx.logical_and(self.rows[0] >= 0, self.rows[-1] < self.shape[0])
        return mx.logical_and(mx.all(self.rows[1:] >= self.rows[:-1]), inside)

    def to_dense(self) -> mx.array:
        zeros = mx.zeros(self.shape, dtype=self.dtype)
        return zeros.at[self.rows, self.columns].add(self.data)

    def coalesce(self, nnz: int | None = None) -> Any:
        """Sorted by rows, then columns, each place once.

        `nnz` bounds the places, for traces; without, it is what there are, or while a function is
        traced as many as now. What is left over is zeros at the last place.
        """
        if self.nnz == 0:
            return self
        key, order = self._sorted()
        first = mx.concatenate(
            [mx.zeros((1,), dtype=mx.int32), (key[1:] != key[:-1]).astype(mx.int32)]
        )
        place = mx.cumsum(first)
        count = known(place[-1])
        size = (count + 1 if count is not None else self.nnz) if nnz is None else nnz
        if count is not None and count >= size:
            raise ValueError(f"[coalesce] expected at most {size} nonzeros; got {count + 1}")
        data = mx.zeros((size,), dtype=self.dtype).at[place].add(self.data[order])
        keys = mx.full((size,), key[-1]).at[place].minimum(key)
        width = max(self.shape[1], 1)
        rows, columns = (x.astype(mx.int32) for x in (keys // width, keys % width))
        return self.of(self.shape, data, rows, columns)

    def _sorted(self) -> tuple[mx.array, mx.array]:
        """Row-major positions in order, and the nonzeros' order that gives it."""
        wide = mx.int64 if self.shape[0] * self.shape[1] >= 2**31 else mx.int32
        key = self.rows.astype(wide) * self.shape[1] + self.columns.astype(wide)
        order = mx.argsort(key)
        return key[order], order

    def to_csr(self, nnz: int | None = None) -> Any:
        """As CSR, with each place once; `nnz` bounds the places, for traces."""
        from .csr import CSR

        coo = self.coalesce(nnz)
        return CSR.of(self.shape, coo.data, coo.columns, starts(coo.rows, self.shape[0]))

    def to_bsr(self, block_shape: tuple[int, int], nnz: int | None = None) -> Any:
        from .bsr import BSR

        (rows, columns), (r, c) = self.shape, block_shape
        if r < 1 or c < 1 or rows % r or columns % c:
            raise ValueError(
                f"[to_bsr] expected blocks that divide the shape {self.shape}; got {block_shape}"
            )
        ones = mx.ones((self.nnz,), dtype=mx.int32)
        blocks = COO.of((rows // r, columns // c), ones, self.rows // r, self.columns // c)
        places = blocks.to_csr(nnz)
        key = places.rows.astype(mx.int64) * (columns // c) + places.indices
        own = (self.rows // r).astype(mx.int64) * (columns // c) + self.columns // c
        block = mx.searchsorted(key, own)
        data = mx.zeros((places.nnz, r, c), dtype=self.dtype)
        data = data.at[block, self.rows % r, self.columns % c].add(self.data)
        return BSR.of(self.shape, data, places.indices, places.indptr)


def starts(rows: mx.array, count: int) -> mx.array:
    """The indptr of rows in order: for each, how many nonzeros come before it."""
    return mx.searchsorted(rows, mx.arange(count + 1, dtype=rows.dtype)).astype(mx.int32)


COO.kind = COO
