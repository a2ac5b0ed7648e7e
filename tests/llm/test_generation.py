"""Generation against the slow, plain way, and what happens at its edges."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm.cache import PromptCache, make_cache
from olivine.llm.generation import generate, stream_generate
from olivine.llm.sampling import Sampling
from olivine.llm.text import StopStrings
from tests.llm.tiny import ByteTokenizer, LetterTokenizer, greedy, tiny_llama

PROMPT = [5, 17, 3, 9, 31, 8, 2]


@pytest.fixture(scope="module")
def model():
    return tiny_llama()


@pytest.fixture(scope="module")
def tokenizer():
    return LetterTokenizer()


def stream(model, tokenizer, prompt=PROMPT, **options):
    return list(stream_generate(model, tokenizer, prompt, **options))


def ids(records):
    return [record.token for record in records]


@pytest.mark.parametrize("prefill_step", [1, 3, 512])
def test_greedy_equals_the_plain_way(model, tokenizer, prefill_step):
    records = stream(model, tokenizer, max_tokens=20, prefill_step=prefill_step)
    expected = greedy(model, PROMPT, 20)
    assert ids(records) == expected and len(set(expected)) > 5
    assert "".join(r.text for r in records) == tokenizer.decode(expected)
    assert [r.finish_reason for r in records] == [None] * 19 + ["length"]
    last = records[-1]
    assert (last.prompt_tokens, last.cached_tokens, last.generated_tokens) == (7, 0, 20)
    assert last.prompt_tps > 0 and last.generation_tps > 0 and last.peak_memory > 0


def test_a_text_is_a_prompt_too(model, tokenizer):
    text = tokenizer.decode(PROMPT)
    expected = tokenizer.decode(greedy(model, PROMPT, 9))
    assert generate(model, tokenizer, text, max_tokens=9) == expected


def test_an_end_token_ends(model, tokenizer):
    expected = greedy(model, PROMPT, 20)
    ending = LetterTokenizer()
    ending.eos_ids = {expected[6]}
    records = stream(model, ending, max_tokens=20)
    end = expected.index(expected[6])
    assert ids(records) == expected[: end + 1]
    assert records[-1].finish_reason == "stop"
    assert "".join(r.text for r in records) == tokenizer.decode(expected[:end])


@pytest.mark.parametrize("size", [1, 2, 5])
def test_stop_strings_never_leak(model, tokenizer, size):
    text = tokenizer.decode(greedy(model, PROMPT, 30))
    stop = text[8 : 8 + size]
    records = stream(model, tokenizer, max_tokens=30, stop=["QQQQ", stop])
    assert "".join(r.text for r in records) == text[: text.index(stop)]
    assert records[-1].finish_reason == "stop"
    # What only begins like a stop string is shown in the end.
    assert generate(model, tokenizer, PROMPT, max_tokens=30, stop=text[-3:] + "?") == text


def test_stop_strings_hold_back_no_more_than_needed():
    stops = StopStrings(["</s>", "<end>"])
    assert stops.add("a<") == ("a", False)
    assert stops.add("b") == ("<b", False)
    assert stops.add("<<e") == ("<", False)
    assert stops.add("nd") == ("", False)
    assert stops.add(">x") == ("", True)
    assert stops.finish() == ""
    assert stops.add("</") == ("", False)
    assert stops.finish() == "</"
    with pytest.raises(ValueError, match="stop strings"):
        StopStrings(["a", ""])


def test_characters_are_shown_whole():
    """Logits that spell a text, byte by byte."""
    tokenizer = ByteTokenizer()
    wanted = tokenizer.encode("äöü 漢字 🦉") + [tokenizer.encode("é")[0]]
    step = iter(wanted)
    model = tiny_llama(vocab_size=257)
    records = stream(
        model, tokenizer, "x", max_tokens=len(wanted), sampler=lambda _: mx.array([next(step)])
    )
    assert "".join(r.text for r in records) == "äöü 漢字 🦉\N{REPLACEMENT CHARACTER}"
    assert records[0].text == "" and records[1].text == "ä"


@pytest.mark.parametrize("processors", [(), (lambda tokens, logits: logits,)])
def test_log_probabilities_are_the_models(model, tokenizer, processors):
    records = stream(
        model,
        tokenizer,
        max_tokens=6,
        logprobs=3,
        sampler=Sampling(temperature=3.0, seed=1),
        processors=processors,
    )
    tokens = list(PROMPT)
    for record in records:
        logits = np.array(model(mx.array([tokens]))[0, -1]).astype(float)
        logs = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
        assert record.logprob == pytest.approx(logs[record.token], abs=1e-3)
        best = np.argsort(-logs)[:3]
        assert [i for i, _ in record.top_logprobs] == best.tolist()
        np.testing.assert_allclose([v for _, v in record.top_logprobs], logs[best], atol=1e-3)
        tokens.append(record.token)
    own = stream(model, tokenizer, max_tokens=2, logprobs=0)
    assert own[0].logprob < 0 and own[0].top_logprobs is None
    assert stream(model, tokenizer, max_tokens=1)[0].logprob is None


def test_seeds_repeat(model, tokenizer):
    def sampled(seed):
        return ids(
            stream(model, tokenizer, max_tokens=20, sampler=Sampling(temperature=2, seed=seed))
        )

    assert sampled(1) == sampled(1) != sampled(2)


def test_processors_see_all_tokens(model, tokenizer):
    seen = []

    def only_even(tokens, logits):
        seen.append(list(tokens))
        return mx.where(mx.arange(logits.shape[-1]) % 2 == 0, logits, -float("inf"))

    records = stream(model, tokenizer, max_tokens=5, processors=[only_even])
    tokens = ids(records)
    assert all(t % 2 == 0 for t in tokens)
    assert seen == [PROMPT + tokens[:i] for i in range(5)]


def test_penalties_apply_while_the_last_token_is_unknown(model, tokenizer):
    """Overlapped and in turn give the same."""
    settings = Sampling(repetition_penalty=1.5, frequency_penalty=1.0, presence_penalty=0.5)
    overlapped = stream(model, tokenizer, max_tokens=25, sampler=settings)
    in_turn = stream(model, tokenizer, max_tokens=25, sampler=settings, processors=[lambda t, x: x])
    assert ids(overlapped) == ids(in_turn) != greedy(model, PROMPT, 25)


def test_a_prompt_longer_than_the_context_is_one_error_at_once(model, tokenizer):
    with pytest.raises(ValueError, match="at most 512 tokens, the model's context; got 513"):
        stream_generate(model, tokenizer, [1] * 513)
    with pytest.raises(ValueError, match="at most 4 tokens"):
        stream_generate(model, tokenizer, PROMPT, context=4)
    records = stream(model, tokenizer, context=10)
    assert len(records) == 4 and records[-1].finish_reason == "length"


@pytest.mark.parametrize(
    "prompt, options, match",
    [
        ([], {}, "at least one token"),
        ("", {}, "at least one token"),
        ([3, 61], {}, "below the model's 61; got 61"),
        ([-1], {}, "got -1"),
        ([1], {"max_tokens": 0}, "max_tokens"),
        ([1], {"prefill_step": 0}, "prefill_step"),
        ([1], {"stop": [""]}, "stop strings"),
        ([1], {"sampler": Sampling(logit_bias={61: 1.0})}, "logit_bias of ids below 61"),
    ],
)
def test_bad_settings_are_refused_at_once(model, tokenizer, prompt, options, match):
    with pytest.raises(ValueError, match=match):
        stream_generate(model, tokenizer, prompt, **options)


def consistent(model, cache):
    """The cache continues as one does that saw its tokens anew."""
    assert all(layer.offset == len(cache.tokens) for layer in cache.layers)
    logits = model(mx.array([[7]]), [layer.copy() for layer in cache.layers])[0, -1]
    expected = model(mx.array([[*cache.tokens, 7]]))[0, -1]
    np.testing.assert_allclose(np.array(logits), np.array(expected), atol=1e-3)


def test_a_prompt_cache_continues_a_chat(model, tokenizer):
    cache = PromptCache(make_cache(model))
    first = ids(stream(model, tokenizer, max_tokens=6, cache=cache))
    consistent(model, cache)
    longer = [*PROMPT, *first, 4, 4, 4]
    records = stream(model, tokenizer, longer, max_tokens=6, cache=cache)
    assert ids(records) == greedy(model, longer, 6)
    assert records[0].cached_tokens == len(PROMPT) + 5  # the last was never fed
    other = [*PROMPT[:3], 50, 50]
    records = stream(model, tokenizer, other, max_tokens=6, cache=cache)
    assert ids(records) == greedy(model, other, 6)
    assert records[0].cached_tokens == 3


def test_layers_as_a_cache_are_continued(model, tokenizer):
    layers = make_cache(model)
    model(mx.array([PROMPT[:4]]), layers)
    assert ids(stream(model, tokenizer, PROMPT[4:], max_tokens=6, cache=layers)) == greedy(
        model, PROMPT, 6
    )
    with pytest.raises(ValueError, match="at most 14 tokens"):
        stream_generate(model, tokenizer, [1, 2, 3], cache=layers, context=14)


@pytest.mark.parametrize(
    "kind, options", [("growing", {}), ("rotating", {"max_size": 600, "keep": 4})]
)
def test_stopping_anywhere_leaves_the_cache_consistent(model, tokenizer, kind, options):
    cache = PromptCache(make_cache(model, kind, **options))
    records = stream_generate(model, tokenizer, PROMPT, cache=cache)
    taken = [next(records).token for _ in range(5)]
    records.close()
    assert cache.tokens == PROMPT + taken
    consistent(model, cache)


def test_an_error_between_two_layers_leaves_the_cache_consistent(tokenizer):
    model = tiny_llama()
    cache = PromptCache(make_cache(model))
    layer, calls = model.model.layers[1], []
    plain = type(layer).__call__

    class Failing(type(layer)):
        def __call__(self, *args):
            calls.append(0)
            if len(calls) == 4:
                raise KeyboardInterrupt
            return plain(self, *args)

    layer.__class__ = Failing
    with pytest.raises(KeyboardInterrupt):
        stream(model, tokenizer, cache=cache)
    assert cache.tokens[: len(PROMPT)] == PROMPT
    consistent(model, cache)


def test_ctrl_c_leaves_the_cache_consistent(model, tokenizer, ctrl_c):
    for delay in (0.003, 0.01, 0.02):
        cache = PromptCache(make_cache(model))
        timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            for _ in stream_generate(model, tokenizer, PROMPT, cache=cache, max_tokens=500):
                pass
            time.sleep(5)
        consistent(model, cache)


def test_a_window_that_slides_goes_on_for_ever(model, tokenizer):
    cache = PromptCache(make_cache(model, "rotating", max_size=16, keep=2))
    records = stream(model, tokenizer, [1, 2, 3] * 20, cache=cache, max_tokens=30, context=40)
    assert len(records) == 30
    assert len(cache.layers[0]) < 16 + 32 + 256


def test_progress_is_told(model, tokenizer):
    told = []
    stream(model, tokenizer, max_tokens=1, prefill_step=3, progress=lambda *a: told.append(a))
    assert told == [(3, 7), (6, 7), (7, 7)]
