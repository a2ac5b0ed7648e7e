"""Log-mel spectrograms against OpenAI's and a formula in float64."""

import numpy as np
import pytest

import olivine.core as mx
from olivine.audio.mel import log_mel, mel_filters, pad_or_trim
from tests.audio.whisper.tiny import FIXTURES


@pytest.mark.parametrize("mels", [80, 128])
def test_equals_openai(mels):
    """Expected: openai-whisper's log_mel_spectrogram (fixtures/make_whisper.py)."""
    stored = np.load(FIXTURES / "mel.npz")
    got = log_mel(stored["samples"], mels, int(stored["padding"]))
    np.testing.assert_allclose(got, stored[f"mel{mels}"], atol=1e-4)


def reference(samples, mels, padding):
    """Of at least 201 samples, by the definition."""
    samples = np.pad(np.asarray(samples, np.float64), (0, padding))
    padded = np.pad(samples, 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    starts = range(0, len(samples) // 160 * 160, 160)
    power = np.array([np.abs(np.fft.rfft(padded[s : s + 400] * window)) ** 2 for s in starts])
    logs = np.log10(np.maximum(power @ np.array(mel_filters(mels), np.float64), 1e-10))
    return (np.maximum(logs, logs.max() - 8) + 4) / 4


@pytest.mark.parametrize("count, padding", [(400, 0), (1000, 333), (161, 60), (481_000, 0)])
def test_equals_the_definition(count, padding):
    samples = (np.random.RandomState(0).randn(count) * 0.1).astype(np.float32)
    got = log_mel(mx.array(samples), 80, padding)
    np.testing.assert_allclose(got, reference(samples, 80, padding), atol=2e-4)


def test_filters_are_triangles_of_area_one():
    filters = np.array(mel_filters(80))
    assert filters.shape == (201, 80)
    for band in filters.T[20:]:  # of lower ones the frequencies are too far apart to tell
        support = np.flatnonzero(band)
        assert np.all(np.diff(support) == 1)
        rises = np.diff(band[support])
        assert np.all(np.diff(np.sign(rises)) <= 0)
    np.testing.assert_allclose(filters[:, 60:].sum(0) * 40, 1, atol=0.05)


@pytest.mark.parametrize("count, frames", [(0, 0), (159, 0), (160, 1), (200, 1), (201, 1)])
def test_short_sounds(count, frames):
    got = np.array(log_mel(np.full(count, 0.1, np.float32)))
    assert got.shape == (frames, 80)
    assert np.isfinite(got).all()


def test_silence_is_as_low_as_it_gets():
    np.testing.assert_allclose(log_mel(np.zeros(3200, np.float32)), np.full((20, 80), -1.5))


def test_wrong_sounds_are_explained():
    with pytest.raises(ValueError, match=r"expected mono samples of shape \(count,\); got"):
        log_mel(np.zeros((2, 1600), np.float32))
    with pytest.raises(ValueError, match="expected samples in float32; got int16"):
        log_mel(np.zeros(1600, np.int16))
    with pytest.raises(ValueError, match="expected padding of at least 0; got -1"):
        log_mel(np.zeros(1600, np.float32), padding=-1)
    with pytest.raises(ValueError, match="from 1 to 512 mel bands; got 0"):
        log_mel(np.zeros(1600, np.float32), 0)


def test_windows_are_filled_with_zeros_or_cut():
    mel = mx.ones((5, 2))
    assert pad_or_trim(mel, 7).tolist() == [[1, 1]] * 5 + [[0, 0]] * 2
    assert pad_or_trim(mel[None], 3).shape == (1, 3, 2)
