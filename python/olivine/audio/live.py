"""Transcribing while a sound goes on: from a microphone, a pipe, or any source of samples.

The sound is cut into utterances where somebody pauses; each is transcribed once it is over, and is
told what was said before it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator

import numpy as np

from olivine.audio.errors import AudioError
from olivine.audio.files import SAMPLE_RATE
from olivine.audio.segments import Segment
from olivine.audio.transcription import TranscribeOptions, Transcriber
from olivine.audio.voice_activity import HOP, VoiceActivity, frame_levels, quietest
from olivine.audio.wav import Raw

_LOOK = SAMPLE_RATE // 5  # samples that must be new before pauses are looked for
_KEPT = 2.0  # seconds that are kept while nobody speaks
_HISTORY = 1500  # frames whose levels tell the noise, half a minute
_FRAME = HOP / SAMPLE_RATE
_SHORT = 3.0  # seconds; what is shorter may be half a sentence, so a longer pause is waited for

# Programs that write what the microphone hears, and how they are told to: 16 bits, one channel.
_RECORDERS = {
    "arecord": ["-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r"],
    "pw-record": ["--raw", "--format", "s16", "--channels", "1", "--rate"],
    "parec": ["--raw", "--format=s16le", "--channels=1", "--rate"],
}


def listen(
    model,
    tokenizer,
    blocks: Iterable[np.ndarray],
    options: TranscribeOptions | None = None,
    pause: float = 0.8,
    by: Transcriber | None = None,
    **changes,
) -> Iterator[Segment]:
    """Segments of a sound that comes in blocks, as `audio_blocks` or `microphone` give them.

    An utterance ends with a pause of `pause` seconds, twice as many if it is shorter than three, or
    after a window's 30 seconds where it is quietest. `changes` are fields of the options; its clips
    and batch size are not looked at. `by` is the transcriber to use, if something of it is wanted
    afterwards.
    """
    transcriber = by or Transcriber(model, tokenizer, options, **changes)
    longest = transcriber.window / 100
    for start, samples in utterances(blocks, transcriber.options.activity, pause, longest):
        yield from transcriber.continued(samples, start)


def utterances(
    blocks: Iterable[np.ndarray], activity: VoiceActivity, pause: float, longest: float
) -> Iterator[tuple[float, np.ndarray]]:
    """(start in seconds, samples) of each stretch of speech, once it is over."""
    cutter = _Cutter(activity, pause, longest)
    waiting: list[np.ndarray] = []
    for block in blocks:
        waiting.append(np.asarray(block, np.float32))
        if sum(map(len, waiting)) >= _LOOK:
            yield from cutter.add(np.concatenate(waiting))
            waiting = []
    yield from cutter.add(np.concatenate([*waiting, np.zeros(0, np.float32)]), last=True)


class _Cutter:
    """Holds what is not yet known to be an utterance."""

    def __init__(self, activity: VoiceActivity, pause: float, longest: float):
        self.activity, self.pause, self.longest = activity, pause, longest
        self._held = np.zeros(0, np.float32)
        self._start = 0  # of what is held, in samples
        self._history = np.zeros(0, np.float32)

    def add(self, samples: np.ndarray, last: bool = False) -> Iterator[tuple[float, np.ndarray]]:
        """The utterances that are over by the end of `samples`."""
        step = round(self.longest * SAMPLE_RATE) // 2
        for i in range(0, max(1, len(samples)), step):
            self._held = np.concatenate([self._held, samples[i : i + step]])
            over = last and i + step >= len(samples)
            while (found := self._cut(over)) is not None:
                yield found

    def _cut(self, over: bool) -> tuple[float, np.ndarray] | None:
        levels, flatness = frame_levels(self._held)
        known = np.concatenate([self._history, levels])
        flat = np.concatenate([np.ones(len(self._history), np.float32), flatness])
        flags = self.activity.flags(known, flat)[len(self._history) :]
        spoken = np.flatnonzero(flags)
        if not len(spoken):
            self._forget(len(levels) - round(_KEPT / _FRAME), levels)
            return None
        around = round(self.activity.around / _FRAME)
        first = max(0, int(spoken[0]) - around)
        gaps = np.diff(np.append(spoken, len(levels)))
        # The first gap that is a pause ends the utterance.
        lengths = (spoken - first) * _FRAME
        pauses = np.where(lengths < _SHORT, 2 * self.pause, self.pause) / _FRAME
        quiet = np.flatnonzero(gaps > pauses)
        end = int(spoken[quiet[0]] if len(quiet) else spoken[-1]) + 1
        most = round(self.longest / _FRAME)
        if end - first > most:
            end = quietest(levels, first + most * 2 // 3, first + most)
        elif len(quiet) or over:
            end = min(end + around, len(levels))
            end = min(end, first + most)
        else:
            self._forget(first, levels)
            return None
        enough = np.count_nonzero(flags[first:end]) >= self.activity.shortest / _FRAME
        found = self._start + first * HOP, self._held[first * HOP : end * HOP]
        self._forget(end, levels)
        if not enough:
            return self._cut(over)
        return found[0] / SAMPLE_RATE, found[1]

    def _forget(self, frames: int, levels: np.ndarray) -> None:
        frames = min(max(0, frames), len(levels))
        self._history = np.concatenate([self._history, levels[:frames]])[-_HISTORY:]
        self._held = self._held[frames * HOP :].copy()
        self._start += frames * HOP


def microphone(rate: int = SAMPLE_RATE) -> Iterator[np.ndarray]:
    """What the default microphone hears, by the first of arecord, pw-record and parec there is."""
    program = next((name for name in _RECORDERS if shutil.which(name)), None)
    if program is None:
        raise AudioError(
            f"[audio] expected one of the programs {', '.join(_RECORDERS)} to listen with; none "
            "is installed"
        )
    with subprocess.Popen(
        [program, *_RECORDERS[program], str(rate), *(["-"] if program == "pw-record" else [])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        heard = False
        try:
            for block in Raw(rate).blocks(process.stdout, None, "the microphone"):
                heard = True
                yield block
            process.wait()
        finally:
            process.kill()
        if not heard:
            said = process.stderr.read().decode(errors="replace").strip().splitlines()
            raise AudioError(
                f"[audio] expected sound from the microphone; {program} gave none: "
                f"{said[-1] if said else f'status {process.returncode}'}"
            )
