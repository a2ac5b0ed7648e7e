"""Loading: from a name to a model that sees and what prepares its prompts and images."""

from __future__ import annotations

import os
from typing import Any

import olivine.nn as nn
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.formats.find import find
from olivine.llm.loading import load as load_language_model
from olivine.vision.processor import Processor


def load(
    name: str | os.PathLike, *, revision: str | None = None, cache_dir=None, **options: Any
) -> tuple[nn.Module, Processor]:
    """A model that sees, with its weights, and its `Processor`.

    `name` is a folder as transformers or MLX's tools write it, or a Hugging Face id; the other
    arguments are those of `olivine.llm.load`. ModelError, a ValueError, says in one message what
    was expected and found.
    """
    found = find(name, revision=revision, cache_dir=cache_dir)
    if found.kind != "folder":
        raise ModelError(f"[vision] expected a folder with config.json; got {found.path}")
    model, tokenizer = load_language_model(found.path, **options)
    return model, Processor.from_folder(found.path, model, tokenizer)
