"""Small vocabularies of every kind in GGUF, and texts that tell tokenizers apart.

Nothing of olivine.llm is used: `fixtures/small_tokenizers.py` runs the same files in llama.cpp.
"""

from pathlib import Path

import numpy as np

import olivine.core as mx

FIXTURE = Path(__file__).parent / "fixtures" / "tokenizers.npz"
# Ways of splitting text into words, one of each pattern.
PRE = ["gpt-2", "smollm", "llama-bpe", "dbrx", "qwen2", "gpt-4o", "tekken", "deepseek-v3"]
FILES = [*(f"gpt2 {pre}" for pre in PRE), "llama", "llama no prefix", "bert"]
NORMAL, UNKNOWN, CONTROL, USER, _, BYTE = range(1, 7)

_PIECES = (
    "the of and Hello world don't I'll we've THE'S it's caffè naïve 你好 世界 こんにちは カタカナ привет мир 안녕 "
    "🙂 👩‍👩‍👧 1 12 123 1234 12345 3.14 2024-01-02 def f(x): return x+1 http://a.b/c?d=e&f --- === ... !? « » “q” "
    "é e\u0301 \u00a0 \u200b \u3000 ﬁ ½ x² # @user $5 %s {} [] ~ ` ^ CamelCase snake_case HTMLParser ' \" <b> </b>"
).split(" ")
_GAPS = ["", "", " ", " ", " ", "  ", "   ", "\n", "\n\n", "\t", " \n", "\r\n", "\n  "]


def texts(count: int = 120, seed: int = 1) -> list[str]:
    """Words, digits, signs, scripts and spaces at random, by a generator that NumPy keeps."""
    random = np.random.RandomState(seed)
    made = []
    for _ in range(count):
        text = ""
        for _ in range(random.randint(1, 12)):
            text += _PIECES[random.randint(len(_PIECES))] + _GAPS[random.randint(len(_GAPS))]
            if random.randint(8) == 0:
                low, high = [(33, 127), (0xA1, 0x2FF), (0x370, 0x1FFF), (0x2190, 0x2BFF)][
                    random.randint(4)
                ]
                text += chr(random.randint(low, high))
        made.append(text)
    return made


def metadata(name: str, stored) -> dict:
    """The metadata of a file that has a vocabulary and nothing else."""
    kind, _, pre = name.partition(" ")
    tokens = [str(t) for t in stored[f"{kind}.tokens"]]
    types = {
        "gpt2": [NORMAL] * (len(tokens) - 2) + [CONTROL, USER],
        "llama": [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * (len(tokens) - 259),
        "bert": [CONTROL if t.startswith("[") and len(t) > 2 else NORMAL for t in tokens],
    }[kind]
    values = {
        "general.architecture": "bert" if kind == "bert" else "llama",
        "tokenizer.ggml.model": kind,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": mx.array(types, mx.int32),
    }
    if kind == "gpt2":
        ids = {"bos": len(tokens) - 2, "eos": len(tokens) - 2}
        values |= {
            "tokenizer.ggml.pre": pre,
            "tokenizer.ggml.merges": [str(m) for m in stored["gpt2.merges"]],
            "tokenizer.ggml.add_bos_token": pre == "llama-bpe",
        }
    elif kind == "llama":
        ids = {"bos": 1, "eos": 2, "unknown": 0}
        scores = [0.0] * 259 + [-float(i) for i in range(len(tokens) - 259)]
        values |= {
            "tokenizer.ggml.scores": mx.array(scores),
            "tokenizer.ggml.add_space_prefix": pre != "no prefix",
        }
    else:
        ids = {k: tokens.index(f"[{t}]") for k, t in (("cls", "CLS"), ("seperator", "SEP"))}
        ids |= {"bos": ids["cls"], "eos": ids["seperator"]}
        ids |= {"unknown": tokens.index("[UNK]"), "padding": 0}
        values["tokenizer.ggml.token_type_count"] = mx.array(2, mx.uint32)
    for key, value in ids.items():
        values[f"tokenizer.ggml.{key}_token_id"] = mx.array(value, mx.uint32)
    return values
