"""Text as training data: characters to ids, a deterministic batch sampler, validation windows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import olivine.core as mx

CHUNK = 1 << 20  # characters read at once, so a text never lies in memory as Python strings
VALIDATION_SHARE = 0.1
BUNDLED_TEXT = Path(__file__).resolve().parent.parent / "data" / "shakespeare.txt"


class DataError(ValueError):
    """The text cannot be used; the message is for the person who named it."""


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


@dataclass(frozen=True)
class Corpus:
    """A text as ids, split into a training part and, at the end, a validation part."""

    path: Path
    sha256: str
    tokenizer: CharTokenizer
    training: np.ndarray
    validation: np.ndarray

    @property
    def saved_path(self) -> str | None:
        """The path for a checkpoint: None for the bundled text, which moves with the package."""
        return None if self.path == BUNDLED_TEXT else str(self.path)


def _chunks(path: Path) -> Iterator[str]:
    with open(path, encoding="utf-8") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def load_corpus(path: str | Path) -> Corpus:
    """Read a UTF-8 text file: once for its alphabet and checksum, once for its ids."""
    path = Path(path).resolve()
    digest = hashlib.sha256()
    alphabet: set[str] = set()
    length = 0
    try:
        for chunk in _chunks(path):
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
    split = length - int(length * VALIDATION_SHARE)
    return Corpus(path, digest.hexdigest(), tokenizer, ids[:split], ids[split:])


def _mix(x: np.ndarray) -> np.ndarray:
    """The output function of SplitMix64 (Steele et al., 2014), modulo 2 ** 64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class BatchSampler:
    """Random windows of a token array, the same on every machine and NumPy version.

    Batch number `step` is a hash of `seed` and `step`, so these two are the whole state.
    """

    def __init__(self, tokens: np.ndarray, batch_size: int, context: int, seed: int, step: int = 0):
        if len(tokens) < context + 1:
            raise DataError(
                f"the training part of the text has {len(tokens)} characters; "
                f"expected more than the context of {context}"
            )
        self._tokens = tokens
        self._batch_size = batch_size
        self._window = np.arange(context + 1)
        self.seed = seed
        self.step = step

    def next(self) -> tuple[mx.array, mx.array]:
        """Inputs and targets (the inputs one character on), each `(batch_size, context)`."""
        first = self.step * self._batch_size + 1
        # Array arithmetic wraps; NumPy would warn about scalars.
        numbers = np.arange(first, first + self._batch_size, dtype=np.uint64)
        seed = _mix(np.array([self.seed % 2**64], dtype=np.uint64))
        hashes = _mix(seed + numbers * np.uint64(0x9E3779B97F4A7C15))
        starts = hashes % np.uint64(len(self._tokens) - len(self._window) + 1)
        self.step += 1
        return _inputs_and_targets(self._tokens, starts.astype(np.int64), self._window)


def _inputs_and_targets(tokens, starts, window) -> tuple[mx.array, mx.array]:
    windows = tokens[starts[:, None] + window].astype(np.int32)
    return mx.array(windows[:, :-1]), mx.array(windows[:, 1:])


def validation_batches(
    tokens: np.ndarray, batch_size: int, context: int, limit: int | None = None
) -> list[tuple[mx.array, mx.array]]:
    """Windows side by side over `tokens` in batches of one size, at most `limit` batches of them
    (then evenly spread); what does not fill a batch is left out.
    """
    count = (len(tokens) - 1) // context
    if not count:
        return []
    batch_size = min(batch_size, count)
    batches = count // batch_size
    if limit is not None and limit < batches:
        kept = np.arange(limit) * batches // limit
    else:
        kept = np.arange(batches)
    window = np.arange(context + 1)
    rows = np.arange(batch_size)
    return [
        _inputs_and_targets(tokens, (batch * batch_size + rows) * context, window) for batch in kept
    ]
