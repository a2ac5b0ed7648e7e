"""Pooling layers against windows cut out one by one in NumPy."""

import itertools

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn

LAYERS = {
    "max": (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
    "mean": (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
}


def reference(x, kind, kernel, stride, padding):
    fill = -np.inf if kind == "max" else 0.0
    x = np.pad(x, [(0, 0), *((p, p) for p in padding), (0, 0)], constant_values=fill)
    counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], kernel, stride, strict=True)]
    out = np.zeros((x.shape[0], *counts, x.shape[-1]))
    axes = tuple(range(1, x.ndim - 1))
    for at in itertools.product(*map(range, counts)):
        cut = tuple(slice(i * s, i * s + k) for i, s, k in zip(at, stride, kernel, strict=True))
        out[(slice(None), *at)] = getattr(x[(slice(None), *cut)], kind)(axis=axes)
    return out


CASES = [
    ((9,), (3,), (3,), (0,)),
    ((9,), (3,), (2,), (1,)),
    ((7,), (4,), (1,), (2,)),
    ((6, 8), (2, 2), (2, 2), (0, 0)),
    ((7, 9), (3, 2), (2, 3), (1, 0)),
    ((5, 5), (5, 5), (1, 1), (0, 0)),
    ((4, 6, 5), (2, 3, 1), (2, 3, 1), (0, 0, 0)),
    ((4, 5, 6), (2, 2, 3), (1, 2, 2), (1, 1, 0)),
]


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("spatial, kernel, stride, padding", CASES)
def test_values_are_those_of_the_windows(kind, spatial, kernel, stride, padding):
    x = np.random.default_rng(0).standard_normal((2, *spatial, 3)).astype(np.float32)
    layer = LAYERS[kind][len(spatial) - 1](kernel, stride, padding)
    want = reference(x, kind, kernel, stride, padding)
    np.testing.assert_allclose(np.array(layer(mx.array(x))), want, rtol=1e-5, atol=1e-6)
    # The same values in another layout.
    swapped = mx.swapaxes(mx.array(np.ascontiguousarray(np.swapaxes(x, 0, 1))), 0, 1)
    np.testing.assert_allclose(np.array(layer(swapped)), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("kernel, stride, padding", [(2, 2, 0), (3, 2, 1), (2, 1, 0)])
def test_gradient_matches_finite_differences(kind, kernel, stride, padding):
    layer = LAYERS[kind][1](kernel, stride, padding)
    rng = np.random.default_rng(1)
    x, shape = rng.permutation(48).reshape(1, 4, 6, 2) / 7.0, None
    shape = layer(mx.array(x, dtype=mx.float64)).shape
    weights = mx.array(rng.standard_normal(shape), dtype=mx.float64)
    loss = lambda a: mx.sum(layer(a) * weights)  # noqa: E731
    got = np.array(mx.grad(loss)(mx.array(x, dtype=mx.float64)))
    want = np.zeros_like(x)
    for at in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[at] = 1e-4
        up, down = (loss(mx.array(x + s, dtype=mx.float64)).item() for s in (step, -step))
        want[at] = (up - down) / 2e-4
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_stride_defaults_to_the_kernel():
    assert nn.MaxPool2d(3)(mx.zeros((1, 9, 9, 2))).shape == (1, 3, 3, 2)
    assert repr(nn.AvgPool2d(3, padding=1)) == (
        "AvgPool2d(kernel_size=(3, 3), stride=(3, 3), padding=(1, 1))"
    )


def test_a_window_larger_than_the_input_gives_no_output():
    assert nn.MaxPool2d(5)(mx.ones((1, 4, 4, 1))).shape == (1, 0, 0, 1)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nn.MaxPool2d("a"), r"\[MaxPool2d\] expected kernel_size .*; got 'a'"),
        (lambda: nn.MaxPool2d((1, 2, 3)), r"expected kernel_size .* a tuple of 2; got \(1, 2, 3\)"),
        (lambda: nn.AvgPool1d(2, stride=0), r"expected stride to be an integer >= 1"),
        (lambda: nn.AvgPool1d(2, padding=-1), r"expected padding to be an integer >= 0"),
        (lambda: nn.MaxPool2d(2)(mx.ones((4, 4))), r"expected 4 dimensions.*got shape \(4, 4\)"),
    ],
)
def test_wrong_arguments_are_one_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()
