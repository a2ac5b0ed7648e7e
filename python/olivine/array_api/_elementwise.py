"""Element-wise functions of the array API standard: those of olivine.core under its signatures."""

import olivine.core as mx
from olivine.array_api._common import (
    array,
    beside,
    cast,
    is_complex,
    is_floating,
    is_inexact,
    together,
)


def _unary(name, function, text):
    def f(x, /):
        return function(x)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = text
    return f


def _binary(name, function, text):
    def f(x1, x2, /):
        return function(*together(x1, x2))

    f.__name__ = f.__qualname__ = name
    f.__doc__ = text
    return f


_UNARY = "acos acosh asin asinh atan atanh bitwise_invert cos cosh exp isfinite isinf isnan "
_UNARY += "log log10 log1p log2 logical_not negative positive reciprocal sin sinh sqrt square "
_UNARY += "tan tanh"
_BINARY = "add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor "
_BINARY += "divide equal floor_divide greater greater_equal less less_equal logaddexp logical_and "
_BINARY += "logical_or logical_xor maximum minimum multiply not_equal pow remainder subtract"
for _name in _UNARY.split():
    globals()[_name] = _unary(_name, getattr(mx, _name), f"`olivine.core.{_name}` of each element.")
for _name in _BINARY.split():
    globals()[_name] = _binary(
        _name,
        getattr(mx, _name),
        f"`olivine.core.{_name}` of pairs; one of them may be a Python scalar.",
    )
del _name


def abs(x, /):  # noqa: A001
    """Magnitudes; real ones of complex numbers."""
    return x if x.dtype == mx.bool_ else mx.abs(x)


def ceil(x, /):
    """The smallest integers not below the elements."""
    return mx.ceil(x)


def floor(x, /):
    """The largest integers not above the elements."""
    return mx.floor(x)


def trunc(x, /):
    """The integers next to the elements towards zero."""
    return mx.trunc(x)


def round(x, /):  # noqa: A001
    """The nearest integers, ties to even; of complex numbers by parts."""
    return mx.round(x)


def clip(x, /, min=None, max=None):  # noqa: A002
    """Elements held between bounds, which broadcast; the dtype stays that of `x`."""
    for bound, hold in ((min, mx.maximum), (max, mx.minimum)):
        if bound is not None:
            x = cast(hold(x, cast(_bound(bound, x), x.dtype)), x.dtype)
    return x


def _bound(bound, x):
    if isinstance(bound, mx.array):
        return bound
    if isinstance(bound, int) and not is_inexact(x.dtype):
        limits = mx.iinfo(x.dtype)
        bound = _held(bound, limits.min, limits.max)
    return beside(bound, x.dtype)


def _held(value, low, high):
    """A Python int held between two others."""
    return low if value < low else high if value > high else value


def conj(x, /):
    """Complex conjugates."""
    return mx.conj(x) if is_complex(x.dtype) else x


def real(x, /):
    """Real parts; real numbers are their own."""
    return mx.real(x) if is_complex(x.dtype) else x


def imag(x, /):
    """Imaginary parts; zeros for real numbers."""
    return mx.imag(x) if is_complex(x.dtype) else mx.zeros_like(x)


def expm1(x, /):
    """exp(x) - 1 with the digits of a small x, complex numbers too."""
    if not is_complex(x.dtype):
        return mx.expm1(x)
    re, im = mx.real(x), mx.imag(x)
    half = mx.sin(im * beside(0.5, im.dtype))
    across = beside(2.0, im.dtype) * half * half
    near = mx.expm1(re)
    first = near * mx.cos(im) - across
    second = (near + beside(1.0, re.dtype)) * mx.sin(im)
    return cast(first, x.dtype) + cast(second, x.dtype) * mx.array(1j, dtype=x.dtype)


def sign(x, /):
    """-1, 0 or 1 by the sign, NaN for NaN; z / |z| of complex numbers."""
    s = mx.sign(x)
    return mx.where(mx.isnan(x), x, s) if is_inexact(x.dtype) else s


_BITS = {
    mx.float16: mx.uint16,
    mx.bfloat16: mx.uint16,
    mx.float32: mx.uint32,
    mx.float64: mx.uint64,
}


def signbit(x, /):
    """Whether the sign bit is set, that of zeros and NaN too."""
    if not is_floating(x.dtype):
        raise TypeError(f"[signbit] expected a real floating dtype; got {x.dtype}")
    bits = _BITS[x.dtype]
    return mx.right_shift(mx.view(x, bits), mx.array(8 * x.itemsize - 1, dtype=bits)) != 0


def copysign(x1, x2, /):
    """The magnitudes of `x1` under the signs of `x2`."""
    a, b = mx.broadcast_arrays(*together(x1, x2))
    return mx.where(signbit(a) == signbit(b), a, -a)


def hypot(x1, x2, /):
    """sqrt(x1^2 + x2^2) without overflow on the way."""
    return mx.hypot(*together(x1, x2))


def nextafter(x1, x2, /):
    """The next number after `x1` in the direction of `x2`."""
    a, b = mx.broadcast_arrays(*together(x1, x2))
    if not is_floating(a.dtype):
        raise TypeError(f"[nextafter] expected a real floating dtype; got {a.dtype}")
    bits = _BITS[a.dtype]
    one = mx.array(1, dtype=bits)
    pattern = mx.view(a, bits)
    away = (b > a) == (a > mx.array(0, dtype=a.dtype))
    moved = mx.view(mx.where(away, pattern + one, pattern - one), a.dtype)
    least = mx.view(mx.broadcast_to(one, a.shape), a.dtype)
    moved = mx.where(a == 0, copysign(least, b), moved)
    moved = mx.where(a == b, b, moved)
    return mx.where(mx.isnan(a) | mx.isnan(b), mx.array(mx.nan, dtype=a.dtype), moved)


def matmul(x1, x2, /):
    """Matrix products; of integers by sums of products."""
    a, b = together(array(x1), array(x2))
    if is_inexact(a.dtype) or a.dtype == mx.bool_:
        return mx.matmul(a, b)
    row, column = a.ndim == 1, b.ndim == 1
    a, b = (a[None, :] if row else a), (b[:, None] if column else b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"[matmul] expected shapes (..., M, K) and (..., K, N); got {x1.shape} and {x2.shape}"
        )
    out = mx.einsum("...ij,...jk->...ik", a, b)
    out = out[..., 0, :] if row else out
    return out[..., 0] if column else out
