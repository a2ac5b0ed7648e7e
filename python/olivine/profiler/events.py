"""What the recorder hands over, read: events of threads, descriptions of steps, places."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

# As in src/runtime/profile.h.
PHASES = (
    "Python",
    "graph building",
    "tracing",
    "transforming",
    "planning",
    "running",
    "steps",
    "publishing",
    "waiting",
)
ALLOCATED, RELEASED, RESIDENT = len(PHASES), len(PHASES) + 1, len(PHASES) + 2
EVENT = np.dtype(
    {
        "names": ["begin", "end", "what", "location", "kind", "stream", "bytes", "address"],
        "formats": ["u8", "u8", "u4", "u4", "u1", "u2", "i8", "u8"],
        "offsets": [0, 8, 16, 20, 24, 26, 32, 40],
        "itemsize": 48,
    }
)


@dataclass(frozen=True)
class Place:
    """Where a program made an op."""

    file: str = ""
    line: int = 0
    function: str = ""
    layer: str = ""

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}" if self.file else "elsewhere"


NOWHERE = Place()


@dataclass(frozen=True)
class Step:
    """What all steps of one number are."""

    kind: str  # kernel, elementwise, fused, copy, plan, loop, branch; arena: memory
    parts: tuple[tuple[int, int], ...]  # place, bytes


@dataclass
class Thread:
    """One thread's time and events."""

    id: int
    name: str
    phases: dict[str, float]  # seconds
    events: np.ndarray  # sorted by their end; times in nanoseconds since the profile began
    own: np.ndarray = field(repr=False, default=None)  # nanoseconds, without events inside


def read_thread(raw: tuple) -> Thread:
    number, name, phases, events, own = raw
    return Thread(number, name, phases, np.frombuffer(events, EVENT), np.frombuffer(own, np.int64))
