"""Rotary positions, with the ways of stretching them to longer contexts.

A pair of features turns by one radian in as many positions as its wave length says. Stretching a
context lengthens waves: all (linear), or long ones more than short ones (the rest).
"""

from __future__ import annotations

import math
from functools import lru_cache

import olivine.core as mx
import olivine.nn as nn


class ScaledRoPE(nn.Module):
    """Rotary positions with given wave lengths, one per rotated pair of features.

    The rotated ones of `head_dim` features are multiplied by `amplitude`.
    """

    def __init__(
        self,
        dims: int,
        waves: list[float],
        traditional: bool = False,
        amplitude: float = 1.0,
        head_dim: int | None = None,
    ):
        super().__init__()
        self.dims = dims
        self.traditional = traditional
        rest = (head_dim or dims) - dims
        # Private: no parameters.
        self._waves = mx.array(waves, mx.float32)
        self._amplitude = None if amplitude == 1 else amplitude
        if amplitude != 1 and rest:
            self._amplitude = mx.array([amplitude] * dims + [1.0] * rest)

    def waves(self, offset: int | mx.array, length: int) -> mx.array:
        """The wave lengths for `length` positions from `offset` on."""
        return self._waves

    def __call__(self, x: mx.array, offset: int | mx.array = 0) -> mx.array:
        amplitude = self._amplitude
        if amplitude is not None:
            x = x * (amplitude.astype(x.dtype) if isinstance(amplitude, mx.array) else amplitude)
        return mx.fast.rope(
            x,
            self.dims,
            traditional=self.traditional,
            base=None,
            scale=1.0,
            offset=offset,
            freqs=self.waves(offset, x.shape[2]),
        )


class LengthDependentRoPE(ScaledRoPE):
    """Wave lengths that depend on how many positions a text has so far: `waves_of(count)`.

    Keys in a cache keep the rotation they had when they came, as in transformers.
    """

    def __init__(self, dims: int, waves_of, **options):
        super().__init__(dims, waves_of(1), **options)
        self._waves_of = lru_cache(maxsize=4)(lambda count: mx.array(waves_of(count), mx.float32))

    def waves(self, offset: int | mx.array, length: int) -> mx.array:
        start = mx.max(offset).item() if isinstance(offset, mx.array) else offset
        return self._waves_of(start + length)


def wave_lengths(dims: int, base: float) -> list[float]:
    """`base ** (2 i / dims)`: how many positions pair `i` takes for one radian."""
    return [base ** (2 * i / dims) for i in range(dims // 2)]


def llama3_waves(dims: int, base: float, scaling: dict) -> list[float]:
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


def yarn_waves(dims: int, base: float, scaling: dict, context: int) -> list[float]:
    """As Llama 3's, blended over pairs instead of frequencies (Peng et al., "YaRN", 2023)."""

    def pair(turns: float) -> float:
        """The pair that makes so many turns within the original context."""
        return dims * math.log(context / (turns * 2 * math.pi)) / (2 * math.log(base))

    first, last = pair(scaling.get("beta_fast") or 32), pair(scaling.get("beta_slow") or 1)
    if scaling.get("truncate", True):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, dims - 1)
    width = max(last - first, 0.001)

    def stretched(i: int, wave: float) -> float:
        share = min(max((i - first) / width, 0), 1)
        return wave / (share / scaling["factor"] + 1 - share)

    return [stretched(i, wave) for i, wave in enumerate(wave_lengths(dims, base))]


def yarn_amplitude(factor: float, weight: float = 1.0) -> float:
    """How much YaRN sharpens attention when the context grows by `factor`."""
    return 0.1 * weight * math.log(factor) + 1 if factor > 1 else 1.0


def _yarn(dims: int, base: float, scaling: dict, context: int, **options) -> nn.Module:
    context = scaling.get("original_max_position_embeddings") or context
    amplitude, factor = scaling.get("attention_factor"), scaling["factor"]
    if amplitude is None:
        amplitude = yarn_amplitude(factor, scaling.get("mscale") or 1.0)
        if scaling.get("mscale") and scaling.get("mscale_all_dim"):
            amplitude /= yarn_amplitude(factor, scaling["mscale_all_dim"])
    waves = yarn_waves(dims, base, scaling, context)
    return ScaledRoPE(dims, waves, amplitude=amplitude, **options)


def _dynamic(dims: int, base: float, scaling: dict, context: int, **options) -> nn.Module:
    """A base that grows with the text once it is longer than the original context."""
    context = scaling.get("original_max_position_embeddings") or context
    factor = scaling["factor"]

    def waves(count: int) -> list[float]:
        growth = factor * max(count, context) / context - (factor - 1)
        return wave_lengths(dims, base * growth ** (dims / (dims - 2)))

    return LengthDependentRoPE(dims, waves, **options)


def _longrope(dims: int, base: float, scaling: dict, context: int, **options) -> nn.Module:
    """Factors per pair, others for texts longer than the original context (Ding et al., 2024)."""
    original = scaling.get("original_max_position_embeddings") or context
    factor = scaling.get("factor") or context / original
    amplitude = scaling.get("attention_factor")
    if amplitude is None:
        amplitude = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))

    def waves(count: int) -> list[float]:
        factors = scaling["long_factor" if count > original else "short_factor"]
        if len(factors) != dims // 2:
            raise ValueError(
                f"[llm] expected {dims // 2} factors in rope_scaling; got {len(factors)}"
            )
        return [f * wave for f, wave in zip(factors, wave_lengths(dims, base), strict=True)]

    return LengthDependentRoPE(dims, waves, amplitude=amplitude, **options)


_STRETCHED = {
    "llama3": lambda dims, base, scaling, context, **options: ScaledRoPE(
        dims, llama3_waves(dims, base, scaling), **options
    ),
    "yarn": _yarn,
    "dynamic": _dynamic,
    "longrope": _longrope,
    "su": _longrope,
}


def make_rope(
    dims: int,
    base: float,
    scaling: dict | None = None,
    *,
    context: int = 2048,
    traditional: bool = False,
    head_dim: int | None = None,
) -> nn.Module:
    """The rotary positions that config.json's `rope_scaling` (or `rope_parameters`) asks for.

    `dims` of `head_dim` features turn (by default all); `context` is `max_position_embeddings`.
    """
    scaling = scaling or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if dims < 2 or dims % 2:
        raise ValueError(f"[llm] expected an even number of rotated features; got {dims}")
    try:
        if kind == "default":
            return nn.RoPE(dims, traditional=traditional, base=base)
        if kind == "linear":
            return nn.RoPE(dims, traditional=traditional, base=base, scale=1 / scaling["factor"])
        if kind in _STRETCHED:
            options = {"traditional": traditional, "head_dim": head_dim}
            return _STRETCHED[kind](dims, base, scaling, context, **options)
    except KeyError as error:
        raise ValueError(
            f"[llm] expected rope_scaling of type {kind} to have {error.args[0]}; it has not"
        ) from None
    except (TypeError, ZeroDivisionError, OverflowError) as error:
        raise ValueError(
            f"[llm] expected rope_scaling of type {kind} with numbers; got {scaling} ({error})"
        ) from None
    known = ", ".join(["default", "linear", *_STRETCHED])
    raise ValueError(f"[llm] expected a rope_type among {known}; got {kind!r}")


def rope_of(config, traditional: bool = False, dims: int | None = None) -> nn.Module:
    """The rotary positions of a `DecoderConfig`: of `dims` features, by default those it says."""
    scaling = config.rope_scaling
    if scaling and config.original_max_position_embeddings:
        original = config.original_max_position_embeddings
        scaling = {"original_max_position_embeddings": original, **scaling}
    head_dim = dims or config.head_dim
    return make_rope(
        dims or int(head_dim * config.partial_rotary_factor),
        config.rope_theta,
        scaling,
        context=config.max_position_embeddings,
        traditional=traditional,
        head_dim=head_dim,
    )
