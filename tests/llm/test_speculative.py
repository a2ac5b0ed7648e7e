"""Speculation gives what the model alone gives."""

import random

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm.cache import PromptCache, make_cache
from olivine.llm.generation import stream_generate
from olivine.llm.sampling import Sampling
from olivine.llm.speculative import DraftModel, PromptLookup, accept
from tests.llm.test_generation import consistent
from tests.llm.tiny import LetterTokenizer, greedy, tiny_llama

PROMPT = [4, 9, 2, 7, 4, 9, 2]


class Wrong(PromptLookup):
    """Guesses that are right for a while and then not."""

    def __init__(self, right, text):
        super().__init__()
        self.right, self.text = right, text

    def propose(self, history, count, row):
        done = len(history)
        guesses = self.text[done : done + count]
        return guesses[: self.right] + [(t + 1) % 61 for t in guesses[self.right :]], None


@pytest.fixture(scope="module")
def model():
    return tiny_llama()


@pytest.fixture(scope="module")
def tokenizer():
    return LetterTokenizer()


def tokens(model, tokenizer, prompt=PROMPT, **options):
    return [r.token for r in stream_generate(model, tokenizer, prompt, **options)]


@pytest.mark.parametrize("right", [0, 1, 3, 8])
@pytest.mark.parametrize("kind, options", [("growing", {}), ("rotating", {"max_size": 600})])
def test_greedy_is_unchanged_whatever_is_guessed(model, tokenizer, right, kind, options):
    expected = greedy(model, PROMPT, 30)
    draft = Wrong(right, PROMPT + expected)
    cache = PromptCache(make_cache(model, kind, **options))
    assert tokens(model, tokenizer, max_tokens=30, draft=draft, cache=cache) == expected
    assert (draft.accepted > 0) == (right > 0)
    consistent(model, cache)


def test_guesses_are_forgotten_in_a_window_that_slides(model, tokenizer):
    def caches():
        return make_cache(model, "rotating", max_size=6, keep=0)

    expected = tokens(model, tokenizer, max_tokens=100, cache=PromptCache(caches()))
    for right in (0, 2, 8):
        draft = Wrong(right, PROMPT + expected)
        cache = PromptCache(caches())
        assert tokens(model, tokenizer, max_tokens=100, draft=draft, cache=cache) == expected


@pytest.mark.parametrize(
    "settings", [Sampling(), Sampling(frequency_penalty=0.6, repetition_penalty=1.2)]
)
@pytest.mark.parametrize(
    "make", [PromptLookup, lambda: DraftModel(tiny_llama(seed=1, num_hidden_layers=1))]
)
def test_greedy_equals_plain_greedy(model, tokenizer, make, settings):
    draft = make()
    for _ in range(2):  # a draft model's cache serves the next text too
        plain = tokens(model, tokenizer, max_tokens=25, sampler=settings)
        assert tokens(model, tokenizer, max_tokens=25, sampler=settings, draft=draft) == plain
    assert draft.proposed > 0


def test_a_draft_of_the_same_model_is_always_right(model, tokenizer):
    draft = DraftModel(model, count=3)
    assert tokens(model, tokenizer, max_tokens=21, draft=draft) == greedy(model, PROMPT, 21)
    assert draft.accepted == draft.proposed == 15
    draft = DraftModel(model, count=3)
    tokens(model, tokenizer, max_tokens=21, draft=draft, sampler=Sampling(temperature=1.0, seed=1))
    assert draft.accepted == draft.proposed == 15


def test_what_was_said_before_is_looked_up():
    lookup = PromptLookup(count=3, longest=2)
    lookup._after, lookup._indexed = {}, 0
    assert lookup.propose([1, 2, 3, 4, 1, 2], 3, None)[0] == [3, 4, 1]
    assert lookup.propose([1, 2, 3, 4, 1, 2, 9], 3, None)[0] == []
    assert lookup.propose([1, 2, 3, 4, 1, 2, 9, 5, 1, 2], 2, None)[0] == [9, 5]  # the latest
    assert lookup.propose([1, 2, 3, 4, 1, 2, 9, 5, 1, 2, 4], 3, None)[0] == [1, 2, 9]  # one alone


def chi_square_bound(freedom):
    """The 1 - 1e-6 quantile (Wilson and Hilferty's approximation)."""
    return freedom * (1 - 2 / (9 * freedom) + 4.75 * np.sqrt(2 / (9 * freedom))) ** 3


def chi_square(counts, p):
    total = counts.sum()
    return ((counts - total * p) ** 2 / (total * p)).sum()


@pytest.mark.parametrize("fixed", [False, True])
def test_accepted_and_replaced_tokens_have_the_models_distribution(fixed):
    """The first token, whichever way it came, over guesses drawn from q."""
    rng, draws = random.Random(1), 3000
    p = np.array([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4]], np.float32)
    q = np.array([[0.1, 0.6, 0.2, 0.1]], np.float32)
    counts, after = np.zeros(4), np.zeros(4)
    wanted, drawn_from = mx.array(p), mx.array(q)
    for _ in range(draws):
        guess = 1 if fixed else rng.choices(range(4), q[0])[0]
        count, token = accept(wanted, [guess], None if fixed else drawn_from, rng)
        counts[guess if count else token] += 1
        if count:
            after[token] += 1
    assert chi_square(counts, p[0]) < chi_square_bound(3)
    assert chi_square(after, p[1]) < chi_square_bound(3)


@pytest.mark.parametrize("lookup", [False, True])
def test_sampled_texts_have_the_models_distribution(lookup):
    model = tiny_llama(vocab_size=3)
    tokenizer = LetterTokenizer(3)
    prompt, settings = [0, 1, 0, 1, 2, 0], {"temperature": 1.5, "top_p": 0.95}
    draft = PromptLookup() if lookup else DraftModel(tiny_llama(vocab_size=3, seed=5))

    def distribution(text):
        logits = np.array(model(mx.array([text]))[0, -1]).astype(float) / 1.5
        p = np.exp(logits - logits.max())
        p /= p.sum()
        order = np.argsort(-p)
        kept = order[: int(np.argmax(np.cumsum(p[order]) >= 0.95)) + 1]
        return np.array([p[i] if i in kept else 0 for i in range(3)]) / p[kept].sum()

    expected = np.zeros((3, 3, 3))
    for a, pa in enumerate(distribution(prompt)):
        for b, pb in enumerate(distribution([*prompt, a])):
            expected[a, b] = pa * pb * distribution([*prompt, a, b])
    counts = np.zeros((3, 3, 3))
    for seed in range(500):
        own = Sampling(**settings, seed=seed)
        text = tokens(model, tokenizer, prompt, max_tokens=3, sampler=own, draft=draft)
        counts[tuple(text)] += 1
    assert counts[expected == 0].sum() == 0
    likely = expected * 500 >= 3
    observed = np.append(counts[likely], counts[~likely].sum())
    p = np.append(expected[likely], expected[~likely].sum())
    observed, p = observed[p > 0], p[p > 0]
    assert 0 < draft.accepted < draft.proposed
    assert len(p) > 4 and chi_square(observed, p) < chi_square_bound(len(p) - 1)


def test_a_reader_that_stops_early_leaves_the_cache_consistent(model, tokenizer):
    expected = greedy(model, PROMPT, 30)
    for taken in (1, 2, 5, 9):
        cache = PromptCache(make_cache(model))
        records = stream_generate(
            model, tokenizer, PROMPT, cache=cache, draft=Wrong(8, PROMPT + expected)
        )
        for _ in range(taken):
            next(records)
        records.close()
        assert cache.tokens == (PROMPT + expected)[: len(cache.tokens)]
        assert len(PROMPT) + taken - 1 <= len(cache.tokens) <= len(PROMPT) + taken
        consistent(model, cache)


def test_log_probabilities_are_those_without_speculation(model, tokenizer):
    expected = greedy(model, PROMPT, 12)
    plain = list(stream_generate(model, tokenizer, PROMPT, max_tokens=12, logprobs=2))
    draft = Wrong(3, PROMPT + expected)
    records = list(
        stream_generate(model, tokenizer, PROMPT, max_tokens=12, logprobs=2, draft=draft)
    )
    for a, b in zip(plain, records, strict=True):
        assert a.logprob == pytest.approx(b.logprob, abs=1e-3)
        assert [i for i, _ in a.top_logprobs] == [i for i, _ in b.top_logprobs]


def test_what_speculation_cannot_do_is_refused(model, tokenizer):
    with pytest.raises(ValueError, match="without processors"):
        tokens(model, tokenizer, draft=PromptLookup(), processors=[lambda t, x: x])
    with pytest.raises(ValueError, match="draft model of the model's 61 tokens; it has 7"):
        tokens(model, tokenizer, draft=DraftModel(tiny_llama(vocab_size=7)))
    with pytest.raises(ValueError, match="shortest"):
        PromptLookup(longest=1, shortest=2)
