"""Text as training data: character ids, a deterministic batch sampler, validation windows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import olivine.core as mx
from olivine.data.errors import DataError
from olivine.data.shuffle import GOLDEN, mix
from olivine.data.text import CharTokenizer, read_characters

VALIDATION_SHARE = 0.1
BUNDLED_TEXT = Path(__file__).resolve().parent.parent / "data" / "shakespeare.txt"


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


def load_corpus(path: str | Path) -> Corpus:
    """Read a UTF-8 text file: once for its alphabet and checksum, once for its ids."""
    path = Path(path).resolve()
    digest = hashlib.sha256()
    ids, tokenizer = read_characters(path, digest)
    split = len(ids) - int(len(ids) * VALIDATION_SHARE)
    return Corpus(path, digest.hexdigest(), tokenizer, ids[:split], ids[split:])


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
        seed = mix(np.array([self.seed % 2**64], dtype=np.uint64))
        hashes = mix(seed + numbers * GOLDEN)
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
