"""One compiled function for any shape: no wrong values, no trace for each size."""

import numpy as np

import olivine.core as mx
from tests.support import to_np
from tests.transforms.test_compile import counted

SIZES = ((3, 4), (5, 7), (8, 2), (4, 4))


def right_at_all_sizes(c, reference, sizes):
    for i, size in enumerate(sizes):
        x = np.random.default_rng(i).standard_normal(size).astype(np.float32)
        np.testing.assert_allclose(to_np(c(mx.array(x))), reference(x), rtol=1e-5, atol=1e-5)


def one_trace(f, reference, sizes=SIZES):
    """Compiled once for all sizes, with the reference's values at each."""
    g, traces = counted(f)
    right_at_all_sizes(mx.compile(g, shapeless=True), reference, sizes)
    assert len(traces) == 1


def test_a_shapeless_function_that_uses_its_size_is_never_wrong__mlx_3201():
    """The size is an expression of the trace, whatever its value is."""
    one_trace(
        lambda x: mx.sum(x, axis=0) / x.shape[0] + x[:, : x.shape[1]],
        lambda x: x.sum(0) / x.shape[0] + x,
        (*SIZES, *SIZES),
    )


def test_a_model_is_compiled_once_for_any_batch_and_length__mlx_2607():
    rng = np.random.default_rng(0)
    w = [rng.standard_normal((8, 8)).astype(np.float32) for _ in range(3)]
    wq, wk, wv = (mx.array(v) for v in w)

    def attend(x):
        q, k, v = x @ wq, x @ wk, x @ wv
        return mx.softmax(q @ mx.swapaxes(k, -1, -2), axis=-1) @ v

    def reference(x):
        q, k, v = (x.astype(np.float64) @ a for a in w)
        s = q @ k.swapaxes(-1, -2)
        e = np.exp(s - s.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True) @ v

    one_trace(attend, reference, ((2, 3, 8), (5, 7, 8), (3, 2, 8), (2, 11, 8)))


def test_running_sums_of_any_length__mlx_4460():
    one_trace(lambda x: mx.cumsum(x, axis=1), lambda x: np.cumsum(x, 1))
    one_trace(lambda x: mx.cumprod(x, axis=0, reverse=True), lambda x: np.cumprod(x[::-1], 0)[::-1])


def test_slices_pads_and_writes_of_any_size__mlx_pr_4296():
    one_trace(lambda x: x[::-1, 1:] * 2, lambda x: x[::-1, 1:] * 2)
    one_trace(lambda x: mx.pad(x, ((1, 2), (0, 1))), lambda x: np.pad(x, ((1, 2), (0, 1))))
    one_trace(lambda x: mx.concatenate([x, x * 2], 1), lambda x: np.concatenate([x, x * 2], 1))


def test_new_axes_and_open_reshapes_of_any_size__mlx_2599():
    one_trace(lambda x: x.reshape(-1, 1) * 2, lambda x: x.reshape(-1, 1) * 2)
    one_trace(lambda x: mx.flatten(mx.expand_dims(x, 1)) + 1, lambda x: x.ravel() + 1)
    one_trace(lambda x: mx.squeeze(x[:, None] @ x.T, 1), lambda x: x @ x.T)


def test_a_gradient_is_compiled_once_for_any_batch__jax_2521():
    one_trace(
        mx.grad(lambda x: mx.mean(mx.square(mx.tanh(x)))),
        lambda x: 2 * np.tanh(x) * (1 - np.tanh(x) ** 2) / x.size,
    )
