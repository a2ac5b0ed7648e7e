"""Optimizers with a step size per element: RMSprop, Adagrad and AdaDelta."""

from __future__ import annotations

import olivine.core as mx
from olivine.optimizers.base import Optimizer, Rate, check_settings


class RMSprop(Optimizer):
    """Divides the gradient by the root of its mean square, an average of weight `alpha`.

    Source: Tieleman and Hinton, lecture 6.5 of "Neural Networks for Machine Learning" (2012).
    """

    def __init__(self, learning_rate: Rate, alpha: float = 0.99, eps: float = 1e-8):
        check_settings("RMSprop", alpha=(alpha, 0), eps=(eps, None))
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.alpha = alpha
        self.eps = eps

    def init_single(self, parameter: mx.array, state: dict):
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        rate = self.learning_rate.astype(gradient.dtype)
        square = self.alpha * state["v"] + (1 - self.alpha) * mx.square(gradient)
        state["v"] = square
        return parameter - rate * gradient / (mx.sqrt(square) + self.eps)


class Adagrad(Optimizer):
    """Divides the gradient by the root of the sum of all its squares so far.

    Source: Duchi et al., "Adaptive Subgradient Methods" (2011).
    """

    def __init__(self, learning_rate: Rate, eps: float = 1e-8):
        check_settings("Adagrad", eps=(eps, None))
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.eps = eps

    def init_single(self, parameter: mx.array, state: dict):
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        rate = self.learning_rate.astype(gradient.dtype)
        square = state["v"] + mx.square(gradient)
        state["v"] = square
        return parameter - rate * gradient / (mx.sqrt(square) + self.eps)


class AdaDelta(Optimizer):
    """Steps in the units of the parameters: the gradient times a ratio of averages.

    The ratio is that of the roots of the mean squares of past steps and of gradients. Source:
    Zeiler, "ADADELTA" (2012).
    """

    def __init__(self, learning_rate: Rate, rho: float = 0.9, eps: float = 1e-6):
        check_settings("AdaDelta", rho=(rho, 0), eps=(eps, None))
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.rho = rho
        self.eps = eps

    def init_single(self, parameter: mx.array, state: dict):
        state["v"] = mx.zeros_like(parameter)
        state["u"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        rate = self.learning_rate.astype(gradient.dtype)
        square = self.rho * state["v"] + (1 - self.rho) * mx.square(gradient)
        step = mx.sqrt(state["u"] + self.eps) / mx.sqrt(square + self.eps) * gradient
        state["v"] = square
        state["u"] = self.rho * state["u"] + (1 - self.rho) * mx.square(step)
        return parameter - rate * step
