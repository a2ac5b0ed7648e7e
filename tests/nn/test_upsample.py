"""Upsample against interpolation written out output by output."""

import math
from fractions import Fraction

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn


def keys(x, a):
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def along(x, scale, mode, align_corners, antialias):
    """Resamples a vector."""
    n, m = len(x), int(len(x) * scale)
    out = []
    for i in range(m):
        if mode == "nearest":
            # Ties go to the even input; fractions are exact in these sizes.
            at = Fraction(n, m) * (2 * i + 1) / 2 - Fraction(1, 2)
            out.append(x[round(at)] if m > n else x[i * n // m])
            continue
        centered = (n - 1) / 2 + (i - (m - 1) / 2) / scale
        at = i * (n - 1) / (m - 1) if align_corners and m > 1 else centered
        at = i if align_corners and m == 1 else at
        if antialias:
            wide = max(1 / scale, 1)
            kernel = (lambda d: max(1 - abs(d), 0)) if mode == "linear" else lambda d: keys(d, -0.5)
            radius = (1 if mode == "linear" else 2) * wide
            taps = [j for j in range(n) if abs(j - at) < radius]
            weights = [kernel((j - at) / wide) for j in taps]
            out.append(sum(w * x[j] for w, j in zip(weights, taps, strict=True)) / sum(weights))
        elif mode == "linear":
            at = min(max(at, 0), n - 1)
            j = min(int(at), n - 1)
            out.append(x[j] + (at - j) * (x[min(j + 1, n - 1)] - x[j]))
        else:
            first = math.floor(at)
            taps = range(first - 1, first + 3)
            out.append(sum(keys(at - j, -0.75) * x[min(max(j, 0), n - 1)] for j in taps))
    return np.array(out)


SETTINGS = [("nearest", False, False)]
SETTINGS += [(mode, *flags) for mode in ("linear", "cubic") for flags in ((0, 0), (1, 0), (0, 1))]


@pytest.mark.parametrize("mode, align_corners, antialias", SETTINGS)
@pytest.mark.parametrize("scale", [2, 3, 1, 1.5, 2.3, 0.5, 0.75])
@pytest.mark.parametrize("size", [1, 4, 7])
def test_one_axis(mode, align_corners, antialias, scale, size):
    if int(size * scale) == 0:
        return
    x = np.random.default_rng(0).standard_normal(size)
    layer = nn.Upsample(scale, mode, bool(align_corners), bool(antialias))
    got = np.array(layer(mx.array(x.astype(np.float32)).reshape(1, size, 1))).ravel()
    want = along(x, scale, mode, align_corners, antialias)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_axes_are_independent(mode):
    x = np.random.default_rng(1).standard_normal((2, 4, 5, 3))
    layer = nn.Upsample((2, 1.6), mode)
    want = np.apply_along_axis(along, 1, x, 2.0, mode, False, False)
    want = np.apply_along_axis(along, 2, want, 1.6, mode, False, False)
    got = np.array(layer(mx.array(x.astype(np.float32))))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_the_result_has_the_dtype_of_the_input(mode):
    for dtype in (mx.float16, mx.bfloat16, mx.float32):
        assert nn.Upsample(2, mode)(mx.ones((1, 3, 3, 1), dtype=dtype)).dtype == dtype


def test_the_gradient_adds_up_what_an_input_gives_to_outputs():
    layer = nn.Upsample(3, "linear")
    grad = mx.grad(lambda x: mx.sum(layer(x)))(mx.ones((1, 4, 1)))
    assert mx.sum(grad).item() == pytest.approx(12)
    grad = mx.grad(lambda x: mx.sum(nn.Upsample(2)(x)))(mx.ones((1, 2, 2, 1)))
    assert (np.array(grad) == 4).all()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nn.Upsample(2, "x"), r"expected mode to be nearest, linear or cubic; got 'x'"),
        (lambda: nn.Upsample(2, antialias=True), r"got it with mode nearest"),
        (lambda: nn.Upsample(2, "linear", True, True), r"got it with align_corners"),
        (lambda: nn.Upsample(0), r"expected scale_factor > 0; got 0"),
        (lambda: nn.Upsample(2)(mx.ones((3, 4))), r"expected at least one spatial axis"),
        (lambda: nn.Upsample((2, 3))(mx.ones((1, 4, 3))), r"expected one scale for each of 1"),
    ],
)
def test_wrong_arguments_are_one_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_repr_names_the_settings():
    assert repr(nn.Upsample(2)) == (
        "Upsample(scale_factor=2.0, mode='nearest', align_corners=False)"
    )
    assert repr(nn.Upsample(2, "linear", antialias=True)) == (
        "Upsample(scale_factor=2.0, mode='linear', align_corners=False, antialias=True)"
    )


@pytest.mark.parametrize(
    "size, scale, indices",
    [
        (3, 1.5, [0, 1, 1, 2]),
        (7, 1.5, [0, 1, 1, 2, 3, 3, 4, 5, 5, 6]),
        (5, 0.7, [0, 1, 3]),
        (3, 0.1, []),
    ],
)
def test_nearest_spreads_the_inputs_over_whole_outputs(size, scale, indices):
    x = mx.arange(size, dtype=mx.float32).reshape(1, size, 1)
    assert nn.Upsample(scale)(x).reshape(-1).tolist() == indices
