"""When words were said: warping, medians, punctuation, and an alignment with a planted answer."""

import time

import numpy as np
import pytest

from olivine.audio.timing import Word, align, join_punctuation, median_filter, shorten, warp
from tests.audio.fake import FakeModel, FakeTokenizer


def cheapest(costs):
    """The least total of all paths, by the recurrence that defines it."""
    n, m = costs.shape
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0
    for i in range(n):
        for j in range(m):
            least = min(total[i, j], total[i, j + 1], total[i + 1, j])
            total[i + 1, j + 1] = costs[i, j] + least
    return total[n, m]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (5, 5), (4, 30), (30, 4), (17, 40)])
@pytest.mark.parametrize("seed", range(3))
def test_the_path_is_the_cheapest(shape, seed):
    costs = np.random.default_rng(seed).standard_normal(shape)
    rows, columns = warp(costs)
    assert (rows[0], columns[0]) == (0, 0)
    assert (rows[-1], columns[-1]) == (shape[0] - 1, shape[1] - 1)
    steps = set(zip(np.diff(rows).tolist(), np.diff(columns).tolist(), strict=True))
    assert steps <= {(0, 1), (1, 0), (1, 1)}
    assert costs[rows, columns].sum() == pytest.approx(cheapest(costs))


def test_a_window_is_warped_in_moments():
    costs = np.random.default_rng(0).standard_normal((224, 1500))
    start = time.perf_counter()
    warp(costs)
    assert time.perf_counter() - start < 1.0  # about 0.02 s


def test_nothing_to_warp():
    with pytest.raises(ValueError, match=r"\[warp\] expected a matrix"):
        warp(np.zeros((0, 5)))


@pytest.mark.parametrize("count", [1, 3, 4, 5, 50])
def test_medians(count):
    values = np.random.default_rng(0).standard_normal((2, count))
    got = median_filter(values, 7)
    if count <= 3:
        np.testing.assert_array_equal(got, values)
        return
    wide = np.concatenate([values[:, 3:0:-1], values, values[:, -2:-5:-1]], axis=1)
    for i in range(count):
        np.testing.assert_array_equal(got[:, i], np.median(wide[:, i : i + 7], axis=1))


def word(text, start, end):
    return Word(text, start, end, 0.5, tuple(text.encode()))


def test_punctuation_joins_its_word():
    words = [word(t, i, i + 1) for i, t in enumerate([' "', "Oh", ",", " (", "so", ")", ".", " x"])]
    joined = join_punctuation(words)
    assert [w.word for w in joined] == [' "Oh,', " (so).", " x"]
    assert [(w.start, w.end) for w in joined] == [(1, 2), (4, 5), (7, 8)]
    assert joined[0].tokens == tuple(b' "Oh,')
    alone = join_punctuation([word(" (", 0, 1)])
    assert [w.word for w in alone] == [" ("]


def test_pauses_around_sentences_are_no_part_of_words():
    words = [word(" One", 0, 3), word(" two", 3, 3.4), word(".", 3.4, 6), word(" Go", 6, 9)]
    words += [word(" on", 9, 9.3), word(" now", 9.3, 9.6), word(" or", 9.6, 10)]
    words += [word(" slow", 10, 13), word(" ly", 13, 13.2), word(" so", 13.2, 13.5)]
    short = shorten(words)
    longest = 2 * 0.4
    assert short[0].start == pytest.approx(3 - longest) and short[0].end == 3
    assert short[2].end == pytest.approx(3.4 + longest)
    assert short[3].start == pytest.approx(9 - longest)
    assert (short[7].start, short[7].end) == (10, 13)  # amid a sentence it may be long
    assert shorten([]) == []


def test_words_are_where_the_model_looked():
    model, tokenizer = FakeModel(), FakeTokenizer()
    words = align(model, tokenizer, tokenizer.encode(" ab cde f"), features(), 10.0)
    assert [w.word for w in words] == [" ab", " cde", " f"]
    # The path begins at 0; the word before which is a pause takes twice the usual time at most.
    assert words[0].start >= 0.7
    assert [w.start for w in words[1:]] == pytest.approx([1.15, 1.35], abs=0.05)
    assert [w.end for w in words] == pytest.approx([1.15, 1.35, 1.45], abs=0.06)
    assert align(model, tokenizer, [], features(), 10.0) == []


def test_words_end_with_the_sound():
    model, tokenizer = FakeModel(), FakeTokenizer()
    words = align(model, tokenizer, tokenizer.encode(" abcdefghijklmnop"), features(), 1.3)
    assert words[-1].end <= 1.3


def features():
    import olivine.core as mx

    return mx.zeros((1, 1500, 80))
