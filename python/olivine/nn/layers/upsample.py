"""Resampling of the spatial axes of `(batch, *spatial, channels)` by a factor.

Every method is separable: along one axis, output `i` is a weighted sum of a few inputs (its taps),
with indices and weights that depend on the sizes alone.
"""

from __future__ import annotations

import math
from typing import Literal

import olivine.core as mx
from olivine.nn.layers.base import Module


def _interpolate(x, scale_factor, align_corners, antialias, method):
    from olivine.nn.layers.resampling import taps

    for axis, scale in enumerate(_per_axis(x, scale_factor), start=1):
        indices, weights = taps(x.shape[axis], scale, align_corners, antialias, method)
        shape = (-1, *(1,) * (x.ndim - axis - 1))
        total = None
        for tap in range(indices.shape[1]):
            weight = mx.array(weights[:, tap]).reshape(shape).astype(x.dtype)
            part = mx.take(x, mx.array(indices[:, tap]), axis=axis) * weight
            total = part if total is None else total + part
        x = total
    return x


def _per_axis(x: mx.array, scale_factor) -> tuple:
    count = x.ndim - 2
    scales = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * count
    if count < 1:
        raise ValueError(
            "[Upsample] expected at least one spatial axis, (batch, *spatial, channels); "
            f"got shape {x.shape}"
        )
    if len(scales) != count:
        raise ValueError(
            f"[Upsample] expected one scale for each of {count} spatial axes; got {scale_factor}"
        )
    return tuple(scales)


def upsample_nearest(x: mx.array, scale_factor: tuple):
    """Each output takes one input along every axis.

    With `m = floor(n * scale)` outputs for `n` inputs, output `i` is the input nearest to
    `(i + 0.5) * n / m - 0.5` when scaling up, and input `floor(i * n / m)` when scaling down.
    """
    for axis, scale in enumerate(_per_axis(x, scale_factor), start=1):
        if scale == int(scale):
            x = mx.repeat(x, int(scale), axis=axis)
        else:
            from olivine.nn.layers.resampling import nearest

            indices = nearest(x.shape[axis], int(x.shape[axis] * scale))
            x = mx.take(x, mx.array(indices), axis=axis)
    return x


def upsample_linear(
    x: mx.array, scale_factor: tuple, align_corners: bool = False, antialias: bool = False
):
    """Linear interpolation along every spatial axis.

    Outputs are `1 / scale` apart and share their centre with the inputs, or with `align_corners`
    their first and last elements. `antialias` widens the kernel when scaling down.
    """
    return _interpolate(x, scale_factor, align_corners, antialias, "linear")


def upsample_cubic(
    x: mx.array, scale_factor: tuple, align_corners: bool = False, antialias: bool = False
):
    """Cubic convolution along every spatial axis; the arguments are those of `upsample_linear`.

    The slope of the kernel is -0.75, or -0.5 with `antialias`. Source: Keys, "Cubic convolution
    interpolation for digital image processing" (1981).
    """
    return _interpolate(x, scale_factor, align_corners, antialias, "cubic")


class Upsample(Module):
    """Resamples the spatial axes of `(N, *spatial, C)` by `scale_factor`, one for all or each.

    An axis of `n` elements gets `floor(n * scale)`. `mode` is "nearest", "linear" or "cubic";
    `align_corners` and `antialias` are those of `upsample_linear` and exclude each other.
    """

    def __init__(
        self,
        scale_factor: float | tuple,
        mode: Literal["nearest", "linear", "cubic"] = "nearest",
        align_corners: bool = False,
        antialias: bool = False,
    ):
        super().__init__()
        if mode not in ("nearest", "linear", "cubic"):
            raise ValueError(
                f"[Upsample] expected mode to be nearest, linear or cubic; got {mode!r}"
            )
        if antialias and (mode == "nearest" or align_corners):
            what = "mode nearest" if mode == "nearest" else "align_corners"
            raise ValueError(
                f"[Upsample] expected antialias with linear or cubic and without align_corners; "
                f"got it with {what}"
            )
        scales = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,)
        if not all(math.isfinite(s) and s > 0 for s in scales):
            raise ValueError(f"[Upsample] expected scale_factor > 0; got {scale_factor}")
        if isinstance(scale_factor, (tuple, list)):
            self.scale_factor = tuple(float(s) for s in scale_factor)
        else:
            self.scale_factor = float(scale_factor)
        self.mode = mode
        self.align_corners = align_corners
        self.antialias = antialias

    def _extra_repr(self):
        shown = (
            f"scale_factor={self.scale_factor}, mode={self.mode!r}, "
            f"align_corners={self.align_corners}"
        )
        return f"{shown}, antialias=True" if self.antialias else shown

    def __call__(self, x: mx.array) -> mx.array:
        if self.mode == "nearest":
            return upsample_nearest(x, self.scale_factor)
        resample = upsample_linear if self.mode == "linear" else upsample_cubic
        return resample(x, self.scale_factor, self.align_corners, self.antialias)
