"""The U-Net of Stable Diffusion 1 and 2 and of SDXL, conditioned on a step and a text.

Sources: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2021);
Podell et al., "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis" (2023).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import olivine.core as mx
import olivine.nn as nn
from olivine.image.blocks.conditioned import Transformer
from olivine.image.blocks.convolutional import Downsample, GroupNorm, ResnetBlock, Upsample
from olivine.image.blocks.layout import channels_last
from olivine.image.blocks.timesteps import Embedding, sinusoids
from olivine.image.settings import Settings, per_level

_DOWN = ("CrossAttnDownBlock2D", "DownBlock2D")
_UP = ("CrossAttnUpBlock2D", "UpBlock2D")
_PLAIN = ("DownBlock2D", "UpBlock2D")  # without attention
# What all these models have, though files could say otherwise.
_ONLY = {
    "resnet_time_scale_shift": "default",
    "resnet_out_scale_factor": 1.0,
    "mid_block_scale_factor": 1.0,
    "downsample_padding": 1,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "time_embedding_type": "positional",
    "attention_type": "default",
}


@dataclass
class Config(Settings):
    sample_size: int | None = None
    in_channels: int = 4
    out_channels: int = 4
    down_block_types: list = field(default_factory=lambda: [_DOWN[0]] * 3 + [_DOWN[1]])
    up_block_types: list = field(default_factory=lambda: [_UP[1]] + [_UP[0]] * 3)
    mid_block_type: str = "UNetMidBlock2DCrossAttn"
    block_out_channels: list = field(default_factory=lambda: [320, 640, 1280, 1280])
    layers_per_block: int = 2
    norm_num_groups: int = 32
    norm_eps: float = 1e-5
    cross_attention_dim: int = 1280
    # The number of heads, whatever it is called.
    attention_head_dim: int | list = 8
    num_attention_heads: int | list | None = None
    transformer_layers_per_block: int | list = 1
    flip_sin_to_cos: bool = True
    freq_shift: float = 0
    act_fn: str = "silu"
    resnet_time_scale_shift: str = "default"
    resnet_out_scale_factor: float = 1.0
    mid_block_scale_factor: float = 1.0
    downsample_padding: int = 1
    conv_in_kernel: int = 3
    conv_out_kernel: int = 3
    time_embedding_type: str = "positional"
    attention_type: str = "default"
    addition_embed_type: str | None = None
    addition_time_embed_dim: int | None = None
    projection_class_embeddings_input_dim: int | None = None
    time_cond_proj_dim: int | None = None

    refused = (
        "center_input_sample",
        "class_embed_type",
        "class_embeddings_concat",
        "cross_attention_norm",
        "dual_cross_attention",
        "encoder_hid_dim",
        "encoder_hid_dim_type",
        "mid_block_only_cross_attention",
        "num_class_embeds",
        "only_cross_attention",
        "resnet_skip_time_act",
        "reverse_transformer_layers_per_block",
        "time_embedding_act_fn",
        "time_embedding_dim",
        "timestep_post_act",
    )

    def __post_init__(self):
        super().__post_init__()
        levels = len(self.block_out_channels)
        for name, known in (("down_block_types", _DOWN), ("up_block_types", _UP)):
            given = getattr(self, name)
            if not 1 <= len(given) == levels or any(one not in known for one in given):
                raise ValueError(
                    f"[image] expected {name} to be {levels} of {', '.join(known)}; got {given}"
                )
        self.require("mid_block_type", ("UNetMidBlock2DCrossAttn",))
        self.require("act_fn", ("silu", "swish"))
        for name, only in _ONLY.items():
            self.require(name, (only,))
        self.require("addition_embed_type", (None, "text_time"))
        self.widths = per_level("block_out_channels", self.block_out_channels, levels)
        heads = self.num_attention_heads or self.attention_head_dim
        self.heads = per_level("attention_head_dim", heads, levels)
        depth = self.transformer_layers_per_block
        self.depths = per_level("transformer_layers_per_block", depth, levels)
        if self.addition_embed_type and not (
            self.addition_time_embed_dim and self.projection_class_embeddings_input_dim
        ):
            raise ValueError("[image] expected addition_time_embed_dim and its projection's width")
        for width, count in zip(self.widths, self.heads, strict=True):
            if width % self.norm_num_groups or width % count:
                raise ValueError(
                    f"[image] expected block_out_channels of multiples of norm_num_groups = "
                    f"{self.norm_num_groups} and of {count} heads; got {width}"
                )

    def resnet(self, dims: int, out: int) -> ResnetBlock:
        time_dims = 4 * self.widths[0]
        return ResnetBlock(
            dims, out, groups=self.norm_num_groups, eps=self.norm_eps, time_dims=time_dims
        )

    def attention(self, level: int) -> nn.Module:
        """What attends at a level: called with pixels, and with a text's features if it has any."""
        heads, depth = self.heads[level], self.depths[level]
        width, groups = self.widths[level], self.norm_num_groups
        return Transformer(width, heads, self.cross_attention_dim, depth, groups)


class Level(nn.Module):
    """What the blocks of a level share: their resnets, and their transformers if there are any."""

    def __init__(self, config: Config, level: int, inputs: list[int], attends: bool):
        super().__init__()
        self.resnets = [config.resnet(dims, config.widths[level]) for dims in inputs]
        if attends:
            self.attentions = [config.attention(level) for _ in inputs]

    def apply(self, index: int, x: mx.array, time: mx.array, memory: mx.array | None) -> mx.array:
        x = self.resnets[index](x, time)
        return self.attentions[index](x, memory) if "attentions" in self else x


class DownBlock(Level):
    def __init__(self, config: Config, level: int):
        width = config.widths[level]
        inputs = [config.widths[max(level - 1, 0)]] + [width] * (config.layers_per_block - 1)
        super().__init__(config, level, inputs, config.down_block_types[level] not in _PLAIN)
        if level + 1 < len(config.widths):
            self.downsamplers = [Downsample(width, around=config.downsample_padding == 1)]

    def __call__(self, x, time, memory, skips: list[mx.array]) -> mx.array:
        """Puts what each layer makes into `skips`."""
        for index in range(len(self.resnets)):
            x = self.apply(index, x, time, memory)
            skips.append(x)
        if "downsamplers" in self:
            x = self.downsamplers[0](x)
            skips.append(x)
        return x


class UpBlock(Level):
    """`level` is that of the way down whose results are taken up, the last one first."""

    def __init__(self, config: Config, level: int):
        widths, count = config.widths, config.layers_per_block + 1
        below = widths[min(level + 1, len(widths) - 1)]
        inputs = [below] + [widths[level]] * (count - 1)
        skips = [widths[level]] * (count - 1) + [widths[max(level - 1, 0)]]
        kind = config.up_block_types[len(widths) - 1 - level]
        both = [a + b for a, b in zip(inputs, skips, strict=True)]
        super().__init__(config, level, both, kind not in _PLAIN)
        if level:
            self.upsamplers = [Upsample(widths[level])]

    def __call__(self, x, time, memory, skips: list[mx.array]) -> mx.array:
        for index in range(len(self.resnets)):
            x = mx.concatenate([x, skips.pop()], axis=-1)
            x = self.apply(index, x, time, memory)
        return self.upsamplers[0](x, skips[-1].shape[1:3]) if "upsamplers" in self else x


class MidBlock(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        dims = config.widths[-1]
        self.resnets = [config.resnet(dims, dims) for _ in range(2)]
        self.attentions = [config.attention(len(config.widths) - 1)]

    def __call__(self, x: mx.array, time: mx.array, memory: mx.array | None) -> mx.array:
        x = self.attentions[0](self.resnets[0](x, time), memory)
        return self.resnets[1](x, time)


@dataclass
class Added:
    """What SDXL is told beside the text's features: the text as one vector `(batch, dims)`, and
    sizes `(batch, 6)`, the original height and width, what was cropped at the top and at the left,
    and the height and width that are wanted."""

    text: mx.array
    sizes: mx.array


class Model(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        widths, levels = config.widths, len(config.widths)
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        time_dims = 4 * widths[0]
        self.time_embedding = Embedding(widths[0], time_dims, config.time_cond_proj_dim)
        if config.addition_embed_type:
            added = config.projection_class_embeddings_input_dim
            self.add_embedding = Embedding(added, time_dims)
        self.down_blocks = [DownBlock(config, level) for level in range(levels)]
        self.mid_block = MidBlock(config)
        self.up_blocks = [UpBlock(config, level) for level in reversed(range(levels))]
        self.conv_norm_out = GroupNorm(config.norm_num_groups, widths[0], config.norm_eps, act=True)
        self.conv_out = nn.Conv2d(widths[0], config.out_channels, 3, padding=1)

    @classmethod
    def from_dict(cls, config: dict) -> Model:
        return cls(Config.from_dict(config))

    def _time(self, step: mx.array, batch: int, added: Added | None, guidance) -> mx.array:
        """The embedding of the step and what goes with it, after SiLU: `(batch, 4 * width)`."""
        config = self.config
        waves = {"cosine_first": config.flip_sin_to_cos, "shift": config.freq_shift}
        dtype = self.conv_in.weight.dtype
        step = mx.broadcast_to(mx.array(step), (batch,))
        condition = None
        if guidance is not None and config.time_cond_proj_dim:
            # As LCM was taught: a thousand times the weight of guidance, sines first.
            weight = mx.full((batch,), 1000.0 * guidance)
            condition = sinusoids(weight, config.time_cond_proj_dim, cosine_first=False, shift=1)
            condition = condition.astype(dtype)
        x = sinusoids(step, config.widths[0], **waves).astype(dtype)
        time = self.time_embedding(x, condition)
        if config.addition_embed_type:
            if added is None:
                raise ValueError("[image] expected the text's vector and sizes: this is an SDXL")
            sizes = sinusoids(added.sizes, config.addition_time_embed_dim, **waves)
            sizes = sizes.reshape(batch, -1).astype(dtype)
            time = time + self.add_embedding(mx.concatenate([added.text, sizes], axis=-1))
        return nn.silu(time)

    def __call__(
        self,
        x: mx.array,
        step: mx.array | float,
        memory: mx.array,
        added: Added | None = None,
        guidance: float | None = None,
    ) -> mx.array:
        """What the scheduler asks of latents `(batch, height, width, in_channels)` at a step.

        `memory` are features of texts `(batch, length, cross_attention_dim)`; `guidance` counts in
        models that were distilled with it.
        """
        if x.ndim != 4 or x.shape[-1] != self.config.in_channels:
            raise ValueError(
                f"[image] expected latents (batch, height, width, {self.config.in_channels}); "
                f"got shape {x.shape}"
            )
        time = self._time(step, x.shape[0], added, guidance)
        x = self.conv_in(x)
        skips = [x]
        for block in self.down_blocks:
            x = block(x, time, memory, skips)
        x = self.mid_block(x, time, memory)
        for block in self.up_blocks:
            x = block(x, time, memory, skips)
        return self.conv_out(self.conv_norm_out(x))

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        return channels_last(self, weights)
