"""whisper-base on a known recording: the tokens that faster-whisper writes."""

import wave
from pathlib import Path

import numpy as np
import pytest

import olivine.core as mx
from olivine.audio import decode, load, log_mel, pad_or_trim
from tests.audio.whisper.tiny import FIXTURES, needs_real

# 11 seconds of President Kennedy's inaugural address (public domain), as whisper.cpp ships it.
_PLACES = [folder / "shared" / "data" / "jfk.wav" for folder in Path(__file__).resolve().parents]
RECORDING = next((place for place in _PLACES if place.is_file()), _PLACES[3])
# faster-whisper 1.2.1 with CTranslate2 4.8.5 in float32.
GREEDY = (
    "50364 400 370 452 7177 6280 1029 406 437 428 1941 393 360 337 291 11 50744 "
    "50744 1029 437 291 393 360 337 428 1941 13 50894"
)
BEAM = (
    "50364 400 370 11 452 7177 6280 11 1029 406 437 428 1941 393 360 337 291 11 50764 "
    "50764 1029 437 291 393 360 337 428 1941 13 50914"
)

pytestmark = [
    needs_real,
    pytest.mark.skipif(not RECORDING.is_file(), reason="needs the recording jfk.wav"),
]


def recording() -> np.ndarray:
    with wave.open(str(RECORDING)) as file:
        return np.frombuffer(file.readframes(-1), np.int16).astype(np.float32) / 32768


@pytest.fixture(scope="module")
def mel():
    samples = recording()
    return pad_or_trim(log_mel(samples, padding=480_000)[: len(samples) // 160])[None]


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_the_recording(mel, dtype):
    model, tokenizer = load(dtype=dtype)
    features = model.encode(mel)
    [greedy] = decode(model, tokenizer, features)
    assert " ".join(map(str, greedy.tokens)) == GREEDY
    assert greedy.language == "en"
    assert greedy.avg_logprob == pytest.approx(-0.3966, abs=2e-3)
    assert greedy.no_speech_prob == pytest.approx(0.0921, abs=2e-3)
    [beam] = decode(model, tokenizer, features, language="en", beam_size=5)
    assert " ".join(map(str, beam.tokens)) == BEAM


def test_packed_weights_write_the_same_words(mel):
    model, tokenizer = load(quantize=8)
    [result] = decode(model, tokenizer, mel)
    assert result.text.replace(",", "") == (
        "And so my fellow Americans ask not what your country can do for you "
        "ask what you can do for your country."
    )


def test_marks_that_nobody_speaks():
    """Expected: the ids that OpenAI publishes for this vocabulary, in the package's config.json."""
    import json

    from olivine.audio.whisper.formats.find import find

    _, tokenizer = load()
    config = json.loads((find().folder / "config.json").read_text())
    special = {50254, 50258, *range(50358, 50363)}
    ids = set(config["suppress_ids"]) - special
    assert set(tokenizer.non_speech_tokens) - special == ids


def test_equals_transformers():
    """Expected: transformers 5 in float32 (fixtures/make_whisper_real.py), which pads sound."""
    expected = np.load(FIXTURES / "real.npz")
    samples = recording()
    mel = log_mel(samples, padding=480_000 - len(samples))
    model, _ = load(dtype="float32")
    features = model.encode(mel[None])
    largest = np.abs(expected["features"]).max()
    np.testing.assert_allclose(features[0, ::50], expected["features"], atol=2e-4 * largest)
    logits = np.array(model.decode(mx.array(expected["tokens"])[None], features)[0])
    best = np.take_along_axis(logits, expected["best"], axis=-1)
    np.testing.assert_allclose(best, expected["logits"], rtol=1e-3, atol=5e-3)
    assert np.array_equal(np.argmax(logits, axis=-1), expected["best"][:, 0])
