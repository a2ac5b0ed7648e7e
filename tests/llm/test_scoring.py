"""Perplexity against sums over a plain forward pass."""

import math

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm.scoring import perplexity, windows
from tests.llm.tiny import ByteTokenizer, LetterTokenizer, tiny_llama

IDS = np.random.default_rng(0).integers(0, 61, 50).tolist()


@pytest.fixture(scope="module")
def model():
    return tiny_llama()


def nats(model, context, token):
    logits = np.array(model(mx.array([context]))[0, -1]).astype(float)
    return math.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[token]


def test_one_window_is_the_chain_rule(model):
    expected = [nats(model, IDS[:i], IDS[i]) for i in range(1, 50)]
    result = perplexity(model, LetterTokenizer(), IDS)
    assert result.loss == pytest.approx(np.mean(expected), rel=1e-4)
    assert result.perplexity == pytest.approx(math.exp(np.mean(expected)), rel=1e-3)
    assert result.standard_error == pytest.approx(np.std(expected) / 7, rel=1e-3)
    assert (result.tokens, result.bits_per_byte, result.bits_per_character) == (49, None, None)
    assert result.tps > 0


@pytest.mark.parametrize("window, stride", [(16, 8), (16, 1), (10, 9), (2, 1), (50, 25), (33, 5)])
def test_windows_give_each_token_the_context_they_promise(model, window, stride):
    found = windows(50, window, stride)
    expected, predicted = [], []
    for begin, end, first in found:
        assert end - begin <= window
        for position in range(first, end):
            predicted.append(position)
            assert begin == 0 or position - begin >= window - stride
            expected.append(nats(model, IDS[begin:position], IDS[position]))
    assert predicted == list(range(1, 50))
    told = []
    result = perplexity(
        model,
        LetterTokenizer(),
        IDS,
        window=window,
        stride=stride,
        progress=lambda *a: told.append(a),
    )
    assert result.loss == pytest.approx(np.mean(expected), rel=1e-4)
    assert told[-1] == (49, 49)


def test_bits_are_of_the_text(model):
    model, text = tiny_llama(vocab_size=257), "käse und brot"
    result = perplexity(model, ByteTokenizer(), text)
    bits = result.loss * result.tokens / math.log(2)
    assert result.bits_per_byte == pytest.approx(bits / 14)
    assert result.bits_per_character == pytest.approx(bits / 13)


def test_long_windows_go_through_the_head_in_steps(model):
    ids = IDS * 8
    a = perplexity(model, LetterTokenizer(), ids).loss
    logits = np.array(model(mx.array([ids]))[0]).astype(float)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert a == pytest.approx(-np.mean(logs[range(399), ids[1:]]), rel=1e-4)


@pytest.mark.parametrize(
    "ids, options, match",
    [
        ([1], {}, "at least two tokens; got 1"),
        ([], {}, "at least one token"),
        (IDS, {"window": 1}, "a window of 2 to 512"),
        (IDS, {"window": 513}, "a window of 2 to 512"),
        (IDS, {"window": 8, "stride": 8}, "stride"),
        (IDS, {"stride": 0}, "stride"),
    ],
)
def test_bad_settings_are_refused(model, ids, options, match):
    with pytest.raises(ValueError, match=match):
        perplexity(model, LetterTokenizer(), ids, **options)
