"""From the layout of checkpoints, channels first, to the one that convolutions are fast in."""

from __future__ import annotations

import re

import olivine.core as mx
import olivine.nn as nn
from olivine.utils import tree_flatten


def channels_last(model: nn.Module, weights: dict[str, mx.array]) -> dict[str, mx.array]:
    """Weights with those of convolutions, `(out, in, height, width)`, as the model has them.

    A convolution of single pixels that is a linear layer here becomes its matrix. All is lazy: a
    weight is turned when it is read.
    """
    own = tree_flatten(model.parameters(), destination={})

    def turned(name: str, weight: mx.array) -> mx.array:
        if weight.ndim != 4 or name not in own:
            return weight
        if own[name].ndim == 2 and weight.shape[2:] == (1, 1):
            return weight.reshape(weight.shape[:2])
        return mx.contiguous(weight.transpose(0, 2, 3, 1))

    return {name: turned(name, weight) for name, weight in weights.items()}


_RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_ATTENTION = re.compile(rf"(\.attentions\.\d+\.)({'|'.join(_RENAMED)})(?=\.)")


def newly_named(weights: dict[str, mx.array]) -> dict[str, mx.array]:
    """Weights with the names of attention in files of before 2023 replaced by those of today."""

    def new(name: str) -> str:
        return _ATTENTION.sub(lambda found: found[1] + _RENAMED[found[2]], name)

    return {new(name): weight for name, weight in weights.items()}
