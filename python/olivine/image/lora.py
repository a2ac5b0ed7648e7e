"""LoRAs of image models: files of diffusers and of kohya's scripts, made part of the weights.

Source: Hu et al., "LoRA" (2021). A layer's weight gets `up @ down * alpha / rank` added, times the
scale that is asked for; a packed layer gets an adapter beside it, and is not rounded again.

`lora_names.py` has the names that files give to layers.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import olivine.core as mx
import olivine.nn as nn
from olivine.image.lora_names import Target, targets
from olivine.llm.adapters.layers import LoRALinear
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.formats.folder import read_file
from olivine.llm.layers import put_module

# Ends of names -> what the array is.
_ENDS = {
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    "_lora.down.weight": "down",
    "_lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".alpha": "alpha",
}
_KOHYA = {
    "lora_unet_": ("unet", "transformer"),
    "lora_transformer_": ("transformer",),
    "lora_te_": ("text_encoder",),
    "lora_te1_": ("text_encoder",),
    "lora_te2_": ("text_encoder_2",),
}


@dataclass
class Delta:
    """What is added to one layer: `up @ down`, times `alpha / rank`."""

    down: mx.array | None = None
    up: mx.array | None = None
    alpha: float | None = None

    @property
    def scale(self) -> float:
        return 1.0 if self.alpha is None else self.alpha / self.down.shape[0]

    def check(self, where: str) -> None:
        down, up = self.down, self.up
        shaped = down is not None and up is not None and min(down.ndim, up.ndim) > 1
        if not shaped or down.shape[0] != up.shape[1]:
            got = [None if x is None else x.shape for x in (down, up)]
            raise ModelError(f"[image] expected two matrices of one rank for {where}; got {got}")


def add(parts: dict[str, nn.Module], path: str | os.PathLike, scale: float = 1.0) -> int:
    """Add the LoRA in a safetensors file to models by name; returns how many layers changed.

    ModelError if the file has anything that does not belong to one of them; then nothing changes.
    """
    path = Path(path)
    layers = {part: dict(model.named_modules()) for part, model in parts.items()}
    known = {part: targets(part, modules) for part, modules in layers.items()}
    found: dict[tuple[str, Target], Delta] = {}
    for name, value in read_file(path).items():
        where, what = _place(name, known, path)
        delta = found.setdefault(where, Delta())
        setattr(delta, what, float(value.item()) if what == "alpha" else value)
    if not found:
        raise ModelError(f"[image] expected a LoRA in {path}; it is empty")
    changed = {}
    for (part, target), delta in found.items():
        delta.check(f"{', '.join(target.layers)} in {path}")
        for layer, one in _pieces(target, delta, layers[part]):
            if (part, layer) in changed:
                raise ModelError(f"[image] expected one LoRA for {layer} in {path}; got two")
            changed[part, layer] = _changed(layers[part][layer], one, scale, f"{layer} in {path}")
    for (part, layer), new in changed.items():
        if isinstance(new, mx.array):
            layers[part][layer].weight = new
        else:
            put_module(parts[part], layer, new)
    mx.eval([parts[part].parameters() for part in {part for part, _ in changed}])
    return len(changed)


def _pieces(target: Target, delta: Delta, modules: dict) -> list[tuple[str, Delta]]:
    """Each layer of a target with its rows of the delta."""
    up = delta.up
    if target.swapped:
        up = mx.concatenate(mx.split(up, [up.shape[0] // 2])[::-1])
    if len(target.layers) == 1:
        return [(target.layers[0], Delta(delta.down, up, delta.alpha))]
    sizes = [_outputs(modules[layer]) for layer in target.layers]
    if sum(sizes) != up.shape[0]:
        raise ModelError(
            f"[image] expected a LoRA with {sum(sizes)} outputs for {', '.join(target.layers)}; "
            f"got {up.shape[0]}"
        )
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    return [
        (layer, Delta(delta.down, rows, delta.alpha))
        for layer, rows in zip(target.layers, mx.split(up, ends), strict=True)
    ]


def _outputs(layer: nn.Module) -> int:
    return (layer.linear if isinstance(layer, LoRALinear) else layer).weight.shape[0]


def _place(name: str, known: dict, path: Path) -> tuple[tuple[str, Target], str]:
    """The model and the layers that an array belongs to, and what it is there."""
    end = next((end for end in _ENDS if name.endswith(end)), None)
    if end is not None:
        stem = name[: -len(end)]
        for part, layer in _readings(stem, known):
            found = known.get(part, {}).get(layer)
            if found:
                return (part, found), _ENDS[end]
    raise ModelError(f"[image] expected weights of a LoRA for this model in {path}; got {name}")


def _readings(stem: str, known: dict) -> list[tuple[str, str]]:
    """Which model and layer a name may mean."""
    for prefix, parts in _KOHYA.items():
        if stem.startswith(prefix):
            return [(part, stem.removeprefix(prefix)) for part in parts]
    stem = stem.removeprefix("base_model.model.").removeprefix("diffusion_model.")
    part, _, layer = stem.partition(".")
    if part not in known:
        part, layer = ("unet" if "unet" in known else "transformer"), stem
    # Early files: attn1.processor.to_out_lora
    layer = layer.replace(".processor.", ".")
    layer = f"{layer}.0" if layer.endswith(".to_out") else layer
    return [(part, layer), (part, f"text_model.{layer}")]


def _changed(layer: nn.Module, delta: Delta, scale: float, where: str) -> mx.array | nn.Module:
    """The weight of a layer that has the delta, or a layer in its place."""
    down, up = delta.down.astype(mx.float32), delta.up.astype(mx.float32)
    up = up.reshape(up.shape[0], -1)
    if isinstance(layer, nn.Conv2d):
        added = (up @ down.reshape(down.shape[0], -1)).reshape(-1, *down.shape[1:])
        added = added.transpose(0, 2, 3, 1) if added.ndim == 4 else added
    elif isinstance(layer, nn.Linear):
        added = up @ down.reshape(down.shape[0], -1)
    else:
        return _beside(layer, down, up, scale * delta.scale, where)
    if added.shape != layer.weight.shape:
        raise ModelError(
            f"[image] expected a LoRA of shape {layer.weight.shape} for {where}; got {added.shape}"
        )
    weight = layer.weight.astype(mx.float32) + (scale * delta.scale) * added
    return weight.astype(layer.weight.dtype)


def _beside(layer: nn.Module, down, up, scale: float, where: str) -> LoRALinear:
    """An adapter beside a packed layer; one that is there already becomes part of it."""
    down, up = down.reshape(down.shape[0], -1), scale * up
    if isinstance(layer, LoRALinear):
        down = mx.concatenate([layer.lora_a.T, down])
        up = mx.concatenate([layer.scale * layer.lora_b.T, up], axis=1)
        layer = layer.linear
    try:
        made = LoRALinear(layer, down.shape[0], 1.0)
    except ValueError as error:
        raise ModelError(f"[image] {where}: {error}") from None
    if (down.T.shape, up.T.shape) != (made.lora_a.shape, made.lora_b.shape):
        raise ModelError(
            f"[image] expected a LoRA that fits {where}; got {up.shape} @ {down.shape}"
        )
    made.lora_a, made.lora_b = down.T, up.T
    made.eval()
    return made
