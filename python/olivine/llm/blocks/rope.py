"""Rotary positions, with the ways of stretching them to longer contexts."""

from __future__ import annotations

import math

import olivine.core as mx
import olivine.nn as nn


class ScaledRoPE(nn.Module):
    """Rotary positions with given wave lengths, one per rotated pair of features."""

    def __init__(self, dims: int, freqs: mx.array, traditional: bool = False):
        super().__init__()
        self.dims = dims
        self.traditional = traditional
        self._freqs = freqs  # private: no parameter

    def __call__(self, x: mx.array, offset: int | mx.array = 0) -> mx.array:
        return mx.fast.rope(
            x,
            self.dims,
            traditional=self.traditional,
            base=None,
            scale=1.0,
            offset=offset,
            freqs=self._freqs,
        )


def wave_lengths(dims: int, base: float) -> list[float]:
    """`base ** (2 i / dims)`, the positions in which pair `i` turns by one radian."""
    return [base ** (2 * i / dims) for i in range(dims // 2)]


def llama3_wave_lengths(dims: int, base: float, scaling: dict) -> list[float]:
    """Long waves stretched by `factor`, short ones kept, those between blended (Llama 3.1)."""
    factor = scaling["factor"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    context = scaling["original_max_position_embeddings"]

    def stretched(wave: float) -> float:
        turns = context / (2 * math.pi * wave)
        if turns <= low:
            return wave * factor
        if turns >= high:
            return wave
        blend = (turns - low) / (high - low)
        return wave / ((1 - blend) / factor + blend)

    return [stretched(wave) for wave in wave_lengths(dims, base)]


def make_rope(
    dims: int, base: float, scaling: dict | None = None, traditional: bool = False
) -> nn.Module:
    """The rotary positions that config.json's `rope_scaling` (or `rope_parameters`) asks for."""
    kind = (scaling or {}).get("rope_type") or (scaling or {}).get("type") or "default"
    if kind == "default":
        return nn.RoPE(dims, traditional=traditional, base=base)
    if kind == "linear":
        return nn.RoPE(dims, traditional=traditional, base=base, scale=1 / scaling["factor"])
    if kind == "llama3":
        waves = llama3_wave_lengths(dims, base, scaling)
        return ScaledRoPE(dims, mx.array(waves, mx.float32), traditional)
    raise ValueError(f"[llm] expected a rope_type among default, linear, llama3; got {kind!r}")
