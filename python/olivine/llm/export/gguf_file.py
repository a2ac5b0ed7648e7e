"""Writing GGUF version 3: metadata, then tensors one after another, each made when it is written.

Source: ggml/docs/gguf.md.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ALIGNMENT = 32
# name -> (number in files, values in a block, bytes of a block).
TYPES = {
    "F32": (0, 1, 4),
    "F16": (1, 1, 2),
    "Q4_0": (2, 32, 18),
    "Q4_1": (3, 32, 20),
    "Q5_0": (6, 32, 22),
    "Q5_1": (7, 32, 24),
    "Q8_0": (8, 32, 34),
    "BF16": (30, 1, 2),
}
# general.file_type: what most matrices of a file are.
FILE_TYPES = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "BF16": 32,
}  # fmt: skip
# dtypes of single values and lists -> numbers of their types.
_VALUES = {
    np.dtype(t): i
    for i, t in enumerate(
        ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "?", None, None, "u8", "i8", "f8")
    )
    if t is not None
}
_TEXT, _LIST = 8, 9


@dataclass
class Tensor:
    """A tensor of a file; `make` returns its bytes as an array of any dtype."""

    name: str
    shape: tuple[int, ...]
    type: str
    make: Callable[[], np.ndarray]

    @property
    def nbytes(self) -> int:
        _, values, size = TYPES[self.type]
        return int(np.prod(self.shape, dtype=np.int64)) // values * size


def write_gguf(
    path: Path,
    metadata: dict[str, Any],
    tensors: list[Tensor],
    progress: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> None:
    """Write a file. Values of `metadata` are texts, lists of texts, NumPy's scalars and vectors."""
    with open(path, "wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
        for key, value in metadata.items():
            file.write(_text(key) + _value(key, value))
        offset = 0
        for tensor in tensors:
            number, values, _ = TYPES[tensor.type]
            if tensor.shape[-1] % values:
                raise ValueError(
                    f"[gguf] expected rows of whole blocks of {values} in {tensor.name}; "
                    f"got shape {tensor.shape}"
                )
            dims = tensor.shape[::-1]
            file.write(_text(tensor.name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims))
            file.write(struct.pack("<IQ", number, offset))
            offset += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
        _align(file)
        for done, tensor in enumerate(tensors):
            progress(done, len(tensors), tensor.name)
            data = np.ascontiguousarray(tensor.make())
            if data.nbytes != tensor.nbytes:
                raise ValueError(f"[gguf] expected {tensor.nbytes} bytes for {tensor.name}")
            file.write(data.view(np.uint8).reshape(-1).data)
            _align(file)


def _align(file) -> None:
    file.write(bytes(-file.tell() % ALIGNMENT))


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return struct.pack("<Q", len(data)) + data


def _value(key: str, value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _TEXT) + _text(value)
    if isinstance(value, list):
        return struct.pack("<IIQ", _LIST, _TEXT, len(value)) + b"".join(map(_text, value))
    number = _VALUES.get(getattr(value, "dtype", None))
    if number is None or value.ndim > 1:
        raise TypeError(f"[gguf] expected texts or NumPy values as {key}; got {value!r:.40}")
    if value.ndim == 1:
        return struct.pack("<IIQ", _LIST, number, len(value)) + value.tobytes()
    return struct.pack("<I", number) + value.tobytes()
