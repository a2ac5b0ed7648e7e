"""Qwen 1.5 and 2 MoE: experts, and one more that every token uses, weighted by a gate of its own.

Source: Yang et al., "Qwen2 Technical Report" (2024).
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
from olivine.llm.models.qwen2 import QwenConfig


@dataclass
class MoEConfig(QwenConfig):
    """Which layers have experts, how many and of what size."""

    num_experts: int = 60
    num_experts_per_tok: int = 4
    moe_intermediate_size: int = 1408
    norm_topk_prob: bool = False
    decoder_sparse_step: int = 1
    mlp_only_layers: list[int] | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.num_experts:
            self.require_no_more("num_experts_per_tok", than="num_experts")

    @classmethod
    def normalized(cls, config: dict) -> dict:
        # transformers 5 writes num_local_experts.
        return super().normalized({"num_experts": config.get("num_local_experts"), **config})

    def has_experts(self, index: int) -> bool:
        return (
            self.num_experts > 0
            and index not in (self.mlp_only_layers or [])
            and (index + 1) % self.decoder_sparse_step == 0
        )


@dataclass
class Config(MoEConfig):
    shared_expert_intermediate_size: int = 5632
    qkv_bias: bool = True


class MixtureOfExperts(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        dims, act = config.hidden_size, config.hidden_act
        self.picked, self.normalize = config.num_experts_per_tok, config.norm_topk_prob
        self.gate = nn.Linear(dims, config.num_experts, bias=False)
        self.experts = Experts(config.num_experts, dims, config.moe_intermediate_size, act)
        self.shared_expert = GatedMLP(dims, config.shared_expert_intermediate_size, act)
        self.shared_expert_gate = nn.Linear(dims, 1, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        indices, weights = softmax_top_k(self.gate(x), self.picked, self.normalize)
        shared = mx.sigmoid(self.shared_expert_gate(x)) * self.shared_expert(x)
        return self.experts(x, indices, weights) + shared


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(nn.RMSNorm, config.hidden_size, eps=config.rms_norm_eps)

        def mlp(index: int) -> nn.Module:
            if config.has_experts(index):
                return MixtureOfExperts(config)
            return GatedMLP(config.hidden_size, config.intermediate_size, config.hidden_act)

        layers = [
            PreNormLayer(Attention(config, rope_of(config), bias=config.qkv_bias), mlp(i), norm)
            for i in range(config.num_hidden_layers)
        ]
        super().__init__(config, layers, norm())

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        return stack_experts(super().sanitize(weights))
