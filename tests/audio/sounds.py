"""Sounds that tests make: voices of harmonics, noise, bursts."""

import struct

import numpy as np

RATE = 16_000


def noise(seconds, level=0.001, seed=0):
    """White noise of a standard deviation."""
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def voice(seconds, level=0.2):
    """Harmonics of 120 Hz that swell and fade four times a second, as syllables do."""
    t = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 120 * k * t + k) / k for k in range(1, 20))
    return (level * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


def spoken(length, parts, floor=0.001, seed=0):
    """Noise of `length` seconds with voices in it, as (start, end) in seconds."""
    samples = noise(length, floor, seed)
    for start, end in parts:
        place = round(start * RATE)
        sound = voice(end - start)
        samples[place : place + len(sound)] += sound
    return samples


def wav(samples, rate=RATE, kind=1, bits=16, channels=1, size=None, extensible=False):
    """A WAV file's bytes; `samples` are bytes. `size`: what it says of them."""
    frame = channels * bits // 8
    code = 0xFFFE if extensible else kind
    form = struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits)
    if extensible:
        form += struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", kind) + bytes(14)
    chunks = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # of an odd size, so padded
    chunks += b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", len(samples) if size is None else size) + samples
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def pcm16(samples):
    return np.round(np.asarray(samples) * 32767).astype("<i2").tobytes()
