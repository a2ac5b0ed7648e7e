"""Saving a model as a folder that loads again: config.json, safetensors, tokenizer files.

The layout is Hugging Face's, with MLX's `quantization` entry for packed layers. A folder appears
whole under its name or not at all: it is written beside it and renamed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.atomic import whole_folder, write_json
from olivine.llm.export.huggingface import config_of, weights_of
from olivine.llm.formats.packed import folder_weights

MAX_SHARD = 5 << 30


def save_folder(
    folder: str | Path,
    model: nn.Module,
    config: dict[str, Any],
    tokenizer=None,
    quantization: dict[str, Any] | None = None,
    *,
    layout: str = "mlx",
    overwrite: bool = False,
    max_shard: int = MAX_SHARD,
    beside: Sequence[Path] = (),
    progress: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> Path:
    """Write the model, its config and its tokenizer to `folder`; returns its path.

    `layout` is `mlx`, or `hf` for the names and shapes that transformers stores, of models in full.
    `quantization` describes packed layers as `quantize_model` returns it; None if there are none.
    Weights go in shards of at most `max_shard` bytes. Files `beside` are copied. Raises
    `FileExistsError` for a folder that is there and not empty unless `overwrite`; nothing is left
    behind when writing fails.
    """
    if layout not in ("mlx", "hf"):
        raise ValueError(f"[save_folder] expected layout 'mlx' or 'hf'; got {layout!r}")
    if layout == "hf":
        weights = weights_of(model, config["model_type"])
        config = config_of(config, weights[0][1].dtype)
    else:
        weights, quantization = folder_weights(model, quantization)
    with whole_folder(folder, overwrite) as draft:
        _write_weights(draft, weights, max_shard, "pt" if layout == "hf" else "mlx", progress)
        _write_config(draft, config, quantization)
        if tokenizer is not None:
            save_tokenizer(draft, tokenizer)
        for file in beside:
            shutil.copyfile(file, draft / file.name)
    return Path(folder)


def _shards(weights: list[tuple[str, mx.array]], limit: int) -> list[dict[str, mx.array]]:
    shards: list[dict[str, mx.array]] = [{}]
    size = 0
    for name, value in weights:
        if shards[-1] and size + value.nbytes > limit:
            shards.append({})
            size = 0
        shards[-1][name] = value
        size += value.nbytes
    return shards


def _write_weights(draft: Path, weights: list, limit: int, written_as: str, progress) -> None:
    shards = _shards(weights, limit)
    names = ["model.safetensors"]
    if len(shards) > 1:
        count = len(shards)
        names = [f"model-{i:05}-of-{count:05}.safetensors" for i in range(1, count + 1)]
        index = {n: file for file, shard in zip(names, shards, strict=True) for n in shard}
        total = sum(value.nbytes for _, value in weights)
        write_json(
            draft / "model.safetensors.index.json",
            {"metadata": {"total_size": total}, "weight_map": index},
        )
    for done, (name, shard) in enumerate(zip(names, shards, strict=True)):
        progress(done, len(shards), name)
        try:
            mx.save_safetensors(str(draft / name), shard, {"format": written_as})
        except RuntimeError as error:  # a full disk, say
            reason = str(error).rpartition(": ")[2]
            raise OSError(None, reason, str(draft / name)) from None


def _write_config(draft: Path, config: dict, quantization: dict | None) -> None:
    config = {k: v for k, v in config.items() if k not in ("quantization", "quantization_config")}
    if quantization:
        # Both names are read: the first by MLX's tools, the second by others.
        config["quantization"] = config["quantization_config"] = quantization
    write_json(draft / "config.json", config)


def save_tokenizer(folder: Path, tokenizer) -> None:
    """Write tokenizer.json and tokenizer_config.json, chat template included."""
    tokenizer.backend.save(str(folder / "tokenizer.json"))
    settings: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast"}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        value = getattr(tokenizer, name)
        if value is not None:
            settings[name] = value
    if tokenizer.has_chat_template:
        settings["chat_template"] = tokenizer.chat_template.source
    write_json(folder / "tokenizer_config.json", settings)
    ends = sorted(tokenizer.eos_token_ids)
    if ends:
        write_json(
            folder / "generation_config.json",
            {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": ends},
        )
