"""GGUF's metadata as the fields of a config.json.

Keys are those of the format's specification (ggml/docs/gguf.md) and begin with the architecture.
"""

from __future__ import annotations

import math
from typing import Any

import olivine.core as mx
from olivine.llm.formats.checkpoint import ModelError

# general.architecture -> model_type.
ARCHITECTURES = {
    "llama": "llama",
    "qwen2": "qwen2",
    "qwen2moe": "qwen2_moe",
    "qwen3": "qwen3",
    "qwen3moe": "qwen3_moe",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3": "gemma3_text",
    "phi3": "phi3",
    "gpt2": "gpt2",
    "gptneox": "gpt_neox",
    "olmo2": "olmo2",
    "starcoder2": "starcoder2",
    "command-r": "cohere",
    "cohere2": "cohere2",
    "deepseek2": "deepseek_v2",
    "bert": "bert",
}
# What Llama 3.1 and later models fix beside the factor.
_LLAMA3 = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


class Metadata:
    """The metadata of a file, with keys of its architecture and checked kinds of values."""

    def __init__(self, values: dict[str, Any], origin: str):
        self.values, self.origin = values, origin
        self.architecture = self.text("general.architecture")

    def _fail(self, key: str, wanted: str):
        got = self.values.get(key)
        shown = "nothing" if got is None else f"{type(got).__name__} {str(got)[:60]!r}"
        raise ModelError(f"[llm] {self.origin}: expected {wanted} as {key}; got {shown}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str):
            self._fail(key, "text")
        self.check_utf8(key, value)
        return value

    def check_utf8(self, key: str, text: str) -> None:
        """Refuse text of other bytes, which tokens alone may have."""
        try:
            text.encode()
        except UnicodeEncodeError:  # bytes that are none came as surrogates
            raise ModelError(
                f"[llm] {self.origin}: expected UTF-8 as {key}; got other bytes"
            ) from None

    def texts(self, key: str, default: list[str] | None = None) -> list[str]:
        value = self.values.get(key, default)
        if isinstance(value, mx.array) and value.size == 0:
            return []
        if not isinstance(value, list):
            self._fail(key, "a list of texts")
        return value

    def numbers(self, key: str) -> list | None:
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, mx.array) or value.ndim != 1:
            self._fail(key, "a list of numbers")
        return value.tolist()

    def whole(self, key: str, default: int | None = None) -> int | None:
        """A whole number of at least 0, or the one that all entries of a list are."""
        value = self.number(key, default)
        if value is None:
            return None
        if value != int(value) or value < 0:
            self._fail(key, "a whole number")
        return int(value)

    def number(self, key: str, default: float | None = None) -> float | None:
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, mx.array) or value.size == 0:
            self._fail(key, "a number")
        items = set(value.reshape(-1).tolist())
        if len(items) != 1 or not math.isfinite(*items):
            self._fail(key, "one number for all layers")
        return items.pop()

    def positive(self, key: str, default: float) -> float:
        value = self.number(key, default)
        if value <= 0:
            self._fail(key, "a number above 0")
        return value

    def own(self, key: str) -> str:
        return f"{self.architecture}.{key}"


def model_type_of(meta: Metadata) -> str:
    """The model_type of a file's architecture."""
    found = ARCHITECTURES.get(meta.architecture)
    if found is None:
        raise ModelError(
            f"[llm] {meta.origin}: expected an architecture among {', '.join(ARCHITECTURES)}; "
            f"got {meta.architecture!r}"
        )
    if found == "llama" and meta.whole(meta.own("expert_count"), 0):
        return "mixtral"
    if found == "deepseek_v2" and meta.whole(meta.own("expert_gating_func"), 1) == 2:
        return "deepseek_v3"
    return found


def config_of(meta: Metadata, tensors: dict[str, mx.array]) -> dict[str, Any]:
    """The config.json of a file, from metadata and from what tensors there are."""
    model_type = model_type_of(meta)
    config = {"model_type": model_type, **_common(meta, tensors)}
    if model_type in _SPECIFIC:
        config.update(_SPECIFIC[model_type](meta, tensors, config))
    ids = ("bos", "eos", "padding")
    for name, field in zip(ids, ("bos", "eos", "pad"), strict=True):
        value = meta.whole(f"tokenizer.ggml.{name}_token_id")
        if value is not None:
            config[f"{field}_token_id"] = value
    return {key: value for key, value in config.items() if value is not None}


def _rows(meta: Metadata, tensors: dict, name: str) -> int:
    if name not in tensors:
        raise ModelError(f"[llm] {meta.origin}: expected a tensor {name}; there is none")
    return tensors[name].shape[0]


def _needed(meta: Metadata, key: str) -> int:
    value = meta.whole(meta.own(key))
    if not value:
        meta._fail(meta.own(key), "a number above 0")
    return value


def _common(meta: Metadata, tensors: dict) -> dict[str, Any]:
    own = meta.own
    heads = _needed(meta, "attention.head_count")
    hidden = _needed(meta, "embedding_length")
    epsilon = meta.number(own("attention.layer_norm_epsilon"))
    layers = _needed(meta, "block_count")
    if layers > len(tensors):  # before anything is made for each of them
        meta._fail(own("block_count"), f"at most {len(tensors)} layers, one per tensor,")
    return {
        "vocab_size": _rows(meta, tensors, "token_embd.weight"),
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": meta.whole(own("attention.head_count_kv"), heads),
        "head_dim": meta.whole(own("attention.key_length"), hidden // heads),
        "intermediate_size": meta.whole(own("feed_forward_length")),
        "max_position_embeddings": meta.whole(own("context_length")),
        "rms_norm_eps": meta.number(own("attention.layer_norm_rms_epsilon"), epsilon),
        "layer_norm_eps": epsilon,
        "rope_theta": meta.positive(own("rope.freq_base"), 10000.0),
        "rope_scaling": _rope_scaling(meta, tensors),
        "sliding_window": meta.whole(own("attention.sliding_window")) or None,
        "tie_word_embeddings": "output.weight" not in tensors,
        "attention_bias": "blk.0.attn_q.bias" in tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in tensors,
    }


def _rope_scaling(meta: Metadata, tensors: dict) -> dict[str, Any] | None:
    own = meta.own
    original = meta.whole(own("rope.scaling.original_context_length"))
    if "rope_freqs.weight" in tensors:
        return _llama3(meta, tensors["rope_freqs.weight"])
    long, short = (tensors.get(f"rope_factors_{which}.weight") for which in ("long", "short"))
    if long is not None and short is not None:
        return {
            "type": "longrope",
            "long_factor": long.tolist(),
            "short_factor": short.tolist(),
            "original_max_position_embeddings": original,
            "attention_factor": meta.number(own("rope.scaling.attn_factor")),
        }
    kind = meta.values.get(own("rope.scaling.type"), "none")
    factor = meta.positive(own("rope.scaling.factor"), 1.0)
    if kind == "none" or (kind == "linear" and factor == 1.0):
        return None
    scaling = {"rope_type": kind, "type": kind, "factor": factor}
    if kind == "yarn":
        scaling["original_max_position_embeddings"] = original
        multiplier = meta.number(own("rope.scaling.yarn_log_multiplier"))
        if multiplier is not None:  # 0.1 of the exponent that the model's authors state
            scaling["mscale_all_dim"] = scaling["mscale"] = multiplier * 10
    return scaling


def _llama3(meta: Metadata, factors: mx.array) -> dict[str, Any]:
    """The parameters that a file's factors come from; those not of Llama's kind are refused."""
    base = meta.positive(meta.own("rope.freq_base"), 10000.0)
    found = factors.astype(mx.float32).tolist()
    factor = max(found, default=1.0)
    context = _LLAMA3["original_max_position_embeddings"]
    low, high = _LLAMA3["low_freq_factor"], _LLAMA3["high_freq_factor"]
    for i, value in enumerate(found):
        turns = context / (2 * math.pi * base ** (i / len(found)))
        blend = min(max((turns - low) / (high - low), 0.0), 1.0)
        if abs(value * ((1 - blend) / factor + blend) - 1) > 1e-3:
            raise ModelError(
                f"[llm] {meta.origin}: expected rope_freqs as Llama 3.1 computes them; "
                f"got {value:g} at {i}"
            )
    return {"rope_type": "llama3", "factor": factor, **_LLAMA3}


# ---- architectures


def _experts(meta: Metadata) -> dict[str, Any]:
    own = meta.own
    return {
        "num_experts_per_tok": _needed(meta, "expert_used_count"),
        "moe_intermediate_size": meta.whole(own("expert_feed_forward_length")),
        "shared_expert_intermediate_size": meta.whole(own("expert_shared_feed_forward_length")),
    }


def _mixtral(meta, tensors, config):
    return {**_experts(meta), "num_local_experts": _needed(meta, "expert_count")}


def _qwen2_moe(meta, tensors, config):
    return {**_experts(meta), "num_experts": _needed(meta, "expert_count"), "norm_topk_prob": False}


def _qwen3_moe(meta, tensors, config):
    return {**_qwen2_moe(meta, tensors, config), "norm_topk_prob": True}


def _gemma(meta, tensors, config):
    return {"hidden_activation": "gelu_pytorch_tanh", "hidden_act": "gelu_pytorch_tanh"}


def _query_scale(config: dict, largest: int) -> float:
    """Queries are scaled by the width of a head, in the largest model by features per head."""
    if config["num_hidden_layers"] == largest:
        return config["hidden_size"] / config["num_attention_heads"]
    return config["head_dim"]


def _layer_types(config: dict, pattern: int) -> list[str]:
    """Every `pattern`-th layer sees all, the others a window."""
    kinds = ("sliding_attention", "full_attention")
    return [kinds[(i + 1) % pattern == 0] for i in range(config["num_hidden_layers"])]


def _gemma2(meta, tensors, config):
    return {
        **_gemma(meta, tensors, config),
        "attn_logit_softcapping": meta.number(meta.own("attn_logit_softcapping"), 50.0),
        "final_logit_softcapping": meta.number(meta.own("final_logit_softcapping"), 30.0),
        "query_pre_attn_scalar": _query_scale(config, 46),
        "sliding_window": config["sliding_window"] or 4096,
        "layer_types": _layer_types(config, 2),
    }


def _gemma3(meta, tensors, config):
    return {
        **_gemma(meta, tensors, config),
        "final_logit_softcapping": meta.number(meta.own("final_logit_softcapping")),
        "query_pre_attn_scalar": _query_scale(config, 62),
        "rope_local_base_freq": meta.number(meta.own("rope.freq_base_swa"), 10000.0),
        "sliding_window": config["sliding_window"] or 512,
        "sliding_window_pattern": 6,
        "layer_types": _layer_types(config, 6),
    }


def _rotary_share(meta, config) -> float:
    return meta.whole(meta.own("rope.dimension_count"), config["head_dim"]) / config["head_dim"]


def _phi3(meta, tensors, config):
    scaling = config.get("rope_scaling") or {}
    return {
        "partial_rotary_factor": _rotary_share(meta, config),
        "original_max_position_embeddings": scaling.get(
            "original_max_position_embeddings", config["max_position_embeddings"]
        ),
    }


def _gpt2(meta, tensors, config):
    return {
        "n_embd": config["hidden_size"],
        "n_layer": config["num_hidden_layers"],
        "n_head": config["num_attention_heads"],
        "n_positions": config["max_position_embeddings"],
        "n_ctx": config["max_position_embeddings"],
        "n_inner": config["intermediate_size"],
        "layer_norm_epsilon": config["layer_norm_eps"],
        "activation_function": "gelu_new",
    }


def _neox(meta, tensors, config):
    return {
        "use_parallel_residual": bool(meta.whole(meta.own("use_parallel_residual"), 1)),
        "rotary_pct": _rotary_share(meta, config),
        "rotary_emb_base": config["rope_theta"],
        "hidden_act": "gelu",
        "attention_bias": "blk.0.attn_qkv.bias" in tensors,
    }


def _starcoder2(meta, tensors, config):
    return {
        "norm_epsilon": config["layer_norm_eps"],
        "use_bias": config["attention_bias"],
        "hidden_act": "gelu_pytorch_tanh",
    }


def _cohere(meta, tensors, config):
    return {
        "logit_scale": meta.number(meta.own("logit_scale"), 0.0625),
        "use_qk_norm": "blk.0.attn_q_norm.weight" in tensors,
    }


def _cohere2(meta, tensors, config):
    return {
        **_cohere(meta, tensors, config),
        "sliding_window": config["sliding_window"] or 4096,
        "layer_types": _layer_types(config, 4),
    }


def _deepseek(meta, tensors, config):
    own = meta.own
    rotary = _needed(meta, "rope.dimension_count")
    keys = meta.whole(own("attention.key_length_mla")) or _needed(meta, "attention.key_length")
    sigmoid = config["model_type"] == "deepseek_v3"
    return {
        **_experts(meta),
        "kv_lora_rank": _needed(meta, "attention.kv_lora_rank"),
        "q_lora_rank": meta.whole(own("attention.q_lora_rank")) or None,
        "qk_rope_head_dim": rotary,
        "qk_nope_head_dim": keys - rotary,
        "head_dim": rotary,
        "v_head_dim": meta.whole(own("attention.value_length_mla"))
        or _needed(meta, "attention.value_length"),
        "num_key_value_heads": config["num_attention_heads"],
        "n_routed_experts": meta.whole(own("expert_count")) or None,
        "n_shared_experts": meta.whole(own("expert_shared_count")),
        "routed_scaling_factor": meta.number(own("expert_weights_scale"), 1.0),
        "norm_topk_prob": bool(meta.whole(own("expert_weights_norm"), int(sigmoid))),
        "first_k_dense_replace": meta.whole(own("leading_dense_block_count"), 0),
        "moe_layer_freq": 1,
        "scoring_func": "sigmoid" if sigmoid else "softmax",
        "topk_method": "noaux_tc" if sigmoid else "greedy",
        "n_group": meta.whole(own("expert_group_count"), 1),
        "topk_group": meta.whole(own("expert_group_used_count"), 1),
    }


def _bert(meta, tensors, config):
    types = tensors.get("token_types.weight")
    return {
        "type_vocab_size": 1 if types is None else types.shape[0],
        "hidden_act": "gelu",
    }


_SPECIFIC = {
    "mixtral": _mixtral,
    "qwen2_moe": _qwen2_moe,
    "qwen3_moe": _qwen3_moe,
    "gemma": _gemma,
    "gemma2": _gemma2,
    "gemma3_text": _gemma3,
    "phi3": _phi3,
    "gpt2": _gpt2,
    "gpt_neox": _neox,
    "starcoder2": _starcoder2,
    "cohere": _cohere,
    "cohere2": _cohere2,
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
    "bert": _bert,
}
