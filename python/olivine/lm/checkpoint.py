"""Checkpoints: everything a run needs to go on, in one file that is replaced atomically.

The file is a safetensors file. Its arrays are trees flattened to dotted names: `model`,
`optimizer` and `history` (all losses so far). Its metadata holds the format's version and one JSON
text with the configuration, the alphabet, and seed and step, which fix the position in the data
and the state of the random generator.

A new checkpoint is written to a temporary file beside the old one, flushed to the disk, and renamed
over it. Whatever kills the process, and whenever, a whole checkpoint is there afterwards.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import olivine.core as mx
from olivine.utils import tree_flatten, tree_unflatten

FORMAT = "olivine-lm"
VERSION = "1"
CHECKPOINT = "checkpoint.safetensors"
PREVIOUS = "previous.safetensors"


class CheckpointError(ValueError):
    """A run folder or checkpoint cannot be used; the message is for the person who named it."""


def write_atomically(path: Path, write: Callable[[str], None]) -> None:
    """Let `write` fill a temporary file, then rename it to `path`, all of it on the disk."""
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    try:
        write(str(temporary))
        _flush(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush(path.parent)  # the rename itself


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save(path: Path, arrays: dict[str, Any], settings: dict[str, Any]) -> None:
    """Write the tree `arrays` and the JSON-able `settings` as the checkpoint `path`.

    Raises `OSError` when the disk is full or fails; the old checkpoint is then still there.
    """
    flat = tree_flatten(arrays, destination={})
    metadata = {"format": FORMAT, "version": VERSION, "settings": json.dumps(settings)}
    try:
        write_atomically(path, lambda file: mx.save_safetensors(file, flat, metadata))
    except RuntimeError as error:
        raise OSError(f"cannot write {path}: {_one_line(error)}") from None


def load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays (as a tree) and settings of a checkpoint."""
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    try:
        flat, metadata = mx.load(str(path), return_metadata=True)
        mx.eval(flat)  # reads the file now, before anything replaces it
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or no checkpoint: {_one_line(error)}") from None
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of olivine train-lm")
    if metadata.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has format version {metadata.get('version')}; this olivine reads {VERSION}"
        )
    try:
        return tree_unflatten(flat), json.loads(metadata["settings"])
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path} has damaged settings: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


class RunFolder:
    """The folder of one run, held by at most one process at a time.

    The lock ends with the process, however it ends. So whoever holds it knows that temporary files
    in the folder come from processes that died, and clears them away.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.checkpoint = self.path / CHECKPOINT
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / ".lock", "w")  # noqa: SIM115  held until close()
        except OSError as error:
            raise CheckpointError(f"cannot write to {path}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            if not isinstance(error, BlockingIOError):
                raise CheckpointError(f"cannot lock {path}: {error.strerror}") from None
            raise CheckpointError(f"another run is using {path}; choose another --out") from None
        self._clear_temporaries()

    def _clear_temporaries(self) -> None:
        for entry in self.path.iterdir():
            # The second form is what the array library calls its own unfinished files.
            if entry.name.startswith(".") and ".tmp" in entry.name:
                entry.unlink(missing_ok=True)

    def set_aside(self) -> Path:
        """Keep the checkpoint of a finished run under another name; returns that name."""
        previous = self.path / PREVIOUS
        os.replace(self.checkpoint, previous)
        return previous

    def close(self) -> None:
        self._lock.close()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *exception) -> None:
        self.close()
