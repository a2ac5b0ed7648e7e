"""Checkpoints: everything a run needs to go on, in one file that is replaced atomically.

The file is a safetensors file. Its arrays are trees flattened to dotted names: `model`,
`optimizer` and `history` (all losses so far). Its metadata holds the format's version and one JSON
text with the configuration, the alphabet, and seed and step, which fix the position in the data
and the state of the random generator.

A new checkpoint is written to a temporary file beside the old one, flushed to the disk, and renamed
over it. Whatever kills the process, and whenever, a whole checkpoint is there afterwards.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import olivine.core as mx
from olivine.train.files import CheckpointError, LockedFolder, one_line, write_atomically
from olivine.utils import tree_flatten, tree_unflatten

__all__ = ["CheckpointError", "RunFolder", "load", "save", "write_atomically"]

FORMAT = "olivine-lm"
VERSION = "1"
CHECKPOINT = "checkpoint.safetensors"
PREVIOUS = "previous.safetensors"


def save(path: Path, arrays: dict[str, Any], settings: dict[str, Any]) -> None:
    """Write the tree `arrays` and the JSON-able `settings` as the checkpoint `path`.

    Raises `OSError` when the disk is full or fails; the old checkpoint is then still there.
    """
    flat = tree_flatten(arrays, destination={})
    metadata = {"format": FORMAT, "version": VERSION, "settings": json.dumps(settings)}
    try:
        write_atomically(path, lambda file: mx.save_safetensors(file, flat, metadata))
    except RuntimeError as error:
        raise OSError(f"cannot write {path}: {one_line(error)}") from None


def load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays (as a tree) and settings of a checkpoint."""
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    try:
        flat, metadata = mx.load(str(path), return_metadata=True)
        mx.eval(flat)  # reads the file now, before anything replaces it
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or no checkpoint: {one_line(error)}") from None
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of olivine train-lm")
    if metadata.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has format version {metadata.get('version')}; this olivine reads {VERSION}"
        )
    try:
        return tree_unflatten(flat), json.loads(metadata["settings"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path} has damaged settings: {one_line(error)}") from None


class RunFolder(LockedFolder):
    """The folder of one run, held by at most one process at a time."""

    busy = "another run is using {path}; choose another --out"

    def __init__(self, path: str | Path):
        super().__init__(path)
        self.checkpoint = self.path / CHECKPOINT

    def set_aside(self) -> Path:
        """Keep the checkpoint of a finished run under another name; returns that name."""
        previous = self.path / PREVIOUS
        os.replace(self.checkpoint, previous)
        return previous
