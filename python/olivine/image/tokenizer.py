"""CLIP's tokenizer: byte pair encoding of lower-case words, each with its end marked.

Sources: Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units" (2015);
Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (2021).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from olivine.llm.formats.checkpoint import ModelError, read_json

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
_CONTRACTIONS = ("'re", "'ve", "'ll", "'s", "'t", "'m", "'d")
# Unicode's White_Space; Python's own notion has four more.
_SPACES = frozenset(
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def _byte_characters() -> list[str]:
    """The character that stands for each byte in vocabularies of bytes: itself if it shows."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    out = [chr(byte) if byte in shown else "" for byte in range(256)]
    hidden = [byte for byte in range(256) if not out[byte]]
    for i, byte in enumerate(hidden):
        out[byte] = chr(256 + i)
    return out


_BYTES = _byte_characters()


@lru_cache(4096)
def _kind(character: str) -> str:
    """`L`etter, `N`umber, ` ` or `o`ther."""
    if character in _SPACES:
        return " "
    first = unicodedata.category(character)[0]
    return first if first in "LN" else "o"


def words(text: str) -> Iterator[str]:
    """The pieces of a text that are encoded on their own.

    They are runs of letters, single digits, runs of other characters, and the ends of
    contractions. What was a special token but for its case is three of them.
    """
    kinds = [_kind(character) for character in text]
    i, size = 0, len(text)
    while i < size:
        kind, end = kinds[i], i + 1
        if kind == " ":
            i = end
            continue
        if text.startswith((START, END), i):
            name = text[i + 2 : text.index("|>", i)]
            yield from ("<|", name, "|>")
            i += len(name) + 4
            continue
        short = next((c for c in _CONTRACTIONS if text.startswith(c, i)), None)
        if short:
            end = i + len(short)
        elif kind != "N":
            while end < size and kinds[end] == kind:
                end += 1
        yield text[i:end]
        i = end


class CLIPTokenizer:
    """A vocabulary `token -> id`, and the pairs that are merged, the first ones first.

    `length` is how many ids the text encoder takes; `pad` is the token that fills up shorter
    texts.
    """

    def __init__(
        self,
        vocabulary: dict[str, int],
        merges: Sequence[tuple[str, str]],
        *,
        length: int = 77,
        pad: str = END,
    ):
        missing = next((t for t in (START, END, pad) if t not in vocabulary), None)
        if missing is not None:
            raise ModelError(f"[image] expected the token {missing!r} in CLIP's vocabulary")
        if length < 2:
            raise ModelError(f"[image] expected texts of at least 2 tokens; got {length}")
        self.vocabulary, self.length = vocabulary, length
        self.start, self.end, self.pad = (vocabulary[token] for token in (START, END, pad))
        self._ranks = {tuple(pair): rank for rank, pair in enumerate(merges)}
        self._special = re.compile("|".join(map(re.escape, (START, END))))
        self._tokens: dict[int, str] | None = None
        self._word = lru_cache(65536)(self._encode_word)

    @classmethod
    def from_folder(cls, folder: str | Path) -> CLIPTokenizer:
        """From vocab.json and merges.txt, or a tokenizer.json, of a Hugging Face folder."""
        folder = Path(folder)
        settings = _settings(folder)
        pad = settings.get("pad_token", END)
        pad = pad.get("content") if isinstance(pad, dict) else pad
        length = settings.get("model_max_length", 77)
        length = length if isinstance(length, int) and length < 2**16 else 77
        return cls(*_read(folder), length=length, pad=pad)

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without those that begin and end it."""
        if not isinstance(text, str):
            raise TypeError(f"[image] expected a text; got {type(text).__name__}")
        ids, done = [], 0
        for found in self._special.finditer(text):
            ids += self._encode(text[done : found.start()])
            ids.append(self.vocabulary[found.group()])
            done = found.end()
        return ids + self._encode(text[done:])

    def __call__(self, texts: str | Sequence[str]) -> list[list[int]]:
        """For each text `length` ids: what begins it, its own (cut if need be), what ends it,
        and padding."""
        rows = []
        for text in [texts] if isinstance(texts, str) else texts:
            ids = [self.start, *self.encode(text)[: self.length - 2], self.end]
            rows.append(ids + [self.pad] * (self.length - len(ids)))
        return rows

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; spaces stand where words end."""
        if self._tokens is None:
            self._tokens = {i: token for token, i in self.vocabulary.items()}
        codes = {character: byte for byte, character in enumerate(_BYTES)}
        text = "".join(
            self._tokens[i] for i in map(int, ids) if i not in (self.start, self.end, self.pad)
        ).replace(WORD_END, " ")
        raw = b"".join(bytes([codes[c]]) if c in codes else c.encode() for c in text)
        return raw.decode("utf-8", "replace").strip()

    def _encode(self, text: str) -> list[int]:
        text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
        # One character after another: the end of a word changes no letter.
        text = "".join(character.lower() for character in text)
        return [i for word in words(text) for i in self._word(word)]

    def _encode_word(self, word: str) -> tuple[int, ...]:
        parts = [_BYTES[byte] for byte in word.encode()]
        parts[-1] += WORD_END
        # A part that is in no vocabulary stands for the end, and nothing merges with it.
        parts = [part if part in self.vocabulary else END for part in parts]
        while len(parts) > 1:
            ranks = [self._ranks.get(pair) for pair in zip(parts, parts[1:], strict=False)]
            best = min((rank for rank in ranks if rank is not None), default=None)
            if best is None:
                break
            at = ranks.index(best)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.vocabulary.get(part, self.end) for part in parts)


def _settings(folder: Path) -> dict:
    """tokenizer_config.json over special_tokens_map.json."""
    out = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            out |= read_json(folder / name)
    return out


def _read(folder: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        vocabulary = read_json(folder / "vocab.json")
        try:
            lines = (folder / "merges.txt").read_text("utf-8").split("\n")
        except UnicodeDecodeError:
            raise ModelError(f"[image] expected UTF-8 in {folder / 'merges.txt'}") from None
        merges = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    elif (folder / "tokenizer.json").is_file():
        model = read_json(folder / "tokenizer.json").get("model")
        model = model if isinstance(model, dict) else {}
        vocabulary, merges = model.get("vocab"), model.get("merges")
        merges = merges if isinstance(merges, list) else []
        merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in merges]
    else:
        raise ModelError(f"[image] expected vocab.json and merges.txt in {folder}; got neither")
    whole = isinstance(vocabulary, dict) and all(type(i) is int for i in vocabulary.values())
    if not whole or any(not isinstance(pair, list) or len(pair) != 2 for pair in merges):
        raise ModelError(f"[image] expected a vocabulary of CLIP and its pairs in {folder}")
    return vocabulary, [tuple(pair) for pair in merges]
