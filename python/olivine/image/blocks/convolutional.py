"""Convolutional blocks of U-Nets and autoencoders, over `(batch, height, width, channels)`.

Sources: He et al., "Deep Residual Learning" (2015); Ho et al., "Denoising Diffusion Probabilistic
Models" (2020), appendix B; Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion
Models" (2021).
"""

from __future__ import annotations

import olivine.core as mx
import olivine.nn as nn


class GroupNorm(nn.Module):
    """Normalizes groups of neighbouring channels of each example, then scales and shifts them.

    Both steps are one product and one sum per value, with a factor and an offset for each channel
    that statistics of the channels give: nothing is laid out anew. With `act`, SiLU follows.
    Source: Wu and He, "Group Normalization" (2018).
    """

    def __init__(self, groups: int, dims: int, eps: float = 1e-5, act: bool = False):
        super().__init__()
        self.weight, self.bias = mx.ones((dims,)), mx.zeros((dims,))
        self.groups, self.eps, self.act = groups, eps, act

    def __call__(self, x: mx.array) -> mx.array:
        batch, dims = x.shape[0], x.shape[-1]
        y = x.reshape(batch, -1, dims)
        full = y.astype(mx.float32)
        mean = self._of_groups(full.mean(axis=1))
        centred = full - mean[:, None]
        variance = self._of_groups((centred * centred).mean(axis=1))
        factor = mx.rsqrt(variance + self.eps) * self.weight
        offset = self.bias - mean * factor
        y = full * factor[:, None] + offset[:, None]
        if self.act:
            y = y * mx.sigmoid(y)
        return y.astype(x.dtype).reshape(x.shape)

    def _of_groups(self, x: mx.array) -> mx.array:
        """Means of channels `(batch, dims)` as those of their groups, for every channel."""
        grouped = x.reshape(x.shape[0], self.groups, -1).mean(axis=-1)
        return mx.repeat(grouped, x.shape[-1] // self.groups, axis=-1)


class ResnetBlock(nn.Module):
    """Two convolutions beside a shortcut; `time_dims` is the width of the step's embedding.

    `dropout` is the share of what goes into the second one that is left out in training.
    """

    def __init__(
        self,
        dims: int,
        out: int,
        *,
        groups: int,
        eps: float,
        time_dims: int = 0,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.norm1 = GroupNorm(groups, dims, eps, act=True)
        self.conv1 = nn.Conv2d(dims, out, 3, padding=1)
        if time_dims:
            self.time_emb_proj = nn.Linear(time_dims, out)
        self.norm2 = GroupNorm(groups, out, eps, act=True)
        if dropout:
            self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        if dims != out:
            self.conv_shortcut = nn.Linear(dims, out)  # of single pixels

    def __call__(self, x: mx.array, time: mx.array | None = None) -> mx.array:
        """`time` has gone through SiLU already, once for all blocks."""
        y = self.conv1(self.norm1(x))
        if time is not None:
            y = y + self.time_emb_proj(time)[:, None, None]
        y = self.norm2(y)
        y = self.conv2(self.dropout(y) if "dropout" in self else y)
        return y + (self.conv_shortcut(x) if "conv_shortcut" in self else x)


class Downsample(nn.Module):
    """A convolution of every second pixel; padded all around, or at the end of each axis only."""

    def __init__(self, dims: int, around: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(dims, dims, 3, stride=2, padding=int(around))
        self._around = around

    def __call__(self, x: mx.array) -> mx.array:
        if not self._around:
            x = mx.pad(x, [(0, 0), (0, 1), (0, 1), (0, 0)])
        return self.conv(x)


class Upsample(nn.Module):
    """Every pixel as four, or up to a given height and width, then a convolution."""

    def __init__(self, dims: int):
        super().__init__()
        self.conv = nn.Conv2d(dims, dims, 3, padding=1)

    def __call__(self, x: mx.array, size: tuple[int, int] | None = None) -> mx.array:
        height, width = x.shape[1:3]
        if size is None or size == (2 * height, 2 * width):
            return doubled(x, self.conv.weight) + self.conv.bias
        for axis, (old, new) in enumerate(zip((height, width), size, strict=True), start=1):
            x = mx.take(x, mx.arange(new) * old // new, axis=axis)
        return self.conv(x)


# Which of three taps in a row meet the first and the second of the two pixels that one of two
# doubled pixels needs: [which pixel is made][which pixel is met][tap].
_MEETS = (((1, 0, 0), (0, 1, 1)), ((1, 1, 0), (0, 0, 1)))


def doubled(x: mx.array, weight: mx.array) -> mx.array:
    """A convolution of 3 x 3 taps over the image that has every pixel of `x` as four.

    That image is not made. Of three taps in a row, two meet the same pixel of `x`, the first two or
    the last two; with their sum there are 2 x 2 taps for each of the four pixels, which is four
    ninths of the work.
    """
    batch, height, width, channels = x.shape
    out = weight.shape[0]
    meets = mx.array(_MEETS, mx.float32)
    both = meets[:, None, :, None, :, None] * meets[None, :, None, :, None, :]
    both = both.reshape(16, 9).astype(weight.dtype)
    taps = (both @ weight.reshape(out, 9, channels)).reshape(out, 4, 2, 2, channels)
    padded = mx.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    parts = []
    for i, (down, right) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        near = padded[:, down : down + height + 1, right : right + width + 1]
        parts.append(mx.conv2d(near, taps[:, i]))
    rows = [mx.stack(parts[:2], axis=3), mx.stack(parts[2:], axis=3)]
    return mx.stack(rows, axis=2).reshape(batch, 2 * height, 2 * width, out)
