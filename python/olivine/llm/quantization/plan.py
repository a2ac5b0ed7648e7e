"""Which layer of a model gets which format, and applying that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.layers import put_module
from olivine.utils import tree_flatten

# mode -> its usual (group_size, bits); see `mx.quantize`.
MODES = {"affine": (64, 4), "mxfp4": (32, 4), "nvfp4": (16, 4), "mxfp8": (32, 8)}


@dataclass(frozen=True)
class Format:
    """Of a quantized layer, in the terms of `mx.quantize`."""

    bits: int = 4
    group_size: int = 64
    mode: str = "affine"

    def __post_init__(self):
        if self.mode not in MODES:
            raise ValueError(
                f"[quantize] expected a mode among {', '.join(MODES)}; got {self.mode!r}"
            )
        if self.mode != "affine" and (self.group_size, self.bits) != MODES[self.mode]:
            group_size, bits = MODES[self.mode]
            raise ValueError(
                f"[quantize] {self.mode} has {bits} bits in groups of {group_size}; "
                f"got {self.bits} and {self.group_size}"
            )

    @classmethod
    def of(cls, mode: str = "affine", bits: int | None = None, group_size: int | None = None):
        """A format with the mode's usual values where none are given."""
        usual_group, usual_bits = MODES.get(mode, (0, 0))
        return cls(bits or usual_bits, group_size or usual_group, mode)

    def as_config(self) -> dict:
        """As it stands in config.json."""
        out = {"group_size": self.group_size, "bits": self.bits}
        return out if self.mode == "affine" else {**out, "mode": self.mode}


@dataclass
class QuantizationPlan:
    """A format for all layers, and others (None: stay in full) for some paths."""

    default: Format = field(default_factory=Format)
    exceptions: dict[str, Format | None] = field(default_factory=dict)

    def format_of(self, path: str, layer: nn.Module) -> Format | None:
        """The layer's format; None if it stays, as do layers whose rows are no whole groups."""
        chosen = self.exceptions.get(path, self.default)
        if chosen is None or not hasattr(layer, "to_quantized"):
            return None
        return chosen if layer.weight.shape[-1] % chosen.group_size == 0 else None

    def as_config(self, model: nn.Module) -> dict:
        """The `quantization` of a quantized model's config.json, in MLX's layout."""
        out: dict = self.default.as_config()
        for path, chosen in self.exceptions.items():
            if chosen is None:
                out[path] = False
            elif chosen != self.default:
                out[path] = chosen.as_config()
        for path, layer in model.named_modules():
            stays = isinstance(layer, (nn.Linear, nn.Embedding)) and path not in out
            if stays:
                out[path] = False
        return out


def quantizable(model: nn.Module) -> dict[str, nn.Module]:
    """The layers that can be quantized, by path, in the order of the model."""
    return {
        path: layer
        for path, layer in reversed(list(model.named_modules()))
        if hasattr(layer, "to_quantized")
    }


def stays_in_full(model: nn.Module) -> dict[str, None]:
    """Exceptions of a plan for what a model keeps in full: of one that sees, what sees."""
    prefixes = tuple(f"{name}." for name in getattr(model, "in_full", ()))
    return {path: None for path in quantizable(model) if path.startswith(prefixes)}


def quantize_model(
    model: nn.Module,
    plan: QuantizationPlan,
    progress: Callable[[int, int, str], None] = lambda done, total, path: None,
) -> dict:
    """Quantize the layers as planned, one after the other; returns the entry for config.json.

    Each layer's full weight is freed before the next is packed. Raises `ValueError` for a path of
    the plan that the model has not.
    """
    layers = quantizable(model)
    unknown = [path for path in plan.exceptions if path not in layers]
    if unknown:
        raise ValueError(f"[quantize] the model has no layer {unknown[0]} that can be quantized")
    for done, (path, layer) in enumerate(layers.items()):
        progress(done, len(layers), path)
        chosen = plan.format_of(path, layer)
        if chosen is not None:
            put_layer(
                model,
                path,
                layer.to_quantized(chosen.group_size, chosen.bits, mode=chosen.mode),
            )
    return plan.as_config(model)


def put_layer(model: nn.Module, path: str, layer: nn.Module) -> None:
    """Replace the layer at `path`, evaluated."""
    mx.eval(layer.parameters())
    put_module(model, path, layer)


def bits_per_weight(model: nn.Module) -> float:
    """Stored bits, scales and biases included, per weight of the model."""
    count = 0
    for _, layer in model.named_modules():
        bits = getattr(layer, "bits", None)
        for name, value in layer.items():
            if not isinstance(value, mx.array) or name in ("scales", "biases"):
                continue
            packed = name == "weight" and isinstance(bits, int) and value.dtype == mx.uint32
            count += value.size * 32 // bits if packed else value.size
    stored = sum(x.nbytes for _, x in tree_flatten(model.parameters()))
    return 8 * stored / max(count, 1)
