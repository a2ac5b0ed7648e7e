"""Losses over masked tokens against their formulas."""

import numpy as np

import olivine.core as mx
from olivine.llm.finetune.losses import (
    dpo_loss,
    language_model_loss,
    log_probabilities,
    orpo_loss,
)

LOGITS = np.random.default_rng(0).standard_normal((2, 4, 7))
TOKENS = np.array([[1, 2, 3, 4, 5], [6, 5, 4, 3, 2]])
MASK = np.array([[0, 0, 1, 1, 0], [1, 1, 1, 1, 1]], bool)


def model(tokens):
    assert tokens.shape == (2, 4)
    return mx.array(LOGITS, mx.float32)


def reference():
    """Log probabilities of the learned tokens, 0 elsewhere."""
    log_p = LOGITS - np.log(np.exp(LOGITS).sum(-1, keepdims=True))
    picked = np.take_along_axis(log_p, TOKENS[:, 1:, None], -1)[..., 0]
    return picked * MASK[:, 1:]


def test_cross_entropy_counts_learned_tokens_only():
    total, count = language_model_loss(model, mx.array(TOKENS), mx.array(MASK))
    assert count.item() == 6
    np.testing.assert_allclose(total.item(), -reference().sum(), rtol=1e-5)


def test_log_probabilities_are_sums_over_a_row():
    out = log_probabilities(model, mx.array(TOKENS), mx.array(MASK))
    np.testing.assert_allclose(out, reference().sum(1), rtol=1e-5)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_dpo_is_the_logistic_loss_of_the_margin():
    c, r, rc, rr = np.random.default_rng(1).uniform(-9, -1, (4, 5))
    margin = 0.3 * ((c - rc) - (r - rr))
    arrays = [mx.array(x, mx.float32) for x in (c, r, rc, rr)]
    np.testing.assert_allclose(dpo_loss(*arrays, beta=0.3), -np.log(sigmoid(margin)), rtol=1e-4)
    smooth = -0.9 * np.log(sigmoid(margin)) - 0.1 * np.log(sigmoid(-margin))
    np.testing.assert_allclose(dpo_loss(*arrays, 0.3, 0.1), smooth, rtol=1e-4)


def test_orpo_adds_the_log_odds_ratio():
    c, r = np.random.default_rng(2).uniform(-3, -0.1, (2, 5))

    def odds(p):
        return np.exp(p) / (1 - np.exp(p))

    expected = -c - 0.2 * np.log(sigmoid(np.log(odds(c) / odds(r))))
    got = orpo_loss(mx.array(c, mx.float32), mx.array(r, mx.float32), beta=0.2)
    np.testing.assert_allclose(got, expected, rtol=1e-4)
