"""grad, value_and_grad, vjp and jvp: arguments, trees, structure, errors, and where gradients stop."""

import numpy as np
import pytest

import olivine.core as mx
from tests.support import assert_close, assert_same, to_mx, to_np

X = np.array([0.3, -1.2, 2.0], np.float32)


def loss(x, y):
    return mx.sum(mx.sin(x) * y)


def test_argnums_choose_the_arguments():
    x, y = mx.array(X), mx.array([1.0, 2.0, 3.0])
    by_x, by_y = np.cos(X) * [1, 2, 3], np.sin(X)
    assert_close(mx.grad(loss)(x, y), by_x.astype(np.float32), "float32")
    assert_close(mx.grad(loss, argnums=1)(x, y), by_y.astype(np.float32), "float32")
    got = mx.grad(loss, argnums=(1, 0))(x, y)
    assert len(got) == 2
    for g, w in zip(
        sorted(map(to_np, got), key=lambda a: a[0]),
        sorted([by_x, by_y], key=lambda a: a[0]),
        strict=True,
    ):
        np.testing.assert_allclose(g, w, rtol=1e-5)
    value, gradient = mx.value_and_grad(loss)(x, y)
    assert_close(value, np.float32(np.sum(np.sin(X) * [1, 2, 3])), "float32", 4)
    assert_close(gradient, by_x.astype(np.float32), "float32")


def test_argnames_choose_keywords():
    x, y = mx.array(2.0), mx.array(3.0)

    def f(x, *, y, scale=1.0):
        return x * y * scale

    value, (positional, named) = mx.value_and_grad(f, argnames="y")(x, y=y)
    assert value.item() == 6 and positional is None and named["y"].item() == 2
    positional, named = mx.grad(f, argnums=0, argnames=["y"])(x, y=y, scale=2.0)
    assert positional.item() == 6 and named["y"].item() == 4


def test_parameters_may_be_trees():
    params = {"w": [mx.array([1.0, 2.0]), mx.array(3.0)], "b": (mx.array(0.5),)}

    def f(p, x):
        return mx.sum(p["w"][0] * x) * p["w"][1] + p["b"][0]

    value, g = mx.value_and_grad(f)(params, mx.array([10.0, 20.0]))
    assert value.item() == 150.5
    assert g["w"][0].tolist() == [30, 60] and g["w"][1].item() == 50 and g["b"][0].item() == 1
    assert isinstance(g["w"], list) and isinstance(g["b"], tuple) and set(g) == {"w", "b"}


def test_further_results_pass_through():
    (value, extra), g = mx.value_and_grad(lambda x: (x * x, {"y": x + 1}))(mx.array(3.0))
    assert value.item() == 9 and extra["y"].item() == 4 and g.item() == 6


def test_parameters_of_16_bits_get_gradients_of_16_bits():
    for dtype in (mx.float16, mx.bfloat16):
        g = mx.grad(lambda x: mx.sum(x * x).astype(mx.float32))(mx.ones((3,), dtype=dtype))
        assert g.dtype == dtype and g.tolist() == [2, 2, 2]


def test_unused_arguments_have_zero_gradients():
    x, y = mx.ones((2, 3)), mx.ones((4,))
    gx, gy = mx.grad(lambda x, y: mx.sum(x), argnums=(0, 1))(x, y)
    assert gx.tolist() == [[1] * 3] * 2 and gy.tolist() == [0] * 4
    assert mx.grad(lambda x: mx.array(3.0))(x).tolist() == [[0] * 3] * 2


def test_one_array_used_in_many_places_sums_its_gradients():
    x = mx.array([1.0, 2.0])
    assert mx.grad(lambda a: mx.sum(a * a * a + a))(x).tolist() == [4, 13]
    ga, gb = mx.grad(lambda a, b: mx.sum(a * b), argnums=(0, 1))(x, x)
    assert ga.tolist() == [1, 2] and gb.tolist() == [1, 2]


def test_stop_gradient_and_constants_stop():
    f = lambda x: mx.sum(mx.stop_gradient(x * x) * x)  # noqa: E731
    assert mx.grad(f)(mx.array([3.0])).item() == 9
    assert mx.grad(lambda x: mx.sum(mx.floor(x) * x))(mx.array([2.5])).item() == 2
    assert (
        mx.jvp(lambda x: mx.stop_gradient(x) * x, [mx.array(3.0)], [mx.array(1.0)])[1][0].item()
        == 3
    )


def test_gradients_pass_through_integer_and_boolean_parts():
    x = mx.array([1.0, -2.0, 3.0])
    g = mx.grad(lambda x: mx.sum(mx.where(x > 0, x * 2, 0) * (x > 2).astype(mx.float32)))(x)
    assert g.tolist() == [0, 0, 2]
    i = mx.argmax(x)
    assert mx.grad(lambda x: x[i] * 5)(x).tolist() == [0, 0, 5]


def test_closed_over_arrays_are_constants():
    w = mx.array([2.0])
    assert mx.grad(lambda x: mx.sum(x * w))(mx.array([5.0])).item() == 2
    mx.eval(w)
    assert w.item() == 2


def test_nested_gradients():
    f = lambda x: mx.sin(x) * x * x  # noqa: E731
    x, d = 0.7, f
    for _ in range(4):
        d = mx.grad(d)
    # Fourth derivative of x^2 sin x.
    want = x * x * np.sin(x) - 8 * x * np.cos(x) - 12 * np.sin(x)
    assert np.isclose(d(mx.array(x, dtype=mx.float64)).item(), want, rtol=1e-10)


def test_perturbations_do_not_mix():
    """The inner derivative's variable is another than the outer's (Siskind and Pearlmutter, 2005)."""
    inner = lambda x: mx.grad(lambda y: x + y)(mx.array(1.0))  # noqa: E731
    assert mx.grad(lambda x: x * inner(x))(mx.array(1.0)).item() == 1
    value = mx.jvp(lambda x: x * mx.jvp(lambda y: x + y, [mx.array(1.0)], [mx.array(1.0)])[1][0], [mx.array(1.0)],
                   [mx.array(1.0)])[1][0]  # fmt: skip
    assert value.item() == 1


def test_vjp_and_jvp_are_adjoint():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 5))
    f = lambda x: [mx.softmax(x @ mx.transpose(x), axis=-1), mx.cumsum(x, axis=1)]  # noqa: E731
    u, cts = rng.standard_normal(x.shape), [rng.standard_normal(s) for s in [(4, 4), (4, 5)]]
    outs, grads = mx.vjp(f, [to_mx(x)], [to_mx(c) for c in cts])
    outs2, tangents = mx.jvp(f, [to_mx(x)], [to_mx(u)])
    assert_same(outs, outs2, "primals")
    left = sum(float(np.sum(to_np(t) * c)) for t, c in zip(tangents, cts, strict=True))
    assert np.isclose(left, float(np.sum(to_np(grads[0]) * u)), rtol=1e-10)


def test_complex_gradients_point_uphill():
    """The gradient of a real loss is d/da + i d/db: z - t grad lowers it."""
    z, w = mx.array([1 + 2j]), mx.array([3 - 1j])
    by_z = mx.grad(lambda z: mx.sum(mx.real(z * w)))(z)
    assert by_z.item() == 3 + 1j
    by_z = mx.grad(lambda z: mx.sum(mx.abs(z) ** 2))(z).item()
    assert np.isclose(by_z, 2 + 4j)


@pytest.mark.parametrize(
    "call",
    [
        lambda: mx.grad(lambda x: x * 2)(mx.array([1.0, 2.0])),
        lambda: mx.grad(lambda x: 3.0)(mx.array(1.0)),
        lambda: mx.grad(lambda x: {"a": x})(mx.array(1.0)),
        lambda: mx.grad(lambda x: x, argnums=5)(mx.array(1.0)),
        lambda: mx.grad(lambda x: x, argnums=(0, 0))(mx.array(1.0)),
        lambda: mx.grad(lambda x: x, argnums=-1)(mx.array(1.0)),
        lambda: mx.grad(lambda x, y: x, argnums=1)(mx.array(1.0), "text"),
        lambda: mx.grad(lambda x, *, y=None: x, argnames="z")(mx.array(1.0)),
        lambda: mx.vjp(lambda x: x * 2, [mx.array([1.0, 2.0])], [mx.array([1.0])]),
        lambda: mx.vjp(lambda x: x * 2, [mx.array(1.0)], []),
        lambda: mx.jvp(lambda x: x * 2, [mx.array(1.0)], [mx.array([1.0, 2.0])]),
        lambda: mx.jvp(lambda x: x * 2, [mx.array(1.0)], []),
        lambda: mx.grad(5),
    ],
    ids=range(13),
)
def test_impossible_gradients_are_refused(call):
    with pytest.raises((ValueError, TypeError)):
        mx.eval(call())


def test_an_exception_inside_passes_through_and_leaves_nothing_behind():
    class Boom(Exception):
        pass

    def f(x):
        raise Boom("mine")

    for transform in (mx.grad, mx.vmap, mx.compile, mx.checkpoint):
        with pytest.raises(Boom, match="mine"):
            transform(f)(mx.ones((2,)))
    assert mx.grad(lambda x: mx.sum(x * x))(mx.array([3.0])).item() == 6
    x = mx.array([1.0])
    assert (x + 1).item() == 2


def test_values_may_be_read_inside_grad():
    def f(x):
        return x * 2 if x.item() > 0 else x * 3

    assert mx.grad(f)(mx.array(1.0)).item() == 2
    assert mx.grad(f)(mx.array(-1.0)).item() == 3


def test_writes_inside_grad_differentiate():
    def f(x):
        y = x * 1
        y[0] = y[1] * 3
        y += x
        return mx.sum(y * mx.array([10.0, 100.0]))

    x = mx.array([1.0, 2.0])
    assert mx.grad(f)(x).tolist() == [10, 230]
    assert x.tolist() == [1, 2]


def test_integers_inside_trees_get_zero_gradients():
    tree = {"w": mx.array([1.0, 2.0]), "n": mx.array([3, 4])}
    value, grads = mx.value_and_grad(lambda t: mx.sum(t["w"] * t["n"]))(tree)
    assert value.item() == 11
    assert grads["w"].tolist() == [3, 4] and grads["n"].tolist() == [0, 0]
    assert grads["n"].dtype == mx.int32
    with pytest.raises(ValueError, match="floating point"):
        mx.grad(mx.sum)(mx.array([1, 2]))
