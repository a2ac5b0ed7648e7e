"""Transposed convolution layers: what the gradient of a convolution does to its input."""

from __future__ import annotations

import olivine.core as mx
from olivine.nn.layers.convolution import ConvBase, initial_weight, per_axis


class _ConvTranspose(ConvBase):
    _shown = ("stride", "padding", "dilation", "output_padding")

    def _set_up(self, in_channels, out_channels, kernel_size, bias):
        self.weight = initial_weight(in_channels, out_channels, kernel_size)
        if bias:
            self.bias = mx.zeros((out_channels,))

    def __call__(self, x):
        convolve = getattr(mx, self._function)
        return self._add_bias(
            convolve(x, self.weight, self.stride, self.padding, self.dilation, self.output_padding)
        )


class ConvTranspose1d(_ConvTranspose):
    """`x` of shape `(N, L, C_in)`, weight of shape `(C_out, K, C_in)`.

    The result is `(N, (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1, C_out)`.
    """

    _function = "conv_transpose1d"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        output_padding: int = 0,
        bias: bool = True,
    ):
        super().__init__()
        self.stride, self.padding = stride, padding
        self.dilation, self.output_padding = dilation, output_padding
        self._set_up(in_channels, out_channels, (kernel_size,), bias)


class ConvTranspose2d(_ConvTranspose):
    """As `ConvTranspose1d` for `(N, H, W, C_in)`; sizes are integers or pairs."""

    _function = "conv_transpose2d"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple,
        stride: int | tuple = 1,
        padding: int | tuple = 0,
        dilation: int | tuple = 1,
        output_padding: int | tuple = 0,
        bias: bool = True,
    ):
        super().__init__()
        self.stride, self.padding = per_axis(stride, 2), per_axis(padding, 2)
        self.dilation, self.output_padding = dilation, per_axis(output_padding, 2)
        self._set_up(in_channels, out_channels, per_axis(kernel_size, 2), bias)


class ConvTranspose3d(_ConvTranspose):
    """As `ConvTranspose1d` for `(N, D, H, W, C_in)`; sizes are integers or triples."""

    _function = "conv_transpose3d"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple,
        stride: int | tuple = 1,
        padding: int | tuple = 0,
        dilation: int | tuple = 1,
        output_padding: int | tuple = 0,
        bias: bool = True,
    ):
        super().__init__()
        self.stride, self.padding = per_axis(stride, 3), per_axis(padding, 3)
        self.dilation, self.output_padding = dilation, per_axis(output_padding, 3)
        self._set_up(in_channels, out_channels, per_axis(kernel_size, 3), bias)
