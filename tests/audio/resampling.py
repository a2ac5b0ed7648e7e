"""Resampling: against the sum that defines it, and as a listener would hear it."""

import numpy as np
import pytest

from olivine.audio.errors import AudioError
from olivine.audio.resampling import Resampler, resample

RATES = [(44100, 16000), (48000, 16000), (8000, 16000), (22050, 16000), (16001, 16000),
         (16000, 44100), (96000, 16000)]  # fmt: skip


def by_definition(x, old, new):
    """scipy.signal.resample_poly's default: a Kaiser window of 5 on a sinc of 10 * max(up, down).

    y[n] = sum over m of x[m] h[n * down - m * up], h scaled so that its sum is `up`.
    """
    g = np.gcd(old, new)
    up, down = new // g, old // g
    half = 10 * max(up, down)
    steps = np.arange(-half, half + 1)
    h = np.sinc(steps / max(up, down)) * np.kaiser(2 * half + 1, 5.0)
    h *= up / h.sum()
    results = np.empty(-(-len(x) * up // down))
    m = np.arange(len(x))
    for n in range(len(results)):
        at = n * down - m * up
        inside = np.abs(at) <= half
        results[n] = np.dot(x[inside], h[at[inside] + half])
    return results


@pytest.mark.parametrize("old,new", RATES)
def test_it_is_the_sum_that_defines_it(old, new):
    x = np.random.default_rng(0).standard_normal(900).astype(np.float32)
    y = resample(x, old, new, zeros=10, beta=5.0, width=1.0)
    expected = by_definition(x.astype(np.float64), old, new)
    assert y.dtype == np.float32 and y.shape == expected.shape
    np.testing.assert_allclose(y, expected, atol=4e-6)


@pytest.mark.parametrize("old,new", RATES)
def test_blocks_of_any_size_give_the_same(old, new):
    rng = np.random.default_rng(1)
    x = rng.standard_normal(7000).astype(np.float32)
    resampler, parts, place = Resampler(old, new), [], 0
    while place < len(x):
        n = int(rng.integers(0, 900))
        parts.append(resampler(x[place : place + n]))
        place += n
    parts.append(resampler.finish())
    np.testing.assert_allclose(np.concatenate(parts), resample(x, old, new), atol=3e-6)


def test_a_stream_keeps_no_more_than_its_filter_needs():
    resampler = Resampler(44100, 16000)
    for _ in range(50):
        resampler(np.zeros(4410, np.float32))
    assert len(resampler._kept) < 1000


@pytest.mark.parametrize("old", [44100, 48000, 22050])
def test_what_is_heard_stays_and_what_can_not_be_held_goes(old):
    t = np.arange(old) / old
    low = resample(np.sin(2 * np.pi * 1000 * t).astype(np.float32), old, 16000)
    expected = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    assert np.abs(low - expected)[200:-200].max() < 1e-3
    high = resample(np.sin(2 * np.pi * 9500 * t).astype(np.float32), old, 16000)
    assert np.abs(high)[200:-200].max() < 2e-3


def test_the_same_rate_changes_nothing():
    x = np.random.default_rng(2).standard_normal(100).astype(np.float32)
    np.testing.assert_array_equal(resample(x, 16000, 16000), x)


@pytest.mark.parametrize("count", [0, 1, 2, 441, 442])
def test_lengths(count):
    y = resample(np.ones(count, np.float32), 44100, 16000)
    assert len(y) == -(-count * 160 // 441)


@pytest.mark.parametrize("rate", [0, -1, 999, 10**7])
def test_rates_that_nobody_has(rate):
    with pytest.raises(AudioError, match=r"\[resample\] expected a rate"):
        Resampler(rate, 16000)
