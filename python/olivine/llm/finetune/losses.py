"""Losses over masked tokens: next-token cross entropy, and two that learn from preferences.

A batch is `(tokens, mask)`, both `(batch, length)`; `mask[b, t]` says whether token `t` is learned,
that is, predicted from those before it. A model maps tokens to logits. Where it does so by
`head(features(tokens))`, and `data.learned_positions(mask)` is given as `positions`, there are only
logits of learned tokens: with a large vocabulary they are much of the time and memory.
"""

from __future__ import annotations

import olivine.core as mx
import olivine.nn as nn


def token_losses(
    model, tokens: mx.array, mask: mx.array, positions: mx.array | None = None
) -> mx.array:
    """Cross entropy of each token after the first, `(batch, length - 1)`; 0 where masked out."""
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    if positions is None or not hasattr(model, "features"):
        losses = mx.fast.cross_entropy(model(inputs), targets)
        return mx.where(mask[:, 1:] > 0, losses, 0)
    x = model.features(inputs)
    at = mx.maximum(positions, 0)
    logits = model.head(x.reshape(-1, x.shape[-1])[at])
    losses = mx.fast.cross_entropy(logits, targets.reshape(-1)[at])
    losses = mx.where(positions >= 0, losses, 0)
    return mx.zeros(targets.size, losses.dtype).at[at].add(losses).reshape(targets.shape)


def language_model_loss(
    model, tokens: mx.array, mask: mx.array, positions: mx.array | None = None
) -> tuple[mx.array, mx.array]:
    """Sum of the losses of the learned tokens, and how many those are."""
    return token_losses(model, tokens, mask, positions).sum(), mask[:, 1:].sum()


def log_probabilities(
    model, tokens: mx.array, mask: mx.array, positions: mx.array | None = None
) -> mx.array:
    """Of each row's learned tokens together, `(batch,)`."""
    return -token_losses(model, tokens, mask, positions).sum(axis=1)


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
