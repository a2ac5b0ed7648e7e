"""Mixtral: Mistral with a mixture of experts in place of every feed-forward layer.

Source: Jiang et al., "Mixtral of Experts" (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import Attention
from olivine.llm.blocks.config import DecoderConfig
from olivine.llm.blocks.decoder import CausalLM
from olivine.llm.blocks.experts import Experts, softmax_top_k, stack_experts
from olivine.llm.blocks.rope import rope_of


@dataclass
class Config(DecoderConfig):
    num_key_value_heads: int | None = 8
    rms_norm_eps: float = 1e-5
    rope_theta: float = 1e6
    num_local_experts: int = 8
    num_experts_per_tok: int = 2

    def __post_init__(self):
        super().__post_init__()
        self.require_no_more("num_experts_per_tok", than="num_local_experts")


class MixtureOfExperts(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.picked = config.num_experts_per_tok
        self.gate = nn.Linear(config.hidden_size, config.num_local_experts, bias=False)
        self.experts = Experts(
            config.num_local_experts,
            config.hidden_size,
            config.intermediate_size,
            config.hidden_act,
        )

    def __call__(self, x: mx.array) -> mx.array:
        indices, weights = softmax_top_k(self.gate(x), self.picked, normalize=True)
        return self.experts(x, indices, weights)


class Layer(nn.Module):
    def __init__(self, config: Config, norm):
        super().__init__()
        self.self_attn = Attention(config, rope_of(config))
        self.block_sparse_moe = MixtureOfExperts(config)
        self.input_layernorm = norm()
        self.post_attention_layernorm = norm()

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        x = x + self.self_attn(self.input_layernorm(x), mask, cache)
        return x + self.block_sparse_moe(self.post_attention_layernorm(x))


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(nn.RMSNorm, config.hidden_size, eps=config.rms_norm_eps)
        layers = [Layer(config, norm) for _ in range(config.num_hidden_layers)]
        super().__init__(config, layers, norm())

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        names = {"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}
        return stack_experts(super().sanitize(weights), names)
