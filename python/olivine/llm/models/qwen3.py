"""Qwen 3: no biases, and each head of queries and keys is normalized.

Source: Yang et al., "Qwen3 Technical Report" (2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import olivine.nn as nn
from olivine.llm.blocks.attention import Attention
from olivine.llm.blocks.decoder import CausalLM, PreNormLayer
from olivine.llm.blocks.feed_forward import GatedMLP
from olivine.llm.blocks.rope import rope_of
from olivine.llm.models.qwen2 import QwenConfig


@dataclass
class Config(QwenConfig):
    head_dim: int | None = 128


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(nn.RMSNorm, eps=config.rms_norm_eps)
        bias = config.attention_bias
        layers = [
            PreNormLayer(
                Attention(config, rope_of(config), bias=bias, output_bias=bias, head_norm=norm),
                GatedMLP(config.hidden_size, config.intermediate_size, config.hidden_act),
                partial(norm, config.hidden_size),
            )
            for _ in range(config.num_hidden_layers)
        ]
        super().__init__(config, layers, norm(config.hidden_size))
