"""Transforms of functions of a module: value and gradient, and recomputation."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import olivine.core as mx
from olivine.nn.layers.base import Module


def value_and_grad(model: Module, fn: Callable):
    """A function that returns `fn`'s value and its gradient.

    The gradient is taken with respect to the trainable parameters of `model` and has their tree
    form. `fn` may return a scalar, or a tuple that starts with one.

    >>> loss_and_grad = nn.value_and_grad(model, loss_fn)
    >>> loss, grads = loss_and_grad(x, y)
    """

    def on_parameters(params, *args, **kwargs):
        model.update(params)
        return fn(*args, **kwargs)

    inner = mx.value_and_grad(on_parameters)

    @wraps(fn)
    def wrapped(*args, **kwargs):
        kept = model.trainable_parameters()
        try:
            return inner(model.trainable_parameters(), *args, **kwargs)
        finally:
            model.update(kept)  # on_parameters left tracers in the model

    return wrapped


def checkpoint(module: Module, fn: Callable | None = None):
    """A form of `fn` (by default the module itself) that keeps no intermediate results.

    They are computed again in the backward pass: less memory for about a third more time.
    """
    fn = module if fn is None else fn

    def on_parameters(params, *args, **kwargs):
        model_params = module.trainable_parameters()
        module.update(params)
        try:
            return fn(*args, **kwargs)
        finally:
            module.update(model_params)

    inner = mx.checkpoint(on_parameters)

    @wraps(fn, updated=())
    def wrapped(*args, **kwargs):
        return inner(module.trainable_parameters(), *args, **kwargs)

    return wrapped
