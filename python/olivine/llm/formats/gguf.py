"""Reading GGUF files into checkpoints, packed tensors staying packed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import olivine.core as mx
from olivine.llm.formats.checkpoint import Checkpoint, ModelError
from olivine.llm.formats.find import Found
from olivine.llm.formats.gguf_config import Metadata, config_of
from olivine.llm.formats.gguf_names import CONFIG_TENSORS, PARTS, join_latent, relayout, rename
from olivine.llm.formats.packed import settings_of


def _joined(files: tuple[Path, ...]) -> int:
    """A descriptor of a file in memory that holds the files one after another.

    Unlike a stream of Python's it can be read lazily and by many threads.
    """
    descriptor = os.memfd_create(files[0].name)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as whole:
            for file in files:
                with open(file, "rb") as piece:
                    shutil.copyfileobj(piece, whole, 1 << 20)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def load_files(found: Found) -> tuple[dict[str, mx.array], dict[str, Any]]:
    """Tensors and metadata as they are in the files; of a split set, the metadata of the first."""
    tensors: dict[str, mx.array] = {}
    metadata: dict[str, Any] = {}
    try:
        if found.pieces:
            descriptor = _joined(found.files)
            try:
                return _load(f"/proc/self/fd/{descriptor}")
            finally:
                os.close(descriptor)  # the library has opened it once more
        for file in found.files:
            more, own = _load(str(file))
            metadata = metadata or own
            twice = tensors.keys() & more.keys()
            if twice:
                raise ModelError(f"[llm] expected {min(twice)} in one part of {found.path}")
            tensors.update(more)
    except (RuntimeError, OSError) as error:
        raise ModelError(f"[llm] expected a GGUF file; got: {error}") from None
    return tensors, metadata


def _load(file):
    return mx.load(file, format="gguf", return_metadata=True, keep_packed=True)


def read_gguf(found: Found) -> tuple[Checkpoint, Metadata]:
    """The checkpoint of a GGUF file, and its metadata for the tokenizer."""
    tensors, values = load_files(found)
    meta = Metadata(values, str(found.path))
    try:
        config = config_of(meta, tensors)
    except ArithmeticError as error:  # sizes that do not fit together
        raise ModelError(f"[llm] {meta.origin}: expected sizes of a model; got: {error}") from None
    model_type = config["model_type"]
    dtype = compute_dtype(tensors, model_type)
    weights: dict[str, mx.array] = {}
    quantization: dict[str, Any] = {}
    for name, value in tensors.items():
        if name in CONFIG_TENSORS:
            continue
        value = relayout(name, value, model_type, config)
        renamed = rename(name, model_type)
        stem, _, part = name.rpartition(".")
        packed = part in PARTS and tensors.get(f"{stem}.weight", value).dtype == mx.uint32
        weights[renamed] = value if packed else value.astype(dtype)
        if packed and part == "scales":
            settings = settings_of(tensors[f"{stem}.weight"], value, tensors.get(f"{stem}.biases"))
            quantization[renamed.removesuffix(".scales")] = settings
    join_latent(weights, quantization)
    if quantization:
        config["quantization"] = quantization
    return Checkpoint(meta.origin, config, weights, quantization, dtype=dtype), meta


def compute_dtype(tensors: dict[str, mx.array], model_type: str) -> mx.Dtype:
    """One dtype for a model, whose file may mix several.

    Packed models compute in float32, as the format's own engine does; others in the dtype of their
    matrices, except that Gemma leaves float16's range.
    """
    packed = any(value.dtype == mx.uint32 for value in tensors.values())
    sizes: dict[mx.Dtype, int] = {}
    for value in tensors.values():
        if value.ndim > 1:
            sizes[value.dtype] = sizes.get(value.dtype, 0) + value.size
    main = max(sizes, key=sizes.get, default=mx.float32)
    if packed or main not in (mx.float16, mx.bfloat16):
        return mx.float32
    return mx.float32 if main == mx.float16 and model_type.startswith("gemma") else main
