"""compile(shapeless=True): when one trace serves other sizes, and that results never differ."""

import copy
import math
import numbers
import pickle
import time

import numpy as np
import pytest

import olivine.core as mx
from tests.support import assert_close, to_np
from tests.transforms.test_compile import counted

SIZES = ((3, 4), (5, 6), (9, 2), (4, 4), (7, 3))
W = mx.random.normal((4, 8))


@mx.custom_function
def doubled_backwards(x):
    return x[:2] * x.shape[0]


@doubled_backwards.vjp
def _(x, cotangent, _):
    return 2 * mx.pad(cotangent, ((0, x.shape[0] - 2), (0, 0)))


def assigned(x):
    y = x * 1
    y[1:, :2] = x[:-1, -2:]
    y[0] += x.shape[0]
    y *= 2
    return y


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
# Sizes as Python reads them: part of the expression, whatever they are.
SIZES_USED = {
    "a size as a value": lambda x: x * x.shape[0],
    "a quotient of sizes": lambda x: mx.sum(x, axis=0) / x.shape[0] + x.shape[1] // 2 % 3,
    "a root of a size": lambda x: x * x.shape[-1] ** -0.5,
    "a rounded size": lambda x: x[: math.ceil(x.shape[0] / 2)] * round(x.shape[0] * 0.7),
    "number of elements and bytes": lambda x: x * x.size + x.nbytes,
    "a product of sizes": lambda x: x * math.prod(x.shape),
    "a slice": lambda x: x[:2] * 1,
    "a slice that is whole at first": lambda x: x[:3] * 1,
    "a slice from the end": lambda x: (x[-3:] * 1, x[1:-1, ::-1], x[-1]),
    "a slice by sizes": lambda x: x[x.shape[0] // 2 :, : x.shape[1] - 1] * 2,
    "zeros like": lambda x: x + mx.zeros_like(x) + mx.full(x.shape, 2.0),
    "a reshape to sizes": lambda x: x.reshape(x.size) * 2,
    "a reshape to its own shape": lambda x: x.reshape(x.shape) * 2,
    "axes joined and parted": lambda x: mx.unflatten(x[:, None].flatten(), 0, (x.shape[1], -1)),
    "median": lambda x: mx.median(x, axis=1),
    "broadcast to": lambda x: mx.broadcast_to(x[0], x.shape) + x,
    "top k": lambda x: mx.topk(x, 2, axis=1),
    "positions": lambda x: x + mx.arange(x.shape[1]) - mx.linspace(0, 1, x.shape[1]),
    "a mask of positions": lambda x: mx.where(
        mx.arange(x.shape[0])[:, None] >= mx.arange(x.shape[0]), x @ x.T, -1.0
    ),
    "triangles": lambda x: mx.tril(x @ x.T) + mx.eye(x.shape[0]) + mx.tri(x.shape[0], k=1),
    "tiles": lambda x: (mx.tile(x, (2, 1)), mx.repeat(x, x.shape[1], axis=0)),
    "rows moved": lambda x: (mx.roll(x, 1, axis=0), mx.concatenate([x[1:], x[:1]])),
    "gathered rows": lambda x: (mx.take(x, mx.argmax(x, 0), axis=0), x[mx.argmin(x, 0), 0]),
    "an update in place": assigned,
    "an update of a part": lambda x: x.at[1:, 0].add(2.0).at[:1].maximum(x[-1:]),
    "padding": lambda x: mx.pad(x, ((1, 2), (0, x.shape[0]))),
    "Fourier transforms": lambda x: mx.real(mx.fft.ifft2(mx.fft.fft2(x))) + mx.abs(mx.fft.fft(x)),
    "einsum": lambda x: mx.einsum("ij,kj->ik", x, x),
    "random numbers of a key": lambda x: x + mx.random.normal(x.shape, key=mx.random.key(3)),
    "an own vjp": mx.grad(lambda x: mx.sum(doubled_backwards(x) * x.shape[0])),
    "gradient of slices": mx.grad(lambda x: mx.sum(x[1:] * x[:-1]) / x.shape[0]),
    "gradient of a reshape": mx.grad(lambda x: mx.sum(mx.tanh(x.reshape(-1, x.shape[0])) ** 2)),
    "second gradient": mx.grad(lambda x: mx.sum(mx.grad(lambda y: mx.sum(y[1:] ** 3))(x))),
    "tangents": lambda x: mx.jvp(lambda y: y[:2] * y.shape[0], [x], [mx.ones_like(x)])[1][0],
    "mapped": lambda x: mx.vmap(lambda r: r[1:] * r.shape[0] - mx.mean(r))(x),
    "checkpointed": mx.grad(
        lambda x: mx.sum(mx.checkpoint(lambda y: mx.sin(y[1:]) * y.shape[1])(x))
    ),
    "jacobian": lambda x: mx.jacobian(lambda r: r[:2] * r.shape[0])(x[0]),
    "scan": lambda x: mx.scan(lambda c, r: (c + r[1:] * x.shape[0], c[:1]), x[0, 1:], x),
    "branches": lambda x: mx.cond(mx.sum(x) > 0, lambda v: v[:1] * v.shape[0], lambda v: v[-1:], x),
    "a loop": lambda x: mx.fori_loop(0, 3, lambda i, c: c + mx.mean(c) / c.shape[1], x),
    "a loop on a condition": lambda x: mx.while_loop(
        lambda c: mx.max(mx.abs(c)) > 1 / c.shape[0], lambda c: c / 2, x
    ),
    "a compiled function": lambda x: mx.compile(lambda y, n: y[:n] * n)(x, 2),
    "an empty array": lambda x: mx.concatenate([x[:0], x * 1]),
}  # fmt: skip
# What looks at the number itself: how many traces SIZES take.
GUARDED = {
    "a length": (lambda x: x * len(x), 5),
    "a loop over rows": (lambda x: sum(mx.sum(row) for row in x), 5),
    "range": (lambda x: sum(x[i] for i in range(x.shape[0])), 5),
    "int": (lambda x: x * int(x.shape[0]), 5),
    "a list of so many": (lambda x: mx.stack([mx.sum(x)] * x.shape[0]), 5),
    "text": (lambda x: x * float(f"{x.shape[0]}") + float(str(x.shape[0])), 5),
    "a key": (lambda x: x * {4: 2, 6: 5}.get(x.shape[1], 1), 4),
    "float": (lambda x: x * math.sqrt(x.shape[1]), 4),
    "NumPy": (lambda x: x * float(np.sum(np.arange(x.shape[1]))), 4),
    "a NumPy array of sizes": (lambda x: x * int(np.asarray(x.shape)[1]), 5),
    "a branch": (lambda x: x * 2 if x.shape[1] > 3 else x * 3, 2),
    "equality": (lambda x: x * 2 if x.shape[0] == x.shape[1] else x, 2),
    "shapes compared": (lambda x: x * 2 if x.shape == x.T.shape else x, 2),
    "a chain": (lambda x: x * 1 if 3 < x.shape[0] < 8 else -x, 3),
    "min": (lambda x: x * min(x.shape[0], 4), 2),
    "max of sizes": (lambda x: x * max(x.shape), 2),
    "truth": (lambda x: x * (2 if x.shape[0] - 4 else 3), 2),
    "membership": (lambda x: x * (2 if x.shape[0] in (4, 9) else 3), 3),
    "a value of a size": (lambda x: x * mx.arange(x.shape[1]).sum().item(), 4),
    "how many parts": (lambda x: x * len(mx.split(x, x.shape[0])), 5),
    "the steps of a loop": (lambda x: mx.fori_loop(0, x.shape[0], lambda i, c: c * 2, x), 5),
}  # fmt: skip


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


@pytest.mark.parametrize("name", SIZES_USED)
def test_sizes_that_are_used_take_one_trace(name):
    f, traces = counted(SIZES_USED[name])
    c = mx.compile(f, shapeless=True)
    for shape in (*SIZES, *SIZES):
        check(SIZES_USED[name], c, mx.random.normal(shape))
    assert len(traces) == 1


@pytest.mark.parametrize("name", GUARDED)
def test_sizes_that_are_looked_at_take_a_trace_for_each_answer(name):
    function, count = GUARDED[name]
    f, traces = counted(function)
    c = mx.compile(f, shapeless=True)
    for shape in (*SIZES, *SIZES):
        check(function, c, mx.random.normal(shape))
    assert len(traces) == count


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
    # Of one row the bias' gradient is no sum, and nothing is broadcast: that is derived anew.
    x = mx.random.normal((1, 4))
    np.testing.assert_allclose(to_np(c(W, x)[0]), to_np(loss(W, x)), rtol=1e-5)
    assert len(traces) == 1


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
    assert len(traces) == 1
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


@pytest.mark.parametrize("n", (3, 0, 1))
def test_sizes_0_and_1_need_no_trace_of_their_own(n):
    """Whichever comes first: bounds beyond the axis, and axes that broadcast or hold nothing."""

    def f(x):
        y = mx.concatenate([x[-3:], x[1:], x[:-1], x[5:2:-1]])
        return y + mx.sum(y, axis=0), mx.sum(x * x), x[:, None] * x[None], x.reshape(-1, 2)

    counting, traces = counted(f)
    c = mx.compile(counting, shapeless=True)
    for rows in (n, 0, 1, 2, 3, 6, 0, 1):
        x = mx.random.normal((rows, 2))
        check(f, c, x)
    assert len(traces) == 1


def test_an_array_whose_rank_changes_is_followed_no_further():
    def f(x):
        y = mx.squeeze(x)
        return y * y.ndim

    counting, traces = counted(f)
    c = mx.compile(counting, shapeless=True)
    for shape in ((3, 4), (5, 2), (1, 4), (1, 7), (1, 1)):
        check(f, c, mx.random.normal(shape))
    assert len(traces) == 3


def test_what_the_function_returns_of_sizes_is_of_the_call():
    counting, traces = counted(lambda x: (x * 2, x.shape, {"half": x.shape[0] / 2}, len(x)))
    c = mx.compile(counting, shapeless=True)
    for n in (4, 6, 4):
        assert c(mx.ones((n,)))[1:] == ((n,), {"half": n / 2}, n)
        assert type(c(mx.ones((n,)))[1][0]) is int
    assert len(traces) == 2


def test_sizes_that_are_kept_become_values():
    kept = []

    def f(x):
        kept.append(x.shape[0])
        return x[: x.shape[0] // 2] * 1

    counting, traces = counted(f)
    c = mx.compile(counting, shapeless=True)
    for n in (4, 6, 4, 6):
        assert c(mx.ones((n,))).shape == (n // 2,)
    assert kept == [4, 6] and [k + 1 for k in kept] == [5, 7] and len(traces) == 2


def test_a_rule_that_captured_a_size_is_right_for_every_size():
    def f(x):
        n = x.shape[0]
        g = mx.custom_function(lambda x: mx.sum(x))
        g.vjp(lambda x, ct, _: ct * n * mx.ones_like(x))
        return mx.grad(g)(x)

    c = mx.compile(f, shapeless=True)
    for n in (2, 3, 2):
        assert c(mx.ones((n,))).tolist() == [n] * n
    inner = mx.compile(
        lambda x: mx.custom_function(lambda y: y * 1)(x) * x.shape[0], shapeless=True
    )
    for n in (2, 3):
        assert mx.grad(lambda x: mx.sum(inner(x)))(mx.ones((n,))).tolist() == [n] * n


def test_an_error_that_is_caught_is_the_end_of_following():
    def f(x):
        try:
            return x[:, :2] @ x
        except ValueError:
            return x * 3

    c = mx.compile(f, shapeless=True)
    for shape in ((3, 3), (2, 3), (4, 4), (2, 5)):
        check(f, c, mx.random.normal(shape))


def test_numbers_of_a_trace_behave_as_numbers():
    seen = []

    def f(x):
        n, m = x.shape
        assert (n, m) == (6, 4) and n != m and n > m and not n < m and (n >= 6) is True
        assert isinstance(n, numbers.Integral) and isinstance(n / m, numbers.Real)
        assert (n + 1, 1 + n, n - m, 10 - n, n * m, n // m, n % m, -n, +n, abs(n)) == (
            7, 7, 2, 4, 24, 1, 2, -6, 6, 6)  # fmt: skip
        assert (n / m, 3 / n, 2**m, n**2, pow(n, 2, 5), divmod(n, m)) == (
            1.5,
            0.5,
            16,
            36,
            1,
            (1, 2),
        )
        assert (n << 1, n >> 1, n & 3, n | 1, n ^ 1, ~n, n.bit_length()) == (12, 3, 2, 7, 7, -7, 3)
        assert (round(n / m), math.floor(n / m), math.ceil(n / m), int(n / m)) == (2, 1, 2, 1)
        assert "ab" * m == "abababab" and [0] * m == [0] * 4 and (1,) * m == (1,) * 4
        assert (
            list(range(m)) == [0, 1, 2, 3] and "abcdef"[m] == "e" and [*"abcdef"][:m] == [*"abcd"]
        )
        assert f"{n:03d} {n!r} {n}" == "006 6 6" and "%d" % n == "6"  # noqa: UP031
        assert {6: 1}[n] == 1
        assert (
            np.zeros((n, m)).shape == (6, 4) and np.int64(2) * n == 12 and n * np.float64(2) == 12.0
        )
        twice = (
            (n * np.arange(3)).tolist(),
            (np.arange(3) * n).tolist(),
            (n > np.arange(5, 8)).sum(),
        )
        assert twice == ([0, 6, 12], [0, 6, 12], 1)
        assert np.asarray(x.shape).dtype.kind == "i" and complex(n) == 6 + 0j and 1j * n == 6j
        assert pickle.loads(pickle.dumps(n)) == 6 and copy.deepcopy(n) == 6 and hash(n) == hash(6)
        assert (n == None) is False and (n == "6") is False  # noqa: E711
        with pytest.raises(TypeError):
            _ = n < "6"
        with pytest.raises(ZeroDivisionError):
            _ = n // (m - 4)
        seen.append(type(n).__name__)
        return x * n

    c = mx.compile(f, shapeless=True)
    assert c(mx.ones((6, 4)))[0, 0].item() == 6 and seen == ["Size"]


def test_outside_of_such_traces_sizes_are_ints():
    f = mx.compile(lambda x: x * (2 if type(x.shape[0]) is int and type(x.size) is int else 3))
    assert f(mx.ones((2,))).tolist() == [2, 2] and type(mx.ones((2,)).shape[0]) is int


def test_random_numbers_of_the_state_go_on_from_it():
    """As in an eager loop: what is drawn in one call changes the state that the next one gets."""

    def f(x):
        y = x * mx.random.bernoulli(0.5, x.shape)
        y = y + mx.checkpoint(lambda z: z * mx.random.uniform(shape=z.shape))(y)
        return mx.scan(lambda c, r: (c + r * mx.random.normal(r.shape), None), y[0], y)[0]

    def run(g):
        mx.random.seed(7)
        return [to_np(g(mx.ones((n, 3)))) for n in (4, 2, 6, 4)]

    counting, traces = counted(f)
    c = mx.compile(counting, inputs=mx.random.state, outputs=mx.random.state, shapeless=True)
    for got, want in zip(run(c), run(f), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)
    assert len(traces) == 1


def test_errors_of_other_sizes_are_the_functions_own():
    c = mx.compile(lambda x: x[5] * x.reshape(2, -1)[0, 0], shapeless=True)
    c(mx.ones((6,)))
    with pytest.raises(IndexError, match="expected an index in"):
        c(mx.ones((4,)))
    with pytest.raises(ValueError, match="reshape"):
        c(mx.ones((7,)))


def test_streams_are_those_of_the_function():
    s = mx.new_stream(mx.cpu)

    def f(x):
        with mx.stream(s):
            return x[1:] * x.shape[0]

    c = mx.compile(f, shapeless=True)
    for n in (3, 5):
        check(f, c, mx.random.normal((n,)))


def test_a_call_takes_no_longer_with_thousands_of_known_sizes():
    f, traces = counted(lambda x, y: (x + 1, y * 2))
    c = mx.compile(f, shapeless=True)

    def time_of_a_call(sizes):
        """The least time, in turns, so that no call finds the sizes of the one before."""
        calls = [(mx.zeros((n,)), mx.zeros((n + 1, 2), dtype)) for n, dtype in sizes]
        best = math.inf
        for _ in range(30):
            start = time.perf_counter()
            for _ in range(20):
                for call in calls:
                    c(*call)
            best = min(best, time.perf_counter() - start)
        return best

    sizes = [(2, mx.float32), (3, mx.float32), (2, mx.float16)]
    few = time_of_a_call(sizes)
    for n in range(4, 3004):
        assert c(mx.zeros((n,)), mx.zeros((n + 1, 2)))[0].shape == (n,)
    assert len(traces) == 2, "a dtype each"
    assert time_of_a_call(sizes) < 5 * few
    for n, dtype in sizes:
        x, y = c(mx.full((n,), n), mx.ones((n + 1, 2), dtype))
        assert x.tolist() == [n + 1] * n
        assert y.tolist() == [[2, 2]] * (n + 1) and y.dtype == dtype
