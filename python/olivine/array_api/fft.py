"""Fourier transforms of the array API standard: those of olivine.core.fft under its signatures."""

import olivine.core as mx
from olivine.array_api._common import cast, on_device

__all__ = [
    "fft",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]
_INVERSE = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _line(name, text):
    function = getattr(mx.fft, name)

    def f(x, /, *, n=None, axis=-1, norm="backward"):
        return function(x, n, axis, norm)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = text
    return f


def _axes(name, text):
    function = getattr(mx.fft, name)

    def f(x, /, *, s=None, axes=None, norm="backward"):
        if s is not None and axes is None:
            axes = tuple(range(x.ndim - len(s), x.ndim))
        return function(x, None if s is None else tuple(s), axes, norm)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = text
    return f


fft = _line("fft", "The discrete Fourier transform along an axis.")
ifft = _line("ifft", "The inverse of `fft`.")
rfft = _line("rfft", "The transform of real input: the half that is not redundant.")
irfft = _line("irfft", "The inverse of `rfft`; `n` is the number of real results.")
fftn = _axes("fftn", "The transform along several axes.")
ifftn = _axes("ifftn", "The inverse of `fftn`.")
rfftn = _axes("rfftn", "The transform of real input along several axes.")
irfftn = _axes("irfftn", "The inverse of `rfftn`.")


def hfft(x, /, *, n=None, axis=-1, norm="backward"):
    """The transform, real, of a signal of Hermitian symmetry given by its first half."""
    return mx.fft.irfft(mx.conj(x), n, axis, _INVERSE[norm])


def ihfft(x, /, *, n=None, axis=-1, norm="backward"):
    """The inverse of `hfft`."""
    return mx.conj(mx.fft.rfft(x, n, axis, _INVERSE[norm]))


def _frequencies(name, function, n, d, dtype, device):
    if dtype is not None and dtype not in (mx.float32, mx.float64):
        raise ValueError(f"[{name}] expected a real floating dtype; got {dtype}")
    with on_device(device):
        # Integers times one number, so that float64 has its own digits.
        steps = mx.round(function(n, 1.0 / n) if n else function(n, 1.0))
        dtype = dtype or mx.float32
        return cast(steps, dtype) / mx.array(n * d, dtype=dtype)


def fftfreq(n, /, *, d=1.0, dtype=None, device=None):
    """The frequencies of the results of `fft` of `n` values, `d` apart."""
    return _frequencies("fftfreq", mx.fft.fftfreq, n, d, dtype, device)


def rfftfreq(n, /, *, d=1.0, dtype=None, device=None):
    """The frequencies of the results of `rfft` of `n` values, `d` apart."""
    return _frequencies("rfftfreq", mx.fft.rfftfreq, n, d, dtype, device)


def fftshift(x, /, *, axes=None):
    """The zero frequency moved to the middle."""
    return mx.fft.fftshift(x, axes)


def ifftshift(x, /, *, axes=None):
    """The inverse of `fftshift`."""
    return mx.fft.ifftshift(x, axes)
