"""Layers of a model by their path, and their weights in full."""

from __future__ import annotations

import olivine.core as mx
import olivine.nn as nn


def put_module(model: nn.Module, path: str, module: nn.Module) -> None:
    """Replace the module at `path`, as `named_modules` gives it."""
    *parents, name = path.split(".")
    owner = model
    for part in parents:
        owner = owner[int(part)] if part.isdigit() else getattr(owner, part)
    if isinstance(owner, list):
        owner[int(name)] = module
    else:
        setattr(owner, name, module)


def full_weight(layer: nn.Module) -> mx.array:
    """The weight `(outputs, inputs)` of a linear layer or embedding, unpacked if need be."""
    if not isinstance(layer, (nn.QuantizedLinear, nn.QuantizedEmbedding)):
        return layer.weight
    return layer._unpack(layer.weight, layer.scales, layer.biases)
