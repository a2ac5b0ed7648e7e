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


def nonzero(x, /):
    """The positions of nonzero elements in row-major order, one array for each axis."""
    return tuple(cast(positions, INDEX) for positions in mx.nonzero(x))


def unique_all(x, /):
    """Different elements in order, where each is first, which each element is, and how many.

    Every NaN differs from every other.
    """
    values, *positions = mx.unique_all(x)
    return UniqueAll(values, *(cast(p, INDEX) for p in positions))


def unique_counts(x, /):
    """Different elements in order, and how many there are of each."""
    values, counts = mx.unique_counts(x)
    return UniqueCounts(values, cast(counts, INDEX))


def unique_inverse(x, /):
    """Different elements in order, and which of them each element is."""
    values, inverse = mx.unique_inverse(x)
    return UniqueInverse(values, cast(inverse, INDEX))


def unique_values(x, /):
    """Different elements in order."""
    return mx.unique_values(x)
