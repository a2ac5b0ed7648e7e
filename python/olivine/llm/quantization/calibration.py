"""How a model uses its linear layers on calibration texts.

A recorder takes a layer's place while the model reads; it notes the sum of `x x^T` over all inputs
`x` (the Hessian of the layer's squared error, up to a factor) and the mean magnitude of each
feature. Layers are recorded in groups whose notes fit into a budget, one pass over the texts each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.quantization.plan import put_layer


@dataclass
class Statistics:
    """Of the inputs of one layer: `(inputs, inputs)`, `(inputs,)`, and their number."""

    products: mx.array
    magnitude: mx.array
    count: int = 0


class Recorder(nn.Module):
    """Does what `layer` does, and notes its inputs."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self._layer = layer
        inputs = layer.weight.shape[1]
        self._statistics = Statistics(mx.zeros((inputs, inputs)), mx.zeros((inputs,)))

    def __call__(self, x: mx.array) -> mx.array:
        s = self._statistics
        rows = x.reshape(-1, x.shape[-1]).astype(mx.float32)
        s.products = s.products + rows.T @ rows
        s.magnitude = s.magnitude + mx.abs(rows).sum(axis=0)
        s.count += rows.shape[0]
        mx.eval(s.products, s.magnitude)
        return self._layer(x)


def record(
    model: nn.Module,
    layers: dict[str, nn.Module],
    texts: Sequence[mx.array],
    progress: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> dict[str, Statistics]:
    """Statistics of `layers` (path -> `Linear`) while the model reads `texts`, ids `(B, T)`."""
    # The head is much of a small model, and seldom asked about.
    heads = not hasattr(model, "features") or any(path.endswith("lm_head") for path in layers)
    run = model if heads else model.features
    recorders = {path: Recorder(layer) for path, layer in layers.items()}
    try:
        for path, recorder in recorders.items():
            put_layer(model, path, recorder)
        for done, tokens in enumerate(texts):
            progress(done, len(texts), "texts read")
            mx.eval(run(tokens))
    finally:
        for path, layer in layers.items():
            put_layer(model, path, layer)
    out = {}
    for path, recorder in recorders.items():
        s = recorder._statistics
        if not s.count:
            raise ValueError(f"[calibration] the texts never reach the layer {path}")
        out[path] = Statistics(s.products, s.magnitude / s.count, s.count)
    return out


def in_groups(layers: dict[str, nn.Module], budget: int = 2 << 30) -> Iterator[dict]:
    """`layers` in order, in parts whose statistics stay within `budget` bytes."""
    part: dict[str, nn.Module] = {}
    size = 0
    for path, layer in layers.items():
        needed = 4 * layer.weight.shape[1] ** 2
        if part and size + needed > budget:
            yield part
            part, size = {}, 0
        part[path] = layer
        size += needed
    if part:
        yield part
