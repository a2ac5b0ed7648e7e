"""An exponential moving average of a model's parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import olivine.core as mx
import olivine.nn as nn
from olivine.train.state import assign
from olivine.utils import tree_map

_HALF = (mx.float16, mx.bfloat16)


class EMA:
    """`average = decay * average + (1 - decay) * parameter` after every update.

    With `warmup`, the decay of update n (from 0) is at most `(1 + n) / (10 + n)`, so that the
    beginning is soon forgotten. All parameters of the model are averaged, also frozen ones and the
    running statistics of batch norms; those that are no floats are copied. Averages of 16-bit
    parameters are float32.

    `state` is a tree of arrays: `average`, and `updates`, a 0-d int32. Where the training step is
    compiled and calls `update`, give `mx.compile` `ema.state` among `inputs` and `outputs`.

    >>> ema = EMA(model, decay=0.999)
    >>> optimizer.update(model, grads)
    >>> ema.update(model)
    >>> with ema.swapped(model):
    ...     evaluate(model)
    """

    def __init__(self, model: nn.Module, decay: float = 0.999, warmup: bool = True):
        if not 0 <= decay < 1:
            raise ValueError(f"[EMA] expected a decay from 0 to below 1; got {decay}")
        self.decay, self.warmup = decay, warmup
        self.state: dict[str, Any] = {
            "average": tree_map(_wide, model.parameters()),
            "updates": mx.array(0, mx.int32),
        }

    @property
    def average(self) -> dict:
        """The averages, a tree of the form of `model.parameters()`."""
        return self.state["average"]

    def update(self, model: nn.Module) -> None:
        """Take account of the model's parameters as they are now."""
        updates = self.state["updates"]
        decay = mx.array(self.decay, mx.float32)
        if self.warmup:
            decay = mx.minimum(decay, (1 + updates) / (10 + updates))

        def average(old, parameter):
            if not mx.issubdtype(parameter.dtype, mx.floating):
                return parameter
            new = old + (1 - decay).astype(old.dtype) * (parameter.astype(old.dtype) - old)
            return new

        assign(self.state["average"], tree_map(average, self.average, model.parameters()))
        self.state["updates"] = updates + 1
        mx.async_eval(self.state)  # or the graph would grow from update to update

    def copy_to(self, model: nn.Module) -> None:
        """Give the model the averages, in the dtypes of its parameters."""
        model.update(tree_map(lambda a, p: a.astype(p.dtype), self.average, model.parameters()))

    @contextmanager
    def swapped(self, model: nn.Module) -> Iterator[nn.Module]:
        """Within the context, the model has the averages; afterwards its own parameters again."""
        own = model.parameters()
        self.copy_to(model)
        try:
            yield model
        finally:
            model.update(own)

    def state_dict(self) -> dict[str, Any]:
        return self.state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assign(self.state, state)


def _wide(parameter: mx.array) -> mx.array:
    return parameter.astype(mx.float32) if parameter.dtype in _HALF else parameter
