"""Sound files as arrays of samples: WAV through the standard library, others with soundfile."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from olivine.data.errors import DataError, optional
from olivine.data.images import files_of

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")


def read_audio(
    path: str | Path, start: int = 0, frames: int | None = None, mono: bool = False
) -> tuple[np.ndarray, int]:
    """Samples in [-1, 1) as float32 of shape (frames, channels), and their number per second.

    Reads `frames` of them from `start` on, less where the file ends. With `mono` the channels are
    averaged and the shape is (frames,).
    """
    if start < 0 or (frames is not None and frames < 0):
        raise ValueError(
            f"[read_audio] start and frames of at least 0 were expected; got {start}, {frames}"
        )
    samples = None
    if Path(path).suffix.lower() == ".wav":
        samples = _read_wave(path, start, frames)
    samples, rate = samples or _read_other(path, start, frames)
    return (samples.mean(axis=1) if mono else samples), rate


def _read_wave(path, start, frames) -> tuple[np.ndarray, int] | None:
    """A WAV file of integers; None if it holds anything else, such as floats."""
    try:
        with wave.open(str(path), "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            start = min(start, file.getnframes())
            file.setpos(start)
            rest = file.getnframes() - start
            raw = file.readframes(rest if frames is None else min(frames, rest))
    except (wave.Error, EOFError):
        return None
    raw = raw[: len(raw) // (width * channels) * width * channels]  # of a file cut short
    if width == 1:  # the only unsigned one
        samples = (np.frombuffer(raw, np.uint8).astype(np.float32) - 128) / 128
    elif width == 2:
        samples = np.frombuffer(raw, "<i2").astype(np.float32) / 2**15
    elif width == 3:  # into the upper bytes of 32 bits
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        samples = wide.view("<i4")[:, 0].astype(np.float32) / 2**31
    elif width == 4:
        samples = np.frombuffer(raw, "<i4").astype(np.float32) / 2**31
    else:
        return None
    return samples.reshape(-1, channels), rate


def _read_other(path, start, frames) -> tuple[np.ndarray, int]:
    soundfile = optional(
        "soundfile", "audio", f"reading {Path(path).name}, which is no WAV file of integers,"
    )
    if not Path(path).exists():
        raise FileNotFoundError(f"[read_audio] a sound file was expected; there is no {path}")
    try:
        with soundfile.SoundFile(str(path)) as file:
            file.seek(min(start, file.frames))
            samples = file.read(-1 if frames is None else frames, "float32", always_2d=True)
            return samples, file.samplerate
    except soundfile.LibsndfileError as error:
        raise DataError(f"[read_audio] a sound file was expected; got {path} ({error})") from None


class Audio:
    """A dataset of sound files as float32 samples of one channel, read when they are asked for."""

    def __init__(self, paths: str | Path | Sequence[str | Path], rate: int | None = None):
        """`paths`: sound files or a folder of them. `rate`: how many samples a second must have."""
        self.paths = files_of(paths, SUFFIXES)
        self.rate = rate

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        samples, rate = read_audio(self.paths[index], mono=True)
        if self.rate is not None and rate != self.rate:
            raise DataError(
                f"[Audio] {self.rate} samples per second were expected; "
                f"{self.paths[index]} has {rate}"
            )
        return samples
