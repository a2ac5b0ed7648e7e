"""Batches against single runs."""

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm.batch import Batch, SequenceError, batch_generate
from olivine.llm.cache import PrefixCache
from olivine.llm.generation import stream_generate
from olivine.llm.sampling import Sampling
from tests.llm.tiny import LetterTokenizer, greedy, tiny_llama

RANDOM = np.random.default_rng(0)
PROMPTS = [RANDOM.integers(0, 61, size).tolist() for size in (3, 11, 1, 7, 20, 2, 5)]
COUNTS = [9, 3, 14, 1, 6, 11, 2]


@pytest.fixture(scope="module")
def model():
    return tiny_llama()


@pytest.fixture(scope="module")
def tokenizer():
    return LetterTokenizer()


@pytest.mark.parametrize("max_rows, prefill_step", [(1, 512), (3, 4), (64, 512), (4, 1)])
def test_rows_get_what_they_get_alone(model, tokenizer, max_rows, prefill_step):
    told = []
    results = batch_generate(
        model,
        tokenizer,
        PROMPTS,
        max_tokens=COUNTS,
        max_rows=max_rows,
        prefill_step=prefill_step,
        progress=lambda *a: told.append(a),
    )
    for prompt, count, result in zip(PROMPTS, COUNTS, results, strict=True):
        assert result.tokens == greedy(model, prompt, count)
        assert result.text == tokenizer.decode(result.tokens)
        assert result.finish_reason == "length"
        assert [r.generated_tokens for r in result.records] == list(range(1, count + 1))
    assert told == [(i + 1, 7) for i in range(7)]


def test_rows_differ_in_their_settings(model, tokenizer):
    """Seeds, penalties, stops, log-probabilities: as in a run alone."""
    settings = [
        Sampling(temperature=2.0, seed=3),
        Sampling(frequency_penalty=0.7, repetition_penalty=1.2),
        Sampling(temperature=1.0, top_k=5, seed=4),
        Sampling(),
        Sampling(temperature=0.5, top_p=0.8, presence_penalty=0.5, seed=4),
        Sampling(logit_bias={3: 9.0}),
        Sampling(temperature=3.0, min_p=0.1, seed=9),
    ]
    options = {"stop": ["a", "bc"], "logprobs": 2}
    results = batch_generate(
        model, tokenizer, PROMPTS, sampler=settings, max_tokens=25, max_rows=4, **options
    )
    for prompt, own, result in zip(PROMPTS, settings, results, strict=True):
        alone = list(
            stream_generate(model, tokenizer, prompt, sampler=own, max_tokens=25, **options)
        )
        assert result.tokens == [r.token for r in alone]
        assert [r.text for r in result.records] == [r.text for r in alone]
        assert result.finish_reason == alone[-1].finish_reason
        for a, b in zip(result.records, alone, strict=True):
            assert a.logprob == pytest.approx(b.logprob, abs=1e-3)
            assert [i for i, _ in a.top_logprobs] == [i for i, _ in b.top_logprobs]


def drain(batch, records=None):
    records = {} if records is None else records
    while len(batch):
        for id, record in batch.step():
            records.setdefault(id, []).append(record.token)
    return records


def test_sequences_join_in_the_midst_of_others(model, tokenizer):
    batch, records, ids = Batch(model, tokenizer, prefill_step=4), {}, []
    for prompt, count in zip(PROMPTS, COUNTS, strict=True):
        ids.append(batch.add(prompt, max_tokens=count))
        for id, record in batch.step():
            records.setdefault(id, []).append(record.token)
    drain(batch, records)
    for id, prompt, count in zip(ids, PROMPTS, COUNTS, strict=True):
        assert records[id] == greedy(model, prompt, count)
    # And again, after all have left.
    id = batch.add(PROMPTS[1], max_tokens=5)
    assert drain(batch)[id] == greedy(model, PROMPTS[1], 5)


def test_rows_with_processors_and_without(model, tokenizer):
    def only_even(tokens, logits):
        return mx.where(mx.arange(logits.shape[-1]) % 2 == 0, logits, -float("inf"))

    batch = Batch(model, tokenizer)
    first = batch.add(PROMPTS[0], max_tokens=9)
    second = batch.add(PROMPTS[1], max_tokens=6, processors=[only_even])
    records = drain(batch)
    assert records[first] == greedy(model, PROMPTS[0], 9)
    alone = stream_generate(model, tokenizer, PROMPTS[1], max_tokens=6, processors=[only_even])
    assert records[second] == [r.token for r in alone]


def test_a_cancelled_sequence_leaves_the_others(model, tokenizer):
    batch = Batch(model, tokenizer, max_rows=3)
    ids = [batch.add(prompt, max_tokens=8) for prompt in PROMPTS[:5]]
    records = {}
    for _ in range(3):
        for id, record in batch.step():
            records.setdefault(id, []).append(record.token)
    assert batch.running == 3
    assert batch.cancel(ids[0]) and batch.cancel(ids[4])
    assert not batch.cancel(ids[0])
    drain(batch, records)
    assert len(records[ids[0]]) == 3 and ids[4] not in records
    for index in (1, 2, 3):
        assert records[ids[index]] == greedy(model, PROMPTS[index], 8)


def test_prompts_that_begin_alike_are_processed_once(model, tokenizer):
    prefixes = PrefixCache()
    shared = PROMPTS[4]
    prompts = [[*shared, 1, 2], [*shared, 5], [*shared, 1, 2, 3]]
    batch, cached, tokens = Batch(model, tokenizer, prefixes=prefixes), {}, {}
    ids = [batch.add(prompt, max_tokens=4) for prompt in prompts]
    while len(batch):
        for id, record in batch.step():
            cached[id] = record.cached_tokens
            tokens.setdefault(id, []).append(record.token)
    assert [cached[id] for id in ids] == [0, 20, 22]
    for id, prompt in zip(ids, prompts, strict=True):
        assert tokens[id] == greedy(model, prompt, 4)


def test_memory_is_bounded_by_positions(model, tokenizer):
    batch = Batch(model, tokenizer, max_positions=40)
    for _ in range(6):
        batch.add([1, 2, 3, 4], max_tokens=6)
    batch.step()
    assert batch.running == 4
    drain(batch)
    batch.add([1] * 60, max_tokens=6)  # alone it may
    assert len(drain(batch)) == 1


def test_bad_sequences_are_refused_alone(model, tokenizer):
    batch = Batch(model, tokenizer)
    for prompt, match in (([], "at least one"), ([99], "below"), ([1] * 600, "at most 512")):
        with pytest.raises(ValueError, match=match):
            batch.add(prompt)
    assert len(batch) == 0
    with pytest.raises(ValueError, match="one max_tokens for each of 7 prompts; got 2"):
        batch_generate(model, tokenizer, PROMPTS, max_tokens=[1, 2])
    with pytest.raises(ValueError, match="max_rows"):
        Batch(model, tokenizer, max_rows=0)
    assert batch_generate(model, tokenizer, []) == []


def test_running_sequences_wait_little_for_long_prompts(model, tokenizer):
    batch, lengths = Batch(model, tokenizer), []
    first = batch.add(PROMPTS[0], max_tokens=8)
    batch.step()
    read = batch._read_prompt
    batch._read_prompt = lambda sequence, most: lengths.append(most) or read(sequence, most)
    second = batch.add([5] * 300, max_tokens=2)
    records = drain(batch)
    assert lengths == [128, 128, 128] and len(records[first]) == 7
    assert records[second] == greedy(model, [5] * 300, 2)


def test_a_prompt_that_fails_leaves_the_others(model, tokenizer):
    class Failing:
        def __getattr__(self, name):
            return getattr(model, name)

        def __call__(self, *args):
            return model(*args)

        def features(self, tokens, cache=None):
            if tokens[0, 0].item() == 60:
                raise MemoryError("no room")
            return model.features(tokens, cache)

    batch = Batch(Failing(), tokenizer)
    ids = [batch.add(prompt, max_tokens=5) for prompt in (PROMPTS[0], [60, 1], PROMPTS[1])]
    with pytest.raises(SequenceError, match="no room") as caught:
        batch.step()
    assert caught.value.id == ids[1]
    records = drain(batch)
    assert records[ids[0]] == greedy(model, PROMPTS[0], 5)
    assert records[ids[2]] == greedy(model, PROMPTS[1], 5)


def test_a_long_row_that_has_gone_costs_nothing(model, tokenizer):
    batch = Batch(model, tokenizer)
    first = batch.add(PROMPTS[0], max_tokens=30)
    batch.add([1] * 480, max_tokens=2)
    while batch.running < 2:
        batch.step()
    assert batch._layers[0].keys.shape[0] == 2 and batch._layers[0].keys.shape[2] == 576
    for _ in range(3):
        batch.step()
    assert batch.running == 1
    for prompt in PROMPTS[1:6]:
        batch.add(prompt, max_tokens=4)
    records = drain(batch, {})
    assert batch._layers[0].keys is None and first in records
    # While rows join, buffers become as narrow as the rows that are there.
    batch = Batch(model, tokenizer)
    batch.add(PROMPTS[0], max_tokens=200)
    long = batch.add([1] * 480, max_tokens=2)
    while batch.running < 2:
        batch.step()
    assert batch.cancel(long)
    for prompt in PROMPTS[1:6]:
        batch.add(prompt, max_tokens=100)
    batch.step()
    assert batch.running == 6 and batch._layers[0].keys.shape[2] == 64


def test_long_rows_attend_by_themselves(model, tokenizer):
    """Rows of very different lengths, the long ones in the midst."""
    prompts = [[7] * 5, [1, 2] * 200, [3, 4, 5] * 3, [9, 8] * 220, [6] * 30, [2] * 12]
    batch = Batch(model, tokenizer, max_rows=6)
    ids = [batch.add(prompt, max_tokens=6) for prompt in prompts]
    records = {}
    while batch.running < 6:
        for id, record in batch.step():
            records.setdefault(id, []).append(record.token)
    assert len(batch._layers[0].rows.runs) > 1
    drain(batch, records)
    for id, prompt in zip(ids, prompts, strict=True):
        assert records[id] == greedy(model, prompt, 6)
