"""Whisper: an encoder of 30 seconds of sound, and a decoder that writes what was said.

Source: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022).
Parameters carry the names of MLX's converted checkpoints: OpenAI's but for `mlp1` and `mlp2`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import olivine.core as mx
import olivine.nn as nn
from olivine.audio.whisper.cache import Cache, LayerCache
from olivine.llm.blocks.attention import join_heads, split_heads
from olivine.llm.blocks.config import Config


@dataclass
class Dims(Config):
    """Sizes, under the names of OpenAI's checkpoints."""

    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int

    def __post_init__(self):
        super().__post_init__()
        self.require_divisible("n_audio_state", by="n_audio_head")
        self.require_divisible("n_text_state", by="n_text_head")
        if self.n_audio_state != self.n_text_state:
            raise ValueError(
                "[audio] expected an encoder and a decoder of the same width; "
                f"got {self.n_audio_state} and {self.n_text_state}"
            )


def sinusoids(length: int, channels: int) -> mx.array:
    """Positions `(length, channels)`: sines, then cosines, of periods from 2 pi to 20,000 pi."""
    half = channels // 2
    rates = mx.exp(mx.arange(half) * (-math.log(10_000) / max(half - 1, 1)))
    angles = mx.arange(length)[:, None] * rates
    return mx.concatenate([mx.sin(angles), mx.cos(angles)], axis=1)


class MultiHeadAttention(nn.Module):
    def __init__(self, dims: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dims, dims)
        self.key = nn.Linear(dims, dims, bias=False)
        self.value = nn.Linear(dims, dims)
        self.out = nn.Linear(dims, dims)
        self._scale = (dims // heads) ** -0.5

    def keys_and_values(self, x: mx.array) -> tuple[mx.array, mx.array]:
        return split_heads(self["key"](x), self.heads), split_heads(self["value"](x), self.heads)

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        """Attention of `x` to itself and, before it, to what `cache` remembers."""
        queries = split_heads(self["query"](x), self.heads)
        keys, values = self.keys_and_values(x)
        if cache is not None:
            keys, values = cache.extend(keys, values)
        y = mx.fast.scaled_dot_product_attention(
            queries, keys, values, scale=self._scale, mask=mask
        )
        return self["out"](join_heads(y))

    def over(self, x: mx.array, keys: mx.array, values: mx.array, weights: list | None = None):
        """Attention to keys and values of sound; several rows of `x` in a row share one of them.

        Appends what is attended to, `(rows, heads, length, positions)`, to `weights` if given.
        """
        rows, length, _ = x.shape
        group = rows // keys.shape[0]
        queries = split_heads(self["query"](x), self.heads)
        if group > 1:
            # The rows of one sound become positions, since no mask tells them apart.
            queries = _together(queries, group)
        if weights is not None:
            scores = (queries * self._scale) @ keys.swapaxes(-1, -2)
            shares = mx.softmax(scores.astype(mx.float32), axis=-1)
            weights.append(_apart(shares, group) if group > 1 else shares)
        y = mx.fast.scaled_dot_product_attention(queries, keys, values, scale=self._scale)
        return self["out"](join_heads(_apart(y, group) if group > 1 else y))


def _together(x: mx.array, group: int) -> mx.array:
    """`(batch * group, heads, length, n)` as `(batch, heads, group * length, n)`."""
    rows, heads, length, size = x.shape
    x = x.reshape(rows // group, group, heads, length, size).transpose(0, 2, 1, 3, 4)
    return x.reshape(rows // group, heads, group * length, size)


def _apart(x: mx.array, group: int) -> mx.array:
    """The inverse of `_together`."""
    batch, heads, length, size = x.shape
    x = x.reshape(batch, heads, group, length // group, size).transpose(0, 2, 1, 3, 4)
    return x.reshape(batch * group, heads, length // group, size)


class Block(nn.Module):
    """Attention, attention to the sound where it `decodes`, and a feed-forward part."""

    def __init__(self, dims: int, heads: int, decodes: bool = False):
        super().__init__()
        self.attn = MultiHeadAttention(dims, heads)
        self.attn_ln = nn.LayerNorm(dims)
        if decodes:
            self.cross_attn = MultiHeadAttention(dims, heads)
            self.cross_attn_ln = nn.LayerNorm(dims)
        self.mlp1 = nn.Linear(dims, 4 * dims)
        self.mlp2 = nn.Linear(4 * dims, dims)
        self.mlp_ln = nn.LayerNorm(dims)

    def __call__(self, x: mx.array, mask=None, cache: LayerCache | None = None, weights=None):
        own = None if cache is None else cache.own
        x = x + self["attn"](self["attn_ln"](x), mask, own)
        if cache is not None:
            seen = self["cross_attn_ln"](x)
            x = x + self["cross_attn"].over(seen, cache.keys, cache.values, weights)
        return x + self["mlp2"](nn.gelu(self["mlp1"](self["mlp_ln"](x))))


class AudioEncoder(nn.Module):
    def __init__(self, dims: Dims):
        super().__init__()
        width = dims.n_audio_state
        self.conv1 = nn.Conv1d(dims.n_mels, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(width, width, kernel_size=3, stride=2, padding=1)
        self.blocks = [Block(width, dims.n_audio_head) for _ in range(dims.n_audio_layer)]
        self.ln_post = nn.LayerNorm(width)
        self._positional_embedding = sinusoids(dims.n_audio_ctx, width)

    def __call__(self, mel: mx.array) -> mx.array:
        x = nn.gelu(self.conv2(nn.gelu(self.conv1(mel))))
        x = x + self._positional_embedding.astype(x.dtype)
        for block in self.blocks:
            x = block(x)
        return self.ln_post(x)


class TextDecoder(nn.Module):
    def __init__(self, dims: Dims):
        super().__init__()
        width = dims.n_text_state
        self.token_embedding = nn.Embedding(dims.n_vocab, width)
        self.positional_embedding = mx.zeros((dims.n_text_ctx, width))
        self.blocks = [Block(width, dims.n_text_head, True) for _ in range(dims.n_text_layer)]
        self.ln = nn.LayerNorm(width)

    def __call__(self, tokens: mx.array, cache: Cache, weights: list | None = None) -> mx.array:
        start, length = cache.offset, tokens.shape[1]
        positions = self["positional_embedding"]
        if start + length > positions.shape[0]:
            raise ValueError(
                f"[Whisper.decode] expected at most {positions.shape[0]} tokens; "
                f"got {start + length}"
            )
        x = self["token_embedding"](tokens) + positions[start : start + length]
        mask = cache.mask(length)
        for block, layer in zip(self["blocks"], cache.layers, strict=True):
            x = block(x, mask, layer, weights)
        return self["ln"](x)


class Whisper(nn.Module):
    """`encode` turns spectrograms into features, `decode` tokens about them into logits.

    `alignment_heads` are the pairs (layer, head) of the decoder whose attention follows the sound,
    for word timestamps; without better knowledge, all heads of the later half of the layers.
    """

    def __init__(self, dims: Dims):
        super().__init__()
        self.dims = dims
        self.encoder = AudioEncoder(dims)
        self.decoder = TextDecoder(dims)
        half = dims.n_text_layer // 2
        self.alignment_heads = [
            (layer, head)
            for layer in range(half, dims.n_text_layer)
            for head in range(dims.n_text_head)
        ]

    @property
    def dtype(self) -> mx.Dtype:
        """What is computed in."""
        return self.encoder.conv1.weight.dtype

    @property
    def is_multilingual(self) -> bool:
        return self.dims.n_vocab >= 51865

    @property
    def num_languages(self) -> int:
        return self.dims.n_vocab - 51765 - int(self.is_multilingual)

    def encode(self, mel: mx.array) -> mx.array:
        """Features `(batch, positions, width)` of spectrograms `(batch, 2 * positions, mels)`."""
        dims = self.dims
        expected = (2 * dims.n_audio_ctx, dims.n_mels)
        if mel.ndim != 3 or mel.shape[1:] != expected:
            raise ValueError(
                f"[Whisper.encode] expected a spectrogram (batch, {expected[0]}, {expected[1]}); "
                f"got shape {mel.shape}"
            )
        return self.encoder(mel.astype(self.dtype))

    def make_cache(self, features: mx.array) -> Cache:
        """What `decode` needs of features `(batch, positions, width)`: keys and values."""
        if features.ndim != 3 or features.shape[2] != self.dims.n_text_state:
            raise ValueError(
                f"[Whisper.decode] expected features (batch, positions, {self.dims.n_text_state}); "
                f"got shape {features.shape}"
            )
        features = features.astype(self.dtype)
        pairs = [b.cross_attn.keys_and_values(features) for b in self.decoder.blocks]
        return Cache([LayerCache(keys, values) for keys, values in pairs])

    def hidden(
        self,
        tokens: mx.array,
        features: mx.array | None,
        cache: Cache | None = None,
        weights: list | None = None,
    ) -> mx.array:
        """What `logits` takes: `(rows, length, width)` for tokens `(rows, length)`."""
        if cache is None:
            if features is None:
                raise ValueError("[Whisper.decode] expected features or a cache; got neither")
            cache = self.make_cache(features)
        batch = cache.layers[0].keys.shape[0]
        if tokens.ndim != 2 or tokens.shape[0] % batch:
            raise ValueError(
                f"[Whisper.decode] expected tokens of shape (rows, length) with a multiple of "
                f"{batch} rows, as many as there are features; got shape {tokens.shape}"
            )
        return self.decoder(tokens, cache, weights)

    def logits(self, hidden: mx.array) -> mx.array:
        return self.decoder.token_embedding.as_linear(hidden)

    def decode(
        self,
        tokens: mx.array,
        features: mx.array | None = None,
        cache: Cache | None = None,
        alignment: bool = False,
    ):
        """Logits `(rows, length, vocabulary)` of the tokens after each of `tokens`.

        `tokens` are ids `(rows, length)`, which continue what the cache has seen. Features are
        `(batch, positions, width)`, or None where `make_cache(features)` gave the cache; rows are a
        multiple of the batch, those of one sound in a row. With `alignment` the result is a pair:
        the logits, and for each layer what it attends to in the sound, `(rows, heads, length,
        positions)` in float32, which sums to 1 over the positions.
        """
        weights = [] if alignment else None
        logits = self.logits(self.hidden(tokens, features, cache, weights))
        return (logits, weights) if alignment else logits

    def __call__(self, mel: mx.array, tokens: mx.array) -> mx.array:
        return self.decode(tokens, self.encode(mel))
