"""CSR: nonzeros row by row, with the column of each and where every row starts."""

from __future__ import annotations

from typing import Any

import olivine.core as mx

from .base import Sparse, as_array, known, same_shape
from .compressed import Compressed, row_numbers


class CSR(Compressed):
    """A sparse matrix by rows.

    Args:
        data: shape `(nnz,)`.
        indices: shape `(nnz,)`; the column of each nonzero, integers.
        indptr: shape `(rows + 1,)`; how many nonzeros come before each row, integers.
        shape: of the matrix; without, as many columns as the indices say.

    Nonzeros past `indptr[-1]` are padding that no function reads.

    Raises:
        ValueError: shapes do not fit, or `indptr` does not rise from 0 to at most nnz.
        IndexError: a column is out of range.
    """

    __slots__ = ()

    @classmethod
    def _block_shape(cls, data: mx.array) -> tuple[int, int]:
        if data.ndim != 1:
            raise ValueError(f"[CSR] expected data of shape (nnz,); got {data.shape}")
        return 1, 1

    @property
    def rows(self) -> mx.array:
        """The row of each nonzero."""
        return row_numbers(self.indptr, self.data.shape[0])

    def to_csr(self) -> Any:
        return self

    def to_coo(self) -> Any:
        from .coo import COO

        data = mx.where(self._used(), self.data, mx.zeros_like(self.data))
        return COO.of(self.shape, data, self.rows, self.indices)

    def _used(self) -> mx.array:
        """Which nonzeros are no padding."""
        return mx.arange(self.nnz) < self.indptr[-1]

    @property
    def T(self) -> Any:  # noqa: N802
        order, indices, indptr = mx.csr_transpose(self.indices, self.indptr, self.shape[1])
        return self.of(self.shape[::-1], self.data[order], indices, indptr)

    def _sparse_product(self, other: Sparse, nnz: int | None) -> Any:
        b, columns = other.to_csr(), other.shape[1]
        structure = mx.csr_pattern(self.indices, self.indptr, b.indices, b.indptr, columns, nnz)
        data = mx.csr_csr_matmul(*self, *b, *structure, columns)
        return self.of((self.shape[0], columns), data, *structure)

    # ---- Elements
    def gather(self, dense: mx.array) -> mx.array:
        """The elements of a dense matrix, which broadcasts to the shape, at the nonzeros."""
        if dense.ndim > 2 or any(
            n not in (1, own) for n, own in zip(dense.shape[::-1], self.shape[::-1], strict=False)
        ):
            raise ValueError(
                f"[sparse] expected an operand that broadcasts to {self.shape}; got {dense.shape}"
            )
        dense = dense.reshape((1,) * (2 - dense.ndim) + dense.shape)
        row = self.rows if dense.shape[0] > 1 else 0
        return dense[row, self.indices if dense.shape[1] > 1 else 0]

    def multiply(self, other: Any) -> Any:
        """Element by element with a sparse or dense matrix, at this one's nonzeros."""
        if not isinstance(other, Sparse):
            return self.with_data(self.data * self.gather(as_array(other)))
        same_shape(self, other)
        b = other.to_coo().coalesce()
        width = self.shape[1]
        own = self.rows.astype(mx.int64) * width + self.indices
        keys = b.rows.astype(mx.int64) * width + b.columns
        if b.nnz == 0:
            return self.map(mx.zeros_like)
        at = mx.minimum(mx.searchsorted(keys, own), b.nnz - 1)
        values = self.data * b.data[at]
        return self.with_data(mx.where(keys[at] == own, values, mx.zeros_like(values)))

    # ---- Reductions
    def sum(self, axis: int | None = None) -> mx.array:
        axis = checked_axis(axis)
        if axis is None:
            return mx.sum(mx.where(self._used(), self.data, mx.zeros_like(self.data)))
        if not mx.issubdtype(self.dtype, mx.inexact):
            return self._segments(axis, 0).add(self.to_coo().data)
        ones = mx.ones((self.shape[axis],), dtype=self.dtype)
        if axis == 1:
            return mx.csr_matmul(*self, ones)
        return self._transposed_product(ones)

    def _segments(self, axis: int, start: Any) -> Any:
        """Of an array with an element per row or column, those that the nonzeros belong to."""
        out = mx.full((self.shape[1 - axis],), mx.array(start, dtype=self.dtype))
        return out.at[self.rows if axis == 1 else self.indices]

    def max(self, axis: int | None = None) -> mx.array:
        axis = checked_axis(axis)
        if self.shape[0] * self.shape[1] == 0:
            raise ValueError(f"[max] expected a matrix with elements; got shape {self.shape}")
        if axis is None:
            return mx.max(self.max(1))
        used = self._used()
        ones = mx.where(used, mx.ones_like(self.indices), mx.zeros_like(self.indices))
        counts = mx.zeros((self.shape[1 - axis],), dtype=mx.int32)
        counts = counts.at[self.rows if axis == 1 else self.indices].add(ones)
        lowest = lowest_of(self.dtype)
        data = mx.where(used, self.data, mx.full(self.data.shape, lowest, dtype=self.dtype))
        largest = self._segments(axis, lowest).maximum(data)
        return mx.where(counts < self.shape[axis], mx.maximum(largest, 0), largest)

    def softmax(self) -> Any:
        """Over the nonzeros of each row."""
        used, rows = self._used(), self.rows
        data = mx.where(used, self.data, mx.full(self.data.shape, -mx.inf, dtype=self.dtype))
        largest = self._segments(1, -mx.inf).maximum(mx.stop_gradient(data))
        e = mx.where(used, mx.exp(data - mx.stop_gradient(largest)[rows]), mx.zeros_like(data))
        totals = self.with_data(e).sum(1)
        return self.with_data(e / mx.where(used, totals[rows], mx.ones_like(e)))

    # ---- Rows
    def slice_rows(self, index: slice) -> Any:
        """Rows begin:end, step 1; shares no memory and evaluates where they start."""
        begin, end, step = index.indices(self.shape[0])
        if step != 1:
            raise ValueError(f"[CSR] expected a slice of rows of step 1; got {step}")
        end = max(begin, end)
        indptr = self.indptr[begin : end + 1]
        first, last = known(indptr[0]), known(indptr[-1])
        if first is None:
            raise ValueError("[CSR] expected rows whose starts are known; got a traced indptr")
        arrays = (self.data[first:last], self.indices[first:last], indptr - first)
        return self.of((end - begin, self.shape[1]), *arrays)


def checked_axis(axis: int | None) -> int | None:
    if axis is None or -2 <= axis < 2:
        return axis if axis is None else axis % 2
    raise IndexError(f"[sparse] expected an axis in [-2, 2); got {axis}")


def lowest_of(dtype: mx.Dtype) -> Any:
    if mx.issubdtype(dtype, mx.floating):
        return -float("inf")
    if mx.issubdtype(dtype, mx.integer):
        return mx.iinfo(dtype).min
    raise ValueError(f"[max] expected a real dtype; got {dtype}")


CSR.kind = CSR
