"""Adapters of a whole model: putting them in, taking them out, making them part of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.adapters.layers import DoRALinear, LoRALinear
from olivine.llm.formats.packed import GROUP, STORED
from olivine.llm.layers import put_module

# Layers of attention, the usual choice. A target matches the end of a layer's path.
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj")


@dataclass
class AdapterSettings:
    """What adapters are made with; `scale` is PEFT's `lora_alpha / r`.

    targets: ends of the paths of the layers that get one, or "all" for every linear layer but the
    head. layers: how many of the last decoder layers get them, None for all.
    """

    rank: int = 8
    scale: float = 2.0
    dropout: float = 0.0
    targets: str | Sequence[str] = ATTENTION
    layers: int | None = None
    dora: bool = False


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, (nn.Linear, nn.QuantizedLinear))


def _matches(path: str, targets: str | Sequence[str]) -> bool:
    if targets == "all":
        return path.split(".")[-1] != "lm_head"
    names = [targets] if isinstance(targets, str) else targets
    return any(path == name or path.endswith("." + name) for name in names)


def _chosen(model: nn.Module, settings: AdapterSettings) -> list[tuple[str, nn.Module]]:
    """The layers that get an adapter, in a fixed order."""
    count = len(model.layers) if hasattr(model, "layers") else 0
    if settings.layers is not None and not 1 <= settings.layers <= count:
        raise ValueError(f"[add_adapters] expected layers from 1 to {count}; got {settings.layers}")
    first = 0 if settings.layers is None else count - settings.layers

    def is_late(path: str) -> bool:
        parts = path.split(".")
        if "layers" not in parts:
            return settings.layers is None
        return int(parts[parts.index("layers") + 1]) >= first

    found = [
        (path, module)
        for path, module in model.named_modules()
        if _is_linear(module) and _matches(path, settings.targets) and is_late(path)
    ]
    if not found:
        linear = sorted({p.split(".")[-1] for p, m in model.named_modules() if _is_linear(m)})
        raise ValueError(
            f"[add_adapters] expected targets among {', '.join(linear)}; got {settings.targets!r}"
        )
    return sorted(found)


def _replace(model: nn.Module, layers: dict[str, nn.Module]) -> None:
    """Put `layers` in by their paths."""
    for path, layer in layers.items():
        put_module(model, path, layer)


def add_adapters(model: nn.Module, settings: AdapterSettings | None = None, **options) -> list[str]:
    """Freeze the model and put an adapter beside each chosen linear layer; returns their paths.

    `options` are fields of `AdapterSettings`. Raises `ValueError` when no layer is chosen, when a
    rank is too large for one, and for a model that has adapters already.
    """
    settings = settings or AdapterSettings(**options)
    if adapter_layers(model):
        raise ValueError("[add_adapters] expected a model without adapters; it has some: fuse them")
    kind = DoRALinear if settings.dora else LoRALinear
    made = {
        path: kind(layer, settings.rank, settings.scale, settings.dropout)
        for path, layer in _chosen(model, settings)
    }
    model.freeze()
    _replace(model, made)
    return list(made)


def adapter_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """The layers with an adapter by their path."""
    return {p: m for p, m in sorted(model.named_modules()) if isinstance(m, LoRALinear)}


def fuse_adapters(model: nn.Module, dequantize: bool = False) -> list[str]:
    """Make the adapters part of the weights, so that the model has ordinary layers again.

    A quantized layer is quantized again with the settings it had (affine for formats that only GGUF
    has), which rounds once more, or stays in float16 with `dequantize`. Returns the paths of the
    layers that changed.
    """
    fused = {path: _fused(layer, dequantize) for path, layer in adapter_layers(model).items()}
    _replace(model, fused)
    return list(fused)


def _fused(layer: LoRALinear, dequantize: bool) -> nn.Module:
    base = layer.linear
    quantized = isinstance(base, nn.QuantizedLinear)
    dtype = base.scales.dtype if quantized else base.weight.dtype
    weight = layer.merged_weight().astype(
        dtype if mx.issubdtype(dtype, mx.floating) else mx.float16
    )
    out = nn.Linear(1, 1, bias="bias" in base)
    out.weight = weight
    if "bias" in base:
        out.bias = base.bias
    if quantized and not dequantize:
        group, mode = base.group_size, base.mode
        if mode in STORED:
            group, mode = GROUP, "affine"
        out = nn.QuantizedLinear.from_linear(out, group, base.bits, mode)
    mx.eval(out.parameters())
    return out


@contextmanager
def without_adapters(model: nn.Module) -> Iterator[nn.Module]:
    """The model as it was before adapters, for the time of a `with`; the adapters come back.

    A preference loss compares with this reference without a second copy of the weights.
    """
    layers = adapter_layers(model)
    _replace(model, {path: layer.linear for path, layer in layers.items()})
    try:
        yield model
    finally:
        _replace(model, layers)
