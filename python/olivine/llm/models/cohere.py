"""Command R and Aya: attention and feed-forward side by side, layer norms without biases.

Source: the model cards of Cohere's Command R (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import Attention
from olivine.llm.blocks.config import DecoderConfig
from olivine.llm.blocks.decoder import CausalLM
from olivine.llm.blocks.feed_forward import GatedMLP
from olivine.llm.blocks.norms import HeadLayerNorm
from olivine.llm.blocks.rope import rope_of


@dataclass
class Config(DecoderConfig):
    max_position_embeddings: int = 8192
    layer_norm_eps: float = 1e-5
    logit_scale: float = 0.0625
    tie_word_embeddings: bool = True
    use_qk_norm: bool = False


class Layer(nn.Module):
    def __init__(self, attention: nn.Module, config: Config):
        super().__init__()
        self.self_attn = attention
        self.mlp = GatedMLP(config.hidden_size, config.intermediate_size, config.hidden_act)
        self.input_layernorm = nn.LayerNorm(
            config.hidden_size, eps=config.layer_norm_eps, bias=False
        )

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        y = self["input_layernorm"](x)
        return x + self["self_attn"](y, mask, cache) + self["mlp"](y)


class Model(CausalLM):
    def __init__(self, config: Config):
        layers = [Layer(self.attention(config, i), config) for i in range(config.num_hidden_layers)]
        norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps, bias=False)
        super().__init__(config, layers, norm)

    def attention(self, config: Config, index: int) -> nn.Module:
        bias = config.attention_bias
        attention = Attention(
            config, rope_of(config, traditional=True), bias=bias, output_bias=bias
        )
        if config.use_qk_norm:
            norm = partial(HeadLayerNorm, dims=config.head_dim, eps=config.layer_norm_eps)
            attention.q_norm = norm(config.num_attention_heads)
            attention.k_norm = norm(config.num_key_value_heads)
        return attention

    def head(self, x: mx.array) -> mx.array:
        return super().head(x) * self.config.logit_scale
