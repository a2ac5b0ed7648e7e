"""Samples of WAV files and of raw PCM, read block by block from anything that has `read`.

Sources: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0" (1991);
Microsoft, "Multiple Channel Audio Data and WAVE Files" (2007); EBU Tech 3306 (RF64).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from olivine.audio.errors import AudioError
from olivine.audio.resampling import HIGHEST_RATE, LOWEST_RATE

_BYTES = {"u8": 1, "s16": 2, "s24": 3, "s32": 4, "f32": 4, "f64": 8}
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_CHANNELS = 256
_BLOCK = 1 << 18  # bytes read at once, at most
_UNKNOWN = 0x7FFF0000  # sizes from here on are written where the length is not known, as in pipes


class OtherCoding(Exception):
    """A WAV file of samples that are coded in some way that others must read."""


@dataclass(frozen=True)
class Raw:
    """How raw samples are stored, in little-endian order: their rate, format and channels.

    Formats are u8, s16, s24, s32, f32 and f64.
    """

    rate: int
    format: str = "s16"
    channels: int = 1

    def __post_init__(self):
        if self.format not in _BYTES:
            raise AudioError(
                f"[audio] expected a format of samples among {', '.join(_BYTES)}; "
                f"got {self.format!r}"
            )
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise AudioError(
                f"[audio] expected {LOWEST_RATE:,} to {HIGHEST_RATE:,} samples a second; "
                f"got {self.rate:,}"
            )
        if not 1 <= self.channels <= _CHANNELS:
            raise AudioError(f"[audio] expected 1 to {_CHANNELS} channels; got {self.channels}")

    @classmethod
    def parse(cls, text: str) -> Raw:
        """From `RATE`, `RATE:FORMAT` or `RATE:FORMAT:CHANNELS`, as in 48000:s16:2."""
        rate, *rest = text.split(":")
        try:
            if len(rest) > 2:
                raise ValueError
            return cls(int(rate), rest[0] if rest else "s16", int(rest[1]) if rest[1:] else 1)
        except AudioError:
            raise
        except ValueError:
            raise AudioError(
                f"[audio] expected RATE[:FORMAT[:CHANNELS]], as in 48000:s16:2; got {text!r}"
            ) from None

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return _BYTES[self.format] * self.channels

    def decode(self, data: bytes) -> np.ndarray:
        """Whole frames as float32 of one channel, from -1 to 1."""
        if self.format == "u8":
            samples = np.frombuffer(data, np.uint8).astype(np.float32) / 128 - 1
        elif self.format == "s16":
            samples = np.frombuffer(data, "<i2").astype(np.float32) / 2**15
        elif self.format == "s24":
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            samples = wide.view("<i4")[:, 0].astype(np.float32) / 2**31
        elif self.format == "s32":
            samples = np.frombuffer(data, "<i4").astype(np.float32) / 2**31
        else:
            samples = np.frombuffer(data, "<f4" if self.format == "f32" else "<f8")
            with np.errstate(over="ignore"):
                samples = samples.astype(np.float32)
        return samples.reshape(-1, self.channels).mean(axis=1) if self.channels > 1 else samples

    def blocks(self, file: BinaryIO, size: int | None, name: str) -> Iterator[np.ndarray]:
        """The samples of `size` bytes, or of all that come; each block as soon as it is there."""
        read = getattr(file, "read1", file.read)
        rest = b""
        left = size
        while left is None or left > 0:
            data = read(_BLOCK if left is None else min(_BLOCK, left))
            if not data:
                break
            if left is not None:
                left -= len(data)
            data = rest + data
            whole = len(data) // self.frame * self.frame
            rest = data[whole:]
            if whole:
                yield self.decode(data[:whole])
        if left:
            raise AudioError(
                f"[audio] expected {size:,} bytes of samples in {name}; it ends after "
                f"{size - left:,}"
            )


def read_wav(file: BinaryIO, name: str) -> tuple[Raw, Iterator[np.ndarray]]:
    """How a WAV file's samples are stored, and blocks of them.

    One that ends before its samples do is an error; those of a pipe may be of unknown number.
    """
    head = _exactly(file, 12, name)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise AudioError(f"[audio] expected a WAV file; {name} does not begin like one")
    raw = long = None
    while True:
        kind, size = struct.unpack("<4sI", _exactly(file, 8, name))
        if kind == b"data":
            break
        # What the chunks before the samples hold is short; what is longer is passed over.
        content = _exactly(file, min(size, 4096), name)
        _pass_over(file, size - len(content) + size % 2, name)
        if kind == b"fmt ":
            raw = _format(content, name)
        elif kind == b"ds64" and len(content) >= 16:
            long = struct.unpack("<Q", content[8:16])[0]
    if raw is None:
        raise AudioError(f"[audio] expected {name} to say how its samples are stored; it does not")
    if head[:4] == b"RF64" and long is not None:
        size = long
    elif size == 0 or size >= _UNKNOWN:
        size = None
    return raw, raw.blocks(file, size, name)


def _format(content: bytes, name: str) -> Raw:
    """From the content of a `fmt ` chunk."""
    if len(content) < 16:
        raise AudioError(f"[audio] expected {name} to say how its samples are stored; it is cut")
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", content[:16])
    if kind == _EXTENSIBLE and len(content) >= 26:
        kind = struct.unpack("<H", content[24:26])[0]
    formats = {
        (_PCM, 8): "u8", (_PCM, 16): "s16", (_PCM, 24): "s24", (_PCM, 32): "s32",
        (_FLOAT, 32): "f32", (_FLOAT, 64): "f64",
    }  # fmt: skip
    if (kind, bits) not in formats:
        raise OtherCoding(f"coding {kind} of {bits} bits")
    try:
        return Raw(rate, formats[kind, bits], channels)
    except AudioError as error:
        raise AudioError(f"{error} in {name}") from None


def _exactly(file: BinaryIO, size: int, name: str) -> bytes:
    data = b""
    while len(data) < size:
        more = file.read(size - len(data))
        if not more:
            raise AudioError(f"[audio] expected a whole sound file; {name} ends in its header")
        data += more
    return data


def _pass_over(file: BinaryIO, size: int, name: str) -> None:
    while size > 0:
        size -= len(_exactly(file, min(size, _BLOCK), name))
