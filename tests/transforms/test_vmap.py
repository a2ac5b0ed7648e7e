"""vmap: axes of arguments and results, trees, nesting, constants, errors."""

import numpy as np
import pytest

import olivine.core as mx
from tests.support import assert_close, assert_same, to_np

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("out", [0, 1, -1])
def test_axes_of_argument_and_result(axis, out):
    got = mx.vmap(lambda x: x * 2 + 1, in_axes=axis, out_axes=out)(mx.array(X))
    assert_same(got, np.moveaxis(X * 2 + 1, axis, out), "mapped")


def test_none_broadcasts_an_argument():
    w = mx.arange(4, dtype=mx.float32)
    got = mx.vmap(lambda x, w: mx.sum(x * w, axis=-1), in_axes=(0, None))(mx.array(X), w)
    assert_close(got, (X * np.arange(4)).sum(-1).astype(np.float32), "float32")
    got = mx.vmap(lambda w, x: x + w, in_axes=(None, 1))(w, mx.array(X))
    assert_same(got, np.moveaxis(X, 1, 0) + np.arange(4, dtype=np.float32), "None first")


def test_trees_of_arguments_and_results():
    args = {"a": mx.ones((3, 2)), "b": [mx.arange(3, dtype=mx.float32)]}
    out = mx.vmap(lambda d: {"sum": d["a"] + d["b"][0], "pair": (d["a"], d["b"][0] * 2)})(args)
    assert out["sum"].tolist() == [[1, 1], [2, 2], [3, 3]]
    assert tuple(out["pair"][0].shape) == (3, 2) and out["pair"][1].tolist() == [0, 2, 4]
    a, b = mx.vmap(lambda a: (a, a * 2), out_axes=(0, 1))(mx.ones((3, 2)))
    assert tuple(a.shape) == (3, 2) and tuple(b.shape) == (2, 3)


def test_results_without_the_batch_are_repeated():
    c = mx.array([5.0, 6.0])
    out = mx.vmap(lambda x: c)(mx.ones((3,)))
    assert out.tolist() == [[5, 6]] * 3
    out = mx.vmap(lambda x: (x, mx.zeros((2,))))(mx.ones((3,)))
    assert tuple(out[1].shape) == (3, 2)


def test_nested_maps():
    a, b = np.arange(3.0, dtype=np.float32), np.arange(4.0, dtype=np.float32)
    outer = mx.vmap(mx.vmap(lambda x, y: x * 10 + y, in_axes=(None, 0)), in_axes=(0, None))
    assert_same(outer(mx.array(a), mx.array(b)), a[:, None] * 10 + b, "outer")
    triple = mx.vmap(mx.vmap(mx.vmap(lambda x: mx.sum(x) + x)), in_axes=1)
    y = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    want = np.moveaxis(y, 1, 0)
    assert_close(triple(mx.array(y)), want.sum(-1, keepdims=True) + want, "float32", 8)


def test_closed_over_arrays_and_indices():
    table = mx.arange(20, dtype=mx.float32).reshape(5, 4)
    rows = mx.array([3, 0, 3])
    assert_same(mx.vmap(lambda i: table[i])(rows), to_np(table)[[3, 0, 3]], "gather")
    assert mx.vmap(lambda x, i: x[i])(table, mx.array([0, 1, 2, 3, 0])).tolist() == [
        0,
        5,
        10,
        15,
        16,
    ]

    def put(x, i):
        x[i] = -1
        return x

    got = mx.vmap(put)(table, mx.array([0, 1, 2, 3, 0]))
    want = to_np(table).copy()
    want[np.arange(5), [0, 1, 2, 3, 0]] = -1
    assert_same(got, want, "scatter")


def test_shapes_inside_are_those_of_one_element():
    seen = []

    def f(x):
        seen.append((tuple(x.shape), x.ndim, x.size))
        return mx.reshape(x, (-1,))

    out = mx.vmap(f)(mx.array(X))
    assert seen == [((3, 4), 2, 12)] and tuple(out.shape) == (2, 12)


def test_a_batch_of_no_elements():
    assert tuple(mx.vmap(lambda x: mx.sum(x * x))(mx.zeros((0, 3))).shape) == (0,)
    # An op without a rule of its own for batches runs once per element: here, never.
    w = mx.ones((4, 2))
    cases = [
        (lambda x: mx.linalg.norm(x @ w, axis=0), 0, (0, 2)),
        (lambda x: mx.linalg.svd(x), 0, ((0, 3, 3), (0, 3), (0, 4, 4))),
        (lambda x: mx.sort(x, axis=0), 1, (0, 3, 4)),
        (lambda x: mx.conv1d(x[None], mx.ones((2, 2, 4))), 0, (0, 1, 2, 2)),
        (lambda x: mx.as_strided(x, (2, 2), (1, 3)), 0, (0, 2, 2)),
        (lambda x: mx.argmax(x, axis=1), 0, (0, 3)),
    ]
    for f, axis, want in cases:
        out = mx.vmap(f, in_axes=axis)(mx.zeros((0, 3, 4) if axis == 0 else (3, 0, 4)))
        mx.eval(out)
        got = out.shape if isinstance(out, mx.array) else tuple(a.shape for a in out)
        assert got == want


def test_control_flow_on_values_is_refused():
    with pytest.raises((ValueError, RuntimeError)):
        mx.vmap(lambda x: x if x.item() > 0 else -x)(mx.ones((3,)))
    with pytest.raises((ValueError, RuntimeError)):
        mx.vmap(lambda x: mx.array(x.tolist()))(mx.ones((3,)))
    assert mx.vmap(lambda x: x)(mx.ones((3,))).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "call",
    [
        lambda: mx.vmap(lambda a, b: a + b)(mx.ones((3, 2)), mx.ones((4, 2))),
        lambda: mx.vmap(lambda a: a, in_axes=5)(mx.ones((3, 2))),
        lambda: mx.vmap(lambda a: a, out_axes=5)(mx.ones((3, 2))),
        lambda: mx.vmap(lambda a: a)(mx.array(1.0)),
        lambda: mx.vmap(lambda a: a, in_axes=(0, 0))(mx.ones((3,))),
        lambda: mx.vmap(lambda a, b: a, in_axes=(None, None))(mx.ones((3,)), mx.ones((3,))),
        lambda: mx.vmap(lambda a: a)("text"),
        lambda: mx.vmap(3),
    ],
    ids=range(8),
)
def test_impossible_maps_are_refused(call):
    with pytest.raises((ValueError, TypeError, IndexError)):
        mx.eval(call())


def test_random_draws_inside_a_map_with_keys():
    keys = mx.random.split(mx.random.key(0), 5)
    out = to_np(mx.vmap(lambda k: mx.random.normal((3,), key=k))(keys))
    assert out.shape == (5, 3) and len(np.unique(out)) == 15


def test_jacobian_and_hessian_by_composition():
    x = np.array([0.5, -1.0, 2.0])
    f = lambda x: mx.stack([x[0] * x[1], mx.sin(x[2]), x[0] ** 2])  # noqa: E731
    want = np.array([[x[1], x[0], 0], [0, 0, np.cos(x[2])], [2 * x[0], 0, 0]])
    eye = mx.eye(3, dtype=mx.float64)
    a = mx.array(x, dtype=mx.float64)
    forward = mx.vmap(lambda v: mx.jvp(f, [a], [v])[1][0], out_axes=1)(eye)
    reverse = mx.vmap(lambda c: mx.vjp(f, [a], [c])[1][0])(eye)
    assert_close(forward, want, "float64", 10)
    assert_close(reverse, want, "float64", 10)
    g = mx.grad(lambda x: mx.sum(x**3) + x[0] * x[1])
    hessian = mx.vmap(lambda v: mx.jvp(g, [a], [v])[1][0])(eye)
    assert_close(hessian, np.diag(6 * x) + [[0, 1, 0], [1, 0, 0], [0, 0, 0]], "float64", 10)
