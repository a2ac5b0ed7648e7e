"""Losses against their formulas in NumPy, with every reduction."""

import numpy as np
import pytest

import olivine.core as mx
from olivine.nn import losses

rng = np.random.default_rng(2)
A, B, C = (rng.normal(size=(4, 5)).astype(np.float32) for _ in range(3))
SIGNS = np.sign(C)
PROBABILITIES = 1 / (1 + np.exp(-A))
CLASSES = np.array([0, 2, 4, 1])


def log_softmax(x, axis=-1):
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def one_hot(classes, size):
    return np.eye(size)[classes]


def cross_entropy(logits, probabilities, smoothing=0.0):
    size = logits.shape[-1]
    return -(((1 - smoothing) * probabilities + smoothing / size) * log_softmax(logits)).sum(-1)


def smooth_l1(d, beta):
    d = np.abs(d)
    return np.where(d < beta, d**2 / (2 * beta), d - beta / 2)


def norm(x, p=2):
    return (np.abs(x) ** p).sum(-1) ** (1 / p)


LOG_A, LOG_B = log_softmax(A), log_softmax(B)

CASES = {
    "cross_entropy": ((A, CLASSES), {}, cross_entropy(A, one_hot(CLASSES, 5))),
    "cross_entropy smoothed": (
        (A, CLASSES),
        {"label_smoothing": 0.1},
        cross_entropy(A, one_hot(CLASSES, 5), 0.1),
    ),
    "cross_entropy of probabilities": (
        (A, np.exp(LOG_B)),
        {"label_smoothing": 0.2},
        cross_entropy(A, np.exp(LOG_B), 0.2),
    ),
    "cross_entropy along axis 0": (
        (A, np.array([0, 3, 1, 2, 0])),
        {"axis": 0},
        cross_entropy(A.T, one_hot([0, 3, 1, 2, 0], 4)),
    ),
    "cross_entropy weighted": (
        (A, CLASSES, np.array([1.0, 2.0, 0.0, 0.5])),
        {},
        cross_entropy(A, one_hot(CLASSES, 5)) * [1, 2, 0, 0.5],
    ),
    "binary_cross_entropy": (
        (A, (C > 0).astype(np.float32)),
        {},
        np.where(C > 0, np.logaddexp(0, -A), np.logaddexp(0, A)),
    ),
    "binary_cross_entropy of probabilities": (
        (PROBABILITIES, (C > 0).astype(np.float32), np.abs(B)),
        {"with_logits": False},
        np.where(C > 0, np.logaddexp(0, -A), np.logaddexp(0, A)) * np.abs(B),
    ),
    "binary_cross_entropy of certainties": (
        (np.array([0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0])),
        {"with_logits": False},
        np.array([0.0, 0.0, 100.0]),
    ),
    "l1_loss": ((A, B), {}, np.abs(A - B)),
    "mse_loss": ((A, B), {}, (A - B) ** 2),
    "nll_loss": ((LOG_A, CLASSES), {}, -LOG_A[np.arange(4), CLASSES]),
    "gaussian_nll_loss": (
        (A, B, np.abs(C) + 0.1),
        {},
        0.5 * (np.log(np.abs(C) + 0.1) + (A - B) ** 2 / (np.abs(C) + 0.1)),
    ),
    "gaussian_nll_loss full": (
        (A, B, np.abs(C) * 0 + 1e-9),
        {"full": True, "eps": 0.5},
        0.5 * (np.log(0.5) + (A - B) ** 2 / 0.5 + np.log(2 * np.pi)),
    ),
    "kl_div_loss": ((LOG_A, LOG_B), {}, (np.exp(LOG_B) * (LOG_B - LOG_A)).sum(-1)),
    "smooth_l1_loss": ((A, B), {"beta": 0.5}, smooth_l1(A - B, 0.5)),
    "huber_loss": ((A, B), {"delta": 0.5}, 0.5 * smooth_l1(A - B, 0.5)),
    "triplet_loss": (
        (A, B, C),
        {"p": 3, "margin": 0.5},
        np.maximum(norm(A - B, 3) - norm(A - C, 3) + 0.5, 0),
    ),
    "hinge_loss": ((A, SIGNS), {}, np.maximum(1 - A * SIGNS, 0)),
    "log_cosh_loss": ((A, B), {}, np.log(np.cosh(A - B))),
    "log_cosh_loss of far points": (
        (np.array([500.0, -500.0]), np.array([0.0, 0.0])),
        {},
        np.array([500 - np.log(2)] * 2),
    ),
    "cosine_similarity_loss": ((A, B), {}, (A * B).sum(-1) / (norm(A) * norm(B))),
    "cosine_similarity_loss of zeros": ((A * 0, B), {}, np.zeros(4)),
    "margin_ranking_loss": (
        (A, B, SIGNS),
        {"margin": 0.2},
        np.maximum(0.2 - SIGNS * (A - B), 0),
    ),
}


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("case", CASES)
def test_loss_follows_its_formula(case, reduction):
    args, options, expected = CASES[case]
    arrays = [mx.array(a if a.dtype.kind == "i" else a.astype(np.float32)) for a in args]
    loss = getattr(losses, case.split()[0])(*arrays, **options, reduction=reduction)
    expected = {"none": expected, "mean": expected.mean(), "sum": expected.sum()}[reduction]
    np.testing.assert_allclose(np.array(loss), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda a: losses.mse_loss(a, a, reduction="other"), "reduction none, mean or sum"),
        (lambda a: losses.mse_loss(a, a[:1]), "equal shapes"),
        (lambda a: losses.l1_loss(a, a[:1]), "equal shapes"),
        (lambda a: losses.binary_cross_entropy(a, a[:1]), "equal shapes"),
        (lambda a: losses.cross_entropy(a, mx.array([0, 1])), "targets of shape"),
        (lambda a: losses.cross_entropy(a, a, label_smoothing=1.0), "label_smoothing"),
        (lambda a: losses.cross_entropy(a, a, weights=a), "equal shapes"),
        (lambda a: losses.gaussian_nll_loss(a, a, a[:1]), "equal shapes"),
        (lambda a: losses.margin_ranking_loss(a, a, a[:1]), "equal shapes"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(mx.array(A))


def test_cross_entropy_gradient_is_softmax_minus_target():
    gradient = mx.grad(lambda x: losses.cross_entropy(x, mx.array(CLASSES), reduction="sum"))(
        mx.array(A)
    )
    expected = np.exp(LOG_A) - one_hot(CLASSES, 5)
    np.testing.assert_allclose(np.array(gradient), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", [losses.huber_loss, losses.smooth_l1_loss])
def test_gradient_of_a_linear_tail_is_one_up_to_infinity(loss):
    x = mx.array([-np.inf, -2.0, -1.0, 0.5, 1.0, 3.0, np.inf])
    gradient = mx.grad(lambda x: loss(x, mx.zeros_like(x), reduction="sum"))(x)
    assert gradient.tolist() == [-1, -1, -1, 0.5, 1, 1, 1]


def test_cross_entropy_counts_logits_from_the_largest_for_shares_that_do_not_sum_to_one():
    logits, shares = np.array([[8.0, -8.0, 3.0]]), np.array([[0.5, 0.2, 0.1]])
    shifted = logits - logits.max()
    expected = np.log(np.exp(shifted).sum(-1)) - (shifted * shares).sum(-1)
    got = losses.cross_entropy(
        mx.array(logits.astype(np.float32)), mx.array(shares.astype(np.float32))
    )
    np.testing.assert_allclose(np.array(got), expected, rtol=1e-5)
