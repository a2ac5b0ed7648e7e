"""Datasets: anything with a length and items by number, and functions that make one of another.

Two methods are optional and make batches cheaper. `__getitems__(indices)` returns a list of items,
as Hugging Face's and PyTorch's datasets do; `get_batch(indices)` returns what collating them would.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

import olivine.core as mx
from olivine.data.collate import collate
from olivine.data.shuffle import permutation, seed_of


@runtime_checkable
class Dataset(Protocol):
    """What a loader needs: how many items there are, and the item of each number."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any: ...


def items(dataset: Dataset, indices) -> list:
    """The items at `indices`, in one call where the dataset offers that."""
    indices = [int(i) for i in indices]
    if hasattr(dataset, "__getitems__"):
        return list(dataset.__getitems__(indices))
    return [dataset[i] for i in indices]


def gather(dataset: Dataset, indices=None):
    """The items at `indices` (default: all of them) as one batch."""
    indices = np.arange(len(dataset)) if indices is None else np.asarray(indices, dtype=np.int64)
    if hasattr(dataset, "get_batch"):
        return dataset.get_batch(indices)
    return collate(items(dataset, indices))


class Arrays:
    """Arrays side by side, item i being their i-th rows; see `arrays`."""

    def __init__(self, fields: np.ndarray | tuple | dict):
        self.arrays = fields
        self._size = len(next(iter(self._each())))

    def _each(self):
        if isinstance(self.arrays, np.ndarray):
            return [self.arrays]
        return self.arrays.values() if isinstance(self.arrays, dict) else self.arrays

    def _rows(self, function):
        if isinstance(self.arrays, np.ndarray):
            return function(self.arrays)
        if isinstance(self.arrays, dict):
            return {name: function(array) for name, array in self.arrays.items()}
        return tuple(function(array) for array in self.arrays)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int):
        return self._rows(lambda array: array[operator.index(index)])

    def get_batch(self, indices):
        return self._rows(lambda array: _column(array[indices]))


def _column(values: np.ndarray):
    """A field of a batch; `values` is a fresh array that the result may keep."""
    return mx.asarray(values) if values.dtype.kind != "O" else collate(list(values))


def arrays(*fields, **named) -> Arrays:
    """A dataset over arrays of equal length, olivine's or NumPy's, which are not copied.

    One array gives its rows as items, several give tuples, and named ones give dicts.
    """
    if bool(fields) == bool(named):
        raise ValueError(
            "[arrays] arrays by position or by name were expected; got "
            + ("both" if fields else "none")
        )
    each = {k: np.asarray(a) for k, a in (named or dict(enumerate(fields))).items()}
    lengths = {k: len(a) if a.ndim else None for k, a in each.items()}
    if len(set(lengths.values())) > 1 or None in lengths.values():
        raise ValueError(f"[arrays] arrays of one length were expected; got {lengths}")
    if named:
        return Arrays(each)
    return Arrays(tuple(each.values()) if len(each) > 1 else each[0])


class Mapped:
    """Each item of a dataset through a function; see `map`."""

    def __init__(self, dataset: Dataset, function: Callable):
        self.dataset, self.function = dataset, function

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int):
        return self.function(self.dataset[index])

    def __getitems__(self, indices) -> list:
        return [self.function(item) for item in items(self.dataset, indices)]


def map(dataset: Dataset, function: Callable) -> Mapped:
    """Each item through `function`, when it is asked for, in the threads of a loader."""
    return Mapped(dataset, function)


class Subset:
    """Some items of a dataset in an order of its own; see `subset`."""

    def __init__(self, dataset: Dataset, indices: np.ndarray):
        self.dataset, self.indices = dataset, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int):
        return self.dataset[int(self.indices[operator.index(index)])]

    def __getitems__(self, indices) -> list:
        return items(self.dataset, self.indices[np.asarray(indices, dtype=np.int64)])

    def get_batch(self, indices):
        return gather(self.dataset, self.indices[indices])


def subset(dataset: Dataset, indices: Sequence[int] | slice) -> Subset:
    """The items at `indices`, in that order."""
    size = len(dataset)
    if isinstance(indices, slice):
        return Subset(dataset, np.arange(size)[indices])
    chosen = np.asarray(indices)
    if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
        raise TypeError(f"[subset] a list of integers was expected; got {indices!r:.60}")
    chosen = chosen.astype(np.int64)
    outside = chosen[(chosen < -size) | (chosen >= size)]
    if outside.size:
        raise IndexError(f"[subset] indices into {size} items were expected; got {outside[0]}")
    return Subset(dataset, np.where(chosen < 0, chosen + size, chosen))


def filter(dataset: Dataset, predicate: Callable) -> Subset:
    """The items for which `predicate` is true. It is asked here, once for each item."""
    kept = [i for i in range(len(dataset)) if predicate(dataset[i])]
    return Subset(dataset, np.array(kept, dtype=np.int64))


class Concatenated:
    """Datasets one after another; see `concat`."""

    def __init__(self, datasets: tuple[Dataset, ...]):
        self.datasets = datasets
        self._ends = np.cumsum([len(d) for d in datasets])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int):
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} items")
        index %= len(self)
        part = int(np.searchsorted(self._ends, index, side="right"))
        return self.datasets[part][index - int(self._ends[part]) + len(self.datasets[part])]


def concat(*datasets: Dataset) -> Concatenated:
    """The items of all datasets, one dataset after another."""
    if not datasets:
        raise ValueError("[concat] at least one dataset was expected; got none")
    return Concatenated(datasets)


class Batched:
    """Batches of neighbouring items; see `batch`."""

    def __init__(self, dataset: Dataset, size: int, drop_last: bool, collate: Callable | None):
        self.dataset, self.size, self.collate = dataset, size, collate
        whole, rest = divmod(len(dataset), size)
        self._count = whole + (rest > 0 and not drop_last)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int):
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} batches")
        start = index % len(self) * self.size
        indices = np.arange(start, min(start + self.size, len(self.dataset)))
        if self.collate is None:
            return gather(self.dataset, indices)
        return self.collate(items(self.dataset, indices))


def batch(
    dataset: Dataset, size: int, drop_last: bool = False, collate: Callable | None = None
) -> Batched:
    """A dataset whose items are batches of `size` neighbours; `DataLoader` batches in any order."""
    if operator.index(size) < 1:
        raise ValueError(f"[batch] a size of at least 1 was expected; got {size}")
    return Batched(dataset, size, drop_last, collate)


def split(dataset: Dataset, sizes: Sequence[int | float], seed=None) -> tuple[Subset, ...]:
    """Parts of a dataset that share no item: of so many items each, or of such shares of it.

    With a `seed`, an integer or a random key, the items are shuffled before.
    """
    count = len(dataset)
    if sizes and all(isinstance(s, float) and 0 <= s <= 1 for s in sizes):
        if not math.isclose(sum(sizes), 1):
            raise ValueError(f"[split] shares that sum to 1 were expected; got {list(sizes)}")
        ends = [round(count * sum(sizes[: i + 1])) for i in range(len(sizes))]
    elif sizes and all(isinstance(s, (int, np.integer)) and s >= 0 for s in sizes):
        ends = [int(sum(sizes[: i + 1])) for i in range(len(sizes))]
        if ends[-1] != count:
            raise ValueError(
                f"[split] sizes that sum to the dataset's {count} were expected; got {list(sizes)}"
            )
    else:
        raise ValueError(f"[split] sizes or shares of parts were expected; got {sizes!r}")
    order = np.arange(count) if seed is None else permutation(count, seed_of(seed))
    starts = [0, *ends[:-1]]
    return tuple(Subset(dataset, order[a:b]) for a, b in zip(starts, ends, strict=True))
