"""Normalizations that not every decoder has."""

from __future__ import annotations

import olivine.core as mx
import olivine.nn as nn


class OneRMSNorm(nn.Module):
    """RMS normalization scaled by `1 + weight`, as Gemma's checkpoints have it."""

    def __init__(self, dims: int, eps: float):
        super().__init__()
        self.weight = mx.zeros((dims,))
        self.eps = eps

    def __call__(self, x: mx.array) -> mx.array:
        return mx.fast.rms_norm(x, 1 + self["weight"], self.eps)


class HeadLayerNorm(nn.Module):
    """Layer normalization with a scale of its own for each head: `(batch, heads, length, dims)`."""

    def __init__(self, heads: int, dims: int, eps: float):
        super().__init__()
        self.weight = mx.ones((heads, dims))
        self.eps = eps

    def __call__(self, x: mx.array) -> mx.array:
        return mx.fast.layer_norm(x, None, None, self.eps) * self["weight"][:, None]
