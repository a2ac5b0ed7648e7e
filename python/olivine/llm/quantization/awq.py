"""AWQ: features that matter are scaled up before rounding, and their source scaled down.

Source: Lin et al., "AWQ" (2023). A group of layers that read the same features may have its columns
multiplied by `s` if what makes the features is divided by it; with `s = magnitude ** alpha`, the
`alpha` in [0, 1] that changes the layers' output least is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.quantization.calibration import Statistics, in_groups, record
from olivine.llm.quantization.plan import Format, QuantizationPlan, quantize_model

STEPS = 20  # of alpha


@dataclass
class Pair:
    """Layers of one decoder layer that read what `source` makes, by paths inside it."""

    source: str
    readers: tuple[str, ...]


PAIRS = (
    Pair("input_layernorm", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
    Pair("self_attn.v_proj", ("self_attn.o_proj",)),
    Pair("post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj")),
    Pair("mlp.up_proj", ("mlp.down_proj",)),
)


def _at(module: nn.Module, path: str) -> nn.Module | None:
    for part in path.split("."):
        module = getattr(module, part, None)
    return module


def _pairs(layer: nn.Module) -> Iterator[tuple[nn.Module, dict[str, nn.Module]]]:
    """Sources and readers of a decoder layer that fit together; ValueError if none do."""
    found = False
    for pair in PAIRS:
        source = _at(layer, pair.source)
        readers = {path: _at(layer, path) for path in pair.readers}
        known = isinstance(source, (nn.Linear, nn.RMSNorm, nn.LayerNorm))
        if not known or not all(isinstance(r, nn.Linear) for r in readers.values()):
            continue
        inputs = next(iter(readers.values())).weight.shape[1]
        # With shared heads of values, v_proj makes fewer features than o_proj reads.
        if source.weight.shape[0] == inputs:
            found = True
            yield source, readers
    if not found:
        raise ValueError(
            "[awq] expected decoder layers with q_proj, k_proj, v_proj behind input_layernorm or "
            "gate_proj, up_proj behind post_attention_layernorm; this architecture has none"
        )


def _scale(module: nn.Module, s: mx.array) -> None:
    """Multiply what `module` makes by `s`."""
    module.weight = module.weight * (s[:, None] if isinstance(module, nn.Linear) else s)
    if "bias" in module:
        module.bias = module.bias * s


def _rounded(weight: mx.array, form: Format) -> mx.array:
    packed = mx.quantize(weight, form.group_size, form.bits, mode=form.mode)
    out = mx.dequantize(
        packed[0],
        scales=packed[1],
        biases=packed[2] if len(packed) > 2 else None,
        group_size=form.group_size,
        bits=form.bits,
        mode=form.mode,
    )
    return out.astype(mx.float32)


def output_error(weight: mx.array, rounded: mx.array, products: mx.array) -> mx.array:
    """The squared error of the layer's outputs over the calibration inputs."""
    delta = rounded - weight
    return ((delta @ products) * delta).sum()


def best_scale(
    readers: list[nn.Module], statistics: Statistics, formats: list[Format]
) -> tuple[mx.array, float]:
    """The scale of the features with the least error of the readers' outputs, and its alpha."""
    weights = [r.weight.astype(mx.float32) for r in readers]
    magnitude = mx.maximum(statistics.magnitude, 1e-4)
    best = None
    for step in range(STEPS):
        alpha = step / STEPS
        s = magnitude**alpha
        s = s / mx.sqrt(s.max() * s.min())
        error = sum(
            output_error(w, _rounded(w * s, form) / s, statistics.products).item()
            for w, form in zip(weights, formats, strict=True)
        )
        if best is None or error < best[0]:
            best = (error, s, alpha)
    return best[1], best[2]


def awq(
    model: nn.Module,
    texts: Sequence[mx.array],
    plan: QuantizationPlan,
    progress: Callable[[int, int, str], None] = lambda done, total, path: None,
) -> dict:
    """Scale the features of each decoder layer, then quantize plainly; returns the config's entry.

    texts: calibration ids, `(batch, length)` each.
    """
    prefix = next(
        path.rsplit(".", 1)[0]
        for path, module in model.named_modules()
        if module is model.layers[0]
    )
    chosen: dict[str, tuple] = {}  # by the path of the first of the layers that read alike
    for index, layer in enumerate(model.layers):
        for source, readers in _pairs(layer):
            paths = {name: f"{prefix}.{index}.{name}" for name in readers}
            formats = [plan.format_of(paths[name], r) for name, r in readers.items()]
            if None not in formats:
                first = next(iter(readers))
                chosen[paths[first]] = (source, list(readers.values()), formats)
    done = 0
    # Scaling changes no output and no input but the readers' own: what was recorded stays true.
    for part in in_groups({path: readers[0] for path, (_, readers, _) in chosen.items()}):
        for path, statistics in record(model, part, texts, progress).items():
            progress(done, len(chosen), path)
            _rescale(*chosen[path], statistics)
            done += 1
    return quantize_model(model, plan)


def _rescale(source: nn.Module, readers: list[nn.Module], formats, statistics: Statistics) -> None:
    s, _ = best_scale(readers, statistics, formats)
    for reader in readers:
        reader.weight = (reader.weight.astype(mx.float32) * s).astype(reader.weight.dtype)
    _scale(source, (1 / s).astype(source.weight.dtype))
    mx.eval(source.parameters(), *(reader.weight for reader in readers))
