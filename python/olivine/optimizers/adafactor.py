"""Adafactor: an adaptive optimizer whose memory per matrix is one row and one column."""

from __future__ import annotations

import math

import olivine.core as mx
from olivine.optimizers.base import Optimizer, Rate


class Adafactor(Optimizer):
    """Adam's step with the mean square of a matrix kept as the product of a row and a column.

    With `relative_step` the rate is `min(1e-2, 1 / sqrt(step))`, or `1e-6 * step` in place of 1e-2
    with `warmup_init`; otherwise `learning_rate` is needed. `scale_parameter` multiplies it by the
    root mean square of the parameter, at least `eps[1]`. `eps[0]` is added to squares; updates are
    scaled down to a root mean square of `clip_threshold`; `beta_1` averages them. Source: Shazeer
    and Stern, "Adafactor" (2018).
    """

    def __init__(
        self,
        learning_rate: Rate | None = None,
        eps: tuple[float, float] = (1e-30, 1e-3),
        clip_threshold: float = 1.0,
        decay_rate: float = -0.8,
        beta_1: float | None = None,
        weight_decay: float = 0.0,
        scale_parameter: bool = True,
        relative_step: bool = True,
        warmup_init: bool = False,
    ):
        super().__init__()
        if learning_rate is not None:
            self._maybe_schedule("learning_rate", learning_rate)
        elif not relative_step:
            raise ValueError(
                "[Adafactor] expected learning_rate or relative_step=True; got neither"
            )
        self.eps = eps
        self.clip_threshold = clip_threshold
        self.decay_rate = decay_rate
        self.beta_1 = beta_1
        self.weight_decay = weight_decay
        self.scale_parameter = scale_parameter
        self.relative_step = relative_step
        self.warmup_init = warmup_init

    def init_single(self, parameter: mx.array, state: dict):
        if parameter.ndim >= 2:
            *leading, rows, columns = parameter.shape
            state["exp_avg_sq_row"] = mx.zeros((*leading, rows), dtype=parameter.dtype)
            state["exp_avg_sq_col"] = mx.zeros((*leading, columns), dtype=parameter.dtype)
        else:
            state["exp_avg_sq"] = mx.zeros_like(parameter)
        if self.beta_1 is not None:
            state["exp_avg"] = mx.zeros_like(parameter)

    def _rate(self, parameter: mx.array) -> mx.array:
        if self.relative_step:
            limit = 1e-6 * self.step if self.warmup_init else 1e-2
            rate = mx.minimum(limit, mx.rsqrt(self.step.astype(mx.float32)))
        else:
            rate = self.learning_rate
        rate = rate.astype(parameter.dtype)
        if self.scale_parameter:
            rate = rate * mx.maximum(self.eps[1], _root_mean_square(parameter))
        return rate

    def _normalize(self, gradient: mx.array, state: dict) -> mx.array:
        """The gradient over the root of its mean square, and the averages one step on."""
        kept = (1 - self.step.astype(mx.float32) ** self.decay_rate).astype(gradient.dtype)
        square = mx.square(gradient) + self.eps[0]

        def average(name, value):
            state[name] = kept * state[name] + (1 - kept) * value
            return state[name]

        if gradient.ndim < 2:
            return gradient * mx.rsqrt(average("exp_avg_sq", square))
        rows = average("exp_avg_sq_row", mx.mean(square, axis=-1))
        columns = average("exp_avg_sq_col", mx.mean(square, axis=-2))
        rows = rows / mx.mean(rows, axis=-1, keepdims=True)
        return gradient * (mx.rsqrt(rows)[..., None] * mx.rsqrt(columns)[..., None, :])

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        rate = self._rate(parameter)
        update = self._normalize(gradient, state)
        update = update / mx.maximum(1.0, _root_mean_square(update) / self.clip_threshold)
        update = rate * update
        if self.beta_1 is not None:
            update = self.beta_1 * state["exp_avg"] + (1 - self.beta_1) * update
            state["exp_avg"] = update
        if self.weight_decay != 0:
            parameter = parameter * (1 - self.weight_decay * rate)
        return parameter - update


def _root_mean_square(x: mx.array) -> mx.array:
    # Of large arrays of 16-bit floats too: the sum is divided before it can overflow.
    return mx.sqrt(mx.sum(mx.square(x / math.sqrt(max(x.size, 1)))))
