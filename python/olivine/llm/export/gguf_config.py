"""A config.json as GGUF's metadata: the keys that `formats/gguf_config.py` reads.

What a file cannot say about an architecture, llama.cpp takes for granted; a config that says
otherwise is refused, since the file would compute something else.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from olivine.llm.blocks.rope import llama3_waves, wave_lengths
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.formats.gguf_config import ARCHITECTURES

# model_type -> general.architecture: the reader's table, and what else is built as Llama is.
_NAMES = {model_type: name for name, model_type in ARCHITECTURES.items()} | {
    "mistral": "llama",
    "mixtral": "llama",
    "deepseek_v3": "deepseek2",
    "gemma3": "gemma3",
}
# model_type -> whose names and layouts its tensors have in `gguf_names`.
_TENSORS_AS = {"mistral": "llama", "gemma3": "gemma3_text"}
_LAYER_NORM = {"gpt2", "gpt_neox", "starcoder2", "cohere", "cohere2", "bert"}
_WITH_WINDOWS = {"gemma2", "gemma3_text", "cohere2"}
_ACTIVATIONS = {
    "gemma": "gelu_pytorch_tanh",
    "gemma2": "gelu_pytorch_tanh",
    "gemma3_text": "gelu_pytorch_tanh",
    "gpt2": "gelu_new",
    "gpt_neox": "gelu",
    "starcoder2": "gelu_pytorch_tanh",
    "bert": "gelu",
}
_TANH_GELU = {"gelu_pytorch_tanh", "gelu_new", "gelu_fast"}  # one function


def tensors_as(model_type: str) -> str:
    """The name under which `gguf_names` has a model_type; ModelError if a file cannot hold it."""
    if model_type not in _NAMES:
        known = ", ".join(sorted(_NAMES))
        raise ModelError(f"[gguf] expected a model_type among {known}; got {model_type!r}")
    return _TENSORS_AS.get(model_type, model_type)


class _Keys:
    """Metadata under construction; keys begin with the architecture's name."""

    def __init__(self, architecture: str, kind: str):
        self.architecture, self.kind = architecture, kind
        self.values: dict[str, Any] = {"general.architecture": architecture}

    def whole(self, **values: int | None) -> None:
        self._put(np.uint32, values)

    def real(self, **values: float | None) -> None:
        self._put(np.float32, values)

    def text(self, key: str, value: str) -> None:
        self.values[f"{self.architecture}.{key}"] = value

    def flag(self, **values: bool) -> None:
        self._put(np.bool_, values)

    def _put(self, kind, values: dict) -> None:
        # `__` stands for the dot, which names of arguments cannot have.
        for key, value in values.items():
            if value is not None:
                key = key.replace("__", ".")
                self.values[f"{self.architecture}.{key}"] = kind(value)


def metadata_of(config: Any, model_type: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metadata of a model's `config`, and the tensors that belong to it (factors of positions)."""
    kind = tensors_as(model_type)
    keys = _Keys(_NAMES[model_type], kind)
    _check_activation(config, kind)
    _SPECIFIC.get(kind, _decoder)(keys, config)
    if kind in _LAYER_NORM:
        epsilon = _first(config, "layer_norm_epsilon", "norm_epsilon", "layer_norm_eps")
        keys.real(attention__layer_norm_epsilon=epsilon)
    else:
        keys.real(attention__layer_norm_rms_epsilon=config.rms_norm_eps)
    keys.whole(vocab_size=config.vocab_size)
    return keys.values, _positions(keys, config) if hasattr(config, "rope_theta") else {}


def _first(config, *names: str):
    return next(getattr(config, name) for name in names if hasattr(config, name))


def _refuse(what: str, got) -> None:
    raise ModelError(f"[gguf] expected {what}, which a GGUF file takes for granted; got {got}")


def _check_activation(config, kind: str) -> None:
    wanted = _ACTIVATIONS.get(kind, "silu")
    got = next(
        getattr(config, name)
        for name in ("hidden_activation", "activation_function", "hidden_act")
        if hasattr(config, name)
    )
    if got != wanted and not {got, wanted} <= _TANH_GELU:
        _refuse(f"the activation {wanted} of {kind}", got)


def _window(keys: _Keys, config) -> int:
    """Writes the window where files have one; returns how long texts may be.

    Elsewhere texts are limited to the window: up to its length it makes no difference.
    """
    context = config.max_position_embeddings
    windows = {w for w in config.windows if w is not None}
    if not windows:
        return context
    if keys.kind in _WITH_WINDOWS:
        keys.whole(attention__sliding_window=max(windows))
        return context
    return min(context, *windows)


def _decoder(keys: _Keys, config) -> None:
    """What all decoders but GPT-2 have in common."""
    keys.whole(
        block_count=config.num_hidden_layers,
        context_length=_window(keys, config),
        embedding_length=config.hidden_size,
        feed_forward_length=config.intermediate_size,
        attention__head_count=config.num_attention_heads,
        attention__head_count_kv=config.num_key_value_heads,
        attention__key_length=config.head_dim,
        attention__value_length=config.head_dim,
        rope__dimension_count=int(config.head_dim * config.partial_rotary_factor),
    )


def _positions(keys: _Keys, config) -> dict[str, np.ndarray]:
    """Writes how rotary positions are stretched; returns factors, one per pair of features."""
    keys.real(rope__freq_base=config.rope_theta)
    scaling = config.rope_scaling or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    dims = int(config.head_dim * config.partial_rotary_factor)
    if kind == "default":
        return {}
    if kind == "linear":
        keys.text("rope.scaling.type", "linear")
        keys.real(rope__scaling__factor=scaling["factor"])
        return {}
    if kind == "llama3":
        plain = np.array(wave_lengths(dims, config.rope_theta))
        factors = np.array(llama3_waves(dims, config.rope_theta, scaling)) / plain
        return {"rope_freqs.weight": factors.astype(np.float32)}
    original = scaling.get("original_max_position_embeddings") or (
        config.original_max_position_embeddings or config.max_position_embeddings
    )
    keys.whole(rope__scaling__original_context_length=original)
    if kind in ("longrope", "su"):
        growth = scaling.get("factor") or config.max_position_embeddings / original
        usual = 1.0 if growth <= 1 else math.sqrt(1 + math.log(growth) / math.log(original))
        keys.real(rope__scaling__attn_factor=scaling.get("attention_factor") or usual)
        return {
            f"rope_factors_{which}.weight": np.array(scaling[f"{which}_factor"], np.float32)
            for which in ("long", "short")
        }
    if kind != "yarn":
        _refuse("rotary positions that are linear, llama3, longrope or yarn", kind)
    keys.text("rope.scaling.type", "yarn")
    keys.real(rope__scaling__factor=scaling["factor"])
    if scaling.get("mscale_all_dim"):
        keys.real(rope__scaling__yarn_log_multiplier=0.1 * scaling["mscale_all_dim"])
    return {}


# ---- architectures


def _experts(keys: _Keys, config, count: int, hidden: int | None = None) -> None:
    keys.whole(
        expert_count=count,
        expert_used_count=config.num_experts_per_tok,
        expert_feed_forward_length=hidden,
    )


def _mixtral(keys: _Keys, config) -> None:
    _decoder(keys, config)
    _experts(keys, config, config.num_local_experts)


def _qwen_moe(normalized: bool):
    def write(keys: _Keys, config) -> None:
        _decoder(keys, config)
        if not all(config.has_experts(i) for i in range(config.num_hidden_layers)):
            _refuse("experts in every layer", "some without")
        if config.norm_topk_prob != normalized:
            _refuse(f"norm_topk_prob to be {normalized}", config.norm_topk_prob)
        _experts(keys, config, config.num_experts, config.moe_intermediate_size)
        shared = getattr(config, "shared_expert_intermediate_size", None)
        keys.whole(expert_shared_feed_forward_length=shared)

    return write


def _check_layer_types(config, pattern: int) -> None:
    for i, window in enumerate(config.windows):
        if (window is None) != ((i + 1) % pattern == 0):
            _refuse(f"every {pattern}th layer without a window", config.layer_types)


def _check_query_scale(config, largest: int) -> None:
    usual = config.head_dim
    if config.num_hidden_layers == largest:
        usual = config.hidden_size / config.num_attention_heads
    if config.query_pre_attn_scalar != usual:
        _refuse(f"a query_pre_attn_scalar of {usual:g}", config.query_pre_attn_scalar)


def _gemma2(keys: _Keys, config) -> None:
    _decoder(keys, config)
    _check_layer_types(config, 2)
    _check_query_scale(config, 46)
    keys.real(
        attn_logit_softcapping=config.attn_logit_softcapping,
        final_logit_softcapping=config.final_logit_softcapping,
    )


def _gemma3(keys: _Keys, config) -> None:
    _decoder(keys, config)
    _check_layer_types(config, 6)
    _check_query_scale(config, 62)
    keys.real(
        final_logit_softcapping=config.final_logit_softcapping,
        rope__freq_base_swa=config.rope_local_base_freq,
    )


def _cohere(keys: _Keys, config) -> None:
    _decoder(keys, config)
    keys.real(logit_scale=config.logit_scale)


def _cohere2(keys: _Keys, config) -> None:
    _cohere(keys, config)
    _check_layer_types(config, 4)


def _neox(keys: _Keys, config) -> None:
    _decoder(keys, config)
    keys.flag(use_parallel_residual=config.use_parallel_residual)


def _gpt2(keys: _Keys, config) -> None:
    if config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights:
        _refuse("attention scaled by the width of heads alone", "another scale")
    keys.whole(
        block_count=config.n_layer,
        context_length=config.n_positions,
        embedding_length=config.n_embd,
        feed_forward_length=config.n_inner or 4 * config.n_embd,
        attention__head_count=config.n_head,
    )


def _bert(keys: _Keys, config) -> None:
    keys.whole(
        block_count=config.num_hidden_layers,
        context_length=config.max_position_embeddings,
        embedding_length=config.hidden_size,
        feed_forward_length=config.intermediate_size,
        attention__head_count=config.num_attention_heads,
        pooling_type=1,  # the mean over tokens
    )
    keys.flag(attention__causal=False)
    keys.values["tokenizer.ggml.token_type_count"] = np.uint32(config.type_vocab_size)


def _deepseek(keys: _Keys, config) -> None:
    if config.moe_layer_freq != 1:
        _refuse("experts in every layer after the first ones", "a moe_layer_freq")
    rotary, latent = config.qk_rope_head_dim, config.kv_lora_rank
    sigmoid = config.scoring_func == "sigmoid"
    if config.grouped and not sigmoid:
        _refuse("no groups of experts with softmax", f"{config.n_group} groups")
    keys.whole(
        block_count=config.num_hidden_layers,
        context_length=config.max_position_embeddings,
        embedding_length=config.hidden_size,
        feed_forward_length=config.intermediate_size,
        attention__head_count=config.num_attention_heads,
        # Keys and values are computed with as one latent head, and stored as several.
        attention__head_count_kv=1,
        attention__key_length=latent + rotary,
        attention__value_length=latent,
        attention__key_length_mla=config.qk_nope_head_dim + rotary,
        attention__value_length_mla=config.v_head_dim,
        attention__q_lora_rank=config.q_lora_rank,
        attention__kv_lora_rank=latent,
        rope__dimension_count=rotary,
    )
    if config.n_routed_experts:
        _experts(keys, config, config.n_routed_experts, config.moe_intermediate_size)
        keys.whole(
            leading_dense_block_count=config.first_k_dense_replace,
            expert_shared_count=config.n_shared_experts,
            expert_gating_func=2 if sigmoid else 1,
            expert_group_count=config.n_group if config.grouped else None,
            expert_group_used_count=config.topk_group if config.grouped else None,
        )
        keys.real(expert_weights_scale=config.routed_scaling_factor)
        keys.flag(expert_weights_norm=config.norm_topk_prob)


_SPECIFIC = {
    "mixtral": _mixtral,
    "qwen2_moe": _qwen_moe(False),
    "qwen3_moe": _qwen_moe(True),
    "gemma2": _gemma2,
    "gemma3_text": _gemma3,
    "cohere": _cohere,
    "cohere2": _cohere2,
    "gpt_neox": _neox,
    "gpt2": _gpt2,
    "bert": _bert,
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
}
