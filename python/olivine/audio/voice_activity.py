"""Where somebody speaks in a sound: by how loud it is above its noise, and by how tonal it is.

A frame of 20 ms counts as speech if the band of voices (80 to 4,000 Hz) is well above the noise
around it, and if its spectrum has peaks: the harmonics of a voice. Noise has a flat spectrum (its
spectral flatness, the geometric over the arithmetic mean of the powers, is about 0.56), a vowel's
is below 0.1. The noise is what the quietest tenth of the frames within half a minute have, so that
it may change slowly. Consonants, which are flat and soft, are kept by widening what was found.

This is no trained detector: music with a beat counts as speech, whispering in noise may not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

RATE = 16_000
HOP = 320  # samples in a frame, 20 ms
_WINDOW = 512
_LOW, _HIGH = 3, 128  # bins of 31.25 Hz
_SILENCE = -70.0  # dB of full scale; nothing quieter is looked at
_AROUND = 1500  # frames, half a minute
_AT_ONCE = 8192  # frames


@dataclass(frozen=True)
class VoiceActivity:
    """What counts as speech. Times are in seconds.

    `margin`: decibels above the noise. `flatness`: of a spectrum at most. `shortest`: what is
    spoken for less time is no speech. `pause`: shorter ones do not divide speech. `around`: what is
    kept before and after.
    """

    margin: float = 8.0
    flatness: float = 0.35
    shortest: float = 0.1
    pause: float = 1.0
    around: float = 0.3

    def flags(self, levels: np.ndarray, flatness: np.ndarray) -> np.ndarray:
        """Which frames are spoken, by their levels and flatness."""
        floor = np.maximum(noise_floor(levels), _SILENCE)
        return (levels > floor + self.margin) & (flatness < self.flatness)

    def regions(self, samples: np.ndarray) -> list[tuple[float, float]]:
        """The spoken parts of a sound of 16,000 samples a second, as (start, end) in seconds."""
        flags = self.flags(*frame_levels(samples))
        found = []
        for start, end in _runs(flags):
            start, end = start * HOP / RATE, end * HOP / RATE
            if found and start - found[-1][1] < self.pause:
                found[-1][1] = end
                found[-1][2] += end - start
            else:
                found.append([start, end, end - start])
        length = len(samples) / RATE
        kept = [(s, e) for s, e, spoken in found if spoken >= self.shortest]
        return _widened(kept, self.around, length)


def frame_levels(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per frame of 20 ms, decibels of the voices' band and the flatness of its spectrum."""
    samples = np.asarray(samples, np.float32)
    count = -(-len(samples) // HOP)
    levels, flatness = np.empty(count, np.float32), np.empty(count, np.float32)
    window = np.hanning(_WINDOW).astype(np.float32)
    scale = 1 / (np.square(window).sum() * _WINDOW / 2)
    beside = (_WINDOW - HOP) // 2
    for first in range(0, count, _AT_ONCE):
        n = min(_AT_ONCE, count - first)
        begin, end = first * HOP - beside, (first + n - 1) * HOP - beside + _WINDOW
        part = samples[max(0, begin) : max(0, end)]
        part = np.pad(part, (max(0, -begin), max(0, end - max(0, begin) - len(part))))
        frames = np.lib.stride_tricks.sliding_window_view(part, _WINDOW)[::HOP]
        power = np.square(np.abs(np.fft.rfft(frames * window)[:, _LOW:_HIGH])) + 1e-10
        mean = power.mean(axis=1)
        levels[first : first + n] = 10 * np.log10(mean * (scale * (_HIGH - _LOW)))
        flatness[first : first + n] = np.exp(np.log(power).mean(axis=1)) / mean
    return levels, flatness


def noise_floor(levels: np.ndarray, step: int = 50) -> np.ndarray:
    """Per frame, the level below which a tenth of the frames within half a minute lie."""
    if len(levels) <= _AROUND:
        low = np.percentile(levels, 10) if len(levels) else 0.0
        return np.full(len(levels), low, np.float32)
    centres = np.arange(0, len(levels), step)
    low = [np.percentile(levels[max(0, c - _AROUND // 2) : c + _AROUND // 2], 10) for c in centres]
    return np.interp(np.arange(len(levels)), centres, low).astype(np.float32)


def _runs(flags: np.ndarray) -> Iterable[tuple[int, int]]:
    """The (first, behind last) of each run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _widened(regions, around: float, length: float) -> list[tuple[float, float]]:
    """Regions with what is around them, those that meet as one."""
    wide: list[tuple[float, float]] = []
    for start, end in regions:
        start, end = max(0.0, start - around), min(length, end + around)
        if wide and start <= wide[-1][1]:
            start = wide.pop()[0]
        wide.append((start, end))
    return wide


class Kept:
    """The parts of a sound that are kept, put together, and the way back to its own times."""

    def __init__(self, samples: np.ndarray, regions: list[tuple[float, float]]):
        self.starts = [start for start, _ in regions]
        parts = [samples[round(s * RATE) : round(e * RATE)] for s, e in regions]
        self.samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        ends = np.cumsum([len(part) for part in parts]) / RATE
        self.ends = ends.tolist()  # in the sound that was put together

    def time(self, seconds: float, end: bool = False) -> float:
        """The time in the whole sound; of two parts that meet there the later, for an end the
        earlier one's."""
        if not self.ends:
            return seconds
        side = "left" if end else "right"
        part = min(int(np.searchsorted(self.ends, seconds, side)), len(self.ends) - 1)
        return self.starts[part] + seconds - (self.ends[part - 1] if part else 0.0)


def quietest(levels: np.ndarray, first: int, last: int) -> int:
    """The frame from `first` to before `last` around which it is quietest for a fifth of a second.

    Of equal ones the last.
    """
    part = levels[max(0, first - 5) : last + 5]
    smooth = np.convolve(part, np.full(11, 1 / 11), "same")[min(first, 5) :][: last - first]
    return last - 1 - int(np.argmin(smooth[::-1]))


def pieces(
    samples: np.ndarray, regions: list[tuple[float, float]] | None = None, longest: float = 30.0
) -> list[tuple[float, float]]:
    """Divides a sound into parts of at most `longest` seconds, where it is quiet.

    With `regions` the parts are within them; neighbours that fit together become one.
    """
    length = len(samples) / RATE
    levels, _ = frame_levels(samples)
    parts: list[tuple[float, float]] = []
    for start, end in [(0.0, length)] if regions is None else regions:
        while end - start > longest:
            last = math.floor((start + longest) * RATE / HOP)
            first = math.ceil((start + longest * 2 / 3) * RATE / HOP)
            cut = (quietest(levels, first, last) + 0.5) * HOP / RATE
            parts.append((start, cut))
            start = cut
        if end > start:
            near = parts and regions is not None and end - parts[-1][0] <= longest
            parts.append((parts.pop()[0] if near else start, end))
    return parts
