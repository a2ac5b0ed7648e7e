"""Muon: momentum whose matrix updates are made orthogonal."""

from __future__ import annotations

import olivine.core as mx
from olivine.optimizers.base import Optimizer, Rate

# The quintic a s + b s^3 + c s^5 drives singular values in (0, 1] towards 1 (Jordan, 2024).
_QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalize(x: mx.array, steps: int) -> mx.array:
    """An approximation of `U V^T` for `x = U S V^T`, by Newton-Schulz iterations."""
    a, b, c = _QUINTIC
    tall = x.shape[-2] > x.shape[-1]
    x = x.T if tall else x
    x = x / (mx.sqrt(mx.sum(mx.square(x))) + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if tall else x


class Muon(Optimizer):
    """SGD with momentum; updates of matrices are replaced by the nearest orthogonal matrix.

    Parameters of more than two dimensions count as matrices of their first axis by the rest, and
    the rate is multiplied by `sqrt(max(1, shape[-2] / shape[-1]))`, as in MLX. Use another
    optimizer for embeddings, output layers and vectors (see `MultiOptimizer`). Source: Jordan et
    al., "Muon: An optimizer for hidden layers in neural networks" (2024).
    """

    def __init__(
        self,
        learning_rate: Rate,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        nesterov: bool = True,
        ns_steps: int = 5,
    ):
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.nesterov = nesterov
        self.ns_steps = ns_steps

    def init_single(self, parameter: mx.array, state: dict):
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        if self.weight_decay != 0:
            gradient = gradient + self.weight_decay * parameter
        kept = self.momentum
        velocity = kept * state["v"] + (1 - kept) * gradient
        state["v"] = velocity
        update = kept * velocity + (1 - kept) * gradient if self.nesterov else velocity
        rate = self.learning_rate.astype(gradient.dtype)
        if update.ndim >= 2:
            matrix = update.reshape(update.shape[0], -1)
            update = orthogonalize(matrix, self.ns_steps).reshape(update.shape)
            rate = rate * max(1.0, update.shape[-2] / update.shape[-1]) ** 0.5
        return parameter - rate * update
