"""Functions of the array API standard that move elements: shapes, dtypes, selections."""

from numbers import Integral

import olivine.core as mx
from olivine.array_api._common import array, axes_of, cast, on_device, together


def astype(x, dtype, /, *, copy=True, device=None):
    """The elements converted to another dtype."""
    with on_device(device):
        if x.dtype == dtype:
            return mx.array(x) if copy else x
        return x.astype(dtype)


def broadcast_arrays(*arrays):
    """Arrays of one shape."""
    return tuple(mx.broadcast_arrays(*arrays))


def broadcast_shapes(*shapes):
    """The shape that arrays of these shapes broadcast to."""
    return tuple(mx.broadcast_shapes(*shapes))


def broadcast_to(x, /, shape):
    """The array under a larger shape."""
    return mx.broadcast_to(x, tuple(shape))


def concat(arrays, /, *, axis=0):
    """Arrays joined along an axis; None: flattened ones."""
    return mx.concatenate(together(*arrays), axis=axis)


def expand_dims(x, /, axis=0):
    """Axes of size 1 inserted at these places of the result."""
    return mx.expand_dims(x, axis)


def flip(x, /, *, axis=None):
    """Elements in reverse along axes, all of them by default."""
    return mx.flip(x, axis)


def moveaxis(x, source, destination, /):
    """Axes moved to other places, the others in their order."""
    src = tuple(source) if isinstance(source, tuple | list) else (source,)
    dst = tuple(destination) if isinstance(destination, tuple | list) else (destination,)
    for a in (*src, *dst):
        axes_of(x, a)
    src, dst = [a % x.ndim for a in src], [a % x.ndim for a in dst]
    if len(src) != len(dst) or len({*src}) != len(src) or len({*dst}) != len(dst):
        raise ValueError(
            "[moveaxis] expected as many different axes as destinations; got "
            f"{source} and {destination}"
        )
    order = [a for a in range(x.ndim) if a not in src]
    for place, a in sorted(zip(dst, src, strict=True)):
        order.insert(place, a)
    return mx.transpose(x, order) if x.ndim else x


def permute_dims(x, /, axes):
    """Axes in another order."""
    if sorted(a % x.ndim if x.ndim else a for a in axes) != list(range(x.ndim)):
        raise ValueError(f"[permute_dims] expected each of {x.ndim} axes once; got {tuple(axes)}")
    return mx.transpose(x, list(axes)) if x.ndim else x


def repeat(x, repeats, /, *, axis=None):
    """Every element that many times; an array of counts says it for each one."""
    if not isinstance(repeats, Integral):
        counts = array(repeats)
        repeats = int(counts.item()) if counts.size == 1 else counts
    return mx.repeat(x, repeats, axis=axis)


def reshape(x, /, shape, *, copy=None):
    """The elements in row-major order under another shape; one dimension may be -1."""
    return mx.reshape(mx.array(x) if copy else x, tuple(shape))


def roll(x, /, shift, *, axis=None):
    """Elements moved along axes, those at the end to the front."""
    return mx.roll(x, tuple(shift) if isinstance(shift, list) else shift, axis)


def squeeze(x, /, axis):
    """The array without these axes, which have size 1."""
    return mx.squeeze(x, axis) if axes_of(x, axis) else x


def stack(arrays, /, *, axis=0):
    """Arrays joined along a new axis."""
    return mx.stack(together(*arrays), axis=axis)


def tile(x, repetitions, /):
    """Copies of the array side by side, so many along each axis."""
    return mx.tile(x, tuple(repetitions))


def unstack(x, /, *, axis=0):
    """The slices along an axis."""
    return tuple(mx.unstack(x, axis=axis))


def take(x, indices, /, *, axis=None):
    """Slices at these positions along an axis, which arrays of one axis need not name."""
    if axis is None:
        if x.ndim != 1:
            raise ValueError(f"[take] expected an axis for an array of {x.ndim} axes; got None")
        axis = 0
    return mx.take(x, indices, axis=axis)


def take_along_axis(x, indices, /, *, axis=-1):
    """Elements at their own positions along an axis; other axes broadcast."""
    return mx.take_along_axis(x, indices, axis=axis)


def where(condition, x1, x2, /):
    """`x1` where the condition is true, else `x2`; both may be Python scalars."""
    a, b = together(x1, x2)
    return mx.where(condition, a, b)


def diff(x, /, *, axis=-1, n=1, prepend=None, append=None):
    """Differences of neighbours, `n` times, after joining what comes before and behind."""
    parts = [p for p in (prepend, x, append) if p is not None]
    if len(parts) > 1:
        x = mx.concatenate(together(*parts), axis=axis)
    return cast(mx.diff(x, n=n, axis=axis), x.dtype)


def isin(x1, x2, /, *, invert=False):
    """Whether each element of `x1` occurs in `x2`."""
    a, b = together(x1, x2)
    b = mx.sort(mx.reshape(b, (-1,)))
    if b.size == 0:
        return mx.full(a.shape, invert, dtype=mx.bool_)
    place = mx.searchsorted(b, mx.reshape(a, (-1,)))
    last = mx.array(b.size - 1, dtype=place.dtype)
    found = mx.reshape(mx.take(b, mx.minimum(place, last), axis=0), a.shape) == a
    return ~found if invert else found
