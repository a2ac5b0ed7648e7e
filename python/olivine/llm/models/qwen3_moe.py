"""Qwen 3 MoE: Qwen 3 with experts in place of feed-forward layers.

Source: Yang et al., "Qwen3 Technical Report" (2025).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import Attention
from olivine.llm.blocks.decoder import CausalLM, PreNormLayer
from olivine.llm.blocks.experts import Experts, softmax_top_k, stack_experts
from olivine.llm.blocks.feed_forward import GatedMLP
from olivine.llm.blocks.rope import rope_of
from olivine.llm.models.qwen2_moe import MoEConfig


@dataclass
class Config(MoEConfig):
    num_experts: int = 128
    num_experts_per_tok: int = 8
    moe_intermediate_size: int = 768


class MixtureOfExperts(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        dims = config.hidden_size
        self.picked, self.normalize = config.num_experts_per_tok, config.norm_topk_prob
        self.gate = nn.Linear(dims, config.num_experts, bias=False)
        self.experts = Experts(
            config.num_experts, dims, config.moe_intermediate_size, config.hidden_act
        )

    def __call__(self, x: mx.array) -> mx.array:
        indices, weights = softmax_top_k(self.gate(x), self.picked, self.normalize)
        return self.experts(x, indices, weights)


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(nn.RMSNorm, eps=config.rms_norm_eps)
        bias = config.attention_bias

        def mlp(index: int) -> nn.Module:
            if config.has_experts(index):
                return MixtureOfExperts(config)
            return GatedMLP(config.hidden_size, config.intermediate_size, config.hidden_act)

        layers = [
            PreNormLayer(
                Attention(config, rope_of(config), bias=bias, output_bias=bias, head_norm=norm),
                mlp(i),
                partial(norm, config.hidden_size),
            )
            for i in range(config.num_hidden_layers)
        ]
        super().__init__(config, layers, norm(config.hidden_size))

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        return stack_experts(super().sanitize(weights))
