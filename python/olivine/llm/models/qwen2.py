"""Qwen 2 and 2.5: Llama with biases on queries, keys and values.

Source: Yang et al., "Qwen2 Technical Report" (2024).
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
class QwenConfig(DecoderConfig):
    """Qwen's way of saying which layers have a window: all from `max_window_layers` on."""

    max_position_embeddings: int = 32768
    use_sliding_window: bool = False
    max_window_layers: int = 28

    @property
    def windows(self) -> list[int | None]:
        if not self.use_sliding_window:
            return [None] * self.num_hidden_layers
        if self.layer_types is not None:
            return super().windows
        return [
            self.sliding_window if i >= self.max_window_layers else None
            for i in range(self.num_hidden_layers)
        ]


@dataclass
class Config(QwenConfig):
    pass


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(nn.RMSNorm, config.hidden_size, eps=config.rms_norm_eps)
        layers = [
            PreNormLayer(
                Attention(config, rope_of(config), bias=True),
                GatedMLP(config.hidden_size, config.intermediate_size, config.hidden_act),
                norm,
            )
            for _ in range(config.num_hidden_layers)
        ]
        super().__init__(config, layers, norm())
