"""What CSR and BSR share: rows of nonzeros or of blocks, where each row starts, and products."""

from __future__ import annotations

from typing import Any

import olivine.core as mx

from .base import Sparse, as_array, check_range, checked_shape, index_array, known


class Compressed(Sparse):
    """A matrix of blocks, row of blocks by row of blocks; those of a CSR are single elements."""

    __slots__ = ()
    _fields = ("data", "indices", "indptr")

    def __new__(
        cls, data: Any, indices: Any, indptr: Any, shape: tuple[int, int] | None = None
    ) -> Any:
        if cls.shape is not None and shape is None:  # a tree function rebuilds one
            return cls._make((data, indices, indptr))
        data, op = as_array(data), cls.kind.__name__
        r, c = cls._block_shape(data)
        indices, indptr = checked_structure(indices, indptr, data.shape[0], op)
        if shape is None:
            columns = 1 + int(mx.max(indices).item()) if indices.size else 0
            shape = (r * (indptr.shape[0] - 1), c * columns)
        shape = checked_shape(shape)
        if shape[0] % r or shape[1] % c:
            raise ValueError(f"[{op}] expected a shape in whole blocks of {r} x {c}; got {shape}")
        if shape[0] != r * (indptr.shape[0] - 1):
            raise ValueError(
                f"[{op}] expected an indptr of {shape[0] // r + 1} elements; got {indptr.shape[0]}"
            )
        return cls.of(shape, data, check_range(indices, shape[1] // c, "indices"), indptr)

    @classmethod
    def _block_shape(cls, data: mx.array) -> tuple[int, int]:
        """Of `data`; an error unless it has this class's number of axes."""
        raise NotImplementedError

    @property
    def indices(self) -> mx.array:
        return tuple.__getitem__(self, 1)

    @property
    def indptr(self) -> mx.array:
        return tuple.__getitem__(self, 2)

    # ---- Products
    def matmul(self, other: Any, nnz: int | None = None) -> Any:
        if (other.shape[0] if other.shape else None) != self.shape[1]:
            raise ValueError(
                f"[matmul] expected operands of one inner size; got {self.shape} and {other.shape}"
            )
        if isinstance(other, Sparse):
            return self._sparse_product(other, nnz)
        return mx.csr_matmul(*self, as_array(other))

    def _sparse_product(self, other: Sparse, nnz: int | None) -> Any:
        return self.to_csr().matmul(other, nnz)

    def __rmatmul__(self, other: Any) -> Any:
        if not hasattr(other, "__array__"):
            return NotImplemented
        return self._transposed_product(as_array(other).T).T

    def _transposed_product(self, dense: mx.array) -> mx.array:
        return mx.csr_matmul_transposed(*self, dense, self.shape[1])


def row_numbers(indptr: mx.array, nnz: int) -> mx.array:
    """The row of each nonzero; of padding, the last one."""
    places = mx.searchsorted(indptr, mx.arange(nnz, dtype=indptr.dtype), side="right")
    last = max(indptr.shape[0] - 2, 0)
    return mx.minimum(places.astype(mx.int32) - 1, last)


def checked_structure(indices: Any, indptr: Any, nnz: int, op: str) -> tuple[mx.array, mx.array]:
    """Both as arrays of integers, an indptr that is known checked."""
    indices, indptr = index_array(indices, "indices"), index_array(indptr, "indptr")
    if indices.shape[0] != nnz or indptr.shape[0] == 0:
        raise ValueError(
            f"[{op}] expected an index per nonzero and an indptr of one element more than rows; "
            f"got {nnz} nonzeros, {indices.shape[0]} indices and an indptr of {indptr.shape[0]}"
        )
    falls = known(mx.any(indptr[1:] < indptr[:-1]))
    if falls is not None:
        first, last = indptr[0].item(), indptr[-1].item()
        if falls or first != 0 or last > nnz:
            got = "one that falls" if falls else f"one from {first} to {last}"
            raise ValueError(
                f"[{op}] expected an indptr that rises from 0 to at most {nnz}; got {got}"
            )
    return indices, indptr
