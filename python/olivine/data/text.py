"""Text as data: a file's bytes, characters or lines, and windows of tokens."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import olivine.core as mx
from olivine.data.errors import DataError

CHUNK = 1 << 20  # characters read at once, so a text never lies in memory as Python strings


class CharTokenizer:
    """One id per character, in the order of `characters`."""

    def __init__(self, characters: str):
        self.characters = characters
        codes = np.array([ord(c) for c in characters], dtype=np.uint32)
        self._order = np.argsort(codes).astype(np.uint32)
        self._codes = codes[self._order]
        self.dtype = np.min_scalar_type(max(len(characters) - 1, 0))

    @property
    def vocab_size(self) -> int:
        return len(self.characters)

    @property
    def opening(self) -> str:
        """A character to start a text with: a line break where the alphabet has one."""
        return "\n" if "\n" in self.characters else self.characters[0]

    def encode(self, text: str) -> np.ndarray:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        places = np.searchsorted(self._codes, codes).clip(max=self.vocab_size - 1)
        unknown = np.flatnonzero(self._codes[places] != codes)
        if unknown.size:
            raise DataError(
                f"the model's text has no character {text[unknown[0]]!r}; "
                f"it knows {self.characters!r}"
            )
        return self._order[places].astype(self.dtype)

    def decode(self, ids) -> str:
        return "".join(self.characters[i] for i in ids)


def _chunks(path: Path) -> Iterator[str]:
    with open(path, encoding="utf-8") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def read_characters(path: str | Path, digest=None) -> tuple[np.ndarray, CharTokenizer]:
    """A UTF-8 file as one id per character, in the smallest integers, and what they stand for.

    A `digest` of hashlib is updated with the text. Raises `DataError` if there is no such text.
    """
    path = Path(path)
    alphabet: set[str] = set()
    length = 0
    try:
        for chunk in _chunks(path):
            if digest is not None:
                digest.update(chunk.encode())
            alphabet.update(chunk)
            length += len(chunk)
        if not length:
            raise DataError(f"{path} is empty; expected a text to learn from")
        tokenizer = CharTokenizer("".join(sorted(alphabet)))
        ids = np.empty(length, dtype=tokenizer.dtype)
        end = 0
        for chunk in _chunks(path):
            ids[end : end + len(chunk)] = tokenizer.encode(chunk)
            end += len(chunk)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error.reason})") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    return ids, tokenizer


def read_bytes(path: str | Path) -> np.ndarray:
    """A file's bytes as uint8 tokens, read from the disk when they are used."""
    try:
        if not Path(path).stat().st_size:  # cannot be mapped
            return np.empty(0, dtype=np.uint8)
        return np.memmap(path, dtype=np.uint8, mode="r")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None


class Lines:
    """The lines of a text file without their ends; a line is read when it is asked for."""

    def __init__(self, path: str | Path, encoding: str = "utf-8"):
        self.encoding = encoding
        self._bytes = read_bytes(path)
        step = CHUNK * 16
        breaks = [
            np.flatnonzero(self._bytes[start : start + step] == ord("\n")) + start
            for start in range(0, len(self._bytes), step)
        ]
        ends = np.concatenate(breaks) if breaks else np.empty(0, dtype=np.int64)
        if len(self._bytes) and self._bytes[-1] != ord("\n"):
            ends = np.append(ends, len(self._bytes))
        self._ends, self._starts = ends, np.append(0, ends[:-1] + 1)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} lines")
        return (
            self._bytes[self._starts[index] : self._ends[index]]
            .tobytes()
            .removesuffix(b"\r")
            .decode(self.encoding)
        )


class Windows:
    """Windows of a token array with their successors; see `windows`."""

    def __init__(self, tokens: np.ndarray, length: int, stride: int):
        self._tokens, self._stride = tokens, stride
        self._window = np.arange(length + 1)
        self._count = max(0, (len(tokens) - length - 1) // stride + 1)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} windows")
        window = self._tokens[index % len(self) * self._stride + self._window].astype(np.int32)
        return window[:-1], window[1:]

    def get_batch(self, indices) -> tuple[mx.array, mx.array]:
        starts = np.asarray(indices, dtype=np.int64)[:, None] * self._stride
        windows = self._tokens[starts + self._window].astype(np.int32)
        return mx.asarray(windows[:, :-1]), mx.asarray(windows[:, 1:])


def windows(tokens, length: int, stride: int | None = None) -> Windows:
    """A dataset of `(inputs, targets)`, int32 of `length` tokens, the targets being one token on.

    Windows begin every `stride` tokens; by default they lie side by side.
    """
    stride = length if stride is None else stride
    tokens = np.asarray(tokens)
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        raise TypeError(
            f"[windows] a list of integers was expected; got {tokens.dtype} values of "
            f"shape {tokens.shape}"
        )
    if length < 1 or stride < 1:
        raise ValueError(
            f"[windows] a length and stride of at least 1 were expected; got {length}, {stride}"
        )
    return Windows(tokens, length, stride)
