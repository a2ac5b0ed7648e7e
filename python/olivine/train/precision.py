"""Mixed precision: a model that computes in 16 bits from float32 weights, and loss scaling."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import olivine.core as mx
import olivine.nn as nn
from olivine.optimizers import Optimizer
from olivine.train.state import assign
from olivine.utils import tree_flatten, tree_map

_FLOATING = (mx.float32, mx.float16, mx.bfloat16)


def _cast(tree: Any, dtype: mx.Dtype) -> Any:
    """The tree with its floating arrays as `dtype`; float64 and everything else stays."""

    def leaf(x):
        return x.astype(dtype) if isinstance(x, mx.array) and x.dtype in _FLOATING else x

    return tree_map(leaf, tree)


def autocast(
    model: nn.Module, fn: Callable | None = None, dtype: mx.Dtype = mx.bfloat16
) -> Callable:
    """A form of `fn` (by default the model itself) that computes in `dtype`.

    During a call, the model's parameters are `dtype`, and so are the floating arrays among the
    arguments. Floating arrays in the result are float32. The model keeps its float32 weights:
    gradients, the optimizer's state and its updates are float32. Losses computed from the result
    are float32 too. Running statistics of batch norms stay float32 in training. Sums inside
    normalizations, softmax and matrix products are float32 anyhow.

    dtype: bfloat16, or float16, which needs a `LossScaler` because small gradients vanish.

    >>> forward = autocast(model)
    >>> loss_and_grad = nn.value_and_grad(model, lambda x, y: loss(forward(x), y))
    """
    if dtype not in (mx.bfloat16, mx.float16):
        raise ValueError(f"[autocast] expected bfloat16 or float16; got {dtype}")
    fn = model if fn is None else fn

    @wraps(fn, updated=())
    def wrapped(*args, **kwargs):
        changed = _cast_parameters(model, dtype)
        try:
            out = fn(*_cast(args, dtype), **_cast(kwargs, dtype))
        finally:
            for module, key, kept, cast in changed:
                if module[key] is cast:
                    module[key] = kept
                else:  # the call replaced it
                    module[key] = module[key].astype(kept.dtype)
        return _cast(out, mx.float32)

    return wrapped


def _cast_parameters(model: nn.Module, dtype: mx.Dtype) -> list:
    """Cast the parameters; returns `(container, key, before, after)` of each one changed."""
    changed = []

    def visit(node, names):
        for key in names:
            value = node[key]
            if isinstance(value, nn.Module):
                visit(value, _parameter_names(value))
            elif isinstance(value, (dict, list)):
                visit(value, list(value) if isinstance(value, dict) else range(len(value)))
            # A module that is in the tree twice is cast once.
            elif isinstance(value, mx.array) and value.dtype in _FLOATING and value.dtype != dtype:
                node[key] = value.astype(dtype)
                changed.append((node, key, value, node[key]))

    visit(model, _parameter_names(model))
    return changed


def _parameter_names(module: nn.Module) -> list[str]:
    running = isinstance(module, nn.BatchNorm) and module.training
    hidden = ("running_mean", "running_var") if running else ()
    return [name for name in module if not name.startswith("_") and name not in hidden]


class LossScaler:
    """Keeps float16 gradients in range: the loss is scaled up, the gradients down again.

    A step whose gradients hold an infinity or NaN is skipped, and the scale is halved. After
    `interval` good steps in a row it doubles. All of it works inside `mx.compile`: give it
    `scaler.state` among `inputs` and `outputs`. A checkpoint saves the scaler as it is.

    >>> scaler = LossScaler()
    >>> loss_and_grad = scaler.value_and_grad(model, loss_fn)   # in place of nn.value_and_grad
    >>> loss, grads = loss_and_grad(x, y)
    >>> scaler.update(optimizer, model, grads)                  # in place of optimizer.update

    `state` holds `scale` (float32), `good_steps` and `skipped` (int32), all 0-d arrays.
    """

    LOWEST, HIGHEST = 2.0**-24, 2.0**24

    def __init__(
        self,
        initial: float = 2.0**16,
        growth: float = 2.0,
        backoff: float = 0.5,
        interval: int = 2000,
    ):
        if not (initial > 0 and growth > 1 and 0 < backoff < 1 and interval >= 1):
            raise ValueError(
                "[LossScaler] expected initial > 0, growth > 1, 0 < backoff < 1, interval >= 1; "
                f"got {initial}, {growth}, {backoff}, {interval}"
            )
        self.growth, self.backoff, self.interval = growth, backoff, interval
        self.state = {
            "scale": mx.array(initial, mx.float32),
            "good_steps": mx.array(0, mx.int32),
            "skipped": mx.array(0, mx.int32),
        }

    @property
    def scale(self) -> mx.array:
        """The factor of the loss, a 0-d float32 array."""
        return self.state["scale"]

    def value_and_grad(self, model: nn.Module, fn: Callable) -> Callable:
        """As `nn.value_and_grad`, computed from the scaled loss.

        The value is that of `fn`, unscaled; the gradients are unscaled and float32.
        """

        def scaled(*args, **kwargs):
            out = fn(*args, **kwargs)
            loss = out[0] if isinstance(out, tuple) else out
            return loss.astype(mx.float32) * self.scale, out

        inner = nn.value_and_grad(model, scaled)

        @wraps(fn)
        def wrapped(*args, **kwargs):
            (_, out), grads = inner(*args, **kwargs)
            unscale = 1 / self.scale
            return out, tree_map(lambda g: g.astype(mx.float32) * unscale, grads)

        return wrapped

    def update(self, optimizer: Optimizer, model: nn.Module, grads: Any) -> mx.array:
        """Take the optimizer's step if all gradients are finite; adapt the scale either way.

        Returns whether the step was taken, as a 0-d bool array. A step that is skipped leaves
        model and optimizer, with its step count and schedules, as they were.
        """
        finite = mx.array(True)
        for _, grad in tree_flatten(grads):
            finite = mx.logical_and(finite, mx.all(mx.isfinite(grad)))

        def choose(new, old):
            return mx.where(finite, new, old) if isinstance(new, mx.array) else new

        optimizer.init(model.trainable_parameters())  # the state of a skipped first step
        parameters = model.trainable_parameters()
        state = tree_map(lambda x: x, optimizer.state)
        optimizer.update(model, grads)
        model.update(tree_map(choose, model.trainable_parameters(), parameters))
        assign(optimizer.state, tree_map(choose, optimizer.state, state))
        self._adapt(finite)
        return finite

    def _adapt(self, finite: mx.array) -> None:
        scale, good = self.state["scale"], self.state["good_steps"] + 1
        grows = good >= self.interval
        better = mx.where(grows, scale * self.growth, scale)
        scale = mx.clip(mx.where(finite, better, scale * self.backoff), self.LOWEST, self.HIGHEST)
        self.state["scale"] = scale
        ends = mx.logical_or(grows, mx.logical_not(finite))
        self.state["good_steps"] = mx.where(ends, 0, good).astype(mx.int32)
        skipped = self.state["skipped"] + mx.logical_not(finite)
        self.state["skipped"] = skipped.astype(mx.int32)

    def state_dict(self) -> dict[str, mx.array]:
        return dict(self.state)

    def load_state_dict(self, state: dict[str, mx.array]) -> None:
        assign(self.state, state)
