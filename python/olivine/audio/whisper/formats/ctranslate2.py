"""Reading CTranslate2's folders: model.bin, whole or in parts, with its tensors in any type.

The layout is that of binary versions 1 to 6 (CTranslate2's documentation and converters): the name
of the model and its revision, then each variable with its name, shape, type and bytes, and aliases.
Whole numbers are little-endian. int8 weights have a scale for each row, int16 ones have one scale:
they are multiplied by it before they are rounded.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

import olivine.core as mx
from olivine.audio.whisper.formats.names import from_ctranslate2
from olivine.llm.formats.checkpoint import Checkpoint, ModelError, read_json

NEWEST = 6
# Numbers of types in the file; bfloat16 is read as its bits.
_TYPES = (
    np.float32,
    np.int8,
    np.int16,
    np.int32,
    np.float16,
    np.uint16,
)
_BFLOAT16 = 5
_MOST_VARIABLES = 1 << 16


class _Parts:
    """Files that are read as one."""

    def __init__(self, files: tuple[Path, ...]):
        self.name = str(files[0])
        self.files = [open(path, "rb") for path in files]
        sizes = [path.stat().st_size for path in files]
        self.starts = [0, *accumulate(sizes)]
        self.place = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for file in self.files:
            file.close()

    @property
    def size(self) -> int:
        return self.starts[-1]

    def take(self, count: int) -> bytearray:
        """The next `count` bytes; ModelError if there are fewer."""
        if count > self.size - self.place:
            raise ModelError(
                f"[audio] expected {count} more bytes at {self.place} of {self.name}; "
                f"the model has {self.size}: it is cut off or no CTranslate2 model"
            )
        out = bytearray(count)
        view, done = memoryview(out), 0
        while done < count:
            part = bisect_right(self.starts, self.place) - 1
            file = self.files[part]
            file.seek(self.place - self.starts[part])
            got = file.readinto(view[done : done + self.starts[part + 1] - self.place])
            if not got:
                raise ModelError(f"[audio] {self.name} became shorter while it was read")
            done += got
            self.place += got
        return out

    def number(self, code: str) -> int:
        return struct.unpack("<" + code, self.take(struct.calcsize(code)))[0]

    def text(self) -> str:
        """A text with its length before and a 0 after it."""
        raw = bytes(self.take(self.number("H")))
        try:
            return raw.rstrip(b"\0").decode()
        except UnicodeDecodeError:
            raise ModelError(f"[audio] expected a name in {self.name}; got {raw[:40]!r}") from None


def _variable(parts: _Parts, version: int) -> tuple[str, Any]:
    name = parts.text()
    shape = tuple(parts.number("I") for _ in range(parts.number("B")))
    if version >= 4:
        kind, size = parts.number("B"), parts.number("I")
    else:  # the size of an item, and how many there are
        width, count = parts.number("B"), parts.number("I")
        kind, size = {4: 0, 1: 1, 2: 2}.get(width, 255), width * count
    if kind >= len(_TYPES):
        raise ModelError(f"[audio] expected a known type for {name} in {parts.name}; got {kind}")
    dtype = np.dtype(_TYPES[kind])
    if prod(shape) * dtype.itemsize != size:
        raise ModelError(
            f"[audio] expected {prod(shape) * dtype.itemsize} bytes of {name}, shape {shape}, in "
            f"{parts.name}; got {size}"
        )
    values = np.frombuffer(parts.take(size), dtype).reshape(shape)
    if not shape:
        return name, values.item()
    array = mx.array(values)
    return name, mx.view(array, mx.bfloat16) if kind == _BFLOAT16 else array


def read_variables(files: tuple[Path, ...]) -> tuple[str, dict[str, Any]]:
    """The name of the model and its variables: arrays, and numbers for those without a shape."""
    with _Parts(files) as parts:
        version = parts.number("I")
        if not 2 <= version <= NEWEST:
            raise ModelError(
                f"[audio] expected a CTranslate2 model of binary version 2 to {NEWEST} in "
                f"{parts.name}; got {version}"
            )
        spec = parts.text()
        parts.number("I")  # its revision
        count = parts.number("I")
        if count > _MOST_VARIABLES:
            raise ModelError(f"[audio] expected a model in {parts.name}; got {count} variables")
        found: dict[str, Any] = {}
        for _ in range(count):
            name, value = _variable(parts, version)
            found[name] = value
        if version >= 3:
            for _ in range(min(parts.number("I"), _MOST_VARIABLES)):
                alias, target = parts.text(), parts.text()
                if target not in found:
                    raise ModelError(
                        f"[audio] expected variable {target} in {parts.name}; it is missing"
                    )
                found[alias] = found[target]
    return spec, found


def _unscaled(found: dict[str, Any]) -> dict[str, Any]:
    """The variables with whole numbers turned into what they stand for."""
    out = {}
    for name, value in found.items():
        if name.endswith("_scale"):
            continue
        scale = found.get(name + "_scale")
        if scale is not None and isinstance(value, mx.array):
            if isinstance(scale, mx.array):
                rows = scale.reshape(-1, *[1] * (value.ndim - 1))
                if rows.shape[0] not in (1, value.shape[0]):
                    raise ModelError(
                        f"[audio] expected a scale for each of {value.shape[0]} rows of {name}; "
                        f"got {rows.shape[0]}"
                    )
                scale = rows
            value = value.astype(mx.float32) / scale
            mx.eval(value)
        out[name] = value
    return out


def read_ctranslate2(files: tuple[Path, ...]) -> Checkpoint:
    """The checkpoint of a model.bin, with what the config.json beside it says."""
    spec, found = read_variables(files)
    origin = str(files[0].parent)
    if spec != "WhisperSpec":
        raise ModelError(f"[audio] expected a Whisper model in {origin}; got {spec!r}")
    file = files[0].parent / "config.json"
    beside = read_json(file) if file.is_file() else {}
    config, weights = from_ctranslate2(_unscaled(found), origin)
    generation = {k: beside[k] for k in ("alignment_heads", "suppress_ids") if k in beside}
    return Checkpoint(origin, config, weights, generation=generation)
