"""Whisper's encoder and decoder against transformers, and the decoder's cache against itself."""

import numpy as np
import pytest

import olivine.core as mx
from olivine.audio.loading import assemble, read
from olivine.audio.whisper.formats.find import find
from olivine.audio.whisper.model import Dims, sinusoids
from tests.audio.whisper.tiny import FIXTURES, random_model


@pytest.mark.parametrize("number", [0, 1])
def test_equals_transformers(number):
    """Expected: transformers 5 (fixtures/make_whisper.py)."""
    model = assemble(read(find(FIXTURES / f"model-{number}")))
    expected = np.load(FIXTURES / f"model-{number}.npz")
    features = model.encode(mx.array(expected["mel"]))
    np.testing.assert_allclose(features, expected["features"], rtol=1e-4, atol=1e-5)
    logits, weights = model.decode(mx.array(expected["tokens"]), features, alignment=True)
    np.testing.assert_allclose(logits, expected["logits"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mx.stack(weights), expected["attention"], rtol=1e-3, atol=1e-6)


def test_a_cache_changes_nothing():
    model = random_model()
    features = mx.array(np.random.RandomState(1).randn(2, 6, 8).astype(np.float32))
    tokens = mx.array([[5, 9, 7, 3], [1, 2, 8, 4]])
    whole = model.decode(tokens, features)
    cache = model.make_cache(features)
    parts = [model.decode(tokens[:, a:b], None, cache) for a, b in [(0, 2), (2, 3), (3, 4)]]
    np.testing.assert_allclose(mx.concatenate(parts, axis=1), whole, rtol=1e-4, atol=1e-5)
    assert cache.offset == 4


def test_rows_share_a_sound():
    model = random_model()
    features = mx.array(np.random.RandomState(1).randn(2, 6, 8).astype(np.float32))
    tokens = mx.array([[5, 9], [1, 2], [3, 4], [6, 7], [8, 9], [2, 1]])
    together, shared = model.decode(tokens, features, alignment=True)
    alone, weights = model.decode(tokens, mx.repeat(features, 3, axis=0), alignment=True)
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mx.stack(shared), mx.stack(weights), rtol=1e-4, atol=1e-6)


def test_rows_of_a_cache_move_and_go():
    model = random_model()
    features = mx.array(np.random.RandomState(1).randn(2, 6, 8).astype(np.float32))
    cache = model.make_cache(features)
    model.decode(mx.array([[5], [6]]), None, cache)
    cache.repeat(2)  # 5 5 6 6
    cache.keep([1], [2, 3])
    got = model.decode(mx.array([[7], [8]]), None, cache)
    expected = model.decode(mx.array([[6, 7], [6, 8]]), features[1:])[:, 1:]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_positions_are_sines_then_cosines():
    length, width = 20, 8
    rates = 10000 ** (-np.arange(4) / 3)
    angles = np.arange(length)[:, None] * rates
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(sinusoids(length, width), expected, atol=2e-6)


def test_wrong_inputs_are_explained():
    model = random_model()
    with pytest.raises(ValueError, match=r"expected a spectrogram \(batch, 12, 4\); got shape"):
        model.encode(mx.zeros((1, 4, 12)))
    with pytest.raises(ValueError, match="expected at most 32 tokens; got 33"):
        model.decode(mx.zeros((1, 33), mx.int32), mx.zeros((1, 6, 8)))
    with pytest.raises(ValueError, match="expected features or a cache"):
        model.decode(mx.zeros((1, 1), mx.int32))
    with pytest.raises(ValueError, match="a multiple of 2 rows"):
        model.decode(mx.zeros((3, 1), mx.int32), mx.zeros((2, 6, 8)))
    with pytest.raises(ValueError, match=r"expected features \(batch, positions, 8\)"):
        model.decode(mx.zeros((1, 1), mx.int32), mx.zeros((1, 6, 9)))


@pytest.mark.parametrize(
    "change, text",
    [
        (dict(n_audio_head=3), "n_audio_state to be a multiple of n_audio_head"),
        (dict(n_text_state=16), "of the same width; got 8 and 16"),
        (dict(n_mels="80"), "n_mels to be int"),
        (dict(n_text_layer=10**9), "n_text_layer"),
    ],
)
def test_wrong_sizes_are_explained(change, text):
    sizes = dict(n_mels=4, n_audio_ctx=6, n_audio_state=8, n_audio_head=2, n_audio_layer=1)
    sizes |= dict(n_vocab=60, n_text_ctx=32, n_text_state=8, n_text_head=2, n_text_layer=2)
    with pytest.raises(ValueError, match=text):
        Dims.from_dict({**sizes, **change})
