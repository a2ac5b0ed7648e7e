"""Resampling of the spatial axes of `(batch, *spatial, channels)` by a factor.

Every method is separable: along one axis, output `i` is a weighted sum of a few inputs (its taps),
with indices and weights that depend on the sizes alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

import olivine.core as mx
from olivine.nn.layers.base import Module


def _positions(size: int, scale: float, align_corners: bool) -> np.ndarray:
    """Where the outputs lie, in units of the input's indices."""
    count = int(size * scale)
    i = np.arange(count, dtype=np.float64)
    if align_corners:
        return i * ((size - 1) / (count - 1)) if count > 1 else i
    return (size - 1) / 2 + (i - (count - 1) / 2) / scale


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(x), 0)


def _cubic(a: float) -> Callable[[np.ndarray], np.ndarray]:
    """Keys' convolution kernel (1981) with slope `a` at 1."""

    def kernel(x):
        x = np.abs(x)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = a * (((x - 5) * x + 8) * x - 4)
        return np.where(x <= 1, near, np.where(x < 2, far, 0))

    return kernel


def _interpolating_taps(positions, size, radius, kernel):
    """Indices and weights, each (outputs, 2 radius); indices beyond the ends mean the ends."""
    first = np.floor(positions)[:, None] + np.arange(1 - radius, radius + 1)
    return np.clip(first, 0, size - 1), kernel(positions[:, None] - first)


def _antialiasing_taps(positions, size, scale, radius, kernel):
    """Taps of the kernel stretched to the spacing of the outputs; the weights sum to 1."""
    stretch = max(1 / scale, 1.0)
    centers = positions[:, None] + 0.5
    support = radius * stretch
    first = np.maximum(np.floor(centers - support + 0.5), 0)
    last = np.minimum(np.floor(centers + support + 0.5), size)
    taps = first + np.arange(max(int((last - first).max()), 1))
    weights = np.where(taps < last, kernel((taps - centers + 0.5) / stretch), 0)
    return np.minimum(taps, size - 1), weights / weights.sum(axis=1, keepdims=True)


def _resample(x: mx.array, axis: int, indices: np.ndarray, weights: np.ndarray) -> mx.array:
    shape = (-1, *(1,) * (x.ndim - axis - 1))
    total = None
    for tap in range(indices.shape[1]):
        weight = mx.array(weights[:, tap].astype(np.float32)).reshape(shape).astype(x.dtype)
        part = mx.take(x, mx.array(indices[:, tap].astype(np.int32)), axis=axis) * weight
        total = part if total is None else total + part
    return total


def _interpolate(x, scale_factor, align_corners, antialias, radius, kernel, soft_kernel):
    for axis, scale in enumerate(_per_axis(x, scale_factor), start=1):
        size = x.shape[axis]
        positions = _positions(size, scale, align_corners)
        if antialias:
            taps = _antialiasing_taps(positions, size, scale, radius, soft_kernel)
        else:
            if radius == 1:
                positions = np.clip(positions, 0, size - 1)
            taps = _interpolating_taps(positions, size, radius, kernel)
        x = _resample(x, axis, *taps)
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


def _nearest(size: int, count: int) -> np.ndarray:
    """The input that each of `count` outputs takes; in float32, which decides ties as in MLX."""
    i = np.arange(count, dtype=np.float32)
    ratio = np.float32(size / max(count, 1))
    half = np.float32(0.5)
    at = np.round((i + half) * ratio - half) if count > size else np.floor(i * ratio)
    return np.clip(at, 0, size - 1).astype(np.int32)


def upsample_nearest(x: mx.array, scale_factor: tuple):
    """Each output takes one input along every axis.

    With `m = floor(n * scale)` outputs for `n` inputs, output `i` is the input nearest to
    `(i + 0.5) * n / m - 0.5` when scaling up, and input `floor(i * n / m)` when scaling down.
    """
    for axis, scale in enumerate(_per_axis(x, scale_factor), start=1):
        if scale == int(scale):
            x = mx.repeat(x, int(scale), axis=axis)
        else:
            indices = _nearest(x.shape[axis], int(x.shape[axis] * scale))
            x = mx.take(x, mx.array(indices), axis=axis)
    return x


def upsample_linear(
    x: mx.array, scale_factor: tuple, align_corners: bool = False, antialias: bool = False
):
    """Linear interpolation along every spatial axis.

    Outputs are `1 / scale` apart and share their centre with the inputs, or with `align_corners`
    their first and last elements. `antialias` widens the kernel when scaling down.
    """
    return _interpolate(x, scale_factor, align_corners, antialias, 1, _triangle, _triangle)


def upsample_cubic(
    x: mx.array, scale_factor: tuple, align_corners: bool = False, antialias: bool = False
):
    """Cubic convolution along every spatial axis; the arguments are those of `upsample_linear`.

    The slope of the kernel is -0.75, or -0.5 with `antialias`. Source: Keys, "Cubic convolution
    interpolation for digital image processing" (1981).
    """
    return _interpolate(x, scale_factor, align_corners, antialias, 2, _cubic(-0.75), _cubic(-0.5))


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
