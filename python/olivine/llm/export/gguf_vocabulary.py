"""A tokenizer as GGUF's metadata: what `formats/gguf_tokenizer.py` reads, read backwards.

Of byte-level BPE a file names how text is split into words (`pre`). Which of the known ways a
tokenizer splits by is found by having all of them split one text that tells them apart.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.formats.gguf_tokenizer import (
    BYTE,
    CONTROL,
    NORMAL,
    PATTERNS,
    UNKNOWN,
    UNUSED,
    USER,
    _pre_tokenizer,
)

# Of several names for one way of splitting, the one that llama.cpp splits by in the same way.
_PREFERRED = ("gpt-2", "smollm", "llama-bpe", "dbrx", "qwen2", "gpt-4o", "tekken", "deepseek-v3")
_PROBE = (
    "Hello world's don't I'LL we'VE HTMLParser caffè naïve x² 1 12 123 1234 12345 3.14  two   three"
    "  \n\n \t lines\r\n  end !? ===--- /// (a,b) «» $5 %s snake_case 你好世界 こんにちは カタカナ "
    "привет 한국어 e\u0301 \u00a0 \u3000 🙂👩‍👩‍👧 ½ ٣٤٥ पि don’t _x9 'S it's\u2028 Ünï-Cödé ABCdef\n/x\n"
)
_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|END_OF_TURN_TOKEN|>")


def vocabulary_of(tokenizer: Any, size: int) -> dict[str, Any]:
    """The keys `tokenizer.*` of a tokenizer for a model of `size` tokens."""
    if tokenizer is None:
        return {"tokenizer.ggml.model": "no_vocab"}
    backend = json.loads(tokenizer.backend.to_str())
    model = backend["model"]
    steps = _steps(backend.get("decoder")) | _steps(backend.get("pre_tokenizer"))
    tokens, types = _tokens(tokenizer, size)
    if model.get("type") == "WordPiece":
        values = _word_piece(model, tokens, types)
    elif model.get("type") != "BPE":
        raise ModelError(
            f"[gguf] expected a tokenizer of BPE or WordPiece; got {model.get('type')!r}"
        )
    elif "ByteLevel" in steps:
        values = _byte_level(tokenizer, model)
    else:
        values = _sentence_piece(backend, tokens, types)
    values["tokenizer.ggml.tokens"] = tokens
    values["tokenizer.ggml.token_type"] = np.array(types, np.int32)
    values |= _ends(tokenizer, backend, model.get("type") == "WordPiece")
    if tokenizer.chat_template is not None:
        values["tokenizer.chat_template"] = tokenizer.chat_template.source
    return values


def _steps(step: dict | None) -> dict[str, dict]:
    """Normalizers, pre-tokenizers or decoders by type, of a sequence or of one."""
    if step is None:
        return {}
    if step["type"] == "Sequence":
        parts = next(v for v in step.values() if isinstance(v, list))
        return {name: part for one in parts for name, part in _steps(one).items()}
    return {step["type"]: step}


def _tokens(tokenizer, size: int) -> tuple[list[str], list[int]]:
    tokens, types = [f"[PAD{i}]" for i in range(size)], [UNUSED] * size
    for token, i in tokenizer.get_vocab().items():
        if i >= size:
            raise ModelError(f"[gguf] expected ids below the model's {size}; got {i} for {token!r}")
        # The reader tells tokens of one text apart by their id.
        tokens[i] = token.removesuffix(f"\0{i}")
        types[i] = NORMAL
    for i, token in tokenizer.backend.get_added_tokens_decoder().items():
        tokens[i], types[i] = token.content, CONTROL if token.special else USER
    return tokens, types


def _byte_level(tokenizer, model: dict) -> dict[str, Any]:
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": _split_by(tokenizer.backend),
        "tokenizer.ggml.merges": merges,
    }


def _split_by(backend) -> str:
    """The name of the way in which a tokenizer splits text into words."""

    def words(splitter) -> list[str]:
        return [word for word, _ in splitter.pre_tokenize_str(_PROBE)]

    own = words(backend.pre_tokenizer)
    for name in (*_PREFERRED, *(n for n in PATTERNS if n not in _PREFERRED)):
        if words(_pre_tokenizer(name, "")) == own:
            # Without merges for whole words, the same pattern has another name.
            whole = json.loads(backend.to_str())["model"].get("ignore_merges", False)
            return "dbrx" if name == "llama-bpe" and not whole else name
    raise ModelError(
        "[gguf] expected a tokenizer that splits words in one of the ways that files name "
        f"({', '.join(_PREFERRED)}); got another"
    )


def _sentence_piece(backend: dict, tokens: list[str], types: list[int]) -> dict[str, Any]:
    """Scores say which pairs are joined first, as the order of merges does."""
    model = backend["model"]
    scores = np.full(len(tokens), 0, np.float32)
    ids = {token: i for i, token in enumerate(tokens)}
    rank = 0
    joined: set[str] = set()
    for pair in model["merges"]:
        token = "".join(pair.split(" ", 1) if isinstance(pair, str) else pair)
        if token not in joined and token in ids:
            joined.add(token)
            rank -= 1
            scores[ids[token]] = rank
    for i, token in enumerate(tokens):
        if types[i] == NORMAL and token not in joined and len(token) > 0:
            scores[i] = rank - 1 - i / len(tokens)  # single characters come last
        if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            types[i], scores[i] = BYTE, 0
    unknown = model.get("unk_token")
    values: dict[str, Any] = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "default"}
    if unknown in ids:
        types[ids[unknown]], scores[ids[unknown]] = UNKNOWN, 0
        values["tokenizer.ggml.unknown_token_id"] = np.uint32(ids[unknown])
    values["tokenizer.ggml.scores"] = scores
    values["tokenizer.ggml.add_space_prefix"] = np.bool_(_puts_space_first(backend))
    return values


def _puts_space_first(backend: dict) -> bool:
    if "Prepend" in _steps(backend.get("normalizer")):
        return True
    spaces = _steps(backend.get("pre_tokenizer")).get("Metaspace")
    return spaces is not None and spaces.get("prepend_scheme", "always") != "never"


def _word_piece(model: dict, tokens: list[str], types: list[int]) -> dict[str, Any]:
    """Starts of words get U+2581; continuations lose their ##."""
    prefix = model.get("continuing_subword_prefix", "##")
    unknown = model.get("unk_token")
    values = {"tokenizer.ggml.model": "bert"}
    for i, token in enumerate(tokens):
        if token == unknown:
            values["tokenizer.ggml.unknown_token_id"] = np.uint32(i)
        if types[i] == NORMAL and not (token.startswith("[") and token.endswith("]")):
            tokens[i] = token.removeprefix(prefix) if token.startswith(prefix) else f"▁{token}"
    return values


def _ends(tokenizer, backend: dict, bert: bool) -> dict[str, Any]:
    """What begins and ends a text, and whether it is put there."""
    values: dict[str, Any] = {}

    def put(name: str, token: int | None) -> None:
        if token is not None:
            values[f"tokenizer.ggml.{name}_token_id"] = np.uint32(token)

    empty = tokenizer.encode("")
    first, last = empty[:1], empty[1:]
    bos = tokenizer.bos_token_id
    if bos is None and first and first[0] not in tokenizer.eos_token_ids:
        bos = first[0]
    put("bos", bos)
    put("padding", tokenizer.pad_token_id)
    if bert:
        put("cls", first[0] if first else None)
        put("seperator", last[0] if last else None)  # as the format's other programs spell it
        put("eos", last[0] if last else None)
        return values
    main = tokenizer.eos_token_id
    put("eos", main)
    other = [tokenizer.token_to_id(t) for t in _TURN_ENDS]
    other = [i for i in other if i in tokenizer.eos_token_ids and i != main]
    put("eot", next(iter(other), None))
    values["tokenizer.ggml.add_bos_token"] = np.bool_(bool(first) and first[0] == bos)
    values["tokenizer.ggml.add_eos_token"] = np.bool_(
        bool(empty) and empty[-1] == main and len(empty) > int(first[0] == bos)
    )
    return values
