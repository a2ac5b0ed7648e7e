"""custom_function: own vjp, jvp and vmap rules, alone and under other transforms."""

import numpy as np
import pytest

import olivine.core as mx


def make():
    @mx.custom_function
    def f(x, y):
        return mx.sin(x) * y

    return f


def test_without_rules_it_is_the_function():
    f = make()
    x, y = mx.array(0.5), mx.array(2.0)
    assert np.isclose(f(x, y).item(), np.sin(0.5) * 2)
    assert np.isclose(mx.grad(f)(x, y).item(), np.cos(0.5) * 2)
    assert np.isclose(
        mx.jvp(f, [x, y], [mx.array(1.0), mx.array(0.0)])[1][0].item(), np.cos(0.5) * 2
    )
    assert mx.vmap(f)(mx.zeros((3,)), mx.ones((3,))).tolist() == [0, 0, 0]


def test_own_vjp_is_used():
    f = make()

    @f.vjp
    def rule(primals, cotangent, output):
        x, y = primals
        assert np.isclose(output.item(), np.sin(0.5) * 2)
        return cotangent * 10, cotangent * y

    gx, gy = mx.grad(lambda x, y: f(x, y) * 3, argnums=(0, 1))(mx.array(0.5), mx.array(2.0))
    assert gx.item() == 30 and gy.item() == 6


def test_own_jvp_is_used():
    f = make()

    @f.jvp
    def rule(primals, tangents):
        return tangents[0] * 7

    out, tangent = mx.jvp(lambda x: f(x, mx.array(2.0)), [mx.array(0.5)], [mx.array(1.0)])
    assert np.isclose(out[0].item(), np.sin(0.5) * 2) and tangent[0].item() == 7


def test_own_vmap_is_used():
    f = make()
    seen = []

    @f.vmap
    def rule(inputs, axes):
        seen.append(tuple(axes))
        x, y = inputs
        return x * y * 100, axes[0]

    out = mx.vmap(f, in_axes=(0, 0))(mx.ones((3,)), mx.full((3,), 2.0))
    assert out.tolist() == [200, 200, 200] and len(seen) == 1


def test_several_outputs_and_trees():
    @mx.custom_function
    def f(p):
        return p["a"] * 2, p["a"] + 1

    @f.vjp
    def rule(primals, cotangents, outputs):
        p = primals[0] if isinstance(primals, tuple | list) else primals
        return {"a": cotangents[0] * 5 + cotangents[1] * p["a"]}

    def loss(p):
        u, v = f(p)
        return mx.sum(u) + mx.sum(v) * 2

    g = mx.grad(loss)({"a": mx.array([3.0, 4.0])})
    assert g["a"].tolist() == [11, 13]


def test_rules_work_under_compile_and_vmap():
    f = make()

    @f.vjp
    def rule(primals, cotangent, output):
        return cotangent * 10, cotangent * 20

    g = mx.compile(mx.grad(lambda x, y: f(x, y)))
    assert g(mx.array(0.5), mx.array(2.0)).item() == 10
    g = mx.vmap(mx.grad(lambda x, y: f(x, y)))
    assert g(mx.ones((3,)), mx.ones((3,))).tolist() == [10, 10, 10]
    step = mx.checkpoint(f)
    assert mx.grad(lambda x: step(x, mx.array(1.0)))(mx.array(1.0)).item() == 10


@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0), (1, 0)], ids=str)
def test_rules_are_mapped_with_the_function(axes):
    """Derivatives of the mapped function run the mapped rules, element by element."""
    f = make()

    @f.vjp
    def back(primals, cotangent, output):
        x, y = primals
        return cotangent * y * 3, mx.sum(cotangent * x * 5)

    @f.jvp
    def forward(primals, tangents):
        x, y = primals
        return tangents[0] * y * 3 + tangents[1] * x * 5

    rng = np.random.default_rng(2)
    x = rng.standard_normal((4, 4) if axes[0] is not None else (4,)).astype(np.float32)
    y = rng.standard_normal((4,) if axes[1] is not None else ()).astype(np.float32)
    tx, ty = (
        rng.standard_normal(x.shape).astype(np.float32),
        rng.standard_normal(y.shape).astype(np.float32),
    )
    ct = rng.standard_normal((4, 4)).astype(np.float32)
    rows = lambda a: np.moveaxis(a, 1, 0) if axes[0] == 1 else a  # noqa: E731
    column = y[:, None] if axes[1] is not None else y
    t_column = ty[:, None] if axes[1] is not None else ty
    args = [mx.array(x), mx.array(y)]

    out, tangent = mx.jvp(mx.vmap(f, axes), args, [mx.array(tx), mx.array(ty)])
    np.testing.assert_allclose(out[0], np.sin(rows(x)) * column, rtol=1e-5)
    want = np.broadcast_to(rows(tx) * column * 3 + t_column * rows(x) * 5, (4, 4))
    np.testing.assert_allclose(tangent[0], want, rtol=1e-5, atol=1e-6)

    gx, gy = mx.vjp(mx.vmap(f, axes), args, [mx.array(ct)])[1]
    want = ct * column * 3
    np.testing.assert_allclose(
        gx, want.sum(0) if axes[0] is None else rows(want), rtol=1e-5, atol=1e-5
    )
    want = (ct * rows(x) * 5).sum(1)
    np.testing.assert_allclose(gy, want.sum() if axes[1] is None else want, rtol=1e-5, atol=1e-5)


def test_straight_through_estimator():
    @mx.custom_function
    def quantize(x):
        return mx.round(x)

    @quantize.vjp
    def rule(primals, cotangent, output):
        return cotangent

    x = mx.array([0.4, 1.6])
    assert quantize(x).tolist() == [0, 2]
    assert mx.grad(lambda x: mx.sum(quantize(x) * mx.array([1.0, 2.0])))(x).tolist() == [1, 2]


def test_rules_of_wrong_shape_are_refused():
    f = make()

    @f.vjp
    def rule(primals, cotangent, output):
        return cotangent

    with pytest.raises((ValueError, TypeError)):
        mx.eval(mx.grad(f, argnums=(0, 1))(mx.array(1.0), mx.array(2.0)))

    @f.jvp
    def forward(primals, tangents):
        return tangents[0], tangents[0]

    with pytest.raises((ValueError, TypeError)):
        mx.eval(mx.jvp(f, [mx.array(1.0), mx.array(2.0)], [mx.array(1.0), mx.array(0.0)])[1])
