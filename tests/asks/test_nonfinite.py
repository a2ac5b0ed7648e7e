"""Finding the first NaN: op, element, line and layer, also inside transformations."""

import re

import pytest

import olivine.core as mx
import olivine.nn as nn


def message_of(run):
    with mx.debug_nonfinite(), pytest.raises(FloatingPointError) as raised:
        mx.eval(run())
    return str(raised.value)


def test_a_nan_is_found_where_it_arises__jax_475():
    """Off, nothing is raised; on, the error names op, element and line."""
    x = mx.array([1.0, 4.0, -1.0])
    assert mx.isnan(mx.sum(mx.sqrt(x) * 2)).item()
    text = message_of(lambda: mx.sum(mx.sqrt(x) * 2))
    assert text.startswith("[sqrt] expected finite values; got nan at index (2,)")
    assert "test_nonfinite.py" in text


def test_a_nan_is_found_inside_compiled_functions__jax_2611():
    f = mx.compile(lambda x: mx.tanh(mx.log(x)) + 1)
    mx.eval(f(mx.array([1.0, 2.0])))
    text = message_of(lambda: f(mx.array([1.0, -2.0])))
    assert re.match(r"\[log\] .* got nan at index \(1,\)", text) and "test_nonfinite.py" in text


def test_a_nan_is_found_under_vmap_grad_and_loops__jax_25643():
    x = mx.array([[1.0, 4.0], [0.0, 9.0]])
    slope = mx.vmap(mx.grad(lambda r: mx.sum(mx.sqrt(r))))
    text = message_of(lambda: slope(x))
    assert "got inf at index (1, 0)" in text and "test_nonfinite.py" in text
    loop = mx.compile(lambda x: mx.scan(lambda c, v: (mx.log(c) + v, c), x[0, 0], x[0])[0])
    text = message_of(lambda: loop(x - 1))
    assert text.startswith("[log]") and "test_nonfinite.py" in text


def test_the_layer_that_makes_a_nan_is_named__vllm_44211():
    class Block(nn.Module):
        def __init__(self, shift):
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.shift = shift

        def __call__(self, x):
            return mx.log(mx.abs(self.linear(x)) - self.shift)

    model = nn.Sequential(Block(-1.0), Block(1e9))
    text = message_of(lambda: model(mx.ones((2, 4))))
    assert "[log]" in text and "layer Sequential.layers.1" in text
