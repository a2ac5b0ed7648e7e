"""Rows of the functions that make arrays out of nothing, and conversions to and from Python."""

import copy
import pickle

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import DTYPES, OpTests, Row, lookup
from tests.support import (
    COMPLEX,
    FLOATING,
    INTEGER,
    assert_close,
    assert_same,
    dtype_name,
    to_mx,
    to_np,
)

ALL = {"dtypes": DTYPES, "rules": "values layouts dtypes vmap compile errors"}

ROWS = [
    Row("zeros_like", np.zeros_like, **ALL),
    Row("ones_like", np.ones_like, **ALL),
    Row("full_like", lambda x: np.full_like(x, 1), call=lambda x: mx.full_like(x, 1), **ALL),
]


class TestCreation(OpTests):
    rows = ROWS


# name, arguments, keyword arguments, expected values and dtype
CALLS = [
    ("arange", (5,), {}, np.arange(5, dtype=np.int32)),
    ("arange", (5.0,), {}, np.arange(5, dtype=np.float32)),
    ("arange", (2, 9, 3), {}, np.arange(2, 9, 3, dtype=np.int32)),
    ("arange", (3, 0, -1), {}, np.arange(3, 0, -1, dtype=np.int32)),
    ("arange", (0, 3, 0.5), {}, np.arange(0, 3, 0.5, dtype=np.float32)),
    ("arange", (3, 3), {}, np.zeros(0, np.int32)),
    ("arange", (5, 1), {}, np.zeros(0, np.int32)),
    ("arange", (300000,), {}, np.arange(300000, dtype=np.int32)),
    ("arange", (300000,), {"dtype": "float32"}, np.arange(300000, dtype=np.float32)),
    ("arange", (2**40, 2**40 + 3), {}, np.arange(2**40, 2**40 + 3)),
    ("zeros", (3,), {}, np.zeros(3, np.float32)),
    ("zeros", ((2, 0, 3),), {}, np.zeros((2, 0, 3), np.float32)),
    ("zeros", ((),), {"dtype": "int8"}, np.zeros((), np.int8)),
    ("ones", ((2, 3),), {"dtype": "complex64"}, np.ones((2, 3), np.complex64)),
    ("ones", ((1000, 300),), {"dtype": "uint8"}, np.ones((1000, 300), np.uint8)),
    ("full", ((2, 3), 4), {}, np.full((2, 3), 4, np.int32)),
    ("full", (3, 2.5), {}, np.full(3, 2.5, np.float32)),
    ("full", ((2,), True), {}, np.full(2, True)),
    ("full", ((2,), 3), {"dtype": "float16"}, np.full(2, 3, np.float16)),
    ("eye", (3,), {}, np.eye(3, dtype=np.float32)),
    ("eye", (3, 5), {"k": 2, "dtype": "int32"}, np.eye(3, 5, 2, dtype=np.int32)),
    ("eye", (4, 2, -3), {}, np.eye(4, 2, -3, dtype=np.float32)),
    ("eye", (2, 2, 7), {}, np.zeros((2, 2), np.float32)),
    ("identity", (3,), {"dtype": "float64"}, np.eye(3)),
    ("tri", (3,), {}, np.tri(3, dtype=np.float32)),
    ("tri", (3, 4, -1), {"dtype": "int8"}, np.tri(3, 4, -1, dtype=np.int8)),
    ("linspace", (0, 1, 5), {}, np.linspace(0, 1, 5, dtype=np.float32)),
    (
        "linspace",
        (2, -3),
        {"num": 7, "endpoint": False},
        np.linspace(2, -3, 7, endpoint=False, dtype=np.float32),
    ),
    ("linspace", (0, 10, 1), {}, np.zeros(1, np.float32)),
    ("linspace", (0, 1, 0), {}, np.zeros(0, np.float32)),
    ("linspace", (0, 3, 4), {"dtype": "int32"}, np.arange(4, dtype=np.int32)),
    ("hanning", (9,), {}, np.hanning(9).astype(np.float32)),
    ("hamming", (8,), {}, np.hamming(8).astype(np.float32)),
    ("blackman", (7,), {}, np.blackman(7).astype(np.float32)),
    ("bartlett", (6,), {}, np.bartlett(6).astype(np.float32)),
    ("hanning", (1,), {}, np.ones(1, np.float32)),
    ("blackman", (0,), {}, np.zeros(0, np.float32)),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "want"), CALLS, ids=[f"{c[0]}{c[1]}" for c in CALLS]
)
def test_creation_agrees_with_numpy(name, args, kwargs, want):
    kwargs = {k: lookup(v) if k == "dtype" else v for k, v in kwargs.items()}
    got = to_np(lookup(name)(*args, **kwargs))
    assert got.dtype == want.dtype and got.shape == want.shape
    if want.dtype.kind in "fc":
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=2e-7)
    else:
        assert_same(got, want, name)


def test_empty_has_shape_and_dtype_and_defined_bytes():
    a = mx.empty((3, 4), dtype=mx.int16)
    assert tuple(a.shape) == (3, 4) and a.dtype == mx.int16
    b = mx.empty_like(a)
    assert tuple(b.shape) == (3, 4) and b.dtype == mx.int16
    mx.eval(a, b)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("zeros", ((-1,),)), ("ones", ((2, -3),)), ("full", ((-1,), 1)), ("eye", (-1,)), ("arange", (0, 5, 0)),
        ("arange", (float("nan"),)), ("arange", (float("inf"),)), ("linspace", (0, 1, -1)), ("tri", (-2,)),
        ("full", ((2, 3), "x")), ("zeros", (1.5,)), ("zeros", ("x",)),
    ],
)  # fmt: skip
def test_impossible_creations_are_refused(name, args):
    with pytest.raises((ValueError, TypeError)):
        mx.eval(lookup(name)(*args))


@pytest.mark.parametrize("name", DTYPES)
def test_arrays_convert_to_numpy_and_back(name):
    for shape in [(), (3,), (0, 2), (2, 3, 4)]:
        x = to_np(to_mx(np.arange(int(np.prod(shape, dtype=int))).reshape(shape) % 2, name))
        assert_same(to_mx(x, name), x, name)
        if name != "bfloat16":
            assert_same(mx.asarray(x, dtype=lookup(name)), x, name)
            assert_same(np.asarray(mx.transpose(to_mx(x, name))), x.T, name)
            assert_same(np.array(memoryview(to_mx(x, name))), x, name)


def test_python_values_make_arrays():
    cases = [
        (True, "bool_"), (3, "int32"), (2**40, "int64"), (2.5, "float32"), (1j, "complex64"), ([1, 2], "int32"),
        ([1, 2.5], "float32"), ([True, 2], "int32"), ([[True]], "bool_"), ([], "float32"), ([[1, 2], [3, 4]], "int32"),
        ((1, 2), "int32"), ([1, 2j], "complex64"), ([np.float32(1)], "float32"),
    ]  # fmt: skip
    for value, name in cases:
        a = mx.array(value)
        assert dtype_name(a.dtype) == name, f"{value!r} made {a.dtype}"
        assert np.array(a).tolist() == np.array(value).tolist()
    stacked = mx.array([mx.array([1.0, 2.0]), mx.array([3.0, 4.0])])
    assert stacked.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "value", [[[1], [1, 2]], [1, [2]], "text", {"a": 1}, object(), [None], 2**70], ids=range(7)
)
def test_values_that_are_no_array_are_refused(value):
    with pytest.raises((ValueError, TypeError, OverflowError)):
        mx.array(value)


def test_items_and_lists_come_back_as_python_values():
    assert mx.array(3).item() == 3 and type(mx.array(3).item()) is int
    assert type(mx.array(2.5).item()) is float and type(mx.array(True).item()) is bool
    assert mx.array(1 + 2j).item() == 1 + 2j
    assert mx.array([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert mx.array(2**63, dtype=mx.uint64).item() == 2**63
    assert int(mx.array(4)) == 4 and float(mx.array(1.5)) == 1.5 and bool(mx.array(0)) is False
    assert list(range(5))[mx.array(2)] == 2
    for wrong in (
        lambda: mx.array([1, 2]).item(),
        lambda: bool(mx.array([1, 2])),
        lambda: int(mx.zeros((0,))),
    ):
        with pytest.raises((ValueError, TypeError)):
            wrong()


def test_text_form_and_format():
    assert repr(mx.array([1, 2, 3])) == "array([1, 2, 3], dtype=int32)"
    assert repr(mx.array(1.5)) == "array(1.5, dtype=float32)"
    assert repr(mx.array([[True, False]])) == "array([[True, False]], dtype=bool)"
    assert f"{mx.array(3.14159):.2f}" == "3.14"
    assert "..." in repr(mx.zeros((1000, 1000)))


@pytest.mark.parametrize("name", DTYPES)
def test_pickle_and_copies_keep_everything(name):
    a = to_mx(np.arange(6).reshape(2, 3) % 2, name)
    for b in (pickle.loads(pickle.dumps(a)), copy.copy(a), copy.deepcopy(a), mx.array(a)):
        assert_same(b, a, "copy")
        b[0] = 1
        assert_same(a, to_np(to_mx(np.arange(6).reshape(2, 3) % 2, name)), "the source")


@pytest.mark.parametrize("name", [d for d in DTYPES if d != "bfloat16"])
def test_dlpack_and_array_interface_exchange(name):
    if name == "bool_" and np.__version__ < "2":
        pytest.skip("NumPy 1 exports no bool through DLPack")
    x = to_np(to_mx(np.arange(6).reshape(2, 3) % 2, name))
    assert_same(mx.from_dlpack(x), x, "from NumPy")
    assert_same(np.from_dlpack(to_mx(x, name)), x, "to NumPy")
    assert_same(mx.from_dlpack(to_mx(x, name)), x, "from ourselves")
    writable = x.copy()
    kept = mx.array(writable, getattr(mx, name))
    writable[0, 0] = 1
    assert_same(kept, x, "an array made from NumPy owns its memory")


def test_result_type_promotes_as_published():
    """bool < unsigned < signed < floating < complex; uint64 with a signed integer gives float32."""
    rank = {name: i for i, name in enumerate(DTYPES)}

    def promoted(a, b):
        a, b = sorted((a, b), key=rank.get)
        if a == b or a == "bool_":
            return b
        if b in COMPLEX:
            wide = "float64" in (a, b) or b == "complex128" or a == "complex128"
            return "complex128" if wide else "complex64"
        if b in FLOATING:
            return "float32" if {a, b} == {"float16", "bfloat16"} else b
        if b.startswith("uint") or a.startswith("int"):
            return b
        size = {"uint8": 16, "uint16": 32, "uint32": 64, "uint64": 0}[a]
        return f"int{max(size, int(b[3:]))}" if size else "float32"

    for a in DTYPES:
        for b in DTYPES:
            want = promoted(a, b)
            assert dtype_name(mx.result_type(lookup(a), lookup(b))) == want, (a, b)
            for op in (mx.add, mx.maximum, mx.equal):
                out = op(to_mx(np.ones(2), a), to_mx(np.ones(2), b))
                assert dtype_name(out.dtype) == ("bool_" if op is mx.equal else want), (op, a, b)
    assert dtype_name(mx.result_type(mx.array([1]), mx.float16)) == "float16"


def test_python_scalars_take_the_dtype_of_the_array():
    for name in INTEGER + FLOATING + COMPLEX:
        a = to_mx(np.ones(2), name)
        for b in (a + True, 3 + a, a * 2, a.at[0].add(1)):
            assert dtype_name(b.dtype) == name
        inexact = name if name in FLOATING + COMPLEX else "float32"
        assert dtype_name((a + 1.5).dtype) == inexact and dtype_name((a / 2).dtype) == inexact
        assert dtype_name((2**a).dtype) == name
    assert (to_mx(np.ones(1), "bool_") + 1).dtype == mx.int32
    for value in (300, -1):
        with pytest.raises((ValueError, OverflowError)):
            mx.eval(to_mx(np.ones(2), "uint8") + value)


def test_finfo_and_iinfo_agree_with_numpy():
    for name in ("float16", "float32", "float64"):
        ours, theirs = mx.finfo(lookup(name)), np.finfo(name)
        assert (ours.max, ours.min, ours.eps) == (theirs.max, theirs.min, theirs.eps)
    for name in INTEGER:
        assert (mx.iinfo(lookup(name)).min, mx.iinfo(lookup(name)).max) == (
            np.iinfo(name).min,
            np.iinfo(name).max,
        )
    assert mx.finfo(mx.bfloat16).eps == 2**-7


def test_large_values_survive_each_dtype():
    for name in INTEGER:
        info = np.iinfo(name)
        assert to_mx(np.array([info.min, info.max], name)).tolist() == [info.min, info.max]
    assert_close(mx.array(1e300, dtype=mx.float64), np.float64(1e300), "float64")


def test_broadcast_shapes_and_can_cast():
    assert tuple(mx.broadcast_shapes((3, 1), (1, 4), ())) == (3, 4)
    with pytest.raises(ValueError, match=r"\[broadcast_shapes\]"):
        mx.broadcast_shapes((3,), (4,))
    assert mx.can_cast(mx.int8, mx.int32) and not mx.can_cast(mx.float32, mx.int32)
