"""The file of one checkpoint: a safetensors file with check sums.

Its arrays have dotted names such as `model.layers.0.weight`, so that other programs can read them
too. Its metadata holds the rest of the state as JSON, the metric, and a number that tells which
checkpoint was saved last.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import olivine.core as mx
from olivine.train.files import CheckpointError, one_line

FORMAT = "olivine-train"
VERSION = "1"


@dataclass(frozen=True)
class Saved:
    """One checkpoint in a folder. `serial` counts the saves; the last one has the highest."""

    path: Path
    step: int
    serial: int
    metric: float | None


def write(saved: Saved, arrays: dict[str, mx.array], state: dict) -> None:
    """Write `arrays` and the JSON-able `state` as the file `saved`, replaced in one step.

    Raises `RuntimeError` when the disk is full or fails; an old file of that name is then intact.
    """
    text = json.dumps(
        {
            "step": saved.step,
            "serial": saved.serial,
            "metric": saved.metric,
            "state": state,
            "crc32": {name: _crc32(value) for name, value in arrays.items()},
        }
    )
    crc = str(zlib.crc32(text.encode()))
    metadata = {"format": FORMAT, "version": VERSION, "checkpoint": text, "crc32": crc}
    # Gives the file its name when it is on the disk, and then syncs its folder.
    mx.save_safetensors(str(saved.path), arrays, metadata)


def _crc32(value: mx.array) -> int:
    return zlib.crc32(mx.contiguous(value).reshape(-1).view(mx.uint8))


def open_lazily(path: Path) -> tuple[dict[str, mx.array], dict]:
    """The arrays, not read yet, and the rest of a checkpoint."""
    try:
        arrays, metadata = mx.load(str(path), return_metadata=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged or no checkpoint: {one_line(error)}") from None
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of olivine.train")
    if metadata.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has format version {metadata.get('version')}; this olivine reads {VERSION}"
        )
    text = metadata.get("checkpoint", "")
    if str(zlib.crc32(text.encode())) != metadata.get("crc32"):
        raise CheckpointError(f"{path} is damaged: the check sum of its metadata differs")
    return arrays, json.loads(text)


def read(path: Path) -> tuple[dict[str, mx.array], dict]:
    """The arrays, read and checked, and the rest of a checkpoint."""
    arrays, about = open_lazily(path)
    try:
        mx.eval(arrays)
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {one_line(error)}") from None
    for name, crc in about["crc32"].items():
        if name not in arrays or _crc32(arrays[name]) != crc:
            raise CheckpointError(f"{path} is damaged: the check sum of {name} differs")
    return arrays, about
