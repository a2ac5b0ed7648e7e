"""The state of anything that has one, as a tree of arrays and plain values, and back.

`state_of` and `set_state` know modules, optimizers, random generators, objects with `state_dict`
and `load_state_dict`, and plain trees. `pack` splits a tree into arrays with names and a JSON-able
rest that `unpack` puts together again, with empty containers, tuples and NumPy arrays as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import olivine.core as mx
from olivine.nn import Module
from olivine.optimizers import Optimizer

RandomState = type(mx.random.state)


def _module_slots(node: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The `(dotted path, container, key)` of every array of a module, also of hidden ones."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        here = f"{path}.{key}" if path else f"{key}"
        if isinstance(value, mx.array):
            yield here, node, key
        elif isinstance(value, (dict, list)):
            yield from _module_slots(value, here)


def _has_state_dict(thing: Any) -> bool:
    return hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")


def state_of(thing: Any) -> Any:
    """The state as a tree of arrays, numbers, strings, booleans and None.

    A module's is the flat dictionary of its arrays, buffers and frozen parameters included.
    """
    if isinstance(thing, RandomState):
        return {"key": thing[0]}
    if isinstance(thing, np.random.Generator):
        return thing.bit_generator.state
    if not isinstance(thing, Module) and _has_state_dict(thing):
        return thing.state_dict()
    if isinstance(thing, Module):
        return {path: node[key] for path, node, key in _module_slots(thing)}
    return thing.state if isinstance(thing, Optimizer) else thing


def check_state(thing: Any, state: Any, name: str) -> None:
    """Raises `ValueError` if `set_state` could not give `state` to `thing`."""
    if not isinstance(thing, Module):
        return
    own = {path: node[key] for path, node, key in _module_slots(thing)}
    lacks, extra = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    if lacks or extra:
        what = f"no {lacks[0]}" if lacks else f"also {extra[0]}"
        raise ValueError(
            f"expected exactly the arrays of {name}; got {what} "
            f"({len(lacks)} missing, {len(extra)} unknown)"
        )
    for path, value in own.items():
        if state[path].shape != value.shape:
            raise ValueError(
                f"expected shape {value.shape} for {name}.{path}; got {state[path].shape}"
            )


def set_state(thing: Any, state: Any) -> bool:
    """Give `thing` the state that `state_of` returned.

    Dictionaries and lists are changed in place, because compiled functions hold on to them. False
    for a value that cannot change in place, such as a number; the caller then uses `state` instead.
    """
    if isinstance(thing, RandomState):
        thing[0] = state["key"]
    elif isinstance(thing, np.random.Generator):
        thing.bit_generator.state = state
    elif not isinstance(thing, Module) and _has_state_dict(thing):
        thing.load_state_dict(state)
    elif isinstance(thing, Module):
        for path, node, key in list(_module_slots(thing)):
            node[key] = state[path]
    elif isinstance(thing, Optimizer):
        own = thing.state
        assign(own, state)
        thing.state = own  # so that it adds what places without arrays need
    elif type(thing) in (dict, list) and type(thing) is type(state):
        assign(thing, state)
    else:
        return False
    return True


def assign(target: dict | list, source: dict | list) -> None:
    """Make `target` equal to `source`, keeping the dictionaries and lists it consists of."""
    if isinstance(target, list):
        del target[len(source) :]
    else:
        for key in [key for key in target if key not in source]:
            del target[key]
    for key, new in source.items() if isinstance(source, dict) else enumerate(source):
        if isinstance(target, list) and key == len(target):
            target.append(new)
            continue
        old = target[key] if isinstance(target, list) else target.get(key)
        if type(old) in (dict, list) and type(old) is type(new) and old is not new:
            assign(old, new)
        else:
            target[key] = new


def pack(tree: Any, name: str, arrays: dict[str, mx.array]) -> Any:
    """Put the arrays of `tree` into `arrays` under dotted names; returns the rest for `unpack`.

    Every array gets a handle of its own, so that later item assignment to the original changes
    nothing here. Raises `TypeError` for leaves that are neither arrays nor JSON values.
    """
    if isinstance(tree, mx.array):
        return {"array": _add(name, tree.reshape(tree.shape), arrays)}
    if isinstance(tree, np.ndarray) and tree.dtype != object:
        wide = {"float64": mx.float64, "complex128": mx.complex128}.get(tree.dtype.name)
        return {"numpy": _add(name, mx.array(tree, dtype=wide), arrays)}
    if isinstance(tree, np.generic):
        return tree.item()
    if type(tree) is dict:
        for key in tree:
            if not isinstance(key, str):
                raise TypeError(f"expected string keys in {name}; got {key!r}")
        return {"dict": {key: pack(v, f"{name}.{key}", arrays) for key, v in tree.items()}}
    if type(tree) in (list, tuple):
        items = [pack(v, f"{name}.{i}", arrays) for i, v in enumerate(tree)]
        return items if isinstance(tree, list) else {"tuple": items}
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    raise TypeError(
        f"expected arrays, JSON values, or something with state_dict() as {name}; "
        f"got {type(tree).__name__}"
    )


def _add(name: str, value: mx.array, arrays: dict[str, mx.array]) -> str:
    unique, count = name, 1
    while unique in arrays:  # keys that hold dots themselves
        count += 1
        unique = f"{name}#{count}"
    arrays[unique] = value
    return unique


def unpack(packed: Any, arrays: dict[str, mx.array]) -> Any:
    """The tree that `pack` was given."""
    if isinstance(packed, list):
        return [unpack(item, arrays) for item in packed]
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind == "dict":
        return {key: unpack(value, arrays) for key, value in content.items()}
    if kind == "tuple":
        return tuple(unpack(item, arrays) for item in content)
    return np.array(arrays[content]) if kind == "numpy" else arrays[content]
