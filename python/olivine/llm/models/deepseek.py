"""DeepSeek V2 and V3: latent attention, and many small experts with a few shared ones.

What a token leaves for later ones is one short vector, from which the keys and values of all heads
are made by `kv_b_proj`. With a cache that matrix is applied to queries and to results instead, and
attention runs over the short vectors themselves, as if they were one shared head. Sources:
DeepSeek-AI, "DeepSeek-V2" (2024), section 2.1, and "DeepSeek-V3 Technical Report" (2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import olivine.core as mx
import olivine.nn as nn
from olivine.llm.blocks.attention import attend, join_heads, split_heads
from olivine.llm.blocks.config import DecoderConfig
from olivine.llm.blocks.decoder import CausalLM, PreNormLayer
from olivine.llm.blocks.experts import Experts, stack_experts, top_k
from olivine.llm.blocks.feed_forward import GatedMLP
from olivine.llm.blocks.rope import rope_of, yarn_amplitude


@dataclass
class Config(DecoderConfig):
    kv_lora_rank: int = 512
    q_lora_rank: int | None = 1536
    qk_nope_head_dim: int = 128
    qk_rope_head_dim: int = 64
    v_head_dim: int = 128
    n_routed_experts: int | None = None
    n_shared_experts: int | None = None
    num_experts_per_tok: int = 8
    moe_intermediate_size: int = 1407
    first_k_dense_replace: int = 0
    moe_layer_freq: int = 1
    n_group: int | None = None
    topk_group: int | None = None
    topk_method: str = "greedy"
    scoring_func: str = "softmax"
    norm_topk_prob: bool = False
    routed_scaling_factor: float = 1.0

    def __post_init__(self):
        self.check()
        self.head_dim = self.qk_nope_head_dim + self.qk_rope_head_dim
        super().__post_init__()
        if self.n_routed_experts:
            self.require_no_more("num_experts_per_tok", than="n_routed_experts")
        if self.n_routed_experts and self.grouped:
            self.require_divisible("n_routed_experts", by="n_group")
            self.require_no_more("topk_group", than="n_group")

    @property
    def grouped(self) -> bool:
        """Whether experts come from the best groups alone."""
        several = (self.n_group or 1) > 1 and self.topk_group is not None
        return several and self.topk_method != "greedy"

    @classmethod
    def normalized(cls, config: dict) -> dict:
        third = {"topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": True}
        defaults = third if config.get("model_type") == "deepseek_v3" else {}
        return super().normalized({**defaults, **config})

    def has_experts(self, index: int) -> bool:
        return bool(
            self.n_routed_experts
            and index >= self.first_k_dense_replace
            and index % self.moe_layer_freq == 0
        )


def times_head_matrices(x: mx.array, linear: nn.Module, heads: int, rows: slice, transpose: bool):
    """`x` `(batch, heads, length, …)` times `rows` of each head's part of a linear layer's weight.

    A packed weight stays packed.
    """

    def part(name):
        whole = linear[name]
        return whole.reshape(heads, -1, whole.shape[-1])[None, :, rows]

    if "scales" not in linear:
        weight = part("weight")
        return x @ (weight.swapaxes(-1, -2) if transpose else weight)
    biases = part("biases") if linear.get("biases") is not None else None
    return mx.quantized_matmul(
        x,
        part("weight"),
        scales=part("scales"),
        biases=biases,
        transpose=transpose,
        group_size=linear.group_size,
        bits=linear.bits,
        mode=linear.mode,
    )


class LatentAttention(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        linear = partial(nn.Linear, bias=False)
        norm = partial(nn.RMSNorm, eps=1e-6)
        self.heads, self.rank = config.num_attention_heads, config.kv_lora_rank
        self.plain, self.rotated = config.qk_nope_head_dim, config.qk_rope_head_dim
        dims, width, bias = config.hidden_size, self.heads * config.head_dim, config.attention_bias
        if config.q_lora_rank is None:
            self.q_proj = linear(dims, width)
        else:
            self.q_a_proj = nn.Linear(dims, config.q_lora_rank, bias=bias)
            self.q_a_layernorm = norm(config.q_lora_rank)
            self.q_b_proj = linear(config.q_lora_rank, width)
        self.kv_a_proj_with_mqa = nn.Linear(dims, self.rank + self.rotated, bias=bias)
        self.kv_a_layernorm = norm(self.rank)
        self.kv_b_proj = linear(self.rank, self.heads * (self.plain + config.v_head_dim))
        self.o_proj = nn.Linear(self.heads * config.v_head_dim, dims, bias=bias)
        self.rope = rope_of(config, traditional=True, dims=self.rotated)
        scaling = config.rope_scaling or {}
        stretched = yarn_amplitude(scaling.get("factor", 1), scaling.get("mscale_all_dim") or 0)
        self.scale = config.head_dim**-0.5 * stretched**2

    def __call__(self, x: mx.array, mask=None, cache=None) -> mx.array:
        if "q_proj" in self:
            queries = self.q_proj(x)
        else:
            queries = self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x)))
        queries = split_heads(queries, self.heads)
        latent = self.kv_a_proj_with_mqa(x)[:, None]  # one head
        offset = 0 if cache is None else cache.offset
        q_plain = queries[..., : self.plain]
        q_rotated = self.rope(queries[..., self.plain :], offset)
        k_rotated = self.rope(latent[..., self.rank :], offset)
        latent = self.kv_a_layernorm(latent[..., : self.rank])
        run = self._expanded if cache is None else self._compressed
        y = run(q_plain, q_rotated, latent, k_rotated, cache, scale=self.scale, mask=mask)
        return self.o_proj(join_heads(y))

    def _expanded(self, q_plain, q_rotated, latent, k_rotated, cache, **options):
        """Keys and values of every head: fewer products where each is used once."""
        made = split_heads(self.kv_b_proj(latent[:, 0]), self.heads)
        keys, values = made[..., : self.plain], made[..., self.plain :]
        k_rotated = mx.broadcast_to(k_rotated, q_rotated.shape)
        queries = mx.concatenate([q_plain, q_rotated], axis=-1)
        return attend(queries, mx.concatenate([keys, k_rotated], axis=-1), values, None, **options)

    def _compressed(self, q_plain, q_rotated, latent, k_rotated, cache, **options):
        """Attention over the latent vectors.

        They are keys, with what is rotated after them, and values too: the cache holds no others.
        """
        times = partial(times_head_matrices, linear=self.kv_b_proj, heads=self.heads)
        q_latent = times(q_plain, rows=slice(None, self.plain), transpose=False)
        queries = mx.concatenate([q_latent, q_rotated], axis=-1)
        keys = mx.concatenate([latent, k_rotated], axis=-1)
        keys, _ = cache.extend(keys, keys[..., :0])
        y = attend(queries, keys, keys[..., : self.rank], None, **options)
        return times(y, rows=slice(self.plain, None), transpose=True)


class Router(nn.Module):
    """Which experts a token uses, and how much of each: V2's and V3's ways."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.weight = mx.zeros((config.n_routed_experts, config.hidden_size))
        if config.topk_method == "noaux_tc":
            self.e_score_correction_bias = mx.zeros((config.n_routed_experts,))

    def __call__(self, x: mx.array) -> tuple[mx.array, mx.array]:
        config = self.config
        logits = x.astype(mx.float32) @ self.weight.astype(mx.float32).T
        score = mx.sigmoid if config.scoring_func == "sigmoid" else partial(mx.softmax, axis=-1)
        scores = choice = score(logits)
        if "e_score_correction_bias" in self:
            choice = scores + self.e_score_correction_bias
        if config.grouped:
            choice = self._best_groups(choice)
        indices = top_k(choice, config.num_experts_per_tok)
        weights = mx.take_along_axis(scores, indices, axis=-1)
        if config.norm_topk_prob:
            weights = weights / (weights.sum(axis=-1, keepdims=True) + 1e-20)
        return indices, weights * config.routed_scaling_factor

    def _best_groups(self, choice: mx.array) -> mx.array:
        """Scores of experts outside the best groups set to 0."""
        config = self.config
        groups = choice.reshape(*choice.shape[:-1], config.n_group, -1)
        if config.topk_method == "noaux_tc":
            merit = mx.topk(groups, 2, axis=-1).sum(axis=-1)
        else:
            merit = groups.max(axis=-1)
        worst = mx.argpartition(merit, config.n_group - config.topk_group, axis=-1)
        worst = worst[..., : config.n_group - config.topk_group, None]
        return mx.put_along_axis(groups, worst, mx.array(0.0), axis=-2).reshape(choice.shape)


class MixtureOfExperts(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        dims, hidden, act = config.hidden_size, config.moe_intermediate_size, config.hidden_act
        self.gate = Router(config)
        self.experts = Experts(config.n_routed_experts, dims, hidden, act)
        if config.n_shared_experts:
            self.shared_experts = GatedMLP(dims, hidden * config.n_shared_experts, act)

    def __call__(self, x: mx.array) -> mx.array:
        y = self.experts(x, *self.gate(x))
        return y + self.shared_experts(x) if "shared_experts" in self else y


class Model(CausalLM):
    def __init__(self, config: Config):
        norm = partial(nn.RMSNorm, config.hidden_size, eps=config.rms_norm_eps)

        def mlp(index: int) -> nn.Module:
            if config.has_experts(index):
                return MixtureOfExperts(config)
            return GatedMLP(config.hidden_size, config.intermediate_size, config.hidden_act)

        layers = [
            PreNormLayer(LatentAttention(config), mlp(i), norm)
            for i in range(config.num_hidden_layers)
        ]
        super().__init__(config, layers, norm())

    def sanitize(self, weights: dict[str, mx.array]) -> dict[str, mx.array]:
        """V3's checkpoints also have a layer that predicts the token after the next."""
        count = self.config.num_hidden_layers
        extra = tuple(f"model.layers.{i}." for i in range(count, count + 4))
        kept = {name: w for name, w in weights.items() if not name.startswith(extra)}
        return stack_experts(super().sanitize(kept))
