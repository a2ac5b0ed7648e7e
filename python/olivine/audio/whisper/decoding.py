"""Decoding windows of 30 seconds: greedily, by sampling or by beam search; languages."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import olivine.core as mx
from olivine.audio.whisper.beam import BeamSearch
from olivine.audio.whisper.greedy import Greedy
from olivine.audio.whisper.languages import language_code
from olivine.audio.whisper.model import Whisper
from olivine.audio.whisper.rules import Rules
from olivine.audio.whisper.tokenizer import SECONDS_PER_TIMESTAMP, TASKS, WhisperTokenizer


@dataclass(frozen=True)
class DecodingOptions:
    """How a window is decoded.

    task: `transcribe`, or `translate` into English.
    language: a code or name; None has it detected.
    temperature: 0 takes the likeliest token; above it tokens are drawn.
    sample_len: the most tokens to write; by default half of the decoder's positions.
    best_of: how many texts are drawn, of which the likeliest is kept; with a temperature only.
    beam_size: how many texts a beam search follows; without a temperature only.
    patience: the search ends once `beam_size * patience` texts have ended (Kasai et al., 2022).
    length_penalty: from 0 to 1, the exponent of Wu et al. (2016) by which likelihoods of texts of
        different lengths compare; None divides them by the length.
    prompt: text or tokens of what was said before; prefix: text or tokens that begin the result.
    suppress_tokens: ids that never come; -1 among them stands for marks that nobody speaks.
    suppress_blank: do not begin with a space or the end.
    without_timestamps: text alone.
    max_initial_timestamp: in seconds, the latest beginning; None for any.
    """

    task: str = "transcribe"
    language: str | None = None
    temperature: float = 0.0
    sample_len: int | None = None
    best_of: int | None = None
    beam_size: int | None = None
    patience: float | None = None
    length_penalty: float | None = None
    prompt: str | Sequence[int] | None = None
    prefix: str | Sequence[int] | None = None
    suppress_tokens: str | Sequence[int] | None = "-1"
    suppress_blank: bool = True
    without_timestamps: bool = False
    max_initial_timestamp: float | None = 1.0

    def __post_init__(self):
        positive = ("sample_len", "best_of", "beam_size", "patience")
        for name in positive:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"[whisper] expected {name} above 0; got {value!r}")
        checks = [
            ("task", f"among {', '.join(TASKS)}", self.task in TASKS),
            ("temperature", "of at least 0", 0 <= self.temperature < math.inf),
            ("beam_size", "without a temperature", not (self.beam_size and self.temperature)),
            ("best_of", "with a temperature", self.temperature > 0 or (self.best_of or 1) == 1),
            ("patience", "with a beam_size", self.patience is None or self.beam_size is not None),
            ("length_penalty", "from 0 to 1", 0 <= (self.length_penalty or 0) <= 1),
            ("max_initial_timestamp", "of at least 0", (self.max_initial_timestamp or 0) >= 0),
        ]
        for name, expected, right in checks:
            if not right:
                raise ValueError(
                    f"[whisper] expected {name} {expected}; got {getattr(self, name)!r}"
                )
        if self.language is not None:
            language_code(self.language)


@dataclass
class DecodingResult:
    """A window's text, and how sure the model is.

    tokens: ids, timestamps among them, without what the decoder was given.
    avg_logprob: the mean log-likelihood of the tokens and the end.
    no_speech_prob: how likely it is that nothing is said.
    compression_ratio: of the text by zlib; repetitions make it large.
    """

    tokens: list[int]
    text: str
    language: str
    avg_logprob: float = math.nan
    no_speech_prob: float = math.nan
    temperature: float = 0.0
    compression_ratio: float = math.nan
    language_probs: dict[str, float] | None = field(default=None, repr=False)


def compression_ratio(text: str) -> float:
    """How many times as long a text is as zlib makes it."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw))


def features_of(model: Whisper, mel: mx.array) -> mx.array:
    """Features `(batch, positions, width)`: `mel` is these, spectrograms, or one of either."""
    dims = model.dims
    mel = mel if isinstance(mel, mx.array) else mx.array(mel)
    mel = mel[None] if mel.ndim == 2 else mel
    if mel.ndim == 3 and mel.shape[1:] == (dims.n_audio_ctx, dims.n_text_state):
        return mel
    return model.encode(mel)


def detect_language(
    model: Whisper, tokenizer: WhisperTokenizer, mel: mx.array
) -> list[tuple[str, dict[str, float]]]:
    """For each window the likeliest language and the probabilities of all.

    `mel` are spectrograms `(batch, frames, mels)` or features of them.
    """
    if not tokenizer.multilingual:
        raise ValueError(
            "[whisper] expected a multilingual model to detect languages with; this one knows "
            "English alone"
        )
    features = features_of(model, mel)
    tokens = mx.full((features.shape[0], 1), tokenizer.sot, dtype=mx.int32)
    return _languages(tokenizer, model.decode(tokens, features)[:, 0])


def _languages(tokenizer: WhisperTokenizer, logits: mx.array) -> list[tuple[str, dict]]:
    span = tokenizer.language_tokens
    chosen = logits[:, span.start : span.stop].astype(mx.float32)
    found = []
    for row in mx.softmax(chosen, axis=-1).tolist():
        shares = dict(zip(tokenizer.languages, row, strict=True))
        found.append((max(shares, key=shares.get), shares))
    return found


def decode(
    model: Whisper,
    tokenizer: WhisperTokenizer,
    mel: mx.array,
    options: DecodingOptions | None = None,
    **changes,
) -> list[DecodingResult]:
    """Decode windows: spectrograms `(batch, frames, mels)`, or features as `model.encode` makes.

    One of either alone gives a list of one. `changes` are fields of the options.
    """
    options = replace(options or DecodingOptions(), **changes)
    task = _Task(model, tokenizer, options)
    return task.run(features_of(model, mel))


class _Task:
    """One call of `decode`."""

    def __init__(self, model: Whisper, tokenizer: WhisperTokenizer, options: DecodingOptions):
        self.model, self.tokenizer, self.options = model, tokenizer, options
        self.positions = model.dims.n_text_ctx
        self.length = options.sample_len or self.positions // 2
        self.prompt = self._ids("prompt", options.prompt)[-(self.positions // 2 - 1) :]
        self.prefix = self._ids("prefix", options.prefix)
        self.rules = Rules(
            tokenizer,
            self._suppressed(),
            [*tokenizer.encode(" "), tokenizer.eot] if options.suppress_blank else [],
            not options.without_timestamps,
            self._latest(),
        )

    def _ids(self, name: str, value: str | Sequence[int] | None) -> list[int]:
        if value is None:
            return []
        if isinstance(value, str):
            return self.tokenizer.encode(" " + value.strip())
        ids = [int(token) for token in value]
        if any(not 0 <= token < self.tokenizer.n_vocab for token in ids):
            raise ValueError(f"[whisper] expected {name} of tokens of the model; got {ids!r:.80}")
        return ids

    def _suppressed(self) -> list[int]:
        given = self.options.suppress_tokens
        if isinstance(given, str):
            try:
                given = [int(part) for part in given.split(",") if part.strip()]
            except ValueError:
                raise ValueError(
                    f"[whisper] expected suppress_tokens as ids with commas; got {given!r}"
                ) from None
        ids = {int(token) for token in given or ()}
        own = self.tokenizer
        if -1 in ids:
            ids = (ids - {-1}) | set(own.non_speech_tokens)
        if any(not 0 <= token < own.n_vocab for token in ids):
            raise ValueError("[whisper] expected suppress_tokens of the model's tokens or -1")
        ids |= {own.sot, own.sot_prev, own.sot_lm, own.no_speech, own.translate, own.transcribe}
        return sorted(ids)

    def _latest(self) -> int | None:
        latest = self.options.max_initial_timestamp
        return None if latest is None else round(latest / SECONDS_PER_TIMESTAMP)

    def _beginnings(self, languages: Sequence[str]) -> list[list[int]]:
        own = self.tokenizer
        before = [own.sot_prev, *self.prompt] if self.prompt else []
        after = [own.no_timestamps] if self.options.without_timestamps else []
        rows = []
        for language in languages:
            start = own.sot_sequence(language if own.multilingual else None, self.options.task)
            rows.append([*before, *start, *after, *self.prefix])
        self.sot_place = len(before)
        return rows

    def run(self, features: mx.array) -> list[DecodingResult]:
        cache = self.model.make_cache(features)
        languages, shares = self._find_languages(features, cache)
        beginnings = self._beginnings(languages)
        size = len(beginnings[0])
        if size >= self.positions:
            raise ValueError(
                f"[whisper] expected a prompt and prefix of fewer than {self.positions} tokens; "
                f"got {size}"
            )
        hidden = self.model.hidden(mx.array(beginnings), None, cache)
        # Of all that was given, two places are looked at.
        places = mx.array([self.sot_place, size - 1])
        logits = self.model.logits(hidden[:, places]).astype(mx.float32)
        silence = mx.softmax(logits[:, 0], axis=-1)[:, self.tokenizer.no_speech].tolist()
        most = min(self.length, self.positions - size)
        search = self._search()
        texts = search.run(self.model, cache, logits[:, 1], most)
        return [
            self._result(*text, language, quiet, share)
            for text, language, quiet, share in zip(texts, languages, silence, shares, strict=True)
        ]

    def _search(self):
        options = self.options
        if options.beam_size:
            return BeamSearch(
                self.rules, options.beam_size, options.patience or 1.0, options.length_penalty
            )
        return Greedy(self.rules, options.temperature, options.best_of or 1, options.length_penalty)

    def _find_languages(self, features: mx.array, cache) -> tuple[list[str], list[dict | None]]:
        batch = features.shape[0]
        if self.options.language is not None or not self.tokenizer.multilingual:
            language = language_code(self.options.language or "en")
            return [language] * batch, [None] * batch
        tokens = mx.full((batch, 1), self.tokenizer.sot, dtype=mx.int32)
        found = _languages(self.tokenizer, self.model.decode(tokens, None, cache)[:, 0])
        for layer in cache.layers:
            layer.own.trim(1)
        return [name for name, _ in found], [shares for _, shares in found]

    def _result(
        self, tokens: list[int], score: float, language: str, quiet: float, shares
    ) -> DecodingResult:
        text = self.tokenizer.decode(tokens).strip()
        return DecodingResult(
            tokens=tokens,
            text=text,
            language=language,
            avg_logprob=score / (len(tokens) + 1),
            no_speech_prob=quiet,
            temperature=self.options.temperature,
            compression_ratio=compression_ratio(text) if text else 0.0,
            language_probs=shares,
        )
