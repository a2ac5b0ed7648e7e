"""Creation functions of the array API standard."""

from numbers import Integral

import olivine.core as mx
from olivine.array_api._common import SCALARS, cast, is_complex, on_device, real_dtype


def asarray(obj, /, *, dtype=None, device=None, copy=None):
    """An array from scalars, nested sequences, buffers or DLPack; arrays keep their dtype."""
    with on_device(device):
        if isinstance(obj, mx.array):
            if dtype is not None and dtype != obj.dtype:
                if copy is False:
                    raise ValueError(
                        f"[asarray] expected {obj.dtype} where copy=False; got dtype {dtype}"
                    )
                return obj.astype(dtype)
            return mx.array(obj) if copy else obj
        if isinstance(obj, (*SCALARS, list, tuple)) and not hasattr(obj, "dtype"):
            if copy is False:
                raise ValueError("[asarray] expected memory to share with copy=False; got values")
            return _of_values(obj, dtype)
        own = getattr(obj, "dtype", None)  # mx.asarray takes NumPy's float64 for float32
        if dtype is None and str(own) in ("float64", "complex128"):
            dtype = getattr(mx, str(own))
        return mx.asarray(obj, dtype, copy=copy)


def _of_values(obj, dtype):
    if dtype is not None or not isinstance(obj, list | tuple):
        return mx.array(obj) if dtype is None else mx.array(obj, dtype=dtype)
    arrays = []
    _find_arrays(obj, arrays)
    return mx.array(obj, dtype=mx.result_type(*arrays)) if arrays else mx.array(obj)


def _find_arrays(values, found):
    for v in values:
        if isinstance(v, list | tuple):
            _find_arrays(v, found)
        elif isinstance(v, mx.array):
            found.append(v)


def arange(start, /, stop=None, step=1, *, dtype=None, device=None):
    """Evenly spaced values from `start` up to, not including, `stop`."""
    if stop is None:
        start, stop = 0, start
    with on_device(device):
        return mx.arange(start, stop, step, dtype=dtype)


def empty(shape, *, dtype=None, device=None):
    """An array of that shape whose values say nothing."""
    return full(shape, 0, dtype=mx.float32 if dtype is None else dtype, device=device)


def empty_like(x, /, *, dtype=None, device=None):
    """An array of the shape of `x` whose values say nothing."""
    return empty(x.shape, dtype=dtype or x.dtype, device=device)


def eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None):
    """Ones on the k-th diagonal, zeros elsewhere."""
    with on_device(device):
        return mx.eye(n_rows, n_cols, k, dtype=dtype or mx.float32)


def from_dlpack(x, /, *, device=None, copy=None):
    """An array over the memory that `x` exports by DLPack, copied only where it must be."""
    with on_device(device):
        return mx.from_dlpack(x, copy=copy)


def full(shape, fill_value, *, dtype=None, device=None):
    """An array of one value; without a dtype, of the default one of its kind."""
    with on_device(device):
        if isinstance(fill_value, SCALARS):  # in its dtype at once, with all digits
            fill_value = mx.array(fill_value, dtype=dtype)
        shape = shape if isinstance(shape, Integral) else tuple(shape)
        return mx.full(shape, fill_value, dtype=dtype or fill_value.dtype)


def full_like(x, /, fill_value, *, dtype=None, device=None):
    """One value in the shape of `x`."""
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device)


def linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True):
    """`num` values from `start` to `stop`, which belongs to them with `endpoint`."""
    if num < 0:
        raise ValueError(f"[linspace] expected a non-negative number of values; got {num}")
    ends = [complex(v) if isinstance(v, complex) else v for v in (start, stop)]
    if dtype is None:
        dtype = mx.complex64 if any(isinstance(v, complex) for v in ends) else mx.float32
    with on_device(device):
        if not is_complex(dtype):
            return mx.linspace(start, stop, num, endpoint=endpoint, dtype=dtype)
        part = real_dtype(dtype)
        a, b = complex(start), complex(stop)
        re = mx.linspace(a.real, b.real, num, endpoint=endpoint, dtype=part)
        im = mx.linspace(a.imag, b.imag, num, endpoint=endpoint, dtype=part)
        return cast(re, dtype) + cast(im, dtype) * mx.array(1j, dtype=dtype)


def meshgrid(*arrays, indexing="xy"):
    """Coordinate matrices of coordinate vectors."""
    return tuple(mx.meshgrid(*arrays, indexing=indexing)) if arrays else ()


def ones(shape, *, dtype=None, device=None):
    """An array of ones."""
    return full(shape, 1, dtype=dtype or mx.float32, device=device)


def ones_like(x, /, *, dtype=None, device=None):
    """Ones in the shape of `x`."""
    return ones(x.shape, dtype=dtype or x.dtype, device=device)


def tril(x, /, *, k=0):
    """The lower triangles of matrices, zeros above the k-th diagonal."""
    return mx.tril(x, k)


def triu(x, /, *, k=0):
    """The upper triangles of matrices, zeros below the k-th diagonal."""
    return mx.triu(x, k)


def zeros(shape, *, dtype=None, device=None):
    """An array of zeros."""
    return full(shape, 0, dtype=dtype or mx.float32, device=device)


def zeros_like(x, /, *, dtype=None, device=None):
    """Zeros in the shape of `x`."""
    return zeros(x.shape, dtype=dtype or x.dtype, device=device)
