"""Attention of pixels to each other, and transformers of pixels that also attend to a text.

Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models" (2021).
"""

from __future__ import annotations

import olivine.core as mx
import olivine.nn as nn
from olivine.image.blocks.convolutional import GroupNorm
from olivine.llm.blocks.attention import attend, join_heads, split_heads


class CrossAttention(nn.Module):
    """Attention to `memory`, which has `memory_dims` features, or of `x` to itself."""

    def __init__(self, dims: int, heads: int, memory_dims: int | None = None, bias: bool = False):
        super().__init__()
        self.heads, self.scale = heads, (dims // heads) ** -0.5
        self.to_q = nn.Linear(dims, dims, bias=bias)
        self.to_k = nn.Linear(memory_dims or dims, dims, bias=bias)
        self.to_v = nn.Linear(memory_dims or dims, dims, bias=bias)
        self.to_out = [nn.Linear(dims, dims)]

    def __call__(self, x: mx.array, memory: mx.array | None = None) -> mx.array:
        memory = x if memory is None else memory
        queries = split_heads(self.to_q(x), self.heads)
        keys, values = (split_heads(of(memory), self.heads) for of in (self.to_k, self.to_v))
        y = attend(queries, keys, values, None, scale=self.scale)
        return self.to_out[0](join_heads(y))


class PixelAttention(CrossAttention):
    """Pixels of `(batch, height, width, dims)` attend to each other, beside a shortcut."""

    def __init__(self, dims: int, heads: int, groups: int, eps: float):
        super().__init__(dims, heads, bias=True)
        self.group_norm = GroupNorm(groups, dims, eps)

    def __call__(self, x: mx.array, memory: None = None) -> mx.array:
        y = self.group_norm(x).reshape(x.shape[0], -1, x.shape[-1])
        return super().__call__(y).reshape(x.shape) + x


class GEGLU(nn.Module):
    """Half of the features times GELU of the other half. Source: Shazeer, "GLU Variants" (2020)."""

    def __init__(self, dims: int, hidden: int):
        super().__init__()
        self.proj = nn.Linear(dims, 2 * hidden)

    def __call__(self, x: mx.array) -> mx.array:
        x, gate = mx.split(self.proj(x), 2, axis=-1)
        return x * nn.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, dims: int):
        super().__init__()
        # In checkpoints, a dropout stands between the two.
        self.net = [GEGLU(dims, 4 * dims), nn.Identity(), nn.Linear(4 * dims, dims)]

    def __call__(self, x: mx.array) -> mx.array:
        return self.net[2](self.net[0](x))


class Block(nn.Module):
    def __init__(self, dims: int, heads: int, memory_dims: int):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dims) for _ in range(3))
        self.attn1 = CrossAttention(dims, heads)
        self.attn2 = CrossAttention(dims, heads, memory_dims)
        self.ff = FeedForward(dims)

    def __call__(self, x: mx.array, memory: mx.array) -> mx.array:
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), memory)
        return x + self.ff(self.norm3(x))


class Transformer(nn.Module):
    """`depth` blocks over the pixels of `(batch, height, width, dims)`, beside a shortcut."""

    def __init__(self, dims: int, heads: int, memory_dims: int, depth: int, groups: int):
        super().__init__()
        self.norm = GroupNorm(groups, dims, 1e-6)
        self.proj_in = nn.Linear(dims, dims)  # some checkpoints: convolutions of single pixels
        self.transformer_blocks = [Block(dims, heads, memory_dims) for _ in range(depth)]
        self.proj_out = nn.Linear(dims, dims)

    def __call__(self, x: mx.array, memory: mx.array) -> mx.array:
        y = self.proj_in(self.norm(x).reshape(x.shape[0], -1, x.shape[-1]))
        for block in self.transformer_blocks:
            y = block(y, memory)
        return self.proj_out(y).reshape(x.shape) + x
