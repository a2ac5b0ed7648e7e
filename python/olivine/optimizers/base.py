"""Optimizer, the base class; a combination of several; and gradient clipping.

An optimizer's whole memory is `state`: the step, the scheduled hyper-parameters, and for every
parameter, at the parameter's place in the tree, a dictionary of arrays. A subclass gives
`init_single` and `apply_single` for one parameter; the base class walks the trees. Default
arguments that are lists are never written to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import olivine.core as mx
from olivine.nn import Module
from olivine.utils import tree_flatten, tree_map, tree_merge, tree_reduce, tree_unflatten

Rate = float | Callable[[mx.array], mx.array]


class Optimizer:
    """Base class. `schedulers` maps names in `state` to functions of the step."""

    def __init__(self, schedulers=None):
        self._initialized = False
        self._state: dict[str, Any] = {"step": mx.array(0, mx.uint64)}
        self._schedulers = dict(schedulers or {})

    def update(self, model: Module, gradients: dict):
        """Replace the parameters of `model` by those one step on."""
        model.update(self.apply_gradients(gradients, model))

    def init(self, parameters: dict):
        """Make the state for `parameters`; otherwise the first step does it.

        Parameters that already have state keep it.
        """
        _add_state(self._state, parameters, self._init_leaf)
        self._initialized = True

    def _init_leaf(self, parameter: mx.array) -> dict:
        state: dict[str, mx.array] = {}
        self.init_single(parameter, state)
        return state

    def init_single(self, parameter: mx.array, state: dict):
        """Put into `state` what the optimizer remembers of one parameter."""
        raise NotImplementedError(f"[{type(self).__name__}] expected init_single to be defined")

    def apply_gradients(self, gradients: dict, parameters: dict):
        """The tree of new parameters; it has the form of `gradients`."""
        if not self._initialized:
            self.init(gradients)
        for name, schedule in self._schedulers.items():
            self.state[name] = schedule(self.step)
        self.state["step"] = self.step + 1
        return tree_map(self.apply_single, gradients, parameters, self.state)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict):
        """The new value of one parameter; replaces entries of `state` as it goes."""
        raise NotImplementedError(f"[{type(self).__name__}] expected apply_single to be defined")

    @property
    def state(self):
        """All arrays of the optimizer, as a tree."""
        return self._state

    @state.setter
    def state(self, state: dict):
        self._initialized = False
        self._state = state

    @property
    def step(self):
        """How many steps were taken, as an array."""
        return self.state["step"]

    @property
    def learning_rate(self):
        """The learning rate of the last step, as an array; assign a number to change it."""
        return self.state["learning_rate"]

    @learning_rate.setter
    def learning_rate(self, learning_rate: float | mx.array):
        self.state["learning_rate"] = mx.array(learning_rate)

    def _maybe_schedule(self, name: str, param: Rate):
        """Keep `param` in the state, as a constant or as what its schedule says at every step."""
        if callable(param):
            self._schedulers[name] = param
            self.state[name] = param(self.step)
        else:
            self.state[name] = mx.array(param)


def _add_state(state: Any, parameters: Any, init_leaf: Callable) -> None:
    """Give every leaf of `parameters` that `state` lacks the dictionary `init_leaf` returns."""
    is_dict = isinstance(parameters, dict)
    for key, child in parameters.items() if is_dict else enumerate(parameters):
        if not is_dict and key == len(state):
            state.append({})
        elif is_dict and key not in state:
            state[key] = {}
        missing = isinstance(state[key], dict) and not state[key]
        if isinstance(child, (dict, list, tuple)):
            if missing and not isinstance(child, dict):
                state[key] = []
            _add_state(state[key], child, init_leaf)
        elif missing:
            state[key] = init_leaf(child)


def check_settings(op: str, **limits) -> None:
    """Raises ValueError unless each `name=(value, least)` has value >= least, or > 0 for None."""
    for name, (value, least) in limits.items():
        if not (value > 0 if least is None else value >= least):
            bound = "> 0" if least is None else f">= {least}"
            raise ValueError(f"[{op}] expected {name} {bound}; got {value}")


class MultiOptimizer(Optimizer):
    """Several optimizers, each for the parameters that its filter picks first.

    `filters[i](path, gradient)` decides for `optimizers[i]`; the last optimizer has no filter and
    takes the rest.

    >>> MultiOptimizer([AdamW(1e-3), SGD(0.1)], [lambda path, g: path.endswith("weight")])
    """

    def __init__(self, optimizers, filters: list = []):  # noqa: B006
        super().__init__()
        if len(filters) != len(optimizers) - 1:
            raise ValueError(
                f"[MultiOptimizer] expected {len(optimizers) - 1} filters; got {len(filters)}"
            )
        self._state = {}
        self.optimizers = optimizers
        self.filters = [*filters, lambda *args: True]

    def _split(self, tree: dict) -> list:
        """One tree per optimizer, together holding every leaf once."""
        parts: list[list] = [[] for _ in self.optimizers]
        for path, leaf in tree_flatten(tree):
            first = next(i for i, accepts in enumerate(self.filters) if accepts(path, leaf))
            parts[first].append((path, leaf))
        return [tree_unflatten(part) if part else {} for part in parts]

    def init(self, parameters: dict):
        for optimizer, part in zip(self.optimizers, self._split(parameters), strict=True):
            optimizer.init(part)
        self._initialized = True

    def apply_gradients(self, gradients: dict, parameters: dict):
        result: dict = {}
        for optimizer, part in zip(self.optimizers, self._split(gradients), strict=True):
            if part:
                result = tree_merge(result, optimizer.apply_gradients(part, parameters))
        return result

    @property
    def state(self):
        return {"states": [optimizer.state for optimizer in self.optimizers]}

    @state.setter
    def state(self, state: dict):
        if "states" not in state or len(state["states"]) != len(self.optimizers):
            raise ValueError(
                f"[MultiOptimizer] expected states of {len(self.optimizers)} optimizers; "
                f"got keys {', '.join(state)}"
            )
        for optimizer, own in zip(self.optimizers, state["states"], strict=True):
            optimizer.state = own

    @property
    def learning_rate(self):
        """The learning rate of the first optimizer; assigning sets that of all."""
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: float | mx.array):
        for optimizer in self.optimizers:
            optimizer.learning_rate = learning_rate


def clip_grad_norm(grads, max_norm):
    """Scale the tree `grads` so that its norm as one vector is at most `max_norm`.

    Returns the scaled tree and the norm before.
    """
    squares = tree_reduce(lambda total, g: total + mx.sum(mx.square(g)), grads, 0.0)
    norm = mx.sqrt(squares)
    scale = mx.minimum(max_norm / (norm + 1e-6), 1.0)
    return tree_map(lambda g: g * scale, grads), norm
