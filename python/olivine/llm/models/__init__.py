"""Architectures, one file each; `ARCHITECTURES` finds one by the `model_type` of a config.json.

A file defines `Config` (a dataclass made by `Config.from_dict`) and `Model`, an `nn.Module`:

- `Model(config)(tokens, cache=None)` takes ids `(batch, length)` and returns logits
  `(batch, length, vocab_size)`. With a cache the tokens continue what it has seen.
- `make_cache()` returns a fresh list of caches, one per layer (see `olivine.llm.cache`).
- `sanitize(weights)` turns a checkpoint's names and layouts into the model's. Parameters carry
  the names that Hugging Face's checkpoints use, so that most need nothing here.
"""

from __future__ import annotations

import importlib
from types import ModuleType

# model_type -> the module of this package that implements it.
ARCHITECTURES = {
    "llama": "llama",
}


def architecture(model_type: str) -> ModuleType:
    """The module of `model_type`; ValueError lists the known ones."""
    try:
        return importlib.import_module(f"{__name__}.{ARCHITECTURES[model_type]}")
    except KeyError:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ValueError(f"[llm] expected a model_type among {known}; got {model_type!r}") from None


def build(config: dict):
    """A model with fresh weights from the dict of a config.json."""
    if "model_type" not in config:
        raise ValueError("[llm] expected config.json to name its model_type; it does not")
    module = architecture(config["model_type"])
    return module.Model(module.Config.from_dict(config))
