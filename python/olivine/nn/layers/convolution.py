"""Convolution layers over inputs of shape `(batch, *spatial, channels)`."""

from __future__ import annotations

import math

import olivine.core as mx
from olivine.nn.layers.base import Module


def per_axis(value, count: int) -> tuple:
    """`value` for each of `count` spatial axes."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * count


def initial_weight(in_channels: int, out_channels: int, kernel_size: tuple, groups: int = 1):
    """Uniform within `sqrt(1 / fan_in)`, of shape `(out, *kernel_size, in / groups)`."""
    for name, size in [("in_channels", in_channels), *(("kernel_size", k) for k in kernel_size)]:
        if not hasattr(size, "__index__") or size < 1:
            raise ValueError(f"[convolution] expected {name} of integers >= 1; got {size!r}")
    shape = (out_channels, *kernel_size, in_channels // groups)
    bound = math.sqrt(1 / math.prod(shape[1:]))
    return mx.random.uniform(low=-bound, high=bound, shape=shape)


class ConvBase(Module):
    """What the layers share: how they show themselves, and their bias."""

    _shown: tuple[str, ...] = ()

    def _extra_repr(self):
        out_channels, *kernel, channels = self.weight.shape
        groups = getattr(self, "groups", 1)
        kernel = kernel[0] if len(kernel) == 1 else tuple(kernel)
        shown = [f"{channels * groups}, {out_channels}, kernel_size={kernel}"]
        shown += [f"{name}={getattr(self, name)}" for name in self._shown]
        return ", ".join([*shown, f"bias={'bias' in self}"])

    def _add_bias(self, y: mx.array) -> mx.array:
        return y + self.bias if "bias" in self else y


class _Conv(ConvBase):
    _shown = ("stride", "padding", "dilation", "groups")

    def _set_up(self, in_channels, out_channels, kernel_size, groups, bias):
        if in_channels % groups:
            raise ValueError(
                f"[{type(self).__name__}] expected in_channels divisible by groups; "
                f"got {in_channels} and {groups}"
            )
        self.weight = initial_weight(in_channels, out_channels, kernel_size, groups)
        if bias:
            self.bias = mx.zeros((out_channels,))

    def __call__(self, x):
        convolve = getattr(mx, self._function)
        groups = getattr(self, "groups", 1)
        return self._add_bias(
            convolve(x, self.weight, self.stride, self.padding, self.dilation, groups)
        )


class Conv1d(_Conv):
    """`x` of shape `(N, L, C_in)` correlated with a weight of shape `(C_out, K, C_in / groups)`.

    The result is `(N, (L + 2 padding - dilation (K - 1) - 1) // stride + 1, C_out)`.
    """

    _function = "conv1d"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ):
        super().__init__()
        self.stride, self.padding = stride, padding
        self.dilation, self.groups = dilation, groups
        self._set_up(in_channels, out_channels, (kernel_size,), groups, bias)


class Conv2d(_Conv):
    """As `Conv1d` for `(N, H, W, C_in)`; sizes are integers or pairs."""

    _function = "conv2d"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple,
        stride: int | tuple = 1,
        padding: int | tuple = 0,
        dilation: int | tuple = 1,
        groups: int = 1,
        bias: bool = True,
    ):
        super().__init__()
        self.stride, self.padding = per_axis(stride, 2), per_axis(padding, 2)
        self.dilation, self.groups = dilation, groups
        self._set_up(in_channels, out_channels, per_axis(kernel_size, 2), groups, bias)


class Conv3d(_Conv):
    """As `Conv1d` for `(N, D, H, W, C_in)`, without groups; sizes are integers or triples."""

    _function = "conv3d"
    _shown = ("stride", "padding", "dilation")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple,
        stride: int | tuple = 1,
        padding: int | tuple = 0,
        dilation: int | tuple = 1,
        bias: bool = True,
    ):
        super().__init__()
        self.stride, self.padding = per_axis(stride, 3), per_axis(padding, 3)
        self.dilation = dilation
        self._set_up(in_channels, out_channels, per_axis(kernel_size, 3), 1, bias)
