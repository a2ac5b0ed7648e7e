"""All compositions of grad, vmap, jvp, vjp, compile and checkpoint of small functions agree."""

import itertools

import numpy as np
import pytest

import olivine.core as mx
from tests.support import assert_close, to_mx, to_np

# Smooth functions of a vector of 4, each giving a vector.
FUNCTIONS = {
    "elementwise": lambda x: mx.sin(x) * mx.exp(x * 0.3) + x * x,
    "reduction": lambda x: x * mx.sum(x * x) + mx.mean(x),
    "softmax": lambda x: mx.softmax(x) * mx.logsumexp(x),
    "matmul": lambda x: mx.tanh(W @ x) @ W,
    "indexing": lambda x: x[mx.array([3, 0, 0])] * mx.concatenate([x[1:3], x[:1]]),
    "scan": lambda x: mx.cumsum(x * x) - mx.cumprod(x),
    "shapes": lambda x: (mx.reshape(x, (2, 2)) @ mx.transpose(mx.reshape(x, (2, 2)))).reshape(-1),
    "norm": lambda x: mx.fast.rms_norm(x, W[0], 1e-5) + mx.fast.layer_norm(x, W[1], W[2], 1e-3),
    "select": lambda x: mx.where(x > 0.1, x**3, mx.sigmoid(x)) + mx.maximum(x, 0.2),
    "sort": lambda x: mx.sort(x) * mx.sin(x),
    "divide": lambda x: (x + 3) / (mx.abs(x) + 1.5) + mx.rsqrt(x * x + 1),
    "writes": lambda x: written(x),
}
W = to_mx(np.random.default_rng(1).standard_normal((4, 4)))
X = np.array([0.7, -0.4, 1.3, 0.35])
N = 4


def written(x):
    y = x * 2
    y[1:3] = mx.sin(x[:2])
    y[mx.array([0, 2])] += x[2]
    return y.at[3].multiply(x[0])


def numeric(f, x, step=1e-5):
    """The Jacobian of a NumPy function by central differences."""
    columns = [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(len(x))]
    return np.stack(columns, axis=-1)


def by_jvp(f):
    def jacobian(x):
        columns = [mx.jvp(f, [x], [e])[1][0] for e in mx.eye(N, dtype=mx.float64)]
        return mx.stack(columns, axis=-1)

    return jacobian


def by_vjp(f):
    def jacobian(x):
        count = f(x).shape[0]
        return mx.stack([mx.vjp(f, [x], [e])[1][0] for e in mx.eye(count, dtype=mx.float64)])

    return jacobian


def by_grad(f):
    def jacobian(x):
        return mx.stack([mx.grad(lambda y, i=i: f(y)[i])(x) for i in range(f(x).shape[0])])

    return jacobian


def by_vmap_jvp(f):
    return lambda x: mx.vmap(lambda v: mx.jvp(f, [x], [v])[1][0], out_axes=1)(
        mx.eye(N, dtype=mx.float64)
    )


def by_vmap_vjp(f):
    def jacobian(x):
        return mx.vmap(lambda c: mx.vjp(f, [x], [c])[1][0])(mx.eye(f(x).shape[0], dtype=mx.float64))

    return jacobian


JACOBIANS = [by_jvp, by_vjp, by_grad, by_vmap_jvp, by_vmap_vjp]
WRAPPERS = {"plain": lambda f: f, "compile": mx.compile, "checkpoint": mx.checkpoint,
            "both": lambda f: mx.compile(mx.checkpoint(f))}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_jacobians_agree(name):
    f = FUNCTIONS[name]
    want = numeric(lambda x: to_np(f(to_mx(x))), X)
    for jacobian, (label, wrap) in itertools.product(JACOBIANS, WRAPPERS.items()):
        for outer in (lambda g: g, mx.compile):
            got = to_np(outer(jacobian(wrap(f)))(to_mx(X)))
            what = f"{name} {jacobian.__name__} of {label}"
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-7, err_msg=what)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_hessians_agree(name):
    f = FUNCTIONS[name]
    scalar = lambda x: mx.sum(f(x) * mx.cos(f(x)))  # noqa: E731
    first = mx.grad(scalar)
    want = numeric(lambda x: to_np(first(to_mx(x))), X)
    for jacobian, wrap in itertools.product(JACOBIANS, (WRAPPERS["plain"], WRAPPERS["both"])):
        got = to_np(jacobian(mx.grad(wrap(scalar)))(to_mx(X)))
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6, err_msg=jacobian.__name__)
    forward_twice = to_np(by_jvp(by_jvp_scalar(scalar))(to_mx(X)))
    np.testing.assert_allclose(forward_twice, want, rtol=1e-5, atol=1e-6, err_msg="jvp of jvp")


def by_jvp_scalar(f):
    return lambda x: mx.stack([mx.jvp(f, [x], [e])[1][0] for e in mx.eye(N, dtype=mx.float64)])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_batches_of_values_and_gradients_equal_the_loop(name):
    f = FUNCTIONS[name]
    batch = X + np.random.default_rng(2).uniform(-0.2, 0.2, (3, N))
    g = mx.value_and_grad(lambda x: mx.sum(f(x) ** 2))
    loop = [[to_np(o) for o in g(to_mx(x))] for x in batch]
    for h in (
        mx.vmap(g),
        mx.compile(mx.vmap(g)),
        mx.vmap(mx.compile(g)),
        mx.vmap(mx.checkpoint(g)),
    ):
        for got, want in zip(h(to_mx(batch)), zip(*loop, strict=True), strict=True):
            assert_close(got, np.stack(want), "float64", 50, name, span=1)
    # The gradient of the mapped sum is the mapped gradient.
    total = mx.grad(lambda b: mx.sum(mx.vmap(lambda x: mx.sum(f(x) ** 2))(b)))
    assert_close(total(to_mx(batch)), np.stack([w[1] for w in loop]), "float64", 50, name, span=1)
    nested = mx.vmap(mx.vmap(g))(to_mx(np.stack([batch, batch])))[1]
    assert_close(nested[1], np.stack([w[1] for w in loop]), "float64", 50, name, span=1)


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["vmap", "compile", "checkpoint", "custom"])), ids="-".join
)
def test_wrappers_commute(order):
    f = FUNCTIONS["reduction"]
    wraps = {
        "vmap": mx.vmap,
        "compile": mx.compile,
        "checkpoint": mx.checkpoint,
        "custom": mx.custom_function,
    }
    batch, g = np.stack([X, X + 1, X * 2]), f
    for name in order:
        g = wraps[name](g)
    assert_close(g(to_mx(batch)), np.stack([to_np(f(to_mx(x))) for x in batch]), "float64", 20)
    got = mx.grad(lambda b: mx.sum(g(b)))(to_mx(batch))
    want = np.stack([numeric(lambda x: to_np(f(to_mx(x))), x).sum(0) for x in batch])
    np.testing.assert_allclose(to_np(got), want, rtol=1e-6, atol=1e-7)


def test_a_training_step_is_the_same_however_it_is_run():
    rng = np.random.default_rng(4)
    x, y = to_mx(rng.standard_normal((16, 5)), "float32"), to_mx(rng.integers(0, 3, 16), "int32")
    start = {
        "w": [rng.standard_normal((5, 8)), rng.standard_normal((8, 3))],
        "b": [np.zeros(8), np.zeros(3)],
    }

    def loss(p, x, y):
        h = mx.tanh(x @ p["w"][0] + p["b"][0]) @ p["w"][1] + p["b"][1]
        return mx.mean(mx.logsumexp(h, axis=-1) - mx.take_along_axis(h, y[:, None], axis=-1)[:, 0])

    def run(wrap, checkpoint=False):
        p = {k: [to_mx(a, "float32") for a in v] for k, v in start.items()}
        g = mx.value_and_grad(mx.checkpoint(loss) if checkpoint else loss)

        def step(p, x, y):
            value, d = g(p, x, y)
            return value, {k: [a - 0.1 * b for a, b in zip(p[k], d[k], strict=True)] for k in p}

        step, values = wrap(step), []
        for _ in range(20):
            value, p = step(p, x, y)
            values.append(value.item())
        return values

    eager = run(lambda f: f)
    assert eager[-1] < eager[0]
    assert run(mx.compile) == eager
    assert run(mx.compile, checkpoint=True) == eager
