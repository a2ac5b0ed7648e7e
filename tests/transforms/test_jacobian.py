"""jacobian and hessian against derivatives worked out by hand."""

import numpy as np
import pytest

import olivine.core as mx
from tests.support import to_np

A = np.arange(6, dtype=np.float32).reshape(2, 3) / 3 - 1
X = np.array([0.5, -1.0, 2.0], np.float32)


def close(got, want):
    assert got.shape == np.shape(want)
    np.testing.assert_allclose(to_np(got), want, rtol=1e-5, atol=1e-6)


def test_a_linear_map_is_its_own_jacobian():
    a = mx.array(A)
    close(mx.jacobian(lambda x: a @ x)(mx.array(X)), A)
    close(mx.jacobian(lambda x: x @ a)(mx.array(X[:2])), A.T)
    # More results than arguments: by columns.
    close(
        mx.jacobian(lambda x: mx.concatenate([x, x * 2]))(mx.array(X)),
        np.vstack([np.eye(3), 2 * np.eye(3)]),
    )


def test_shapes_are_those_of_the_result_then_of_the_argument():
    y = mx.jacobian(lambda x: mx.sum(x * x, axis=0))(mx.array(A))
    want = np.zeros((3, 2, 3), np.float32)
    for j in range(3):
        want[j, :, j] = 2 * A[:, j]
    close(y, want)
    close(mx.jacobian(lambda x: mx.sum(x))(mx.array(X)), np.ones(3))
    assert mx.jacobian(lambda x: x[:0])(mx.array(X)).shape == (0, 3)


def test_argnums_and_trees():
    f = lambda x, p: {"y": x * p["w"], "z": (mx.sum(x) + p["b"],)}
    x, p = mx.array(X), {"w": mx.array(X * 2), "b": mx.array(1.0)}
    j = mx.jacobian(f)(x, p)
    close(j["y"], np.diag(X * 2))
    close(j["z"][0], np.ones(3))
    j = mx.jacobian(f, argnums=1)(x, p)
    close(j["y"]["w"], np.diag(X))
    close(j["z"][0]["b"], 1.0)
    dx, dp = mx.jacobian(f, argnums=(0, 1))(x, p)["y"]
    close(dx, np.diag(X * 2))
    close(dp["b"], np.zeros(3))
    close(mx.jacobian(lambda x, *, k: x * k)(x, k=mx.array(3.0)), 3 * np.eye(3))


def test_hessian_of_a_quadratic_form():
    m = np.array([[2, 1, 0], [1, 3, -1], [0, -1, 1]], np.float32)
    f = lambda x: 0.5 * mx.sum(x * (mx.array(m) @ x))
    close(mx.hessian(f)(mx.array(X)), m)
    g = lambda x, y: mx.sum(x * x * y)
    (xx, xy), (yx, yy) = mx.hessian(g, argnums=(0, 1))(mx.array(X), mx.array(X + 1))
    close(xx, np.diag(2 * (X + 1)))
    close(xy, np.diag(2 * X))
    close(yx, np.diag(2 * X))
    close(yy, np.zeros((3, 3)))
    h = mx.hessian(lambda p: p["a"] ** 3 * p["b"])({"a": mx.array(2.0), "b": mx.array(5.0)})
    close(h["a"]["a"], 60.0)
    close(h["a"]["b"], 12.0)
    close(h["b"]["b"], 0.0)


def test_they_compose_with_the_other_transformations():
    f = lambda x: mx.sin(x) * x
    x = mx.array(X)
    want = np.diag(np.cos(X) * X + np.sin(X))
    close(mx.compile(mx.jacobian(f))(x), want)
    close(mx.vmap(mx.jacobian(f))(mx.array(np.stack([X, X]))), np.stack([want, want]))
    close(mx.jacobian(mx.grad(lambda x: mx.sum(f(x))))(x), np.diag(2 * np.cos(X) - X * np.sin(X)))
    close(mx.grad(lambda x: mx.sum(mx.jacobian(f)(x)))(x), 2 * np.cos(X) - X * np.sin(X))
    close(
        mx.vmap(mx.hessian(lambda x: mx.sum(x**3)))(mx.array(np.stack([X, X]))),
        np.stack([np.diag(6 * X)] * 2),
    )


def test_errors():
    x = mx.array(X)
    with pytest.raises(ValueError, match="floating point arguments; got .*int32"):
        mx.jacobian(lambda x: x)(mx.array([1, 2]))
    with pytest.raises(ValueError, match="results"):
        mx.jacobian(lambda x: mx.argmax(x))(x)
    with pytest.raises(ValueError, match="one scalar"):
        mx.hessian(lambda x: x)(x)
    with pytest.raises(ValueError, match="positional argument 1"):
        mx.jacobian(lambda x: x, argnums=1)(x)
