"""What every format is read into, and the error for files that cannot be used."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import olivine.core as mx
from olivine._errors import OneLineError


class ModelError(OneLineError):
    """A model that cannot be found or used; the message is for the person who named it."""


def optional(module: str, purpose: str):
    """Import a package of the extra `llm`, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise ModelError(
            f"[llm] {purpose} needs the package {error.name}: pip install 'olivine[llm]'"
        ) from None


def read_json(path: Path, kind: type = dict) -> Any:
    """The JSON value in a file, of the given type."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"[llm] expected JSON in {path}; got: {reason}") from None
    if not isinstance(value, kind):
        raise ModelError(
            f"[llm] expected a JSON {kind.__name__} in {path}; got a {type(value).__name__}"
        )
    return value


@dataclass
class Checkpoint:
    """A model as it is stored.

    `config` is that of a config.json. `weights` are lazy and carry Hugging Face's names; a packed
    one is three arrays, `x.weight`, `x.scales` and (unless `mode` has none) `x.biases`.
    `quantization` gives the settings of packed layers: `group_size`, `bits` and `mode`, and under
    a layer's path a dict of its own. `origin` is what messages call it. `dtype` is what packed
    layers compute in where their scales do not say.
    """

    origin: str
    config: dict[str, Any]
    weights: dict[str, mx.array]
    quantization: dict[str, Any] = field(default_factory=dict)
    generation: dict[str, Any] = field(default_factory=dict)
    dtype: mx.Dtype | None = None

    def settings(self, path: str) -> dict[str, Any]:
        """The arguments of `to_quantized` for the layer at `path`."""
        own = self.quantization.get(path)
        own = own if isinstance(own, dict) else {}
        defaults = {"group_size": None, "bits": None, "mode": "affine"}
        return {
            key: own.get(key, self.quantization.get(key, default))
            for key, default in defaults.items()
        }
