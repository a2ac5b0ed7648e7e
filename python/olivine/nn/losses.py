"""Loss functions; `reduction` says whether each returns all losses, their mean or their sum."""

from __future__ import annotations

import math
from typing import Literal

import olivine.core as mx

Reduction = Literal["none", "mean", "sum"]


def _reduce(loss: mx.array, reduction: Reduction) -> mx.array:
    if reduction == "mean":
        return mx.mean(loss)
    if reduction == "sum":
        return mx.sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"[losses] expected reduction none, mean or sum; got {reduction!r}")


def _check_same_shape(op: str, a: mx.array, b: mx.array) -> None:
    if a.shape != b.shape:
        raise ValueError(f"[{op}] expected equal shapes; got {a.shape} and {b.shape}")


def cross_entropy(
    logits: mx.array,
    targets: mx.array,
    weights: mx.array | None = None,
    axis: int = -1,
    label_smoothing: float = 0.0,
    reduction: Reduction = "none",
) -> mx.array:
    """Cross entropy of the softmax of `logits` along `axis`.

    `targets` are class indices (the shape of `logits` without `axis`) or probabilities (the same
    shape as `logits`). `weights` multiply the losses before the reduction.
    """
    if not 0 <= label_smoothing < 1:
        raise ValueError(
            f"[cross_entropy] expected 0 <= label_smoothing < 1; got {label_smoothing}"
        )
    without_axis = list(logits.shape)
    del without_axis[axis]
    as_probabilities = targets.shape == logits.shape
    if not as_probabilities and targets.shape != tuple(without_axis):
        raise ValueError(
            f"[cross_entropy] expected targets of shape {tuple(without_axis)} or {logits.shape}; "
            f"got {targets.shape}"
        )

    if as_probabilities:
        # Counted from the largest logit, as in MLX; it matters if the targets do not sum to 1.
        logits = logits - mx.stop_gradient(mx.max(logits, axis=axis, keepdims=True))
        score = mx.sum(logits * targets, axis=axis)
    else:
        score = mx.take_along_axis(logits, mx.expand_dims(targets, axis), axis=axis).squeeze(axis)
    log_total = mx.logsumexp(logits, axis=axis)
    if label_smoothing > 0:
        mean_score = mx.mean(logits, axis=axis)
        score = (1 - label_smoothing) * score + label_smoothing * mean_score
    loss = log_total - score

    if weights is not None:
        _check_same_shape("cross_entropy", weights, loss)
        loss = loss * weights
    return _reduce(loss, reduction)


def binary_cross_entropy(
    inputs: mx.array,
    targets: mx.array,
    weights: mx.array | None = None,
    with_logits: bool = True,
    reduction: Reduction = "mean",
) -> mx.array:
    """Cross entropy of yes-or-no predictions, given as logits or (clipped at -100 in the
    logarithm) as probabilities.
    """
    _check_same_shape("binary_cross_entropy", inputs, targets)
    if with_logits:
        loss = mx.logaddexp(0.0, inputs) - inputs * targets
    else:
        log_yes = mx.maximum(mx.log(inputs), -100)
        log_no = mx.maximum(mx.log(1 - inputs), -100)
        loss = -(log_yes * targets + log_no * (1 - targets))
    if weights is not None:
        _check_same_shape("binary_cross_entropy", weights, loss)
        loss = loss * weights
    return _reduce(loss, reduction)


def l1_loss(predictions: mx.array, targets: mx.array, reduction: Reduction = "mean") -> mx.array:
    """`|predictions - targets|`."""
    _check_same_shape("l1_loss", predictions, targets)
    return _reduce(mx.abs(predictions - targets), reduction)


def mse_loss(predictions: mx.array, targets: mx.array, reduction: Reduction = "mean") -> mx.array:
    """`(predictions - targets) ** 2`."""
    _check_same_shape("mse_loss", predictions, targets)
    return _reduce(mx.square(predictions - targets), reduction)


def nll_loss(
    inputs: mx.array, targets: mx.array, axis: int = -1, reduction: Reduction = "none"
) -> mx.array:
    """Minus the log-probability, taken from `inputs`, of each target class."""
    picked = mx.take_along_axis(inputs, mx.expand_dims(targets, axis), axis=axis)
    return _reduce(-picked.squeeze(axis), reduction)


def gaussian_nll_loss(
    inputs: mx.array,
    targets: mx.array,
    vars: mx.array,
    full: bool = False,
    eps: float = 1e-6,
    reduction: Reduction = "mean",
) -> mx.array:
    """Minus the log-density of `targets` under a Gaussian of mean `inputs` and variance `vars`.

    Variances are clipped below at `eps`; `full` includes the constant `log(2 pi) / 2`.
    """
    _check_same_shape("gaussian_nll_loss", inputs, targets)
    _check_same_shape("gaussian_nll_loss", inputs, vars)
    vars = mx.maximum(vars, eps)
    loss = 0.5 * (mx.log(vars) + mx.square(targets - inputs) / vars)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduce(loss, reduction)


def kl_div_loss(
    inputs: mx.array, targets: mx.array, axis: int = -1, reduction: Reduction = "none"
) -> mx.array:
    """Divergence of `inputs` from `targets`, both log-probabilities along `axis`."""
    return _reduce(mx.sum(mx.exp(targets) * (targets - inputs), axis), reduction)


def smooth_l1_loss(
    predictions: mx.array,
    targets: mx.array,
    beta: float = 1.0,
    reduction: Reduction = "mean",
) -> mx.array:
    """Quadratic for differences below `beta`, linear above."""
    _check_same_shape("smooth_l1_loss", predictions, targets)
    difference = mx.abs(predictions - targets)
    # The minimum keeps the square, and so the gradient, finite for an infinite difference.
    near = 0.5 * mx.square(mx.minimum(difference, beta)) / beta
    loss = mx.where(difference < beta, near, difference - 0.5 * beta)
    return _reduce(loss, reduction)


def triplet_loss(
    anchors: mx.array,
    positives: mx.array,
    negatives: mx.array,
    axis: int = -1,
    p: int = 2,
    margin: float = 1.0,
    eps: float = 1e-6,
    reduction: Reduction = "none",
) -> mx.array:
    """By how much anchors are not nearer (in the `p`-norm) to positives than to negatives."""

    def distance(other: mx.array) -> mx.array:
        return mx.power(mx.sum(mx.power(mx.abs(anchors - other), p), axis) + eps, 1 / p)

    loss = mx.maximum(distance(positives) - distance(negatives) + margin, 0)
    return _reduce(loss, reduction)


def hinge_loss(inputs: mx.array, targets: mx.array, reduction: Reduction = "none") -> mx.array:
    """`max(1 - inputs * targets, 0)` for targets of -1 and 1."""
    return _reduce(mx.maximum(1 - inputs * targets, 0), reduction)


def huber_loss(
    inputs: mx.array,
    targets: mx.array,
    delta: float = 1.0,
    reduction: Reduction = "none",
) -> mx.array:
    """`delta` times `smooth_l1_loss`: quadratic up to `delta`, linear above."""
    difference = mx.abs(inputs - targets)
    loss = mx.where(
        difference < delta,
        0.5 * mx.square(mx.minimum(difference, delta)),
        delta * (difference - 0.5 * delta),
    )
    return _reduce(loss, reduction)


def log_cosh_loss(inputs: mx.array, targets: mx.array, reduction: Reduction = "none") -> mx.array:
    """The logarithm of the hyperbolic cosine of the difference, without overflow."""
    errors = inputs - targets
    return _reduce(mx.logaddexp(errors, -errors) - math.log(2), reduction)


def cosine_similarity_loss(
    x1: mx.array,
    x2: mx.array,
    axis: int = 1,
    eps: float = 1e-8,
    reduction: Reduction = "none",
) -> mx.array:
    """The cosine of the angle between `x1` and `x2`; `eps` bounds the norms' product below."""

    def norm(x: mx.array) -> mx.array:
        return mx.sqrt(mx.sum(mx.square(x), axis=axis))

    cosine = mx.sum(x1 * x2, axis=axis) / mx.maximum(norm(x1) * norm(x2), eps)
    return _reduce(cosine, reduction)


def margin_ranking_loss(
    inputs1: mx.array,
    inputs2: mx.array,
    targets: mx.array,
    margin: float = 0.0,
    reduction: Reduction = "none",
) -> mx.array:
    """`max(0, -targets * (inputs1 - inputs2) + margin)`: a target of 1 ranks the first higher."""
    _check_same_shape("margin_ranking_loss", inputs1, inputs2)
    _check_same_shape("margin_ranking_loss", inputs1, targets)
    return _reduce(mx.maximum(0, margin - targets * (inputs1 - inputs2)), reduction)
