"""Event files that TensorBoard reads, written without its package.

An event file is a sequence of TFRecords: length (uint64), its masked CRC-32C, an Event message in
protobuf's wire format, its masked CRC-32C, all little-endian. Sources: TensorFlow's documentation
of TFRecord, and event.proto and summary.proto there.
"""

from __future__ import annotations

import operator
import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from olivine.train.files import append
from olivine.train.logs import plain_values


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # Castagnoli's polynomial, reversed
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """The CRC-32C check sum (RFC 3720)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data: bytes) -> bytes:
    """One TFRecord."""
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _varint(value: int) -> bytes:
    value &= 2**64 - 1  # negative numbers in two's complement
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _event(step: int, content: bytes) -> bytes:
    wall_time = struct.pack("<Bd", 1 << 3 | 1, time.time())
    return record(wall_time + _number(2, step) + content)


def _scalar(name: str, value: float) -> bytes:
    simple_value = struct.pack("<Bf", 2 << 3 | 5, value)
    return _bytes(1, _bytes(1, name.encode()) + simple_value)


class TensorBoardLogger:
    """Writes scalars by step to an event file in `folder`; TensorBoard shows the folder as a run.

    Where the folder already has event files, the first event tells TensorBoard that the run begins
    again at that step, so that what a killed run logged from there on is no longer shown.

    >>> log = TensorBoardLogger("runs/one")
    >>> log.log(10, {"loss/train": loss}, learning_rate=optimizer.learning_rate)

    Raises `OSError` when the disk is full or fails.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        earlier = [
            int(p.name.split(".")[3]) for p in self.folder.glob("events.out.tfevents.[0-9]*")
        ]
        # TensorBoard reads the files by name.
        begin = max([int(time.time()), *(t + 1 for t in earlier)])
        host = socket.gethostname()
        self.path = self.folder / f"events.out.tfevents.{begin:010}.{host}.{os.getpid()}.0"
        self._file = open(self.path, "xb", buffering=0)  # noqa: SIM115  held until close()
        append(self._file, _event(0, _bytes(3, b"brain.Event:2")))
        self._begins_again = bool(earlier)
        self.step: int | None = None

    def log(self, step: int, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Write numbers or arrays of one element, in float32, under their names."""
        step, numbers = operator.index(step), plain_values(values, named)
        content = b"".join(_scalar(name, float(value)) for name, value in numbers.items())
        if self._begins_again:
            append(self._file, _event(step, _bytes(7, _number(1, 1))))  # session_log: START
            self._begins_again = False
        append(self._file, _event(step, _bytes(5, content)))
        self.step = step

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> TensorBoardLogger:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def state_dict(self) -> dict[str, int | None]:
        os.fsync(self._file.fileno())
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, int | None]) -> None:
        # The next event hides those of steps that are done again.
        self._begins_again, self.step = True, state["step"]
