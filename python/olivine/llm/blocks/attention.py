"""Self-attention of decoders: grouped queries, rotary positions, a cache."""

from __future__ import annotations

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.rope import make_rope


def attend(queries, keys, values, cache, **options) -> mx.array:
    """Attention over what the cache remembers and the new keys and values.

    Shapes `(batch, heads, length, head_dim)`; `options` are those of
    `mx.fast.scaled_dot_product_attention`. A cache may keep keys and values in a form of its own.
    """
    if cache is None:
        return mx.fast.scaled_dot_product_attention(queries, keys, values, **options)
    return cache.attend(queries, keys, values, **options)


class Attention(nn.Module):
    """Attention whose heads of keys and values may be shared by groups of queries.

    `dims` features, `heads` queries and `kv_heads` keys and values of `head_dim` each.
    `norm` makes the normalization of queries and keys, if there is one (`norm(head_dim)`).
    """

    def __init__(
        self,
        dims: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        rope: nn.Module | None,
        bias: bool = False,
        output_bias: bool = False,
        scale: float | None = None,
        norm=None,
    ):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        self.scale = head_dim**-0.5 if scale is None else scale
        self.q_proj = nn.Linear(dims, heads * head_dim, bias=bias)
        self.k_proj = nn.Linear(dims, kv_heads * head_dim, bias=bias)
        self.v_proj = nn.Linear(dims, kv_heads * head_dim, bias=bias)
        self.o_proj = nn.Linear(heads * head_dim, dims, bias=output_bias)
        if norm is not None:
            self.q_norm, self.k_norm = norm(head_dim), norm(head_dim)
        self.rope = rope

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        batch, length, _ = x.shape
        queries = self.q_proj(x).reshape(batch, length, self.heads, self.head_dim)
        keys = self.k_proj(x).reshape(batch, length, self.kv_heads, self.head_dim)
        values = self.v_proj(x).reshape(batch, length, self.kv_heads, self.head_dim)
        if "q_norm" in self:
            queries, keys = self.q_norm(queries), self.k_norm(keys)
        queries, keys = queries.transpose(0, 2, 1, 3), keys.transpose(0, 2, 1, 3)
        if self.rope is not None:
            offset = 0 if cache is None else cache.offset
            queries, keys = self.rope(queries, offset=offset), self.rope(keys, offset=offset)
        y = attend(queries, keys, values.transpose(0, 2, 1, 3), cache, scale=self.scale, mask=mask)
        return self.o_proj(y.transpose(0, 2, 1, 3).reshape(batch, length, -1))

    @classmethod
    def from_config(cls, config, **options):
        """The attention of a `DecoderConfig`."""
        rope = make_rope(config.head_dim, config.rope_theta, config.rope_scaling)
        return cls(
            config.hidden_size,
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
            rope,
            **{"bias": config.attention_bias, "output_bias": config.attention_bias, **options},
        )
