"""Llama 1 to 3, SmolLM and what else is built alike.

Sources: Touvron et al., "LLaMA" (2023); Grattafiori et al., "The Llama 3 Herd of Models" (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import olivine.nn as nn
from olivine.llm.blocks.attention import Attention
from olivine.llm.blocks.config import DecoderConfig
from olivine.llm.blocks.decoder import CausalLM, PreNormLayer
from olivine.llm.blocks.feed_forward import GatedMLP
from olivine.llm.blocks.rope import rope_of


@dataclass
class Config(DecoderConfig):
    """As in config.json; every field of the shared decoder is one of Llama's."""


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(nn.RMSNorm, config.hidden_size, eps=config.rms_norm_eps)
        bias = config.attention_bias
        layers = [
            PreNormLayer(
                Attention(config, rope_of(config), bias=bias, output_bias=bias),
                GatedMLP(
                    config.hidden_size, config.intermediate_size, config.hidden_act, config.mlp_bias
                ),
                norm,
            )
            for _ in range(config.num_hidden_layers)
        ]
        super().__init__(config, layers, norm())
