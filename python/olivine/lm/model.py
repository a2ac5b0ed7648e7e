"""The language model: a GPT-style transformer, pre-norm, with learned positions."""

from __future__ import annotations

import math

import olivine.core as mx
import olivine.nn as nn
from olivine.lm.settings import GPTConfig
from olivine.utils import tree_map_with_path


class KVCache:
    """The keys and values of the tokens one attention layer has seen so far."""

    def __init__(self):
        self.keys: mx.array | None = None
        self.values: mx.array | None = None

    def extend(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Append those of new tokens along the length axis (-2); returns all."""
        if self.keys is not None:
            keys = mx.concatenate([self.keys, keys], axis=-2)
            values = mx.concatenate([self.values, values], axis=-2)
        self.keys, self.values = keys, values
        return keys, values

    def __len__(self) -> int:
        return 0 if self.keys is None else self.keys.shape[-2]


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.heads = config.heads
        self.scale = 1 / math.sqrt(config.dims // config.heads)
        self.qkv = nn.Linear(config.dims, 3 * config.dims)
        self.out = nn.Linear(config.dims, config.dims)

    def __call__(self, x: mx.array, cache: KVCache | None = None) -> mx.array:
        batch, length, dims = x.shape
        qkv = self.qkv(x).reshape(batch, length, 3 * self.heads, -1).transpose(0, 2, 1, 3)
        queries, keys, values = mx.split(qkv, 3, axis=1)
        if cache is not None:
            keys, values = cache.extend(keys, values)
        # A single new token may look at everything, so it needs no mask.
        y = mx.fast.scaled_dot_product_attention(
            queries, keys, values, scale=self.scale, mask="causal" if length > 1 else None
        )
        return self.out(y.transpose(0, 2, 1, 3).reshape(batch, length, dims))


class MLP(nn.Module):
    """Two linear layers around a gelu, four times as wide inside."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.up = nn.Linear(config.dims, 4 * config.dims)
        self.down = nn.Linear(4 * config.dims, config.dims)

    def __call__(self, x: mx.array) -> mx.array:
        return self.down(nn.gelu(self.up(x)))


class Block(nn.Module):
    """Attention and MLP, each normalized on the way in and added to its input."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.norm1 = nn.LayerNorm(config.dims)
        self.attention = Attention(config)
        self.norm2 = nn.LayerNorm(config.dims)
        self.mlp = MLP(config)
        self.dropout = nn.Dropout(config.dropout)

    def __call__(self, x: mx.array, cache: KVCache | None = None) -> mx.array:
        x = x + self.dropout(self.attention(self.norm1(x), cache))
        return x + self.dropout(self.mlp(self.norm2(x)))


class GPT(nn.Module):
    """Token ids `(batch, length)` to logits `(batch, length, vocab_size)`."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.dims)
        self.positions = nn.Embedding(config.context, config.dims)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = [Block(config) for _ in range(config.layers)]
        self.norm = nn.LayerNorm(config.dims)
        if not config.tied:
            self.head = nn.Linear(config.dims, config.vocab_size, bias=False)
        self._initialize()

    def _initialize(self) -> None:
        """Weights as in GPT-2: normal, narrower where a layer writes to the residual stream."""
        std = 0.02
        narrow = std / math.sqrt(2 * self.config.layers)

        def fresh(path: str, weight: mx.array) -> mx.array:
            if path.endswith("bias"):
                return mx.zeros_like(weight)
            if weight.ndim < 2:  # norms start at one
                return weight
            writes = path.endswith(("attention.out.weight", "mlp.down.weight"))
            return mx.random.normal(weight.shape, scale=narrow if writes else std)

        self.update(tree_map_with_path(fresh, self.parameters()))

    def make_cache(self) -> list[KVCache]:
        return [KVCache() for _ in self.blocks]

    def __call__(self, tokens: mx.array, cache: list[KVCache] | None = None) -> mx.array:
        start = len(cache[0]) if cache else 0
        end = start + tokens.shape[1]
        if end > self.config.context:
            raise ValueError(
                f"[GPT] expected at most {self.config.context} tokens in all; got {end}"
            )
        x = self.dropout(self.tokens(tokens) + self.positions.weight[start:end])
        for block, layer_cache in zip(self.blocks, cache or [None] * len(self.blocks), strict=True):
            x = block(x, layer_cache)
        x = self.norm(x)
        return self.tokens.as_linear(x) if self.config.tied else self.head(x)
