"""Module, the base class of layers and models: a dictionary of parameters and sub-modules.

Arrays, dictionaries, lists and tuples assigned to an attribute become dictionary entries, and so
part of the model's state; anything else stays a plain attribute. Names that start with an
underscore are state without being parameters. Parameters are read and written as trees
(see `olivine.utils`) of the same nesting as the modules.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import olivine.core as mx
from olivine.utils import tree_flatten, tree_unflatten

Filter = Callable[["Module", str, Any], bool]


def _is_floating(dtype: mx.Dtype) -> bool:
    return dtype in (mx.float32, mx.float16, mx.bfloat16, mx.float64)


class Module(dict):
    """A layer or model. Subclasses make their parameters in `__init__` and define `__call__`.

    >>> class Scale(nn.Module):
    ...     def __init__(self, dims):
    ...         super().__init__()
    ...         self.weight = mx.ones((dims,))
    ...     def __call__(self, x):
    ...         return self.weight * x
    """

    def __init__(self):
        super().__init__()
        self._no_grad: set[str] = set()
        self._training = True

    # Attributes

    def __getattr__(self, key: str):
        # Reached only when there is no plain attribute of this name.
        try:
            return self[key]
        except KeyError:
            return super().__getattribute__(key)  # raises the usual AttributeError

    def __setattr__(self, key: str, val: Any):
        if isinstance(val, (mx.array, dict, list, tuple)):
            self.__dict__.pop(key, None)
            self[key] = val
        else:
            super().__setattr__(key, val)
            self.pop(key, None)

    def __delattr__(self, name: str):
        if name in self:
            del self[name]
        else:
            super().__delattr__(name)

    def __repr__(self):
        children = tree_flatten(self.children(), is_leaf=self.is_module)
        head = f"{type(self).__name__}({self._extra_repr()}"
        if not children:
            return f"{head})"
        body = "".join(f"\n({name}): {child!r}" for name, child in children)
        return f"{head}{textwrap.indent(body, '  ')}\n)"

    def _extra_repr(self) -> str:
        """What `repr` shows between the parentheses of this module."""
        return ""

    # Filters

    @staticmethod
    def is_module(value):
        return isinstance(value, Module)

    @staticmethod
    def valid_child_filter(module, key, value):
        return isinstance(value, (dict, list))

    @staticmethod
    def valid_parameter_filter(module, key, value):
        return isinstance(value, (dict, list, mx.array)) and not key.startswith("_")

    @staticmethod
    def trainable_parameter_filter(module, key, value):
        return Module.valid_parameter_filter(module, key, value) and key not in module._no_grad

    def filter_and_map(
        self,
        filter_fn: Filter,
        map_fn: Callable | None = None,
        is_leaf_fn: Filter | None = None,
    ):
        """The tree of entries for which `filter_fn(module, key, value)` holds, leaves mapped.

        By default, leaves are the values that are no module, dictionary or list.
        """
        map_fn = map_fn or (lambda x: x)

        def is_leaf(module, key, value):
            if is_leaf_fn is not None:
                return is_leaf_fn(module, key, value)
            return not isinstance(value, (dict, list))

        def walk(module, key, value):
            if is_leaf(module, key, value):
                return map_fn(value)
            if isinstance(value, Module):
                kept = ((k, v) for k, v in value.items() if filter_fn(value, k, v))
                return {k: walk(value, k, v) for k, v in kept}
            if isinstance(value, (dict, list)):
                items = value.items() if isinstance(value, dict) else enumerate(value)
                walked = {
                    k: walk(module, f"{key}.{k}", v) if filter_fn(module, f"{key}.{k}", v) else {}
                    for k, v in items
                }
                return walked if isinstance(value, dict) else list(walked.values())
            raise RuntimeError(
                f"[Module.filter_and_map] expected is_leaf_fn to accept {key!r}; "
                f"got a {type(value).__name__}, which has nothing inside"
            )

        return {k: walk(self, k, v) for k, v in self.items() if filter_fn(self, k, v)}

    # Reading

    @property
    def state(self):
        """The module itself: the tree of all its arrays, for the inputs of `mx.compile`."""
        return self

    def parameters(self):
        """The tree of all parameters."""
        return self.filter_and_map(self.valid_parameter_filter)

    def trainable_parameters(self):
        """The tree of the parameters that are not frozen."""
        return self.filter_and_map(self.trainable_parameter_filter)

    def children(self):
        """The tree of direct sub-modules."""
        return self.filter_and_map(
            self.valid_child_filter, is_leaf_fn=lambda m, k, v: isinstance(v, Module)
        )

    def leaf_modules(self):
        """The tree of those sub-modules that have no sub-module themselves."""

        def is_leaf(module, key, value):
            return isinstance(value, Module) and not tree_flatten(
                value.children(), is_leaf=self.is_module
            )

        return self.filter_and_map(self.valid_child_filter, is_leaf_fn=is_leaf)

    def named_modules(self):
        """`(dotted name, module)` for this module (named "") and every one below it.

        A module comes before those below it; siblings come last to first, as in MLX.
        """
        found = [("", self)]
        for name, child in reversed(tree_flatten(self.children(), is_leaf=self.is_module)):
            for below, module in child.named_modules():
                found.append((f"{name}.{below}" if below else name, module))
        return found

    def modules(self):
        """This module and every one below it."""
        return [module for _, module in self.named_modules()]

    # Writing

    def update(self, parameters: dict, strict: bool = True) -> Module:
        """Replace parameters by those of a tree, which need not name all of them.

        With `strict`, a name that the module lacks or a value that is no array raises `ValueError`.
        """
        _update_parameters(self, parameters, strict, path="")
        return self

    def update_modules(self, modules: dict, strict: bool = True) -> Module:
        """Replace sub-modules by those of a tree, which need not name all of them."""
        _update_modules(self, modules, strict, path="")
        return self

    def apply(
        self,
        map_fn: Callable[[mx.array], mx.array],
        filter_fn: Filter | None = None,
    ) -> Module:
        """Replace each parameter `p` by `map_fn(p)`; `filter_fn` picks other entries."""
        return self.update(self.filter_and_map(filter_fn or self.valid_parameter_filter, map_fn))

    def apply_to_modules(self, apply_fn: Callable[[str, Module], Any]) -> Module:
        """Call `apply_fn(name, module)` for this module and every one below it."""
        for name, module in self.named_modules():
            apply_fn(name, module)
        return self

    def set_dtype(
        self,
        dtype: mx.Dtype,
        predicate: Callable[[mx.Dtype], bool] | None = _is_floating,
    ):
        """Cast the parameters whose dtype satisfies `predicate` (by default, floating ones)."""
        if predicate is None:
            predicate = lambda _: True  # noqa: E731
        self.apply(lambda x: x.astype(dtype) if predicate(x.dtype) else x)

    # Files

    def load_weights(
        self, file_or_weights: str | list[tuple[str, mx.array]], strict: bool = True
    ) -> Module:
        """Load parameters from a `.safetensors` or `.npz` file or from `(name, array)` pairs.

        With `strict`, names and shapes must match the module's exactly.
        """
        if isinstance(file_or_weights, (list, tuple)):
            weights = list(file_or_weights)
        else:
            weights = list(mx.load(str(file_or_weights)).items())
        if strict:
            self._check_weights(dict(weights))
        if weights:
            self.update(tree_unflatten(weights), strict=False)
        return self

    def _check_weights(self, weights: dict[str, mx.array]) -> None:
        own = tree_flatten(self.parameters(), destination={})
        problems = {
            "names the model lacks": sorted(weights.keys() - own.keys()),
            "missing names": sorted(own.keys() - weights.keys()),
        }
        for what, names in problems.items():
            if names:
                raise ValueError(
                    "[Module.load_weights] expected exactly the model's parameters; "
                    f"got {len(names)} {what}: {', '.join(names)}"
                )
        for name, value in weights.items():
            if not isinstance(value, mx.array):
                raise ValueError(
                    f"[Module.load_weights] expected an array for {name}; "
                    f"got {type(value).__name__}"
                )
            if value.shape != own[name].shape:
                raise ValueError(
                    f"[Module.load_weights] expected shape {own[name].shape} for {name}; "
                    f"got {value.shape}"
                )

    def save_weights(self, file: str):
        """Save all parameters to a `.safetensors` or `.npz` file."""
        file = str(file)
        weights = tree_flatten(self.parameters(), destination={})
        if file.endswith(".npz"):
            mx.savez(file, **weights)
        elif file.endswith(".safetensors"):
            mx.save_safetensors(file, weights)
        else:
            raise ValueError(
                f"[Module.save_weights] expected a name ending in .safetensors or .npz; got {file}"
            )

    # Frozen parameters and training mode

    def freeze(
        self,
        *,
        recurse: bool = True,
        keys: str | list[str] | None = None,
        strict: bool = False,
    ) -> Module:
        """Leave parameters out of training: all, or those named by `keys`.

        With `strict`, a key that no module has raises `KeyError`.
        """
        keys = self._checked_keys(keys, strict, recurse)

        def freeze_one(name, module):
            if keys is None:
                own = module.filter_and_map(
                    lambda m, k, v: not isinstance(v, Module) and m.valid_parameter_filter(m, k, v)
                )
                module._no_grad.update(path for path, _ in tree_flatten(own))
            else:
                module._no_grad.update(keys)

        self.apply_to_modules(freeze_one) if recurse else freeze_one("", self)
        return self

    def unfreeze(
        self,
        *,
        recurse: bool = True,
        keys: str | list[str] | None = None,
        strict: bool = False,
    ) -> Module:
        """Undo `freeze` for all parameters or those named by `keys`."""
        keys = self._checked_keys(keys, strict, recurse)
        # BatchNorm overrides this method, so children are reached through their own.
        if recurse:
            for child in self._child_modules():
                child.unfreeze(keys=keys)
        if keys is None:
            self._no_grad.clear()
        else:
            self._no_grad.difference_update(keys)
        return self

    def _child_modules(self):
        return [child for _, child in tree_flatten(self.children(), is_leaf=self.is_module)]

    def _checked_keys(
        self, keys: str | list[str] | None, strict: bool, recurse: bool
    ) -> list[str] | None:
        if keys is None:
            return None
        keys = keys if isinstance(keys, list) else [keys]
        modules = self.modules() if strict and recurse else [self]
        for key in keys if strict else ():
            if not any(key in module for module in modules):
                where = " or a module below it" if recurse else ""
                raise KeyError(
                    f"[Module.freeze] expected a parameter of {type(self).__name__}{where}; "
                    f"got {key!r}"
                )
        return keys

    @property
    def training(self):
        """Whether layers such as dropout behave as in training."""
        return self._training

    def train(self, mode: bool = True) -> Module:
        """Set this module and every one below it to training mode, or out of it."""
        return self.apply_to_modules(lambda _, module: module._set_training_mode(mode))

    def eval(self) -> Module:
        """Set this module and every one below it to evaluation mode."""
        return self.train(False)

    def _set_training_mode(self, mode: bool) -> None:
        self._training = mode


def _slots(target: Any, tree: Any, strict: bool, op: str, path: str):
    """The `(key, current, new, path)` of entries of `tree` that exist in `target`."""
    if isinstance(target, dict) and isinstance(tree, dict):
        pairs, keys = tree.items(), target.keys()
    elif isinstance(target, list) and isinstance(tree, list):
        pairs, keys = enumerate(tree), range(len(target))
    else:
        if strict and not (isinstance(tree, (dict, list)) and not tree):
            raise ValueError(
                f"[Module.{op}] expected the model's own nesting at {path or 'the top'}; "
                f"got {type(tree).__name__}"
            )
        return
    for key, new in pairs:
        here = f"{path}.{key}" if path else f"{key}"
        if key in keys:
            yield key, target[key], new, here
        elif strict:
            raise ValueError(f"[Module.{op}] expected a name the model has; got {here!r}")


def _is_gap(value: Any) -> bool:
    """What a tree holds between the entries of a list that it names."""
    return type(value) is dict and not value


def _update_parameters(target: Any, tree: Any, strict: bool, path: str) -> None:
    for key, current, new, here in _slots(target, tree, strict, "update", path):
        if not isinstance(current, mx.array):
            _update_parameters(current, new, strict, here)
        elif isinstance(new, mx.array) or not strict:
            target[key] = new
        else:
            raise ValueError(
                f"[Module.update] expected an array for {here!r}; got {type(new).__name__}"
            )


def _update_modules(target: Any, tree: Any, strict: bool, path: str) -> None:
    for key, current, new, here in _slots(target, tree, strict, "update_modules", path):
        if isinstance(current, Module) and isinstance(new, Module):
            target[key] = new
        elif isinstance(current, (dict, list)):
            _update_modules(current, new, strict, here)
        elif strict and not _is_gap(new):
            raise ValueError(
                f"[Module.update_modules] expected a module at {here!r}; "
                f"got {type(current).__name__}"
            )
