"""Tiny random GGUF files of every architecture, under the format's own names and conventions.

Nothing of olivine.llm is used: `fixtures/gguf_logits.py` runs the same files in llama.cpp.
"""

import numpy as np

import olivine.core as mx

VOCAB, DIMS, HIDDEN, HEADS, KV, WIDTH = 48, 64, 96, 4, 2, 16
TOKENS = [7, 3, 40, 3, 11, 25, 47, 0, 19, 33, 2, 30]

_LLAMA = ["attn_norm", "q k v o", "ffn_norm", "gate up down"]
_GEMMA = [*_LLAMA, "post_attention_norm", "post_ffw_norm"]
_HEAD_NORMS = ["attn_q_norm", "attn_k_norm"]
_COMMON = {
    "context_length": 128,
    "embedding_length": DIMS,
    "feed_forward_length": HIDDEN,
    "attention.head_count": HEADS,
    "attention.head_count_kv": KV,
    "attention.key_length": WIDTH,
    "attention.value_length": WIDTH,
    "rope.dimension_count": WIDTH,
    "rope.freq_base": 5000.0,
    "attention.layer_norm_rms_epsilon": 1e-5,
    "vocab_size": VOCAB,
}
_LAYER_NORM = {"attention.layer_norm_epsilon": 1e-5, "attention.layer_norm_rms_epsilon": None}
_NO_ROPE = {"rope.dimension_count": None, "rope.freq_base": None}
_ALL_HEADS = {"attention.head_count_kv": HEADS}
_EXPERTS = {"expert_count": 4, "expert_used_count": 2}
# Of DeepSeek: attention through latent vectors, and where experts are.
_LATENT = {
    "attention.head_count_kv": 1,
    "attention.key_length": 32 + 8,
    "attention.value_length": 32,
    "attention.key_length_mla": 24,
    "attention.value_length_mla": 16,
    "attention.q_lora_rank": 32,
    "attention.kv_lora_rank": 32,
    "rope.dimension_count": 8,
    "leading_dense_block_count": 1,
    "expert_feed_forward_length": 32,
    "expert_shared_count": 1,
}

# name: (architecture, layers, metadata, tensors of a layer, what else). A tensor is named by its stem;
# "b" marks biases on all of them, "untied" an output matrix.
FILES = {
    "llama": ("llama", 2, {}, _LLAMA, ["untied"]),
    "llama-bias": ("llama", 2, {}, [*_LLAMA, "qkvo bias", "mlp bias"], []),
    "llama-3.1": ("llama", 2, {}, _LLAMA, ["rope_freqs"]),
    "llama-linear": (
        "llama",
        2,
        {"rope.scaling.type": "linear", "rope.scaling.factor": 4.0},
        _LLAMA,
        [],
    ),
    "mixtral": ("llama", 2, _EXPERTS, [*_LLAMA[:3], "router", "experts"], ["untied"]),
    "qwen2": ("qwen2", 2, {}, [*_LLAMA, "qkv bias"], []),
    "qwen3": ("qwen3", 2, {}, [*_LLAMA, *_HEAD_NORMS], []),
    "qwen2moe": (
        "qwen2moe",
        2,
        {**_EXPERTS, "expert_feed_forward_length": 32, "expert_shared_feed_forward_length": 64},
        [*_LLAMA[:3], "qkv bias", "router", "experts 32", "shared 64", "shared gate"],
        ["untied"],
    ),
    "qwen3moe": (
        "qwen3moe",
        2,
        {**_EXPERTS, "expert_feed_forward_length": 32},
        [*_LLAMA[:3], *_HEAD_NORMS, "router", "experts 32"],
        ["untied"],
    ),
    "gemma": ("gemma", 2, {}, _LLAMA, []),
    "gemma2": (
        "gemma2",
        3,
        {
            "attention.sliding_window": 4,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
        },
        _GEMMA,
        [],
    ),
    "gemma3": ("gemma3", 7, {"attention.sliding_window": 4}, [*_GEMMA, *_HEAD_NORMS], []),
    "phi3": ("phi3", 2, {}, ["attn_norm", "qkv", "o", "ffn_norm", "gate_up down"], ["untied"]),
    "phi3-long": (
        "phi3",
        2,
        {
            "context_length": 1024,
            "rope.scaling.original_context_length": 512,
            "rope.scaling.attn_factor": 1.19,
        },
        ["attn_norm", "qkv", "o", "ffn_norm", "gate_up down"],
        ["untied", "rope_factors"],
    ),
    "gpt2": (
        "gpt2",
        2,
        {**_LAYER_NORM, **_NO_ROPE, **_ALL_HEADS},
        ["attn_norm", "qkv", "o", "ffn_norm", "up down"],
        ["b", "positions"],
    ),
    "gptneox": (
        "gptneox",
        2,
        {**_LAYER_NORM, **_ALL_HEADS, "rope.dimension_count": 4, "use_parallel_residual": True},
        ["attn_norm", "qkv", "o", "ffn_norm", "up down"],
        ["b", "untied"],
    ),
    "olmo2": (
        "olmo2",
        2,
        {},
        ["q k v o", "gate up down", "post_attention_norm", "post_ffw_norm", "wide norms"],
        ["untied"],
    ),
    "starcoder2": (
        "starcoder2",
        2,
        _LAYER_NORM,
        ["attn_norm", "q k v o", "ffn_norm", "up down"],
        ["b"],
    ),
    "command-r": (
        "command-r",
        2,
        {**_LAYER_NORM, "logit_scale": 0.25},
        ["attn_norm", "q k v o", "gate up down"],
        [],
    ),
    "cohere2": (
        "cohere2",
        5,
        {**_LAYER_NORM, "logit_scale": 0.25, "attention.sliding_window": 4},
        ["attn_norm", "q k v o", "gate up down"],
        [],
    ),
    "bert": (
        "bert",
        2,
        {**_LAYER_NORM, **_NO_ROPE, **_ALL_HEADS, "attention.causal": False, "pooling_type": 0},
        ["q k v o", "attn_output_norm", "up down", "layer_output_norm"],
        ["b", "positions", "types"],
    ),
    "deepseek2": (
        "deepseek2",
        2,
        {
            **_ALL_HEADS,
            **_EXPERTS,
            **_LATENT,
            "expert_weights_scale": 1.5,
            "expert_gating_func": 1,
        },
        ["attn_norm", "latent", "ffn_norm", "dense first"],
        ["untied"],
    ),
    "deepseek3": (
        "deepseek2",
        2,
        {
            **_ALL_HEADS,
            **_EXPERTS,
            **_LATENT,
            "expert_weights_scale": 1.5,
            "expert_weights_norm": True,
            "expert_gating_func": 2,
        },
        ["attn_norm", "latent", "ffn_norm", "dense first", "correction"],
        ["untied"],
    ),
}


class _Tensors:
    """Random tensors; the generator is the one that NumPy promises never to change."""

    def __init__(self, seed: int):
        self.random = np.random.RandomState(seed)
        self.made: dict[str, np.ndarray] = {}

    def matrix(self, name: str, *shape: int) -> None:
        scale = 0.9 * shape[-1] ** -0.5
        self.made[f"{name}.weight"] = self.random.standard_normal(shape) * scale

    def bias(self, name: str, size: int) -> None:
        self.made[f"{name}.bias"] = self.random.standard_normal(size) * 0.1

    def norm(self, name: str, size: int) -> None:
        self.made[f"{name}.weight"] = 1 + self.random.standard_normal(size) * 0.1


_ATTENTION = {"q": ("attn_q", HEADS), "k": ("attn_k", None), "v": ("attn_v", None)}
_PLAIN = {"gate": ("ffn_gate", HIDDEN), "up": ("ffn_up", HIDDEN), "gate_up": ("ffn_up", 2 * HIDDEN)}


def _experts(t: _Tensors, at: str, hidden: int) -> None:
    t.matrix(f"{at}ffn_gate_exps", 4, hidden, DIMS)
    t.matrix(f"{at}ffn_up_exps", 4, hidden, DIMS)
    t.matrix(f"{at}ffn_down_exps", 4, DIMS, hidden)


def _shared(t: _Tensors, at: str, hidden: int) -> None:
    t.matrix(f"{at}ffn_gate_shexp", hidden, DIMS)
    t.matrix(f"{at}ffn_up_shexp", hidden, DIMS)
    t.matrix(f"{at}ffn_down_shexp", DIMS, hidden)


def _latent(t: _Tensors, at: str) -> None:
    t.matrix(f"{at}attn_q_a", 32, DIMS)
    t.norm(f"{at}attn_q_a_norm", 32)
    t.matrix(f"{at}attn_q_b", HEADS * 24, 32)
    t.matrix(f"{at}attn_kv_a_mqa", 32 + 8, DIMS)
    t.norm(f"{at}attn_kv_a_norm", 32)
    t.matrix(f"{at}attn_k_b", HEADS, 32, 16)
    t.matrix(f"{at}attn_v_b", HEADS, 16, 32)
    t.matrix(f"{at}attn_output", DIMS, HEADS * 16)


def _one(t: _Tensors, at: str, stem: str, kv: int, first: bool) -> None:
    """The tensors of a layer that `stem` stands for."""
    if stem in ("attn_q_norm", "attn_k_norm"):
        t.norm(at + stem, WIDTH)
    elif stem.endswith("norm"):
        t.norm(at + stem, DIMS)
    elif stem == "wide norms":
        t.norm(f"{at}attn_q_norm", HEADS * WIDTH)
        t.norm(f"{at}attn_k_norm", KV * WIDTH)
    elif stem == "router":
        t.matrix(f"{at}ffn_gate_inp", 4, DIMS)
    elif stem.startswith("experts"):
        _experts(t, at, int(stem[7:] or HIDDEN))
    elif stem == "shared gate":
        t.made[f"{at}ffn_gate_inp_shexp.weight"] = t.random.standard_normal(DIMS) * 0.1
    elif stem.startswith("shared"):
        _shared(t, at, int(stem[6:]))
    elif stem == "latent":
        _latent(t, at)
    elif stem == "correction":
        if not first:
            t.bias(f"{at}exp_probs_b", 4)
    elif stem == "dense first":
        for one in ["gate up down"] if first else ["router", "experts 32", "shared 32"]:
            _one(t, at, one, kv, first)
    elif stem.endswith(" bias"):
        which = stem.split()[0]
        sizes = {"attn_q": HEADS * WIDTH, "attn_k": KV * WIDTH, "attn_v": KV * WIDTH}
        if which == "qkvo":
            sizes["attn_output"] = DIMS
        if which == "mlp":
            sizes = {"ffn_gate": HIDDEN, "ffn_up": HIDDEN, "ffn_down": DIMS}
        for name, size in sizes.items():
            t.bias(at + name, size)
    elif stem == "qkv":
        t.matrix(f"{at}attn_qkv", (HEADS + 2 * kv) * WIDTH, DIMS)
    else:
        for part in stem.split():
            if part == "o":
                t.matrix(f"{at}attn_output", DIMS, HEADS * WIDTH)
            elif part == "down":
                t.matrix(f"{at}ffn_down", DIMS, HIDDEN)
            else:
                if part in _ATTENTION:
                    name, heads = _ATTENTION[part]
                    size = (heads or kv) * WIDTH
                else:
                    name, size = _PLAIN[part]
                t.matrix(at + name, size, DIMS)


def contents(name: str) -> tuple[dict[str, np.ndarray], dict]:
    """Tensors and metadata of one of the files."""
    architecture, layers, own, stems, extra = FILES[name]
    t = _Tensors(sum(name.encode()))
    t.matrix("token_embd", VOCAB, DIMS)
    metadata = {"general.architecture": architecture, "tokenizer.ggml.model": "no_vocab"}
    settings = {"block_count": layers, **_COMMON, **own}
    metadata |= {f"{architecture}.{k}": v for k, v in settings.items() if v is not None}
    kv = settings["attention.head_count_kv"]
    for i in range(layers):
        for stem in stems:
            _one(t, f"blk.{i}.", stem, kv, i == 0)
    t.norm("token_embd_norm" if "types" in extra else "output_norm", DIMS)
    if "types" in extra:
        t.matrix("token_types", 2, DIMS)
        metadata["tokenizer.ggml.token_type_count"] = 2
    if "untied" in extra:
        t.matrix("output", VOCAB, DIMS)
    if "positions" in extra:
        t.matrix("position_embd", 128, DIMS)
    if "b" in extra:
        biased = ("blk", "output_norm", "token_embd_norm")
        for weight in [w for w in t.made if w.startswith(biased)]:
            t.bias(weight.removesuffix(".weight"), t.made[weight].shape[0])
    if "rope_factors" in extra:
        for which, factor in (("long", 2.0), ("short", 1.1)):
            t.made[f"rope_factors_{which}.weight"] = np.linspace(1, factor, WIDTH // 2)
    if "rope_freqs" in extra:
        t.made["rope_freqs.weight"] = llama3_factors(WIDTH, 5000.0, 8.0)
    return {k: v.astype(np.float32) for k, v in t.made.items()}, metadata


def llama3_factors(dims: int, base: float, factor: float) -> np.ndarray:
    """How much longer waves get in Llama 3.1: all above 8192 positions, none below a quarter."""
    waves = 2 * np.pi * base ** (np.arange(0, dims, 2) / dims)
    blend = np.clip((8192 / waves - 1) / 3, 0, 1)
    return 1 / ((1 - blend) / factor + blend)


def write(path, name: str, tensors=None, metadata=None) -> None:
    """Write one of the files, with what else or instead is given."""
    arrays, own = contents(name)
    arrays |= tensors or {}
    own |= metadata or {}
    values = {
        k: mx.array(v, mx.uint32) if isinstance(v, int) and not isinstance(v, bool) else v
        for k, v in own.items()
        if v is not None
    }
    mx.save_gguf(str(path), {k: mx.array(v) for k, v in arrays.items() if v is not None}, values)
