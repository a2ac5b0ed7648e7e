"""Value and gradient of functions of a module, recomputation, and gradients of many processes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import olivine.core as mx
from olivine.nn.layers.base import Module
from olivine.utils import tree_flatten, tree_map, tree_reduce, tree_unflatten


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


def average_gradients(
    gradients: Any,
    group: mx.distributed.Group | None = None,
    all_reduce_size: int = 32 * 1024**2,
    communication_stream: mx.Stream | None = None,
):
    """The tree `gradients`, averaged over the processes of `group`.

    Arrays of one dtype are sent together until a message reaches `all_reduce_size` bytes; 0 sends
    each on its own. In a group of one the tree itself is returned.
    """
    group = mx.distributed.init() if group is None else group
    size = group.size()
    if size == 1:
        return gradients

    def average(x):
        return mx.distributed.all_sum(x, group=group, stream=communication_stream) / size

    leaves = tree_flatten(gradients)
    if not leaves:
        return gradients
    averaged = []
    for message in _messages(leaves, all_reduce_size):
        flat = average(mx.concatenate([g.reshape(-1) for _, g in message]))
        begin = 0
        for name, g in message:
            averaged.append((name, flat[begin : begin + g.size].reshape(g.shape)))
            begin += g.size
    return tree_unflatten(averaged)


def _messages(leaves, most_bytes):
    """Groups `(name, array)` pairs by dtype into messages of up to `most_bytes`."""
    open_messages: dict = {}
    for name, g in leaves:
        message, total = open_messages.get(g.dtype, ([], 0))
        if message and total + g.nbytes > most_bytes:
            yield message
            message, total = [], 0
        open_messages[g.dtype] = ([*message, (name, g)], total + g.nbytes)
    yield from (message for message, _ in open_messages.values())


def clip_grad_norm_sharded(
    gradients: Any, max_norm: float, group: mx.distributed.Group | None = None
):
    """As `olivine.optimizers.clip_grad_norm` for gradients of which each process holds a part.

    Returns the scaled tree and the norm over the whole group before.
    """
    group = mx.distributed.init() if group is None else group
    squares = tree_reduce(lambda total, g: total + mx.sum(mx.square(g)), gradients, 0.0)
    norm = mx.sqrt(mx.distributed.all_sum(squares, group=group))
    scale = mx.minimum(max_norm / (norm + 1e-6), 1.0)
    return tree_map(lambda g: g * scale, gradients), norm
