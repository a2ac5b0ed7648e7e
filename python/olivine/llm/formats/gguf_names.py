"""How GGUF's tensors are called and laid out, for each of its architectures.

Names are those of the format's specification (ggml/docs/gguf.md, "Standardized tensor names").
"""

from __future__ import annotations

import re
from collections.abc import Callable

import olivine.core as mx
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.formats.packed import unpack

_ATTENTION = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}
_GATED = {"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
_TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_LAYER = "model.layers"
_LLAMA = {
    **_ATTENTION,
    **_GATED,
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
# Norms before and after both halves of a layer.
_GEMMA2 = {
    **_ATTENTION,
    **_GATED,
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_SHARED_EXPERT = {f"{k}_shexp": f"mlp.shared_expert.{v[4:]}" for k, v in _GATED.items()}
_SHARED_EXPERTS = {f"{k}_shexp": f"mlp.shared_experts.{v[4:]}" for k, v in _GATED.items()}
# Experts are stacked in one tensor, as in the models.
_EXPERTS = {f"{k}_exps": f"mlp.experts.{v[4:]}" for k, v in _GATED.items()}
_MIXTRAL = {
    "ffn_gate_inp": "block_sparse_moe.gate",
    **{k: v.replace("mlp", "block_sparse_moe") for k, v in _EXPERTS.items()},
}
_QWEN_MOE = {
    **_LLAMA,
    **_EXPERTS,
    **_SHARED_EXPERT,
    "ffn_gate_inp": "mlp.gate",
    "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
}
_DEEPSEEK = {
    **_LLAMA,
    **_EXPERTS,
    **_SHARED_EXPERTS,
    "ffn_gate_inp": "mlp.gate",
    "exp_probs_b": "mlp.gate.e_score_correction_bias",
    "attn_q_a": "self_attn.q_a_proj",
    "attn_q_a_norm": "self_attn.q_a_layernorm",
    "attn_q_b": "self_attn.q_b_proj",
    "attn_kv_a_mqa": "self_attn.kv_a_proj_with_mqa",
    "attn_kv_a_norm": "self_attn.kv_a_layernorm",
    "attn_kv_b": "self_attn.kv_b_proj",
    **{k: f"self_attn.{k}" for k in ("attn_k_b", "attn_v_b")},  # joined by `join_latent`
}
_GPT2 = {
    "attn_norm": "ln_1",
    "attn_qkv": "attn.c_attn",
    "attn_output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn_up": "mlp.c_fc",
    "ffn_down": "mlp.c_proj",
}
_NEOX = {
    "attn_norm": "input_layernorm",
    "attn_qkv": "attention.query_key_value",
    "attn_output": "attention.dense",
    "ffn_norm": "post_attention_layernorm",
    "ffn_up": "mlp.dense_h_to_4h",
    "ffn_down": "mlp.dense_4h_to_h",
}
_BERT = {
    "attn_q": "attention.self.query",
    "attn_k": "attention.self.key",
    "attn_v": "attention.self.value",
    "attn_output": "attention.output.dense",
    "attn_output_norm": "attention.output.LayerNorm",
    "ffn_up": "intermediate.dense",
    "ffn_down": "output.dense",
    "layer_output_norm": "output.LayerNorm",
}
# model_type -> names outside layers, the prefix of layers, names within layers.
NAMES: dict[str, tuple[dict[str, str], str, dict[str, str]]] = {
    "llama": (_TOP, _LAYER, _LLAMA),
    "mixtral": (_TOP, _LAYER, {**_LLAMA, **_MIXTRAL}),
    "qwen2": (_TOP, _LAYER, _LLAMA),
    "qwen3": (_TOP, _LAYER, _LLAMA),
    "qwen2_moe": (_TOP, _LAYER, _QWEN_MOE),
    "qwen3_moe": (_TOP, _LAYER, _QWEN_MOE),
    "gemma": (_TOP, _LAYER, _LLAMA),
    "gemma2": (_TOP, _LAYER, _GEMMA2),
    "gemma3_text": (_TOP, _LAYER, _GEMMA2),
    "olmo2": (_TOP, _LAYER, _GEMMA2),
    "phi3": (
        _TOP,
        _LAYER,
        {**_LLAMA, "attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"},
    ),
    "starcoder2": (_TOP, _LAYER, {**_LLAMA, "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}),
    "cohere": (_TOP, _LAYER, _LLAMA),
    "cohere2": (_TOP, _LAYER, _LLAMA),
    "deepseek_v2": (_TOP, _LAYER, _DEEPSEEK),
    "deepseek_v3": (_TOP, _LAYER, _DEEPSEEK),
    "gpt2": (
        {
            "token_embd": "transformer.wte",
            "position_embd": "transformer.wpe",
            "output_norm": "transformer.ln_f",
            "output": "lm_head",
        },
        "transformer.h",
        _GPT2,
    ),
    "gpt_neox": (
        {
            "token_embd": "gpt_neox.embed_in",
            "output_norm": "gpt_neox.final_layer_norm",
            "output": "embed_out",
        },
        "gpt_neox.layers",
        _NEOX,
    ),
    "bert": (
        {
            "token_embd": "embeddings.word_embeddings",
            "position_embd": "embeddings.position_embeddings",
            "token_types": "embeddings.token_type_embeddings",
            "token_embd_norm": "embeddings.LayerNorm",
        },
        "encoder.layer",
        _BERT,
    ),
}
# Tensors that belong to the configuration.
CONFIG_TENSORS = {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"}
_IN_LAYER = re.compile(r"blk\.(\d+)\.([a-z0-9_]+)\.?(\w*)$")
# Older files have a tensor for each of Mixtral's experts.
_ONE_EXPERT = re.compile(r"blk\.(\d+)\.(ffn_(?:gate|up|down))\.(\d+)\.(\w+)$")
# Parts of a packed weight; what changes rows changes them alike.
PARTS = ("weight", "scales", "biases")


def rename(name: str, model_type: str) -> str:
    """Hugging Face's name of a tensor; ModelError names one that the architecture lacks."""
    top, prefix, layer = NAMES[model_type]
    match = _IN_LAYER.match(name)
    if match:
        index, stem, part = match.groups()
        if stem in layer:
            named = f"{prefix}.{index}.{layer[stem]}"
            return named if named.endswith(part) and stem == "exp_probs_b" else named + _dot(part)
    expert = _ONE_EXPERT.match(name)
    if expert and model_type == "mixtral":
        index, stem, number, part = expert.groups()
        return f"{prefix}.{index}.block_sparse_moe.experts.{number}.{_GATED[stem][4:]}.{part}"
    stem, _, part = name.partition(".")
    if stem in top:
        return f"{top[stem]}{_dot(part)}"
    raise ModelError(f"[llm] expected tensors of {model_type}; got one called {name!r}")


def gguf_name(name: str, model_type: str) -> str:
    """The other way: GGUF's name of a tensor that has Hugging Face's."""
    top, prefix, layer = NAMES[model_type]
    path, _, part = name.rpartition(".")
    if path.startswith(f"{prefix}."):
        index, _, inside = path[len(prefix) + 1 :].partition(".")
        stem = _stem(layer, f"{inside}.{part}") or _stem(layer, inside)
        if stem:
            return f"blk.{index}.{stem}.{'bias' if stem == 'exp_probs_b' else part}"
    elif stem := _stem(top, path):
        return f"{stem}.{part}"
    raise ModelError(f"[llm] expected tensors of {model_type}; got one called {name!r}")


def _stem(table: dict[str, str], name: str) -> str | None:
    return next((stem for stem, named in table.items() if named == name), None)


def _dot(part: str) -> str:
    return f".{part}" if part else ""


# ---- layouts


def _halves_to_pairs(rows: mx.array, heads: int) -> mx.array:
    """Undo the order of rows in which neighbours are rotated together.

    Hugging Face rotates feature `i` with `i + head_dim / 2`.
    """
    shape = rows.shape
    size = shape[0] // heads
    pairs = rows.reshape(heads, size // 2, 2, *shape[1:])
    return mx.swapaxes(pairs, 1, 2).reshape(shape)


def _pairs_to_halves(rows: mx.array, heads: int) -> mx.array:
    """The other way."""
    shape = rows.shape
    halves = rows.reshape(heads, 2, shape[0] // heads // 2, *shape[1:])
    return mx.swapaxes(halves, 1, 2).reshape(shape)


def _llama(stem: str, part: str, value: mx.array, config: dict) -> mx.array:
    if stem in ("attn_q", "attn_k"):
        key = "num_attention_heads" if stem == "attn_q" else "num_key_value_heads"
        return _halves_to_pairs(value, config[key])
    return value


def _neox(stem: str, part: str, value: mx.array, config: dict) -> mx.array:
    """Queries, keys and values, one after another in GGUF, take turns by head."""
    if stem != "attn_qkv":
        return value
    heads = config["num_attention_heads"]
    split = value.reshape(3, heads, value.shape[0] // (3 * heads), *value.shape[1:])
    return mx.swapaxes(split, 0, 1).reshape(value.shape)


def _gemma(stem: str, part: str, value: mx.array, config: dict) -> mx.array:
    """GGUF stores the factor of norms; Hugging Face what it is above one."""
    return value - 1 if stem.endswith("norm") and part == "weight" else value


def _one_row(stem: str, part: str, value: mx.array, config: dict) -> mx.array:
    """The gate of a shared expert has one output."""
    return value.reshape(1, -1) if stem == "ffn_gate_inp_shexp" else value


_LAYOUTS: dict[str, Callable] = {
    "llama": _llama,
    "mixtral": _llama,
    "gpt_neox": _neox,
    "gemma": _gemma,
    "gemma2": _gemma,
    "gemma3_text": _gemma,
    "qwen2_moe": _one_row,
}


def _to_llama(stem: str, part: str, value: mx.array, config: dict) -> mx.array:
    if stem in ("attn_q", "attn_k"):
        key = "num_attention_heads" if stem == "attn_q" else "num_key_value_heads"
        return _pairs_to_halves(value, config[key])
    return value


def _to_neox(stem: str, part: str, value: mx.array, config: dict) -> mx.array:
    if stem != "attn_qkv":
        return value
    heads = config["num_attention_heads"]
    split = value.reshape(heads, 3, value.shape[0] // (3 * heads), *value.shape[1:])
    return mx.swapaxes(split, 0, 1).reshape(value.shape)


def _to_gemma(stem: str, part: str, value: mx.array, config: dict) -> mx.array:
    return value + 1 if stem.endswith("norm") and part == "weight" else value


def _to_flat(stem: str, part: str, value: mx.array, config: dict) -> mx.array:
    return value.reshape(-1) if stem == "ffn_gate_inp_shexp" else value


_LAYOUTS_BACK: dict[Callable, Callable] = {
    _llama: _to_llama,
    _neox: _to_neox,
    _gemma: _to_gemma,
    _one_row: _to_flat,
}


def relayout(name: str, value: mx.array, model_type: str, config: dict) -> mx.array:
    """The tensor as Hugging Face's files have it."""
    return _relayout(_LAYOUTS.get(model_type), name, value, model_type, config)


def relayout_back(name: str, value: mx.array, model_type: str, config: dict) -> mx.array:
    """The other way: the tensor, which has GGUF's name, as GGUF's files have it."""
    layout = _LAYOUTS_BACK.get(_LAYOUTS.get(model_type))
    return _relayout(layout, name, value, model_type, config)


def _relayout(layout: Callable | None, name: str, value, model_type: str, config: dict) -> mx.array:
    if layout is None:
        return value
    match = _IN_LAYER.match(name)
    stem, part = match.groups()[1:] if match else name.rpartition(".")[::2]
    try:
        return layout(stem, part, value, config)
    except (ValueError, ZeroDivisionError):
        raise ModelError(
            f"[llm] expected {name} to have rows for the heads of {model_type}; "
            f"got shape {value.shape}"
        ) from None


def join_latent(weights: dict[str, mx.array], settings: dict[str, dict]) -> None:
    """Make DeepSeek's `kv_b_proj` of its halves, which newer files keep apart.

    `k_b` is stored transposed, so that a packed one has to be unpacked.
    """
    for name in [n for n in weights if n.endswith("self_attn.attn_k_b.weight")]:
        layer = name.removesuffix("attn_k_b.weight")
        keys, values = (_in_full(weights, f"{layer}attn_{half}_b", settings) for half in "kv")
        joined = mx.concatenate([mx.swapaxes(keys, 1, 2), values], axis=1)
        weights[f"{layer}kv_b_proj.weight"] = joined.reshape(-1, joined.shape[-1])


def _in_full(weights: dict[str, mx.array], path: str, settings: dict[str, dict]) -> mx.array:
    parts = [weights.pop(f"{path}.{part}", None) for part in PARTS]
    if parts[0] is None or parts[0].ndim != 3:
        raise ModelError(f"[llm] expected a tensor of three axes for {path}.weight")
    packed = settings.pop(path, None)
    return parts[0] if packed is None else unpack(*parts, packed)
