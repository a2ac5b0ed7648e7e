"""The transformer of CLIP and SigLIP: normalized before attention and before the feed-forward."""

from __future__ import annotations

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import attend, join_heads, split_heads
from olivine.llm.blocks.feed_forward import activation


class Attention(nn.Module):
    def __init__(self, dims: int, heads: int):
        super().__init__()
        self.heads, self.scale = heads, (dims // heads) ** -0.5
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(dims, dims) for _ in range(3))
        self.out_proj = nn.Linear(dims, dims)

    def __call__(self, x: mx.array, mask=None) -> mx.array:
        queries, keys, values = (
            split_heads(layer(x), self.heads) for layer in (self.q_proj, self.k_proj, self.v_proj)
        )
        y = attend(queries, keys, values, None, scale=self.scale, mask=mask)
        return self.out_proj(join_heads(y))


class MLP(nn.Module):
    def __init__(self, dims: int, hidden: int, act: str):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dims, hidden), nn.Linear(hidden, dims)
        self._act = activation(act)

    def __call__(self, x: mx.array) -> mx.array:
        return self.fc2(self._act(self.fc1(x)))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        dims, eps = config.hidden_size, config.layer_norm_eps
        self.layer_norm1 = nn.LayerNorm(dims, eps=eps)
        self.self_attn = Attention(dims, config.num_attention_heads)
        self.layer_norm2 = nn.LayerNorm(dims, eps=eps)
        self.mlp = MLP(dims, config.intermediate_size, config.hidden_act)

    def __call__(self, x: mx.array, mask=None) -> mx.array:
        x = x + self.self_attn(self.layer_norm1(x), mask)
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nn.Module):
    """`config` has hidden_size, intermediate_size, num_hidden_layers, num_attention_heads,
    hidden_act and layer_norm_eps."""

    def __init__(self, config):
        super().__init__()
        self.layers = [Layer(config) for _ in range(config.num_hidden_layers)]

    def __call__(self, x: mx.array, mask=None) -> list[mx.array]:
        """What goes into the first layer and what comes out of each."""
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1], mask))
        return states


class TextEmbeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self._most = config.max_position_embeddings

    def __call__(self, tokens: mx.array) -> mx.array:
        if tokens.ndim != 2 or not 1 <= tokens.shape[1] <= self._most:
            raise ValueError(
                f"[image] expected ids (batch, length) with a length of at most {self._most}; "
                f"got shape {tokens.shape}"
            )
        return self.token_embedding(tokens) + self.position_embedding.weight[: tokens.shape[1]]


class PatchEmbeddings(nn.Module):
    """Squares of an image as vectors, with their positions; CLIP puts a learned one first."""

    def __init__(self, config, with_class: bool, bias: bool):
        super().__init__()
        dims, size = config.hidden_size, config.patch_size
        self.patch_embedding = nn.Conv2d(config.num_channels, dims, size, stride=size, bias=bias)
        count = (config.image_size // size) ** 2 + with_class
        if with_class:
            self.class_embedding = mx.zeros((dims,))
        self.position_embedding = nn.Embedding(count, dims)
        self._shape = (config.image_size, config.image_size, config.num_channels)

    @property
    def dtype(self) -> mx.Dtype:
        return self.patch_embedding.weight.dtype

    def __call__(self, pixels: mx.array) -> mx.array:
        if pixels.ndim != 4 or pixels.shape[1:] != self._shape:
            raise ValueError(
                f"[image] expected images of shape (batch, {', '.join(map(str, self._shape))}); "
                f"got {pixels.shape}"
            )
        x = self.patch_embedding(pixels)
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        if "class_embedding" in self:
            first = mx.broadcast_to(self.class_embedding, (x.shape[0], 1, x.shape[-1]))
            x = mx.concatenate([first, x], axis=1)
        return x + self.position_embedding.weight
