"""The learning-rate finder: which rates a model learns from, and from which it diverges."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

import olivine.core as mx
from olivine.optimizers import Optimizer
from olivine.train.state import pack, set_state, state_of, unpack


class LearningRates(NamedTuple):
    """What `find_learning_rate` found. `suggestion` is where the loss falls most steeply."""

    lrs: list[float]
    losses: list[float]
    suggestion: float


def find_learning_rate(
    step: Callable[..., mx.array],
    optimizer: Optimizer,
    batches: Iterable[Any],
    state: dict[str, Any],
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
) -> LearningRates:
    """Take one step per rate, from `low` to `high` on a logarithmic scale, and see the losses.

    step: the training step, compiled or not; called with each batch (a tuple is spread into
    arguments) it returns the loss before the step. state: everything the step changes, named as
    for a `Checkpointer`, such as model, optimizer and `mx.random.state`; it is put back as it was.
    The search ends early when the smoothed loss exceeds four times its lowest, when it is no
    number, or when `batches` end.

    Source: Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3.

    Raises `ValueError` for an optimizer whose rate follows a schedule, since the schedule would
    undo every rate tried, and when fewer than 3 steps came before the end.

    >>> found = find_learning_rate(train_step, optimizer, batches, {"m": model, "o": optimizer})
    >>> optimizer.learning_rate = found.suggestion
    """
    if not 0 < low < high or steps < 3:
        raise ValueError(
            "[find_learning_rate] expected 0 < low < high and at least 3 steps; "
            f"got {low}, {high}, {steps}"
        )
    arrays: dict[str, mx.array] = {}
    before = {name: pack(state_of(thing), name, arrays) for name, thing in state.items()}
    mx.eval(arrays)
    rate_before = mx.array(optimizer.learning_rate)
    lrs: list[float] = []
    losses: list[float] = []
    try:
        for rate, batch in zip(np.geomspace(low, high, steps).tolist(), batches, strict=False):
            loss = _try(step, optimizer, rate, batch)
            mx.eval([state_of(thing) for thing in state.values()])
            if not math.isfinite(loss):
                break
            lrs.append(rate)
            losses.append(loss)
            smooth = _smooth(losses)
            if smooth[-1] > 4 * smooth.min() > 0:
                break
    finally:
        optimizer.learning_rate = rate_before
        for name, thing in state.items():
            set_state(thing, unpack(before[name], arrays))
    if len(losses) < 3:
        raise ValueError(
            f"[find_learning_rate] expected at least 3 finite losses; got {len(losses)}"
        )
    return LearningRates(lrs, losses, lrs[_steepest(losses)])


def _try(step: Callable, optimizer: Optimizer, rate: float, batch: Any) -> float:
    optimizer.learning_rate = rate
    loss = step(*batch) if isinstance(batch, (tuple, list)) else step(batch)
    used = optimizer.learning_rate.item()
    if not math.isclose(used, rate, rel_tol=1e-5):
        raise ValueError(
            "[find_learning_rate] expected an optimizer with a constant learning rate; "
            f"got one whose schedule replaced {rate:g} by {used:g}"
        )
    return float(loss)


def _steepest(losses: list[float]) -> int:
    """Where the line through a quarter of the losses around falls most; single ones are noisy."""
    reach = max(1, len(losses) // 8)
    offsets = np.arange(-reach, reach + 1)
    slopes = np.convolve(losses, -offsets, mode="valid")  # times a constant, as rates are even
    return reach + int(np.argmin(slopes))


def _smooth(losses: list[float], beta: float = 0.9) -> np.ndarray:
    """The running mean that forgets, corrected for its start at zero."""
    mean, out = 0.0, []
    for i, loss in enumerate(losses):
        mean = beta * mean + (1 - beta) * loss
        out.append(mean / (1 - beta ** (i + 1)))
    return np.array(out)
