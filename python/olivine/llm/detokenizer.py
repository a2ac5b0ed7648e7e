"""Text from tokens as they come, in valid UTF-8 only.

A token is a run of bytes that may end within a character. What of a character is there is held back
until it is whole, so that the segments joined are the text that decoding all tokens gives.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>$")


def byte_alphabet() -> dict[str, int]:
    """The visible characters by which byte-level BPE names bytes (Radford et al., GPT-2, 2019)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in set(printable)]
    return {
        **{chr(b): b for b in printable},
        **{chr(256 + i): b for i, b in enumerate(others)},
    }


class _ByteLevel:
    """Tokens whose characters name bytes."""

    alphabet = byte_alphabet()

    def __call__(self, token: str, first: bool) -> bytes:
        try:
            return bytes([self.alphabet[c] for c in token])
        except KeyError:
            return token.encode()


class _SentencePiece:
    """Tokens of text with U+2581 for spaces, and tokens for single bytes."""

    def __init__(self, strip: bool, fallback: bool):
        self.strip, self.fallback = strip, fallback

    def __call__(self, token: str, first: bool) -> bytes:
        match = _BYTE_TOKEN.match(token) if self.fallback else None
        if match:
            return bytes([int(match[1], 16)])
        text = token.replace("▁", " ")
        return text[1:].encode() if first and self.strip and text[:1] == " " else text.encode()


def _steps(decoder: Any) -> list[dict]:
    if decoder is None:
        return []
    state = json.loads(decoder.__getstate__())
    return state["decoders"] if state["type"] == "Sequence" else [state]


def bytes_of_tokens(decoder: Any):
    """The function from a token's text to its bytes; None for decoders without one."""
    steps = {step["type"]: step for step in _steps(decoder)}
    if "ByteLevel" in steps:
        return _ByteLevel()
    if "Metaspace" in steps:
        return _SentencePiece(steps["Metaspace"].get("prepend_scheme") != "never", False)
    if "Replace" in steps and "Fuse" in steps:
        return _SentencePiece("Strip" in steps, "ByteFallback" in steps)
    return None


class Detokenizer:
    """Made by `Tokenizer.detokenizer`: `add` each id and then `finish`, which give new text.

    `text` is all text so far, `tokens` all ids. `skip` has the ids without text.
    """

    def __init__(self, tokenizer, skip: frozenset[int] = frozenset()):
        self._tokenizer, self._skip = tokenizer, skip
        self._bytes_of = tokenizer.bytes_of_tokens
        self.reset()

    def reset(self) -> None:
        """Begin another text."""
        self.tokens: list[int] = []
        self._segments: list[str] = []
        self._kept: list[int] = []  # tokens that were not skipped
        self._before = 0  # of these, where the text that decoding needs as context begins
        self._emitted = 0  # of these, how many are emitted
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token: int) -> str:
        """The text that is whole now, often none."""
        self.tokens.append(token)
        if token in self._skip:
            return ""
        self._kept.append(token)
        if self._bytes_of is None:
            return self._by_difference(final=False)
        added = self._tokenizer.added.get(token)
        if added is not None:
            return self._emit(self._utf8.decode(added.encode()))
        text = self._tokenizer.id_to_token(token)
        data = b"" if text is None else self._bytes_of(text, len(self._kept) == 1)
        return self._emit(self._utf8.decode(data))

    def finish(self) -> str:
        """What was held back; bytes that are no character become U+FFFD."""
        if self._bytes_of is None:
            return self._by_difference(final=True)
        return self._emit(self._utf8.decode(b"", final=True))

    def _by_difference(self, final: bool) -> str:
        """The difference of two decodings, for decoders that look at neighbours."""
        decode = self._tokenizer.decode
        old = decode(self._kept[self._before : self._emitted])
        new = decode(self._kept[self._before :])
        if len(new) <= len(old) or (new.endswith("\ufffd") and not final):
            return ""
        self._before, self._emitted = self._emitted, len(self._kept)
        return self._emit(new[len(old) :])

    def _emit(self, text: str) -> str:
        self._segments.append(text)
        return text

    @property
    def text(self) -> str:
        return "".join(self._segments)
