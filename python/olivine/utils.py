"""Functions over trees, nested containers of anything; and pictures of graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _rebuild(like: Any, items: Any) -> Any:
    """A sequence of the type of `like`; a named tuple takes its fields one by one."""
    return type(like)(*items) if hasattr(like, "_fields") else type(like)(items)


def tree_map(fn: Callable, tree: Any, *rest: Any, is_leaf: Callable | None = None) -> Any:
    """Apply `fn` to every leaf of `tree` and return a tree of the results.

    Trees in `rest` are walked along; `fn` then gets one argument from each. `is_leaf(node)` may
    declare a dictionary, list or tuple to be a leaf.

    >>> tree_map(lambda x, y: x + y, {"a": [1, 2]}, {"a": [10, 20]})
    {'a': [11, 22]}
    """
    if is_leaf is not None and is_leaf(tree):
        return fn(tree, *rest)
    if isinstance(tree, (list, tuple)):
        return _rebuild(
            tree,
            [
                tree_map(fn, child, *(r[i] for r in rest), is_leaf=is_leaf)
                for i, child in enumerate(tree)
            ],
        )
    if isinstance(tree, dict):
        return {
            key: tree_map(fn, child, *(r[key] for r in rest), is_leaf=is_leaf)
            for key, child in tree.items()
        }
    return fn(tree, *rest)


def tree_map_with_path(
    fn: Callable,
    tree: Any,
    *rest: Any,
    is_leaf: Callable | None = None,
    path: Any | None = None,
) -> Any:
    """Like `tree_map`, with the leaf's dotted path as the first argument of `fn`.

    >>> tree_map_with_path(lambda path, x: path, {"a": [1, 2]})
    {'a': ['a.0', 'a.1']}
    """
    if is_leaf is not None and is_leaf(tree):
        return fn(path, tree, *rest)

    def below(key: Any, child: Any) -> Any:
        here = f"{path}.{key}" if path else f"{key}"
        return tree_map_with_path(fn, child, *(r[key] for r in rest), is_leaf=is_leaf, path=here)

    if isinstance(tree, (list, tuple)):
        return _rebuild(tree, [below(i, child) for i, child in enumerate(tree)])
    if isinstance(tree, dict):
        return {key: below(key, child) for key, child in tree.items()}
    return fn(path, tree, *rest)


def tree_flatten(
    tree: Any,
    prefix: str = "",
    is_leaf: Callable | None = None,
    destination: list[tuple[str, Any]] | dict[str, Any] | None = None,
) -> list[tuple[str, Any]] | dict[str, Any]:
    """List the leaves of `tree` as `(dotted path, leaf)` pairs.

    Paths are added to `destination` when it is given: a list gets pairs, a dictionary gets items.
    `prefix` is put before every path; as in MLX it carries its own leading dot. Empty containers
    have no leaves and leave no trace.

    >>> tree_flatten({"a": [1, {"b": 2}]})
    [('a.0', 1), ('a.1.b', 2)]
    """
    if destination is None:
        destination = []
    if is_leaf is not None and is_leaf(tree):
        children = None
    elif isinstance(tree, (list, tuple)):
        children = enumerate(tree)
    elif isinstance(tree, dict):
        children = tree.items()
    else:
        children = None

    if children is not None:
        for key, child in children:
            tree_flatten(child, f"{prefix}.{key}", is_leaf, destination)
    elif isinstance(destination, dict):
        destination[prefix.removeprefix(".")] = tree
    else:
        destination.append((prefix.removeprefix("."), tree))
    return destination


def tree_unflatten(tree: list[tuple[str, Any]] | dict[str, Any]) -> Any:
    """Rebuild a tree from dotted paths; a level whose keys are all integers becomes a list.

    Positions that no path names are filled with empty dictionaries.

    >>> tree_unflatten([("a.0", 1), ("a.1.b", 2)])
    {'a': [1, {'b': 2}]}
    """
    items = list(tree.items()) if isinstance(tree, dict) else list(tree)
    if len(items) == 1 and items[0][0] == "":
        return items[0][1]

    children: dict[str, list[tuple[str, Any]]] = {}
    for path, leaf in items:
        key, _, remainder = path.partition(".")
        children.setdefault(key, []).append((remainder, leaf))

    if children and not all(key.isdecimal() for key in children):
        return {key: tree_unflatten(below) for key, below in children.items()}
    result: list[Any] = []
    for key in sorted(children, key=int):
        result.extend({} for _ in range(int(key) - len(result)))
        result.append(tree_unflatten(children[key]))
    return result


def tree_reduce(
    fn: Callable, tree: Any, initializer: Any = None, is_leaf: Callable | None = None
) -> Any:
    """Fold the leaves of `tree` from left to right with `fn(accumulator, leaf)`.

    Without `initializer` the first leaf starts the fold.

    >>> tree_reduce(lambda total, x: total + x, {"a": [1, 2], "b": 3}, 0)
    6
    """
    accumulator = initializer
    for _, leaf in tree_flatten(tree, is_leaf=is_leaf):
        accumulator = leaf if accumulator is None else fn(accumulator, leaf)
    return accumulator


def _is_empty(tree: Any) -> bool:
    return tree is None or (isinstance(tree, (dict, list, tuple)) and len(tree) == 0)


def tree_merge(tree_a: Any, tree_b: Any, merge_fn: Callable | None = None) -> Any:
    """Merge two trees into one that has the leaves of both.

    An empty container or `None` gives way to the other side. Leaves present on both sides go
    through `merge_fn(a, b)`; without it they raise `ValueError`.

    >>> tree_merge({"a": [1]}, {"a": [{}, 2], "b": 3})
    {'a': [1, 2], 'b': 3}
    """
    if _is_empty(tree_a):
        return tree_b
    if _is_empty(tree_b):
        return tree_a
    if isinstance(tree_a, (list, tuple)) and isinstance(tree_b, (list, tuple)):
        shared = min(len(tree_a), len(tree_b))
        merged = [tree_merge(tree_a[i], tree_b[i], merge_fn) for i in range(shared)]
        return _rebuild(tree_a, [*merged, *tree_a[shared:], *tree_b[shared:]])
    if isinstance(tree_a, dict) and isinstance(tree_b, dict):
        merged = {key: tree_merge(a, tree_b.get(key), merge_fn) for key, a in tree_a.items()}
        return merged | {key: b for key, b in tree_b.items() if key not in tree_a}
    if merge_fn is None:
        raise ValueError(
            "[tree_merge] expected leaves on one side only or a merge_fn; "
            f"got {type(tree_a).__name__} and {type(tree_b).__name__}"
        )
    return merge_fn(tree_a, tree_b)


def export_to_svg(file: Any, *args: Any, **kwargs: Any) -> None:
    """Draw what lazy arrays are computed from, with shapes and dtypes, into a file or a path.

    `args` are the arrays or trees of them; `kwargs` name arrays in the picture.
    """
    from olivine import graph_svg

    graph_svg.export_to_svg(file, *args, **kwargs)
