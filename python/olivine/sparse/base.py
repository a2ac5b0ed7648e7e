"""What the sparse classes share: a tuple of arrays whose type knows the shape of the matrix."""

from __future__ import annotations

import functools
from typing import Any

import olivine.core as mx


class Sparse(tuple):
    """A sparse matrix: a named tuple of arrays, of a subclass for its shape.

    The subclass makes the shape part of the tree's structure, as `compile` needs it. Iteration and
    `len` are those of the tuple, `a[i:j]` is rows of the matrix.
    """

    __slots__ = ()
    __array_ufunc__ = None  # NumPy leaves operators to us
    _fields: tuple[str, ...] = ()
    kind: type[Sparse]
    shape: tuple[int, int] | None = None

    def __new__(cls, *arrays: mx.array) -> Any:
        """From the arrays of a tree; the classes users call take a shape and check."""
        return tuple.__new__(cls, arrays)

    @classmethod
    def _make(cls, arrays: Any) -> Any:
        return tuple.__new__(cls, arrays)

    @classmethod
    def of(cls, shape: tuple[int, int], *arrays: mx.array) -> Any:
        """A matrix of this class from arrays that are known to fit."""
        return tuple.__new__(with_shape(cls.kind, tuple(shape)), arrays)

    def __reduce__(self) -> Any:
        return _restore, (self.kind, self.shape, tuple(self))

    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__

    # ---- What it is
    ndim = 2

    @property
    def data(self) -> mx.array:
        """The nonzeros."""
        return tuple.__getitem__(self, 0)

    @property
    def dtype(self) -> mx.Dtype:
        return self.data.dtype

    @property
    def nnz(self) -> int:
        """How many elements are stored, zeros and padding included."""
        return self.data.size

    def __repr__(self) -> str:
        return f"{self.kind.__name__}(shape={self.shape}, nnz={self.nnz}, dtype={self.dtype})"

    def with_data(self, data: mx.array) -> Any:
        """The same places with other values."""
        if data.shape != self.data.shape:
            raise ValueError(f"[sparse] expected data of shape {self.data.shape}; got {data.shape}")
        return type(self)._make((data, *tuple(self)[1:]))

    def astype(self, dtype: mx.Dtype) -> Any:
        return self.with_data(self.data.astype(dtype))

    # ---- Conversions; to_coo and to_csr are the classes' own.
    def to_coo(self) -> Any:
        raise NotImplementedError

    def to_csr(self) -> Any:
        raise NotImplementedError

    def to_bsr(self, block_shape: tuple[int, int], nnz: int | None = None) -> Any:
        """In blocks of (R, C), which divide the shape; `nnz` bounds the blocks, for traces."""
        return self.to_coo().to_bsr(block_shape, nnz)

    def to_dense(self) -> mx.array:
        return self.to_coo().to_dense()

    def to_scipy(self) -> Any:
        """As SciPy's `csr_array`; needs SciPy."""
        import numpy as np
        from scipy.sparse import csr_array

        csr = self.to_csr()
        used = int(csr.indptr[-1].item())
        arrays = (csr.data[:used], csr.indices[:used], csr.indptr)
        return csr_array(tuple(np.array(x) for x in arrays), shape=self.shape)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        import numpy as np

        return np.asarray(self.to_dense(), dtype=dtype)

    # ---- Products
    def matmul(self, other: Any, nnz: int | None = None) -> Any:
        """The product with a dense vector or matrix, or with a sparse one (then a CSR).

        `nnz` bounds the nonzeros of a sparse product, as `compile` and `vmap` need; without, the
        operands are evaluated to count them.
        """
        return self.to_csr().matmul(other, nnz)

    def __matmul__(self, other: Any) -> Any:
        return self.matmul(other) if is_operand(other) else NotImplemented

    def __rmatmul__(self, other: Any) -> Any:
        if not is_operand(other):
            return NotImplemented
        left = mx.array(other)
        return (self.T @ left.T).T if left.ndim == 2 else self.T @ left

    @property
    def T(self) -> Any:  # noqa: N802
        """The transpose."""
        return self.to_csr().T

    # ---- Arithmetic, nonzero by nonzero where that is what it means
    def map(self, fn: Any) -> Any:
        """`fn` of the nonzeros, where it gives 0 for 0."""
        return self.with_data(fn(self.data))

    def __neg__(self) -> Any:
        return self.map(mx.negative)

    def __abs__(self) -> Any:
        return self.map(mx.abs)

    def __mul__(self, other: Any) -> Any:
        if is_scalar(other):
            return self.map(lambda x: x * other)
        return self.to_csr().multiply(other) if is_operand(other) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if is_scalar(other):
            return self.map(lambda x: x / other)
        if isinstance(other, Sparse) or not is_operand(other):
            return NotImplemented
        csr = self.to_csr()
        return csr.with_data(csr.data / csr.gather(mx.array(other)))

    def __add__(self, other: Any) -> Any:
        if not is_operand(other):
            return NotImplemented
        if isinstance(other, Sparse):
            return self.add(other)
        return self.to_dense() + other

    __radd__ = __add__

    def add(self, other: Sparse, nnz: int | None = None) -> Any:
        """The sum with another sparse matrix, as a CSR; `nnz` bounds it, for traces."""
        same_shape(self, other)
        a, b = self.to_coo(), other.to_coo()
        arrays = [mx.concatenate([x, y]) for x, y in zip(a, b, strict=True)]
        return a.of(self.shape, *arrays).to_csr(nnz)

    def __sub__(self, other: Any) -> Any:
        return self + -other if is_operand(other) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return -self + other if is_operand(other) else NotImplemented

    # ---- Reductions
    def sum(self, axis: int | None = None) -> mx.array:
        """Over an axis, or of all: shape (columns,), (rows,) or ()."""
        return self.to_csr().sum(axis)

    def mean(self, axis: int | None = None) -> mx.array:
        """Of all elements along an axis, the zeros too."""
        rows, columns = self.shape
        count = rows * columns if axis is None else self.shape[axis]
        return self.sum(axis) / count

    def max(self, axis: int | None = None) -> mx.array:
        """The largest along an axis, zeros that are not stored included."""
        return self.to_csr().max(axis)

    def min(self, axis: int | None = None) -> mx.array:
        """The smallest along an axis, zeros that are not stored included."""
        return -(-self).max(axis)

    # ---- Rows
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.to_csr().slice_rows(index)
        return tuple.__getitem__(self, index)


@functools.cache
def with_shape(kind: type, shape: tuple[int, int]) -> type:
    """The subclass of `kind` for one shape: the same object every time."""
    names = {"shape": shape, "__slots__": (), "__module__": kind.__module__}
    return type(kind.__name__, (kind,), names)


def _restore(kind: type[Sparse], shape: tuple[int, int], arrays: tuple) -> Sparse:
    return kind.of(shape, *arrays)


def is_scalar(x: Any) -> bool:
    return isinstance(x, (bool, int, float, complex)) or isinstance(x, mx.array) and x.ndim == 0


def is_operand(x: Any) -> bool:
    return isinstance(x, (Sparse, mx.array)) or hasattr(x, "__array__")


def as_array(x: Any) -> mx.array:
    return x if isinstance(x, mx.array) else mx.array(x)


def same_shape(a: Sparse, b: Sparse) -> None:
    if a.shape != b.shape:
        raise ValueError(f"[sparse] expected matrices of one shape; got {a.shape} and {b.shape}")


def checked_shape(shape: Any) -> tuple[int, int]:
    """Two sizes below 2**31, as a tuple of ints."""
    try:
        rows, columns = (int(n) for n in shape)
    except (TypeError, ValueError):
        raise ValueError(f"[sparse] expected a shape of two sizes; got {shape}") from None
    if not (0 <= rows < 2**31 and 0 <= columns < 2**31):
        raise ValueError(f"[sparse] expected sizes in [0, 2**31); got {shape}")
    return rows, columns


def known(x: mx.array) -> Any:
    """The value of a scalar; None while a function is traced, when there is none."""
    try:
        return x.item()
    except ValueError as error:
        if str(error).startswith("[eval] expected an array with a value"):
            return None
        raise


def index_array(x: Any, name: str) -> mx.array:
    """Integers of one axis, as int32 where they are narrower."""
    x = as_array(x)
    if x.ndim != 1 or not mx.issubdtype(x.dtype, mx.integer):
        raise ValueError(
            f"[sparse] expected {name} of one axis and an integer dtype; "
            f"got {x.dtype} of shape {x.shape}"
        )
    return x if x.dtype in (mx.int32, mx.int64) else x.astype(mx.int64)


def check_range(x: mx.array, size: int, name: str) -> mx.array:
    """`x` as int32, where its values can be known to be in [0, size); an error if they are not."""
    if x.size:
        low, high = known(mx.min(x)), known(mx.max(x))
        if low is not None and (low < 0 or high >= size):
            wrong = low if low < 0 else high
            raise IndexError(f"[sparse] expected {name} in [0, {size}); got {wrong}")
        if low is None:
            return x
    return x.astype(mx.int32)
