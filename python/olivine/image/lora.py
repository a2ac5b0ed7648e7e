"""LoRAs of image models: files of diffusers and of kohya's scripts, made part of the weights.

Source: Hu et al., "LoRA" (2021). A layer's weight gets `up @ down * alpha / rank` added, times the
scale that is asked for; a packed layer gets an adapter beside it, and is not rounded again.

diffusers names layers by their paths (`unet.….to_q.lora_A.weight`), kohya by paths with `_` for `.`
(`lora_unet_…_to_q.lora_down.weight`); of an SDXL's U-Net also by the names that its first release
had (`input_blocks_4_1_…`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import olivine.core as mx
import olivine.nn as nn
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


def add(parts: dict[str, nn.Module], path: str | os.PathLike, scale: float = 1.0) -> int:
    """Add the LoRA in a safetensors file to models by name; returns how many layers changed.

    ModelError if the file has anything that does not belong to one of them; then nothing changes.
    """
    path = Path(path)
    layers = {part: dict(model.named_modules()) for part, model in parts.items()}
    targets = {part: _targets(part, modules) for part, modules in layers.items()}
    deltas: dict[tuple[str, str], Delta] = {}
    for name, value in read_file(path).items():
        where, what = _place(name, targets, path)
        delta = deltas.setdefault(where, Delta())
        setattr(delta, what, float(value.item()) if what == "alpha" else value)
    if not deltas:
        raise ModelError(f"[image] expected a LoRA in {path}; it is empty")
    changed = {
        (part, layer): _changed(layers[part][layer], delta, scale, f"{layer} in {path}")
        for (part, layer), delta in deltas.items()
    }
    for (part, layer), new in changed.items():
        if isinstance(new, mx.array):
            layers[part][layer].weight = new
        else:
            put_module(parts[part], layer, new)
    mx.eval([parts[part].parameters() for part in {part for part, _ in changed}])
    return len(changed)


def _targets(part: str, modules: dict[str, nn.Module]) -> dict[str, str]:
    """All names that files may have for a model's layers -> the layer's path."""
    kinds = (nn.Linear, nn.QuantizedLinear, nn.Conv2d, LoRALinear)
    paths = [
        path
        for path, module in modules.items()
        if isinstance(module, kinds)
        and not isinstance(modules.get(path.removesuffix(".linear")), LoRALinear)
        or isinstance(module, LoRALinear)
    ]
    out = {path: path for path in paths}
    for path in paths:
        out[path.replace(".", "_")] = path
        if part == "unet":
            first = _first_release(path, modules)
            if first:
                out[first.replace(".", "_")] = path
    return out


def _place(name: str, targets: dict, path: Path) -> tuple[tuple[str, str], str]:
    """The model and the layer that an array belongs to, and what it is there."""
    end = next((end for end in _ENDS if name.endswith(end)), None)
    if end is not None:
        stem = name[: -len(end)]
        for part, layer in _readings(stem, targets):
            found = targets.get(part, {}).get(layer)
            if found:
                return (part, found), _ENDS[end]
    raise ModelError(f"[image] expected weights of a LoRA for this model in {path}; got {name}")


def _readings(stem: str, targets: dict) -> list[tuple[str, str]]:
    """Which model and layer a name may mean."""
    for prefix, parts in _KOHYA.items():
        if stem.startswith(prefix):
            return [(part, stem.removeprefix(prefix)) for part in parts]
    stem = stem.removeprefix("base_model.model.")
    part, _, layer = stem.partition(".")
    if part not in targets:
        part, layer = ("unet" if "unet" in targets else "transformer"), stem
    # Early files: attn1.processor.to_out_lora
    layer = layer.replace(".processor.", ".")
    layer = f"{layer}.0" if layer.endswith(".to_out") else layer
    return [(part, layer), (part, f"text_model.{layer}")]


_INNER = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_OUTER = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}


def _first_release(path: str, modules: dict[str, nn.Module]) -> str | None:
    """A U-Net's layer under the name of Stable Diffusion's first release.

    There all layers of the way down are counted through, with what changes the size, and so are
    those of the way up.
    """
    for ours, theirs in _OUTER.items():
        if path == ours or path.startswith(ours + "."):
            return theirs + _inner(path[len(ours) :])
    found = re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)(.*)", path)
    if not found:
        return None
    way, level, kind, index = found[1], int(found[2]), found[3], int(found[4])
    count = sum(1 for name in modules if re.fullmatch(rf"{way}_blocks\.0\.resnets\.\d+", name))
    if kind == "downsamplers":
        return f"input_blocks.{1 + level * (count + 1) + count}.0.op"
    attends = f"{way}_blocks.{level}.attentions.0" in modules
    if kind == "upsamplers":
        return f"output_blocks.{level * count + count - 1}.{1 + attends}.conv"
    number = level * count + index if way == "up" else 1 + level * (count + 1) + index
    side = "output" if way == "up" else "input"
    return f"{side}_blocks.{number}.{int(kind == 'attentions')}{_inner(found[5])}"


def _inner(rest: str) -> str:
    name = rest.removeprefix(".")
    return f".{_INNER[name]}" if name in _INNER else rest


def _changed(layer: nn.Module, delta: Delta, scale: float, where: str) -> mx.array | nn.Module:
    """The weight of a layer that has the delta, or a layer in its place."""
    down, up = delta.down, delta.up
    if down is None or up is None or down.shape[0] != up.shape[1 if up.ndim > 1 else 0]:
        got = [None if x is None else x.shape for x in (down, up)]
        raise ModelError(f"[image] expected two matrices of one rank for {where}; got {got}")
    down, up = down.astype(mx.float32), up.astype(mx.float32).reshape(up.shape[0], -1)
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
