"""Gemma: Llama with a scaled embedding, GELU gates and norms that scale by `1 + weight`.

Source: Gemma Team, "Gemma: Open Models Based on Gemini Research and Technology" (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from olivine.llm.blocks.attention import Attention
from olivine.llm.blocks.config import DecoderConfig
from olivine.llm.blocks.decoder import CausalLM, PreNormLayer
from olivine.llm.blocks.feed_forward import GatedMLP
from olivine.llm.blocks.norms import OneRMSNorm
from olivine.llm.blocks.rope import rope_of


@dataclass
class Config(DecoderConfig):
    head_dim: int | None = 256
    tie_word_embeddings: bool = True
    # Files also have a hidden_act, "gelu", but the models were trained with its approximation.
    hidden_activation: str = "gelu_pytorch_tanh"


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(OneRMSNorm, config.hidden_size, eps=config.rms_norm_eps)
        bias = config.attention_bias
        layers = [
            PreNormLayer(
                Attention(config, rope_of(config), bias=bias, output_bias=bias),
                GatedMLP(config.hidden_size, config.intermediate_size, config.hidden_activation),
                norm,
            )
            for _ in range(config.num_hidden_layers)
        ]
        super().__init__(config, layers, norm(), embed_scale=config.hidden_size**0.5)
