"""What tensors are called by Hugging Face, OpenAI and CTranslate2, and in the model."""

from __future__ import annotations

import re
from typing import Any

import olivine.core as mx
from olivine.llm.formats.checkpoint import ModelError

# The positions of the encoder, which are no parameter.
POSITIONS = "encoder._positional_embedding"

_HUGGING_FACE = {
    "self_attn_layer_norm": "attn_ln",
    "encoder_attn_layer_norm": "cross_attn_ln",
    "final_layer_norm": "mlp_ln",
    "self_attn": "attn",
    "encoder_attn": "cross_attn",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "out_proj": "out",
    "fc1": "mlp1",
    "fc2": "mlp2",
    "layers": "blocks",
    "embed_tokens": "token_embedding",
}
_HUGGING_FACE_WHOLE = {
    "encoder.embed_positions.weight": POSITIONS,
    "decoder.embed_positions.weight": "decoder.positional_embedding",
    "encoder.layer_norm.weight": "encoder.ln_post.weight",
    "encoder.layer_norm.bias": "encoder.ln_post.bias",
    "decoder.layer_norm.weight": "decoder.ln.weight",
    "decoder.layer_norm.bias": "decoder.ln.bias",
}


def _channels_last(name: str, value: mx.array) -> mx.array:
    """Kernels `(out, in, width)` as `(out, width, in)`."""
    if re.fullmatch(r"encoder\.conv[12]\.weight", name) and value.ndim == 3:
        return mx.contiguous(value.transpose(0, 2, 1))
    return value


def from_hugging_face(weights: dict[str, mx.array]) -> dict[str, mx.array]:
    out = {}
    for name, value in weights.items():
        name = name.removeprefix("model.")
        if name == "proj_out.weight":
            continue  # the table of tokens
        name = _HUGGING_FACE_WHOLE.get(name) or ".".join(
            _HUGGING_FACE.get(part, part) for part in name.split(".")
        )
        out[name] = _channels_last(name, value)
    return out


def hugging_face_dims(config: dict[str, Any]) -> dict[str, Any]:
    """Sizes by their names in the model; what is missing is found missing later."""
    names = {
        "n_mels": "num_mel_bins",
        "n_audio_ctx": "max_source_positions",
        "n_audio_state": "d_model",
        "n_audio_head": "encoder_attention_heads",
        "n_audio_layer": "encoder_layers",
        "n_vocab": "vocab_size",
        "n_text_ctx": "max_target_positions",
        "n_text_state": "d_model",
        "n_text_head": "decoder_attention_heads",
        "n_text_layer": "decoder_layers",
    }
    return {own: config[theirs] for own, theirs in names.items() if theirs in config}


def from_openai(weights: dict[str, mx.array]) -> dict[str, mx.array]:
    out = {}
    for name, value in weights.items():
        name = re.sub(r"\.mlp\.([02])\.", lambda m: f".mlp{int(m[1]) // 2 + 1}.", name)
        name = POSITIONS if name == "encoder.positional_embedding" else name
        out[name] = _channels_last(name, value)
    return out


# ---- CTranslate2: queries, keys and values in one matrix

_NORM = {"gamma": "weight", "beta": "bias"}


def from_ctranslate2(
    found: dict[str, Any], origin: str
) -> tuple[dict[str, Any], dict[str, mx.array]]:
    """The sizes of a model and its weights."""
    weights: dict[str, mx.array] = {}
    for name, value in found.items():
        if not isinstance(value, mx.array):
            continue
        if value.ndim > 3:
            raise ModelError(f"[audio] {origin}: expected at most 3 dimensions of {name}")
        weights |= _renamed(name, value)
    return _ctranslate2_dims(found, weights, origin), weights


def _renamed(name: str, value: mx.array) -> dict[str, mx.array]:
    side, _, rest = name.partition("/")
    match = re.fullmatch(r"layer_(\d+)/(self_attention|attention|ffn)/(\w+)/(\w+)", rest)
    if match:
        return _of_layer(side, int(match[1]), match[2], match[3], match[4], value)
    if rest == "projection/weight":
        return {}  # the table of tokens
    if rest == "position_encodings/encodings":
        return {POSITIONS if side == "encoder" else "decoder.positional_embedding": value}
    if rest == "embeddings/weight":
        return {"decoder.token_embedding.weight": value}
    match = re.fullmatch(r"layer_norm/(gamma|beta)", rest)
    if match:
        norm = "ln_post" if side == "encoder" else "ln"
        return {f"{side}.{norm}.{_NORM[match[1]]}": value}
    own = name.replace("/", ".")
    return {own: _channels_last(own, value)}


def _of_layer(
    side: str, layer: int, part: str, inner: str, kind: str, value: mx.array
) -> dict[str, mx.array]:
    start = f"{side}.blocks.{layer}."
    own = {"self_attention": "attn", "attention": "cross_attn", "ffn": "mlp"}[part]
    if inner == "layer_norm":
        return {f"{start}{own}_ln.{_NORM.get(kind, kind)}": value}
    if own == "mlp":
        return {f"{start}mlp{1 + int(inner[-1])}.{kind}": value}
    fused = {
        ("attn", "linear_0"): ("query", "key", "value"),
        ("attn", "linear_1"): ("out",),
        ("cross_attn", "linear_0"): ("query",),
        ("cross_attn", "linear_1"): ("key", "value"),
        ("cross_attn", "linear_2"): ("out",),
    }.get((own, inner))
    if fused is None or value.shape[0] % len(fused):
        return {f"{start}{own}.{inner}.{kind}": value}  # found surplus later
    pieces = mx.split(value, len(fused))
    # Keys have no bias: there it is 0.
    return {
        f"{start}{own}.{name}.{kind}": mx.contiguous(piece)
        for name, piece in zip(fused, pieces, strict=True)
        if (name, kind) != ("key", "bias")
    }


def _ctranslate2_dims(
    found: dict[str, Any], weights: dict[str, mx.array], origin: str
) -> dict[str, Any]:
    def shape(name: str, rank: int) -> tuple[int, ...]:
        value = weights.get(name)
        if value is None or value.ndim != rank:
            got = "it is missing" if value is None else f"got shape {value.shape}"
            raise ModelError(f"[audio] {origin}: expected {name} of {rank} dimensions; {got}")
        return value.shape

    def layers(side: str) -> int:
        return len({n.split(".")[2] for n in weights if n.startswith(f"{side}.blocks.")})

    width, _, mels = shape("encoder.conv1.weight", 3)
    vocabulary, _ = shape("decoder.token_embedding.weight", 2)
    return {
        "n_mels": mels,
        "n_audio_ctx": shape(POSITIONS, 2)[0],
        "n_audio_state": width,
        "n_audio_head": found.get("encoder/num_heads", 0),
        "n_audio_layer": layers("encoder"),
        "n_vocab": vocabulary,
        "n_text_ctx": shape("decoder.positional_embedding", 2)[0],
        "n_text_state": width,
        "n_text_head": found.get("decoder/num_heads", 0),
        "n_text_layer": layers("decoder"),
    }
