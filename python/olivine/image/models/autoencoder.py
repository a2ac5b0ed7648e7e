"""The autoencoder whose latents diffusion works on: images of an eighth of the size, and back.

Sources: Kingma and Welling, "Auto-Encoding Variational Bayes" (2013); Rombach et al.,
"High-Resolution Image Synthesis with Latent Diffusion Models" (2021).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import olivine.core as mx
import olivine.nn as nn
from olivine.image.blocks.conditioned import PixelAttention
from olivine.image.blocks.convolutional import Downsample, GroupNorm, ResnetBlock, Upsample
from olivine.image.blocks.layout import channels_last, newly_named
from olivine.image.settings import Settings, per_level

EPS = 1e-6
OVERLAP = 0.25  # of neighbouring tiles


@dataclass
class Config(Settings):
    in_channels: int = 3
    out_channels: int = 3
    latent_channels: int = 4
    block_out_channels: list = field(default_factory=lambda: [64])
    down_block_types: list | None = None
    up_block_types: list | None = None
    layers_per_block: int = 1
    norm_num_groups: int = 32
    sample_size: int = 512
    act_fn: str = "silu"
    scaling_factor: float = 0.18215
    shift_factor: float | None = None
    use_quant_conv: bool = True
    use_post_quant_conv: bool = True
    mid_block_add_attention: bool = True

    refused = ("latents_mean", "latents_std")

    def __post_init__(self):
        super().__post_init__()
        self.require("act_fn", ("silu", "swish"))
        levels = len(self.block_out_channels)
        self.widths = per_level("block_out_channels", self.block_out_channels, max(levels, 1))
        for name, known in (("down", "DownEncoderBlock2D"), ("up", "UpDecoderBlock2D")):
            given = getattr(self, f"{name}_block_types")
            if given is not None and given != [known] * levels:
                raise ValueError(
                    f"[image] expected {name}_block_types to be {levels} {known}; got {given}"
                )
        if any(width % self.norm_num_groups for width in self.widths):
            raise ValueError(
                f"[image] expected block_out_channels of multiples of {self.norm_num_groups}; "
                f"got {self.widths}"
            )


class MidBlock(nn.Module):
    def __init__(self, dims: int, config: Config):
        super().__init__()
        groups = config.norm_num_groups
        if config.mid_block_add_attention:
            self.attentions = [PixelAttention(dims, 1, groups, EPS)]
        self.resnets = [ResnetBlock(dims, dims, groups=groups, eps=EPS) for _ in range(2)]

    def __call__(self, x: mx.array) -> mx.array:
        x = self.resnets[0](x)
        if "attentions" in self:
            x = self.attentions[0](x)
        return self.resnets[1](x)


class Level(nn.Module):
    """Resnets, and what changes the size after them."""

    def __init__(self, dims: int, out: int, layers: int, groups: int, resampler=None):
        super().__init__()
        self.resnets = [
            ResnetBlock(out if i else dims, out, groups=groups, eps=EPS) for i in range(layers)
        ]
        if isinstance(resampler, Downsample):
            self.downsamplers = [resampler]
        elif isinstance(resampler, Upsample):
            self.upsamplers = [resampler]

    def __call__(self, x: mx.array) -> mx.array:
        for resnet in self.resnets:
            x = resnet(x)
        for name in ("downsamplers", "upsamplers"):
            if name in self:
                x = self[name][0](x)
        return x


class Encoder(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        widths, layers, groups = config.widths, config.layers_per_block, config.norm_num_groups
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.down_blocks = [
            Level(
                widths[max(i - 1, 0)],
                width,
                layers,
                groups,
                Downsample(width, around=False) if i + 1 < len(widths) else None,
            )
            for i, width in enumerate(widths)
        ]
        self.mid_block = MidBlock(widths[-1], config)
        self.conv_norm_out = GroupNorm(groups, widths[-1], EPS, act=True)
        self.conv_out = nn.Conv2d(widths[-1], 2 * config.latent_channels, 3, padding=1)

    def __call__(self, x: mx.array) -> mx.array:
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(self.conv_norm_out(self.mid_block(x)))


class Decoder(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        widths, groups = config.widths[::-1], config.norm_num_groups
        self.conv_in = nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.mid_block = MidBlock(widths[0], config)
        self.up_blocks = [
            Level(
                widths[max(i - 1, 0)],
                width,
                config.layers_per_block + 1,
                groups,
                Upsample(width) if i + 1 < len(widths) else None,
            )
            for i, width in enumerate(widths)
        ]
        self.conv_norm_out = GroupNorm(groups, widths[-1], EPS, act=True)
        self.conv_out = nn.Conv2d(widths[-1], config.out_channels, 3, padding=1)

    def __call__(self, x: mx.array) -> mx.array:
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(self.conv_norm_out(x))


class Model(nn.Module):
    """Images have values from -1 to 1; latents are scaled so that their variance is about 1."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        channels = config.latent_channels
        if config.use_quant_conv:
            self.quant_conv = nn.Linear(2 * channels, 2 * channels)  # of single pixels
        if config.use_post_quant_conv:
            self.post_quant_conv = nn.Linear(channels, channels)

    @classmethod
    def from_dict(cls, config: dict) -> Model:
        return cls(Config.from_dict(config))

    @property
    def factor(self) -> int:
        """How many pixels of an image one of its latents stands for along each axis."""
        return 2 ** (len(self.config.widths) - 1)

    def moments(self, images: mx.array) -> tuple[mx.array, mx.array]:
        """Mean and standard deviation of the latents of images, not scaled."""
        config = self.config
        if images.ndim != 4 or images.shape[-1] != config.in_channels:
            raise ValueError(
                f"[image] expected images (batch, height, width, {config.in_channels}); "
                f"got shape {images.shape}"
            )
        x = self.encoder(images)
        x = self.quant_conv(x) if "quant_conv" in self else x
        mean, logarithm = mx.split(x, 2, axis=-1)
        return mean, mx.exp(0.5 * mx.clip(logarithm, -30.0, 20.0))

    def encode(self, images: mx.array, noise: mx.array | None = None) -> mx.array:
        """Latents: their mean, or with noise of their shape a sample."""
        mean, deviation = self.moments(images)
        latents = mean if noise is None else mean + deviation * noise
        return (latents - (self.config.shift_factor or 0.0)) * self.config.scaling_factor

    def decode(self, latents: mx.array, tile: int | None = None) -> mx.array:
        """Images of latents.

        With `tile`, in overlapping squares of so many latents, one after another, which takes less
        memory; where they overlap, one fades into the next.
        """
        x = latents / self.config.scaling_factor + (self.config.shift_factor or 0.0)
        if tile is None or max(x.shape[1:3]) <= tile:
            return self._decode(x)
        if tile < 4:
            raise ValueError(f"[image] expected tiles of at least 4 latents; got {tile}")
        step, size = int(tile * (1 - OVERLAP)), tile * self.factor
        fade = int(size * OVERLAP)
        rows = []
        for top in range(0, x.shape[1], step):
            row: list[mx.array] = []
            for left in range(0, x.shape[2], step):
                made = self._decode(x[:, top : top + tile, left : left + tile])
                if rows:
                    made = _faded(rows[-1][len(row)], made, fade, axis=1)
                if row:
                    made = _faded(row[-1], made, fade, axis=2)
                mx.eval(made)
                row.append(made)
            rows.append(row)
        kept = size - fade
        strips = [mx.concatenate([t[:, :kept, :kept] for t in row], axis=2) for row in rows]
        return mx.concatenate(strips, axis=1)

    def _decode(self, x: mx.array) -> mx.array:
        return self.decoder(self.post_quant_conv(x) if "post_quant_conv" in self else x)

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        return channels_last(self, newly_named(weights))


def _faded(before: mx.array, after: mx.array, extent: int, axis: int) -> mx.array:
    """`after`, whose first pixels come out of the last ones of `before`."""
    extent = min(extent, before.shape[axis], after.shape[axis])
    share = (mx.arange(extent) / extent).astype(after.dtype)
    share = share.reshape((1, -1, 1, 1) if axis == 1 else (1, 1, -1, 1))
    old = mx.split(before, [before.shape[axis] - extent], axis=axis)[1]
    new, rest = mx.split(after, [extent], axis=axis)
    return mx.concatenate([old * (1 - share) + new * share, rest], axis=axis)
