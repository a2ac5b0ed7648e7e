"""Mixed formats: layers whose rounding changes the model's predictions most get more bits.

One layer at a time is rounded, and the divergence of the predicted distributions from those of the
full model is measured on calibration texts. It is measured for one format; of the others it is in
proportion to the squared error of the weights, as for small errors it is. (Estimates from gradients
by the diagonal of the Fisher information made a model worse than the same bits for all: they ignore
how the errors of one layer add up.) Bits are then given where a bit saves most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.quantization.awq import _rounded
from olivine.llm.quantization.plan import Format, QuantizationPlan, quantizable

ROWS = 1  # of the first batch of texts: one pass over them for each layer
MEASURED_BITS = 3


def costs(
    model: nn.Module,
    texts: Sequence[mx.array],
    formats: Sequence[Format],
    progress: Callable[[int, int, str], None] = lambda done, total, path: None,
) -> dict[str, list[float]]:
    """path -> the divergence, in nats per token, that each format of the layer costs."""
    layers = {
        path: layer
        for path, layer in quantizable(model).items()
        if layer.weight.ndim == 2
        and all(layer.weight.shape[1] % f.group_size == 0 for f in formats)
    }
    tokens = texts[0][:ROWS]
    reference = _log_probabilities(model, tokens)
    measured = min(formats, key=lambda form: abs(form.bits - MEASURED_BITS))
    out = {}
    for done, (path, layer) in enumerate(layers.items()):
        progress(done, len(layers), path)
        weight = layer.weight
        full = weight.astype(mx.float32)
        errors = [((_rounded(full, form) - full) ** 2).sum().item() for form in formats]
        try:
            layer.weight = _rounded(full, measured).astype(weight.dtype)
            changed = _log_probabilities(model, tokens)
        finally:
            layer.weight = weight
        divergence = (mx.exp(reference) * (reference - changed)).sum(axis=-1).mean().item()
        share = max(divergence, 0.0) / max(errors[list(formats).index(measured)], 1e-30)
        out[path] = [error * share for error in errors]
    return out


def _log_probabilities(model: nn.Module, tokens: mx.array) -> mx.array:
    logits = model(tokens).astype(mx.float32)
    out = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    mx.eval(out)
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
