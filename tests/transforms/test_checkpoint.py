"""checkpoint: the same values and gradients, and less memory held until the backward pass."""

import numpy as np

import olivine.core as mx
from tests.support import assert_same, run_python

X = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)


def block(x, w):
    return mx.tanh(x @ w) + x


def chain(f, x, w):
    for _ in range(4):
        x = f(x, w)
    return mx.sum(x * x)


def test_values_and_gradients_are_those_of_the_function():
    x, w = mx.array(X), mx.array(np.eye(4, dtype=np.float32) * 0.5)
    want = mx.value_and_grad(lambda x, w: chain(block, x, w), argnums=(0, 1))(x, w)
    got = mx.value_and_grad(lambda x, w: chain(mx.checkpoint(block), x, w), argnums=(0, 1))(x, w)
    assert_same(got, want, "checkpointed")
    got = mx.compile(mx.value_and_grad(lambda x, w: chain(mx.checkpoint(block), x, w), argnums=(0, 1)))(x, w)
    assert_same(got, want, "compiled")


def test_trees_keywords_and_closures():
    w = mx.array(2.0)

    @mx.checkpoint
    def f(p, scale=1.0):
        return {"out": p["x"] * w * scale, "same": p["x"]}

    out = f({"x": mx.array([1.0, 2.0])}, scale=3.0)
    assert out["out"].tolist() == [6, 12] and out["same"].tolist() == [1, 2]
    assert mx.grad(lambda x: mx.sum(f({"x": x})["out"]))(mx.array([5.0])).item() == 2


def test_second_order_and_forward_mode_go_through():
    f = mx.checkpoint(lambda x: mx.sin(x) * x)
    x = mx.array(0.7, dtype=mx.float64)
    second = mx.grad(mx.grad(f))(x).item()
    assert np.isclose(second, 2 * np.cos(0.7) - 0.7 * np.sin(0.7))
    tangent = mx.jvp(f, [x], [mx.array(1.0, dtype=mx.float64)])[1][0].item()
    assert np.isclose(tangent, np.cos(0.7) * 0.7 + np.sin(0.7))


def test_random_draws_inside_repeat_in_the_backward_pass():
    """A dropout mask drawn inside must be the same one when the block runs again."""

    @mx.checkpoint
    def f(x):
        return mx.where(mx.random.uniform(shape=(1000,)) < 0.5, x, 0.0) * x

    mx.random.seed(1)
    value, gradient = mx.value_and_grad(lambda x: mx.sum(f(x)))(mx.ones((1000,)))
    assert np.isclose(2 * value.item(), mx.sum(gradient).item())


def test_less_memory_is_held():
    code = """
    import olivine.core as mx
    def block(x):
        for _ in range(12):
            x = mx.sin(x) * x
            x = x - mx.mean(x)
        return x
    def run(f):
        def loss(x):
            for _ in range(6):
                x = f(x)
            return mx.sum(x)
        x = mx.ones((1 << 20,)) + 0
        mx.eval(x)
        mx.clear_cache()
        mx.reset_peak_memory()
        mx.eval(mx.grad(loss)(x))
        return mx.get_peak_memory()
    plain, checkpointed = run(block), run(mx.checkpoint(block))
    print(plain, checkpointed)
    assert checkpointed < 0.6 * plain, (plain, checkpointed)
    """
    run_python(code)
