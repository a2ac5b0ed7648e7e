"""Transcribes a sound of half an hour, made of one recording, and tells if times or memory drift.

    .venv/bin/python tools/long_audio.py                          30 minutes, whisper-base
    .venv/bin/python tools/long_audio.py --minutes 2 --batch-size 4
    .venv/bin/python tools/long_audio.py talk.wav --model my-whisper --skip-silence

The recording (by default ../shared/data/jfk.wav) is repeated with gaps of 1 to 8 seconds between,
over soft noise. What is written for each repetition is compared with what is written for the
recording alone. Windows are decoded at temperature 0 alone: a text of repetitions looks like one
that has gone astray. A finding is

    words    of a repetition that are missing or others, more than --errors of all
    ghosts   words whose middle lies in a gap, more than --errors of all
    drift    words that are not where they are in the recording alone: a median of more than half a
             second, or a line through all medians that rises by more than a tenth of a second per
             half an hour
    growth   memory in use in the last third above that in the second, by more than --growth MiB

Exit status 1 if there is one.
"""

from __future__ import annotations

import argparse
import difflib
import statistics
import sys
import time
from pathlib import Path

import numpy as np

import olivine.core as mx
from olivine.audio.files import load_audio
from olivine.audio.loading import load
from olivine.audio.transcription import TranscribeOptions, Transcriber

RATE = 16_000
RECORDING = Path(__file__).resolve().parents[2] / "shared" / "data" / "jfk.wav"


def make(recording: np.ndarray, seconds: float, seed: int = 0) -> tuple[np.ndarray, list[float]]:
    """A sound of about that length, and where in it the recording begins each time."""
    rng = np.random.default_rng(seed)
    samples = (0.0005 * rng.standard_normal(round(seconds * RATE))).astype(np.float32)
    starts, place = [], 0.0
    length = len(recording) / RATE
    while place + length <= seconds:
        begin = round(place * RATE)
        samples[begin : begin + len(recording)] += recording
        starts.append(begin / RATE)
        place += length + rng.uniform(1, 8)
    return samples, starts


def resident() -> float:
    """MiB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def spoken(segments) -> list[tuple[str, float, float]]:
    """Words in plain letters, with their times."""
    words = [w for segment in segments for w in segment.words or []]
    plain = (("".join(c for c in w.word.lower() if c.isalnum()), w) for w in words)
    return [(text, w.start, w.end) for text, w in plain if text]


class Watch:
    """Memory, each time that progress is told."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.readings: list[tuple[float, float, float]] = []
        self._shown = 0.0

    def __call__(self, done: float) -> None:
        self.readings.append((done, resident(), mx.get_active_memory() / 2**20))
        if sys.stderr.isatty() and time.monotonic() - self._shown > 1:
            self._shown = time.monotonic()
            print(f"\r{done:,.0f} of {self.seconds:,.0f} s", end="", file=sys.stderr, flush=True)

    def growth(self, column: int) -> float:
        """Of the median of the last third above that of the second."""
        thirds = [[], [], []]
        for reading in self.readings:
            thirds[min(2, int(3 * reading[0] / self.seconds))].append(reading[column])
        if not thirds[1] or not thirds[2]:
            return 0.0
        return statistics.median(thirds[2]) - statistics.median(thirds[1])


def compare(alone, found, starts: list[float], length: float) -> tuple[int, int, list[float]]:
    """Words that differ, words in gaps, and each repetition's median offset in seconds."""
    wrong, offsets, inside = 0, [], 0
    for start in starts:
        its = [w for w in found if start - 0.5 <= (w[1] + w[2]) / 2 <= start + length + 0.5]
        inside += len(its)
        matcher = difflib.SequenceMatcher(
            None, [w[0] for w in alone], [w[0] for w in its], autojunk=False
        )
        pairs = [
            (alone[b.a + i], its[b.b + i])
            for b in matcher.get_matching_blocks()
            for i in range(b.size)
        ]
        wrong += max(len(alone), len(its)) - len(pairs)
        # Few words that happen to be alike tell nothing of times; they count as wrong already.
        enough = 2 * len(pairs) > len(alone)
        offsets.append(
            statistics.median(b[2] - start - a[2] for a, b in pairs) if enough else float("nan")
        )
    return wrong, len(found) - inside, offsets


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recording", nargs="?", default=RECORDING)
    parser.add_argument("--model")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--beam-size", type=int)
    parser.add_argument("--no-context", action="store_true", help="tell windows nothing")
    parser.add_argument("--skip-silence", action="store_true")
    parser.add_argument("--errors", type=float, default=0.05, help="share of words (0.05)")
    parser.add_argument("--growth", type=float, default=64.0, help="MiB (64)")
    options = parser.parse_args()
    model, tokenizer = load(options.model)
    recording = load_audio(options.recording)
    samples, starts = make(recording, 60 * options.minutes)
    settings = TranscribeOptions(
        language="en",
        temperatures=(0.0,),
        word_timestamps=True,
        batch_size=options.batch_size,
        beam_size=options.beam_size,
        condition_on_previous_text=not options.no_context,
        voice_activity=options.skip_silence,
    )
    alone = spoken(Transcriber(model, tokenizer, settings, batch_size=1).segments(recording))
    watch = Watch(len(samples) / RATE)
    begin = time.monotonic()
    transcriber = Transcriber(model, tokenizer, settings, on_progress=watch)
    found = spoken(transcriber.segments(samples))
    took = time.monotonic() - begin
    return report(options, alone, found, starts, len(recording) / RATE, watch, took)


def report(options, alone, found, starts, length, watch, took) -> int:
    """Prints figures and findings; returns the exit status."""
    wrong, ghosts, offsets = compare(alone, found, starts, length)
    total = len(alone) * len(starts)
    known = [(s, o) for s, o in zip(starts, offsets, strict=True) if np.isfinite(o)]
    worst = max((abs(o) for _, o in known), default=float("inf"))
    slope = 0.0
    if len(known) > 2:
        slope = float(np.polyfit(*np.array(known).T, 1)[0]) * 1800
    grown = max(watch.growth(1), watch.growth(2))
    print(
        f"{watch.seconds:,.0f} s of sound in {took:,.0f} s ({watch.seconds / took:.1f} times as "
        f"fast as it is spoken): {len(starts)} repetitions of {len(alone)} words\n"
        f"words missing or others: {wrong} of {total} ({wrong / max(1, total):.1%}); "
        f"in gaps: {ghosts}\n"
        f"offset of a repetition's words: at most {worst:.2f} s, "
        f"{1000 * slope:+.0f} ms per half an hour\n"
        f"memory: {watch.readings[-1][1]:,.0f} MiB resident, peak of arrays "
        f"{mx.get_peak_memory() / 2**20:,.0f} MiB, growth {grown:+.1f} MiB"
    )
    findings = []
    if not alone or wrong > options.errors * total:
        findings.append(f"words: {wrong} of {total} are missing or others")
    if ghosts > options.errors * max(1, total):
        findings.append(f"ghosts: {ghosts} words in gaps")
    if worst > 0.5 or len(known) > 10 and abs(slope) > 0.1:
        findings.append(f"drift: {worst:.2f} s, {1000 * slope:+.0f} ms per half an hour")
    if grown > options.growth:
        findings.append(f"growth: {grown:.1f} MiB")
    for finding in findings:
        print("FINDING", finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
