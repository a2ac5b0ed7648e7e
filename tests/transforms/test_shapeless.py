"""compile(shapeless=True): when one trace serves other sizes, and that results never differ."""

import numpy as np
import pytest

import olivine.core as mx
from tests.support import assert_close, to_np
from tests.transforms.test_compile import counted

SIZES = ((3, 4), (5, 6), (9, 2), (4, 4), (7, 3))
W = mx.random.normal((4, 8))

ONE_TRACE = {
    "element-wise": lambda x: mx.exp(x) * 2 + mx.maximum(x, 0),
    "casts": lambda x: x.astype(mx.float16).astype(mx.float32),
    "sum": lambda x: mx.sum(x, axis=1),
    "sum of all": lambda x: mx.sum(x),
    "max and argmax": lambda x: (mx.max(x, axis=0), mx.argmax(x, axis=1)),
    "mean": lambda x: mx.mean(x, axis=0),
    "var": lambda x: mx.var(x, ddof=1),
    "std": lambda x: mx.std(x, axis=1, keepdims=True),
    "logsumexp": lambda x: mx.logsumexp(x, axis=-1),
    "softmax": lambda x: mx.softmax(x, axis=-1),
    "matmul": lambda x: x @ x.T,
    "where": lambda x: mx.where(x > 0, x, 0),
    "scan": lambda x: mx.cumsum(x, axis=1),
    "sort": lambda x: mx.sort(x, axis=1),
    "a selection of a stated size": lambda x: mx.extract(x > 0, x, size=5),
    "gradient of a selection": mx.grad(lambda x: mx.sum(mx.square(mx.extract(x > 0, x, size=5)))),
    "concatenate": lambda x: mx.concatenate([x, x * 2], axis=1),
    "flatten": lambda x: mx.flatten(x) * 2,
    "an open reshape": lambda x: x.reshape(-1, 1) + 1,
    "new axes": lambda x: mx.squeeze(mx.expand_dims(x, 1) * 2, 1),
    "norm": lambda x: mx.fast.rms_norm(x, None, 1e-5),
    "gradient of a sum": mx.grad(lambda x: mx.sum(mx.exp(x))),
    "gradient of a mean": mx.grad(lambda x: mx.mean(x * x)),
    "gradient of softmax": mx.grad(lambda x: mx.sum(mx.softmax(x, axis=-1) * x)),
    "gradient of matmul": mx.grad(lambda x: mx.mean(mx.square(x @ x.T))),
}  # fmt: skip
MANY_TRACES = {
    "a size as a value": lambda x: x * x.shape[0],
    "a length": lambda x: x * len(x),
    "a slice": lambda x: x[:2] * 1,
    "a slice that is whole at first": lambda x: x[:3] * 1,
    "zeros like": lambda x: x + mx.zeros_like(x),
    "a reshape": lambda x: x.reshape(x.size) * 2,
    "a loop over rows": lambda x: sum(mx.sum(row) for row in x),
    "median": lambda x: mx.median(x, axis=1),
    "a branch on a size": lambda x: x * 2 if x.shape[1] > 3 else x * 3,
    "broadcast to": lambda x: mx.broadcast_to(x[0], x.shape) + x,
    "top k of all": lambda x: mx.topk(x, 2, axis=1),
}


def check(f, c, x):
    got, want = c(x), f(x)
    got, want = ([r] if isinstance(r, mx.array) else r for r in (got, want))
    for g, w in zip(got, want, strict=True):
        assert_close(g, to_np(w), str(w.dtype).rsplit(".", 1)[-1], 4.0, span=1.0)


@pytest.mark.parametrize("name", ONE_TRACE)
def test_one_trace_serves_every_size(name):
    f, traces = counted(ONE_TRACE[name])
    c = mx.compile(f, shapeless=True)
    for shape in SIZES:
        check(ONE_TRACE[name], c, mx.random.normal(shape))
    assert len(traces) == 1


@pytest.mark.parametrize("name", MANY_TRACES)
def test_where_a_size_matters_results_are_right_all_the_same(name):
    f, traces = counted(MANY_TRACES[name])
    c = mx.compile(f, shapeless=True)
    for shape in (*SIZES, *SIZES):
        check(MANY_TRACES[name], c, mx.random.normal(shape))
    assert len(traces) == len(SIZES)


def test_a_model_with_its_weights_and_gradient():
    b, y = mx.zeros((8,)), mx.random.normal((8,))

    def loss(w, x):
        return mx.mean(mx.square(mx.maximum(x @ w + b, 0) - y))

    f, traces = counted(mx.value_and_grad(loss))
    c = mx.compile(f, shapeless=True)
    for n in (2, 3, 16, 5):
        x = mx.random.normal((n, 4))
        got, want = c(W, x), mx.value_and_grad(loss)(W, x)
        np.testing.assert_allclose(to_np(got[0]), to_np(want[0]), rtol=1e-5)
        np.testing.assert_allclose(to_np(got[1]), to_np(want[1]), rtol=1e-4, atol=1e-6)
    assert len(traces) == 1
    c(W, mx.random.normal((1, 4)))
    assert len(traces) == 2, "an axis of size 1 may broadcast, so it is another trace"


def test_dtypes_ranks_and_constants_are_still_part_of_the_key():
    f, traces = counted(lambda x, k: x * k)
    c = mx.compile(f, shapeless=True)
    for x, k in (
        (mx.ones(2), 2),
        (mx.ones(3), 2),
        (mx.ones((2, 2)), 2),
        (mx.ones(3, mx.float16), 2),
        (mx.ones(4), 3),
    ):
        assert c(x, k).tolist() == (x * k).tolist()
    assert len(traces) == 4


def test_a_shape_that_ops_refuse_raises_the_functions_own_error():
    w = mx.ones((3,))
    c = mx.compile(lambda x: x + w, shapeless=True)
    assert c(mx.ones((2, 3))).shape == (2, 3)
    assert c(mx.ones((5, 3))).shape == (5, 3)
    with pytest.raises(ValueError, match="broadcast"):
        c(mx.ones((5, 4)))


def test_compiled_and_transformed_functions_inside():
    inner = mx.compile(lambda x: x * x.shape[0])
    inner(mx.ones((3,)))
    f, traces = counted(lambda x: inner(x) + 1)
    c = mx.compile(f, shapeless=True)
    for n in (3, 4):
        assert c(mx.ones((n,))).tolist() == [n + 1.0] * n
    assert len(traces) == 2
    g = mx.compile(lambda x: mx.vmap(lambda r: mx.sum(r) * r)(x), shapeless=True)
    for shape in SIZES:
        x = mx.random.normal(shape)
        np.testing.assert_allclose(
            to_np(g(x)), to_np(x) * to_np(x).sum(1, keepdims=True), rtol=1e-4, atol=1e-5
        )
    # Under another transformation the trace is put on the call's own inputs.
    h = mx.compile(lambda x: mx.sum(mx.sin(x)), shapeless=True)
    for n in (2, 5):
        x = mx.random.normal((n,))
        np.testing.assert_allclose(to_np(mx.grad(h)(x)), np.cos(to_np(x)), rtol=1e-5)


def test_state_is_written_for_every_size():
    state = {"n": mx.array(0.0)}

    def f(x):
        state["n"] = state["n"] + mx.sum(x)
        return x * state["n"]

    f, traces = counted(f)
    c = mx.compile(f, inputs=state, outputs=state, shapeless=True)
    assert c(mx.ones((2,))).tolist() == [2.0, 2.0]
    assert c(mx.ones((3,))).tolist() == [5.0, 5.0, 5.0]
    assert state["n"].item() == 5.0 and len(traces) == 1
