"""Learning-rate schedules: functions from the step (an integer or an array) to the rate."""

from __future__ import annotations

import math
from collections.abc import Callable

import olivine.core as mx


def exponential_decay(init: float, decay_rate: float) -> Callable:
    """`init * decay_rate ** step`."""

    def schedule(step):
        return init * decay_rate**step

    return schedule


def step_decay(init: float, decay_rate: float, step_size: int) -> Callable:
    """`init`, multiplied by `decay_rate` after every `step_size` steps."""

    def schedule(step):
        return init * decay_rate ** (step // step_size)

    return schedule


def cosine_decay(init: float, decay_steps: int, end: float = 0.0) -> Callable:
    """From `init` down to `end` along half a cosine wave, then constant."""

    def schedule(step):
        position = mx.minimum(step, decay_steps)
        decay = 0.5 * (1.0 + mx.cos((math.pi / decay_steps) * position))
        return end + decay * (init - end)

    return schedule


def linear_schedule(init: float, end: float, steps: int) -> Callable:
    """From `init` to `end` along a straight line of `steps` steps, then constant."""
    if steps < 1:
        raise ValueError(f"[linear_schedule] expected steps of at least 1; got {steps}")

    def schedule(step):
        return (end - init) / steps * mx.minimum(step, steps) + init

    return schedule


def join_schedules(schedules: list[Callable], boundaries: list[int]) -> Callable:
    """One schedule after the other; each but the first starts, from its step 0, at a boundary.

    >>> warmup = linear_schedule(0, 1e-3, 100)
    >>> rate = join_schedules([warmup, cosine_decay(1e-3, 1000)], [100])
    """
    if not schedules:
        raise ValueError("[join_schedules] expected at least one schedule; got none")
    if len(boundaries) != len(schedules) - 1:
        raise ValueError(
            f"[join_schedules] expected {len(schedules) - 1} boundaries; got {len(boundaries)}"
        )

    def schedule(step):
        rate = schedules[0](step)
        for later, boundary in zip(schedules[1:], boundaries, strict=True):
            rate = mx.where(step < boundary, rate, later(step - boundary))
        return rate

    return schedule
