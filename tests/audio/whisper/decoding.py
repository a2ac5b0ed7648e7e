"""Decoding: rules for tokens, greedy, drawn and beam search, languages, the result's figures."""

import itertools
import math

import numpy as np
import pytest

import olivine.core as mx
from olivine.audio.whisper.beam import BeamSearch
from olivine.audio.whisper.decoding import (
    DecodingOptions,
    compression_ratio,
    decode,
    detect_language,
)
from olivine.audio.whisper.greedy import Greedy, length_score
from olivine.audio.whisper.rules import Rules
from tests.audio.whisper.tiny import VOCABULARY, Scripted, random_model, tokenizer

STAMP = 50364


def rules(**changes):
    options = dict(suppress=[], blank=[], timestamps=False, first_most=None)
    return Rules(tokenizer(), **{**options, **changes})


def allowed(rule, row):
    """The tokens that may follow, if all were as likely; text is likelier than timestamps."""
    logits = np.zeros((1, VOCABULARY), np.float32)
    logits[:, :STAMP] = 20
    return set(np.flatnonzero(np.isfinite(np.array(rule.apply(mx.array(logits), [row])[0]))))


TEXT = set(range(STAMP)) - {STAMP - 1}  # all but <|notimestamps|>


@pytest.mark.parametrize(
    "row, expected",
    [
        ([], set(range(STAMP, STAMP + 51))),  # at most 1 second
        ([STAMP], TEXT),
        ([STAMP, 7], TEXT | set(range(STAMP + 1, VOCABULARY))),
        ([STAMP, 7, STAMP + 9], set(range(50257, STAMP - 1)) | set(range(STAMP + 9, VOCABULARY))),
        ([STAMP, 7, STAMP + 9, STAMP + 9], TEXT),
        ([STAMP, 7, STAMP + 9, STAMP + 9, 8], TEXT | set(range(STAMP + 10, VOCABULARY))),
    ],
)
def test_timestamps_come_in_pairs_and_rise(row, expected):
    assert allowed(rules(timestamps=True, first_most=50), row) == expected


def test_timestamps_win_where_they_are_likelier_together():
    logits = np.full((1, VOCABULARY), -20.0, np.float32)
    logits[0, 5] = 0.0
    logits[0, STAMP + 20 : STAMP + 30] = -1.0  # e**-1 ten times is more than 1
    got = np.array(rules(timestamps=True).apply(mx.array(logits), [[STAMP, 7]])[0])
    assert got[5] == -np.inf and np.argmax(got) == STAMP + 20
    logits[0, 5] = 2.0
    assert np.argmax(rules(timestamps=True).apply(mx.array(logits), [[STAMP, 7]])[0]) == 5


def test_suppressed_and_blank_tokens():
    rule = rules(suppress=[3], blank=[4])
    assert allowed(rule, []) == set(range(VOCABULARY)) - {3, 4}
    assert allowed(rule, [9]) == set(range(VOCABULARY)) - {3}


EOT = 50257
IDS = [10, 11, EOT]
# After 10, after 11; greedily 10 10 10 … is likely, but 11 and the end are likelier as a whole.
TABLE = [[0.5, 0.4, 0.1], [0.05, 0.05, 0.9], [0.0, 0.0, 1.0]]


def start(model, batch=1):
    return mx.array(model.logits_after([10] * batch))


def test_greedy_takes_the_likeliest_each_time():
    model = Scripted(IDS, TABLE)
    [(tokens, score)] = Greedy(rules(), 0.0, 1, None).run(model, model.Cache(), start(model), 4)
    assert tokens == [10, 10, 10, 10]
    assert score == pytest.approx(4 * math.log(0.5), rel=1e-5)


def best_by_force(most):
    """The likeliest text of at most so many tokens with its end, by trying all."""
    found = {}
    for length in range(most):
        for text in itertools.product(IDS[:2], repeat=length):
            total, last = 0.0, 0
            for token in [*text, EOT]:
                place = IDS.index(token)
                total += math.log(TABLE[last][place])
                last = place
            found[text] = total
    best = max(found, key=lambda text: length_score(found[text], len(text), 1.0))
    return list(best), found[best]


def test_a_wide_beam_finds_the_likeliest_text():
    model = Scripted(IDS, TABLE)
    search = BeamSearch(rules(), 16, 4.0, 1.0)
    [(tokens, score)] = search.run(model, model.Cache(), start(model), 6)
    expected, total = best_by_force(6)
    assert tokens == expected and score == pytest.approx(total, rel=1e-5)


def test_drawn_texts_keep_the_likeliest():
    mx.random.seed(0)
    model = Scripted(IDS, TABLE)
    search = Greedy(rules(), 1.0, 40, 1.0)
    [(tokens, score)] = search.run(model, model.Cache(), start(model), 5)
    expected, total = best_by_force(5)
    assert tokens == expected and score == pytest.approx(total, rel=1e-5)


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture(scope="module")
def mel():
    return mx.array(np.random.RandomState(3).randn(3, 12, 4).astype(np.float32))


PLAIN = dict(language="en", suppress_tokens=None, suppress_blank=False, without_timestamps=True)


def test_greedy_equals_a_loop_without_a_cache(model, mel):
    got = decode(model, tokenizer(), mel, **PLAIN, sample_len=8)
    for window, result in zip(mel, got, strict=True):
        features = model.encode(window[None])
        tokens = [50258, 50259, 50359, 50363]
        total = 0.0
        for _ in range(8):
            logits = np.array(model.decode(mx.array([tokens]), features)[0, -1], np.float64)
            logits[[50258, 50360, 50361, 50362, 50358, 50359]] = -np.inf
            chosen = int(np.argmax(logits))
            total += logits[chosen] - np.log(np.sum(np.exp(logits - logits.max()))) - logits.max()
            if chosen == EOT:
                break
            tokens.append(chosen)
        assert result.tokens == tokens[4:]
        assert result.avg_logprob == pytest.approx(total / (len(tokens) - 3), rel=1e-4)


@pytest.mark.parametrize("options", [{}, dict(beam_size=3)])
def test_windows_of_a_batch_do_not_touch(model, mel, options):
    together = decode(model, tokenizer(), mel, language="en", **options)
    alone = [decode(model, tokenizer(), window, language="en", **options)[0] for window in mel]
    assert [r.tokens for r in together] == [r.tokens for r in alone]
    features = model.encode(mel)
    again = decode(model, tokenizer(), features, language="en", **options)
    assert [r.tokens for r in again] == [r.tokens for r in alone]


def test_languages_are_detected_among_their_tokens(model, mel):
    found = detect_language(model, tokenizer(), mel)
    logits = model.decode(mx.full((3, 1), 50258), model.encode(mel))[:, 0, 50259:50358]
    expected = np.array(mx.softmax(logits, axis=-1))
    for (name, shares), row in zip(found, expected, strict=True):
        assert name == tokenizer().languages[int(np.argmax(row))]
        np.testing.assert_allclose(list(shares.values()), row, rtol=1e-4)
    results = decode(model, tokenizer(), mel, sample_len=2)
    assert [r.language for r in results] == [name for name, _ in found]


def test_what_was_said_before_comes_first(model, mel):
    own = tokenizer()
    got = decode(model, own, mel[:1], **PLAIN, prompt="hello", prefix=[5, 6], sample_len=1)[0]
    begin = [50361, *own.encode(" hello"), 50258, 50259, 50359, 50363, 5, 6]
    logits = np.array(model.decode(mx.array([begin]), model.encode(mel[:1]))[0])
    last = logits[-1]
    last[[50258, 50360, 50361, 50362, 50358, 50359]] = -np.inf
    assert got.tokens == [int(np.argmax(last))]
    at_sot = np.exp(logits[1 + len(own.encode(" hello"))].astype(np.float64))
    assert got.no_speech_prob == pytest.approx((at_sot / at_sot.sum())[50362], rel=1e-4)


def test_english_models_know_no_other_language(mel):
    model, own = random_model(n_vocab=51864), tokenizer(51864)
    assert decode(model, own, mel[:1], sample_len=3)[0].language == "en"
    with pytest.raises(ValueError, match="expected a multilingual model"):
        detect_language(model, own, mel)
    with pytest.raises(ValueError, match="expected English to be transcribed"):
        decode(model, own, mel[:1], task="translate")


def test_repetitions_compress():
    assert compression_ratio("so " * 100) > 10 > 2 > compression_ratio("And so my fellow Americans")


@pytest.mark.parametrize(
    "options, text",
    [
        (dict(task="sing"), "expected task among transcribe, translate; got 'sing'"),
        (dict(beam_size=2, temperature=0.5), "expected beam_size without a temperature"),
        (dict(best_of=2), "expected best_of with a temperature"),
        (dict(patience=2.0), "expected patience with a beam_size"),
        (dict(length_penalty=2.0), "expected length_penalty from 0 to 1; got 2.0"),
        (dict(beam_size=0), "expected beam_size above 0; got 0"),
        (dict(temperature=float("nan")), "expected temperature of at least 0; got nan"),
        (dict(language="klingon"), "expected a language such as"),
    ],
)
def test_wrong_options_are_explained(options, text):
    with pytest.raises(ValueError, match=text):
        DecodingOptions(**options)


def test_wrong_tokens_are_explained(model, mel):
    for options, text in [
        (dict(prompt=[99999999]), "expected prompt of tokens of the model"),
        (dict(suppress_tokens="1,x"), "expected suppress_tokens as ids with commas; got '1,x'"),
        (dict(suppress_tokens=[-2]), "expected suppress_tokens of the model's tokens or -1"),
        (dict(prefix=[5] * 40), "expected a prompt and prefix of fewer than 32 tokens; got 4"),
    ]:
        with pytest.raises(ValueError, match=text):
            decode(model, tokenizer(), mel, language="en", **options)
