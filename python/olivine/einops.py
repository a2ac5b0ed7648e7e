"""Axes by name: `rearrange`, `reduce`, `repeat` and `einsum` with the patterns of einops.

    rearrange(images, "b h w c -> b c (h w)")
    reduce(images, "b (h 2) (w 2) c -> b h w c", "mean")
    repeat(row, "w -> h w", h=3)
    einsum(queries, keys, "b h q d, b h k d -> b h q k")

A pattern names the axes before and after `->`. Parentheses join axes, `...` stands for any further
axes, 1 for an axis of one element. Everything is made of reshapes, transposes, reductions and
products of olivine.core, so gradients, `vmap` and `compile` follow. The language is that of
Rogozhnikov, "Einops: Clear and Reliable Tensor Manipulations with Einstein-like Notation", 2022.
"""

import functools
import math
import re
import string
from collections.abc import Callable
from numbers import Integral

import olivine.core as mx

__all__ = ["einsum", "rearrange", "reduce", "repeat"]

_DOTS, _JOINED_DOTS = "...", "(...)"  # in a place of their own, and inside of parentheses
_TOKEN = re.compile(r"\s*(\.\.\.|->|[(),]|\w+)")
_REDUCTIONS = {
    "sum": mx.sum,
    "mean": mx.mean,
    "max": mx.max,
    "min": mx.min,
    "prod": mx.prod,
    "any": mx.any,
    "all": mx.all,
}


def rearrange(tensor: mx.array | list[mx.array], pattern: str, **axes_lengths: int) -> mx.array:
    """The same elements with axes permuted, split, joined, added or dropped (of one element).

    Args:
        tensor: an array, or a list of arrays of one shape, which become a first axis.
        pattern: the axes before and after; both sides name the same ones.
        axes_lengths: sizes of axes that the shape does not tell.

    Raises:
        ValueError: a pattern that is none, or does not fit the shape.
    """
    return _transform("rearrange", tensor, pattern, None, axes_lengths)


def reduce(
    tensor: mx.array | list[mx.array],
    pattern: str,
    reduction: str | Callable[[mx.array, tuple[int, ...]], mx.array],
    **axes_lengths: int,
) -> mx.array:
    """`rearrange` that reduces the axes which the right side does not name.

    Args:
        tensor: an array, or a list of arrays of one shape, which become a first axis.
        pattern: the axes before and after; a number names an axis of that size.
        reduction: "sum", "mean", "max", "min", "prod", "any", "all", or a function of the array and
            the axes that it is to remove.
        axes_lengths: sizes of axes that the shape does not tell.

    Raises:
        ValueError: a pattern that is none, or does not fit the shape; an unknown reduction.
    """
    if not callable(reduction) and reduction not in _REDUCTIONS:
        known = ", ".join(_REDUCTIONS)
        raise ValueError(f"[reduce] expected a function or one of {known}; got {reduction!r}")
    return _transform("reduce", tensor, pattern, reduction, axes_lengths)


def repeat(tensor: mx.array | list[mx.array], pattern: str, **axes_lengths: int) -> mx.array:
    """`rearrange` that copies the elements along axes which only the right side names.

    Args:
        tensor: an array, or a list of arrays of one shape, which become a first axis.
        pattern: the axes before and after; a number on the right is an axis of that size.
        axes_lengths: sizes of the new axes, and of those that the shape does not tell.

    Raises:
        ValueError: a pattern that is none, or does not fit the shape; a new axis without a size.
    """
    return _transform("repeat", tensor, pattern, None, axes_lengths)


def einsum(*tensors_and_pattern: mx.array | str) -> mx.array:
    """Sum of products over named axes: `einsum(a, b, "row inner, inner column -> row column")`.

    Args:
        tensors_and_pattern: the arrays, and last the pattern: the axes of each array, separated by
            commas, and those of the result. Axes that the result does not name are summed over.

    Raises:
        ValueError: a pattern that is none, or does not fit the arrays.
    """
    if not tensors_and_pattern or not isinstance(tensors_and_pattern[-1], str):
        last = type(tensors_and_pattern[-1]).__name__ if tensors_and_pattern else "nothing"
        raise TypeError(f"[einsum] expected arrays and then a pattern; got {last} last")
    *tensors, pattern = tensors_and_pattern
    left, right = _sides("einsum", pattern)
    operands = [_names("einsum", part, pattern) for part in left.split(",")]
    out = _names("einsum", right, pattern)
    if len(operands) != len(tensors):
        raise ValueError(
            f"[einsum] expected {len(operands)} arrays for {pattern!r}; got {len(tensors)}"
        )
    names = dict.fromkeys(n for operand in operands for n in operand if n != _DOTS)
    if len(names) > len(string.ascii_letters):
        raise ValueError(f"[einsum] expected at most 52 names; got {len(names)}")
    letters = dict(zip(names, string.ascii_letters, strict=False)) | {_DOTS: _DOTS}
    for name in out:
        if all(name not in operand for operand in operands):
            raise ValueError(f"[einsum] expected axes of the arrays behind '->'; got {name!r}")
    subscripts = ",".join("".join(letters[n] for n in operand) for operand in operands)
    return mx.einsum(f"{subscripts}->{''.join(letters[n] for n in out)}", *tensors)


# ---- Patterns. A side is a tuple of groups, one for each axis; a group is a tuple of names and
# dots. Numbers other than 1 become names of their own, "#0" and so on, with that size.


def _sides(op, pattern):
    if pattern.count("->") != 1:
        raise ValueError(f"[{op}] expected one '->' in the pattern; got {pattern!r}")
    left, right = pattern.split("->")
    return left, right


def _names(op, side, pattern):
    """The names of one operand of einsum."""
    groups = _groups(op, side, pattern)
    names = tuple(name for group in groups for name in group)
    if any(len(group) != 1 for group in groups) or any(n[0] in string.digits for n in names):
        raise ValueError(f"[{op}] expected names without parentheses; got {pattern!r}")
    return names


def _groups(op, side, pattern):
    groups, inside, end = [], None, 0
    for token in _TOKEN.finditer(side):
        if token.start() != end:
            break
        end, word = token.end(), token[1]
        if word == "(" and inside is None:
            inside = []
        elif word == ")" and inside is not None:
            groups.append(tuple(inside))
            inside = None
        elif word == _DOTS or _is_axis(word):
            if inside is None:
                groups.append((word,))
            else:
                inside.append(_JOINED_DOTS if word == _DOTS else word)
        else:
            raise ValueError(
                f"[{op}] expected names, numbers and (...) groups; got {word!r} in {pattern!r}"
            )
    if side[end:].strip():
        raise ValueError(
            f"[{op}] expected names, numbers and (...) groups; got {side[end:].strip()[0]!r} in "
            f"{pattern!r}"
        )
    if inside is not None:
        raise ValueError(f"[{op}] expected a ')' for every '('; got {pattern!r}")
    return tuple(groups)


def _is_axis(word):
    if word.isdigit():
        return int(word) > 0
    return word.isidentifier() and word[0] != "_" and word[-1] != "_"


@functools.lru_cache(512)
def _parsed(op, pattern):
    """(left, right, sizes of numbered axes)."""
    sizes, sides = {}, []
    for text in _sides(op, pattern):
        groups = []
        for group in _groups(op, text, pattern):
            names = []
            for word in group:
                if word == "1":
                    continue
                if word.isdigit():
                    name = f"#{len(sizes)}"
                    sizes[name] = int(word)
                    word = name
                names.append(word)
            groups.append(tuple(names))
        sides.append(tuple(groups))
    left, right = sides
    _check(op, left, right, pattern)
    return left, right, sizes


def _check(op, left, right, pattern):
    flat = [[n for group in side for n in group] for side in (left, right)]
    for names in flat:
        bare = [n.strip("()") for n in names]
        twice = next((n for n in bare if bare.count(n) > 1), None)
        if twice:
            raise ValueError(
                f"[{op}] expected each axis once on a side; got {twice!r} twice in {pattern!r}"
            )
    if _JOINED_DOTS in flat[0]:
        raise ValueError(
            f"[{op}] expected '...' outside of parentheses on the left; got {pattern!r}"
        )
    before, after = ({_DOTS if n == _JOINED_DOTS else n for n in names} for names in flat)
    lost = sorted(n for n in before - after if op != "reduce")
    new = sorted(n for n in after - before if op != "repeat" or n == _DOTS)
    if lost:
        raise ValueError(
            f"[{op}] expected every axis on the right, too; got {_shown(lost)} in {pattern!r}"
        )
    if new:
        raise ValueError(
            f"[{op}] expected every axis on the left, too; got {_shown(new)} in {pattern!r}"
        )


def _shown(names):
    return ", ".join("a number" if n.startswith("#") else repr(n) for n in names)


# ---- Shapes.


def _spread(op, left, ndim, pattern):
    """The left side's groups, and the names that its dots stand for."""
    dots = (_DOTS,) in left
    if ndim < len(left) - dots or (not dots and ndim != len(left)):
        count = f"at least {len(left) - 1}" if dots else len(left)
        raise ValueError(f"[{op}] expected {count} axes for {pattern!r}; got {ndim}")
    further = tuple(f"...{i}" for i in range(ndim - len(left) + 1)) if dots else ()
    groups = []
    for group in left:
        groups += [(name,) for name in further] if group == (_DOTS,) else [group]
    return groups, further


def _solve(op, groups, shape, sizes, pattern):
    """The sizes of all axes on the left, of which one in a group may be unknown."""
    for group, size in zip(groups, shape, strict=True):
        known = math.prod(sizes.get(name, 1) for name in group)
        unknown = [name for name in group if name not in sizes]
        if len(unknown) > 1:
            raise ValueError(
                f"[{op}] expected the sizes of all axes but one in ({' '.join(group)}); got none "
                f"for {', '.join(unknown)}"
            )
        fits = size % known == 0 if unknown and known else size == known
        if not fits:
            text = " ".join(str(sizes[n]) if n[0] == "#" else n for n in group) or "1"
            many = "a multiple of " if unknown else ""
            raise ValueError(
                f"[{op}] expected {many}{known} elements for ({text}) in {pattern!r}; got {size}"
            )
        if unknown:
            sizes[unknown[0]] = size // known
    return sizes


def _transform(op, tensor, pattern, reduction, lengths):
    x = mx.stack(tensor) if isinstance(tensor, list | tuple) else tensor
    left, right, numbered = _parsed(op, pattern)
    groups, further = _spread(op, left, x.ndim, pattern)
    names = [name for group in groups for name in group]
    after = [
        tuple(n for name in group for n in (further if name == _JOINED_DOTS else (name,)))
        for group in _without_lone_dots(right, further)
    ]
    wanted = [name for group in after for name in group]
    for name, length in lengths.items():
        if name not in names and name not in wanted:
            raise ValueError(f"[{op}] expected sizes of axes in {pattern!r}; got one for {name!r}")
        if not isinstance(length, Integral) or length < 0:
            raise ValueError(f"[{op}] expected a size for {name!r}; got {length!r}")
    sizes = _solve(op, groups, x.shape, numbered | lengths, pattern)
    missing = [name for name in wanted if name not in sizes]
    if missing:
        raise ValueError(f"[{op}] expected a size for each new axis; got none for {missing[0]!r}")

    x = mx.reshape(x, tuple(sizes[name] for name in names))
    x, names = _reduced(x, names, wanted, reduction)
    order = [names.index(name) for name in wanted if name in names]
    if order != list(range(len(order))):
        x = mx.transpose(x, order)
    if len(order) < len(wanted):
        x = mx.reshape(x, tuple(sizes[n] if n in names else 1 for n in wanted))
        x = mx.broadcast_to(x, tuple(sizes[n] for n in wanted))
    return mx.reshape(x, tuple(math.prod(sizes[n] for n in group) for group in after))


def _without_lone_dots(right, further):
    """The right side with dots outside of parentheses replaced by an axis for each name."""
    for group in right:
        if group == (_DOTS,):
            yield from ((name,) for name in further)
        else:
            yield group


def _reduced(x, names, wanted, reduction):
    axes = tuple(i for i, name in enumerate(names) if name not in wanted)
    if not axes:
        return x, names
    by = reduction if callable(reduction) else _REDUCTIONS[reduction]
    return by(x, axes), [name for name in names if name in wanted]
