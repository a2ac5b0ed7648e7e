"""Early stopping: the end of training when a metric no longer improves."""

from __future__ import annotations

import math
from typing import Any

import olivine.core as mx


class EarlyStopping:
    """Says when a metric has not improved for `patience` evaluations in a row.

    mode: "min" for a loss, "max" for an accuracy. An improvement is more than `min_delta`; NaN is
    none. `best` and `best_step` are those of the last improvement, None before the first.

    >>> stopping = EarlyStopping(patience=5)
    >>> if stopping.update(validation_loss, step):
    ...     break
    """

    def __init__(self, patience: int = 5, mode: str = "min", min_delta: float = 0.0):
        if patience < 1:
            raise ValueError(f"[EarlyStopping] expected patience of at least 1; got {patience}")
        if mode not in ("min", "max"):
            raise ValueError(f"[EarlyStopping] expected mode 'min' or 'max'; got {mode!r}")
        if not min_delta >= 0:
            raise ValueError(f"[EarlyStopping] expected min_delta >= 0; got {min_delta}")
        self.patience, self.mode, self.min_delta = patience, mode, min_delta
        self.best: float | None = None
        self.best_step: int | None = None
        self.waited = 0

    @property
    def stopped(self) -> bool:
        """Whether the patience is at its end."""
        return self.waited >= self.patience

    def update(self, metric: float | mx.array, step: int | None = None) -> bool:
        """Take account of an evaluation; returns `stopped`."""
        metric = float(metric)
        if self._improves(metric):
            self.best, self.best_step, self.waited = metric, step, 0
        else:
            self.waited += 1
        return self.stopped

    def _improves(self, metric: float) -> bool:
        if math.isnan(metric) or self.best is None:
            return not math.isnan(metric)
        gain = self.best - metric if self.mode == "min" else metric - self.best
        return gain > self.min_delta

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_step": self.best_step, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_step = state["best"], state["best_step"]
        self.waited = state["waited"]
