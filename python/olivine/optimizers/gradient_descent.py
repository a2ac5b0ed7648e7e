"""Optimizers that keep one average of gradients: SGD and Lion."""

from __future__ import annotations

import olivine.core as mx
from olivine.optimizers.base import Optimizer, Rate


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, weight decay, dampening and Nesterov's form."""

    def __init__(
        self,
        learning_rate: Rate,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
    ):
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                "[SGD] expected momentum above 0 and no dampening with nesterov; "
                f"got momentum {momentum} and dampening {dampening}"
            )
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.dampening = dampening
        self.nesterov = nesterov

    def init_single(self, parameter: mx.array, state: dict):
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        rate = self.learning_rate.astype(gradient.dtype)
        if self.weight_decay != 0:
            gradient = gradient + self.weight_decay * parameter
        if self.momentum <= 0:
            return parameter - rate * gradient

        kept = (1 - self.dampening) * gradient if self.dampening > 0 else gradient
        velocity = self.momentum * state["v"] + kept
        state["v"] = velocity
        return parameter - rate * (
            gradient + self.momentum * velocity if self.nesterov else velocity
        )


class Lion(Optimizer):
    """Steps of one size along the sign of an average of gradients.

    Use a learning rate 3 to 10 times smaller, and a weight decay as much larger, than for AdamW.
    Source: Chen et al., "Symbolic Discovery of Optimization Algorithms" (2023).
    """

    def __init__(
        self,
        learning_rate: Rate,
        betas: list[float] = [0.9, 0.99],  # noqa: B006
        weight_decay: float = 0.0,
    ):
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas = betas
        self.weight_decay = weight_decay

    def init_single(self, parameter: mx.array, state: dict):
        state["m"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        rate = self.learning_rate.astype(gradient.dtype)
        beta1, beta2 = self.betas
        direction = beta1 * state["m"] + (1 - beta1) * gradient
        state["m"] = beta2 * state["m"] + (1 - beta2) * gradient
        if self.weight_decay > 0:
            parameter = (1 - rate * self.weight_decay) * parameter
        return parameter - rate * mx.sign(direction)
