"""Attention of decoders: grouped queries, rotary positions, a cache, soft caps.

Sub-modules on the path of every token are read as entries (`self["q_proj"]`): an attribute that is
no plain one takes ten times as long.
"""

from __future__ import annotations

from functools import partial

import olivine.core as mx
import olivine.nn as nn


def split_heads(x: mx.array, heads: int) -> mx.array:
    """`(batch, length, heads * head_dim)` as `(batch, heads, length, head_dim)`."""
    batch, length, _ = x.shape
    if length == 1:
        return x.reshape(batch, heads, 1, -1)
    return x.reshape(batch, length, heads, -1).transpose(0, 2, 1, 3)


def join_heads(x: mx.array) -> mx.array:
    """The inverse of `split_heads`."""
    batch, _, length, _ = x.shape
    if length > 1:
        x = x.transpose(0, 2, 1, 3)
    return x.reshape(batch, length, -1)


def capped_attention(queries, keys, values, softcap: float, *, scale: float, mask=None):
    """Attention whose scores `s` are capped to `softcap * tanh(s / softcap)`.

    Otherwise as `mx.fast.scaled_dot_product_attention`. Source: Gemma Team, "Gemma 2" (2024).
    """
    batch, heads, length, _ = queries.shape
    kv_heads, total = keys.shape[1:3]
    grouped = (queries * scale).reshape(batch, kv_heads, heads // kv_heads * length, -1)
    scores = (grouped @ keys.swapaxes(-1, -2)).reshape(batch, heads, length, total)
    scores = mx.tanh(scores / softcap) * softcap
    if isinstance(mask, str):
        mask = mx.arange(total) <= mx.arange(total - length, total)[:, None]
    if mask is not None and mask.dtype == mx.bool_:
        scores = mx.where(mask, scores, mx.finfo(scores.dtype).min)
    elif mask is not None:
        scores = scores + mask
    weights = mx.softmax(scores, axis=-1, precise=True).reshape(grouped.shape[:3] + (total,))
    return (weights @ values).reshape(batch, heads, length, -1)


def attend(queries, keys, values, cache, *, softcap: float | None = None, **options) -> mx.array:
    """Attention over what the cache remembers and the new keys and values.

    Shapes `(batch, heads, length, head_dim)`; `options` are those of
    `mx.fast.scaled_dot_product_attention`. A cache may keep keys and values in a form of its own,
    and attend to that; capped scores need the arrays.
    """
    if softcap is not None:
        if cache is not None:
            keys, values = cache.extend(keys, values)
        return capped_attention(queries, keys, values, softcap, **options)
    if cache is None:
        return mx.fast.scaled_dot_product_attention(queries, keys, values, **options)
    return cache.attend(queries, keys, values, **options)


def rotate_and_attend(queries, keys, values, cache, *, rope, **options) -> mx.array:
    """Turns queries and keys to their positions, attends and joins the heads again."""
    if rope is not None:
        offset = 0 if cache is None else cache.offset
        queries, keys = rope(queries, offset), rope(keys, offset)
    return join_heads(attend(queries, keys, values, cache, **options))


class Attention(nn.Module):
    """Attention whose heads of keys and values may be shared by groups of queries.

    Sizes are those of a `DecoderConfig`. `head_norm(head_dim)` makes the normalization of each head
    of queries and keys, if there is one; `scale` is `head_dim ** -0.5` unless given.
    """

    def __init__(
        self,
        config,
        rope: nn.Module | None,
        *,
        bias: bool = False,
        output_bias: bool = False,
        head_norm=None,
        scale: float | None = None,
        softcap: float | None = None,
    ):
        super().__init__()
        dims, head_dim = config.hidden_size, config.head_dim
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.q_proj = nn.Linear(dims, self.heads * head_dim, bias=bias)
        self.k_proj = nn.Linear(dims, self.kv_heads * head_dim, bias=bias)
        self.v_proj = nn.Linear(dims, self.kv_heads * head_dim, bias=bias)
        self.o_proj = nn.Linear(self.heads * head_dim, dims, bias=output_bias)
        if head_norm is not None:
            self.q_norm, self.k_norm = head_norm(head_dim), head_norm(head_dim)
        options = {"softcap": softcap} if softcap else {}
        scale = head_dim**-0.5 if scale is None else scale
        self._attend = partial(rotate_and_attend, rope=rope, scale=scale, **options)

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        queries = split_heads(self["q_proj"](x), self.heads)
        keys = split_heads(self["k_proj"](x), self.kv_heads)
        values = split_heads(self["v_proj"](x), self.kv_heads)
        if "q_norm" in self:
            queries, keys = self["q_norm"](queries), self["k_norm"](keys)
        return self["o_proj"](self._attend(queries, keys, values, cache, mask=mask))
