"""Finding NaN and infinities: seeded faults are located in every kind of program.

A fault is one line that makes the first value that is not finite of finite operands; the expected
op, element and kind follow from the mathematics of that line.
"""

import contextlib
import inspect
import re

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn

X = [1.0, 4.0, 9.0, 16.0]


def make(values, dtype=mx.float32):
    return mx.array(np.array(values, np.float32), dtype)


def at(value, index=2):
    """Ones of shape (4,) but for one element."""
    values = [1.0] * 4
    values[index] = value
    return values


# (name, function of one array, its values, op that is at fault, what it makes)
FAULTS = [
    ("log of zero", lambda x: mx.log(x), at(0), "log", "-inf"),
    ("log of a negative", lambda x: mx.log(x), at(-1), "log", "nan"),
    ("log2", lambda x: mx.log2(x), at(0), "log2", "-inf"),
    ("log10", lambda x: mx.log10(x), at(-3), "log10", "nan"),
    ("log1p", lambda x: mx.log1p(x), at(-1), "log1p", "-inf"),
    ("sqrt", lambda x: mx.sqrt(x), at(-4), "sqrt", "nan"),
    ("rsqrt", lambda x: mx.rsqrt(x), at(0), "rsqrt", "inf"),
    ("reciprocal", lambda x: mx.reciprocal(x), at(0), "reciprocal", "inf"),
    ("one over zero", lambda x: 1 / x, at(0), "divide", "inf"),
    ("zero over zero", lambda x: (x - x) / (x - x), at(5), "divide", "nan"),
    ("minus over zero", lambda x: -1 / x, at(0), "divide", "-inf"),
    ("exp", lambda x: mx.exp(x), at(1000), "exp", "inf"),
    ("expm1", lambda x: mx.expm1(x), at(1000), "expm1", "inf"),
    ("sinh", lambda x: mx.sinh(x), at(-1000), "sinh", "-inf"),
    ("cosh", lambda x: mx.cosh(x), at(1000), "cosh", "inf"),
    ("square", lambda x: mx.square(x), at(1e30), "square", "inf"),
    ("product", lambda x: x * (x * 3), at(1e20), "multiply", "inf"),
    ("sum of two", lambda x: x + x, at(3e38), "add", "inf"),
    ("difference", lambda x: -x - x, at(3e38), "subtract", "-inf"),
    ("power", lambda x: x**5, at(1e30), "power", "inf"),
    ("root by power", lambda x: x**0.5, at(-2), None, "nan"),
    ("arcsin", lambda x: mx.arcsin(x), at(2), "arcsin", "nan"),
    ("arccos", lambda x: mx.arccos(x), at(-2), "arccos", "nan"),
    ("arccosh", lambda x: mx.arccosh(x), at(0), "arccosh", "nan"),
    ("arctanh", lambda x: mx.arctanh(x - 1), at(2), "arctanh", "inf"),
    ("arctanh beyond", lambda x: mx.arctanh(x - 1), at(4), "arctanh", "nan"),
    ("erfinv", lambda x: mx.erfinv(x / 2), at(2), "erfinv", "inf"),
    ("remainder", lambda x: x % (x - 1), [3, 2, 1, 4], "remainder", "nan"),
    ("float16", lambda x: x.astype(mx.float16), at(1e6), "astype_float16", "inf"),
    ("in float16", lambda x: mx.exp(x.astype(mx.float16)), at(12), "exp", "inf"),
    ("in bfloat16", lambda x: mx.log(x.astype(mx.bfloat16)), at(-1), "log", "nan"),
    ("in the middle", lambda x: mx.tanh(mx.log(x) * 2) + 1, at(-1), "log", "nan"),
    ("late in a chain", lambda x: mx.log(mx.sin(x * 2) - 2), [1] * 4, "log", "nan"),
    ("sum", lambda x: mx.sum(x), at(3e38) * 2, "sum", "inf"),
    ("prod", lambda x: mx.prod(x), [1e20] * 4, "prod", "inf"),
    ("cumsum", lambda x: mx.cumsum(x), [3e38, 1e38, 0, 0], "cumsum", "inf"),
    ("cumprod", lambda x: mx.cumprod(x), [1e20] * 4, "cumprod", "inf"),
    ("matmul", lambda x: x[None] @ x[:, None], at(1e25), "matmul", "inf"),
    ("outer", lambda x: mx.outer(x, x), at(1e25), None, "inf"),
    ("einsum", lambda x: mx.einsum("i,j->ij", x, x), at(1e25), None, "inf"),
    ("softmax of no choice", lambda x: mx.softmax(x + MASK), [1] * 4, "softmax", "nan"),
    ("rms_norm", lambda x: mx.fast.rms_norm(x, None, 0.0), [0] * 4, None, "nan"),
    ("layer_norm", lambda x: mx.fast.layer_norm(x, None, None, 0.0), [2] * 4, None, "nan"),
    ("norm", lambda x: x / mx.linalg.norm(x), [0] * 4, "divide", "nan"),
    ("standard score", lambda x: (x - x.mean()) / x.std(), [7] * 4, "divide", "nan"),
    ("cross entropy", lambda x: -mx.sum(x * mx.log(x)), at(0), "log", "-inf"),
    ("fft", lambda x: mx.fft.rfft(x), [3e38] * 4, None, "inf"),
    (
        "convolution",
        lambda x: mx.conv1d(x[None, :, None], x[None, :, None]),
        [1e25] * 4,
        None,
        "inf",
    ),
    ("complex", lambda x: mx.exp(x + 0j), at(1000), "exp", None),
    ("where on both sides", lambda x: mx.where(x > 0, x, mx.log(x - 2)), at(-1), "log", "nan"),
    ("logcumsumexp", lambda x: mx.logcumsumexp(x * 1e38), [9, 1, 1, 1], "multiply", "inf"),
]
MASK = make([-np.inf] * 4)
OVER_ROWS = {
    "softmax of no choice",
    "rms_norm",
    "layer_norm",
    "matmul",
    "zero over zero",
    "sum",
    "prod",
}
OVER_ROWS |= {
    "norm",
    "standard score",
    "fft",
    "convolution",
    "cumsum",
    "cumprod",
    "late in a chain",
}


def line_of(function):
    return f"test_nonfinite.py:{inspect.getsourcelines(function)[1]} in "


def find(program, *args):
    """The message about the first value that is not finite."""
    with mx.debug_nonfinite(), pytest.raises(FloatingPointError) as raised:
        mx.eval(program(*args))
    return str(raised.value)


def check(message, function, op, kind):
    assert re.match(r"\[\w+\] expected finite values; got (-?inf|nan) at index \(", message), (
        message
    )
    if op:
        assert message.startswith(f"[{op}]"), message
    if kind:
        assert f"got {kind} at" in message, message
    assert line_of(function) in message, message


IDS = [f[0] for f in FAULTS]


@pytest.mark.parametrize("name, f, values, op, kind", FAULTS, ids=IDS)
def test_a_seeded_fault_is_located_in_eager_code(name, f, values, op, kind):
    check(find(f, make(values)), f, op, kind)


@pytest.mark.parametrize("name, f, values, op, kind", FAULTS, ids=IDS)
def test_a_seeded_fault_is_located_in_compiled_code(name, f, values, op, kind):
    compiled = mx.compile(lambda x: f(x) * 1)
    good = make([0.5] * len(values))
    with contextlib.suppress(ValueError):
        mx.eval(compiled(good))  # without looking: the function is traced again
    check(find(compiled, make(values)), f, op, kind)


@pytest.mark.parametrize("name, f, values, op, kind", FAULTS, ids=IDS)
def test_a_seeded_fault_is_located_under_vmap(name, f, values, op, kind):
    batch = mx.stack([make(values), make(values)], 1)
    check(find(mx.vmap(f, in_axes=1), batch), f, None, kind)


@pytest.mark.parametrize("name, f, values, op, kind", FAULTS, ids=IDS)
def test_a_seeded_fault_is_located_in_a_gradient(name, f, values, op, kind):
    def loss(x):
        y = f(x)
        return mx.sum(mx.abs(y.astype(mx.complex64) if y.dtype == mx.complex64 else y))

    check(find(mx.value_and_grad(loss), make(values)), f, None, None)


@pytest.mark.parametrize("name, f, values, op, kind", [f for f in FAULTS if f[0] not in OVER_ROWS])
def test_the_index_is_that_of_the_element(name, f, values, op, kind):
    assert "at index (2" in find(f, make(values)) or values != at(values[2])


def test_a_fault_in_the_backward_pass_names_the_forward_line():
    f = lambda x: mx.sum(mx.sqrt(x))  # noqa: E731
    message = find(mx.grad(f), make(at(0)))
    assert "got inf at index (2,)" in message and line_of(f) in message


def test_a_masked_value_is_no_fault_but_its_gradient_is():
    f = lambda x: mx.sum(mx.where(x > 0, mx.sqrt(mx.abs(x)), 0.0))  # noqa: E731
    with mx.debug_nonfinite():
        assert f(make(at(0))).item() == 3
    assert line_of(f) in find(mx.grad(f), make(at(0)))


def test_infinities_of_a_mask_are_no_fault():
    mask = make([0, 0, -np.inf, 0])
    with mx.debug_nonfinite():
        y = mx.softmax(make(X) + mask)
        z = mx.softmax(mx.where(make(X) < 5, make(X), -np.inf))
        np.testing.assert_allclose(mx.sum(y).item(), 1, rtol=1e-6)
        assert z[3].item() == 0


def test_a_nan_that_was_given_is_found_where_it_is_read():
    message = find(lambda x: mx.tanh(x * 2 + 1), make([1, 2, np.nan, 3]))
    assert message.startswith("[multiply] expected finite values; got nan at index (2,) of its ope")
    message = find(lambda x: mx.cumsum(x), make([1, 2, np.nan, 3]))
    assert message.startswith(
        "[cumsum] expected finite values; got nan at index (2,) of its input 0"
    )


def test_only_what_is_asked_for_is_looked_at():
    with mx.debug_nonfinite(inf=False):
        assert mx.isinf(mx.exp(make(at(1000)))).any().item()
        with pytest.raises(FloatingPointError, match="nan"):
            mx.eval(mx.log(make(at(-1))))
    with mx.debug_nonfinite(nan=False):
        mx.eval(mx.log(make(at(-1))))
        with pytest.raises(FloatingPointError, match="inf"):
            mx.eval(mx.exp(make(at(1000))))
    mx.eval(mx.log(make(at(-1))))
    mx.set_debug_nonfinite()
    with pytest.raises(FloatingPointError):
        mx.eval(mx.log(make(at(-1))))
    mx.set_debug_nonfinite(False, False)
    mx.eval(mx.log(make(at(-1))))


class Block(nn.Module):
    def __init__(self, bad):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.bad = bad

    def __call__(self, x):
        y = mx.abs(self.linear(x))
        return mx.log(y - 1e9) if self.bad else y


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = [Block(False), Block(True), Block(False)]

    def __call__(self, x):
        for block in self.blocks:
            x = block(x)
        return mx.sum(x)


@pytest.mark.parametrize("wrap", [lambda f: f, mx.compile], ids=["eager", "compiled"])
def test_the_layer_is_named(wrap):
    model = Model()
    message = find(wrap(lambda x: model(x)), mx.ones((2, 4)))
    assert message.startswith("[log] expected finite values; got nan at index (0, 0)"), message
    assert "layer Model.blocks.1" in message and "in __call__" in message


def test_the_layer_is_named_in_a_training_step():
    model = Model()
    message = find(nn.value_and_grad(model, lambda x: model(x)), mx.ones((2, 4)))
    assert "layer Model.blocks.1" in message


def test_the_layer_of_the_package_is_named_with_the_users_line():
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4, eps=0.0))
    model.layers[0].weight = mx.zeros((4, 4))
    model.layers[0].bias = mx.zeros((4,))
    run = lambda: model(mx.ones((2, 4)))  # noqa: E731
    message = find(run)
    assert "layer Sequential.layers.1" in message and line_of(run) in message, message


def test_arrays_stay_usable_after_the_error():
    x = make(at(0))
    y = mx.log(x)
    with mx.debug_nonfinite(), pytest.raises(FloatingPointError):
        mx.eval(y)
    assert y.tolist()[:2] == [0, 0] and y[2].item() == -np.inf
    assert x.tolist() == at(0)


def test_results_are_the_same_while_it_is_on():
    def step(w, x):
        return w - 0.1 * mx.grad(lambda w: mx.mean(mx.square(mx.tanh(x @ w) - 0.5)))(w)

    x, w = mx.random.normal((64, 16)), mx.random.normal((16, 4))
    off = mx.compile(step)(w, x)
    with mx.debug_nonfinite():
        on = mx.compile(step)(w, x)
        assert mx.array_equal(step(w, x), on).item()
    assert mx.array_equal(off, on).item()
