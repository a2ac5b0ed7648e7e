"""Adam and its relatives: averages of the gradient and of its square."""

from __future__ import annotations

import olivine.core as mx
from olivine.optimizers.base import Optimizer, Rate, check_settings


class Adam(Optimizer):
    """Adam. Source: Kingma and Ba (2015).

    As in MLX, `bias_correction` is off by default: the paper divides both averages by
    `1 - beta ** step`.
    """

    def __init__(
        self,
        learning_rate: Rate,
        betas: list[float] = [0.9, 0.999],  # noqa: B006
        eps: float = 1e-8,
        bias_correction: bool = False,
    ):
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas = betas
        self.eps = eps
        self.bias_correction = bias_correction

    def init_single(self, parameter: mx.array, state: dict):
        state["m"] = mx.zeros_like(parameter)
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        rate = self.learning_rate.astype(gradient.dtype)
        beta1, beta2 = self.betas
        mean = beta1 * state["m"] + (1 - beta1) * gradient
        square = beta2 * state["v"] + (1 - beta2) * mx.square(gradient)
        state["m"], state["v"] = mean, square

        if not self.bias_correction:
            return parameter - rate * mean / (mx.sqrt(square) + self.eps)
        scale = (rate / (1 - beta1**self.step)).astype(gradient.dtype)
        correction = mx.rsqrt(1 - beta2**self.step).astype(gradient.dtype)
        return parameter - scale * mean / (mx.sqrt(square) * correction + self.eps)


class AdamW(Adam):
    """Adam with decoupled weight decay. Source: Loshchilov and Hutter (2019)."""

    def __init__(
        self,
        learning_rate: Rate,
        betas: list[float] = [0.9, 0.999],  # noqa: B006
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        bias_correction: bool = False,
    ):
        super().__init__(learning_rate, betas, eps, bias_correction)
        self.weight_decay = weight_decay

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        rate = self.learning_rate.astype(gradient.dtype)
        return super().apply_single(gradient, parameter * (1 - rate * self.weight_decay), state)


class Adamax(Adam):
    """Adam with the largest recent gradient in place of the mean square.

    Source: Kingma and Ba (2015), section 7.
    """

    def __init__(
        self,
        learning_rate: Rate,
        betas: list[float] = [0.9, 0.999],  # noqa: B006
        eps: float = 1e-8,
    ):
        check_settings("Adamax", eps=(eps, 0))
        super().__init__(learning_rate, betas, eps)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        rate = self.learning_rate.astype(gradient.dtype)
        beta1, beta2 = self.betas
        mean = beta1 * state["m"] + (1 - beta1) * gradient
        largest = mx.maximum(beta2 * state["v"], mx.abs(gradient))
        state["m"], state["v"] = mean, largest
        return parameter - rate * mean / (largest + self.eps)
