"""StarCoder 2: biases everywhere, layer norms, a plain feed-forward layer, a sliding window.

Source: Lozhkov et al., "StarCoder 2 and The Stack v2" (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import olivine.nn as nn
from olivine.llm.blocks.attention import Attention
from olivine.llm.blocks.config import DecoderConfig
from olivine.llm.blocks.decoder import CausalLM, PreNormLayer
from olivine.llm.blocks.feed_forward import PlainMLP
from olivine.llm.blocks.rope import rope_of


@dataclass
class Config(DecoderConfig):
    num_key_value_heads: int | None = 2
    hidden_act: str = "gelu_pytorch_tanh"
    norm_epsilon: float = 1e-5
    use_bias: bool = True
    tie_word_embeddings: bool = True


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(nn.LayerNorm, config.hidden_size, eps=config.norm_epsilon)
        bias = config.use_bias
        layers = [
            PreNormLayer(
                Attention(config, rope_of(config), bias=bias, output_bias=bias),
                PlainMLP(config.hidden_size, config.intermediate_size, config.hidden_act, bias),
                norm,
            )
            for _ in range(config.num_hidden_layers)
        ]
        super().__init__(config, layers, norm())
