"""Functions of the array API standard that reduce, accumulate, sort and search."""

import olivine.core as mx
from olivine.array_api._common import (
    INDEX,
    array,
    axes_of,
    cast,
    is_floating,
    sum_dtype,
)


def all(x, /, *, axis=None, keepdims=False):  # noqa: A001
    """Whether all elements along axes are true."""
    return mx.all(x, axis, keepdims)


def any(x, /, *, axis=None, keepdims=False):  # noqa: A001
    """Whether some element along axes is true."""
    return mx.any(x, axis, keepdims)


def max(x, /, *, axis=None, keepdims=False):  # noqa: A001
    """The largest elements along axes."""
    return mx.max(x, axis, keepdims)


def min(x, /, *, axis=None, keepdims=False):  # noqa: A001
    """The smallest elements along axes."""
    return mx.min(x, axis, keepdims)


def sum(x, /, *, axis=None, dtype=None, keepdims=False):  # noqa: A001
    """Sums along axes; integers of fewer than 32 bits are added up in 32."""
    dtype = sum_dtype(x, dtype)
    return cast(mx.sum(cast(x, dtype), axis, keepdims), dtype)


def prod(x, /, *, axis=None, dtype=None, keepdims=False):
    """Products along axes; integers of fewer than 32 bits are multiplied in 32."""
    dtype = sum_dtype(x, dtype)
    return cast(mx.prod(cast(x, dtype), axis, keepdims), dtype)


def mean(x, /, *, axis=None, keepdims=False):
    """Means along axes."""
    return mx.mean(x, axis, keepdims)


def var(x, /, *, axis=None, correction=0.0, keepdims=False):
    """Variances along axes; the divisor is the number of elements less `correction`."""
    if not is_floating(x.dtype):
        raise TypeError(f"[var] expected a real floating dtype; got {x.dtype}")
    if correction == int(correction):
        return mx.var(x, axis, keepdims, correction=int(correction))
    count = 1
    for a in axes_of(x, axis):
        count *= x.shape[a]
    part = mx.var(x, axis, keepdims)
    return part * mx.array(count / (count - correction), dtype=part.dtype)


def std(x, /, *, axis=None, correction=0.0, keepdims=False):
    """Standard deviations along axes; the divisor is the number of elements less `correction`."""
    return mx.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def count_nonzero(x, /, *, axis=None, keepdims=False):
    """How many elements along axes are not zero."""
    return cast(mx.count_nonzero(x, axis=axis, keepdims=keepdims), INDEX)


def _accumulate(name, function, x, axis, dtype, include_initial, initial):
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"[{name}] expected an axis for an array of {x.ndim} axes; got None")
        axis = 0
    dtype = sum_dtype(x, dtype)
    out = cast(function(cast(x, dtype), axis), dtype)
    if not include_initial:
        return out
    shape = list(x.shape)
    shape[axis] = 1
    return mx.concatenate([mx.full(shape, initial, dtype=dtype), out], axis=axis)


def cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False):
    """Sums of the elements up to each, with `include_initial` a zero before them."""
    return _accumulate("cumulative_sum", mx.cumsum, x, axis, dtype, include_initial, 0)


def cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False):
    """Products of the elements up to each, with `include_initial` a one before them."""
    return _accumulate("cumulative_prod", mx.cumprod, x, axis, dtype, include_initial, 1)


def argmax(x, /, *, axis=None, keepdims=False):
    """Positions of the first largest elements."""
    return cast(mx.argmax(x, axis, keepdims), INDEX)


def argmin(x, /, *, axis=None, keepdims=False):
    """Positions of the first smallest elements."""
    return cast(mx.argmin(x, axis, keepdims), INDEX)


def sort(x, /, *, axis=-1, descending=False, stable=True):
    """Elements in order along an axis; every sort here is stable."""
    out = mx.sort(x, axis=axis)
    return mx.flip(out, axis) if descending else out


def argsort(x, /, *, axis=-1, descending=False, stable=True):
    """Positions that sort the elements along an axis, equal ones in their order."""
    if not descending:
        return cast(mx.argsort(x, axis=axis), INDEX)
    order = cast(mx.flip(mx.argsort(mx.flip(x, axis), axis=axis), axis), INDEX)
    return mx.array(x.shape[axis] - 1, dtype=INDEX) - order


def searchsorted(x1, x2, /, *, side="left", sorter=None):
    """Where elements of `x2` would be inserted into `x1`, sorted or in order by `sorter`."""
    if sorter is not None:
        x1 = mx.take(x1, sorter, axis=0)
    values = array(x2)
    dtype = mx.result_type(x1, values)
    return cast(mx.searchsorted(cast(x1, dtype), cast(values, dtype), side=side), INDEX)
