"""Items into batches: dtypes, structure, padding with lengths and masks, and clear errors."""

from collections import namedtuple

import numpy as np
import pytest

import olivine.core as mx
from olivine.data import Padded, collate


@pytest.mark.parametrize(
    "items, dtype",
    [
        ([1, 2], mx.int32),
        ([True, False], mx.bool_),
        ([1, 2.5], mx.float32),
        ([2**40, 1], mx.int64),
        ([np.float64(1), np.float64(2)], mx.float32),
        ([np.int64(1), np.int64(2)], mx.int64),
        ([np.uint8(1), np.uint8(2)], mx.uint8),
        ([np.zeros(3), np.ones(3)], mx.float32),
        ([np.zeros(3, np.float16)], mx.float16),
        ([[1, 2], [3, 4]], mx.int32),
        ([[1.0, 2.0], [3, 4]], mx.float32),
        ([[2**40], [3]], mx.int64),
        ([mx.zeros(2, dtype=mx.bfloat16)] * 2, mx.bfloat16),
        ([mx.array(3), mx.array(4)], mx.int32),
    ],
)
def test_a_field_has_the_dtype_olivine_gives_its_values(items, dtype):
    batch = collate(items)
    assert isinstance(batch, mx.array) and batch.dtype == dtype
    assert np.array(batch.astype(mx.float32)).tolist() == [np.asarray(x).tolist() for x in items]


def test_structure_is_kept_and_text_stays_in_lists():
    Point = namedtuple("Point", "x y")
    items = [{"p": Point(i, [i]), "name": f"n{i}", "nothing": None} for i in range(3)]
    batch = collate(items)
    assert type(batch["p"]).__name__ == "Point"
    assert batch["p"].x.tolist() == [0, 1, 2] and batch["p"].y.tolist() == [[0], [1], [2]]
    assert batch["name"] == ["n0", "n1", "n2"] and batch["nothing"] == [None] * 3


def test_padding_gives_values_lengths_and_a_mask():
    values, lengths, mask = collate([[5, 6, 7], [8], []], pad=-1)
    assert values.tolist() == [[5, 6, 7], [8, -1, -1], [-1, -1, -1]]
    assert values.dtype == mx.int32 and lengths.tolist() == [3, 1, 0]
    assert mask.tolist() == [[True] * 3, [True, False, False], [False] * 3]


@pytest.mark.parametrize("make", [np.ones, mx.ones])
def test_padding_fills_the_first_axis_up_to_a_multiple(make):
    batch = collate([make((3, 2)), make((5, 2))], pad=0.5, pad_multiple=4)
    assert batch.values.shape == (2, 8, 2) and batch.mask.shape == (2, 8)
    got = np.array(batch.values)
    assert (got[0, :3] == 1).all() and (got[0, 3:] == 0.5).all() and (got[1, 5:] == 0.5).all()


def test_each_field_has_its_own_padding():
    items = [{"ids": [1] * n, "x": np.zeros(2), "y": n} for n in (1, 2)]
    batch = collate(items, pad={"ids": 9})
    assert isinstance(batch["ids"], Padded) and batch["ids"].values.tolist() == [[1, 9], [1, 1]]
    assert batch["x"].shape == (2, 2) and batch["y"].tolist() == [1, 2]
    ids, x = collate([([1], [2, 3]), ([4, 5], [6, 7])], pad=(0, None))
    assert ids.lengths.tolist() == [1, 2] and x.tolist() == [[2, 3], [6, 7]]


def test_a_batch_of_equal_lengths_is_padded_too():
    assert isinstance(collate([[1], [2]], pad=0), Padded)


@pytest.mark.parametrize(
    "items, pad, message",
    [
        ([], None, "at least one item"),
        ([[1], [1, 2]], None, r"or pad=; got shapes \(1,\), \(2,\)"),
        ([{"a": [1]}, {"a": [1, 2]}], None, r"at \['a'\]"),
        ([{"a": 1}, {"b": 1}], None, r"fields \['a'\] were expected; got the fields \['b'\]"),
        ([(1, 2), (1,)], None, "2 fields were expected; got 1 fields"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], 0, "first axis only"),
        ([[1], [2]], {"a": 0}, "a pad of the items' structure"),
    ],
)
def test_what_does_not_fit_is_named(items, pad, message):
    with pytest.raises(ValueError, match=message):
        collate(items, pad)
