"""Blocks of GGUF's types: from numbers, and from affine groups that a type holds exactly.

A block is 32 values with a float16 scale `d`: `d * (q - 8)` in Q4_0, `d * (q - 16)` in Q5_0, and
`d * q` with signed bytes in Q8_0; Q4_1 and Q5_1 add a float16 minimum. Four bits of values 0 to 15
and 16 to 31 share bytes; the fifth ones follow the scale as one word.
"""

from __future__ import annotations

import numpy as np

BLOCK = 32
_BITS = {"Q4_0": 4, "Q4_1": 4, "Q5_0": 5, "Q5_1": 5, "Q8_0": 8}
_SMALLEST_FIRST = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")


def to_blocks(values: np.ndarray, kind: str) -> np.ndarray:
    """Round float32 `values` to blocks of `kind`, `(blocks, bytes)`."""
    x = values.reshape(-1, BLOCK).astype(np.float32)
    top = 2 ** _BITS[kind] - 1
    if kind.endswith("_1"):
        low = x.min(axis=1).astype(np.float16)
        scale = ((x.max(axis=1) - low.astype(np.float32)) / top).astype(np.float16)
        return _assemble(kind, _codes(x, scale, low, top), scale, low)
    largest = np.take_along_axis(x, np.abs(x).argmax(axis=1)[:, None], axis=1)[:, 0]
    if kind == "Q8_0":
        scale = (np.abs(largest) / 127).astype(np.float16)
        codes = _codes(x, scale, -128 * scale.astype(np.float32), top)
        return _assemble(kind, codes, scale)
    middle = (top + 1) // 2  # the value that is farthest from 0 is met exactly
    scale = (largest / -middle).astype(np.float16)
    return _assemble(kind, _codes(x, scale, -middle * scale.astype(np.float32), top), scale)


def _codes(x: np.ndarray, scale: np.ndarray, low: np.ndarray, top: int) -> np.ndarray:
    scale, low = scale.astype(np.float32)[:, None], np.asarray(low, np.float32)[:, None]
    safe = np.where(scale == 0, 1, scale)
    return np.clip(np.rint((x - low) / safe), 0, top).astype(np.uint8)


def exact_blocks(
    codes: np.ndarray, scales: np.ndarray, biases: np.ndarray, kinds: tuple[str, ...] = ()
) -> tuple[str, np.ndarray] | None:
    """Affine groups `codes * scales + biases` as blocks of the smallest type that holds them.

    `codes` are `(rows, columns)` and the others `(rows, groups)`. None if no type (among `kinds`,
    if given) has the same values: where scales are no float16, say, or 8 bits have a minimum.
    """
    repeat = codes.shape[1] // scales.shape[1] // BLOCK
    if repeat == 0:
        return None  # groups of 16
    codes = codes.reshape(-1, BLOCK)
    scales, biases = (
        np.repeat(part.astype(np.float32), repeat, axis=1).reshape(-1) for part in (scales, biases)
    )
    half = scales.astype(np.float16)
    if not np.array_equal(half.astype(np.float32), scales):
        return None
    for kind in _SMALLEST_FIRST:
        if kinds and kind not in kinds:
            continue
        found = _as_exactly(kind, codes, half, scales, biases)
        if found is not None:
            return kind, found
    return None


def _as_exactly(kind, codes, half, scales, biases) -> np.ndarray | None:
    top = 2 ** _BITS[kind] - 1
    if kind.endswith("_1"):
        low = biases.astype(np.float16)
        if codes.max(initial=0) > top or not np.array_equal(low.astype(np.float32), biases):
            return None
        return _assemble(kind, codes, half, low)
    # A bias of whole steps only moves the codes.
    steps = np.where(scales == 0, 0, biases / np.where(scales == 0, 1, scales))
    moved = codes.astype(np.float32) + (steps + (top + 1) // 2)[:, None]
    whole = np.array_equal(np.rint(steps), steps) and np.array_equal(steps * scales, biases)
    if not whole or moved.min(initial=0) < 0 or moved.max(initial=0) > top:
        return None
    return _assemble(kind, moved.astype(np.uint8), half)


def _assemble(kind: str, codes: np.ndarray, scale: np.ndarray, low=None) -> np.ndarray:
    parts = [scale[:, None].view(np.uint8)]
    if low is not None:
        parts.append(low[:, None].view(np.uint8))
    if kind == "Q8_0":
        parts.append(codes ^ 0x80)
        return np.concatenate(parts, axis=1)
    if _BITS[kind] == 5:
        parts.append(np.packbits(codes >> 4, axis=1, bitorder="little"))
    parts.append((codes[:, :16] & 15) | (codes[:, 16:] & 15) << 4)
    return np.concatenate(parts, axis=1)
