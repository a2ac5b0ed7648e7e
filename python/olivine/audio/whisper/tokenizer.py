"""Whisper's tokenizer: text and ids, what a sequence begins with, timestamps, words."""

from __future__ import annotations

import codecs
import functools
import string
from collections.abc import Iterable, Sequence
from pathlib import Path

from olivine.audio.whisper.languages import LANGUAGES, language_code
from olivine.llm.formats.checkpoint import ModelError
from olivine.llm.tokenizer import Tokenizer, tokenizer_from_folder

SECONDS_PER_TIMESTAMP = 0.02
TASKS = ("transcribe", "translate")
# Tokens after <|endoftext|> and <|startoftranscript|>, before and after those of the languages.
_AFTER_LANGUAGES = (
    "translate",
    "transcribe",
    "startoflm",
    "startofprev",
    "nospeech",
    "notimestamps",
)
# Written by annotators of subtitles, not spoken. A token of one of these alone is suppressed.
_MARKS = [*'"#()*+/:;<=>@[\\]^_`{|}~「」『』']
_MARKS += "<< >> <<< >>> -- --- -( -[ (' (\" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪".split()
_NOTES = [*"♩♪♫♬♭♮♯"]
# Written without spaces between words.
_UNSPACED = {"zh", "ja", "th", "lo", "my", "yue"}


class WhisperTokenizer:
    """Text to ids and back over a byte-level vocabulary, and Whisper's special tokens.

    `eot` ends every sequence, `sot` begins one; `timestamp_begin` is the token of 0.00 seconds, and
    those of every 0.02 seconds up to 30 follow. `languages` are the codes that the model knows.
    """

    def __init__(self, tokenizer: Tokenizer, n_vocab: int):
        self.tokenizer = tokenizer
        self.n_vocab = n_vocab
        self.multilingual = n_vocab >= 51865
        # Of the English-only models too: they have the tokens and no use for them.
        count = n_vocab - 51765 - int(self.multilingual)
        if not 1 <= count <= len(LANGUAGES):
            raise ModelError(f"[audio] expected Whisper's vocabulary; got one of {n_vocab} tokens")
        self.languages = tuple(LANGUAGES)[:count]
        self.eot = 50257 if self.multilingual else 50256
        self.sot = self.eot + 1
        first = self.sot + 1 + count
        (
            self.translate,
            self.transcribe,
            self.sot_lm,
            self.sot_prev,
            self.no_speech,
            self.no_timestamps,
        ) = range(first, first + len(_AFTER_LANGUAGES))
        self.timestamp_begin = self.no_timestamps + 1
        self._check()

    def _check(self) -> None:
        """ModelError if the vocabulary has its special tokens elsewhere."""
        expected = {"endoftext": self.eot, "startoftranscript": self.sot, "en": self.sot + 1}
        for name, place in expected.items():
            found = self.tokenizer.token_to_id(f"<|{name}|>")
            if found is not None and found != place:
                raise ModelError(
                    f"[audio] expected <|{name}|> to be token {place} of a vocabulary of "
                    f"{self.n_vocab}; got {found}: the tokenizer belongs to another model"
                )
        size = len(self.tokenizer)
        if not self.eot <= size <= self.n_vocab:
            raise ModelError(
                f"[audio] expected a tokenizer of {self.eot} to {self.n_vocab} tokens; got {size}"
            )

    def __repr__(self) -> str:
        return f"WhisperTokenizer({self.n_vocab} tokens, {len(self.languages)} languages)"

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without anything before or after."""
        return self.tokenizer.encode(text, add_special_tokens=False)

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of ids, without special tokens and timestamps."""
        return self.tokenizer.decode([t for t in _ids(tokens) if t < self.eot])

    def decode_with_timestamps(self, tokens: Iterable[int]) -> str:
        """The text of ids with timestamps as `<|1.08|>` and other special tokens by name."""
        parts: list[str] = []
        text: list[int] = []
        for token in _ids(tokens):
            if token < self.eot:
                text.append(token)
                continue
            parts += [self.tokenizer.decode(text), self.special(token)]
            text = []
        return "".join([*parts, self.tokenizer.decode(text)])

    def special(self, token: int) -> str:
        """What a token from `eot` on is called."""
        if token >= self.timestamp_begin:
            return f"<|{self.seconds(token):.2f}|>"
        names = ["endoftext", "startoftranscript", *self.languages, *_AFTER_LANGUAGES]
        return f"<|{names[token - self.eot]}|>"

    def seconds(self, token: int) -> float:
        """The time that a timestamp token stands for."""
        return (token - self.timestamp_begin) * SECONDS_PER_TIMESTAMP

    def language_token(self, language: str) -> int:
        """The token of a language by code or name; ValueError if the model does not know it."""
        code = language_code(language)
        if code not in self.languages:
            raise ValueError(f"[whisper] expected a language of this model; got {language!r}")
        return self.sot + 1 + self.languages.index(code)

    @property
    def language_tokens(self) -> range:
        return range(self.sot + 1, self.sot + 1 + len(self.languages))

    def sot_sequence(self, language: str | None = None, task: str | None = None) -> list[int]:
        """What a sequence begins with: for multilingual models also the language and the task."""
        if task not in (None, *TASKS):
            raise ValueError(f"[whisper] expected a task among {', '.join(TASKS)}; got {task!r}")
        if not self.multilingual:
            if language is not None and language_code(language) != "en" or task == "translate":
                raise ValueError(
                    "[whisper] expected English to be transcribed: this model knows no other; "
                    f"got language={language!r}, task={task!r}"
                )
            return [self.sot]
        second = self.language_token(language or "en")
        return [self.sot, second, self.translate if task == "translate" else self.transcribe]

    @functools.cached_property
    def non_speech_tokens(self) -> tuple[int, ...]:
        """Tokens of marks that nobody speaks, such as brackets and notes."""
        found = {self.encode(" -")[0], self.encode(" '")[0]}
        for mark in _MARKS + _NOTES:
            for text in (mark, " " + mark):
                ids = self.encode(text)
                # Notes share their first byte pairs: these are enough to know one.
                if len(ids) == 1 or mark in _NOTES:
                    found.add(ids[0])
        return tuple(sorted(found))

    # ---- words

    def split_to_word_tokens(
        self, tokens: Sequence[int], language: str | None = None
    ) -> tuple[list[str], list[list[int]]]:
        """Words and the tokens of each; in languages without spaces, characters instead."""
        pieces, ids = self._characters(tokens)
        if language is not None and language_code(language) in _UNSPACED:
            return pieces, ids
        words: list[str] = []
        word_tokens: list[list[int]] = []
        for piece, its in zip(pieces, ids, strict=True):
            alone = its[0] >= self.eot or piece.strip() in string.punctuation
            after_special = bool(words) and word_tokens[-1][-1] >= self.eot
            if alone or piece.startswith(" ") or not words or after_special:
                words.append(piece)
                word_tokens.append(its)
            else:
                words[-1] += piece
                word_tokens[-1] = word_tokens[-1] + its
        return words, word_tokens

    def _characters(self, tokens: Sequence[int]) -> tuple[list[str], list[list[int]]]:
        """The shortest runs of tokens that are whole characters."""
        texts: list[str] = []
        runs: list[list[int]] = []
        run: list[int] = []
        text = ""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for token in _ids(tokens):
            if token >= self.eot and run:  # a character that was left unfinished
                texts.append(text + decoder.decode(b"", True))
                runs.append(run)
                run, text = [], ""
            run.append(token)
            text += self.special(token) if token >= self.eot else decoder.decode(self._bytes(token))
            if not decoder.getstate()[0]:
                texts.append(text)
                runs.append(run)
                run, text = [], ""
        if run:
            texts.append(text + decoder.decode(b"", True))
            runs.append(run)
        return texts, runs

    def _bytes(self, token: int) -> bytes:
        words = self.tokenizer.vocabulary()
        return words[token] if token < len(words) else b""


def _ids(tokens: Iterable[int]) -> list[int]:
    return tokens.tolist() if hasattr(tokens, "tolist") else list(tokens)


def whisper_tokenizer(folder: Path, n_vocab: int) -> WhisperTokenizer:
    """The tokenizer of a folder with tokenizer.json, or vocab.json and merges.txt."""
    return WhisperTokenizer(tokenizer_from_folder(folder), n_vocab)
