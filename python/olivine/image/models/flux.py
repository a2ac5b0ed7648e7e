"""FLUX.1's transformer: images and texts attend to each other, first with weights of their own.

Sources: Esser et al., "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis"
(2024), for MM-DiT; Peebles and Xie, "Scalable Diffusion Models with Transformers" (2022), for
normalization that depends on the step; Su et al., "RoFormer" (2021), for rotary positions, here
along several axes; Dehghani et al., "Scaling Vision Transformers to 22 Billion Parameters" (2023),
for attention and feed-forward side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import olivine.core as mx
import olivine.nn as nn
from olivine.image.blocks.timesteps import Embedding, sinusoids
from olivine.image.settings import Settings
from olivine.llm.blocks.attention import attend, join_heads, split_heads

WAVES = 256  # of the step and of guidance
THETA = 10000.0
EPS = 1e-6


@dataclass
class Config(Settings):
    in_channels: int = 64
    out_channels: int | None = None
    patch_size: int = 1
    num_layers: int = 19
    num_single_layers: int = 38
    attention_head_dim: int = 128
    num_attention_heads: int = 24
    joint_attention_dim: int = 4096
    pooled_projection_dim: int = 768
    guidance_embeds: bool = False
    axes_dims_rope: list = field(default_factory=lambda: [16, 56, 56])

    def __post_init__(self):
        super().__post_init__()
        self.require("patch_size", (1,))
        axes = self.axes_dims_rope
        even = all(type(one) is int and one > 0 and one % 2 == 0 for one in axes)
        if len(axes) != 3 or not even or sum(axes) != self.attention_head_dim:
            raise ValueError(
                f"[image] expected axes_dims_rope to be 3 even numbers with the sum "
                f"{self.attention_head_dim}; got {axes}"
            )

    @property
    def dims(self) -> int:
        return self.num_attention_heads * self.attention_head_dim


def rotations(places: mx.array, axes: list[int]) -> tuple[mx.array, mx.array]:
    """Cosines and sines `(length, head_dim / 2)` of the turns for places `(length, 3)`."""
    angles = [
        places[:, i : i + 1].astype(mx.float32)
        * (THETA ** (-mx.arange(0, dims, 2, dtype=mx.float32) / dims))
        for i, dims in enumerate(axes)
    ]
    turned = mx.concatenate(angles, axis=-1)
    return mx.cos(turned), mx.sin(turned)


def rotate(x: mx.array, turns: tuple[mx.array, mx.array]) -> mx.array:
    """Turns neighbouring pairs of features of `(batch, heads, length, head_dim)`."""
    cosines, sines = turns
    pairs = x.astype(mx.float32).reshape(*x.shape[:-1], -1, 2)
    a, b = pairs[..., 0], pairs[..., 1]
    turned = mx.stack([a * cosines - b * sines, a * sines + b * cosines], axis=-1)
    return turned.reshape(x.shape).astype(x.dtype)


class Modulation(nn.Module):
    """Factors and offsets that the step and the text set, each `(batch, 1, dims)`."""

    def __init__(self, dims: int, count: int):
        super().__init__()
        self.linear = nn.Linear(dims, count * dims)
        self._count = count

    def __call__(self, condition: mx.array) -> list[mx.array]:
        """`condition` has gone through SiLU."""
        return mx.split(self.linear(condition)[:, None], self._count, axis=-1)


def modulated(x: mx.array, shift: mx.array, scale: mx.array) -> mx.array:
    return mx.fast.layer_norm(x, None, None, EPS) * (1 + scale) + shift


class FeedForward(nn.Module):
    def __init__(self, dims: int):
        super().__init__()
        # The names of the checkpoints: an activation that has a projection, a dropout, a layer.
        self.net = [Projection(dims, 4 * dims), nn.Identity(), nn.Linear(4 * dims, dims)]

    def __call__(self, x: mx.array) -> mx.array:
        return self.net[2](self.net[0](x))


class Projection(nn.Module):
    def __init__(self, dims: int, hidden: int):
        super().__init__()
        self.proj = nn.Linear(dims, hidden)

    def __call__(self, x: mx.array) -> mx.array:
        return nn.gelu_approx(self.proj(x))


class Attention(nn.Module):
    """Attention among all tokens; with `joint`, the text has layers of its own."""

    def __init__(self, config: Config, joint: bool):
        super().__init__()
        dims, self.heads, size = config.dims, config.num_attention_heads, config.attention_head_dim
        self.scale = size**-0.5
        self.to_q, self.to_k, self.to_v = (nn.Linear(dims, dims) for _ in range(3))
        self.norm_q, self.norm_k = nn.RMSNorm(size, EPS), nn.RMSNorm(size, EPS)
        if joint:
            self.add_q_proj, self.add_k_proj, self.add_v_proj = (
                nn.Linear(dims, dims) for _ in range(3)
            )
            self.norm_added_q, self.norm_added_k = nn.RMSNorm(size, EPS), nn.RMSNorm(size, EPS)
            self.to_out, self.to_add_out = [nn.Linear(dims, dims)], nn.Linear(dims, dims)

    def _heads_of(self, x: mx.array, names: tuple, norms: tuple) -> list[mx.array]:
        queries, keys, values = (split_heads(self[name](x), self.heads) for name in names)
        return [self[norms[0]](queries), self[norms[1]](keys), values]

    def __call__(self, x: mx.array, turns, text: mx.array | None = None):
        """Of `x` alone, or of a text and `x`: then the results for `x` and for the text."""
        parts = self._heads_of(x, ("to_q", "to_k", "to_v"), ("norm_q", "norm_k"))
        if text is not None:
            names = ("add_q_proj", "add_k_proj", "add_v_proj")
            before = self._heads_of(text, names, ("norm_added_q", "norm_added_k"))
            parts = [mx.concatenate(pair, axis=2) for pair in zip(before, parts, strict=True)]
        queries, keys, values = parts
        queries, keys = rotate(queries, turns), rotate(keys, turns)
        y = join_heads(attend(queries, keys, values, None, scale=self.scale))
        if text is None:
            return y
        of_text, of_image = mx.split(y, [text.shape[1]], axis=1)
        return self.to_out[0](of_image), self.to_add_out(of_text)


class DoubleBlock(nn.Module):
    """Images and texts have their own weights and share attention."""

    def __init__(self, config: Config):
        super().__init__()
        dims = config.dims
        self.norm1, self.norm1_context = Modulation(dims, 6), Modulation(dims, 6)
        self.attn = Attention(config, joint=True)
        self.ff, self.ff_context = FeedForward(dims), FeedForward(dims)

    def __call__(self, x: mx.array, text: mx.array, condition: mx.array, turns):
        of_x, of_text = self.norm1(condition), self.norm1_context(condition)
        y, z = self.attn(modulated(x, *of_x[:2]), turns, modulated(text, *of_text[:2]))
        x, text = x + of_x[2] * y, text + of_text[2] * z
        x = x + of_x[5] * self.ff(modulated(x, *of_x[3:5]))
        text = text + of_text[5] * self.ff_context(modulated(text, *of_text[3:5]))
        return x, text


class SingleBlock(nn.Module):
    """One sequence of text and image; attention and feed-forward side by side."""

    def __init__(self, config: Config):
        super().__init__()
        dims = config.dims
        self.norm = Modulation(dims, 3)
        self.attn = Attention(config, joint=False)
        self.proj_mlp = nn.Linear(dims, 4 * dims)
        self.proj_out = nn.Linear(5 * dims, dims)

    def __call__(self, x: mx.array, condition: mx.array, turns) -> mx.array:
        shift, scale, gate = self.norm(condition)
        y = modulated(x, shift, scale)
        y = mx.concatenate([self.attn(y, turns), nn.gelu_approx(self.proj_mlp(y))], axis=-1)
        return x + gate * self.proj_out(y)


class Conditions(nn.Module):
    """The step, the text as one vector, and the weight of guidance, added up."""

    def __init__(self, config: Config):
        super().__init__()
        dims = config.dims
        self.timestep_embedder = Embedding(WAVES, dims)
        if config.guidance_embeds:
            self.guidance_embedder = Embedding(WAVES, dims)
        self.text_embedder = Embedding(config.pooled_projection_dim, dims)

    def __call__(self, sigma: mx.array, text: mx.array, guidance: mx.array) -> mx.array:
        def waves(value):
            return sinusoids(1000 * value, WAVES).astype(text.dtype)

        x = self.timestep_embedder(waves(sigma)) + self.text_embedder(text)
        if "guidance_embedder" in self:
            x = x + self.guidance_embedder(waves(guidance))
        return nn.silu(x)


class Model(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        dims = config.dims
        self.x_embedder = nn.Linear(config.in_channels, dims)
        self.context_embedder = nn.Linear(config.joint_attention_dim, dims)
        self.time_text_embed = Conditions(config)
        self.transformer_blocks = [DoubleBlock(config) for _ in range(config.num_layers)]
        self.single_transformer_blocks = [
            SingleBlock(config) for _ in range(config.num_single_layers)
        ]
        self.norm_out = Modulation(dims, 2)
        self.proj_out = nn.Linear(dims, config.out_channels or config.in_channels)

    @classmethod
    def from_dict(cls, config: dict) -> Model:
        return cls(Config.from_dict(config))

    def __call__(
        self,
        x: mx.array,
        places: mx.array,
        sigma: float,
        text: mx.array,
        pooled: mx.array,
        guidance: float = 3.5,
    ) -> mx.array:
        """What a flow-matching scheduler asks of tokens `(batch, length, in_channels)`.

        `places` `(length, 3)` says where each token is, `sigma` how noisy `x` is, from 0 to 1.
        `text` are T5's features `(batch, words, joint_attention_dim)` and `pooled` is CLIP's vector
        `(batch, pooled_projection_dim)`; `guidance` counts in models that were distilled with it.
        """
        batch, words = text.shape[:2]
        condition = self.time_text_embed(
            mx.full((batch,), sigma), pooled, mx.full((batch,), guidance)
        )
        nowhere = mx.zeros((words, 3), places.dtype)
        turns = rotations(mx.concatenate([nowhere, places]), self.config.axes_dims_rope)
        x, text = self.x_embedder(x), self.context_embedder(text)
        for block in self.transformer_blocks:
            x, text = block(x, text, condition, turns)
        x = mx.concatenate([text, x], axis=1)
        for block in self.single_transformer_blocks:
            x = block(x, condition, turns)
        scale, shift = self.norm_out(condition)
        return self.proj_out(modulated(x[:, words:], shift, scale))

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        return weights


def pack(latents: mx.array) -> tuple[mx.array, mx.array]:
    """Squares of four latents as tokens `(batch, length, 4 * channels)`, and their places."""
    batch, height, width, channels = latents.shape
    if height % 2 or width % 2:
        raise ValueError(f"[image] expected even numbers of latents; got {height} x {width}")
    rows, columns = height // 2, width // 2
    x = latents.reshape(batch, rows, 2, columns, 2, channels).transpose(0, 1, 3, 5, 2, 4)
    down, across = mx.meshgrid(mx.arange(rows), mx.arange(columns), indexing="ij")
    places = mx.stack([mx.zeros_like(down), down, across], axis=-1).reshape(-1, 3)
    return x.reshape(batch, rows * columns, 4 * channels), places


def unpack(x: mx.array, height: int, width: int) -> mx.array:
    """The inverse of `pack` for so many latents."""
    batch, rows, columns = x.shape[0], height // 2, width // 2
    x = x.reshape(batch, rows, columns, -1, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(batch, height, width, -1)
