"""Tokenizers from the vocabularies that GGUF files carry.

Keys begin with `tokenizer.ggml` (ggml/docs/gguf.md). `model` names the algorithm: "gpt2" is
byte-level BPE, "llama" SentencePiece's BPE, whose merges follow from scores, "bert" WordPiece.
`pre` names how byte-level BPE splits text into words first; the patterns are those of the models'
own tokenizer.json files.
"""

from __future__ import annotations

from typing import Any

from olivine.llm.formats.checkpoint import ModelError, optional
from olivine.llm.formats.gguf_config import Metadata

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)
_MERGED = (NORMAL, USER, UNUSED)
_MOST_SPLIT = 1 << 28  # characters: sixteen times those of the splits of 262,144 common tokens

_ENDING = r"'(?i:[sdmt]|ll|ve|re)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+", rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
_CASED_SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n/]*"
_OPTIONAL = rf"(?:{_ENDING})?"

# Words of up to three digits (GPT-4, Llama 3), of single digits (Qwen), with cases told apart.
_LLAMA3 = f"{_ENDING}|{_LETTERS}|\\p{{N}}{{1,3}}|{_SIGNS}|{_SPACES}"
_QWEN2 = f"{_ENDING}|{_LETTERS}|\\p{{N}}|{_SIGNS}|{_SPACES}"
_GPT4O = f"{_CASED[0]}{_OPTIONAL}|{_CASED[1]}{_OPTIONAL}|\\p{{N}}{{1,3}}|{_CASED_SIGNS}|{_SPACES}"
_TEKKEN = f"{_CASED[0]}|{_CASED[1]}|\\p{{N}}|{_CASED_SIGNS}|{_SPACES}"
_DEEPSEEK3 = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CJK = r"[一-龥぀-ゟ゠-ヿ]+"
# `pre` -> patterns, applied one after another; None: GPT-2's pattern, "digits": single digits.
PATTERNS: dict[str, tuple[str | None, ...]] = {
    **dict.fromkeys(("default", "gpt-2", "gpt2", "phi-2", "olmo", "jais", "mpt"), (None,)),
    **dict.fromkeys(
        ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"), ("digits", None)
    ),
    **dict.fromkeys(
        ("llama-bpe", "llama3", "llama-v3", "dbrx", "smaug-bpe", "falcon3", "olmo2"), (_LLAMA3,)
    ),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "stablelm2", "megrez"), (_QWEN2,)),
    **dict.fromkeys(("gpt-4o", "llama4"), (_GPT4O,)),
    "tekken": (_TEKKEN,),
    "deepseek-v3": (r"\p{N}{1,3}", _CJK, _DEEPSEEK3),
}
_NFC = {"qwen2", "deepseek-r1-qwen"}
_WHOLE_WORDS = {"llama-bpe", "llama3", "llama-v3", "tekken", "falcon3"}


def backend(meta: Metadata) -> Any:
    """A `tokenizers.Tokenizer` of a file's vocabulary."""
    optional("tokenizers", "reading a tokenizer")
    kind = meta.text("tokenizer.ggml.model")
    if kind not in _KINDS:
        raise ModelError(
            f"[llm] {meta.origin}: expected a tokenizer among {', '.join(_KINDS)}; got {kind!r}"
        )
    tokens = meta.texts("tokenizer.ggml.tokens")
    types = meta.numbers("tokenizer.ggml.token_type") or [NORMAL] * len(tokens)
    if len(types) != len(tokens) or not tokens:
        raise ModelError(
            f"[llm] {meta.origin}: expected a type for each of {len(tokens)} tokens; "
            f"got {len(types)}"
        )
    try:
        made = _KINDS[kind](meta, tokens, types)
        _add_special(made, tokens, types)
        _add_ends(made, meta, tokens, kind)
    except ModelError:
        raise
    except Exception as error:  # the library raises bare exceptions
        raise ModelError(
            f"[llm] {meta.origin}: expected a vocabulary of kind {kind!r}; got: {error}"
        ) from None
    return made


def _vocabulary(tokens: list[str]) -> dict[str, int]:
    """Ids by text. Where several tokens have one text, the later ones keep an id of other text."""
    try:
        "".join(tokens).encode()
    except UnicodeEncodeError:  # text that is no UTF-8 can not be spoken of, but its id has to stay
        tokens = [t.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for t in tokens]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    if len(vocabulary) == len(tokens):
        return vocabulary
    vocabulary = {}
    for i, token in enumerate(tokens):
        vocabulary[f"{token}\0{i}" if token in vocabulary else token] = i
    return vocabulary


def _pre_tokenizer(pre: str, origin: str):
    from tokenizers import Regex, pre_tokenizers

    if pre not in PATTERNS:
        raise ModelError(
            f"[llm] {origin}: expected tokenizer.ggml.pre among {', '.join(PATTERNS)}; got {pre!r}"
        )
    steps = []
    for pattern in PATTERNS[pre]:
        if pattern == "digits":
            steps.append(pre_tokenizers.Digits(individual_digits=True))
        elif pattern is None:
            steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True))
        else:
            steps.append(pre_tokenizers.Split(Regex(pattern), "isolated"))
    if PATTERNS[pre][-1] is not None:
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    return pre_tokenizers.Sequence(steps)


def _byte_level(meta: Metadata, tokens: list[str], types: list[int]):
    from tokenizers import Tokenizer, decoders, models, normalizers

    pre = meta.text("tokenizer.ggml.pre", "default")
    lines = meta.texts("tokenizer.ggml.merges", [])
    meta.check_utf8("tokenizer.ggml.merges", "".join(lines))
    merges = [tuple(m.split(" ", 1)) for m in lines]
    bad = next((m for m in merges if len(m) != 2), None)
    if bad is not None:
        raise ModelError(f"[llm] {meta.origin}: expected merges of two parts; got {bad[0]!r}")
    model = models.BPE(_vocabulary(tokens), merges, ignore_merges=pre in _WHOLE_WORDS)
    made = Tokenizer(model)
    if pre in _NFC:
        made.normalizer = normalizers.NFC()
    made.pre_tokenizer = _pre_tokenizer(pre, meta.origin)
    made.decoder = decoders.ByteLevel()
    return made


def _merges(vocabulary: dict[str, int], scores: list[float], types: list[int]):
    """All pairs that make a token, those of the best score first.

    SentencePiece joins the neighbours whose union scores best; as a list of merges that is
    every way to split a token in two.
    """
    merged = []
    for text, i in sorted(vocabulary.items(), key=lambda entry: -scores[entry[1]]):
        if types[i] not in _MERGED:
            continue
        pairs = [
            (vocabulary[left], vocabulary[right], left, right)
            for at in range(1, len(text))
            if (left := text[:at]) in vocabulary and (right := text[at:]) in vocabulary
        ]
        merged.extend(pair[2:] for pair in sorted(pairs))
    return merged


def _check_splits(meta: Metadata, tokens: list[str], types: list[int]) -> None:
    """Refuse tokens whose ways to split, each as long as the token, would take long to look at."""
    lengths = [len(token) for token, own in zip(tokens, types, strict=True) if own in _MERGED]
    if sum(n * n for n in lengths) > _MOST_SPLIT:
        raise ModelError(
            f"[llm] {meta.origin}: expected tokens the squares of whose lengths add up to at most "
            f"{_MOST_SPLIT}; got one of {max(lengths)} characters among {len(lengths)}"
        )


def _space_steps(meta: Metadata):
    """Normalizer and decoder of SentencePiece: spaces are U+2581, one may be put in front."""
    from tokenizers import decoders, normalizers

    prefix = bool(meta.whole("tokenizer.ggml.add_space_prefix", 1))
    normal = [normalizers.Prepend("▁")] if prefix else []
    normal.append(normalizers.Replace(" ", "▁"))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if prefix:
        steps.append(decoders.Strip(" ", 1, 0))
    return normalizers.Sequence(normal), decoders.Sequence(steps)


def _scores(meta: Metadata, count: int) -> list[float]:
    scores = meta.numbers("tokenizer.ggml.scores")
    if scores is None or len(scores) != count:
        raise ModelError(
            f"[llm] {meta.origin}: expected a score for each of {count} tokens; "
            f"got {len(scores or ())}"
        )
    return scores


def _sentence_piece(meta: Metadata, tokens: list[str], types: list[int]):
    from tokenizers import Tokenizer, models

    _check_splits(meta, tokens, types)
    vocabulary = _vocabulary(tokens)
    merges = _merges(vocabulary, _scores(meta, len(tokens)), types)
    unknown = meta.whole("tokenizer.ggml.unknown_token_id")
    model = models.BPE(
        vocabulary,
        merges,
        unk_token=tokens[unknown] if unknown is not None else None,
        fuse_unk=True,
        byte_fallback=BYTE in types,
    )
    made = Tokenizer(model)
    made.normalizer, made.decoder = _space_steps(meta)
    return made


def _word_piece(meta: Metadata, tokens: list[str], types: list[int]):
    """Starts of words carry U+2581 in GGUF; elsewhere continuations carry ##."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    def original(token: str, kind: int) -> str:
        if kind != NORMAL or (token.startswith("[") and token.endswith("]")):
            return token
        return token[1:] if token.startswith("▁") else f"##{token}"

    words = [original(*pair) for pair in zip(tokens, types, strict=True)]
    tokens[:] = words
    unknown = meta.whole("tokenizer.ggml.unknown_token_id", 100)
    made = Tokenizer(models.WordPiece(_vocabulary(words), unk_token=words[unknown]))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    return made


_KINDS = {"gpt2": _byte_level, "llama": _sentence_piece, "bert": _word_piece}


def _add_special(made, tokens: list[str], types: list[int]) -> None:
    from tokenizers import AddedToken

    def added(kind: int, special: bool):
        return [
            AddedToken(token, special=special, normalized=False)
            for token, own in zip(tokens, types, strict=True)
            if own == kind and token
        ]

    made.add_special_tokens(added(CONTROL, True))
    made.add_tokens(added(USER, False))


def _add_ends(made, meta: Metadata, tokens: list[str], kind: str) -> None:
    """What begins and ends a text, if the file says so."""
    from tokenizers import processors

    def end(name: str, key: str, default: bool) -> list[tuple[str, int]]:
        if not meta.whole(f"tokenizer.ggml.add_{name}_token", int(default)):
            return []
        i = meta.whole(f"tokenizer.ggml.{key}_token_id")
        return [] if i is None else [(tokens[i], i)]

    if kind == "bert":
        first = meta.whole("tokenizer.ggml.cls_token_id") or meta.whole(
            "tokenizer.ggml.bos_token_id", 101
        )
        before = [(tokens[first], first)]
        after = end("sep", "seperator", True) or end("sep", "separator", True)
    else:
        before = end("bos", "bos", kind == "llama")
        after = end("eos", "eos", False)
    if before or after:
        single = [t for t, _ in before] + ["$A"] + [t for t, _ in after]
        made.post_processor = processors.TemplateProcessing(
            single=single, pair=[*single, "$B:1"], special_tokens=[*before, *after]
        )
