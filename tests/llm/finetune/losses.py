"""Losses over masked tokens against their formulas."""

import numpy as np
import pytest

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.finetune.data import learned_positions
from olivine.llm.finetune.losses import (
    dpo_loss,
    language_model_loss,
    log_probabilities,
    orpo_loss,
    token_losses,
)
from olivine.utils import tree_flatten
from tests.llm.tiny_chat import tiny_llama

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


@pytest.mark.parametrize("learned", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("compiled", [False, True])
def test_heads_at_learned_positions_alone_change_nothing(learned, compiled):
    mx.random.seed(0)
    llama = tiny_llama()
    rng = np.random.default_rng(3)
    tokens = mx.array(rng.integers(0, 50, (3, 40)))
    mask = rng.uniform(size=(3, 40)) < learned
    positions, mask = mx.array(learned_positions(mask)), mx.array(mask)

    def total(*batch):
        return token_losses(llama, *batch).sum()

    plain, skipping = nn.value_and_grad(llama, total), nn.value_and_grad(llama, total)
    if compiled:
        skipping = mx.compile(skipping, inputs=llama.state)
    each = token_losses(llama, tokens, mask), token_losses(llama, tokens, mask, positions)
    np.testing.assert_allclose(*each, rtol=1e-5, atol=1e-6)
    loss, grads = plain(tokens, mask)
    loss_skipping, grads_skipping = skipping(tokens, mask, positions)
    np.testing.assert_allclose(loss, loss_skipping, rtol=1e-5)
    for (name, a), (_, b) in zip(*map(tree_flatten, (grads, grads_skipping)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=name)


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
