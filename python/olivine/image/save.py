"""Pipelines as folders again, with packed weights packed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.adapters.layers import LoRALinear
from olivine.llm.atomic import whole_folder, write_json
from olivine.llm.formats.checkpoint import ModelError, read_json
from olivine.nn.layers.quantized import QuantizedBase
from olivine.utils import tree_flatten


def save(parts: dict[str, nn.Module], source: Path, target: str | os.PathLike) -> None:
    """Write the folder of a pipeline that was loaded from `source`; whole or not at all.

    Convolutions have their channels first again, as checkpoints have them, and a config.json says
    how its model is packed. Raises FileExistsError if there is something at `target`.
    """
    for part, model in parts.items():
        if any(isinstance(module, LoRALinear) for module in model.modules()):
            raise ModelError(f"[image] expected {part} without a LoRA beside packed layers")
    with whole_folder(target) as draft:
        _copy(source, draft)
        for part, model in parts.items():
            config = read_json(source / part / "config.json")
            config.pop("quantization", None)
            write_json(draft / part / "config.json", config | _quantization(model))
            path = draft / part / "model.safetensors"
            mx.save_safetensors(str(path), checkpoint_of(model), {"format": "pt"})


def _copy(source: Path, draft: Path) -> None:
    """What is no weights: settings, vocabularies, licences."""
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        small = path.suffix in (".json", ".txt", ".md", ".model") and ".index" not in path.name
        if path.is_file() and small and len(inside.parts) <= 2:
            (draft / inside).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, draft / inside)


def _quantization(model: nn.Module) -> dict[str, Any]:
    """Of config.json: the settings of most packed layers, and of the others by their paths."""
    packed = {
        path: {"group_size": m.group_size, "bits": m.bits, "mode": m.mode}
        for path, m in model.named_modules()
        if isinstance(m, QuantizedBase)
    }
    if not packed:
        return {}
    usual = next(iter(packed.values()))
    return {"quantization": usual | {p: own for p, own in packed.items() if own != usual}}


def checkpoint_of(model: nn.Module) -> dict[str, mx.array]:
    """Weights in the layout of checkpoints."""
    weights = tree_flatten(model.parameters(), destination={})
    for path, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            turned = weights[f"{path}.weight"].transpose(0, 3, 1, 2)
            weights[f"{path}.weight"] = mx.contiguous(turned)
        elif path.endswith("conv_shortcut") and not isinstance(module, QuantizedBase):
            weights[f"{path}.weight"] = module.weight[..., None, None]  # of single pixels
    return weights
