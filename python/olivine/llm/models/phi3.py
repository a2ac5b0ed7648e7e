"""Phi 3, 3.5 and 4: Llama with fused projections, and rotary positions on a part of each head.

Sources: Abdin et al., "Phi-3 Technical Report" (2024), "Phi-4 Technical Report" (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import rotate_and_attend, split_heads
from olivine.llm.blocks.config import DecoderConfig
from olivine.llm.blocks.decoder import CausalLM, PreNormLayer
from olivine.llm.blocks.feed_forward import activation
from olivine.llm.blocks.rope import rope_of


@dataclass
class Config(DecoderConfig):
    rms_norm_eps: float = 1e-5
    max_position_embeddings: int = 4096
    original_max_position_embeddings: int | None = 4096


class Attention(nn.Module):
    """One matrix makes queries, keys and values."""

    def __init__(self, config: Config):
        super().__init__()
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        ends = (self.heads * config.head_dim, (self.heads + self.kv_heads) * config.head_dim)
        width = (self.heads + 2 * self.kv_heads) * config.head_dim
        self.qkv_proj = nn.Linear(config.hidden_size, width, bias=False)
        self.o_proj = nn.Linear(self.heads * config.head_dim, config.hidden_size, bias=False)
        self._split = partial(mx.split, indices_or_sections=ends, axis=-1)
        self._attend = partial(rotate_and_attend, rope=rope_of(config), scale=config.head_dim**-0.5)

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        queries, keys, values = self._split(self.qkv_proj(x))
        queries = split_heads(queries, self.heads)
        keys, values = split_heads(keys, self.kv_heads), split_heads(values, self.kv_heads)
        return self.o_proj(self._attend(queries, keys, values, cache, mask=mask))


class MLP(nn.Module):
    """Gated; one matrix makes the gate and what it lets through."""

    def __init__(self, config: Config):
        super().__init__()
        self.gate_up_proj = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)
        self._act = activation(config.hidden_act)

    def __call__(self, x: mx.array) -> mx.array:
        gate, x = mx.split(self.gate_up_proj(x), 2, axis=-1)
        return self.down_proj(self._act(gate) * x)


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(nn.RMSNorm, config.hidden_size, eps=config.rms_norm_eps)
        layers = [
            PreNormLayer(Attention(config), MLP(config), norm)
            for _ in range(config.num_hidden_layers)
        ]
        super().__init__(config, layers, norm())
