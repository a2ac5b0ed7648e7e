"""Losses over masked tokens: next-token cross entropy, and two that learn from preferences.

A batch is `(tokens, mask)`, both `(batch, length)`; `mask[b, t]` says whether token `t` is learned,
that is, predicted from those before it. A model maps tokens to logits.
"""

from __future__ import annotations

import olivine.core as mx
import olivine.nn as nn


def token_losses(model, tokens: mx.array, mask: mx.array) -> mx.array:
    """Cross entropy of each token after the first, `(batch, length - 1)`; 0 where masked out."""
    logits = model(tokens[:, :-1])
    losses = mx.fast.cross_entropy(logits.astype(mx.float32), tokens[:, 1:])
    return mx.where(mask[:, 1:] > 0, losses, 0)


def language_model_loss(model, tokens: mx.array, mask: mx.array) -> tuple[mx.array, mx.array]:
    """Sum of the losses of the learned tokens, and how many those are."""
    return token_losses(model, tokens, mask).sum(), mask[:, 1:].sum()


def log_probabilities(model, tokens: mx.array, mask: mx.array) -> mx.array:
    """Of each row's learned tokens together, `(batch,)`."""
    return -token_losses(model, tokens, mask).sum(axis=1)


def dpo_loss(
    chosen: mx.array,
    rejected: mx.array,
    reference_chosen: mx.array,
    reference_rejected: mx.array,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
) -> mx.array:
    """Direct preference optimization, per pair, from the log probabilities of both answers.

    Source: Rafailov et al. (2023), equation 7; with `label_smoothing`, Mitchell (2023).
    """
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    return -(1 - label_smoothing) * nn.log_sigmoid(margin) - label_smoothing * nn.log_sigmoid(
        -margin
    )


def orpo_loss(chosen: mx.array, rejected: mx.array, beta: float = 0.1) -> mx.array:
    """Odds-ratio preference optimization, per pair, from mean log probabilities of a token.

    Source: Hong et al., "ORPO" (2024), equations 6 and 7: the chosen answer's own loss, and `beta`
    times the log odds ratio. Both arguments are below 0.
    """

    def log_odds(p):
        return p - mx.log1p(-mx.exp(p))

    return -chosen - beta * nn.log_sigmoid(log_odds(chosen) - log_odds(rejected))
