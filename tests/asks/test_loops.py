"""Loops that are part of a compiled function: traced once, of any length, with gradients."""

import time

import numpy as np
import pytest

import olivine.core as mx


def test_loops_inside_compile_end_when_the_data_say_so__mlx_1441():
    """Without a trace for each length."""
    traces = []

    @mx.compile
    def sqrt(x):
        traces.append(1)
        return mx.while_loop(lambda y: mx.abs(y * y - x) > 1e-4, lambda y: (y + x / y) / 2, x)

    for v in (2.0, 9.0, 1000.0):
        assert sqrt(mx.array(v)).item() == pytest.approx(v**0.5, rel=1e-4)
    assert len(traces) == 1


def test_scan_is_differentiable_and_batched__mlx_pr_3772():
    f = mx.vmap(
        mx.value_and_grad(lambda a, xs: mx.scan(lambda c, x: (c * a + x, c), mx.array(0.0), xs)[0])
    )
    a, xs = mx.array([0.5, 2.0]), mx.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    value, gradient = f(a, xs)  # x0 a^2 + x1 a + x2
    np.testing.assert_allclose(np.array(value), [4.25, 32.0])
    np.testing.assert_allclose(np.array(gradient), [3.0, 21.0])


def test_scans_are_not_unrolled__pytensor_pr_2258():
    """The graph of a scan, and the time to make it, do not grow with its length."""
    calls = []

    def step(c, x):
        calls.append(1)
        return c * 0.5 + x, c

    start = time.perf_counter()
    last, _ = mx.scan(step, mx.array(0.0), mx.ones((100_000,)))
    assert len(calls) == 1 and last.item() == pytest.approx(2.0)
    gradient = mx.grad(lambda x: mx.scan(step, mx.array(0.0), x)[0])(mx.ones((1000,)))
    assert gradient[-2:].tolist() == [0.5, 1.0]
    assert time.perf_counter() - start < 30
