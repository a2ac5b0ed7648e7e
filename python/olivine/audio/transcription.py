"""Transcribing sound of any length: window after window, or several windows at once.

A window of 30 seconds is decoded with timestamps; the next one begins where the last whole segment
ended, and is told what was said before. A text that repeats itself, or that the model finds
unlikely, is decoded again at a higher temperature. Source: Radford et al., "Robust Speech
Recognition via Large-Scale Weak Supervision" (2022), section 4.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

import olivine.core as mx
from olivine.audio.errors import AudioError
from olivine.audio.files import SAMPLE_RATE
from olivine.audio.mel import log_mel, pad_or_trim
from olivine.audio.segments import Part, Segment, Transcription, divide
from olivine.audio.timing import Word, align
from olivine.audio.voice_activity import Kept, VoiceActivity, pieces
from olivine.audio.whisper.decoding import (
    DecodingOptions,
    DecodingResult,
    decode,
    detect_language,
)

FRAMES_PER_SECOND = 100
_SHORTEST = 10  # frames that are looked at: nobody says anything in less
_RISKY = 0.5  # the next window is not told what was written at a temperature above this


@dataclass(frozen=True)
class TranscribeOptions:
    """How a sound is transcribed.

    language: a code or name; None finds it in the first window with speech.
    task: `transcribe`, or `translate` into English.
    temperatures: tried one after the other while a window's text fails the two thresholds below.
    beam_size: how many texts a beam search follows at temperature 0; None takes likeliest tokens.
    best_of: how many texts are drawn at temperatures above 0.
    patience, length_penalty: see `DecodingOptions`.
    compression_ratio_threshold: a text that zlib makes shorter than this fails; None for any.
    logprob_threshold: a text whose tokens have a lower mean log-probability fails; None for any.
    no_speech_threshold: a window is silent if that is likelier and its text fails; None for never.
    condition_on_previous_text: tell a window what was said before it.
    initial_prompt: what could have been said before the first: names and terms as they are written.
    clips: pairs (start, end) of seconds, the parts to transcribe; an end of None is the sound's.
    word_timestamps: find when each word was said.
    voice_activity: True, or a `VoiceActivity`, leaves out where nobody speaks.
    batch_size: above 1, windows are cut at pauses and so many decoded at once; they are not told
        what was said before.
    """

    language: str | None = None
    task: str = "transcribe"
    temperatures: Sequence[float] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    beam_size: int | None = None
    best_of: int | None = 5
    patience: float | None = None
    length_penalty: float | None = None
    compression_ratio_threshold: float | None = 2.4
    logprob_threshold: float | None = -1.0
    no_speech_threshold: float | None = 0.6
    condition_on_previous_text: bool = True
    initial_prompt: str | None = None
    clips: Sequence[tuple[float, float | None]] = ((0.0, None),)
    word_timestamps: bool = False
    voice_activity: bool | VoiceActivity = False
    batch_size: int = 1

    def __post_init__(self):
        if not self.temperatures:
            raise ValueError("[transcribe] expected at least one temperature; got none")
        if self.batch_size < 1:
            raise ValueError(f"[transcribe] expected batch_size above 0; got {self.batch_size}")
        last = 0.0
        for start, end in self.clips:
            if not last <= start < (np.inf if end is None else end):
                raise ValueError(
                    "[transcribe] expected clips as pairs of start and end in seconds, in order; "
                    f"got {list(self.clips)}"
                )
            last = np.inf if end is None else end
        for temperature in self.temperatures:
            self.decoding(temperature)  # which checks the rest

    def decoding(self, temperature: float, **more) -> DecodingOptions:
        """The options of one window."""
        drawn = temperature > 0
        return DecodingOptions(
            task=self.task,
            temperature=temperature,
            beam_size=None if drawn else self.beam_size,
            patience=None if drawn else self.patience,
            best_of=self.best_of if drawn else None,
            length_penalty=self.length_penalty,
            **{"language": self.language, **more},
        )

    @property
    def activity(self) -> VoiceActivity:
        given = self.voice_activity
        return given if isinstance(given, VoiceActivity) else VoiceActivity()


def transcribe(
    model,
    tokenizer,
    samples,
    options: TranscribeOptions | None = None,
    *,
    on_segment: Callable[[Segment], None] | None = None,
    on_progress: Callable[[float], None] | None = None,
    **changes,
) -> Transcription:
    """What is said in a sound: `samples` of `load_audio`, float32 at 16,000 a second.

    `changes` are fields of the options. `on_segment` is called with each segment as it is found,
    `on_progress` with how many seconds of the sound are done.
    """
    transcriber = Transcriber(model, tokenizer, options, on_progress=on_progress, **changes)
    found = []
    for segment in transcriber.segments(samples):
        found.append(segment)
        if on_segment is not None:
            on_segment(segment)
    return transcriber.transcription(found)


class Transcriber:
    """Transcribes one sound; `segments` yields them one by one.

    `language` is known once the first segment is; `duration` is the sound's.
    """

    def __init__(
        self,
        model,
        tokenizer,
        options: TranscribeOptions | None = None,
        on_progress: Callable[[float], None] | None = None,
        **changes,
    ):
        self.options = replace(options or TranscribeOptions(), **changes)
        self.model, self.tokenizer = model, tokenizer
        self.language = self.options.language if tokenizer.multilingual else "en"
        # Refuses what this model can not do, before anything is read.
        tokenizer.sot_sequence(self.options.language, self.options.task)
        self.duration = 0.0
        self.window = 2 * model.dims.n_audio_ctx  # frames
        self._tell = on_progress or (lambda seconds: None)
        self._count = 0
        self._longest = model.dims.n_text_ctx // 2 - 1  # tokens that a window is told
        prompt = self.options.initial_prompt
        self._prompt = tokenizer.encode(" " + prompt.strip()) if prompt else []
        self._context = list(self._prompt)

    def segments(self, samples) -> Iterator[Segment]:
        """What is said in `samples`, in order."""
        samples = _mono(samples)
        self.duration = len(samples) / SAMPLE_RATE
        clips = self._clips()
        if self.options.voice_activity:
            kept = Kept(samples, _common(self.options.activity.regions(samples), clips))
            whole = [(0.0, len(kept.samples) / SAMPLE_RATE)]
            for segment in self._run(kept.samples, whole, kept.time):
                yield segment.moved(kept.time)
        else:
            yield from self._run(samples, clips, lambda seconds, end=False: seconds)
        self._tell(self.duration)

    def continued(self, samples, start: float) -> Iterator[Segment]:
        """What is said in the next part of a sound, which begins at `start` seconds."""
        samples = _mono(samples)
        length = len(samples) / SAMPLE_RATE
        self.duration = start + length
        for segment in self._one_by_one(samples, [(0.0, length)], lambda seconds, end=False: 0):
            yield segment.moved(lambda seconds, end: start + seconds)

    def transcription(self, segments: list[Segment]) -> Transcription:
        """All of them together."""
        text = "".join(segment.text for segment in segments)
        return Transcription(text, segments, self.language, self.duration)

    def _clips(self) -> list[tuple[float, float]]:
        ends = [(s, self.duration if e is None else e) for s, e in self.options.clips]
        return [(s, min(e, self.duration)) for s, e in ends if s < min(e, self.duration)]

    def _run(self, samples: np.ndarray, clips, time) -> Iterator[Segment]:
        if not len(samples) or not clips:
            return iter(())
        many = self.options.batch_size > 1
        return (self._batches if many else self._one_by_one)(samples, clips, time)

    # ---- window after window

    def _one_by_one(self, samples, clips, time) -> Iterator[Segment]:
        mel = self._mel(samples)
        for start, end in clips:
            seek, last = (round(t * FRAMES_PER_SECOND) for t in (start, end))
            while last - seek >= _SHORTEST:
                frames = min(self.window, last - seek)
                features = self._features(mel[None, seek : seek + frames])
                result = self._decode(features, self._context)[0]
                advance = frames
                if not self._is_silent(result):
                    found, seconds = self._found(result, features, seek, frames)
                    yield from found
                    self._remember(result, found)
                    # A window that says nothing of where to go on is done.
                    advance = round(seconds * FRAMES_PER_SECOND) or frames
                seek += advance
                self._tell(time(min(seek, last) / FRAMES_PER_SECOND, True))

    def _remember(self, result: DecodingResult, found: list[Segment]) -> None:
        """What the next window is told."""
        for segment in found:
            self._context += segment.tokens
        if not self.options.condition_on_previous_text or result.temperature > _RISKY:
            self._context.clear()
        del self._context[: -self._longest]

    # ---- several windows at once

    def _batches(self, samples, clips, time) -> Iterator[Segment]:
        mel = self._mel(samples)
        parts = pieces(samples, clips, self.window / FRAMES_PER_SECOND)
        spans = [(round(s * FRAMES_PER_SECOND), round(e * FRAMES_PER_SECOND)) for s, e in parts]
        spans = [(s, e) for s, e in spans if e - s >= _SHORTEST]
        size = self.options.batch_size
        for i in range(0, len(spans), size):
            now = spans[i : i + size]
            windows = [pad_or_trim(mel[s:e], self.window) for s, e in now]
            features = self._features(mx.stack(windows))
            if self.language is None:
                self.language = detect_language(self.model, self.tokenizer, features[:1])[0][0]
            for k, result in enumerate(self._decode(features, self._prompt)):
                start, end = now[k]
                if not self._is_silent(result):
                    yield from self._found(result, features[k : k + 1], start, end - start)[0]
                self._tell(time(end / FRAMES_PER_SECOND, True))

    # ---- a window

    def _mel(self, samples: np.ndarray) -> mx.array:
        # The zeros that follow the sound make its end look as it would in silence.
        silence = self.window * SAMPLE_RATE // FRAMES_PER_SECOND
        return log_mel(samples, self.model.dims.n_mels, padding=silence)

    def _features(self, mel: mx.array) -> mx.array:
        """Of windows (batch, frames, mels), which are filled up."""
        features = self.model.encode(pad_or_trim(mel, self.window))
        mx.eval(features)  # all temperatures and words use them
        return features

    def _decode(self, features: mx.array, prompt: list[int]) -> list[DecodingResult]:
        """A result for each window; those that fail are decoded at the next temperature."""
        results: list[DecodingResult] = [None] * features.shape[0]  # type: ignore[list-item]
        left = list(range(len(results)))
        for temperature in self.options.temperatures:
            part = features if len(left) == len(results) else features[mx.array(left)]
            more = {"language": self.language, "prompt": list(prompt) or None}
            done = decode(
                self.model, self.tokenizer, part, self.options.decoding(temperature, **more)
            )
            for place, result in zip(left, done, strict=True):
                results[place] = result
            left = [place for place in left if self._fails(results[place])]
            if not left:
                break
        return results

    def _fails(self, result: DecodingResult) -> bool:
        """Whether a window is decoded again."""
        options = self.options
        repeats, least = options.compression_ratio_threshold, options.logprob_threshold
        unlikely = least is not None and result.avg_logprob < least
        silent = options.no_speech_threshold
        if silent is not None and result.no_speech_prob > silent and unlikely:
            return False  # it is silent: nothing better is to be found
        return unlikely or repeats is not None and result.compression_ratio > repeats

    def _is_silent(self, result: DecodingResult) -> bool:
        silent, least = self.options.no_speech_threshold, self.options.logprob_threshold
        if silent is None or result.no_speech_prob <= silent:
            return False
        return least is None or result.avg_logprob <= least

    def _found(
        self, result: DecodingResult, features: mx.array, seek: int, frames: int
    ) -> tuple[list[Segment], float]:
        """The segments of a window, and after how many seconds the next one begins."""
        if self.language is None:
            self.language = result.language
        length = frames / FRAMES_PER_SECOND
        parts, advance = divide(result.tokens, self.tokenizer.timestamp_begin, length)
        parts = [p for p in parts if p.end > p.start and self.tokenizer.decode(p.tokens).strip()]
        words = [None] * len(parts)
        if self.options.word_timestamps:
            words = self._words(parts, features, length)
        found = []
        for part, its in zip(parts, words, strict=True):
            segment = Segment(
                id=self._count,
                seek=seek,
                start=its[0].start if its else part.start,
                end=its[-1].end if its else part.end,
                text=self.tokenizer.decode(part.tokens),
                tokens=part.tokens,
                temperature=result.temperature,
                avg_logprob=result.avg_logprob,
                compression_ratio=result.compression_ratio,
                no_speech_prob=result.no_speech_prob,
                words=its,
            )
            offset = seek / FRAMES_PER_SECOND
            found.append(segment.moved(lambda seconds, end, offset=offset: offset + seconds))
            self._count += 1
        return found, advance

    def _words(self, parts: list[Part], features: mx.array, length: float) -> list[list[Word]]:
        """The words of each part of a window, which are aligned together."""
        texts = [[t for t in part.tokens if t < self.tokenizer.eot] for part in parts]
        tokens = [token for text in texts for token in text]
        words = align(
            self.model, self.tokenizer, tokens, features, length, self.language, self.options.task
        )
        ends = np.cumsum([len(text) for text in texts])
        result: list[list[Word]] = [[] for _ in parts]
        place = 0
        for word in words:
            result[int(np.searchsorted(ends, place, "right"))].append(word)
            place += len(word.tokens)
        return result


def _mono(samples) -> np.ndarray:
    samples = np.asarray(samples)
    if samples.ndim != 1 or samples.dtype.kind != "f":
        raise AudioError(
            "[transcribe] expected floats of one channel, as load_audio gives them; got shape "
            f"{samples.shape} of {samples.dtype}"
        )
    return samples.astype(np.float32, copy=False)


def _common(regions, clips) -> list[tuple[float, float]]:
    """What is in both of two lists of ranges."""
    pairs = ((max(a, c), min(b, d)) for a, b in regions for c, d in clips)
    return [(start, end) for start, end in pairs if start < end]
