"""Log-mel spectrograms as Whisper's models take them, on Olivine's FFT.

Sources: Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022), 2.2;
Slaney, "Auditory Toolbox" (1998), for the mel scale and the areas of the filters.
"""

from __future__ import annotations

import functools
import math

import numpy as np

import olivine.core as mx

SAMPLE_RATE = 16_000
WINDOW = 400  # samples of a frame, 25 ms
HOP = 160  # samples from frame to frame, 10 ms
FRAMES_PER_SECOND = SAMPLE_RATE // HOP
CHUNK_SECONDS = 30
CHUNK_SAMPLES = CHUNK_SECONDS * SAMPLE_RATE
CHUNK_FRAMES = CHUNK_SECONDS * FRAMES_PER_SECOND
# Frames that are transformed at once: their windows take 4.8 MB.
_BLOCK = 3_000

# Slaney's scale: linear up to 1 kHz, above it 27 steps for each factor of 6.4.
_LINEAR_STEP = 200 / 3
_CORNER = 1000.0
_LOG_STEP = math.log(6.4) / 27


def _hertz(mels: np.ndarray) -> np.ndarray:
    corner = _CORNER / _LINEAR_STEP
    above = _CORNER * np.exp(_LOG_STEP * (mels - corner))
    return np.where(mels < corner, mels * _LINEAR_STEP, above)


def _mel(hertz: float) -> float:
    if hertz < _CORNER:
        return hertz / _LINEAR_STEP
    return _CORNER / _LINEAR_STEP + math.log(hertz / _CORNER) / _LOG_STEP


@functools.lru_cache(maxsize=4)
def mel_filters(mels: int = 80) -> mx.array:
    """The weights `(201, mels)` that turn the power of each frequency into that of mel bands.

    Band i rises from the i-th of `mels + 2` points, evenly spread on the mel scale from 0 to 8 kHz,
    to the next, and falls to the one after; its area is 1.
    """
    if not 1 <= mels <= 512:
        raise ValueError(f"[log_mel] expected from 1 to 512 mel bands; got {mels}")
    points = _hertz(np.linspace(0.0, _mel(SAMPLE_RATE / 2), mels + 2))
    frequencies = np.linspace(0.0, SAMPLE_RATE / 2, WINDOW // 2 + 1)[:, None]
    low, peak, high = points[:-2], points[1:-1], points[2:]
    rise = (frequencies - low) / (peak - low)
    fall = (high - frequencies) / (high - peak)
    weights = np.maximum(0.0, np.minimum(rise, fall)) * (2.0 / (high - low))
    return mx.array(weights.astype(np.float32))


@functools.lru_cache(maxsize=1)
def _hann() -> mx.array:
    n = np.arange(WINDOW)
    return mx.array((0.5 - 0.5 * np.cos(2 * np.pi * n / WINDOW)).astype(np.float32))


def _mono(samples) -> np.ndarray:
    """The samples as float32 `(count,)`."""
    values = np.asarray(samples)
    if values.ndim != 1:
        raise ValueError(
            f"[log_mel] expected mono samples of shape (count,); got shape {values.shape}"
        )
    if values.dtype.kind != "f":
        raise ValueError(f"[log_mel] expected samples in float32; got {values.dtype}")
    return values.astype(np.float32, copy=False)


def _mirrored(samples: np.ndarray, padding: int) -> np.ndarray:
    """The samples and `padding` zeros between half a window mirrored at either end."""
    half = WINDOW // 2
    count = len(samples) + padding
    out = np.zeros(count + WINDOW, np.float32)
    out[half : half + len(samples)] = samples
    inner = out[half : half + count]
    if count <= half:  # mirrored more than once
        return np.pad(inner, half, mode="reflect") if count else out
    out[:half] = inner[half:0:-1]
    out[half + count :] = inner[-2 : -half - 2 : -1]
    return out


def log_mel(samples, mels: int = 80, padding: int = 0) -> mx.array:
    """The log-mel spectrogram `(frames, mels)` of mono samples at 16 kHz, in float32.

    `samples` are an array or NumPy array `(count,)` of floats, nominally from -1 to 1; `padding`
    zeros are added at their end. There is a frame for every 160 samples, of the 400 around its
    place; the ends are mirrored. Powers are clamped to 1e-10 and, once in decibels / 10, to 8 below
    the largest of the whole; `(x + 4) / 4` is the result, about from -1 to 1.

    Raises ValueError for samples of another shape or kind.
    """
    if padding < 0:
        raise ValueError(f"[log_mel] expected padding of at least 0; got {padding}")
    samples = _mono(samples)
    filters = mel_filters(mels)
    frames = (len(samples) + padding) // HOP
    if frames == 0:
        return mx.zeros((0, mels))
    padded = _mirrored(samples, padding)
    blocks = []
    for first in range(0, frames, _BLOCK):
        count = min(_BLOCK, frames - first)
        part = mx.array(padded[first * HOP : (first + count - 1) * HOP + WINDOW])
        windows = mx.as_strided(part, (count, WINDOW), (HOP, 1))
        spectrum = mx.fft.rfft(windows * _hann(), axis=-1)
        power = mx.square(mx.real(spectrum)) + mx.square(mx.imag(spectrum))
        blocks.append(mx.log10(mx.maximum(power @ filters, 1e-10)))
        mx.eval(blocks[-1])
    logs = blocks[0] if len(blocks) == 1 else mx.concatenate(blocks)
    return (mx.maximum(logs, mx.max(logs) - 8.0) + 4.0) / 4.0


def pad_or_trim(mel: mx.array, frames: int = CHUNK_FRAMES) -> mx.array:
    """A spectrogram `(…, frames, mels)` of exactly so many frames: cut, or zeros at its end."""
    have = mel.shape[-2]
    if have >= frames:
        return mel[..., :frames, :]
    widths = [(0, 0)] * (mel.ndim - 2) + [(0, frames - have), (0, 0)]
    return mx.pad(mel, widths)
