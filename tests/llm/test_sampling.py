"""Sampling against plain NumPy, and what seeds promise."""

import numpy as np
import pytest

import olivine.core as mx
from olivine.llm import sampling
from olivine.llm.sampling import Row, Sampler, Sampling, make_sampler

VOCAB = 40


def random_logits(rows=3, vocab=VOCAB, seed=0):
    return (np.random.default_rng(seed).normal(size=(rows, vocab)) * 2).astype(np.float32)


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


# The references: one row of float64 logits and the settings; what is left is True.


def kept_top_k(x, k):
    return np.ones(len(x), bool) if k == 0 else x >= np.sort(x)[-k]


def kept_top_p(x, p):
    if p >= 1:
        return np.ones(len(x), bool)
    kept, total, probabilities = np.zeros(len(x), bool), 0.0, softmax(x)
    for i in np.argsort(-x):
        kept[i] = True
        total += probabilities[i]
        if total >= p:
            return kept
    return kept


def kept_min_p(x, p):
    probabilities = softmax(x)
    return probabilities >= p * probabilities.max()


def kept_typical(x, p):
    if p >= 1:
        return np.ones(len(x), bool)
    probabilities = softmax(x)
    surprise = -np.log(probabilities)
    distance = np.abs(surprise - (probabilities * surprise).sum())
    kept, total = np.zeros(len(x), bool), 0.0
    for i in np.argsort(distance):
        kept[i] = True
        total += probabilities[i]
        if total >= p:
            return kept
    return kept


def kept_xtc(x, threshold):
    probabilities = softmax(x)
    above = np.flatnonzero(probabilities > threshold)
    kept = np.ones(len(x), bool)
    if len(above):
        kept[above] = False
        kept[above[np.argmin(probabilities[above])]] = True
    return kept


FILTERS = [
    (sampling.top_k, kept_top_k, [1, 5, 39, 40]),
    (sampling.top_p, kept_top_p, [0.01, 0.5, 0.9, 0.999, 1.0]),
    (sampling.min_p, kept_min_p, [0.0, 0.02, 0.5, 1.0]),
    (sampling.typical_p, kept_typical, [0.01, 0.4, 0.9, 1.0]),
    (lambda x, t: sampling.exclude_top(x, t, True), kept_xtc, [0.0, 0.05, 0.2, 1.0]),
]


@pytest.mark.parametrize("function, reference, values", FILTERS)
@pytest.mark.parametrize("seed", range(4))
def test_filters_leave_what_they_say(function, reference, values, seed):
    x = random_logits(seed=seed)
    for value in values:
        expected = np.stack([np.where(reference(r.astype(float), value), r, -np.inf) for r in x])
        np.testing.assert_array_equal(np.array(function(mx.array(x), value)), expected)
    # Every row its own value.
    some = (values * 3)[:3]
    column = mx.array(some)[:, None]
    y = (
        function(mx.array(x), column, 40)
        if function is sampling.top_k
        else function(mx.array(x), column)
    )
    for row, value in enumerate(some):
        expected = np.where(reference(x[row].astype(float), value), x[row], -np.inf)
        np.testing.assert_array_equal(np.array(y)[row], expected)


def test_rows_without_a_filter_pass_it_unchanged():
    x = mx.array(random_logits())
    off = mx.array([0, 3, 0])[:, None]
    np.testing.assert_array_equal(np.array(sampling.top_k(x, off, 3))[[0, 2]], np.array(x)[[0, 2]])
    ones = mx.array([1.0, 0.5, 1.0])[:, None]
    for function in (sampling.top_p, sampling.typical_p):
        np.testing.assert_array_equal(np.array(function(x, ones))[[0, 2]], np.array(x)[[0, 2]])
    on = mx.array([False, True, False])[:, None]
    y = np.array(sampling.exclude_top(x, 0.01, on))
    np.testing.assert_array_equal(y[[0, 2]], np.array(x)[[0, 2]])


def test_ties_stay_together():
    x = mx.array([[2.0, 1.0, 2.0, 0.0, 2.0]])
    assert np.isfinite(np.array(sampling.top_k(x, 2))).tolist() == [
        [True, False, True, False, True]
    ]
    assert np.isfinite(np.array(sampling.top_p(x, 0.3))).tolist() == [
        [True, False, True, False, True]
    ]


def test_a_draw_inverts_the_running_sum():
    x = random_logits(rows=200)
    x[:, 5:9] = -np.inf
    u = np.random.default_rng(1).random((200, 1)).astype(np.float32)
    u[0], u[1] = 0.0, np.float32(1 - 2**-24)
    x[1, -3:] = -np.inf
    drawn = np.array(sampling.draw(mx.array(x), mx.array(u)))
    for row in range(200):
        total = np.cumsum(softmax(x[row].astype(float)))
        expected = int(np.argmax(total > u[row, 0] * total[-1]))
        edge = np.abs(total - u[row, 0]).min() < 1e-5
        assert drawn[row] == expected or edge
        assert np.isfinite(x[row, drawn[row]])


def reference_process(x, prompt, generated, s):
    x = x.astype(float).copy()
    for token, bias in s.logit_bias.items():
        x[token] += bias
    for token in set([*prompt, *generated][-s.repetition_context :]):
        x[token] = (
            x[token] / s.repetition_penalty if x[token] > 0 else x[token] * s.repetition_penalty
        )
    for token in set(generated):
        x[token] -= s.presence_penalty + s.frequency_penalty * generated.count(token)
    return x


SETTINGS = [
    Sampling(),
    Sampling(repetition_penalty=1.3, repetition_context=4),
    Sampling(repetition_penalty=1.7, repetition_context=1),
    Sampling(presence_penalty=0.7),
    Sampling(frequency_penalty=0.4, presence_penalty=-0.2),
    Sampling(logit_bias={3: 5.0, 7: -100.0}, frequency_penalty=0.1, repetition_penalty=0.9),
]


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("rows", [[s] for s in SETTINGS] + [SETTINGS])
def test_penalties_follow_their_formulas(rows, waits):
    """Whether the last token is known yet (`waits`) makes no difference."""
    prompts = [[1, 2, 3, 2], [5], [9, 9, 8], [4, 3, 2, 1], [0], [7, 6]][: len(rows)]
    sampler = Sampler([Row(s, p) for s, p in zip(rows, prompts, strict=True)])
    generated, untold = [[] for _ in rows], None
    for step in range(8):
        x = random_logits(len(rows), seed=step)
        y = np.array(sampler.process(mx.array(x)))
        for row, s in enumerate(rows):
            expected = reference_process(x[row], prompts[row], generated[row], s)
            np.testing.assert_allclose(y[row], expected, rtol=1e-5, atol=1e-5)
        tokens = sampler(mx.array(x)).tolist()
        if untold is not None:
            sampler.observe(untold)
        if waits:
            sampler.observe(tokens)
        untold = None if waits else tokens
        for row, token in enumerate(tokens):
            generated[row].append(token)


def test_greedy_takes_the_largest():
    x = random_logits()
    sampler = Sampler([Row(Sampling())] * 3)
    assert sampler(mx.array(x)).tolist() == x.argmax(-1).tolist()
    assert sampler(mx.array(x).astype(mx.float16)).tolist() == x.argmax(-1).tolist()


FULL = Sampling(
    temperature=0.7, top_k=20, top_p=0.9, min_p=0.01, typical_p=0.95, repetition_penalty=1.1, seed=3
)


def test_probabilities_are_the_composition():
    x = random_logits(1)
    s = FULL
    y = reference_process(x[0], [1, 2], [], s) / s.temperature
    for reference, value in (
        (kept_top_k, s.top_k),
        (kept_typical, s.typical_p),
        (kept_top_p, s.top_p),
        (kept_min_p, s.min_p),
    ):
        kept = np.isfinite(y)
        left = np.zeros(len(y), bool)
        left[kept] = reference(y[kept], value)
        y = np.where(left, y, -np.inf)
    p = np.array(make_sampler(s, [1, 2]).probabilities(mx.array(x)))[0]
    np.testing.assert_allclose(p, softmax(y), atol=1e-6)


@pytest.mark.parametrize("settings", [Sampling(temperature=1.0, seed=1), FULL])
def test_draws_have_the_probabilities(settings):
    """Chi-square of 4,000 draws; the bar is the 1 - 1e-6 quantile (Wilson-Hilferty)."""
    x = random_logits(1, vocab=12)
    rows = [Row(Sampling(**{**vars(settings), "seed": i}), [1]) for i in range(4000)]
    sampler = Sampler(rows)
    drawn = np.array(sampler(mx.array(np.repeat(x, 4000, 0))))
    p = np.array(make_sampler(settings, [1]).probabilities(mx.array(x)))[0].astype(float)
    counts = np.bincount(drawn, minlength=12)
    assert counts[p == 0].sum() == 0
    possible = p > 0
    freedom = possible.sum() - 1
    chi = ((counts - 4000 * p)[possible] ** 2 / (4000 * p[possible])).sum()
    bar = freedom * (1 - 2 / (9 * freedom) + 4.75 * np.sqrt(2 / (9 * freedom))) ** 3
    assert chi < bar


def test_a_seed_gives_the_same_tokens_whatever_the_neighbours():
    steps = [random_logits(1, seed=i) for i in range(30)]

    def alone(settings):
        sampler, tokens = make_sampler(settings, [1]), []
        for x in steps:
            tokens += sampler(mx.array(x)).tolist()
            sampler.observe(tokens[-1:])
        return tokens

    neighbours = [
        Sampling(),
        Sampling(temperature=2.0, top_k=3, seed=9, xtc_probability=0.5),
        Sampling(temperature=0.3, logit_bias={2: 4.0}, frequency_penalty=0.5, min_p=0.3),
    ]
    expected = alone(FULL)
    assert alone(FULL) == expected and len(set(expected)) > 5
    assert alone(Sampling(**{**vars(FULL), "seed": 4})) != expected
    sampler, tokens = Sampler([Row(s, [1]) for s in [*neighbours, FULL]]), []
    for x in steps:
        drawn = sampler(mx.array(np.repeat(x, 4, 0))).tolist()
        sampler.observe(drawn)
        tokens.append(drawn[-1])
    assert tokens == expected


def test_without_a_seed_the_global_state_decides():
    x = mx.array(random_logits(1))

    def some():
        sampler = make_sampler(temperature=1.5)
        return [sampler(x).item() for _ in range(20)]

    mx.random.seed(5)
    first, second = some(), some()
    mx.random.seed(5)
    assert some() == first and first != second


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"top_p": 0},
        {"top_p": 1.1},
        {"min_p": 2},
        {"typical_p": 0},
        {"xtc_probability": -0.1},
        {"repetition_penalty": 0},
        {"repetition_context": 0},
        {"presence_penalty": float("inf")},
        {"logit_bias": {1: float("nan")}},
    ],
)
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=rf"\[llm\] expected a {next(iter(options))}"):
        Sampling(**options)
