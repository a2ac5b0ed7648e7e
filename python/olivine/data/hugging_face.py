"""Datasets of the Hugging Face library `datasets`, or whatever behaves like them."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from olivine.data.collate import collate


class HuggingFace:
    """The rows of a dataset as dicts of some columns; a batch is fetched in one call, by column."""

    def __init__(self, dataset, columns: Sequence[str] | None = None):
        """`columns`: the ones to read, in this order; all by default."""
        names = getattr(dataset, "column_names", None) or getattr(dataset, "features", None)
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__") or not names:
            raise TypeError(
                "[HuggingFace] a dataset with items by number and column names was expected; "
                f"got {type(dataset).__name__}"
            )
        if isinstance(names, dict) and not hasattr(dataset, "features"):  # several datasets by name
            raise TypeError(
                f"[HuggingFace] one dataset was expected; got a dict of them: {sorted(names)}"
            )
        unknown = [name for name in columns or () if name not in names]
        if unknown:
            raise ValueError(f"[HuggingFace] columns of {list(names)} were expected; got {unknown}")
        self.columns = list(names if columns is None else columns)
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> dict:
        row = self._dataset[operator.index(index)]
        return {name: row[name] for name in self.columns}

    def _fetch(self, indices) -> dict:
        fetched = self._dataset[[int(i) for i in indices]]
        return {name: fetched[name] for name in self.columns}

    def __getitems__(self, indices) -> list[dict]:
        fetched = self._fetch(indices)
        return [{name: fetched[name][i] for name in self.columns} for i in range(len(indices))]

    def get_batch(self, indices) -> dict:
        return {name: collate(list(column)) for name, column in self._fetch(indices).items()}
