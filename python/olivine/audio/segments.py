"""What was said when: segments of a transcription, and how a window's tokens divide into them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from olivine.audio.timing import Word


@dataclass(frozen=True)
class Segment:
    """Words that belong together, from `start` to `end` in seconds.

    `seek` is where the window began that they were found in, in frames of 10 ms. The last four
    describe that window: the temperature it was decoded with, the mean log-probability of its
    tokens, how often its text repeats itself (its size over that of it compressed), and how likely
    there is no speech in it. `words` are there if they were asked for.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    words: list[Word] | None = None

    def moved(self, time: Callable[[float, bool], float]) -> Segment:
        """With its times, and whether they are those of an end, as `time` tells them."""
        words = self.words and [
            replace(w, start=time(w.start, False), end=time(w.end, True)) for w in self.words
        ]
        return replace(self, start=time(self.start, False), end=time(self.end, True), words=words)

    def as_dict(self) -> dict[str, Any]:
        """What JSON files hold; times in whole milliseconds."""
        values = asdict(self)
        values["start"], values["end"] = round(self.start, 3), round(self.end, 3)
        if self.words is None:
            del values["words"]
        else:
            values["words"] = [
                {
                    "word": w.word,
                    "start": round(w.start, 3),
                    "end": round(w.end, 3),
                    "probability": round(w.probability, 4),
                }
                for w in self.words
            ]
        return values


@dataclass(frozen=True)
class Transcription:
    """All that was said; `duration` of the sound in seconds."""

    text: str
    segments: list[Segment] = field(repr=False)
    language: str | None
    duration: float

    def render(self, format: str = "txt") -> str:
        """As `txt`, `srt`, `vtt`, `tsv` or `json`."""
        from olivine.audio.writers import render

        return render(self, format)

    def write(self, path: str | Path, format: str | None = None, overwrite: bool = False) -> None:
        """Write it to a file, whole or not at all, in the format of the path's ending."""
        from olivine.audio.writers import write

        write(self, path, format, overwrite)

    def as_dict(self) -> dict[str, Any]:
        """What JSON files hold; times in whole milliseconds."""
        return {
            "text": self.text,
            "language": self.language,
            "duration": round(self.duration, 3),
            "segments": [segment.as_dict() for segment in self.segments],
        }


@dataclass(frozen=True)
class Part:
    """Tokens of a window, with times from its beginning."""

    start: float
    end: float
    tokens: list[int]


def divide(tokens: Sequence[int], first_timestamp: int, seconds: float) -> tuple[list[Part], float]:
    """The parts between timestamps, and where the next window begins, in seconds.

    The model writes a timestamp where a part begins and where it ends, so that two of them stand
    between parts. What is behind the last two was cut by the window's end: the next window begins
    there. With a single timestamp at the end, or none between, nothing follows in this window.
    """

    def time(token: int) -> float:
        return min((token - first_timestamp) * 0.02, seconds)

    def stamp(i: int) -> bool:
        return tokens[i] >= first_timestamp

    count = len(tokens)
    cuts = [i for i in range(1, count) if stamp(i) and stamp(i - 1)]
    whole = count >= 2 and stamp(count - 1) and not stamp(count - 2)
    if not cuts:
        stamps = [time(t) for t in tokens if t >= first_timestamp]
        start = time(tokens[0]) if count and stamp(0) else 0.0
        end = stamps[-1] if stamps and stamps[-1] > start else seconds
        return [Part(start, end, list(tokens))], seconds
    parts, begin = [], 0
    for cut in [*cuts, count] if whole else cuts:
        part = list(tokens[begin:cut])
        start = time(part[0]) if part[0] >= first_timestamp else parts[-1].end if parts else 0.0
        end = time(part[-1]) if part[-1] >= first_timestamp else start
        parts.append(Part(start, max(start, end), part))
        begin = cut
    return parts, seconds if whole else time(tokens[cuts[-1] - 1])
