"""A number, such as the step of a diffusion, as a vector that a model can use."""

from __future__ import annotations

import math

import olivine.core as mx
import olivine.nn as nn


def sinusoids(x: mx.array, dims: int, *, cosine_first: bool = True, shift: float = 0.0) -> mx.array:
    """Waves of `dims / 2` lengths, from 1 to 10,000 times 2 pi: `(..., dims)` for `x` `(...)`.

    Source: Vaswani et al., "Attention Is All You Need" (2017), section 3.5.
    """
    half = dims // 2
    rates = mx.exp(mx.arange(half, dtype=mx.float32) * (-math.log(10000) / (half - shift)))
    angles = x.astype(mx.float32)[..., None] * rates
    waves = [mx.sin(angles), mx.cos(angles)]
    out = mx.concatenate(waves[::-1] if cosine_first else waves, axis=-1)
    return mx.pad(out, [(0, 0)] * x.ndim + [(0, 1)]) if dims % 2 else out


class Embedding(nn.Module):
    """Two linear layers with SiLU between them."""

    def __init__(self, dims: int, out: int, condition: int | None = None):
        super().__init__()
        self.linear_1 = nn.Linear(dims, out)
        if condition is not None:
            self.cond_proj = nn.Linear(condition, dims, bias=False)
        self.linear_2 = nn.Linear(out, out)

    def __call__(self, x: mx.array, condition: mx.array | None = None) -> mx.array:
        if condition is not None:
            x = x + self.cond_proj(condition)
        return self.linear_2(nn.silu(self.linear_1(x)))
