"""Which positions a query sees, as masks of `mx.fast.scaled_dot_product_attention`."""

from __future__ import annotations

import olivine.core as mx


def causal_mask(length: int, offset: int, window: int | None) -> mx.array | str | None:
    """Which of `offset + length` positions each of the last `length` sees."""
    if window is None or offset + length <= window:
        return None if length == 1 else "causal"
    rows = mx.arange(offset, offset + length)[:, None]
    columns = mx.arange(offset + length)[None]
    return (columns <= rows) & (columns > rows - window)


def sink_mask(length: int, offset: int, window: int, keep: int) -> mx.array | str | None:
    """As `causal_mask`, but the first `keep` positions stay seen when the window has left them."""
    if offset + length <= keep + window:
        return causal_mask(length, offset, None)
    rows = mx.arange(offset, offset + length)[:, None]
    columns = mx.arange(offset + length)[None]
    return (columns <= rows) & ((columns > rows - window) | (columns < keep))


def ragged_mask(length: int, offsets: mx.array, columns: int, window: int | None) -> mx.array:
    """Rows of a batch that hold `offsets` positions each: shape `(batch, 1, length, columns)`."""
    positions = (offsets[:, None] + mx.arange(length))[:, None, :, None]
    column = mx.arange(columns)
    seen = column <= positions
    return seen if window is None else seen & (column > positions - window)
