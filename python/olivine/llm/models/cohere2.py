"""Command R7B and Command A: of four layers three have a window, the fourth no positions at all.

Source: Cohere, "Command A: An Enterprise-Ready Large Language Model" (2025).
"""

from __future__ import annotations

from dataclasses import dataclass

import olivine.nn as nn
from olivine.llm.blocks.attention import Attention
from olivine.llm.blocks.rope import rope_of
from olivine.llm.models import cohere


@dataclass
class Config(cohere.Config):
    sliding_window: int | None = 4096
    sliding_window_pattern: int = 4

    @classmethod
    def normalized(cls, config: dict) -> dict:
        older = {"sliding_window_pattern": config.get("layer_switch")}
        return super().normalized({**older, **config})

    def __post_init__(self):
        self.check()
        if self.layer_types is None:
            self.layer_types = [
                "sliding_attention" if (i + 1) % self.sliding_window_pattern else "full_attention"
                for i in range(self.num_hidden_layers)
            ]
        super().__post_init__()


class Model(cohere.Model):
    def attention(self, config: Config, index: int) -> nn.Module:
        rope = rope_of(config, traditional=True) if config.sliding(index) else None
        bias = config.attention_bias
        return Attention(config, rope, bias=bias, output_bias=bias)
