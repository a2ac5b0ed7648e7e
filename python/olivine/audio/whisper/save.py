"""Saving a Whisper model as a folder in MLX's layout, which loads again here and in mlx_whisper."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import numpy as np

import olivine.core as mx
from olivine.audio.whisper.model import Whisper
from olivine.audio.whisper.tokenizer import WhisperTokenizer
from olivine.llm.atomic import whole_folder, write_json
from olivine.nn.layers.quantized import QuantizedBase
from olivine.utils import tree_flatten

WEIGHTS = {"safetensors": "weights.safetensors", "npz": "weights.npz"}


def quantization_of(model: Whisper) -> dict | None:
    """The settings of packed layers, if there are any; all have the same."""
    for _, module in model.named_modules():
        if isinstance(module, QuantizedBase):
            return {"group_size": module.group_size, "bits": module.bits}
    return None


def save(
    folder: str | os.PathLike,
    model: Whisper,
    tokenizer: WhisperTokenizer | None = None,
    *,
    format: str = "safetensors",
    overwrite: bool = False,
) -> Path:
    """Write config.json, the weights and the tokenizer to `folder`; returns its path.

    `format` is `safetensors` or `npz`. Packed layers stay packed. Raises `FileExistsError` for a
    folder that is there and not empty unless `overwrite`; nothing is left when writing fails.
    """
    if format not in WEIGHTS:
        raise ValueError(f"[audio.save] expected format among {', '.join(WEIGHTS)}; got {format!r}")
    weights = dict(tree_flatten(model.parameters()))
    weights["alignment_heads"] = mx.array(np.array(model.alignment_heads, np.int32))
    config = {"model_type": "whisper", **asdict(model.dims)}
    quantization = quantization_of(model)
    if quantization:
        config["quantization"] = quantization
    with whole_folder(folder, overwrite) as draft:
        file = str(draft / WEIGHTS[format])
        if format == "npz":
            mx.savez(file, **weights)
        else:
            mx.save_safetensors(file, weights, {"format": "mlx"})
        write_json(draft / "config.json", config)
        if tokenizer is not None:
            tokenizer.tokenizer.backend.save(str(draft / "tokenizer.json"))
    return Path(folder)
