"""Writes a Hugging Face folder of a tiny random Llama with a byte-level tokenizer."""

import json

import olivine.core as mx

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 259,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "bos_token_id": 257,
    "eos_token_id": 258,
    "torch_dtype": "float32",
}
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def weights():
    mx.random.seed(0)
    width, hidden, vocab = (CONFIG[k] for k in ("hidden_size", "intermediate_size", "vocab_size"))
    keys = width * CONFIG["num_key_value_heads"] // CONFIG["num_attention_heads"]
    shapes = {"model.embed_tokens": (vocab, width), "model.norm": (width,)}
    for i in range(CONFIG["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        for name, rows in (("q", width), ("k", keys), ("v", keys), ("o", width)):
            shapes[f"{layer}self_attn.{name}_proj"] = (rows, width)
        for name, shape in (("gate", (hidden, width)), ("up", (hidden, width))):
            shapes[f"{layer}mlp.{name}_proj"] = shape
        shapes[layer + "mlp.down_proj"] = (width, hidden)
        shapes[layer + "input_layernorm"] = shapes[layer + "post_attention_layernorm"] = (width,)
    return {
        name + ".weight": mx.ones(s) if len(s) == 1 else mx.random.normal(s, scale=s[1] ** -0.5)
        for name, s in shapes.items()
    }


def byte_letters():
    """GPT-2's printable letter for every byte (Radford et al. 2019, encoder.py)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    letters = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(rest)}
    return [letters[b] for b in range(256)]


def tokenizer():
    letters = byte_letters()
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": 256 + i, "content": text, "special": True, **plain}
            for i, text in enumerate(SPECIAL)
        ],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {letter: i for i, letter in enumerate([*letters, *SPECIAL])},
            "merges": [],
        },
    }


def write(folder):
    """Makes `folder` hold the model and returns it as text."""
    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(folder / "model.safetensors"), weights(), {"format": "pt"})
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL[1],
        "eos_token": SPECIAL[2],
        "pad_token": SPECIAL[2],
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    for name, content in (
        ("config.json", CONFIG),
        ("tokenizer.json", tokenizer()),
        ("tokenizer_config.json", settings),
    ):
        (folder / name).write_text(json.dumps(content))
    return str(folder)
