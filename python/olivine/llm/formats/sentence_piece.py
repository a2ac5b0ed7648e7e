"""SentencePiece's unigram models: reading a `.model` file, and the pieces of texts.

A text is normalized first: the longest rule of a double-array trie that fits is replaced, spaces
are joined and become U+2581. Its pieces are the likeliest path, where each piece has a score.
Start reading at `SentencePiece.pieces`. Sources: Kudo, "Subword Regularization" (2018);
sentencepiece_model.proto of the SentencePiece project; Yata's Darts-clone for the trie's layout.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path

from olivine.llm.formats.checkpoint import ModelError

SPACE = "▁"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
UNIGRAM = 1
UNKNOWN_PENALTY = 10.0  # below the least score of all pieces
MAX_FILE = 64 << 20  # bytes; vocabularies of 256,000 pieces take 5 MB
MAX_PIECES = 1 << 21
MAX_PIECE = 1024  # characters; a text takes time in proportion to the longest piece


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of a message in protobuf's wire format; ValueError if it is cut short."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = 0
        for shift in range(0, 70, 7):
            if at >= len(data):
                break
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number has no end")

    def raw(size: int) -> bytes:
        nonlocal at
        if size > len(data) - at:
            raise ValueError(f"a field of {size} bytes goes beyond the end")
        at += size
        return data[at - size : at]

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            value: int | bytes = varint()
        elif kind in (1, 5):
            value = raw(8 if kind == 1 else 4)
        elif kind == 2:
            value = raw(varint())
        else:
            raise ValueError(f"a field has kind {kind}")
        yield key >> 3, value


def _message(data: int | bytes) -> dict[int, int | bytes]:
    """The last value of each field."""
    if not isinstance(data, bytes):
        raise ValueError("a number stands where a message was expected")
    return dict(fields(data))


class CharacterMap:
    """Rules from strings to strings, as SentencePiece compiles them."""

    def __init__(self, data: bytes):
        if len(data) < 4:
            raise ValueError("the rules of normalization have no size")
        (size,) = struct.unpack_from("<I", data)
        if size % 4 or not 0 < size <= len(data) - 4:
            raise ValueError(f"a trie of {size} bytes is in {len(data)} bytes of rules")
        self._units = struct.unpack_from(f"<{size // 4}I", data, 4)
        self._texts = data[4 + size :]
        if not self._texts.endswith(b"\0"):
            raise ValueError("the rules of normalization have no end")

    def longest(self, text: bytes, start: int) -> tuple[int, bytes]:
        """Bytes from `start` on that the longest rule replaces, and by what; 0 if none does."""
        units, count = self._units, len(self._units)
        node = self._child(0, units[0])
        length, value = 0, 0
        for at in range(start, len(text)):
            node ^= text[at]
            if node >= count:
                break
            unit = units[node]
            if unit & 0x800000FF != text[at]:
                break
            node = self._child(node, unit)
            if unit >> 8 & 1 and node < count:  # a rule ends here
                length, value = at + 1 - start, units[node] & 0x7FFFFFFF
        if not length:
            return 0, b""
        return length, self._texts[value : self._texts.find(b"\0", value)]

    @staticmethod
    def _child(node: int, unit: int) -> int:
        return node ^ ((unit >> 10) << ((unit & 512) >> 6))


class SentencePiece:
    """A unigram model: `tokens` and their `scores` and `kinds` by id, and how texts are normalized.

    ModelError: the file is no such model, or larger than any is.
    """

    def __init__(self, data: bytes, origin: str = "the model"):
        self.origin = origin
        try:
            self._read(data)
        except (ValueError, struct.error) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"[llm] expected a SentencePiece model in {origin}: {error}") from None

    @classmethod
    def from_file(cls, path: str | Path) -> SentencePiece:
        path = Path(path)
        try:
            size = path.stat().st_size
            if size > MAX_FILE:
                raise ModelError(
                    f"[llm] expected a SentencePiece model of at most {MAX_FILE} bytes; "
                    f"{path} has {size}"
                )
            return cls(path.read_bytes(), str(path))
        except OSError as error:
            raise ModelError(
                f"[llm] expected a SentencePiece model in {path}; got: {error.strerror}"
            ) from None

    def _read(self, data: bytes) -> None:
        self.tokens: list[str] = []
        self.scores: list[float] = []
        self.kinds: list[int] = []
        trainer: dict = {}
        normalizer: dict = {}
        for number, value in fields(data):
            if number == 1:
                self._add(_message(value))
            elif number == 2:
                trainer = _message(value)
            elif number == 3:
                normalizer = _message(value)
        if trainer.get(3, UNIGRAM) != UNIGRAM:
            raise ModelError(
                f"[llm] expected a unigram model in {self.origin}; got kind {trainer.get(3)}"
            )
        self.byte_fallback = bool(trainer.get(35, 0))
        rules = normalizer.get(2, b"")
        self._rules = CharacterMap(rules) if rules else None
        self._prefix, self._joins, self._escapes = (bool(normalizer.get(i, 1)) for i in (3, 4, 5))
        self._suffix = bool(trainer.get(24, 0))  # the space stands behind a word
        self._index()

    def _add(self, piece: dict) -> None:
        if len(self.tokens) == MAX_PIECES:
            raise ValueError(f"it has more than {MAX_PIECES} pieces")
        text, score, kind = piece.get(1, b""), piece.get(2, bytes(4)), piece.get(3, NORMAL)
        if not isinstance(text, bytes) or not isinstance(score, bytes) or len(score) != 4:
            raise ValueError(f"piece {len(self.tokens)} is no text with a score")
        (score,) = struct.unpack("<f", score)
        if kind not in range(1, 7) or not math.isfinite(score):
            raise ValueError(f"piece {len(self.tokens)} has kind {kind} and score {score}")
        token = text.decode("utf-8")
        if len(token) > MAX_PIECE:
            raise ValueError(f"piece {len(self.tokens)} has {len(token)} characters")
        self.tokens.append(token)
        self.scores.append(score)
        self.kinds.append(kind)

    def _index(self) -> None:
        unknown = [i for i, kind in enumerate(self.kinds) if kind == UNKNOWN]
        if len(unknown) != 1:
            raise ValueError(f"it has {len(unknown)} unknown pieces instead of one")
        if USER_DEFINED in self.kinds:
            raise ValueError("pieces of a user's own are not implemented")
        self.unknown = unknown[0]
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        normal = {t: i for t, i in self.ids.items() if self.kinds[i] == NORMAL}
        if not normal:
            raise ValueError("it has no pieces")
        self._normal = normal
        self._longest = max(map(len, normal))
        self._unknown_score = min(self.scores[i] for i in normal.values()) - UNKNOWN_PENALTY
        if self.byte_fallback:
            missing = [b for b in range(256) if f"<0x{b:02X}>" not in self.ids]
            if missing:
                raise ValueError(f"it has no piece for byte {missing[0]}")

    def __len__(self) -> int:
        return len(self.tokens)

    def normalize(self, text: str) -> str:
        """The text as pieces are made of it."""
        data = text.encode("utf-8", "replace")
        parts, at = [], 0
        while at < len(data):
            length, new = self._rules.longest(data, at) if self._rules else (0, b"")
            if not length:
                length = _character(data[at])
                new = data[at : at + length]
            at += length
            parts.append(new.decode("utf-8", "replace"))
        out: list[str] = []
        after_space = self._joins
        for part in parts:
            part = part.lstrip(" ") if after_space else part
            if part:
                out.append(part)
                after_space = self._joins and part.endswith(" ")
        space = SPACE if self._escapes else " "
        found = "".join(out).replace(" ", space)
        if not found and (self._joins or not data):
            return ""
        if self._prefix and not self._suffix:
            found = space + found
        if self._joins:
            while found.endswith(space):
                found = found[: -len(space)]
        return found + space if self._prefix and self._suffix else found

    def pieces(self, text: str) -> list[int]:
        """Ids of the likeliest pieces of a text; neighbours that are in none are one unknown."""
        text = self.normalize(text)
        ids: list[int] = []
        for start, end, piece in self._path(text):
            if piece != self.unknown:
                ids.append(piece)
            elif self.byte_fallback:
                ids += [self.ids[f"<0x{b:02X}>"] for b in text[start:end].encode()]
            elif not ids or ids[-1] != self.unknown:
                ids.append(piece)
        return ids

    def _path(self, text: str) -> list[tuple[int, int, int]]:
        """The best path as starts, ends and ids. Sums are of 32 bits, as ties decide."""
        size = len(text)
        best: list[tuple[float, int, int] | None] = [(0.0, 0, -1)] + [None] * size
        for start in range(size):
            before = best[start][0]
            single = False
            for end in range(start + 1, min(start + self._longest, size) + 1):
                piece = self._normal.get(text[start:end])
                if piece is None:
                    continue
                single = single or end == start + 1
                score = self.scores[piece] + before
                if best[end] is None or score > best[end][0]:
                    best[end] = (_single_precision(score), start, piece)
            if not single:
                score, end = self._unknown_score + before, start + 1
                if best[end] is None or score > best[end][0]:
                    best[end] = (_single_precision(score), start, self.unknown)
        path, end = [], size
        while end:
            _, start, piece = best[end]
            path.append((start, end, piece))
            end = start
        return path[::-1]


def _single_precision(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def _character(first: int) -> int:
    """Bytes of a character in UTF-8 that begins with `first`."""
    return 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
