"""Which items each batch of an epoch holds: shuffling by key, buckets of like length, the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import olivine.core as mx
from olivine.data.dataset import Dataset
from olivine.data.shuffle import permutation, stream

# So many batches' items are sorted by length together: enough to waste little padding, few enough
# to leave the order random.
BUCKET_BATCHES = 64


class Plan:
    """The batches of every epoch. They depend on the numbers given here and on the epoch alone."""

    def __init__(
        self,
        count: int,
        batch_size: int,
        shuffle: bool,
        drop_last: bool,
        lengths: np.ndarray | None = None,
    ):
        self.count, self.batch_size = count, batch_size
        self.shuffle, self.drop_last = shuffle, drop_last
        self._lengths = lengths

    def __len__(self) -> int:
        whole, rest = divmod(self.count, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def batches(self, seed: int, epoch: int) -> list[np.ndarray]:
        """The items of each batch of `epoch`."""
        if self.shuffle:
            order = permutation(self.count, stream(seed, epoch, 0))
        else:
            order = np.arange(self.count)
        if self.drop_last:  # before sorting, which would drop the longest every time
            order = order[: len(self) * self.batch_size]
        if self._lengths is not None:
            order = self._bucketed(order)
        starts = range(0, len(self) * self.batch_size, self.batch_size)
        batches = [order[start : start + self.batch_size] for start in starts]
        if self._lengths is not None and self.shuffle:
            batches = [batches[i] for i in permutation(len(batches), stream(seed, epoch, 1))]
        return batches

    def _bucketed(self, order: np.ndarray) -> np.ndarray:
        reach = BUCKET_BATCHES * self.batch_size
        pools = [order[start : start + reach] for start in range(0, len(order), reach)]
        return np.concatenate(
            [pool[np.argsort(self._lengths[pool], kind="stable")] for pool in pools] or [order]
        )


def item_lengths(dataset: Dataset, by: bool | Callable | Sequence[int]) -> np.ndarray:
    """The length of every item: given, by a function of the item, or of its first field."""
    count = len(dataset)
    if by is True or callable(by):
        measure = _length if by is True else by
        return np.array([measure(dataset[i]) for i in range(count)], dtype=np.int64)
    lengths = np.asarray(by)
    if lengths.shape != (count,) or (count and lengths.dtype.kind not in "iu"):
        raise ValueError(
            f"[DataLoader] bucket_by_length: True, a function or {count} lengths were expected; "
            f"got {by!r:.60}"
        )
    return lengths


def _length(item) -> int:
    if isinstance(item, dict):
        fields = item.values()
    else:
        fields = item if isinstance(item, tuple) else (item,)
    for field in fields:
        if isinstance(field, (str, bytes, list)):
            return len(field)
        if isinstance(field, (np.ndarray, mx.array)) and field.ndim:
            return field.shape[0]
    raise ValueError(f"[DataLoader] an item with a length was expected; got {type(item).__name__}")
