"""Positional encodings: rotary (RoPE), sinusoidal and linear-bias (ALiBi)."""

from __future__ import annotations

import math

import olivine.core as mx
from olivine.nn.layers.base import Module


class RoPE(Module):
    """Rotates pairs of features by an angle that grows with the position (axis -2).

    Source: Su et al., "RoFormer" (2021). `traditional` pairs neighbours; otherwise feature `i`
    is paired with `i + dims / 2`. `dims` may be less than the number of features.
    """

    def __init__(
        self,
        dims: int,
        traditional: bool = False,
        base: float = 10000,
        scale: float = 1.0,
    ):
        super().__init__()
        self.dims = dims
        self.traditional = traditional
        self.base = base
        self.scale = scale

    def _extra_repr(self):
        return f"{self.dims}, traditional={self.traditional}"

    def __call__(self, x, offset: int = 0):
        return mx.fast.rope(
            x,
            self.dims,
            traditional=self.traditional,
            base=self.base,
            scale=self.scale,
            offset=offset,
        )


class SinusoidalPositionalEncoding(Module):
    """Sines and cosines of the position at `dims / 2` frequencies, evenly spaced in the logarithm.

    Source: Vaswani et al., "Attention Is All You Need" (2017). `full_turns` multiplies positions
    by 2 pi; `scale` (by default `sqrt(2 / dims)`) multiplies the result.
    """

    def __init__(
        self,
        dims: int,
        min_freq: float = 0.0001,
        max_freq: float = 1,
        scale: float | None = None,
        cos_first: bool = False,
        full_turns: bool = False,
    ):
        super().__init__()
        fraction = 1 - mx.arange(0, dims // 2) / (dims // 2 - 1)
        low, high = math.log(min_freq), math.log(max_freq)
        frequencies = mx.exp(fraction * (high - low) + low)
        # The underscore keeps the frequencies out of the parameters.
        self._frequencies = frequencies * (2 * math.pi) if full_turns else frequencies
        self.scale = scale or math.sqrt(2 / dims)
        self.cos_first = cos_first

    def __call__(self, x):
        angle = mx.expand_dims(x, -1) * self._frequencies
        halves = [mx.sin(angle), mx.cos(angle)]
        if self.cos_first:
            halves.reverse()
        y = mx.concatenate(halves, axis=-1)
        return y * self.scale if self.scale != 1 else y


class ALiBi(Module):
    """Adds to attention scores a penalty that grows linearly with the distance.

    Source: Press et al., "Train Short, Test Long" (2022). Scores have shape
    `(batch, heads, queries, keys)`.
    """

    @staticmethod
    def create_alibi_matrix(
        q_sequence_length: int,
        k_sequence_length: int,
        num_heads: int,
        offset: int = 0,
        dtype: mx.Dtype = mx.float32,
    ) -> mx.array:
        """The `(1, heads, queries, keys)` array of penalties."""
        queries = mx.arange(offset, q_sequence_length)
        keys = mx.arange(0, k_sequence_length)
        distance = -mx.abs(queries[:, None] - keys[None, :])
        slope = ALiBi.create_alibi_slope(num_heads=num_heads, dtype=dtype)
        return distance.astype(dtype)[None, None] * slope

    @staticmethod
    def create_alibi_slope(num_heads: int, dtype: mx.Dtype = mx.float32) -> mx.array:
        """Each head's slope, of shape `(heads, 1, 1)`.

        For a power of two it is `2 ** (-8 (head + 1) / heads)`. Otherwise, as in the authors'
        program, the heads beyond the largest power of two take every other slope of twice as many.
        """

        def geometric(heads):
            return [2 ** (-8 * (head + 1) / heads) for head in range(heads)]

        power = 1 << (num_heads.bit_length() - 1)
        slopes = geometric(power) + geometric(2 * power)[::2][: num_heads - power]
        return mx.array(slopes, dtype=dtype)[:, None, None]

    def __call__(self, attention_scores, offset: int = 0, mask: mx.array | None = None):
        penalty = ALiBi.create_alibi_matrix(
            q_sequence_length=attention_scores.shape[-2] + offset,
            k_sequence_length=attention_scores.shape[-1],
            num_heads=attention_scores.shape[1],
            offset=offset,
            dtype=attention_scores.dtype,
        )
        if mask is not None:
            penalty = penalty + mask
        return attention_scores + penalty
