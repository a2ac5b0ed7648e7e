"""Functions of the array API standard whose result's shape depends on values: they evaluate."""

from typing import NamedTuple

import olivine.core as mx
from olivine.array_api._common import INDEX, cast


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: mx.array
    indices: mx.array
    inverse_indices: mx.array
    counts: mx.array


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: mx.array
    counts: mx.array


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: mx.array
    inverse_indices: mx.array


def _positions(mask):
    """Where a flat mask is true."""
    count = int(mx.sum(mask).item())
    order = mx.argsort(mx.logical_not(mask))  # stable: the true ones first, in their order
    return cast(order[:count], INDEX)


def nonzero(x, /):
    """The positions of nonzero elements in row-major order, one array for each axis."""
    if x.ndim == 0:
        raise ValueError("[nonzero] expected at least one axis; got a 0-d array")
    rest = _positions(mx.reshape(x != 0, (-1,)))
    found = []
    for size in reversed(x.shape):
        by = mx.array(size or 1, dtype=INDEX)
        found.append(rest % by)
        rest = rest // by
    return tuple(reversed(found))


def unique_all(x, /):
    """Different elements in order, where each is first, which each element is, and how many.

    Every NaN differs from every other.
    """
    flat = mx.reshape(x, (-1,))
    order = cast(mx.argsort(flat), INDEX)
    ordered = mx.take(flat, order, axis=0)
    first = mx.concatenate([mx.ones((flat.size > 0,), mx.bool_), ordered[1:] != ordered[:-1]])
    starts = _positions(first)
    ends = mx.concatenate([starts[1:], mx.array([flat.size][: starts.size], dtype=INDEX)])
    group = mx.cumsum(cast(first, INDEX), 0) - mx.array(1, dtype=INDEX)
    inverse = mx.put_along_axis(mx.zeros_like(group), order, group, axis=0)
    return UniqueAll(
        mx.take(ordered, starts, axis=0),
        mx.take(order, starts, axis=0),
        mx.reshape(inverse, x.shape),
        ends - starts,
    )


def unique_counts(x, /):
    """Different elements in order, and how many there are of each."""
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x, /):
    """Different elements in order, and which of them each element is."""
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x, /):
    """Different elements in order."""
    return unique_all(x).values
