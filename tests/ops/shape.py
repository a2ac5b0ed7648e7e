"""Rows of the shape ops: views, joins, splits, repetition, padding, diagonals, triangles."""

import numpy as np
import pytest

import olivine.core as mx
from tests.harness import DTYPES, LARGE, OpTests, Row, lookup
from tests.support import assert_same, bits, to_mx, to_np

CUBE = ((3, 4, 5),)
BIG = ((259, 513),)
ALL = {"dtypes": DTYPES, "low": -9, "high": 9}


def cases(*kwargs, shapes=CUBE):
    return tuple((shapes, k) for k in kwargs)


def listed(name):
    """The op as a function of separate arrays, for ops that take a list."""

    def call(*arrays, **kwargs):
        return lookup(name)(list(arrays), **kwargs)

    return call


def flatten(x, start_axis=0, end_axis=-1):
    start, end = start_axis % max(x.ndim, 1), end_axis % max(x.ndim, 1)
    return x.reshape(x.shape[:start] + (-1,) + x.shape[end + 1 :])


def unflatten(x, axis, shape):
    axis %= x.ndim
    return x.reshape(x.shape[:axis] + tuple(shape) + x.shape[axis + 1 :])


def as_strided(x, shape, strides, offset):
    index = offset + sum(
        np.arange(n).reshape((-1,) + (1,) * (len(shape) - i - 1)) * s
        for i, (n, s) in enumerate(zip(shape, strides, strict=True))
    )
    return x.reshape(-1)[index]


def pad(x, pad_width, mode="constant", constant_values=0):
    extra = {"constant_values": constant_values} if mode == "constant" else {}
    return np.pad(x, pad_width, mode, **extra)


def atleast_3d(x):
    return np.atleast_3d(x)


SCALAR_UP = (((),), {}), (((3,),), {}), (((2, 3),), {}), (((2, 3, 4),), {})
JOIN = (
    (((3, 4), (3, 4)), {}),
    (((3, 4), (3, 2)), {"axis": 1}),
    (((2, 0), (2, 3), (2, 1)), {"axis": -1}),
    (((300, 200), (300, 300)), {"axis": 1}),
)
STACK = (
    (((3, 4), (3, 4)), {}),
    (((3, 4), (3, 4), (3, 4)), {"axis": 1}),
    (((5,), (5,)), {"axis": -1}),
)
PADS = cases(
    {"pad_width": 2},
    {"pad_width": ((1, 2), (0, 0), (3, 0)), "constant_values": 4},
    {"pad_width": ((1, 2), (2, 1), (0, 3)), "mode": "edge"},
    {"pad_width": ((2, 1), (3, 2), (0, 1)), "mode": "reflect"},
    {"pad_width": ((2, 1), (3, 2), (0, 1)), "mode": "symmetric"},
    # Wider than the axis: the mirrored sequence repeats.
    {"pad_width": ((7, 1), (0, 14), (11, 9)), "mode": "reflect"},
    {"pad_width": ((7, 1), (0, 14), (11, 9)), "mode": "symmetric"},
)

ROWS = [
    Row(
        "reshape",
        np.reshape,
        cases({"shape": (4, 15)}, {"shape": (-1,)}, {"shape": (5, 2, -1)}),
        **ALL,
    ),
    Row(
        "transpose",
        np.transpose,
        cases({}, {"axes": (1, 0, 2)}, {"axes": (-1, 0, 1)}) + ((BIG, {}),),
        **ALL,
    ),
    Row("permute_dims", np.transpose, cases({"axes": (2, 0, 1)}), **ALL),
    Row("swapaxes", np.swapaxes, cases({"axis1": 0, "axis2": 2}, {"axis1": -1, "axis2": 1}), **ALL),
    Row(
        "moveaxis",
        np.moveaxis,
        cases({"source": 0, "destination": 2}, {"source": -1, "destination": 0}),
        **ALL,
    ),
    Row(
        "matrix_transpose", lambda x: np.swapaxes(x, -1, -2), cases({}, shapes=((2, 4, 5),)), **ALL
    ),
    Row(
        "squeeze",
        np.squeeze,
        cases({}, {"axis": 0}, {"axis": (0, 2)}, shapes=((1, 4, 1),)),
        wrong="axis",
        **ALL,
    ),
    Row(
        "expand_dims",
        np.expand_dims,
        cases({"axis": 0}, {"axis": (1, -1)}, {"axis": -2}),
        wrong="axis",
        **ALL,
    ),
    Row(
        "flatten",
        flatten,
        cases({}, {"start_axis": 1}, {"start_axis": 0, "end_axis": 1}) + SCALAR_UP,
        **ALL,
    ),
    Row(
        "unflatten",
        unflatten,
        cases({"axis": 1, "shape": (2, 2)}, {"axis": -1, "shape": (5, -1)}),
        wrong="axis",
        **ALL,
    ),
    Row(
        "broadcast_to",
        np.broadcast_to,
        cases({"shape": (2, 3, 4)}, {"shape": (0, 3, 1)}, shapes=((3, 1),)),
        **ALL,
    ),
    Row(
        "broadcast_arrays",
        np.broadcast_arrays,
        ((((3, 1), (1, 4)), {}), (((2, 3, 1), (4,), ()), {})),
        **ALL,
    ),
    Row("atleast_1d", np.atleast_1d, SCALAR_UP, **ALL),
    Row("atleast_2d", np.atleast_2d, SCALAR_UP, **ALL),
    Row("atleast_3d", np.atleast_3d, SCALAR_UP, **ALL),
    Row(
        "concatenate",
        lambda *a, **k: np.concatenate(a, **k),
        JOIN,
        call=listed("concatenate"),
        wrong="axis",
        **ALL,
    ),
    Row(
        "stack", lambda *a, **k: np.stack(a, **k), STACK, call=listed("stack"), wrong="axis", **ALL
    ),
    Row(
        "unstack",
        lambda x, axis=0: list(np.moveaxis(x, axis, 0)),
        cases({}, {"axis": 1}, {"axis": -1}),
        **ALL,
    ),
    Row(
        "split",
        np.split,
        (
            (((6, 4),), {"indices_or_sections": 3}),
            (((4, 6),), {"indices_or_sections": (1, 4), "axis": 1}),
            (((6,),), {"indices_or_sections": 2, "axis": -1}),
        ),
        wrong="axis",
        **ALL,
    ),
    Row(
        "tile",
        np.tile,
        cases({"reps": 2}, {"reps": (2, 1, 3)}, {"reps": (2, 1, 1, 2)}),
        call=lambda x, reps: mx.tile(x, reps),
        **ALL,
    ),
    Row(
        "repeat",
        np.repeat,
        cases({"repeats": 2}, {"repeats": 3, "axis": 1}, {"repeats": 0, "axis": 0}),
        wrong="axis",
        **ALL,
    ),
    Row("pad", pad, PADS, **ALL),
    Row(
        "flip",
        np.flip,
        cases({}, {"axis": 1}, {"axis": (0, 2)}) + ((BIG, {"axis": 0}),),
        wrong="axis",
        **ALL,
    ),
    Row(
        "roll",
        np.roll,
        cases({"shift": 2}, {"shift": -1, "axis": 1}, {"shift": (1, 7), "axis": (0, 2)}),
        call=lambda x, shift, axis=None: mx.roll(x, shift, axis),
        wrong="axis",
        **ALL,
    ),
    Row(
        "as_strided",
        as_strided,
        cases(
            {"shape": (4, 3), "strides": (5, 2), "offset": 3},
            {"shape": (2, 2, 3), "strides": (1, 0, 7), "offset": 0},
            {"shape": (3, 4), "strides": (2, 1), "offset": 1},
        ),
        rules="values layouts dtypes grad jvp compile",
        **ALL,
    ),
    Row("contiguous", lambda x: x, cases({}) + ((BIG, {}),), **ALL),
    Row(
        "diag",
        np.diag,
        ((((4,),), {}), (((3,),), {"k": 1}), (((4, 6),), {"k": -1}), (((4, 6),), {"k": 2})),
        **ALL,
    ),
    Row(
        "diagonal",
        np.diagonal,
        cases({}, {"offset": 1, "axis1": 1, "axis2": 2}, {"axis1": -1, "axis2": 0}),
        **ALL,
    ),
    Row(
        "trace",
        np.trace,
        cases({}, {"offset": -1, "axis1": 1, "axis2": 2}),
        dtypes=DTYPES,
        out="sum",
        tol=4,
        span=4,
    ),
    Row("tril", np.tril, cases({}, {"k": -1}, {"k": 2}), **ALL),
    Row("triu", np.triu, cases({}, {"k": -2}, {"k": 1}), **ALL),
    Row(
        "meshgrid",
        lambda *a, **k: np.meshgrid(*a, **k),
        (
            (((3,), (4,)), {}),
            (((3,), (2,), (4,)), {"indexing": "ij"}),
            (((3,), (4,)), {"sparse": True}),
        ),
        **ALL,
    ),
]


class TestShape(OpTests):
    rows = ROWS


def test_concat_is_concatenate():
    a, b = mx.ones((2, 3)), mx.zeros((2, 1))
    assert_same(mx.concat([a, b], axis=1), mx.concatenate([a, b], axis=1))


def test_concatenate_without_axis_flattens():
    assert mx.concatenate([mx.array([[1, 2]]), mx.array([3])], axis=None).tolist() == [1, 2, 3]


def test_concatenate_promotes():
    out = mx.concatenate([mx.array([1], dtype=mx.int8), mx.array([0.5], dtype=mx.float16)])
    assert out.dtype == mx.float16


@pytest.mark.parametrize("source", DTYPES)
def test_astype_converts_between_all_dtypes(source):
    values = np.array([0, 1, 2, 3, 100, 27], np.float64)
    x = to_mx(values, source)
    for target in DTYPES:
        want = to_np(x).astype(np.complex128)
        if target == "bool_":
            want = want != 0
        elif "complex" not in target:
            want = want.real
        with np.errstate(all="ignore"):
            want = np.asarray(want)
        assert_same(
            x.astype(getattr(mx, target)), to_np(to_mx(want, target)), f"{source}->{target}"
        )
        assert_same(mx.astype(x, getattr(mx, target)), x.astype(getattr(mx, target)))
    large = mx.broadcast_to(x.reshape(6, 1), (6, LARGE // 6))
    assert_same(
        large.astype(mx.float32), mx.broadcast_to(x.astype(mx.float32).reshape(6, 1), large.shape)
    )


def test_astype_rounds_to_nearest_even():
    x = np.array([1 + 2**-11, 1 + 3 * 2**-11, 65519.0, 65520.0, 6e-8, 2.9e-8, 1e-8], np.float32)
    assert_same(mx.array(x).astype(mx.float16), x.astype(np.float16), "float16")
    bits32 = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x7F7FFFFF, 0x00018000], np.uint32)
    want = to_np(to_mx(bits32.view(np.float32), "float64").astype(mx.bfloat16))
    assert_same(mx.array(bits32.view(np.float32)).astype(mx.bfloat16), want, "bfloat16")
    assert to_np(mx.array(bits32.view(np.float32)).astype(mx.bfloat16)).view(np.uint16).tolist()[
        :3
    ] == [0x3F80, 0x3F82, 0x3F81]


def test_view_reinterprets_the_bytes():
    x = np.array([[1.0, -2.5], [3.5, 0.25]], np.float32)
    for name in ("int32", "uint32", "uint8", "int16", "float16", "uint64"):
        want = x.view(name)
        got = mx.view(mx.array(x), getattr(mx, name))
        assert tuple(got.shape) == want.shape and bits(got) == want.tobytes()
        assert bits(mx.array(x).view(getattr(mx, name))) == want.tobytes()
    with pytest.raises(ValueError, match=r"\[view\]"):
        mx.eval(mx.view(mx.ones((3,), dtype=mx.uint8), mx.float32))


@pytest.mark.parametrize(
    ("op", "args"),
    [
        ("reshape", ((7,),)),
        ("reshape", ((-1, -1),)),
        ("reshape", ((-1, 0),)),
        ("reshape", ((2**40, 2**40),)),
        ("transpose", ((0, 0),)),
        ("transpose", ((0,),)),
        ("transpose", ((0, 5),)),
        ("broadcast_to", ((4, 5),)),
        ("broadcast_to", ((2**62, 2, 3),)),
        ("squeeze", (0,)),
        ("swapaxes", (0, 7)),
        ("moveaxis", (0, -7)),
        ("expand_dims", ((0, 0),)),
        ("split", (4,)),
        ("split", (0,)),
        ("tile", ((2, -1),)),
        ("repeat", (-2,)),
        ("pad", (-1,)),
        ("pad", (1, "around")),
        ("pad", (2**62, "symmetric")),
        ("roll", ((1, 2, 3), (0, 1))),
        ("roll", ((2**63 - 1, 1), None)),
        ("flatten", (1, 0)),
        ("diagonal", (0, 1, 1)),
        ("unflatten", (0, (2, 2))),
        ("as_strided", ((2**20, 2**20), (1, 1), 0)),
    ],
)
def test_impossible_shapes_are_refused(op, args):
    with pytest.raises((ValueError, IndexError, MemoryError), match=rf"\[{op}\]"):
        mx.eval(getattr(mx, op)(mx.ones((2, 3)), *args))


def test_roll_and_astype_take_their_arguments_by_name():
    x = mx.arange(6).reshape(2, 3)
    assert mx.roll(x, shift=1, axis=-1).tolist() == [[2, 0, 1], [5, 3, 4]]
    assert mx.roll(x, shift=-2).tolist() == [[2, 3, 4], [5, 0, 1]]
    assert mx.astype(x, dtype=mx.float32).dtype == mx.float32


def test_a_vector_has_no_matrix_transpose():
    with pytest.raises(ValueError, match=r"\[matrix_transpose\]"):
        mx.matrix_transpose(mx.ones((3,)))


def test_joins_of_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\[concatenate\]"):
        mx.concatenate([mx.ones((2, 3)), mx.ones((3, 3))], axis=1)
    with pytest.raises(ValueError, match=r"\[stack\]"):
        mx.stack([mx.ones((2,)), mx.ones((3,))])
    with pytest.raises(ValueError, match=r"\[(concatenate|stack)\]"):
        mx.concatenate([])


def test_views_share_memory_and_survive_their_source():
    a = mx.arange(24).reshape(2, 3, 4)
    mx.eval(a)
    view = a.transpose(2, 0, 1)[1:3, :, ::-1]
    del a
    assert_same(
        view, np.arange(24, dtype=np.int32).reshape(2, 3, 4).transpose(2, 0, 1)[1:3, :, ::-1]
    )


@pytest.mark.parametrize("name", ["uint8", "int16", "float32", "int64", "complex64"])
def test_runs_that_lie_far_apart_are_copied_in_any_order(name):
    rng = np.random.default_rng(0)
    shapes = (
        (5, 7, 3, 4),
        (2, 33, 6, 16),
        (3, 9, 5, 64),
        (1, 300, 2, 9),
        (2, 3, 4, 130),
        (6, 5, 4, 1),
    )
    for shape in shapes:
        x = rng.integers(0, 100, shape).astype(name)
        for axes in ((0, 2, 1, 3), (2, 1, 0, 3), (1, 0, 2, 3), (2, 0, 1, 3), (1, 2, 0, 3)):
            want = np.ascontiguousarray(np.transpose(x, axes))
            assert np.array_equal(to_np(mx.contiguous(mx.transpose(to_mx(x), axes))), want)
            part = mx.contiguous(mx.transpose(to_mx(x), axes)[::-1, :, :, :-1])
            assert np.array_equal(to_np(part), want[::-1, :, :, :-1])
    wide = np.broadcast_to(rng.integers(0, 100, (3, 1, 40, 8)).astype(name), (3, 5, 40, 8))
    view = mx.broadcast_to(to_mx(np.ascontiguousarray(wide[:, :1])), wide.shape)
    for axes in ((2, 1, 0, 3), (1, 2, 0, 3), (2, 0, 1, 3)):
        assert np.array_equal(
            to_np(mx.contiguous(mx.transpose(view, axes))), np.transpose(wide, axes)
        )
