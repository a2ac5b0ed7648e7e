"""Mixtures of experts: feed-forward layers of which every token uses a few.

The experts' matrices are stacked, `(experts, output_dims, input_dims)`, and picked by index, so
that quantized experts stay packed. Source: Shazeer et al., "Outrageously Large Neural Networks"
(2017).
"""

from __future__ import annotations

import math
import re

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.feed_forward import activation
from olivine.nn.layers.quantized import QuantizedBase

# From so many picked rows on, those of one expert are brought together before the product.
_SORT_FROM = 64


class ExpertLinear(nn.Module):
    """A `Linear` without bias per expert: rows `(..., 1, input_dims)` with experts `indices`."""

    def __init__(self, experts: int, input_dims: int, output_dims: int):
        super().__init__()
        bound = math.sqrt(1 / input_dims)
        shape = (experts, output_dims, input_dims)
        self.weight = mx.random.uniform(low=-bound, high=bound, shape=shape)

    def __call__(self, x: mx.array, indices: mx.array, ordered: bool = False) -> mx.array:
        weight = self["weight"].swapaxes(-1, -2)
        return mx.gather_mm(x, weight, rhs_indices=indices, sorted_indices=ordered)

    def to_quantized(self, group_size=None, bits=None, mode="affine", quantize_input=False):
        """A `QuantizedExpertLinear` with this weight."""
        if quantize_input:
            raise ValueError("[ExpertLinear.to_quantized] expected quantize_input=False; got True")
        return QuantizedExpertLinear(self.weight, group_size, bits, mode)


class QuantizedExpertLinear(QuantizedBase):
    """`ExpertLinear` with packed weights."""

    def __init__(self, weight: mx.array, group_size=None, bits=None, mode="affine"):
        super().__init__()
        self._set_up(weight, group_size, bits, mode)
        self.freeze()

    def _extra_repr(self):
        return f"{self.weight.shape[0]} experts, {self._settings_repr()}"

    def __call__(self, x: mx.array, indices: mx.array, ordered: bool = False) -> mx.array:
        return mx.gather_qmm(
            x,
            self["weight"],
            self["scales"],
            self.get("biases"),
            rhs_indices=indices,
            transpose=True,
            group_size=self.group_size,
            bits=self.bits,
            mode=self.mode,
            sorted_indices=ordered,
        )


class Experts(nn.Module):
    """Gated feed-forward experts; each token gets the weighted sum of those that were picked."""

    def __init__(self, experts: int, dims: int, hidden: int, act: str = "silu"):
        super().__init__()
        self.gate_proj = ExpertLinear(experts, dims, hidden)
        self.up_proj = ExpertLinear(experts, dims, hidden)
        self.down_proj = ExpertLinear(experts, hidden, dims)
        self._act = activation(act)

    def __call__(self, x: mx.array, indices: mx.array, weights: mx.array) -> mx.array:
        """`x` is `(batch, length, dims)`, `indices` and `weights` `(batch, length, picked)`."""
        if indices.size < _SORT_FROM:
            y = self._run(x[:, :, None, None], indices, False).squeeze(-2)
        else:
            y = self._run_sorted(x, indices)
        return (y * weights[..., None].astype(y.dtype)).sum(axis=-2)

    def _run(self, x: mx.array, indices: mx.array, ordered: bool) -> mx.array:
        gate = self._act(self["gate_proj"](x, indices, ordered))
        return self["down_proj"](gate * self["up_proj"](x, indices, ordered), indices, ordered)

    def _run_sorted(self, x: mx.array, indices: mx.array) -> mx.array:
        flat = indices.flatten()
        order = mx.argsort(flat)
        rows = x.reshape(-1, 1, x.shape[-1])[order // indices.shape[-1]]
        y = self._run(rows, flat[order], True)
        return y[mx.argsort(order)].reshape(*indices.shape, -1)


def top_k(scores: mx.array, k: int) -> mx.array:
    """The indices of the `k` largest scores of the last axis."""
    return mx.argpartition(-scores, k - 1, axis=-1)[..., :k]


def softmax_top_k(logits: mx.array, k: int, normalize: bool) -> tuple[mx.array, mx.array]:
    """The `k` likeliest experts and their probabilities, which sum to 1 with `normalize`."""
    scores = mx.softmax(logits.astype(mx.float32), axis=-1)
    indices = top_k(scores, k)
    weights = mx.take_along_axis(scores, indices, axis=-1)
    if normalize:
        weights = weights / weights.sum(axis=-1, keepdims=True)
    return indices, weights


_ONE = re.compile(r"(.*\.experts)\.(\d+)\.(\w+)\.(\w+)")


def stack_experts(
    weights: dict[str, mx.array], names: dict[str, str] | None = None
) -> dict[str, mx.array]:
    """Checkpoints have `experts.0.up_proj.weight` and so on; the model has them stacked.

    `names` renames layers: Mixtral's `w1` is a `gate_proj`. What MLX has stacked is only renamed.
    """
    stacked, groups = {}, {}
    for name, weight in weights.items():
        if match := _ONE.fullmatch(name):
            prefix, index, layer, kind = match.groups()
            layer = (names or {}).get(layer, layer)
            groups.setdefault(f"{prefix}.{layer}.{kind}", {})[int(index)] = weight
        else:
            stacked[name.replace(".switch_mlp.", ".experts.")] = weight
    for name, parts in groups.items():
        absent = sorted(set(range(max(parts) + 1)) - set(parts)) if max(parts) < 65536 else [0]
        if absent:
            raise ValueError(f"[llm] expected all experts of {name}; number {absent[0]} is missing")
        if len({part.shape for part in parts.values()}) > 1:
            raise ValueError(f"[llm] expected experts of one shape for {name}; they differ")
        stacked[name] = mx.stack([parts[i] for i in range(len(parts))])
    return stacked
