"""OpenAI's vocabularies by rank: the merges that make the same tokens; damaged files."""

import base64
import random

import pytest

from olivine.audio.whisper.formats.ranks import backend_of_ranks, find_ranks, last_merge, read_ranks
from olivine.llm.formats.checkpoint import ModelError

WORDS = ["he", "ll", "hell", "hello", " w", "or", " wor", "ld", " world", "é", "lo"]


def by_rank():
    order = sorted(range(256), key=lambda b: (b < 33, b))
    tokens = [bytes([b]) for b in order] + [word.encode() for word in WORDS]
    return {token: rank for rank, token in enumerate(tokens)}


def write(path, ranks):
    lines = [f"{base64.b64encode(t).decode() or '='} {r}" for t, r in ranks.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def encode(text: bytes, ranks) -> list[int]:
    """Byte-pair encoding by its definition: the pair of the lowest rank first."""
    parts = [bytes([b]) for b in text]
    while True:
        joined = enumerate(zip(parts, parts[1:], strict=False))
        pairs = [(ranks[a + b], i) for i, (a, b) in joined if a + b in ranks]
        if not pairs:
            return [ranks[part] for part in parts]
        _, i = min(pairs)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def test_merges_make_the_same_tokens(tmp_path):
    pytest.importorskip("tokenizers")
    ranks = by_rank()
    made = backend_of_ranks(write(tmp_path / "x.tiktoken", {**ranks, b"": len(ranks)}))
    assert made.token_to_id("<|endoftext|>") == len(ranks) + 1
    choose = random.Random(0)
    for _ in range(200):
        text = "".join(choose.choice("helowrdé") for _ in range(12))
        assert made.encode(text).ids == encode(text.encode(), ranks)
        assert made.decode(made.encode(text).ids) == text
    assert made.encode("hello world").ids == [ranks[b"hello"], ranks[b" world"]]


def test_a_merge_has_tokens_of_lower_ranks_alone():
    ranks = by_rank()
    assert last_merge(b"hello", ranks) == (b"hell", b"o")
    assert last_merge(b" world", ranks) == (b" wor", b"ld")
    assert last_merge(b"abc", {**ranks, b"abc": 999}) is None


def test_where_a_vocabulary_is_found(tmp_path):
    write(tmp_path / "multilingual.tiktoken", by_rank())
    assert find_ranks(tmp_path, True) == tmp_path / "multilingual.tiktoken"


@pytest.mark.parametrize("text", ["", "IQ==", "!!! 0", "IQ== x", "IQ== 0\nIg== 5", "\xff\xfe"])
def test_damaged_vocabularies(tmp_path, text):
    (tmp_path / "x.tiktoken").write_text(text, "latin-1")
    with pytest.raises(ModelError, match=r"^\[audio\] expected "):
        read_ranks(tmp_path / "x.tiktoken")
