"""Items into a batch: equal shapes are stacked, unequal ones padded, and text stays in lists.

An item is a tree: tuples and dicts are its structure, everything else is a field. A field of a
batch is one olivine array with a first axis more, laid over the NumPy array that was filled, or a
list where the field holds no numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

import olivine.core as mx

SCALARS = (bool, int, float, complex)
INT32 = np.iinfo(np.int32)


class Padded(NamedTuple):
    """A field of unequal lengths: padded values, each item's length, and True where items are."""

    values: mx.array
    lengths: mx.array
    mask: mx.array


def collate(items: Sequence, pad=None, pad_multiple: int = 1):
    """One batch of `items`, which all have the structure of the first.

    `pad` fills every field that has an axis up to the batch's longest, and up to a multiple of
    `pad_multiple`; such a field becomes a `Padded`. A tree of values, of the items' structure, pads
    with a value of its own per field, where None means that a field must not be padded.
    """
    if not len(items):
        raise ValueError("[collate] at least one item was expected; got none")
    if pad_multiple < 1:
        raise ValueError(f"[collate] pad_multiple of at least 1 was expected; got {pad_multiple}")
    return _collate(items, pad, pad_multiple, "")


def _collate(items, pad, multiple, place):
    first = items[0]
    if isinstance(first, dict):
        for item in items:
            if not isinstance(item, dict) or item.keys() != first.keys():
                raise ValueError(
                    f"[collate] items with the fields {list(first)} were expected{_at(place)}; "
                    f"got {_structure(item)}"
                )
        return {
            key: _collate([x[key] for x in items], _part(pad, key), multiple, f"{place}[{key!r}]")
            for key in first
        }
    if isinstance(first, tuple):
        for item in items:
            if not isinstance(item, tuple) or len(item) != len(first):
                raise ValueError(
                    f"[collate] tuples of {len(first)} fields were expected{_at(place)}; "
                    f"got {_structure(item)}"
                )
        fields = [
            _collate([x[i] for x in items], _part(pad, i), multiple, f"{place}[{i}]")
            for i in range(len(first))
        ]
        return type(first)(*fields) if hasattr(first, "_fields") else tuple(fields)
    return _field(items, pad, multiple, place)


def _part(pad, key):
    """The padding of one field: of a tree its own entry, else the same for all."""
    if isinstance(pad, dict):
        return pad.get(key)
    if isinstance(pad, tuple):
        return pad[key] if isinstance(key, int) and key < len(pad) else None
    return pad


def _at(place):
    return f" at {place}" if place else ""


def _structure(item):
    if isinstance(item, dict):
        return f"the fields {list(item)}"
    return f"{len(item)} fields" if isinstance(item, tuple) else repr(type(item).__name__)


def _field(leaves, pad, multiple, place):
    if isinstance(pad, (dict, tuple)):
        raise ValueError(f"[collate] a pad of the items' structure was expected; got {pad}")
    if isinstance(leaves[0], mx.array):
        arrays = [x if isinstance(x, mx.array) else mx.array(x) for x in leaves]
    elif all(isinstance(x, SCALARS) and not isinstance(x, np.generic) for x in leaves):
        return mx.array(list(leaves))
    else:
        arrays = [_numbers(x) for x in leaves]
        if any(x is None for x in arrays):
            return list(leaves)
        arrays = _one_dtype(arrays)
    if pad is not None and arrays[0].ndim > 0:
        return _padded(arrays, pad, multiple, place)
    shapes = sorted({tuple(x.shape) for x in arrays})
    if len(shapes) > 1:
        raise ValueError(
            f"[collate] items of one shape were expected{_at(place)}, or pad=; got shapes "
            + ", ".join(map(str, shapes[:4]))
        )
    if isinstance(arrays[0], mx.array):
        return mx.stack(arrays)
    return mx.asarray(np.stack(arrays))


def _numbers(value) -> np.ndarray | None:
    """The value as a NumPy array; None if it isn't made of numbers."""
    if isinstance(value, (str, bytes)) or value is None:
        return None
    if isinstance(value, mx.array):
        return np.asarray(value)
    try:
        array = np.asarray(value)
    except ValueError:  # a list of lists of unequal lengths
        return None
    if array.dtype.kind not in "biufc" and array.dtype.name != "bfloat16":
        return None
    if isinstance(value, list):  # as olivine.core.array reads lists
        if array.dtype == np.float64:
            return array.astype(np.float32)
        if array.dtype == np.int64 and array.size:
            if array.min() >= INT32.min and array.max() <= INT32.max:
                return array.astype(np.int32)
    return array


def _one_dtype(arrays):
    """All arrays in the dtype that holds them; that of an empty one is a guess and has no say."""
    dtypes = {x.dtype for x in arrays if x.size} or {arrays[0].dtype}
    dtype = np.result_type(*dtypes) if len(dtypes) > 1 else dtypes.pop()
    if dtype == np.float64:
        dtype = np.dtype(np.float32)
    return [x.astype(dtype, copy=False) for x in arrays]


def _padded(arrays, value, multiple, place) -> Padded:
    rests = {tuple(x.shape[1:]) for x in arrays}
    if len(rests) > 1:
        raise ValueError(
            f"[collate] items that differ along their first axis only were expected{_at(place)}; "
            f"got shapes {', '.join(str(tuple(x.shape)) for x in arrays[:4])}"
        )
    lengths = np.array([x.shape[0] for x in arrays], dtype=np.int32)
    longest = -(-max(int(lengths.max()), 1) // multiple) * multiple
    mask = np.arange(longest, dtype=np.int32) < lengths[:, None]
    rest = rests.pop()
    if isinstance(arrays[0], mx.array):
        sides = [(0, 0)] * len(rest)
        values = mx.stack(
            [mx.pad(x, [(0, longest - x.shape[0]), *sides], constant_values=value) for x in arrays]
        )
    else:
        filled = np.full((len(arrays), longest, *rest), value, dtype=arrays[0].dtype)
        for row, x in zip(filled, arrays, strict=True):
            row[: len(x)] = x
        values = mx.asarray(filled)
    return Padded(values, mx.asarray(lengths), mx.asarray(mask))
