"""Reading OpenAI's vocabularies (`.tiktoken`): tokens by rank, of which the merges are found.

A line has a token's bytes in base 64 and its rank. Byte-pair encoding joins the pair that makes the
token of the lowest rank first (tiktoken's documentation); so the last pair that a token's own bytes
are joined from, with tokens of lower ranks alone, is its merge.
"""

from __future__ import annotations

import base64
from pathlib import Path

from olivine.llm.detokenizer import byte_alphabet
from olivine.llm.formats.checkpoint import ModelError, optional
from olivine.llm.formats.find import package_folder

# Where OpenAI's package and MLX's keep the files.
_PACKAGES = ("whisper", "mlx_whisper")
_MOST_TOKENS = 1 << 18


def file_name(multilingual: bool) -> str:
    return "multilingual.tiktoken" if multilingual else "gpt2.tiktoken"


def find_ranks(folder: Path, multilingual: bool) -> Path | None:
    """The vocabulary beside a model, or that of an installed package."""
    packages = [package_folder(name) for name in _PACKAGES]
    places = [folder, *(package / "assets" for package in packages if package)]
    files = [place / file_name(multilingual) for place in places]
    return next((file for file in files if file.is_file()), None)


def read_ranks(path: Path) -> dict[bytes, int]:
    """The rank of each token; ModelError for anything else."""
    ranks: dict[bytes, int] = {}
    try:
        for line in path.read_bytes().splitlines():
            token, rank = line.split()
            ranks[b"" if token == b"=" else base64.b64decode(token, validate=True)] = int(rank)
    except (OSError, ValueError) as error:
        raise ModelError(f"[audio] expected tokens and ranks in {path}; got: {error}") from None
    right = len(ranks) <= _MOST_TOKENS and sorted(ranks.values()) == list(range(len(ranks)))
    if not right or any(bytes([b]) not in ranks for b in range(256)):
        raise ModelError(f"[audio] expected all 256 bytes and ranks from 0 on in {path}")
    return ranks


def last_merge(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes] | None:
    """The two tokens that `token` is joined from at last; None for one that is never made."""
    parts = [token[i : i + 1] for i in range(len(token))]
    limit = ranks[token]
    while len(parts) > 2:
        pairs = [ranks.get(a + b, limit) for a, b in zip(parts, parts[1:], strict=False)]
        lowest = min(pairs)
        if lowest >= limit:
            return None
        place = pairs.index(lowest)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return (parts[0], parts[1]) if len(parts) == 2 else None


def backend_of_ranks(path: Path):
    """A `tokenizers.Tokenizer` of byte-level BPE, without special tokens but the end."""
    tokenizers = optional("tokenizers", "reading a tokenizer")
    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    ranks = read_ranks(path)

    def named(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    merges = []
    for token in sorted(ranks, key=ranks.get):
        pair = last_merge(token, ranks) if len(token) > 1 else None
        if pair is not None:
            merges.append((named(pair[0]), named(pair[1])))
    vocabulary = {named(token) or "<empty>": rank for token, rank in ranks.items()}
    made = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>", "<|startoftranscript|>"])
    return made
