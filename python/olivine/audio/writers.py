"""Transcriptions as text, subtitles (SRT, WebVTT), tables and JSON.

Sources: W3C, "WebVTT: The Web Video Text Tracks Format"; SubRip's format as players read it.
"""

from __future__ import annotations

import json
from pathlib import Path

from olivine.audio.segments import Segment, Transcription


class Writer:
    """Makes a file's text piece by piece, so that segments can be shown as they come."""

    def begin(self) -> str:
        return ""

    def segment(self, segment: Segment) -> str:
        raise NotImplementedError

    def end(self, transcription: Transcription) -> str:
        return ""


class Text(Writer):
    """A line per segment."""

    def segment(self, segment: Segment) -> str:
        return _one_line(segment.text) + "\n"


class SubRip(Writer):
    """Numbered subtitles; with word timestamps no different."""

    def __init__(self):
        self._number = 0

    def segment(self, segment: Segment) -> str:
        self._number += 1
        start, end = clock(segment.start, ","), clock(segment.end, ",")
        # An arrow in the text would begin a subtitle.
        text = _one_line(segment.text).replace("-->", "->")
        return f"{self._number}\n{start} --> {end}\n{text}\n\n"


class WebVtt(Writer):
    """Cues; with word timestamps each word has its own inside of them."""

    def begin(self) -> str:
        return "WEBVTT\n\n"

    def segment(self, segment: Segment) -> str:
        text = _escaped(_one_line(segment.text))
        if segment.words:
            text = "".join(
                _escaped(" ".join(word.word.splitlines()))
                if i == 0
                else f"<{clock(word.start, '.')}>{_escaped(' '.join(word.word.splitlines()))}"
                for i, word in enumerate(segment.words)
            ).strip()
        return f"{clock(segment.start, '.')} --> {clock(segment.end, '.')}\n{text}\n\n"


class Table(Writer):
    """Tab-separated start and end in whole milliseconds, and text."""

    def begin(self) -> str:
        return "start\tend\ttext\n"

    def segment(self, segment: Segment) -> str:
        text = _one_line(segment.text)
        return f"{round(1000 * segment.start)}\t{round(1000 * segment.end)}\t{text}\n"


class Json(Writer):
    """Everything that is known."""

    def segment(self, segment: Segment) -> str:
        return ""

    def end(self, transcription: Transcription) -> str:
        return json.dumps(transcription.as_dict(), indent=2, ensure_ascii=False) + "\n"


FORMATS: dict[str, type[Writer]] = {
    "txt": Text,
    "srt": SubRip,
    "vtt": WebVtt,
    "tsv": Table,
    "json": Json,
}


def render(transcription: Transcription, format: str) -> str:
    """A transcription in one of the formats txt, srt, vtt, tsv and json."""
    if format not in FORMATS:
        raise ValueError(
            f"[transcribe] expected a format among {', '.join(FORMATS)}; got {format!r}"
        )
    writer = FORMATS[format]()
    parts = [writer.segment(segment) for segment in transcription.segments]
    return "".join([writer.begin(), *parts, writer.end(transcription)])


def write(
    transcription: Transcription,
    path: str | Path,
    format: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write a transcription to a file, which appears whole or not at all.

    The format is that of the path's ending if none is given. FileExistsError if there is something
    in the way of it, unless `overwrite`.
    """
    from olivine.llm.atomic import whole_file

    text = render(transcription, format or Path(path).suffix[1:].lower())
    with whole_file(path, overwrite) as draft:
        draft.write_text(text, encoding="utf-8")


def clock(seconds: float, point: str) -> str:
    """`hh:mm:ss` and milliseconds behind `point`."""
    milliseconds = max(0, round(1000 * seconds))
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{milliseconds:03}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
