"""The model: its sizes, causality, cache, and generation."""

import numpy as np
import pytest

import olivine.core as mx
from olivine.lm.generate import generate, sample
from olivine.lm.model import GPT
from olivine.lm.settings import GPTConfig, TrainConfig, training_memory
from olivine.utils import tree_flatten

CONFIG = GPTConfig(vocab_size=11, context=12, layers=2, heads=2, dims=16)


def make(**changes):
    mx.random.seed(0)
    model = GPT(GPTConfig(**{**vars(CONFIG), **changes}))
    # Larger than the initial weights, so that logits differ clearly.
    return model.apply(lambda p: p * 8).eval()


@pytest.fixture
def tokens():
    return mx.array(np.random.default_rng(0).integers(0, 11, (2, 12)))


@pytest.mark.parametrize("tied", [True, False])
def test_parameter_count_is_that_of_the_model(tied):
    config = GPTConfig(**{**vars(CONFIG), "tied": tied})
    count = sum(p.size for _, p in tree_flatten(GPT(config).parameters()))
    assert config.parameter_count() == count


def test_initial_loss_is_that_of_guessing(tokens):
    mx.random.seed(0)
    logits = np.array(GPT(CONFIG)(tokens))
    assert logits.shape == (2, 12, 11)
    assert np.abs(logits).max() < 0.5


def test_logits_depend_on_the_past_only(tokens):
    model = make()
    changed = np.array(tokens)
    changed[:, 6] = (changed[:, 6] + 1) % 11
    before, after = np.array(model(tokens)), np.array(model(mx.array(changed)))
    np.testing.assert_allclose(after[:, :6], before[:, :6], atol=1e-5)
    assert (np.abs(after - before).max(axis=(0, 2))[6:] > 1e-4).all()


@pytest.mark.parametrize("pieces", [[12], [5, 7], [1] * 12, [6, 1, 3, 2]])
def test_cached_pieces_give_the_logits_of_the_whole(tokens, pieces):
    model = make()
    cache, logits, start = model.make_cache(), [], 0
    for length in pieces:
        logits.append(np.array(model(tokens[:, start : start + length], cache)))
        start += length
    np.testing.assert_allclose(np.concatenate(logits, axis=1), np.array(model(tokens)), atol=1e-4)
    with pytest.raises(ValueError, match=r"\[GPT\] expected at most 12 tokens"):
        model(tokens[:, :1], cache)


@pytest.mark.parametrize(
    "settings, message",
    [({"dims": 15}, "divisible"), ({"layers": 0}, "layers"), ({"dropout": 1.0}, "dropout")],
)
def test_impossible_sizes_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        GPTConfig(**{**vars(CONFIG), **settings})


def test_memory_estimate_grows_with_every_size():
    base = training_memory(CONFIG, TrainConfig())
    for change in ({"dims": 32}, {"layers": 3}, {"context": 24}, {"vocab_size": 22}):
        assert training_memory(GPTConfig(**{**vars(CONFIG), **change}), TrainConfig()) > base
    assert training_memory(CONFIG, TrainConfig(batch_size=32)) > base


def test_sampling_follows_the_probabilities():
    logits = mx.array(np.log([[0.5, 0.3, 0.15, 0.05]] * 4000), dtype=mx.float32)
    key = mx.random.key(0)
    drawn = np.bincount(np.array(sample(logits, 1.0, None, key)), minlength=4) / 4000
    np.testing.assert_allclose(drawn, [0.5, 0.3, 0.15, 0.05], atol=0.03)
    sharper = np.bincount(np.array(sample(logits, 0.5, 2, key)), minlength=4) / 4000
    np.testing.assert_allclose(sharper, [25 / 34, 9 / 34, 0, 0], atol=0.03)
    for temperature in (0, 1e-320, 1e-3):
        assert (np.array(sample(logits, temperature, None, key)) == 0).all()
    assert (np.array(sample(logits, 1.0, 1, key)) == 0).all()


def test_greedy_generation_takes_the_best_of_the_whole_past():
    model = make()
    tokens = [1, 2, 3]
    for _ in range(6):
        tokens.append(int(np.array(model(mx.array([tokens])))[0, -1].argmax()))
    assert list(generate(model, [1, 2, 3], 6, temperature=0)) == tokens[3:]


def test_generation_goes_on_beyond_the_context():
    model = make()
    long = list(generate(model, [1], 40, seed=5))
    assert len(long) == 40 and all(0 <= token < 11 for token in long)
    assert list(generate(model, [1], 40, seed=5)) == long
    assert list(generate(model, [1], 40, seed=6)) != long
    assert list(generate(model, [1], 20, seed=5)) == long[:20]


def test_generation_after_a_full_context_reads_its_later_half():
    model = make()
    tokens = list(range(10)) + [0, 1]  # 12, the whole context
    first = next(generate(model, tokens, 1, temperature=0))
    second = list(generate(model, tokens, 2, temperature=0))[1]
    again = [*tokens, first][-6:]
    expected = int(np.array(model(mx.array([again])))[0, -1].argmax())
    assert second == expected


def test_generation_crops_long_prompts_and_wants_one():
    model = make()
    long = [3] * 20 + list(range(11))
    assert list(generate(model, long, 1, 0)) == list(generate(model, long[-12:], 1, 0))
    with pytest.raises(ValueError, match=r"\[generate\] expected"):
        next(generate(model, [], 1))
