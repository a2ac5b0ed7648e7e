"""Reading PyTorch's checkpoints without running anything that they say.

A checkpoint is a zip archive: `data.pkl` describes a value, `data/0` and on have the bytes of
tensors (PyTorch's serialization notes). `pickletools` tells the instructions of the description
apart; here only those are followed that make dicts, lists, tuples, texts, numbers and tensors. All
others, and all names of functions but the two that tensors need, are errors.
"""

from __future__ import annotations

import pickletools
import zipfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

import olivine.core as mx
from olivine.llm.formats.checkpoint import ModelError

# Instructions and numbers of a description; whisper-large has 30,000.
_MOST_INSTRUCTIONS = 2_000_000
_MOST_BYTES = 64 << 20

_STORAGES = {
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": np.uint16,
    "DoubleStorage": np.float64,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
_TENSOR = "torch._utils _rebuild_tensor_v2"
_DICT = "collections OrderedDict"
_CONSTANTS = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
}
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_VALUES = {
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "BINFLOAT",
}


class _Refused(Exception):
    """What a description holds that is none of what checkpoints need."""


@dataclass(frozen=True)
class _Name:
    """A function or type that is named, never looked up."""

    text: str


@dataclass(frozen=True)
class _Storage:
    """The bytes of tensors: the entry of the archive, and of what kind."""

    kind: str
    key: str


_MARK = object()


class _Reader:
    """Follows a description."""

    def __init__(self, tensor):
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.tensor = tensor  # makes one of a storage, an offset, a shape and strides

    def read(self, raw: bytes) -> Any:
        for count, (code, value, _) in enumerate(pickletools.genops(raw)):
            if count > _MOST_INSTRUCTIONS:
                raise _Refused(f"more than {_MOST_INSTRUCTIONS} instructions")
            if code.name == "STOP":
                return self.pop()
            self.step(code.name, value)
        raise _Refused("no end")

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise _Refused("a value that is missing")
        return self.stack.pop()

    def since_mark(self) -> list[Any]:
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                found = self.stack[place + 1 :]
                del self.stack[place:]
                return found
        raise _Refused("a mark that is missing")

    def top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise _Refused(f"no {kind.__name__} where one is filled")
        return self.stack[-1]

    def step(self, name: str, value: Any) -> None:
        if name in ("PROTO", "FRAME"):
            return
        if name in _VALUES:
            self.stack.append(value)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name == "MARK":
            self.stack.append(_MARK)
        elif name == "GLOBAL":
            self.stack.append(self.named(value))
        else:
            method = getattr(self, "_" + name.lower(), None)
            if method is None:
                raise _Refused(f"the instruction {name}")
            method(value)

    def named(self, text: str) -> _Name:
        known = text in (_TENSOR, _DICT) or text.removeprefix("torch ") in _STORAGES
        if not known:
            raise _Refused(f"the name {text.replace(' ', '.')!r:.80}")
        return _Name(text)

    def _stack_global(self, _) -> None:
        name, module = self.pop(), self.pop()
        self.stack.append(self.named(f"{module} {name}"))

    def _binput(self, index: int) -> None:
        self.memo[index] = self.stack[-1] if self.stack else None

    _long_binput = _binput

    def _memoize(self, _) -> None:
        self._binput(len(self.memo))

    def _binget(self, index: int) -> None:
        if index not in self.memo or self.memo[index] is _MARK:
            raise _Refused("a value that was not stored")
        self.stack.append(self.memo[index])

    _long_binget = _binget

    def _tuple(self, _) -> None:
        self.stack.append(tuple(self.since_mark()))

    def _tuples(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(values)))

    def _tuple1(self, _) -> None:
        self._tuples(1)

    def _tuple2(self, _) -> None:
        self._tuples(2)

    def _tuple3(self, _) -> None:
        self._tuples(3)

    def _append(self, _) -> None:
        value = self.pop()
        self.top(list).append(value)

    def _appends(self, _) -> None:
        values = self.since_mark()
        self.top(list).extend(values)

    def _set(self, pairs: list[Any]) -> None:
        into = self.top(dict)
        if len(pairs) % 2:
            raise _Refused("a key without a value")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not isinstance(key, (str, int)):
                raise _Refused(f"a {type(key).__name__} as a key")
            into[key] = value

    def _setitem(self, _) -> None:
        value, key = self.pop(), self.pop()
        self._set([key, value])

    def _setitems(self, _) -> None:
        self._set(self.since_mark())

    def _build(self, _) -> None:
        """Attributes of a dict: versions of modules, which nothing needs."""
        self.pop()
        self.top(dict)

    def _binpersid(self, _) -> None:
        key = self.pop()
        right = isinstance(key, tuple) and len(key) == 5 and key[0] == "storage"
        if not right or not isinstance(key[1], _Name) or not isinstance(key[2], str):
            raise _Refused("a reference to something else than a tensor's bytes")
        kind = key[1].text.removeprefix("torch ")
        if kind not in _STORAGES:
            raise _Refused(f"a tensor of {key[1].text!r:.60}")
        self.stack.append(_Storage(kind, key[2]))

    def _reduce(self, _) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise _Refused("a call of something else than a function")
        if function.text == _DICT and arguments == ():
            self.stack.append({})
        elif function.text == _TENSOR and len(arguments) >= 4:
            self.stack.append(self.tensor(*arguments[:4]))
        else:
            raise _Refused(f"a call of {function.text.replace(' ', '.')}")


class _Archive:
    """The zip archive of a checkpoint."""

    def __init__(self, zipped: zipfile.ZipFile, origin: str):
        self.zipped, self.origin = zipped, origin
        described = [n for n in zipped.namelist() if n.split("/", 1)[-1] == "data.pkl"]
        if len(described) != 1:
            raise _Refused(f"{len(described)} descriptions data.pkl")
        self.prefix = described[0][: -len("data.pkl")]
        self.last: tuple[str, np.ndarray] | None = None

    def description(self) -> bytes:
        return self._bytes(self.prefix + "data.pkl", _MOST_BYTES)

    def _bytes(self, name: str, most: int) -> bytes:
        info = self.zipped.getinfo(name)
        if info.file_size > most:
            raise _Refused(f"{info.file_size} bytes as {name!r:.60}")
        # What is packed may be small and become large; PyTorch packs nothing.
        if info.compress_type != zipfile.ZIP_STORED:
            raise _Refused(f"{name!r:.60} compressed")
        return self.zipped.read(name)

    def _storage(self, storage: _Storage) -> np.ndarray:
        name = f"{self.prefix}data/{storage.key}"
        if self.last is None or self.last[0] != name:
            raw = self._bytes(name, 1 << 40)
            kind = np.dtype(_STORAGES[storage.kind])
            self.last = (
                name,
                np.frombuffer(raw[: len(raw) // kind.itemsize * kind.itemsize], kind),
            )
        return self.last[1]

    def tensor(self, storage: Any, offset: Any, shape: Any, strides: Any) -> mx.array:
        if not isinstance(storage, _Storage) or not _sizes(offset, shape, strides):
            raise _Refused("a tensor without a shape")
        values = self._storage(storage)
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if prod(shape) and last >= len(values) or prod(shape) > len(values):
            raise _Refused(f"a tensor of shape {shape} in {len(values)} values")
        steps = [s * values.itemsize for s in strides]
        view = np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False)
        array = mx.array(np.ascontiguousarray(view))
        return mx.view(array, mx.bfloat16) if storage.kind == "BFloat16Storage" else array


def _sizes(offset: Any, shape: Any, strides: Any) -> bool:
    if not (isinstance(shape, tuple) and isinstance(strides, tuple)):
        return False
    numbers = (offset, *shape, *strides)
    right = all(type(n) is int and 0 <= n < 1 << 40 for n in numbers)
    return right and len(shape) == len(strides) <= 8


def read_checkpoint(path: Path) -> Any:
    """The value that a checkpoint holds; ModelError for anything but tensors and plain values."""
    origin = str(path)
    try:
        with zipfile.ZipFile(path) as zipped:
            archive = _Archive(zipped, origin)
            return _Reader(archive.tensor).read(archive.description())
    except _Refused as error:
        raise ModelError(
            f"[audio] expected a checkpoint of tensors and plain values in {origin}; got {error}"
        ) from None
    except zipfile.BadZipFile:
        raise ModelError(
            f"[audio] expected a checkpoint as PyTorch writes it since 1.6 (a zip archive) in "
            f"{origin}; got another file, or one that is cut off"
        ) from None
    except (
        OSError,
        KeyError,
        ValueError,
        EOFError,
        RuntimeError,
        NotImplementedError,
        OverflowError,
        RecursionError,
        MemoryError,
    ) as error:
        raise ModelError(f"[audio] expected a checkpoint in {origin}; got: {error}") from None
