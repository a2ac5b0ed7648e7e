"""Limits of dtypes, the stream classes, and ordering without data."""

import numpy as np
import pytest

import olivine.core as mx


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_finfo_is_numpys(name):
    ours, theirs = mx.finfo(getattr(mx, name)), np.finfo(name)
    assert ours.bits == theirs.bits and ours.dtype == getattr(mx, name)
    assert (ours.min, ours.max, ours.eps) == (theirs.min, theirs.max, theirs.eps)
    assert ours.smallest_normal == theirs.smallest_normal


@pytest.mark.parametrize(
    "name", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
)
def test_iinfo_is_numpys(name):
    ours, theirs = mx.iinfo(getattr(mx, name)), np.iinfo(name)
    assert (ours.min, ours.max) == (theirs.min, theirs.max)


def test_a_stream_context_sets_the_default_stream():
    before = mx.default_stream(mx.cpu)
    stream = mx.new_stream(mx.cpu)
    assert isinstance(mx.stream(stream), mx.StreamContext)
    with mx.stream(stream):
        assert mx.default_stream(mx.cpu) == stream
        assert (mx.ones((3,)) + 1).tolist() == [2, 2, 2]
    assert mx.default_stream(mx.cpu) == before


def test_a_thread_local_stream_is_one():
    assert isinstance(mx.new_thread_local_stream(mx.cpu), mx.ThreadLocalStream)


def test_iterating_gives_an_array_iterator_over_rows():
    rows = iter(mx.arange(4).reshape(2, 2))
    assert isinstance(rows, mx.ArrayIterator)
    assert [r.tolist() for r in rows] == [[0, 1], [2, 3]]


def test_depends_gives_the_same_values():
    x, y = mx.arange(3), mx.exp(mx.ones((2,)))
    assert mx.depends(x, y).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "value", [mx.float32, mx.Device(mx.cpu), mx.default_stream(mx.cpu), mx.distributed.init()]
)
def test_nothing_is_equal_to_none(value):
    assert not (value == None) and value != None  # noqa: E711
    assert value == value and value != 3 and value not in [None, "float32"]
