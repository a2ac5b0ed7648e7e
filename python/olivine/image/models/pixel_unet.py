"""The U-Net of diffusion on pixels, told the step and, if it has any, the class.

Sources: Ho et al., "Denoising Diffusion Probabilistic Models" (2020), appendix B; Dhariwal and
Nichol, "Diffusion Models Beat GANs on Image Synthesis" (2021), for classes beside the step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import olivine.core as mx
import olivine.nn as nn
from olivine.image.blocks.conditioned import PixelAttention
from olivine.image.blocks.convolutional import GroupNorm, ResnetBlock
from olivine.image.blocks.layout import channels_last, newly_named
from olivine.image.blocks.timesteps import Embedding, sinusoids
from olivine.image.models.unet import DownBlock, MidBlock, UpBlock
from olivine.image.settings import Settings, per_level

_DOWN = ("DownBlock2D", "AttnDownBlock2D")
_UP = ("UpBlock2D", "AttnUpBlock2D")
# What all these models have, though files could say otherwise.
_ONLY = {
    "mid_block_type": ("UNetMidBlock2D",),
    "mid_block_scale_factor": (1.0,),
    "downsample_padding": (0, 1),
    "downsample_type": ("conv",),
    "upsample_type": ("conv",),
    "act_fn": ("silu", "swish"),
    "time_embedding_type": ("positional",),
    "resnet_time_scale_shift": ("default",),
    "add_attention": (True,),
}


@dataclass
class Config(Settings):
    sample_size: int | list | None = None
    in_channels: int = 3
    out_channels: int = 3
    down_block_types: list = field(default_factory=lambda: [_DOWN[0]] + [_DOWN[1]] * 3)
    up_block_types: list = field(default_factory=lambda: [_UP[1]] * 3 + [_UP[0]])
    mid_block_type: str = "UNetMidBlock2D"
    block_out_channels: list = field(default_factory=lambda: [224, 448, 672, 896])
    layers_per_block: int = 2
    norm_num_groups: int = 32
    norm_eps: float = 1e-5
    attention_head_dim: int | None = 8  # None: one head
    num_class_embeds: int | None = None
    dropout: float = 0.0  # in training
    flip_sin_to_cos: bool = True
    freq_shift: float = 0
    act_fn: str = "silu"
    add_attention: bool = True
    resnet_time_scale_shift: str = "default"
    mid_block_scale_factor: float = 1.0
    downsample_padding: float = 1  # 0 or 1
    downsample_type: str = "conv"
    upsample_type: str = "conv"
    time_embedding_type: str = "positional"

    refused = ("attn_norm_num_groups", "center_input_sample", "class_embed_type")

    def __post_init__(self):
        super().__post_init__()
        levels = len(self.block_out_channels)
        for name, known in (("down_block_types", _DOWN), ("up_block_types", _UP)):
            given = getattr(self, name)
            if not 1 <= len(given) == levels or any(one not in known for one in given):
                raise ValueError(
                    f"[image] expected {name} to be {levels} of {', '.join(known)}; got {given}"
                )
        for name, among in _ONLY.items():
            self.require(name, among)
        self.widths = per_level("block_out_channels", self.block_out_channels, levels)
        unit = self.attention_head_dim or 1
        for width in self.widths:
            if width % self.norm_num_groups or width % unit:
                raise ValueError(
                    f"[image] expected block_out_channels of multiples of norm_num_groups = "
                    f"{self.norm_num_groups} and of attention_head_dim = {unit}; got {width}"
                )
        if not self.dropout < 1:
            raise ValueError(f"[image] expected a dropout below 1; got {self.dropout}")

    def resnet(self, dims: int, out: int) -> ResnetBlock:
        return ResnetBlock(
            dims,
            out,
            groups=self.norm_num_groups,
            eps=self.norm_eps,
            time_dims=4 * self.widths[0],
            dropout=self.dropout,
        )

    def attention(self, level: int) -> nn.Module:
        width = self.widths[level]
        heads = width // (self.attention_head_dim or width)
        return PixelAttention(width, heads, self.norm_num_groups, self.norm_eps)


class Model(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        widths, levels = config.widths, len(config.widths)
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.time_embedding = Embedding(widths[0], 4 * widths[0])
        if config.num_class_embeds:
            self.class_embedding = nn.Embedding(config.num_class_embeds, 4 * widths[0])
        self.down_blocks = [DownBlock(config, level) for level in range(levels)]
        self.mid_block = MidBlock(config)
        self.up_blocks = [UpBlock(config, level) for level in reversed(range(levels))]
        self.conv_norm_out = GroupNorm(config.norm_num_groups, widths[0], config.norm_eps, act=True)
        self.conv_out = nn.Conv2d(widths[0], config.out_channels, 3, padding=1)

    @classmethod
    def from_dict(cls, config: dict) -> Model:
        return cls(Config.from_dict(config))

    def _time(self, step: mx.array, classes: mx.array | None) -> mx.array:
        """The embedding of the step and the class, after SiLU: `(batch, 4 * width)`."""
        config = self.config
        waves = sinusoids(
            step, config.widths[0], cosine_first=config.flip_sin_to_cos, shift=config.freq_shift
        )
        time = self.time_embedding(waves.astype(self.conv_in.weight.dtype))
        if config.num_class_embeds:
            time = time + self.class_embedding(classes)
        return nn.silu(time)

    def __call__(
        self, x: mx.array, step: mx.array | float, classes: mx.array | None = None
    ) -> mx.array:
        """What the scheduler asks of samples `(batch, height, width, in_channels)`.

        `step` is one for all or one for each; `classes` `(batch,)` are whole numbers.
        """
        config = self.config
        if x.ndim != 4 or x.shape[-1] != config.in_channels:
            raise ValueError(
                f"[image] expected samples (batch, height, width, {config.in_channels}); "
                f"got shape {x.shape}"
            )
        if (classes is None) != (config.num_class_embeds is None):
            expected = "classes of samples" if classes is None else "no classes"
            raise ValueError(
                f"[image] expected {expected}; num_class_embeds is {config.num_class_embeds}"
            )
        time = self._time(mx.broadcast_to(mx.array(step), x.shape[:1]), classes)
        x = self.conv_in(x)
        skips = [x]
        for block in self.down_blocks:
            x = block(x, time, None, skips)
        x = self.mid_block(x, time, None)
        for block in self.up_blocks:
            x = block(x, time, None, skips)
        return self.conv_out(self.conv_norm_out(x))

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        return channels_last(self, newly_named(weights))
