"""T5: an encoder, and a decoder that attends to what it made; positions are biases on scores.

Sources: Raffel et al., "Exploring the Limits of Transfer Learning" (2019); for version 1.1,
Shazeer, "GLU Variants" (2020).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import attend, join_heads, split_heads
from olivine.llm.blocks.config import Config as BaseConfig
from olivine.llm.blocks.feed_forward import activation
from olivine.llm.cache import KVCache


@dataclass
class Config(BaseConfig):
    vocab_size: int
    d_model: int
    d_kv: int
    d_ff: int
    num_layers: int
    num_heads: int
    num_decoder_layers: int | None = None
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6
    feed_forward_proj: str = "relu"
    tie_word_embeddings: bool = True
    scale_decoder_outputs: bool | None = None
    decoder_start_token_id: int = 0

    def __post_init__(self):
        super().__post_init__()
        if not 4 <= self.relative_attention_num_buckets < 2 * self.relative_attention_max_distance:
            raise ValueError(
                "[llm] expected config.json's relative_attention_num_buckets to be from 4 to below "
                "twice the relative_attention_max_distance; got "
                f"{self.relative_attention_num_buckets} and {self.relative_attention_max_distance}"
            )
        if self.num_decoder_layers is None:
            self.num_decoder_layers = self.num_layers
        # transformers 5 writes that T5 1.1 ties its head, which it does not: it doesn't scale.
        if self.scale_decoder_outputs is None:
            self.scale_decoder_outputs = self.tie_word_embeddings
        self.tie_word_embeddings = self.tie_word_embeddings and self.scale_decoder_outputs


def bucket(distance: mx.array, config: Config, both_ways: bool) -> mx.array:
    """The number of the bias for a key `distance` positions after the query.

    Half of the buckets are one distance each, the others grow with it; where a query sees both
    ways, half of all are for keys after it.
    """
    count = config.relative_attention_num_buckets
    if both_ways:
        count //= 2
        first, distance = mx.where(distance > 0, count, 0), mx.abs(distance)
    else:
        first, distance = 0, mx.maximum(-distance, 0)
    exact = count // 2
    growth = (count - exact) / math.log(config.relative_attention_max_distance / exact)
    far = exact + (mx.log(mx.maximum(distance, 1) / exact) * growth).astype(mx.int32)
    return first + mx.where(distance < exact, distance, mx.minimum(far, count - 1))


class Attention(nn.Module):
    """Scores are not scaled; in the first layer, a table has the biases for all layers."""

    def __init__(self, config: Config, biased: bool):
        super().__init__()
        self.heads, width = config.num_heads, config.num_heads * config.d_kv
        self.q, self.k, self.v = (nn.Linear(config.d_model, width, bias=False) for _ in range(3))
        self.o = nn.Linear(width, config.d_model, bias=False)
        if biased:
            self.relative_attention_bias = nn.Embedding(
                config.relative_attention_num_buckets, self.heads
            )

    def keys_and_values(self, x: mx.array) -> tuple[mx.array, mx.array]:
        return split_heads(self.k(x), self.heads), split_heads(self.v(x), self.heads)

    def __call__(self, x: mx.array, mask: mx.array | None, cache=None) -> mx.array:
        queries = split_heads(self.q(x), self.heads)
        y = attend(queries, *self.keys_and_values(x), cache, scale=1.0, mask=mask)
        return self.o(join_heads(y))

    def over(self, x: mx.array, memory: tuple, mask: mx.array | None) -> mx.array:
        """Attention to keys and values of another text."""
        queries = split_heads(self.q(x), self.heads)
        return self.o(join_heads(attend(queries, *memory, None, scale=1.0, mask=mask)))


class FeedForward(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        linear = partial(nn.Linear, bias=False)
        kind = config.feed_forward_proj
        self.gated = kind.startswith("gated-")
        kind = kind.removeprefix("gated-")
        # Version 1.1 says gelu and means its approximation.
        self._act = activation("gelu_new" if self.gated and kind == "gelu" else kind)
        for name in ("wi_0", "wi_1") if self.gated else ("wi",):
            setattr(self, name, linear(config.d_model, config.d_ff))
        self.wo = linear(config.d_ff, config.d_model)

    def __call__(self, x: mx.array) -> mx.array:
        if self.gated:
            return self.wo(self._act(self.wi_0(x)) * self.wi_1(x))
        return self.wo(self._act(self.wi(x)))


class Part(nn.Module):
    """Attention, attention to the encoder or feed-forward: under its name, with its norm."""

    def __init__(self, config: Config, name: str, module: nn.Module):
        super().__init__()
        setattr(self, name, module)
        self.layer_norm = nn.RMSNorm(config.d_model, eps=config.layer_norm_epsilon)


class Block(nn.Module):
    def __init__(self, config: Config, first: bool, decodes: bool):
        super().__init__()
        self.layer = [Part(config, "SelfAttention", Attention(config, biased=first))]
        if decodes:
            self.layer.append(Part(config, "EncDecAttention", Attention(config, biased=False)))
        self.layer.append(Part(config, "DenseReluDense", FeedForward(config)))

    def __call__(self, x: mx.array, mask, cache=None, memory=None, memory_mask=None) -> mx.array:
        own, last = self.layer[0], self.layer[-1]
        x = x + own.SelfAttention(own.layer_norm(x), mask, cache)
        if memory is not None:
            other = self.layer[1]
            x = x + other.EncDecAttention.over(other.layer_norm(x), memory, memory_mask)
        return x + last.DenseReluDense(last.layer_norm(x))


class Stack(nn.Module):
    def __init__(self, config: Config, layers: int, decodes: bool):
        super().__init__()
        self.block = [Block(config, i == 0, decodes) for i in range(layers)]
        self.final_layer_norm = nn.RMSNorm(config.d_model, eps=config.layer_norm_epsilon)
        self._bucket = partial(bucket, config=config, both_ways=not decodes)

    def bias(self, length: int, offset: int, dtype) -> mx.array:
        """What positions add to the scores of `length` queries: `(1, heads, length, keys)`."""
        distance = mx.arange(offset + length) - mx.arange(offset, offset + length)[:, None]
        table = self.block[0].layer[0].SelfAttention.relative_attention_bias
        return table(self._bucket(distance)).transpose(2, 0, 1)[None].astype(dtype)


@dataclass
class Memory:
    """What the decoder needs of an encoded text: keys and values per layer, and which exist."""

    layers: list[tuple[mx.array, mx.array]]
    mask: mx.array | None


class Model(nn.Module):
    """An encoder and a decoder; `make_cache`'s caches keep `cache_dtype`, as a decoder's."""

    cache_dtype: mx.Dtype | None = None

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = Stack(config, config.num_layers, decodes=False)
        self.decoder = Stack(config, config.num_decoder_layers, decodes=True)
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    @property
    def layers(self) -> list[nn.Module]:
        return self.decoder.block

    @property
    def windows(self) -> list[int | None]:
        return [None] * self.config.num_decoder_layers

    def make_cache(self) -> list:
        return [KVCache(self.cache_dtype) for _ in self.decoder.block]

    def features(self, tokens: mx.array, mask: mx.array | None = None) -> mx.array:
        """The encoder's features of ids `(batch, length)`; `mask` is 0 for padding."""
        x = self.shared(tokens)
        bias = self.encoder.bias(tokens.shape[1], 0, x.dtype)
        if mask is not None:
            bias = mx.where(mask.astype(mx.bool_)[:, None, None], bias, mx.finfo(x.dtype).min)
        for block in self.encoder.block:
            x = block(x, bias)
        return self.encoder.final_layer_norm(x)

    def encode(self, tokens: mx.array, mask: mx.array | None = None) -> Memory:
        """What `decode` attends to."""
        x = self.features(tokens, mask)
        layers = [block.layer[1].EncDecAttention.keys_and_values(x) for block in self.decoder.block]
        return Memory(layers, None if mask is None else mask.astype(mx.bool_)[:, None, None])

    def decode(self, tokens: mx.array, memory: Memory, cache: list | None = None) -> mx.array:
        """Logits of the tokens after `tokens`, which continue what the cache has seen."""
        x, length = self.shared(tokens), tokens.shape[1]
        offset = cache[0].offset if cache else 0
        bias = self.decoder.bias(length, offset, x.dtype)
        later = mx.arange(offset + length) > mx.arange(offset, offset + length)[:, None]
        bias = mx.where(later, mx.finfo(x.dtype).min, bias)
        caches = cache or [None] * len(self.decoder.block)
        for block, layer_cache, seen in zip(self.decoder.block, caches, memory.layers, strict=True):
            x = block(x, bias, layer_cache, seen, memory.mask)
        x = self.decoder.final_layer_norm(x)
        if self.config.scale_decoder_outputs:
            x = x * self.config.d_model**-0.5
        return self.lm_head(x) if "lm_head" in self else self.shared.as_linear(x)

    def __call__(
        self, tokens: mx.array, decoder_tokens: mx.array, mask: mx.array | None = None
    ) -> mx.array:
        """Logits `(batch, length, vocab_size)` of the tokens after `decoder_tokens`."""
        return self.decode(decoder_tokens, self.encode(tokens, mask))

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """Without the copies of the shared table, except where it is a head of its own."""
        copies = ("encoder.embed_tokens.", "decoder.embed_tokens.")
        if self.config.tie_word_embeddings:
            copies += ("lm_head.",)
        elif "shared.weight" in weights and "lm_head.weight" not in weights:
            weights = {**weights, "lm_head.weight": weights["shared.weight"]}
        # Early files have a table that no model used.
        unused = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
        return {
            name: weight
            for name, weight in weights.items()
            if not name.startswith(copies) and name != unused
        }
