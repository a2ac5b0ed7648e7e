"""What the functions of the standard share: scalars beside arrays, devices, dtypes of sums."""

import contextlib

import olivine.core as mx

#: The dtype of positions and counts.
INDEX = mx.int64
SCALARS = (bool, int, float, complex)
_WIDENED = {
    mx.bool_: mx.int32,
    mx.int8: mx.int32,
    mx.int16: mx.int32,
    mx.uint8: mx.uint32,
    mx.uint16: mx.uint32,
}


def on_device(device):
    """A context in which arrays are made on that device; None: on the default one."""
    return contextlib.nullcontext() if device is None else mx.stream(device)


def array(x):
    """An operand as an array; Python scalars get the default dtype of their kind."""
    return x if isinstance(x, mx.array) else mx.array(x)


def together(*operands):
    """Arrays of one dtype; a Python scalar takes that of the arrays, or one of its own kind."""
    arrays = [x for x in operands if isinstance(x, mx.array)]
    kind = mx.result_type(*arrays) if arrays else None
    parts = [x if isinstance(x, mx.array) else beside(x, kind) for x in operands]
    dtype = mx.result_type(*parts)
    return [x if x.dtype == dtype else x.astype(dtype) for x in parts]


def beside(scalar, dtype):
    """A Python scalar as an array of a dtype, or of the next kind that holds it."""
    if dtype is None:
        return mx.array(scalar)
    if isinstance(scalar, complex) and not isinstance(scalar, bool):
        double = dtype in (mx.float64, mx.complex128)
        return mx.array(scalar, dtype=mx.complex128 if double else mx.complex64)
    if isinstance(scalar, float) and not mx.issubdtype(dtype, mx.inexact):
        return mx.array(scalar)
    if isinstance(scalar, int) and not isinstance(scalar, bool) and dtype == mx.bool_:
        return mx.array(scalar)
    return mx.array(scalar, dtype=dtype)


def sum_dtype(x, dtype):
    """The dtype of sums and products: as asked, else at least 32 bits for integers."""
    return dtype if dtype is not None else _WIDENED.get(x.dtype, x.dtype)


def cast(x, dtype):
    return x if x.dtype == dtype else x.astype(dtype)


def is_floating(dtype):
    return mx.issubdtype(dtype, mx.floating)


def is_complex(dtype):
    return mx.issubdtype(dtype, mx.complexfloating)


def is_inexact(dtype):
    return mx.issubdtype(dtype, mx.inexact)


def real_dtype(dtype):
    """The dtype of the parts of a complex number."""
    return {mx.complex64: mx.float32, mx.complex128: mx.float64}.get(dtype, dtype)


def axes_of(x, axis):
    """Axes as a sorted tuple of non-negative numbers; None: all of them."""
    if axis is None:
        return tuple(range(x.ndim))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    for a in axes:
        if not -x.ndim <= a < x.ndim:
            raise IndexError(f"[axis] expected an axis in [-{x.ndim}, {x.ndim}); got {a}")
    return tuple(sorted(a % x.ndim for a in axes))
