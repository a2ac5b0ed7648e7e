"""Pooling layers over inputs of shape `(batch, *spatial, channels)`."""

from __future__ import annotations

import math

import olivine.core as mx
from olivine.nn.layers.base import Module


def windows(x: mx.array, size: tuple, stride: tuple) -> mx.array:
    """The windows of `x` as a view of shape `(N, *positions, *size, C)`.

    `x` must lie in memory row by row. Windows that would reach beyond an edge are left out.
    """
    batch, *spatial, channels = x.shape
    counts = [
        (n - k) // s + 1 if n >= k else 0 for n, k, s in zip(spatial, size, stride, strict=True)
    ]
    steps = [channels]
    for n in reversed(spatial):
        steps.insert(0, steps[0] * n)
    strides = [
        steps[0],
        *(step * s for step, s in zip(steps[1:], stride, strict=True)),
        *steps[1:],
        1,
    ]
    return mx.as_strided(x, (batch, *counts, *size, channels), strides)


class _Pool(Module):
    """Reduces windows along the spatial axes; subclasses name the reduction."""

    _axes_count = 1
    _padding_value: float = 0

    def __init__(self, kernel_size, stride, padding):
        super().__init__()
        n = self._axes_count
        self._kernel_size = self._sizes("kernel_size", kernel_size, least=1)
        self._stride = (
            self._kernel_size if stride is None else self._sizes("stride", stride, least=1)
        )
        self._padding = self._sizes("padding", padding, least=0)
        self._window_axes = tuple(range(-n - 1, -1))

    def _sizes(self, name, value, least):
        n = self._axes_count
        sizes = tuple(value) if isinstance(value, (tuple, list)) else (value,) * n
        if len(sizes) != n or not all(isinstance(v, int) and v >= least for v in sizes):
            raise ValueError(
                f"[{type(self).__name__}] expected {name} to be an integer >= {least} or a tuple "
                f"of {n}; got {value!r}"
            )
        return sizes

    def _extra_repr(self):
        return f"kernel_size={self._kernel_size}, stride={self._stride}, padding={self._padding}"

    def __call__(self, x):
        n = self._axes_count
        if x.ndim != n + 2:
            raise ValueError(
                f"[{type(self).__name__}] expected {n + 2} dimensions, batch first and channels "
                f"last; got shape {x.shape}"
            )
        if any(self._padding):
            widths = [(0, 0), *((p, p) for p in self._padding), (0, 0)]
            x = mx.pad(x, widths, constant_values=self._padding_value)
        spatial = x.shape[1:-1]
        if self._kernel_size == self._stride and all(
            n % k == 0 for n, k in zip(spatial, self._kernel_size, strict=True)
        ):
            return self._reduce(self._tiles(x))
        return self._reduce(windows(mx.contiguous(x), self._kernel_size, self._stride))

    def _tiles(self, x):
        """Windows that share no element: a reshape and a transpose, whose gradient is cheap."""
        n = self._axes_count
        pairs = [
            d for s, k in zip(x.shape[1:-1], self._kernel_size, strict=True) for d in (s // k, k)
        ]
        x = x.reshape(x.shape[0], *pairs, x.shape[-1])
        return x.transpose(0, *range(1, 2 * n, 2), *range(2, 2 * n + 1, 2), 2 * n + 1)


class _MaxPool(_Pool):
    _padding_value = -math.inf

    def _reduce(self, x):
        return mx.max(x, axis=self._window_axes)


class _AvgPool(_Pool):
    def _reduce(self, x):
        return mx.mean(x, axis=self._window_axes)


class MaxPool1d(_MaxPool):
    """The largest value of every window of `kernel_size` along `L` of `(N, L, C)`.

    `stride` is `kernel_size` unless given; both ends are padded with `padding` values of -inf.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
    ):
        super().__init__(kernel_size, stride, padding)


class AvgPool1d(_AvgPool):
    """The mean of every window of `kernel_size` along `L` of `(N, L, C)`.

    `stride` is `kernel_size` unless given; the zeros of the padding count.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
    ):
        super().__init__(kernel_size, stride, padding)


class MaxPool2d(_MaxPool):
    """As `MaxPool1d` for `(N, H, W, C)`; sizes are integers or pairs."""

    _axes_count = 2

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] | None = 0,
    ):
        super().__init__(kernel_size, stride, padding or 0)


class AvgPool2d(_AvgPool):
    """As `AvgPool1d` for `(N, H, W, C)`; sizes are integers or pairs."""

    _axes_count = 2

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] | None = 0,
    ):
        super().__init__(kernel_size, stride, padding or 0)


class MaxPool3d(_MaxPool):
    """As `MaxPool1d` for `(N, D, H, W, C)`; sizes are integers or triples."""

    _axes_count = 3

    def __init__(
        self,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] | None = None,
        padding: int | tuple[int, int, int] | None = 0,
    ):
        super().__init__(kernel_size, stride, padding or 0)


class AvgPool3d(_AvgPool):
    """As `AvgPool1d` for `(N, D, H, W, C)`; sizes are integers or triples."""

    _axes_count = 3

    def __init__(
        self,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] | None = None,
        padding: int | tuple[int, int, int] | None = 0,
    ):
        super().__init__(kernel_size, stride, padding or 0)
