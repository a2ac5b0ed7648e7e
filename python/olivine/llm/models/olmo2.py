"""OLMo 2: norms on the way out instead of in, and over all heads of queries and keys together.

Source: OLMo Team, "2 OLMo 2 Furious" (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import rotate_and_attend, split_heads
from olivine.llm.blocks.config import DecoderConfig
from olivine.llm.blocks.decoder import CausalLM
from olivine.llm.blocks.feed_forward import GatedMLP
from olivine.llm.blocks.rope import rope_of


@dataclass
class Config(DecoderConfig):
    rms_norm_eps: float = 1e-5


class Attention(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        width, kv_width = self.heads * config.head_dim, self.kv_heads * config.head_dim
        linear = partial(nn.Linear, bias=config.attention_bias)
        self.q_proj = linear(config.hidden_size, width)
        self.k_proj = linear(config.hidden_size, kv_width)
        self.v_proj = linear(config.hidden_size, kv_width)
        self.o_proj = linear(width, config.hidden_size)
        self.q_norm = nn.RMSNorm(width, eps=config.rms_norm_eps)
        self.k_norm = nn.RMSNorm(kv_width, eps=config.rms_norm_eps)
        self._attend = partial(rotate_and_attend, rope=rope_of(config), scale=config.head_dim**-0.5)

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        queries = split_heads(self.q_norm(self.q_proj(x)), self.heads)
        keys = split_heads(self.k_norm(self.k_proj(x)), self.kv_heads)
        values = split_heads(self.v_proj(x), self.kv_heads)
        return self.o_proj(self._attend(queries, keys, values, cache, mask=mask))


class Layer(nn.Module):
    def __init__(self, config: Config, norm):
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = GatedMLP(config.hidden_size, config.intermediate_size, config.hidden_act)
        self.post_attention_layernorm = norm()
        self.post_feedforward_layernorm = norm()

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        x = x + self.post_attention_layernorm(self.self_attn(x, mask, cache))
        return x + self.post_feedforward_layernorm(self.mlp(x))


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(nn.RMSNorm, config.hidden_size, eps=config.rms_norm_eps)
        layers = [Layer(config, norm) for _ in range(config.num_hidden_layers)]
        super().__init__(config, layers, norm())
