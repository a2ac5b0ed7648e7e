"""PNG files from arrays of bytes, with nothing but the standard library.

Source: Portable Network Graphics Specification (W3C, 2003).
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from olivine.llm.atomic import whole_file

_COLOURS = {1: 0, 3: 2, 4: 6}  # channels -> the file's type of colour


def _chunk(kind: bytes, content: bytes) -> bytes:
    body = kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png_bytes(pixels, texts: dict[str, str] | None = None) -> bytes:
    """A file of uint8 pixels `(height, width, 1, 3 or 4)`; `texts` stand in it by their names."""
    pixels = np.ascontiguousarray(np.asarray(pixels))
    shape = pixels.shape
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or shape[2] not in _COLOURS or 0 in shape:
        raise ValueError(
            f"[image] expected uint8 pixels (height, width, 1, 3 or 4); got {pixels.dtype} {shape}"
        )
    height, width, channels = shape
    # Every row is what it adds to the one above, which compresses well.
    above = np.concatenate([np.zeros((1, width * channels), np.uint8), _rows(pixels)[:-1]])
    rows = np.full((height, 1 + width * channels), 2, np.uint8)
    rows[:, 1:] = _rows(pixels) - above
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    parts = [_chunk(b"IHDR", head)]
    for name, text in (texts or {}).items():
        content = name.encode("latin-1", "replace") + b"\0\0\0\0\0" + text.encode("utf-8")
        parts.append(_chunk(b"iTXt", content))
    parts += [_chunk(b"IDAT", zlib.compress(rows.tobytes(), 6)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _rows(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(len(pixels), -1)


def write_png(path: str | Path, pixels, texts: dict[str, str] | None = None) -> None:
    """Write pixels to a file, which is there whole or as it was."""
    content = png_bytes(pixels, texts)
    with whole_file(path, overwrite=True) as draft:
        draft.write_bytes(content)


def grid(pixels, columns: int, scale: int = 1) -> np.ndarray:
    """Images `(count, height, width, channels)` as one, in rows, every pixel as `scale` squared.

    There is white between them, and where the last row is short.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim != 4 or not len(pixels) or columns < 1 or scale < 1:
        raise ValueError(
            f"[image] expected images (count, height, width, channels), columns and a scale from "
            f"1; got {pixels.shape}, {columns} and {scale}"
        )
    count, height, width, channels = pixels.shape
    rows, gap = -(-count // columns), max(2, scale // 2)
    tall, wide = height * scale + gap, width * scale + gap
    out = np.full((rows * tall + gap, columns * wide + gap, channels), 255, np.uint8)
    for i, image in enumerate(pixels):
        y, x = i // columns * tall + gap, i % columns * wide + gap
        enlarged = image.repeat(scale, axis=0).repeat(scale, axis=1)
        out[y : y + height * scale, x : x + width * scale] = enlarged
    return out
