"""Gemma 3, its text model: normalized queries and keys, five layers with a window for each without.

Layers with a window have rotary positions of their own. Source: Gemma Team, "Gemma 3 Technical
Report" (2025).
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
from olivine.llm.blocks.rope import make_rope
from olivine.llm.models import gemma
from olivine.llm.models.gemma2 import Layer


@dataclass(kw_only=True)
class Config(gemma.Config):
    vocab_size: int = 262208
    num_attention_heads: int = 8
    num_key_value_heads: int | None = 4
    max_position_embeddings: int = 131072
    query_pre_attn_scalar: int = 256
    final_logit_softcapping: float | None = None
    sliding_window: int | None = 4096
    sliding_window_pattern: int = 6
    rope_theta: float = 1e6
    rope_local_base_freq: float = 1e4
    rope_local_scaling: dict | None = None

    def __post_init__(self):
        self.check()
        if self.layer_types is None:
            self.layer_types = [
                "sliding_attention" if (i + 1) % self.sliding_window_pattern else "full_attention"
                for i in range(self.num_hidden_layers)
            ]
        super().__post_init__()

    @classmethod
    def normalized(cls, config: dict) -> dict:
        # A model that also sees has its text model's configuration inside.
        config = dict(config.get("text_config") or config)
        if "_sliding_window_pattern" in config:
            config["sliding_window_pattern"] = config["_sliding_window_pattern"]
        rope = config.get("rope_parameters")
        if isinstance(rope, dict) and "full_attention" in rope:
            everywhere, local = rope["full_attention"], rope.get("sliding_attention") or {}
            config["rope_theta"] = everywhere.get("rope_theta", 1e6)
            config["rope_scaling"] = everywhere
            config["rope_local_base_freq"] = local.get("rope_theta", 1e4)
            config["rope_local_scaling"] = local
        return config


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(OneRMSNorm, eps=config.rms_norm_eps)
        attention = partial(
            Attention,
            config,
            bias=config.attention_bias,
            output_bias=config.attention_bias,
            scale=config.query_pre_attn_scalar**-0.5,
            head_norm=norm,
        )

        def rope(index: int) -> nn.Module:
            context = config.max_position_embeddings
            if config.sliding(index):
                base, scaling = config.rope_local_base_freq, config.rope_local_scaling
            else:
                base, scaling = config.rope_theta, config.rope_scaling
            return make_rope(config.head_dim, base, scaling, context=context)

        layers = [
            Layer(
                attention(rope(i)),
                GatedMLP(config.hidden_size, config.intermediate_size, config.hidden_activation),
                partial(norm, config.hidden_size),
            )
            for i in range(config.num_hidden_layers)
        ]
        last_norm = norm(config.hidden_size)
        super().__init__(config, layers, last_norm, embed_scale=config.hidden_size**0.5)

    def head(self, x: mx.array) -> mx.array:
        logits, cap = super().head(x), self.config.final_logit_softcapping
        return mx.tanh(logits / cap) * cap if cap else logits

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """Of a model that also sees, the text model alone."""
        prefix = "language_model."
        if any(prefix in name for name in weights):
            weights = {
                "model." + name.split(prefix, 1)[1].removeprefix("model."): weight
                for name, weight in weights.items()
                if prefix in name
            }
        return super().sanitize(weights)
