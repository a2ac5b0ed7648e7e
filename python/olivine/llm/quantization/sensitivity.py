"""Mixed formats: layers whose rounding costs the most loss get more bits.

The cost of rounding a layer is estimated from gradients of the loss on calibration texts, by the
diagonal of the empirical Fisher information: half the sum of `(gradient * error) ** 2` over texts.
Source: Kim et al., "SqueezeLLM" (2023), section 4.1. Bits are then given where a bit saves most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.quantization.awq import _rounded
from olivine.llm.quantization.plan import Format, QuantizationPlan, quantizable


def costs(
    model: nn.Module,
    texts: Sequence[mx.array],
    formats: Sequence[Format],
    progress: Callable[[int, int, str], None] = lambda done, total, path: None,
) -> dict[str, list[float]]:
    """path -> the estimated loss that each format costs, per token."""
    layers = {
        path: layer
        for path, layer in quantizable(model).items()
        if isinstance(layer, (nn.Linear, nn.Embedding))
        and all(layer.weight.shape[1] % f.group_size == 0 for f in formats)
    }
    weights = {path: layer.weight for path, layer in layers.items()}

    def loss(weights, tokens):
        for path, weight in weights.items():
            layers[path].weight = weight
        logits = model(tokens[:, :-1]).astype(mx.float32)
        return nn.losses.cross_entropy(logits, tokens[:, 1:], reduction="mean")

    gradient = mx.grad(loss)
    fisher = {path: mx.zeros(w.shape) for path, w in weights.items()}
    try:
        # One text at a time: squares of a mean over several would be smaller, and noisier.
        rows = [row[None] for tokens in texts for row in tokens]
        for done, tokens in enumerate(rows):
            progress(done, len(rows), "gradients")
            grads = gradient(weights, tokens)
            fisher = {p: f + grads[p].astype(mx.float32) ** 2 for p, f in fisher.items()}
            mx.eval(fisher)
    finally:
        for path, weight in weights.items():
            layers[path].weight = weight
    out = {}
    for path, weight in weights.items():
        full = weight.astype(mx.float32)
        errors = [(fisher[path] * (_rounded(full, f) - full) ** 2).sum() for f in formats]
        out[path] = [e.item() / (2 * len(rows)) for e in errors]
    return out


def mixed_plan(
    model: nn.Module,
    texts: Sequence[mx.array],
    bits: float,
    formats: Sequence[Format] = (Format(3), Format(4), Format(5), Format(6), Format(8)),
    progress: Callable[[int, int, str], None] = lambda done, total, path: None,
) -> QuantizationPlan:
    """A plan with `bits` stored bits per weight of linear layers and embeddings, scales included.

    Starts with the shortest format everywhere and lengthens, again and again, the layer whose next
    format saves the most loss per stored bit. Other layers (stacked experts) get the longest.
    """
    formats = sorted(formats, key=_stored_bits)
    low, high = _stored_bits(formats[0]), _stored_bits(formats[-1])
    if not low <= bits <= high:
        raise ValueError(f"[mixed_plan] expected bits from {low:g} to {high:g}; got {bits:g}")
    cost = costs(model, texts, formats, progress)
    sizes = {path: layer.weight.size for path, layer in quantizable(model).items() if path in cost}
    level = dict.fromkeys(cost, 0)
    spare = (bits - low) * sum(sizes.values())

    def steps(path: str):
        """(loss saved per stored bit, stored bits, level) of the ways to lengthen a layer."""
        now = level[path]
        for new in range(now + 1, len(formats)):
            price = (_stored_bits(formats[new]) - _stored_bits(formats[now])) * sizes[path]
            if price <= spare:
                yield (cost[path][now] - cost[path][new]) / price, price, new

    while True:
        options = [(*step, path) for path in level for step in steps(path)]
        gain, price, new, path = max(options, default=(0, 0, 0, ""))
        if gain <= 0:
            break
        level[path] = new
        spare -= price
    exceptions = {path: formats[i] for path, i in level.items()}
    return QuantizationPlan(formats[-1], exceptions)


def _stored_bits(form: Format) -> float:
    """Bits per weight, scales and biases (16 bits each) included."""
    extra = 32 if form.mode == "affine" else 8
    return form.bits + extra / form.group_size
