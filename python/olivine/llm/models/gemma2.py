"""Gemma 2: norms before and after, soft caps, and a window in every other layer.

Source: Gemma Team, "Gemma 2: Improving Open Language Models at a Practical Size" (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import Attention
from olivine.llm.blocks.decoder import CausalLM
from olivine.llm.blocks.feed_forward import GatedMLP
from olivine.llm.blocks.norms import OneRMSNorm
from olivine.llm.blocks.rope import rope_of
from olivine.llm.models import gemma


@dataclass
class Config(gemma.Config):
    max_position_embeddings: int = 8192
    query_pre_attn_scalar: int = 256
    attn_logit_softcapping: float | None = 50.0
    final_logit_softcapping: float | None = 30.0
    sliding_window: int | None = 4096

    def __post_init__(self):
        self.check()
        if self.layer_types is None:
            kinds = ("sliding_attention", "full_attention")
            self.layer_types = [kinds[i % 2] for i in range(self.num_hidden_layers)]
        super().__post_init__()


class Layer(nn.Module):
    """Attention and feed-forward, each normalized on the way in and on the way out."""

    def __init__(self, attention: nn.Module, mlp: nn.Module, norm):
        super().__init__()
        self.self_attn = attention
        self.mlp = mlp
        self.input_layernorm = norm()
        self.post_attention_layernorm = norm()
        self.pre_feedforward_layernorm = norm()
        self.post_feedforward_layernorm = norm()

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        y = self["self_attn"](self["input_layernorm"](x), mask, cache)
        x = x + self["post_attention_layernorm"](y)
        y = self["mlp"](self["pre_feedforward_layernorm"](x))
        return x + self["post_feedforward_layernorm"](y)


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(OneRMSNorm, config.hidden_size, eps=config.rms_norm_eps)
        attention = partial(
            Attention,
            config,
            bias=config.attention_bias,
            output_bias=config.attention_bias,
            scale=config.query_pre_attn_scalar**-0.5,
            softcap=config.attn_logit_softcapping,
        )
        layers = [
            Layer(
                attention(rope_of(config)),
                GatedMLP(config.hidden_size, config.intermediate_size, config.hidden_activation),
                norm,
            )
            for _ in range(config.num_hidden_layers)
        ]
        super().__init__(config, layers, norm(), embed_scale=config.hidden_size**0.5)

    def head(self, x: mx.array) -> mx.array:
        logits, cap = super().head(x), self.config.final_logit_softcapping
        return mx.tanh(logits / cap) * cap if cap else logits
