"""Gradient accumulation: the gradient of a big batch from parts that fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import olivine.core as mx
from olivine.utils import tree_flatten, tree_map

_WIDE = (mx.float32, mx.float64, mx.complex64, mx.complex128)


def accumulate(loss_and_grad: Callable, parts: int) -> Callable:
    """A form of `loss_and_grad` that computes a batch in `parts` parts, one after the other.

    Every array among the arguments is split along axis 0; all must have the same length there, at
    least `parts`. Value and gradients are means over the parts, weighted by their lengths: for a
    loss that is a mean over the batch, they are those of the whole batch within rounding. Sums are
    kept in float32 for 16-bit arrays; dtypes are those of `loss_and_grad`, float32 for integers.

    To save memory together with `mx.compile`, compile `loss_and_grad`, not the result.

    >>> loss_and_grad = accumulate(nn.value_and_grad(model, loss_fn), 4)
    >>> loss, grads = loss_and_grad(x, y)

    Raises `ValueError` for arguments that cannot be split so.
    """
    if parts < 1:
        raise ValueError(f"[accumulate] expected at least 1 part; got {parts}")

    @wraps(loss_and_grad)
    def wrapped(*args, **kwargs):
        length = _batch_length((args, kwargs), parts)
        mean = _WeightedMean()
        for i in range(parts):
            begin, end = i * length // parts, (i + 1) * length // parts
            part = tree_map(
                lambda x, b=begin, e=end: x[b:e] if isinstance(x, mx.array) else x, (args, kwargs)
            )
            mean.add(loss_and_grad(*part[0], **part[1]), end - begin)
            mx.async_eval(mean.sums)  # frees what the part needed
        return mean.value()

    return wrapped


def _batch_length(tree: Any, parts: int) -> int:
    arrays = [x for _, x in tree_flatten(tree) if isinstance(x, mx.array)]
    shapes = [x.shape for x in arrays]
    lengths = {shape[0] for shape in shapes if shape}
    if len(lengths) != 1 or () in shapes:
        raise ValueError(
            "[accumulate] expected arrays of one length along axis 0; "
            f"got shapes {', '.join(map(str, shapes)) or 'of no arrays'}"
        )
    (length,) = lengths
    if length < parts:
        raise ValueError(f"[accumulate] expected a batch of at least {parts}; got {length}")
    return length


class _WeightedMean:
    """The weighted mean of trees of arrays, summed in float32 at least."""

    def __init__(self):
        self.sums: Any = None
        self.dtypes: Any = None
        self.weight = 0.0

    def add(self, tree: Any, weight: float) -> None:
        def wide(x):
            return (x if x.dtype in _WIDE else x.astype(mx.float32)) * weight

        def result(x):
            return x.dtype if mx.issubdtype(x.dtype, mx.inexact) else mx.float32

        self.weight += weight
        if self.sums is None:
            self.sums, self.dtypes = tree_map(wide, tree), tree_map(result, tree)
        else:
            self.sums = tree_map(lambda s, x: s + wide(x), self.sums, tree)

    def value(self) -> Any:
        def mean(s, dtype):
            return (s / self.weight).astype(dtype)

        return tree_map(mean, self.sums, self.dtypes)


class Accumulator:
    """Collects the gradients of several batches of the user's own loop.

    `add` returns None until `steps` trees of gradients were added, then their mean, and begins
    anew. A checkpoint saves it in the middle of a collection.

    >>> accumulator = Accumulator(4)
    >>> for x, y in batches:
    ...     loss, grads = loss_and_grad(x, y)
    ...     if (mean := accumulator.add(grads)) is not None:
    ...         optimizer.update(model, mean)
    """

    def __init__(self, steps: int):
        if steps < 1:
            raise ValueError(f"[Accumulator] expected at least 1 step; got {steps}")
        self.steps = steps
        self.count = 0
        self._mean = _WeightedMean()

    def add(self, grads: Any, weight: float = 1.0) -> Any | None:
        """Add gradients; `weight` is for batches of unequal size, such as numbers of tokens."""
        if not weight > 0:
            raise ValueError(f"[Accumulator.add] expected a weight above 0; got {weight}")
        self._mean.add(grads, float(weight))
        mx.async_eval(self._mean.sums)
        self.count += 1
        if self.count < self.steps:
            return None
        mean = self._mean.value()
        self.count, self._mean = 0, _WeightedMean()
        return mean

    def state_dict(self) -> dict[str, Any]:
        mean = self._mean
        like = None
        if mean.sums is not None:
            like = tree_map(lambda dtype: mx.zeros((0,), dtype), mean.dtypes)
        return {"count": self.count, "weight": mean.weight, "sums": mean.sums, "like": like}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count, self._mean = state["count"], _WeightedMean()
        self._mean.weight, self._mean.sums = state["weight"], state["sums"]
        if state["sums"] is not None:
            self._mean.dtypes = tree_map(lambda x: x.dtype, state["like"])
