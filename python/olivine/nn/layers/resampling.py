"""Which inputs an output of a resampled axis is made of, and with which weights.

Apart from `upsample.py`, so that NumPy is imported only where something is resampled.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def nearest(size: int, count: int) -> np.ndarray:
    """The input that each of `count` outputs takes; in float32, which decides ties as in MLX."""
    i = np.arange(count, dtype=np.float32)
    ratio = np.float32(size / max(count, 1))
    half = np.float32(0.5)
    at = np.round((i + half) * ratio - half) if count > size else np.floor(i * ratio)
    return np.clip(at, 0, size - 1).astype(np.int32)


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


def taps(size: int, scale: float, align_corners: bool, antialias: bool, method: str):
    """Indices (int32) and weights (float32), each (outputs, taps), of "linear" or "cubic"."""
    linear = method == "linear"
    radius = 1 if linear else 2
    positions = _positions(size, scale, align_corners)
    if antialias:
        kernel = _triangle if linear else _cubic(-0.5)
        indices, weights = _antialiasing_taps(positions, size, scale, radius, kernel)
    else:
        kernel = _triangle if linear else _cubic(-0.75)
        positions = np.clip(positions, 0, size - 1) if linear else positions
        indices, weights = _interpolating_taps(positions, size, radius, kernel)
    return indices.astype(np.int32), weights.astype(np.float32)
