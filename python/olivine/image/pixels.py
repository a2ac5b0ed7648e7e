"""Pixels as models take them, and back."""

from __future__ import annotations

import olivine.core as mx


def to_pixels(x: mx.array) -> mx.array:
    """Values from -1 to 1 as uint8."""
    x = mx.clip(x.astype(mx.float32) * 0.5 + 0.5, 0.0, 1.0)
    return mx.round(x * 255).astype(mx.uint8)


def as_images(image, size: tuple[int, int], count: int) -> mx.array:
    """Pixels in uint8, `(height, width, 3)` or several, as `(count, *size, 3)` from -1 to 1."""
    x = mx.array(image)
    x = x[None] if x.ndim == 3 else x
    if x.shape[1:] != (*size, 3) or x.dtype != mx.uint8 or x.shape[0] not in (1, count):
        raise ValueError(
            f"[image] expected uint8 pixels {(*size, 3)}, once or {count} times; "
            f"got {x.dtype} {x.shape}"
        )
    x = x.astype(mx.float32) / 127.5 - 1.0
    return mx.broadcast_to(x, (count, *size, 3))


def as_masks(mask, size: tuple[int, int], count: int, factor: int) -> tuple[mx.array, mx.array]:
    """A mask of latents and one of pixels, each `(count, ..., 1)` of zeros and ones.

    `mask` is `(height, width)` or `(height, width, 1)`, or several, in uint8 or from 0 to 1.
    """
    x = mx.array(mask)
    x = x[None, ..., None] if x.ndim == 2 else x[None] if x.ndim == 3 else x
    if x.shape[1:] != (*size, 1) or x.shape[0] not in (1, count):
        raise ValueError(f"[image] expected a mask {size}; got shape {x.shape}")
    x = x.astype(mx.float32) / (255.0 if x.dtype == mx.uint8 else 1.0)
    x = (x >= 0.5).astype(mx.float32)
    x = mx.broadcast_to(x, (count, *size, 1))
    return x[:, ::factor, ::factor], x
