"""A model as a GGUF file, for llama.cpp and what is built on it.

Packed layers are stored as they are where a type of the format has the same values (4 bits and
less, 5 bits, 8 bits without a minimum, with float16 scales); `kind` chooses another type for all
matrices. Vectors are in float32, as the format's programs expect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.atomic import whole_file
from olivine.llm.export.gguf_blocks import exact_blocks, to_blocks
from olivine.llm.export.gguf_config import metadata_of, tensors_as
from olivine.llm.export.gguf_file import FILE_TYPES, TYPES, Tensor, write_gguf
from olivine.llm.export.gguf_vocabulary import vocabulary_of
from olivine.llm.formats.gguf_names import gguf_name, relayout_back
from olivine.llm.formats.packed import STORED, as_folders_have_it, unpack
from olivine.utils import tree_flatten

KINDS = ("keep", *(name.lower() for name in FILE_TYPES))
# Always in float32: small, and what all else depends on.
_FULL = ("ffn_gate_inp", "ffn_gate_inp_shexp", "position_embd", "token_types", "exp_probs_b")
# What every token goes through: in eight bits where others have less.
_FINE = ("token_embd.weight", "output.weight")
_FLOATS = {mx.float32: "F32", mx.float16: "F16", mx.bfloat16: "BF16"}


@dataclass
class Report:
    """How many matrices of each type were written, and which packed ones were rounded again."""

    types: dict[str, int] = field(default_factory=dict)
    rounded: list[str] = field(default_factory=list)
    nbytes: int = 0


@dataclass
class _Weight:
    """A weight under GGUF's name, in full or as the parts of a packed one."""

    name: str
    parts: tuple[mx.array, ...]
    settings: dict[str, Any] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        shape = self.parts[0].shape
        if self.settings is None:
            return tuple(shape)
        return (*shape[:-1], shape[-1] * 32 // self.settings["bits"])

    def full(self) -> mx.array:
        if self.settings is None:
            return self.parts[0]
        biases = self.parts[2] if len(self.parts) > 2 else None
        return unpack(self.parts[0], self.parts[1], biases, self.settings)

    def exactly(self, kinds: tuple[str, ...]) -> tuple[str, np.ndarray] | None:
        """The type and blocks that have the same values, if there are any."""
        if self.settings is None or self.settings["mode"] != "affine":
            return None
        words, scales, biases = self.parts
        ones = mx.ones(scales.shape, mx.float32)
        codes = mx.dequantize(words, ones, mx.zeros_like(ones), **self.settings)
        columns, groups = self.shape[-1], scales.shape[-1]
        return exact_blocks(
            np.array(codes.astype(mx.uint8)).reshape(-1, columns),
            np.array(scales.astype(mx.float32)).reshape(-1, groups),
            np.array(biases.astype(mx.float32)).reshape(-1, groups),
            kinds,
        )


def export_gguf(
    path: str | Path,
    model: nn.Module,
    config: dict[str, Any],
    tokenizer=None,
    kind: str = "keep",
    *,
    name: str | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> Report:
    """Write the model, its config.json's `config` and its tokenizer to one file at `path`.

    kind: one of `KINDS`, of all matrices (the embedding and the head have at least Q8_0); `keep`
        stores packed layers as they are where a type holds them exactly, others and those in full
        in the dtype of the model (float16 if packed). Rows that are no whole blocks of 32 are
        float16.
    name: of the model, for programs that show it.

    The file is there whole or not at all. ModelError says what of a model a file cannot hold.
    """
    if kind not in KINDS:
        raise ValueError(f"[gguf] expected a type among {', '.join(KINDS)}; got {kind!r}")
    model_type = config["model_type"]
    metadata, factors = metadata_of(model.config, model_type)
    metadata |= {
        "general.name": name or Path(path).stem,
        "general.quantization_version": np.uint32(2),
    }
    metadata |= vocabulary_of(tokenizer, model.config.vocab_size)
    report = Report()
    tensors = [
        Tensor(name, values.shape, "F32", lambda values=values: values)
        for name, values in factors.items()
    ]
    weights = list(_weights(model, tensors_as(model_type), vars(model.config)))
    for done, weight in enumerate(weights):
        progress(done, len(weights), weight.name)
        tensors.append(_tensor(weight, kind, report))
    main = max(report.types, key=report.types.get, default="F32")
    metadata["general.file_type"] = np.uint32(FILE_TYPES[main])
    with whole_file(path, overwrite) as draft:
        write_gguf(draft, metadata, tensors, progress)
    report.nbytes = Path(path).stat().st_size
    return report


def _weights(model: nn.Module, model_type: str, config: dict[str, Any]):
    """The model's weights under GGUF's names and in its layouts."""
    packed = {
        path: layer for path, layer in model.named_modules() if layer.get("scales") is not None
    }
    for name, value in tree_flatten(model.parameters()):
        path, _, part = name.rpartition(".")
        if path in packed and part in ("scales", "biases"):
            continue
        layer = packed.get(path)
        if layer is None or part != "weight":
            yield from _split_latent(_named(name, (value,), None, model_type, config), config)
            continue
        if layer.mode in STORED:
            arrays, settings = as_folders_have_it(layer)
            parts, settings = tuple(arrays.values()), settings or None
        else:
            settings = {"group_size": layer.group_size, "bits": layer.bits, "mode": layer.mode}
            parts = (value, layer.scales)
            if layer.get("biases") is not None:
                parts += (layer.biases,)
        yield from _split_latent(_named(name, parts, settings, model_type, config), config)


def _named(name: str, parts, settings, model_type: str, config: dict) -> _Weight:
    name = gguf_name(name, model_type)
    stem = name.rpartition(".")[0]
    kinds = ("weight", "scales", "biases") if settings else (name.rpartition(".")[2],)
    parts = tuple(
        relayout_back(f"{stem}.{kind}", part, model_type, config)
        for kind, part in zip(kinds, parts, strict=False)
    )
    return _Weight(name, parts, settings)


def _split_latent(weight: _Weight, config: dict[str, Any]):
    """DeepSeek's `kv_b_proj` in halves, that of the keys transposed; other weights as they are."""
    if not weight.name.endswith("attn_kv_b.weight"):
        yield weight
        return
    full = weight.full()
    heads, plain = config["num_attention_heads"], config["qk_nope_head_dim"]
    full = full.reshape(heads, -1, full.shape[-1])
    base = weight.name.removesuffix("kv_b.weight")
    yield _Weight(f"{base}k_b.weight", (mx.swapaxes(full[:, :plain], 1, 2),))
    yield _Weight(f"{base}v_b.weight", (full[:, plain:],))


def _tensor(weight: _Weight, kind: str, report: Report) -> Tensor:
    shape = weight.shape
    stem = weight.name.split(".")[-2]
    if len(shape) == 1 or stem in _FULL:
        return Tensor(weight.name, shape, "F32", lambda: _floats(weight.full(), "F32"))
    wanted = _wanted(weight, kind)
    # Blocks of large models do not fit into memory together: they are made once more to be written.
    exact = weight.exactly(() if kind == "keep" else (wanted,))
    if exact is not None:
        made, make = exact[0], lambda: weight.exactly((made,))[1]
    else:
        made = wanted if shape[-1] % TYPES[wanted][1] == 0 else "F16"
        if weight.settings is not None and (kind == "keep" or TYPES[made][1] > 1):
            report.rounded.append(weight.name)

        def make():
            if TYPES[made][1] == 1:
                return _floats(weight.full(), made)
            return to_blocks(np.array(weight.full().astype(mx.float32)), made)

    report.types[made] = report.types.get(made, 0) + 1
    return Tensor(weight.name, shape, made, make)


def _wanted(weight: _Weight, kind: str) -> str:
    if kind != "keep":
        fine = weight.name in _FINE and TYPES[kind.upper()][1] > 1
        return "Q8_0" if fine else kind.upper()
    dtype = weight.parts[0].dtype if weight.settings is None else mx.float16
    return _FLOATS.get(dtype, "F32")


def _floats(values: mx.array, kind: str) -> np.ndarray:
    if kind == "BF16":
        return np.array(values.astype(mx.bfloat16).view(mx.uint16))
    return np.array(values.astype(mx.float16 if kind == "F16" else mx.float32))
